-- Right after a restore from a backup: the lineage under which the turns in it were made. They can
-- only be folded under that one, because the ids that actors make follow from it.
ALTER TABLE meta ADD COLUMN tail_lineage BLOB
    CHECK (tail_lineage IS NULL OR length(tail_lineage) = 16);
