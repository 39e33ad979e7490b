"""What is behind every actor's horizon goes; nothing that a rebuild needs does."""

from pathlib import Path

import pytest

from state import retention
from state.errors import DatabaseDamagedError, HistoryRetiredError
from state.retention import Keep, Retention
from state.snapshots import ANCHOR_BYTES_MAX, ANCHOR_NS, ANCHORS_MAX, Kept, retained
from state.store import Store
from state.tables import HOUR_NS
from supervisor.journal import SetAside
from tests.state.conftest import running
from tests.state.samples import START_NS, post, snapshot, turn

START_HOUR = START_NS // HOUR_NS


async def hour(store: Store, number: int, actors: tuple[int, ...] = (2,)) -> None:
    """Do one hour's work: each actor handles a durable and a stream message, and is snapshotted."""
    now_ns = START_NS + number * HOUR_NS
    for actor in actors:
        seq = sum(len(one.inputs) for one in store.turns(actor, store.horizon(actor), 10**9))
        seq = max(seq, (store.restore(actor)[0] or snapshot(actor, 0)).seq) + 1
        position = store.next_position()
        store.durable((position, 1, actor, now_ns, b"durable"))
        store.stream((position + 1, 1, 9, now_ns, b"stream"))
        store.turn(turn(actor, seq, [position, position + 1], now_ns=now_ns))
        store.snapshot(snapshot(actor, seq + 1, now_ns=now_ns))
        await store.committed()


def tables(store: Store, kind: str) -> list[int]:
    return [each - START_HOUR for each in store._writer.hours.of(kind)]


def retire(store: Store, keep: Keep) -> None:
    worker = Retention(store.database.writer, store._writer, keep)
    for _ in range(100):
        worker.step()


async def test_old_hours_are_dropped_behind_the_horizon(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        for number in range(10):
            await hour(store, number)
        retire(store, Keep(hours=5))
        assert tables(store, "turn") == tables(store, "stream") == [4, 5, 6, 7, 8, 9]
        # Of each hour a snapshot is there: that of hour 3 is the oldest with all turns after it.
        assert store.horizon(2) == 9
        with pytest.raises(HistoryRetiredError, match="reaches back to message 9") as caught:
            list(store.turns(2, 8, 20))
        assert caught.value.horizon == 9
        with pytest.raises(HistoryRetiredError):
            store.snapshot_before(2, 8)
        assert [one.first_seq for one in store.turns(2, 9, 12)] == [9, 11]
    async with running(tmp_path) as store:
        assert store.next_position() == 21
        assert tables(store, "turn") == [4, 5, 6, 7, 8, 9]


async def test_an_actor_that_lags_keeps_its_past(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        await hour(store, 0, (2, 3))
        for number in range(1, 10):
            await hour(store, number)
        retire(store, Keep(hours=2))
        assert tables(store, "turn") == list(range(10)), "actor 3 has one snapshot only"
        assert 3 in store.due_snapshots(START_NS + 9 * HOUR_NS)
        now_ns = START_NS + 9 * HOUR_NS
        for _ in range(2):
            store.snapshot(snapshot(3, 2, now_ns=now_ns))
            await store.committed()
        retire(store, Keep(hours=2))
        assert tables(store, "turn") == [7, 8, 9]


async def test_an_hour_without_market_data_goes_like_any_other(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        now_ns = START_NS
        store.durable((store.next_position(), 1, 2, now_ns, b"durable"))
        await store.committed()
        assert tables(store, "stream") == [0]
        for number in range(1, 10):
            await hour(store, number)
        retire(store, Keep(hours=5))
        assert 0 not in tables(store, "stream")


async def test_too_much_is_dropped_before_it_is_old(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        for number in range(8):
            await hour(store, number)
        retire(store, Keep(hours=24, stream_bytes=1))
        assert tables(store, "turn") == tables(store, "stream") == [6, 7]


async def test_durable_messages_go_when_handled_and_unreferenced(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        # Neither handled: one waits in the inbox, one in quarantine.
        store.durable(post(1))
        await store.committed()
        store.durable(post(2))
        await store.committed()
        store.set_aside(SetAside(2, 2, 1, START_NS, b"body 2", "Error", True))
        for number in range(10):
            await hour(store, number)
        before = store.database.writer.execute("SELECT count(*) FROM durable").get
        retire(store, Keep(hours=2))
        after = store.database.writer.execute("SELECT count(*) FROM durable").get
        assert (before, after) == (12, 5)
        assert [each.body for each in store.inbox()] == [b"body 1"]
        store.release(2, discard=False, operator="ada", reason="")
        await store.committed()
        assert [each.body for each in store.inbox()] == [b"body 1", b"body 2"]


async def test_a_body_that_waited_long_is_kept_for_the_turn_that_handled_it(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as store:
        store.stream((1, 1, 9, START_NS, b"old"))
        await store.committed()
        for number in range(1, 6):
            await hour(store, number)
        seq = 11
        store.turn(turn(2, seq, [1], now_ns=START_NS + 5 * HOUR_NS))
        await store.committed()
        retire(store, Keep(hours=2))
        assert 0 in tables(store, "stream")
        assert [one.inputs[0].body for one in store.restore(2)[1]] == [b"old"]


async def test_free_pages_go_back_to_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "VACUUM_PAGES", 16)
    async with running(tmp_path) as store:
        for number in range(8):
            store.stream((store.next_position(), 1, 9, START_NS + number * HOUR_NS, bytes(200_000)))
            await hour(store, number)
        store._writer.checkpoint()
        before = (tmp_path / "canopy.db").stat().st_size
        retire(store, Keep(hours=2))
        store._writer.checkpoint()
        assert (tmp_path / "canopy.db").stat().st_size < before - 500_000


async def test_a_damaged_snapshot_is_passed_over_for_the_older(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        for number in range(4):
            await hour(store, number)
        found, turns = store.restore(2)
        assert found is not None
        assert found.seq == 8
        whole = list(store.turns(2, 1, 8))
        writer = store.database.writer
        writer.execute("UPDATE snapshots SET body = zeroblob(length(body)) WHERE seq = 8")
        found, turns = store.restore(2)
        assert found is not None
        assert found.seq == 6
        assert list(turns) == whole[3:]
        writer.execute("UPDATE snapshots SET body = x'00'")
        found, turns = store.restore(2)
        assert found is None
        assert list(turns) == whole
        retire(store, Keep(hours=1))
        with pytest.raises(DatabaseDamagedError, match="no good snapshot of actor 2"):
            store.restore(2)


async def test_a_missing_body_is_damage(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        store.durable(post(1))
        store.durable(post(2))
        store.turn(turn(2, 1, [1]))
        await store.committed()
        store.database.writer.execute("DELETE FROM durable")
        with pytest.raises(DatabaseDamagedError, match="its body is missing"):
            list(store.restore(2)[1])
        with pytest.raises(DatabaseDamagedError, match="its body is missing"):
            list(store.inbox())


def test_beside_the_two_newest_one_snapshot_of_each_half_hour_stays() -> None:
    kept: tuple[Kept, ...] = ()
    for number in range(400):
        # Every ten minutes for three days; one in five is too large to be kept for long.
        size = ANCHOR_BYTES_MAX + (number % 5 == 0)
        kept = retained((*kept, Kept(number, number, 0, number * ANCHOR_NS // 3, 0, size)))
    assert [one.id for one in kept[-2:]] == [398, 399]
    anchors = kept[:-2]
    assert len(anchors) == ANCHORS_MAX
    assert len({one.at_ns // ANCHOR_NS for one in anchors}) == ANCHORS_MAX
    assert all(one.id % 5 for one in anchors)
    assert anchors[-1].at_ns - anchors[0].at_ns <= ANCHORS_MAX * ANCHOR_NS


async def test_if_both_newest_are_damaged_an_older_one_is_not_folded(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        for number in range(6):
            await hour(store, number)
        retire(store, Keep(hours=2))
        newest = "SELECT id FROM snapshots WHERE actor = 2 ORDER BY id DESC LIMIT 2"
        query = f"UPDATE snapshots SET digest = x'00' WHERE id IN ({newest})"
        store.database.writer.execute(query)
        with pytest.raises(DatabaseDamagedError, match="no good snapshot"):
            store.restore(2)
