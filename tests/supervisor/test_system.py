"""The tree as a whole: messages, timers, topics, ports, crashes, poison, supervision."""

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from messages.runtime import TimerFired
from supervisor import limits
from supervisor.actor import Context
from supervisor.child import ChildState
from supervisor.clock import ManualClock
from supervisor.journal import MemoryJournal
from supervisor.port import PortContext
from supervisor.spec import (
    AutoShutdown,
    Backoff,
    ChildSpec,
    Ended,
    Poison,
    Restart,
    SpecError,
    Strategy,
    SupervisorSpec,
)
from supervisor.supervisor import ChildError, Supervisor
from supervisor.system import System
from tests.supervisor.demo import (
    SECOND_NS,
    Add,
    Book,
    DemoPort,
    Do,
    Explode,
    Recorder,
    SetTimer,
    Tick,
    Top,
    book,
    post,
    recorder,
    running,
    settled,
)

NO_BACKOFF = Backoff(min_ns=0, max_ns=0)


def root(*children: ChildSpec | SupervisorSpec, **settings: object) -> SupervisorSpec:
    return replace(SupervisorSpec(name="", children=children, intensity=10), **settings)


async def test_messages_arrive_once_and_in_order(autojump_clock: trio.testing.MockClock) -> None:
    async with running(root(recorder("a", "/b"), recorder("b"))) as run:
        post(run.system, "/a", *(Add(amount=n) for n in range(500)))
        await settled()
        assert book(run.system, "/b").seen == ["booted 1", *(f"add {n}" for n in range(500))]


async def test_the_configuration_comes_before_what_earlier_children_send(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Eager(DemoPort):
        announces_start = True

        async def run(self, ctx: PortContext) -> None:
            ctx.send("/a", Add(amount=2))
            ctx.started()

    first = ChildSpec(name="first", start=lambda: Eager([]), restart=Restart.TEMPORARY)
    async with running(root(first, recorder("a", configuration=Add(amount=1)))) as run:
        await settled()
        assert book(run.system, "/a").seen == ["booted 1", "add 1", "add 2"]


async def test_a_message_to_nobody_is_a_dead_letter(autojump_clock: trio.testing.MockClock) -> None:
    async with running(root(recorder("a", "/nobody"))) as run:
        post(run.system, "/a", Add(amount=1))
        await settled()
        (letter,) = run.system.router.dead_letters
        assert (letter.sender, letter.target, letter.tag) == ("/a", "/nobody", "demo.Add")


async def test_timers_fire_in_due_order(autojump_clock: trio.testing.MockClock) -> None:
    async with running(root(recorder("a"))) as run:
        post(run.system, "/a", SetTimer(name="late", delay_ns=3 * SECOND_NS))
        post(run.system, "/a", SetTimer(name="soon", delay_ns=SECOND_NS))
        await trio.sleep(5)
        assert book(run.system, "/a").seen[1:] == [
            "timer soon missed 0 late 0",
            "timer late missed 0 late 0",
        ]


async def test_a_periodic_timer_goes_on(autojump_clock: trio.testing.MockClock) -> None:
    async with running(root(recorder("a"))) as run:
        post(run.system, "/a", SetTimer(name="p", delay_ns=0, period_ns=SECOND_NS))
        await trio.sleep(3.5)
        assert book(run.system, "/a").seen[1:] == ["timer p missed 0 late 0"] * 3


async def test_a_timer_set_anew_fires_once(autojump_clock: trio.testing.MockClock) -> None:
    async with running(root(recorder("a"))) as run:
        post(run.system, "/a", SetTimer(name="t", delay_ns=SECOND_NS))
        post(run.system, "/a", SetTimer(name="t", delay_ns=2 * SECOND_NS))
        await trio.sleep(5)
        assert book(run.system, "/a").seen[1:] == ["timer t missed 0 late 0"]


async def test_timers_survive_a_crash(autojump_clock: trio.testing.MockClock) -> None:
    async with running(root(recorder("a"))) as run:
        post(run.system, "/a", SetTimer(name="t", delay_ns=SECOND_NS), Explode(times=1))
        await trio.sleep(5)
        assert book(run.system, "/a").seen[1:] == ["timer t missed 0 late 0"]
        assert book(run.system, "/a").value == 77


async def test_streams_are_dropped_when_too_many_wait_and_the_gap_is_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(root(recorder("a", topics=("/t",)))) as run:
        for number in range(limits.STREAM_QUEUE_MAX + 5):
            run.system.router.publish(0, "/t", Tick(number=number))
        await settled()
        run.system.router.publish(0, "/t", Tick(number=9_999))
        await settled()
        seen = book(run.system, "/a").seen
        assert seen[-2:] == ["gap 5", "tick 9999"]
        assert len(seen) == 1 + limits.STREAM_QUEUE_MAX + 2


async def test_whole_values_are_conflated_by_key(autojump_clock: trio.testing.MockClock) -> None:
    async with running(root(recorder("a", topics=("/t",)))) as run:
        for value in range(100):
            run.system.router.publish(0, "/t", Top(symbol="x", value=value))
            run.system.router.publish(0, "/t", Top(symbol="y", value=value))
        await settled()
        assert book(run.system, "/a").seen[1:] == ["top x 99", "top y 99"]
        assert run.system.cells["/a"].mailbox.conflated == 198


async def test_a_port_is_told_and_its_outcome_returns(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log: list[str] = []
    port = ChildSpec(name="port", start=lambda: DemoPort(log))
    async with running(root(port, recorder("a"))) as run:
        post(run.system, "/a", Do(what="buy"))
        await settled()
        assert log == ["buy"]
        assert book(run.system, "/a").seen[1:] == ["done buy"]


async def test_a_crashed_port_recovers_what_it_did_not_conclude_and_repeats_nothing(
    autojump_clock: trio.testing.MockClock,
) -> None:
    log: list[str] = []
    port = ChildSpec(name="port", start=lambda: DemoPort(log))
    async with running(root(port, recorder("a"))) as run:
        post(run.system, "/a", Do(what="crash"), Do(what="after"))
        await settled()
        assert log == ["crash", "recover crash", "after"]
        assert book(run.system, "/a").seen[1:] == ["done crash (recovered)", "done after"]


async def test_a_passing_fault_leaves_no_trace_in_state_or_effects(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(root(recorder("a", "/b"), recorder("b"))) as run:
        post(run.system, "/a", Add(amount=1), Explode(times=1), Add(amount=2))
        await settled()
        # The failed try sent 1000 to /b and was thrown away; the second try's stands.
        assert book(run.system, "/b").seen[1:] == ["add 1", "add 1000", "add 2"]
        assert book(run.system, "/a").value == 79
        assert run.system.cells["/a"].incarnation == 2


async def test_poison_is_set_aside_and_the_actor_told(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(root(recorder("a"))) as run:
        post(run.system, "/a", Add(amount=1), Explode(), Add(amount=2))
        await settled()
        assert book(run.system, "/a").seen[1:] == ["add 1", "quarantined demo.Explode", "add 2"]
        (item,) = run.system.journal.quarantined()
        assert not item.blocking
        assert "explosion 2" in item.error


async def test_poison_blocks_money_until_the_operator_discards_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    money = recorder("a", poison=Poison.BLOCK, monitored_by=("/watch",))
    async with running(root(recorder("watch"), money)) as run:
        post(run.system, "/a", Add(amount=1), Explode(), Add(amount=2))
        await settled()
        assert book(run.system, "/a").seen[1:] == ["add 1"]
        assert run.system.cells["/a"].blocked is not None
        assert "blocked /a" in book(run.system, "/watch").seen
        run.system.cells["/a"].release(discard=True, operator="alice", reason="a test")
        await settled()
        assert book(run.system, "/a").seen[1:] == ["add 1", "add 2"]
        assert book(run.system, "/watch").seen[-1] == "unblocked /a"
        assert list(run.system.journal.quarantined()) == []


async def test_a_blocked_message_can_be_retried(autojump_clock: trio.testing.MockClock) -> None:
    async with running(root(recorder("a", poison=Poison.BLOCK))) as run:
        post(run.system, "/a", Explode(times=2), Add(amount=2))
        await settled()
        assert book(run.system, "/a").value == 0
        run.system.cells["/a"].release(discard=False, operator="alice", reason="")
        await settled()
        assert book(run.system, "/a").value == 79


async def test_retries_of_an_operator_do_not_end_the_tree(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(root(recorder("a", poison=Poison.BLOCK), intensity=2)) as run:
        post(run.system, "/a", Explode())
        for tries in range(8):
            await settled()
            # Each retry is one try, at once, whatever came before it.
            assert run.system.cells["/a"].incarnation == 3 + tries
            run.system.cells["/a"].release(discard=False, operator="alice", reason="")
        assert run.reason is None


async def test_a_periodic_timer_outlives_a_poisonous_firing(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = Recorder.on_timer_fired

    def bad(self: Recorder, state: Book, message: TimerFired, ctx: Context) -> None:
        if not state.seen[1:]:
            raise RuntimeError("the first firing is poison")
        original(self, state, message, ctx)

    monkeypatch.setattr(Recorder, "on_timer_fired", bad)
    async with running(root(recorder("a"))) as run:
        post(run.system, "/a", SetTimer(name="p", delay_ns=0, period_ns=SECOND_NS))
        await trio.sleep(2.5)
        assert book(run.system, "/a").seen[1:] == [
            "quarantined runtime.TimerFired",
            "timer p missed 0 late 0",
        ]


async def test_rest_for_one_restarts_those_started_after(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tree = root(recorder("a"), recorder("b"), recorder("c"), strategy=Strategy.REST_FOR_ONE)
    async with running(tree) as run:
        post(run.system, "/c", Add(amount=5))
        post(run.system, "/b", Explode(times=1))
        await settled()
        assert [run.system.cells[a].incarnation for a in ("/a", "/b", "/c")] == [1, 2, 2]
        assert book(run.system, "/c").value == 5


async def test_too_many_restarts_end_the_supervisor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tree = root(recorder("a"), intensity=1)
    async with running(tree) as run:
        post(run.system, "/a", Explode())
        await run.ended.wait()
        assert run.reason is not None
        assert run.reason.ended is Ended.SHUTDOWN
        assert "more than 1 restarts of its children in 5 s" in run.reason.text


async def test_restarts_spread_over_time_are_forgiven(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(root(recorder("a"), intensity=1)) as run:
        for times in range(1, 6):
            post(run.system, "/a", Explode(times=2 * times - 1))
            await trio.sleep(60)
        assert run.reason is None
        assert run.system.cells["/a"].incarnation > 3


async def test_a_bulkhead_halts_one_child_and_starts_it_again_later(
    autojump_clock: trio.testing.MockClock,
) -> None:
    users = SupervisorSpec(
        name="users",
        bulkhead=True,
        children=tuple(
            SupervisorSpec(name=user, intensity=0, children=(recorder("s"),))
            for user in ("alice", "bob")
        ),
    )
    async with running(root(users)) as run:
        post(run.system, "/users/alice/s", Explode(times=1))
        await settled()
        supervisor, name = run.system.supervisor_of("/users/alice")
        assert supervisor.find(name).state is ChildState.HALTED
        assert run.reports[-1] == ("halted", "/users/alice")
        assert supervisor.find("bob").state is ChildState.RUNNING
        await trio.sleep(limits.BULKHEAD_RESTART_NS / SECOND_NS + 1)
        assert supervisor.find(name).state is ChildState.RUNNING
        assert book(run.system, "/users/alice/s").value == 77


async def test_an_operator_restarts_a_halted_child(
    autojump_clock: trio.testing.MockClock,
) -> None:
    users = SupervisorSpec(
        name="users",
        bulkhead=True,
        children=(SupervisorSpec(name="alice", intensity=0, children=(recorder("s"),)),),
    )
    async with running(root(users)) as run:
        post(run.system, "/users/alice/s", Explode(times=1))
        await settled()
        supervisor, name = run.system.supervisor_of("/users/alice")
        await supervisor.restart_child(name)
        assert supervisor.find(name).state is ChildState.RUNNING
        with pytest.raises(ChildError, match="is running: stop it first"):
            await supervisor.restart_child(name)


async def test_the_second_restart_in_a_row_waits(autojump_clock: trio.testing.MockClock) -> None:
    tree = root(recorder("a", backoff=Backoff(min_ns=SECOND_NS, max_ns=8 * SECOND_NS, jitter=0.0)))
    async with running(tree) as run:
        post(run.system, "/a", Explode(times=1), Explode(times=3))
        await settled()
        assert run.system.root.find("a").state is ChildState.BACKOFF
        await trio.sleep(1)
        assert run.system.root.find("a").state is ChildState.RUNNING
        assert book(run.system, "/a").value == 77


async def test_temporary_and_transient_children(autojump_clock: trio.testing.MockClock) -> None:
    class Ending(DemoPort):
        async def run(self, ctx: object) -> None:
            return

    tree = root(
        ChildSpec(name="once", start=lambda: Ending([]), restart=Restart.TRANSIENT),
        recorder("gone", restart=Restart.TEMPORARY),
    )
    async with running(tree) as run:
        post(run.system, "/gone", Explode())
        await settled()
        assert run.system.root.find("once").state is ChildState.STOPPED
        with pytest.raises(ChildError, match="has no child gone"):
            run.system.root.find("gone")
        assert run.system.restarts == 0


async def test_a_significant_child_ends_its_supervisor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    significant = recorder("a", significant=True, restart=Restart.TEMPORARY)
    tree = root(significant, recorder("b"), auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    async with running(tree) as run:
        post(run.system, "/a", Explode())
        await run.ended.wait()
        assert run.reason is not None
        assert run.reason.ended is Ended.SHUTDOWN
        assert "its significant child /a ended: crash" in run.reason.text


async def test_monitors_are_told_once_per_end(autojump_clock: trio.testing.MockClock) -> None:
    tree = root(recorder("watch"), recorder("a", monitored_by=("/watch",)))
    async with running(tree) as run:
        post(run.system, "/a", Explode(times=1))
        await settled()
        assert book(run.system, "/watch").seen[1:] == ["down /a crash"]


async def test_children_stop_in_reverse_order(autojump_clock: trio.testing.MockClock) -> None:
    log: list[str] = []

    class Noted(DemoPort):
        def __init__(self, name: str) -> None:
            super().__init__([])
            self.name = name

        async def run(self, ctx: object) -> None:
            log.append(f"start {self.name}")
            try:
                await trio.sleep_forever()
            finally:
                log.append(f"stop {self.name}")

    def noted(name: str) -> ChildSpec:
        return ChildSpec(name=name, start=lambda: Noted(name))

    inner = SupervisorSpec(name="inner", children=(noted("b"), noted("c")))
    async with running(root(noted("a"), inner, noted("d"))):
        await settled()
        assert log == [f"start {n}" for n in "abcd"]
        log.clear()
    assert log == [f"stop {n}" for n in "dcba"]


async def test_a_child_that_ignores_cancellation_is_reported(
    autojump_clock: trio.testing.MockClock,
) -> None:
    class Stubborn(DemoPort):
        async def run(self, ctx: object) -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(20)

    spec = ChildSpec(name="s", start=lambda: Stubborn([]), shutdown_ns=SECOND_NS)
    async with running(root(spec)) as run:
        await settled()
    assert run.reports == [("unkillable", "/s")]


async def test_a_failed_start_stops_those_before_it(autojump_clock: trio.testing.MockClock) -> None:
    def broken() -> DemoPort:
        broken_starts.append(1)
        if len(broken_starts) > 2:
            raise RuntimeError("no such device")
        return DemoPort([])

    broken_starts: list[int] = []
    tree = root(recorder("a"), ChildSpec(name="b", start=broken))
    async with running(tree) as run:
        await run.ended.wait()
        assert run.reason is not None
        assert run.reason.ended is Ended.START_FAILED
        assert "no such device" in str(run.reason)


async def test_children_are_added_and_taken_away(autojump_clock: trio.testing.MockClock) -> None:
    async with running(root(recorder("a"))) as run:
        await run.system.root.start_child(recorder("b"))
        post(run.system, "/b", Add(amount=3))
        await settled()
        assert book(run.system, "/b").value == 3
        with pytest.raises(ChildError, match="b is there already: it is running"):
            await run.system.root.start_child(recorder("b"))
        await run.system.root.terminate_child("b")
        await run.system.root.terminate_child("b")
        assert run.system.root.find("b").state is ChildState.STOPPED
        with pytest.raises(ChildError, match="has no child z"):
            await run.system.root.terminate_child("z")


async def test_a_cancelled_system_stops_in_good_order(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(root(recorder("a"))) as run, trio.open_nursery() as nursery:
        post(run.system, "/a", Add(amount=1))
        nursery.cancel_scope.cancel()
    assert run.reason is not None
    assert run.reason.ended is Ended.SHUTDOWN


def test_a_wrong_spec_starts_nothing() -> None:
    bad = SupervisorSpec(
        name="",
        intensity=-1,
        period_ns=0,
        children=(recorder("A"), recorder("b"), recorder("b", shutdown_ns=-1)),
    )
    with pytest.raises(SpecError) as caught:
        System(bad, MemoryJournal(), ManualClock())
    text = str(caught.value)
    assert "/: intensity was -1, allowed is 0 or more" in text
    assert "/: period_ns was 0, allowed is more than 0" in text
    assert "/: the child name 'b' is used 2 times" in text
    assert "/A: the name 'A' must match" in text
    assert "/b: shutdown_ns was -1, allowed is more than 0" in text


async def test_the_tree_can_be_looked_at(autojump_clock: trio.testing.MockClock) -> None:
    inner = SupervisorSpec(name="inner", children=(recorder("x"),))
    async with running(root(recorder("a"), inner)) as run:
        tree = run.system.tree()
        assert [child.address for child in tree.children] == ["/a", "/inner"]
        assert tree.children[1].children[0].address == "/inner/x"
        assert {child.state for child in tree.children} == {"running"}
        assert isinstance(run.system.supervisor_of("/inner/x")[0], Supervisor)
        with pytest.raises(LookupError, match="the nearest is /inner"):
            run.system.supervisor_of("/inner/y")


async def test_no_snapshot_holds_half_a_message(
    autojump_clock: trio.testing.MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A turn that made a snapshot due and ended in a crash once froze the crash's half."""
    monkeypatch.setattr(limits, "SNAPSHOT_MESSAGES", 8)
    async with running(root(recorder("a"))) as run:
        post(run.system, "/a", *(Add(amount=1) for _ in range(20)), Explode(times=1))
        await settled()
        # Half of the failed try in a snapshot would have made it two.
        assert book(run.system, "/a").exploded == 1
