"""From a handler's step into an endless loop to its actor's next start; its sibling goes on."""

import statistics
from functools import partial
from pathlib import Path

import msgspec
import trio

from bot.bench.restart import silent
from bot.measuring import NANOSECONDS_PER_MS, Figures, Required, machine, percentile, scaled
from messages.base import Message
from messages.runtime import Stuck, TimerFired
from supervisor import limits
from supervisor.actor import Actor, Context, State
from supervisor.clock import NANOSECONDS_PER_SECOND, ProcessClock, perf_ns, thread_cpu_ns
from supervisor.journal import MemoryJournal
from supervisor.spec import Backoff, ChildSpec, SupervisorSpec
from supervisor.system import System

# The tail is required of processor time: of a busy machine's time, a neighbour may have the half.
REQUIRED = (
    Required("kill_p50_ms", 100),
    Required("kill_cpu_p99_ms", 100),
    Required("sibling_alive_percent", 100, at_least=True),
)
STRIKES = 40
BEAT_NS = 10_000_000


class Loop(Message, frozen=True, kw_only=True, tag="bench.Loop"):
    """Does not end at the first try; handled again, it does nothing."""


class Beat(Message, frozen=True, kw_only=True, tag="bench.Beat"):
    """Begins a sibling's heartbeat."""


class Count(State):
    """How often something happened."""

    count: int = 0


class Stopwatch:
    """When the loop began, and what its end took, in time and in processor time."""

    def __init__(self) -> None:
        self.began_ns = self.began_cpu_ns = 0
        self.took_ms: list[float] = []
        self.took_cpu_ms: list[float] = []
        self.is_back = trio.Event()


class Endless(Actor[Count]):
    """Loops for ever at the first try of each message."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    def on_loop(self, state: Count, message: Loop, ctx: Context) -> None:
        """Loop, or note that we are back."""
        watch = self._watch
        # Outside the state on purpose: the second try must go another way.
        if watch.began_ns:
            watch.began_ns = 0
            watch.is_back.set()
            return
        watch.began_ns, watch.began_cpu_ns = perf_ns(), thread_cpu_ns()
        while True:
            pass

    def on_stuck(self, state: Count, message: Stuck, ctx: Context) -> None:
        """Note how long it took until the next incarnation was told."""
        watch = self._watch
        watch.took_ms.append((perf_ns() - watch.began_ns) / NANOSECONDS_PER_MS)
        watch.took_cpu_ms.append((thread_cpu_ns() - watch.began_cpu_ns) / NANOSECONDS_PER_MS)


class Sibling(Actor[Count]):
    """Beats."""

    def on_beat(self, state: Count, message: Beat, ctx: Context) -> None:
        """Begin."""
        ctx.every("beat", BEAT_NS)

    def on_timer_fired(self, state: Count, message: TimerFired, ctx: Context) -> None:
        """Count."""
        state.count += 1


class _Found(msgspec.Struct, frozen=True):
    took_ms: list[float]
    took_cpu_ms: list[float]
    alive: int
    """After how many strikes the sibling went on."""


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Strike an actor again and again; what it logs goes nowhere, as writing is the terminal's."""
    before = machine()
    strikes = scaled(STRIKES, scale)
    with silent():
        found = trio.run(_strikes, strikes)
    return Figures(
        name="stuck",
        figures={
            "kill_p50_ms": statistics.median(found.took_ms),
            "kill_p99_ms": percentile(found.took_ms, 99),
            "kill_cpu_p99_ms": percentile(found.took_cpu_ms, 99),
            "sibling_alive_percent": 100 * found.alive / strikes,
        },
        compared_with={"budget_ms": limits.STEP_BUDGET_NS / NANOSECONDS_PER_MS},
        environment=before,
    )


async def _strikes(strikes: int) -> _Found:
    watch = Stopwatch()
    endless = ChildSpec(
        name="endless", start=partial(Endless, watch), backoff=Backoff(min_ns=0, max_ns=0)
    )
    children = (ChildSpec(name="sibling", start=Sibling), endless)
    spec = SupervisorSpec(name="", children=children, intensity=strikes)
    system = System(spec, MemoryJournal(), ProcessClock())
    opened = trio.Event()
    alive = 0
    async with trio.open_nursery() as nursery:
        with system.sampler.installed():
            nursery.start_soon(system.run, opened.set)
            await opened.wait()
            system.router.post(0, "/sibling", Beat())
            cell = system.cells["/endless"]
            sibling = system.cells["/sibling"].mailbox
            for _ in range(strikes):
                watch.is_back = trio.Event()
                # What the fold starts from is then the snapshot alone, as after a quiet while.
                cell.take_snapshot()
                system.router.post(0, "/endless", Loop())
                await watch.is_back.wait()
                handled = sibling.handled
                await trio.sleep(2 * BEAT_NS / NANOSECONDS_PER_SECOND)
                alive += sibling.handled > handled
        system.request_stop()
    return _Found(watch.took_ms, watch.took_cpu_ms, alive)
