"""What must survive: the journal, snapshots, inbox, ledger and read models, in one SQLite file."""
