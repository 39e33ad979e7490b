PRAGMA page_size = 4096;
PRAGMA auto_vacuum = INCREMENTAL;

-- "Cnpy", so that `file` and SQLite's own tools know whose database it is.
PRAGMA application_id = 1131311225;

CREATE TABLE meta (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    lineage BLOB NOT NULL CHECK (length(lineage) = 16),
    boot INTEGER NOT NULL CHECK (boot >= 0)
) STRICT;

CREATE TABLE names (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE configurations (
    actor INTEGER PRIMARY KEY,
    configuration BLOB NOT NULL
) STRICT;

-- A block of durable messages per group; `last` is the newest position in it.
CREATE TABLE durable (
    last INTEGER PRIMARY KEY,
    first INTEGER NOT NULL CHECK (first <= last),
    at_ns INTEGER NOT NULL,
    heads BLOB NOT NULL,
    bodies BLOB NOT NULL
) STRICT;

-- Emitted and not yet handled; the body lies in `durable`.
CREATE TABLE inbox (
    position INTEGER PRIMARY KEY,
    concludes INTEGER NOT NULL
) STRICT;

CREATE TABLE quarantine (
    position INTEGER PRIMARY KEY,
    actor INTEGER NOT NULL,
    sender INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    body BLOB NOT NULL,
    error TEXT NOT NULL,
    blocking INTEGER NOT NULL CHECK (blocking IN (0, 1)),
    durable INTEGER NOT NULL CHECK (durable IN (0, 1)),
    concludes INTEGER NOT NULL
) STRICT;

-- Every actor that ever had a turn, and the hour of its first.
CREATE TABLE actors (
    actor INTEGER PRIMARY KEY,
    hour INTEGER NOT NULL
) STRICT;

CREATE TABLE snapshots (
    id INTEGER PRIMARY KEY,
    actor INTEGER NOT NULL,
    seq INTEGER NOT NULL CHECK (seq >= 0),
    hour INTEGER NOT NULL,
    at_ns INTEGER NOT NULL,
    digest BLOB NOT NULL,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX snapshots_by_actor ON snapshots (actor, id);

CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at_ns INTEGER NOT NULL,
    operator TEXT NOT NULL,
    act TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    chain BLOB NOT NULL
) STRICT;
CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
CREATE TRIGGER audit_is_never_deleted BEFORE DELETE ON audit
BEGIN SELECT RAISE(ABORT, 'audit is append-only'); END;
