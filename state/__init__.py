"""SQLite: journal, snapshots, inbox, ledger, read models, backup."""
