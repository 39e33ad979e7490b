"""The store: what is appended is durable once acknowledged, and reads back as it was."""

from pathlib import Path

import pytest
import trio
from trio.testing import MockClock

from messages.rows import AlertRow
from state.database import DATABASE_NAME
from state.errors import HistoryRetiredError
from state.store import Store
from supervisor import limits
from supervisor.journal import Commit, Input, Pending, SetAside
from tests.state.conftest import SMALL, running
from tests.state.samples import CHAIN, START_NS, post, snapshot, turn


def alert(number: int) -> AlertRow:
    return AlertRow(alert_id=f"a{number}", severity="page", subject="s", text="t", at_ns=number)


async def test_what_was_committed_is_read_back_after_a_restart(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        assert (store.boot, store.next_position(), store.newest_ns()) == (1, 1, 0)
        actor, topic = store.enroll("/a"), store.enroll("/market/x")
        store.configured(actor, b"c1")
        store.durable(post(1, 0, actor))
        store.stream(post(2, 7, topic))
        store.durable(post(3, actor, 9))
        store.turn(turn(actor, 1, [1, 2], emitted=(3,)))
        store.configured(actor, b"c2")
        await store.committed()
        lineage = store.lineage
    async with running(tmp_path) as store:
        assert store.lineage == lineage
        assert store.boot == 2
        assert store.names() == {"/a": actor, "/market/x": topic}
        assert store.enroll("/a") == actor
        assert store.configuration(actor) == b"c2"
        assert store.configuration(99) is None
        assert store.next_position() == 4
        assert store.newest_ns() == START_NS + 3
        assert list(store.inbox()) == [Pending(3, actor, 9, START_NS + 3, b"body 3", 0)]
        found, turns = store.restore(actor)
        assert found is None
        (only,) = turns
        assert only.first_seq == 1
        assert only.inputs == [
            Input(1, 0, actor, START_NS + 1, b"body 1"),
            Input(2, 7, topic, START_NS + 2, b"body 2"),
        ]
        assert only.counts == [0, 1]
        assert only.effects == [(0, 2, 3, 0, b"body 3")]
        assert only.chain == CHAIN


async def test_what_comes_after_the_close_does_not_break_the_second_close(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        topic = store.enroll("/system/store")
        await store.aclose()
        store.stream(post(store.next_position(), 0, topic))
        await store.aclose()


async def test_a_restore_begins_at_the_newest_snapshot(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        for number in range(1, 7):
            store.durable(post(number))
            store.turn(turn(2, number, [number]))
            if number in {1, 2, 4}:
                store.snapshot(snapshot(2, number, b"state %d" % number))
            await store.committed()
        found, turns = store.restore(2)
        assert found == snapshot(2, 4, b"state 4")
        assert [each.first_seq for each in turns] == [5, 6]
        assert store.snapshot_before(2, 4) == snapshot(2, 2, b"state 2")
        # The first of its half hour stays beside the two newest.
        assert store.snapshot_before(2, 2) == snapshot(2, 1, b"state 1")
        assert store.snapshot_before(2, 1) is None
        assert store.horizon(2) == 1
        assert [each.first_seq for each in store.turns(2, 3, 5)] == [3, 4, 5]
        with pytest.raises(HistoryRetiredError):
            list(store.turns(2, 0, 5))


async def test_a_snapshot_in_the_middle_of_a_group_loses_no_turn(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        for number in range(1, 5):
            store.durable(post(number))
            store.turn(turn(2, number, [number]))
            if number == 2:
                store.snapshot(snapshot(2, 2))
        await store.committed()
        found, turns = store.restore(2)
        assert found is not None
        assert found.seq == 2
        assert [each.first_seq for each in turns] == [3, 4]


async def test_a_port_does_not_wait_for_snapshots(tmp_path: Path) -> None:
    seen: list[int] = []
    async with running(tmp_path) as store:

        def look() -> None:
            found, turns = store.restore(2)
            seen.append(found.seq if found is not None else 0)
            assert len(list(turns)) == 1

        store.durable(post(1))
        store.turn(turn(2, 1, [1]))
        store.snapshot(snapshot(2, 1))
        store.after_commit(look)
        await store.committed()
        assert seen == [0], "it is left to the next group"
        store.durable(post(2))
        store.turn(turn(2, 2, [2]))
        store.snapshot(snapshot(2, 2))
        store.after_commit(look)
        await store.committed()
        assert seen == [0, 1], "and put off only once"
    async with running(tmp_path) as store:
        found, _ = store.restore(2)
        assert found is not None
        assert found.seq == 2


async def test_the_inbox_holds_what_was_not_handled(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        for number in range(1, 7):
            store.durable(post(number), concludes=1 if number == 4 else 0)
        await store.committed()
        assert [pending.position for pending in store.inbox()] == [1, 2, 3, 4, 5, 6]
        store.turn(turn(2, 1, [2, 3]))
        store.conclude(5)
        await store.committed()
        assert [(each.position, each.concludes) for each in store.inbox()] == [
            (1, 0),
            (4, 1),
            (6, 0),
        ]
        # The outcome at 4 concludes the command at 1.
        store.turn(turn(2, 3, [4], concluded=(1,)))
        await store.committed()
        assert [pending.position for pending in store.inbox()] == [6]


async def test_what_is_emitted_and_handled_in_one_group_never_touches_the_inbox(
    tmp_path: Path,
) -> None:
    async with running(tmp_path) as store:
        before = store.database.writer.total_changes()
        store.durable(post(1))
        store.turn(turn(2, 1, [1]))
        await store.committed()
        # Messages, turn, the actor's first appearance; the gate's own row is not stored.
        assert store.database.writer.total_changes() - before == 3
        assert list(store.inbox()) == []


async def test_two_actors_may_set_the_same_stream_message_aside(tmp_path: Path) -> None:
    items = [SetAside(1, actor, 1, START_NS, b"body", "Error", blocking=False) for actor in (2, 3)]
    async with running(tmp_path) as store:
        store.stream(post(1))
        for item in items:
            store.set_aside(item)
        await store.committed()
    async with running(tmp_path) as store:
        assert list(store.quarantined()) == items
        with pytest.raises(AssertionError, match="once"):
            store.set_aside(items[0])


async def test_quarantine_is_left_by_retry_or_discard_and_audited(tmp_path: Path) -> None:
    items = [SetAside(n, 2, 1, START_NS + n, b"body %d" % n, "Error", n == 1) for n in (1, 2, 3)]
    items[0] = items[0]._replace(concludes=7)
    async with running(tmp_path) as store:
        for number in (1, 2):
            store.durable(post(number), concludes=7 if number == 1 else 0)
        store.stream(post(3))
        await store.committed()
        for item in items:
            store.set_aside(item)
        await store.committed()
        assert list(store.inbox()) == []
    async with running(tmp_path) as store:
        assert list(store.quarantined()) == items
        store.release(1, discard=False, operator="ada", reason="")
        store.release(2, discard=True, operator="ada", reason="a test order")
        store.release(3, discard=False, operator="ada", reason="")
        await store.committed()
        assert list(store.quarantined()) == []
        # A stream is delivered at most once: it does not come back.
        assert [(each.position, each.concludes) for each in store.inbox()] == [(1, 7)]
        acts = store.database.writer.execute("SELECT act, subject, detail FROM audit").fetchall()
        assert acts == [
            ("quarantine.retry", "2/1", ""),
            ("quarantine.discard", "2/2", "a test order"),
            ("quarantine.retry", "2/3", ""),
        ]
        store.set_aside(items[0])
        store.release(1, discard=False, operator="ada", reason="")
        store.set_aside(items[0])
        await store.committed()
        assert list(store.inbox()) == []
        assert list(store.quarantined()) == items[:1]


async def test_listeners_hear_of_each_commit_and_its_rows(tmp_path: Path) -> None:
    heard: list[Commit] = []
    async with running(tmp_path) as store:
        store.listen(heard.append)
        store.durable(post(1))
        store.turn(turn(2, 1, [1], rows=(alert(1), alert(2)), now_ns=START_NS))
        await store.committed()
    (commit,) = heard
    assert commit.position == 1
    assert [row[:3] for row in commit.rows] == [("alerts", START_NS, 2), ("alerts", START_NS, 2)]


async def test_calls_come_after_the_commit_in_order(tmp_path: Path) -> None:
    called: list[int] = []
    async with running(tmp_path) as store:
        store.after_commit(lambda: called.append(0))
        assert called == [0], "all that was appended is durable: nothing to wait for"
        store.durable(post(1))
        store.after_commit(lambda: called.append(len(list(store.inbox()))))
        assert called == [0]
        await store.committed()
        assert called == [0, 1]


async def test_a_group_nobody_waits_for_is_closed_by_time(
    tmp_path: Path, inline: object, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as store:
        store.durable(post(1))
        await trio.sleep(limits.GROUP_NS_MAX / 1e9 / 2)
        assert store.statistics().groups == 0
        size, age_ns = store.backlog()
        assert size > 0
        assert abs(age_ns - limits.GROUP_NS_MAX // 2) < 1_000
        await trio.sleep(limits.GROUP_NS_MAX / 1e9)
        assert store.statistics().groups == 1
        assert store.backlog() == (0, 0)


async def test_a_group_is_closed_by_size(
    tmp_path: Path, inline: object, autojump_clock: MockClock
) -> None:
    async with running(tmp_path) as store:
        store.durable(post(1, body=bytes(limits.GROUP_BYTES_MAX)))
        started = trio.current_time()
        while not store.statistics().groups:
            await trio.lowlevel.checkpoint()
        assert trio.current_time() == started


async def test_closing_commits_what_was_appended(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        store.durable(post(1))
    async with running(tmp_path) as store:
        assert [pending.position for pending in store.inbox()] == [1]


async def test_a_cancelled_task_loses_nothing_that_close_can_commit(tmp_path: Path) -> None:
    store = Store.open(tmp_path, SMALL)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        store.durable(post(1))
        nursery.cancel_scope.cancel()
    await store.aclose()
    await store.aclose()
    async with running(tmp_path) as store:
        assert [pending.position for pending in store.inbox()] == [1]


async def test_snapshots_are_due_for_idle_actors_too(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        store.durable(post(1))
        store.durable(post(2))
        store.turn(turn(2, 1, [1]))
        store.turn(turn(3, 1, [2]))
        store.snapshot(snapshot(2, 1))
        await store.committed()
        assert store.due_snapshots(START_NS + 1) == [3]
        late_ns = START_NS + 1 + limits.SNAPSHOT_INTERVAL_NS
        assert store.due_snapshots(late_ns) == [2, 3]
        store.snapshot(snapshot(2, 1, now_ns=late_ns))
        await store.committed()
        assert store.due_snapshots(late_ns) == [3]


async def test_positions_must_grow(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        store.durable(post(5))
        with pytest.raises(AssertionError, match="positions grow"):
            store.stream(post(5))


async def test_an_orderly_end_leaves_no_log_behind(tmp_path: Path) -> None:
    """Not even beside a reader that is still open, whose close would not empty it."""
    async with running(tmp_path) as store:
        store.durable(post(store.next_position()))
        await store.committed()
        reader = store.database.reader()
    try:
        assert (tmp_path / f"{DATABASE_NAME}-wal").stat().st_size == 0
    finally:
        reader.close()
