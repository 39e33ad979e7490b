"""Copies of the database: made while it is written, restored into an empty folder.

Every file is written beside its place, synced, then renamed: there is a whole one or none.
"""

import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import apsw

from state.database import (
    APPLICATION_ID,
    DATABASE_NAME,
    LINEAGE_BYTES,
    Database,
    configure,
    immediate,
    migrate,
    migrations,
    refusing,
    sync_folder,
)
from state.errors import (
    BackupError,
    DatabaseDamagedError,
    DatabaseForeignError,
    DatabaseNewerError,
)
from state.lineages import note_restore
from state.lock import FolderLock
from state.sql import fetch_all

PART_SUFFIX = ".part"


def make_backup(database: Database, target: Path) -> int:
    """Write a copy of `database`, as of now, to `target`; return its size in bytes.

    Runs off the loop beside the writer, on connections of its own: about a second per gigabyte, in
    which the log is not checkpointed. Raises `BackupError`; an older file at `target` stays then.
    """
    source = database.reader()
    try:
        return copy_out(source, target)
    finally:
        if source is not database.writer:
            source.close()


def copy_out(source: apsw.Connection, target: Path) -> int:
    """Write what `source` is connected to, as of now, to `target`; return its size in bytes.

    Raises `BackupError`; an older file at `target` stays then.
    """
    part = target.with_name(target.name + PART_SUFFIX)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        _copy(source, part)
        _sync(part)
        part.replace(target)
        sync_folder(target.parent)
    except (OSError, apsw.Error, DatabaseDamagedError) as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise BackupError(
            f"the backup {target} could not be made ({error}): make room or name another place, "
            "then try again; the database is not affected"
        ) from error
    return target.stat().st_size


def restore_backup(backup: Path, folder: Path, draw: Callable[[int], bytes] = os.urandom) -> None:
    """Make the database in `folder` from `backup`, with a lineage of its own.

    The ids that actors make depend on the lineage, so orders placed after the restore never have
    an id that was used between the backup and the loss. Raises `BackupError` when `folder` has a
    database already, `DataRefusedError` for a backup that is damaged, newer or not ours.
    """
    lock = FolderLock(folder)
    target = folder / DATABASE_NAME
    part = target.with_name(target.name + PART_SUFFIX)
    try:
        if target.exists():
            raise BackupError(
                f"{folder} has a database already: move {target}* away, or restore into another "
                "folder with --data-dir"
            )
        verify_backup(backup)
        shutil.copyfile(backup, part)
        with refusing(part):
            _renew(part, draw(LINEAGE_BYTES))
        _sync(part)
        part.replace(target)
        sync_folder(folder)
    except OSError as error:
        raise BackupError(
            f"{backup} could not be restored to {folder} ({error}): make room or name another "
            "folder, then try again"
        ) from error
    finally:
        part.unlink(missing_ok=True)
        lock.release()


def verify_backup(backup: Path) -> None:
    """Check that `backup` is whole, ours, and of a version that this release can read.

    Raises `BackupError` or `DataRefusedError`.
    """
    if not backup.is_file():
        raise BackupError(f"there is no backup at {backup}: name one that `bot backup` made")
    with refusing(backup):
        connection = apsw.Connection(str(backup), flags=apsw.SQLITE_OPEN_READONLY)
        try:
            ours, version = connection.pragma("application_id"), connection.pragma("user_version")
            if ours != APPLICATION_ID:
                raise DatabaseForeignError(backup, int(ours or 0))
            if int(version or 0) > len(migrations()):
                raise DatabaseNewerError(backup, int(version or 0), len(migrations()))
            found = [str(row[0]) for row in fetch_all(connection, "PRAGMA quick_check(1)")]
            if found != ["ok"]:
                raise DatabaseDamagedError(backup, found[0])
        finally:
            connection.close()


def _copy(source: apsw.Connection, part: Path) -> None:
    target = apsw.Connection(str(part))
    try:
        configure(target)
        # In one go: a copy in steps would begin again with each group that is committed meanwhile.
        with target.backup("main", source, "main") as copy:
            copy.step(-1)
        # A copy of one file: without this it would expect a log beside it.
        target.pragma("journal_mode", "delete")
    finally:
        target.close()
    verify_backup(part)


def _renew(part: Path, lineage: bytes) -> None:
    connection = apsw.Connection(str(part))
    try:
        configure(connection)
        version = int(connection.pragma("user_version") or 0)
        for number, text in enumerate(migrations()[version:], start=version + 1):
            migrate(connection, number, text)
        with immediate(connection):
            note_restore(connection)
            connection.execute(
                "UPDATE meta SET tail_lineage = coalesce(tail_lineage, lineage), lineage = ?",
                (lineage,),
            )
    finally:
        connection.close()


def _sync(path: Path) -> None:
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)
