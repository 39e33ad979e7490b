"""Opening the one SQLite file: its settings, its migrations, and what is refused.

One connection writes; reads that need not wait for it have read-only ones. In exclusive mode (a VFS
without shared memory: simulation) the writing connection is the only one.
"""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import apsw

from state.ballast import BALLAST_BYTES, Ballast
from state.errors import (
    DatabaseDamagedError,
    DatabaseForeignError,
    DatabaseNewerError,
    DataFolderError,
    DiskFullError,
    SqliteTooOldError,
)
from state.lock import FolderLock
from state.sql import fetch_one

DATABASE_NAME = "canopy.db"
APPLICATION_ID = 0x436E7079
LINEAGE_BYTES = 16
# The first with the fix of the WAL-reset bug, which loses committed pages; 3.52.0 was withdrawn.
SQLITE_VERSION_MIN = (3, 51, 3)
# Our only rival for a lock is a backup tool or a person's shell: long enough for its transaction,
# far shorter than the time after which the store counts as lost.
BUSY_TIMEOUT_MS = 2_000
# Every group's statements stay prepared: about 20 shapes times the sizes of `insert_many`.
STATEMENTS_CACHED = 256
# Pages kept by the writer: the inner pages of all tables and the leaves in use, 8 MB.
CACHE_KIB = 8_192
# What a start checks before it trades: books, inbox and snapshots; `check_all` checks the rest.
CHECKED_AT_START = (
    "transfers",
    "balances",
    "balances_current",
    "balance_sums",
    "inbox",
    "snapshots",
)
# A damaged database reports thousands of errors; a person needs the first few.
DAMAGE_REPORTED_MAX = 5


@dataclass(frozen=True)
class Settings:
    """How a database is opened."""

    ballast_bytes: int = BALLAST_BYTES
    """Size of the reserve file; 0 for none."""
    vfs: str = ""
    """Name of the SQLite VFS; any but the default is opened exclusively, on one connection."""
    check: bool = True
    """Whether the tables that matter most are checked at the start."""


class Database:
    """The open database: its connections, who it is (`lineage`) and how often it was started."""

    def __init__(self, folder: Path, settings: Settings, lock: FolderLock) -> None:
        self.folder = folder
        self.path = folder / DATABASE_NAME
        self.settings = settings
        self.ballast = Ballast(folder, settings.ballast_bytes)
        self.lineage = b""
        self.tail_lineage = b""
        """Under which the turns in it were made: another one right after a restore."""
        self.boot = 0
        self._lock = lock
        self.writer = self._connect(readonly=False)

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: Settings | None = None,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> "Database":
        """Open the database in `folder`, making or migrating it; count the start.

        Raises what `state.errors` lists under the start; nothing is changed then, and nothing held.
        `draw` gives the random bits of a new lineage.
        """
        check_sqlite_version()
        with ExitStack() as undo:
            lock = FolderLock(folder)
            undo.callback(lock.release)
            undo.enter_context(refusing(folder / DATABASE_NAME))
            database = cls(folder, settings or Settings(), lock)
            undo.callback(close, database.writer)
            database.ballast.load()
            database._prepare()
            if database.settings.check:
                database.check(CHECKED_AT_START)
            database._start(draw)
            undo.pop_all()
        return database

    @property
    def exclusive(self) -> bool:
        """Whether the writing connection is the only one there can be."""
        return bool(self.settings.vfs)

    def reader(self) -> apsw.Connection:
        """Return a new read-only connection; in exclusive mode the writing one."""
        return self.writer if self.exclusive else self._connect(readonly=True)

    def checkpointer(self) -> apsw.Connection:
        """Return a new connection that brings the log into the file while the writer goes on."""
        assert not self.exclusive, "an exclusive database has one connection"
        connection = self._connect(readonly=False)
        make_durable(connection)
        return connection

    def check(self, tables: tuple[str, ...]) -> None:
        """Check the structure of `tables`; raises `DatabaseDamagedError`."""
        _check(self.writer, self.path, tables)

    def check_all(self) -> None:
        """Check the whole file on a connection of its own: seconds per gigabyte, off the loop.

        Raises `DatabaseDamagedError`.
        """
        connection = self.reader()
        try:
            with refusing(self.path):
                _report(self.path, connection, f"PRAGMA quick_check({DAMAGE_REPORTED_MAX})")
        finally:
            if connection is not self.writer:
                connection.close()

    def empty_log(self) -> None:
        """Bring the log into the file: a reader that is still open would have a close leave it."""
        if not self.exclusive:
            with suppress(apsw.Error):
                self.writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)

    def close(self) -> None:
        """Close the writing connection and give the folder back; a second call does nothing."""
        try:
            close(self.writer)
        finally:
            self._lock.release()

    def _connect(self, *, readonly: bool) -> apsw.Connection:
        flags = (
            apsw.SQLITE_OPEN_READONLY
            if readonly
            else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
        )
        connection = apsw.Connection(
            str(self.path),
            flags=flags,
            vfs=self.settings.vfs or None,
            statementcachesize=STATEMENTS_CACHED,
        )
        with ExitStack() as undo:
            undo.callback(close, connection)
            if self.exclusive:
                # First of all: without shared memory nothing in a log can be read before.
                connection.pragma("locking_mode", "exclusive")
            configure(connection)
            undo.pop_all()
        return connection

    def _prepare(self) -> None:
        found = _version(self.writer)
        application_id = self.writer.pragma("application_id")
        known = migrations()
        if application_id not in {0, APPLICATION_ID} or (application_id == 0 and found != 0):
            raise DatabaseForeignError(self.path, int(application_id or 0))
        if found > len(known):
            raise DatabaseNewerError(self.path, found, len(known))
        if found == 0 and self.writer.execute("SELECT count(*) FROM sqlite_master").get:
            raise DatabaseForeignError(self.path, 0)
        for number, text in enumerate(known[found:], start=found + 1):
            migrate(self.writer, number, text)
        make_durable(self.writer)

    def _start(self, draw: Callable[[int], bytes]) -> None:
        found = fetch_one(self.writer, "SELECT lineage, boot, tail_lineage FROM meta")
        lineage, boot, tail = found if found is not None else (draw(LINEAGE_BYTES), 0, None)
        with immediate(self.writer):
            self.writer.execute(
                "INSERT INTO meta (one, lineage, boot) VALUES (1, ?, ?) "
                "ON CONFLICT (one) DO UPDATE SET boot = excluded.boot",
                (lineage, boot + 1),
            )
        self.lineage, self.boot = lineage, boot + 1
        self.tail_lineage = tail or lineage
        assert len(self.lineage) == LINEAGE_BYTES, "a lineage has 128 bits"


def check_sqlite_version() -> None:
    """Raise `SqliteTooOldError` for a library that may corrupt a WAL database."""
    found = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if found < SQLITE_VERSION_MIN or found[:2] == (3, 52):
        needed = ".".join(str(part) for part in SQLITE_VERSION_MIN)
        raise SqliteTooOldError(apsw.sqlite_lib_version(), needed)


def configure(connection: apsw.Connection) -> None:
    """Give a connection the settings that all of ours have."""
    connection.set_busy_timeout(BUSY_TIMEOUT_MS)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DML, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DQS_DDL, 0)
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    connection.pragma("foreign_keys", 1)
    connection.pragma("cache_size", -CACHE_KIB)
    connection.pragma("temp_store", "memory")


def make_durable(connection: apsw.Connection) -> None:
    """Turn on the write-ahead log with a sync per commit; checkpoints are the store's to start."""
    mode = connection.pragma("journal_mode", "wal")
    assert mode == "wal", "the write-ahead log is what durability stands on"
    connection.pragma("synchronous", "full")
    connection.wal_autocheckpoint(0)


@contextmanager
def refusing(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about a file into ours, for a start or a check."""
    try:
        yield
    except (apsw.CorruptError, apsw.NotADBError, apsw.FormatError) as error:
        raise DatabaseDamagedError(path, str(error)) from error
    except apsw.FullError as error:
        raise DiskFullError(path, BALLAST_BYTES) from error
    except (apsw.CantOpenError, apsw.ReadOnlyError, apsw.PermissionsError, apsw.IOError) as error:
        raise DataFolderError(path.parent, str(error)) from error
    except apsw.BusyError as error:
        reason = "another program holds a lock on the database"
        raise DataFolderError(path.parent, reason) from error


def migrations() -> list[str]:
    """Return the texts of all migrations in order; the first has number 1."""
    folder = resources.files("state") / "migrations"
    found = sorted(
        (entry.name, entry.read_text())
        for entry in folder.iterdir()
        if re.fullmatch(r"\d{4}_\w+\.sql", entry.name)
    )
    numbers = [int(name[:4]) for name, _ in found]
    assert numbers == list(range(1, len(found) + 1)), "migrations are numbered without a gap"
    return [text for _, text in found]


def migrate(connection: apsw.Connection, number: int, text: str) -> None:
    """Bring a database one version further, in one transaction."""
    # The layout of the file can only be chosen before anything is in it, outside a transaction.
    while (layout := re.match(r"\s*PRAGMA (?:page_size|auto_vacuum)[^;]*;", text)) is not None:
        connection.execute(layout.group())
        text = text[layout.end() :]
    with immediate(connection):
        connection.execute(text)
        connection.pragma("user_version", number)


@contextmanager
def immediate(connection: apsw.Connection) -> Iterator[None]:
    """Run a block as one write transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # After a COMMIT there is nothing to leave.
        rollback(connection)


def rollback(connection: apsw.Connection) -> None:
    """Leave the transaction, if SQLite has not left it by itself."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _version(connection: apsw.Connection) -> int:
    version = connection.pragma("user_version")
    assert isinstance(version, int), "the version is a number"
    return version


def _check(connection: apsw.Connection, path: Path, tables: tuple[str, ...]) -> None:
    for table in tables:
        _report(path, connection, f"PRAGMA quick_check({table})")


def _report(path: Path, connection: apsw.Connection, check: str) -> None:
    found = [str(row[0]) for row in connection.execute(check)]
    if found != ["ok"]:
        raise DatabaseDamagedError(path, "; ".join(found[:DAMAGE_REPORTED_MAX]))


def close(connection: apsw.Connection) -> None:
    """Close `connection`, also on a disk that fails.

    The last one to close brings the log into the file; when it cannot, the log is read at the next
    start, so nothing is lost and there is nothing to say.
    """
    with suppress(apsw.Error):
        connection.close()


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable."""
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
