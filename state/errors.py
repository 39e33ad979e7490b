"""What can go wrong with the store; every text says what to do next.

    StateError                       1
    ├── SqliteTooOldError            1   the SQLite library has the WAL-reset bug
    ├── DataFolderError              4   the data folder cannot be made or written
    ├── DataFolderLockedError        7   another process holds it
    ├── DataRefusedError             8
    │   ├── DatabaseNewerError           written by a newer release
    │   ├── DatabaseDamagedError         not what SQLite or we wrote
    │   └── DatabaseForeignError         another program's database
    ├── StoreLostError               9   commits failed for too long
    │   └── DiskFullError                not even the start had room
    ├── PoisonTurnError             70   a turn broke a constraint of the database
    ├── HistoryRetiredError          1   asked for what retention has dropped
    ├── QueryTimedOutError           6   a read took longer than its limit
    └── BackupError                  1   a backup could not be made or restored

The number is the process's exit code (`exit_code`).
"""

from pathlib import Path
from typing import ClassVar


class StateError(Exception):
    """The base of what the store reports."""

    exit_code: ClassVar[int] = 1


class SqliteTooOldError(StateError):
    """The SQLite library may corrupt a WAL database."""

    def __init__(self, found: str, needed: str) -> None:
        super().__init__(
            f"SQLite {found} can corrupt the database (WAL reset); {needed} or newer is needed: "
            "run `make install` to get the locked version"
        )


class DataFolderError(StateError):
    """The data folder cannot be used."""

    exit_code = 4

    def __init__(self, folder: Path, reason: str) -> None:
        self.folder = folder
        super().__init__(
            f"the data folder {folder} cannot be used ({reason}): make it writable for this user "
            "(chown, chmod, remount), or name another with --data-dir"
        )


class DataFolderLockedError(StateError):
    """Another process holds the data folder."""

    exit_code = 7

    def __init__(self, folder: Path, pid: int) -> None:
        self.folder = folder
        self.pid = pid
        holder = f"process {pid}" if pid else "another process"
        super().__init__(
            f"{holder} holds the data folder {folder}: stop it with "
            f"`bot stop --data-dir {folder}`, or name another folder with --data-dir"
        )


class DataRefusedError(StateError):
    """The data is there and must not be used as it is."""

    exit_code = 8


class DatabaseNewerError(DataRefusedError):
    """The database was written by a newer release."""

    def __init__(self, path: Path, found: int, known: int) -> None:
        self.found = found
        self.known = known
        super().__init__(
            f"the database {path} has version {found}, this release knows up to {known}: install "
            "the release that wrote it, or restore a backup made by this one with `bot restore`"
        )


class DatabaseDamagedError(DataRefusedError):
    """The database does not read as it was written."""

    def __init__(self, path: Path, what: str) -> None:
        self.what = what
        super().__init__(
            f"the database {path} is damaged ({what}): nothing was changed; keep a copy of the "
            "data folder, then restore the newest backup with `bot restore`"
        )


class DatabaseForeignError(DataRefusedError):
    """The file is a database of another program."""

    def __init__(self, path: Path, application_id: int) -> None:
        super().__init__(
            f"{path} is the database of another program (application_id {application_id:#x}): "
            "name another folder with --data-dir; nothing was changed"
        )


class StoreLostError(StateError):
    """The store did not take commits for longer than it may."""

    exit_code = 9

    def __init__(self, path: Path, reason: str, down_s: float) -> None:
        self.reason = reason
        super().__init__(
            f"the database {path} took no commit for {down_s:.0f} s ({reason}): make room or "
            "repair the disk, then start again; what was acknowledged is safe"
        )


class DiskFullError(StoreLostError):
    """There is no room on the disk to start."""

    def __init__(self, path: Path, needed_bytes: int) -> None:
        StateError.__init__(
            self,
            f"there is no room beside {path}: at least {needed_bytes // 1_000_000} MB must be "
            "free; delete something or name another folder with --data-dir, then start again",
        )
        self.reason = "disk full"


class PoisonTurnError(StateError):
    """A turn broke a constraint of the database: an invariant of ours is wrong.

    All before the turn is committed, its inputs are in quarantine, the rest was dropped.
    """

    exit_code = 70

    def __init__(self, actor: int, name: str, first_seq: int, reason: str) -> None:
        self.actor = actor
        self.name = name
        self.first_seq = first_seq
        self.reason = reason
        super().__init__(
            f"message {first_seq} of {name or f'actor {actor}'} broke a constraint of the database "
            f"({reason}): its messages are in quarantine; start again and decide with "
            "`bot actor retry` or `bot actor discard` what becomes of them"
        )


class HistoryRetiredError(StateError):
    """What was asked for lies before the horizon."""

    def __init__(self, what: str, horizon: int) -> None:
        self.horizon = horizon
        super().__init__(
            f"{what} was retired: the journal reaches back to message {horizon} of this actor; "
            f"ask from {horizon} on, or keep more with [store] retention in bot.toml"
        )


class QueryTimedOutError(StateError):
    """A read took longer than its limit."""

    exit_code = 6

    def __init__(self, limit_ns: int) -> None:
        super().__init__(
            f"the query took longer than {limit_ns / 1e9:.1f} s: ask for fewer rows or less time"
        )


class BackupError(StateError):
    """A backup could not be made or restored."""
