"""The restore drill: what is restored folds to the same states, under a lineage of its own."""

import hashlib
from pathlib import Path

import pytest
import trio

from state.backup import make_backup, restore_backup, verify_backup
from state.database import DATABASE_NAME
from state.errors import (
    BackupError,
    DatabaseDamagedError,
    DatabaseForeignError,
    DatabaseNewerError,
    DataFolderLockedError,
)
from state.lineages import NAME as LINEAGES
from state.lineages import read_lineages
from state.store import Store
from tests.state.conftest import running
from tests.state.samples import post, snapshot, turn


def fold(store: Store) -> str:
    """Return a hash over all that a recovery would read."""
    seen = hashlib.blake2b()
    for actor in (2, 3):
        found, turns = store.restore(actor)
        seen.update(repr((found, list(turns))).encode())
    names = {name: number for name, number in store.names().items() if name != LINEAGES}
    seen.update(repr((names, list(store.inbox()), list(store.quarantined()))).encode())
    return seen.hexdigest()


async def work(store: Store, groups: int) -> None:
    for _ in range(groups):
        position = store.next_position()
        store.enroll(f"/name/{position}")
        for actor in (2, 3):
            store.durable(post(position + actor))
            store.turn(turn(actor, position, [position + actor]))
        store.durable(post(position + 4))
        if position % 3:
            store.snapshot(snapshot(2, position))
        await store.committed()


async def test_a_backup_restores_to_equal_states(tmp_path: Path) -> None:
    target = tmp_path / "backups" / "one.db"
    async with running(tmp_path / "a") as store:
        await work(store, 5)
        size = await trio.to_thread.run_sync(make_backup, store.database, target)
        assert size == target.stat().st_size
        before, lineage = fold(store), store.lineage
        await work(store, 5)
        assert fold(store) != before
    restore_backup(target, tmp_path / "b")
    async with running(tmp_path / "b") as store:
        assert fold(store) == before
        assert store.lineage != lineage
        assert len(store.lineage) == 16
        await work(store, 1)
        lineages = read_lineages(store.lineage, store.names(), store.configuration)
        (past,) = lineages.before
        assert past.lineage == lineage
        assert lineages.at(past.until_ns) == (lineage, 0, past.until_ns)
        assert lineages.at(past.until_ns + 1)[0] == store.lineage
    assert sorted(path.name for path in (tmp_path / "backups").iterdir()) == ["one.db"]


async def test_a_backup_is_made_while_groups_are_committed(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as store:
        await work(store, 3)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(work, store, 40)
            for number in range(3):
                target = tmp_path / f"{number}.db"
                await trio.to_thread.run_sync(make_backup, store.database, target)
    for number in range(3):
        restore_backup(tmp_path / f"{number}.db", tmp_path / f"r{number}")
        async with running(tmp_path / f"r{number}") as store:
            inbox = list(store.inbox())
            assert len(inbox) >= 3
            assert inbox[-1].position == store.next_position() - 1


async def test_a_database_is_not_overwritten(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as store:
        await work(store, 1)
        make_backup(store.database, tmp_path / "one.db")
        with pytest.raises(DataFolderLockedError):
            restore_backup(tmp_path / "one.db", tmp_path / "a")
    with pytest.raises(BackupError, match="has a database already: move"):
        restore_backup(tmp_path / "one.db", tmp_path / "a")


async def test_a_backup_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as store:
        await work(store, 1)
        make_backup(store.database, tmp_path / "one.db")
    with pytest.raises(BackupError, match="there is no backup at"):
        restore_backup(tmp_path / "none.db", tmp_path / "b")
    (tmp_path / "text.db").write_text("not a database" * 1000)
    with pytest.raises(DatabaseDamagedError):
        restore_backup(tmp_path / "text.db", tmp_path / "b")
    import apsw

    for name, change, error in (
        ("newer.db", "PRAGMA user_version = 99", DatabaseNewerError),
        ("foreign.db", "PRAGMA application_id = 3", DatabaseForeignError),
    ):
        (tmp_path / name).write_bytes((tmp_path / "one.db").read_bytes())
        connection = apsw.Connection(str(tmp_path / name))
        connection.execute(change)
        connection.close()
        with pytest.raises(error):
            restore_backup(tmp_path / name, tmp_path / "b")
    assert not (tmp_path / "b" / DATABASE_NAME).exists()
    assert not (tmp_path / "b" / f"{DATABASE_NAME}.part").exists()


async def test_a_failed_backup_leaves_the_older_one(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as store:
        await work(store, 1)
        target = tmp_path / "one.db"
        make_backup(store.database, target)
        before = target.read_bytes()
        # A folder in the place of the unfinished file: it cannot be written.
        (tmp_path / "one.db.part").mkdir()
        with pytest.raises(BackupError, match="the database is not affected"):
            make_backup(store.database, target)
        assert target.read_bytes() == before
        verify_backup(target)
