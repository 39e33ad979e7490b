"""What it costs to start and stop a dynamic child, beside 1 000 others and 100 000."""

from pathlib import Path

import trio

from bot.measuring import Figures, Required, machine, scaled
from messages.base import Message
from supervisor.actor import Actor, Context, State
from supervisor.clock import ProcessClock, perf_ns
from supervisor.journal import MemoryJournal
from supervisor.spec import Addition, ChildSpec, Strategy, SupervisorSpec
from supervisor.system import System

REQUIRED = (Required("start_times_dearer", 3), Required("stop_times_dearer", 3))
SIZES = (1_000, 10_000, 100_000)
NANOSECONDS_PER_US = 1_000
# The smallest is over so quickly that one round says little.
SMALL_ROUNDS = 5


class Nudge(Message, frozen=True, kw_only=True, tag="bench.Nudge"):
    """Something that an idle actor could be told."""


class Idle(Actor[State]):
    """Does nothing."""

    def on_nudge(self, state: State, message: Nudge, ctx: Context) -> None:
        """Do nothing."""


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Start children one by one, then stop the tree, for each size."""
    before = machine()
    sizes = [scaled(size, scale, 10) for size in SIZES]
    trio.run(_costs_us, sizes[0])
    small = [trio.run(_costs_us, sizes[0]) for _ in range(SMALL_ROUNDS)]
    first = min(start for start, _ in small), min(stop for _, stop in small)
    costs = [first, *(trio.run(_costs_us, size) for size in sizes[1:])]
    figures = {}
    for name, (start_us, stop_us) in zip(("1k", "10k", "100k"), costs, strict=True):
        figures[f"start_of_{name}_us"] = start_us
        figures[f"stop_of_{name}_us"] = stop_us
    figures["start_times_dearer"] = costs[-1][0] / costs[0][0]
    figures["stop_times_dearer"] = costs[-1][1] / costs[0][1]
    bare_us = trio.run(_bare_us, sizes[1])
    return Figures(
        name="children",
        figures=figures,
        compared_with={"bare_task_us": bare_us},
        environment=before,
    )


async def _costs_us(count: int) -> tuple[float, float]:
    """Return microseconds for each start, and for each stop, of `count` children."""
    template = ChildSpec(name="idle", start=Idle)
    spec = SupervisorSpec(name="", strategy=Strategy.DYNAMIC, children=(template,))
    system = System(spec, MemoryJournal(), ProcessClock())
    opened = trio.Event()
    start_ns = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, opened.set)
        await opened.wait()
        began_ns = perf_ns()
        for _ in range(count):
            await system.root.start_child(Addition())
        start_ns = perf_ns() - began_ns
        began_ns = perf_ns()
        system.request_stop()
    stop_ns = perf_ns() - began_ns
    return start_ns / count / NANOSECONDS_PER_US, stop_ns / count / NANOSECONDS_PER_US


async def _bare_us(count: int) -> float:
    """Return microseconds for each task that is started in a nursery and cancelled with it."""
    began_ns = perf_ns()
    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(trio.sleep_forever)
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    return (perf_ns() - began_ns) / count / NANOSECONDS_PER_US
