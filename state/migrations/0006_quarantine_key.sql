-- A stream message goes to all subscribers of its topic, and several may be unable to handle it.

CREATE TABLE quarantine_by_actor (
    position INTEGER NOT NULL,
    actor INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    body BLOB NOT NULL,
    error TEXT NOT NULL,
    blocking INTEGER NOT NULL CHECK (blocking IN (0, 1)),
    durable INTEGER NOT NULL CHECK (durable IN (0, 1)),
    concludes INTEGER NOT NULL,
    PRIMARY KEY (position, actor)
) STRICT;

INSERT INTO quarantine_by_actor SELECT * FROM quarantine;

DROP TABLE quarantine;

ALTER TABLE quarantine_by_actor RENAME TO quarantine;
