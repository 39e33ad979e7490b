"""A child that ignores its cancellation is struck, or left behind: it holds up nobody."""

from functools import partial

import pytest
import trio
import trio.testing

from supervisor import limits
from supervisor.child import ChildError, ChildState, Refusal
from supervisor.clock import ProcessClock, trio_monotonic_ns
from supervisor.journal import MemoryJournal
from supervisor.port import Port, PortContext
from supervisor.spec import (
    SHUTDOWN,
    ChildSpec,
    Ended,
    ExitReason,
    Shutdown,
    Strategy,
    SupervisorSpec,
)
from supervisor.system import System
from tests.supervisor.demo import BOOT_NS, SECOND_NS, recorder, running


class Deaf(Port):
    """Swallows every cancellation, in its own task or in one below."""

    def __init__(self, *, below: bool) -> None:
        self._below = below

    async def run(self, ctx: PortContext) -> None:
        if self._below:
            ctx.nursery.start_soon(self._ignore)
        else:
            await self._ignore()

    async def _ignore(self) -> None:
        while True:
            try:
                await trio.sleep_forever()
            except trio.Cancelled:
                self._thanks()

    def _thanks(self) -> None:
        """Do as if there was something to do about it."""
        assert sum(range(100)) == 4_950


class Shielded(Port):
    """Makes no step any more once it is cancelled, for a while."""

    def __init__(self, sleep_s: float = 30) -> None:
        self._sleep_s = sleep_s

    async def run(self, ctx: PortContext) -> None:
        try:
            await trio.sleep_forever()
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(self._sleep_s)


def root(*children: ChildSpec | SupervisorSpec) -> SupervisorSpec:
    return SupervisorSpec(name="", children=children)


def deaf(name: str, *, below: bool = False) -> ChildSpec:
    return ChildSpec(name=name, start=partial(Deaf, below=below), shutdown_ns=10_000_000)


@pytest.mark.parametrize("below", [False, True])
async def test_whoever_swallows_its_cancellation_is_struck(
    monkeypatch: pytest.MonkeyPatch, *, below: bool
) -> None:
    monkeypatch.setattr(limits, "KILL_GRACE_NS", 20_000_000)
    async with running(root(deaf("a", below=below), recorder("b"))) as run:
        with run.system.sampler.installed():
            with trio.fail_after(10):
                await run.system.root.terminate_child("a")
            child = run.system.root.find("a")
            assert (child.state, run.reports) == (ChildState.STOPPED, [])
            assert child.last_exit is not None
            assert child.last_exit.ended is Ended.KILLED
            await run.system.root.restart_child("a")
            assert run.system.root.which_child("b").state is ChildState.RUNNING
            await run.system.root.terminate_child("a")


async def test_what_cannot_be_killed_holds_up_neither_its_supervisor_nor_the_tree(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stuck = ChildSpec(name="s", start=Shielded, shutdown_ns=SECOND_NS)
    inner = SupervisorSpec(name="inner", children=(recorder("a"), stuck))
    async with running(root(inner)) as run:
        await run.system.root.terminate_child("inner")
        assert run.reports == [("unkillable", "/inner/s")]
        assert run.system.root.which_child("inner").state is ChildState.STOPPED
        # There are no two incarnations of anybody, and nobody's place is given away.
        with pytest.raises(ChildError, match="its last incarnation has still not ended") as failed:
            await run.system.root.restart_child("inner")
        assert failed.value.refusal is Refusal.START_FAILED
        with pytest.raises(ChildError, match="has still not ended") as refused:
            await run.system.root.delete_child("inner")
        assert refused.value.refusal is Refusal.UNKILLABLE
        await trio.sleep(30)
        await run.system.root.restart_child("inner")
        assert run.system.root.which_child("inner").state is ChildState.RUNNING


async def test_a_killed_supervisor_leaves_behind_only_what_cannot_be_killed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    stuck = ChildSpec(name="s", start=Shielded)
    inner = SupervisorSpec(
        name="inner", children=(stuck, recorder("a")), shutdown_ns=Shutdown.BRUTAL_KILL
    )
    async with running(root(inner)) as run:
        began_s = trio.current_time()
        await run.system.root.terminate_child("inner")
        assert trio.current_time() - began_s < 2
        assert run.system.root.which_child("inner").state is ChildState.STOPPED
        assert run.system.registry.running == ["/inner/s"]


async def test_whoever_owns_the_process_hears_what_is_left_behind(
    autojump_clock: trio.testing.MockClock,
) -> None:
    heard: list[tuple[ExitReason, list[str]]] = []

    async def on_left(reason: ExitReason, left: list[str]) -> None:
        heard.append((reason, left))

    spec = ChildSpec(name="s", start=Shielded, shutdown_ns=SECOND_NS)
    clock = ProcessClock(0, lambda: BOOT_NS, trio_monotonic_ns)
    system = System(root(spec), MemoryJournal(), clock)
    await system.run(system.request_stop, on_left)
    assert heard == [(SHUTDOWN, ["/s"])]


async def test_who_is_restarted_with_others_is_waited_for_when_it_cannot_be_killed(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """Found by `bot sim --faults actor.port-hang`: the supervisor broke on its own table."""
    stuck = ChildSpec(name="s", start=Shielded, shutdown_ns=SECOND_NS)
    inner = SupervisorSpec(
        name="inner", children=(recorder("a"), stuck), strategy=Strategy.REST_FOR_ONE, intensity=90
    )
    async with running(root(inner)) as run:
        supervisor, _ = run.system.supervisor_of("/inner/s")
        a, s = supervisor.find("a"), supervisor.find("s")
        a.kill(ExitReason(Ended.CRASH, "a fault"))
        await trio.sleep(10)
        assert run.reports == [("unkillable", "/inner/s")]
        assert a.state is ChildState.RUNNING
        assert s.is_left_behind
        await trio.sleep(90)
        assert s.state is ChildState.RUNNING
        assert not s.is_left_behind
        assert run.reports == [("unkillable", "/inner/s")]
