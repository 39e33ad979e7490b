"""Ten thousand idle actors: the memory that they hold, and how long their tree takes to start."""

import gc
import os
from pathlib import Path

import trio
import trio.testing

from bot.bench.children import Idle
from bot.measuring import NANOSECONDS_PER_MS, Figures, Required, machine, scaled
from supervisor.clock import ProcessClock, perf_ns
from supervisor.journal import MemoryJournal
from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.system import System

REQUIRED = (Required("memory_mb", 100), Required("start_ms", 3_000))
ACTORS = 10_000
# As a bot of many users has them: supervisors of a hundred.
PER_SUPERVISOR = 100
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_BYTES_PER_MB = 1_000_000


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Start the tree, let it handle that it started, and look at the memory before and after."""
    before = machine()
    count = scaled(ACTORS, scale, PER_SUPERVISOR)
    # A tenth as many, first: what they held is little beside what ours hold afterwards.
    bare_bytes = trio.run(_bare, count // 10)
    start_ms, held_bytes = trio.run(_start, count)
    return Figures(
        name="idle",
        figures={
            "memory_mb": held_bytes / _BYTES_PER_MB,
            "memory_per_actor_bytes": held_bytes / count,
            "start_ms": start_ms,
            "actors": count,
        },
        compared_with={"bare_task_and_channel_bytes": bare_bytes / (count // 10)},
        environment=before,
    )


async def _start(count: int) -> tuple[float, int]:
    before_bytes = _resident_bytes()
    began_ns = perf_ns()
    system = System(_tree(count), MemoryJournal(), ProcessClock())
    opened = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, opened.set)
        await opened.wait()
        start_ms = (perf_ns() - began_ns) / NANOSECONDS_PER_MS
        await trio.testing.wait_all_tasks_blocked()
        held_bytes = _resident_bytes() - before_bytes
        system.request_stop()
    return start_ms, max(1, held_bytes)


def _tree(count: int) -> SupervisorSpec:
    def branch(number: int) -> SupervisorSpec:
        children = tuple(ChildSpec(name=f"a{n}", start=Idle) for n in range(PER_SUPERVISOR))
        return SupervisorSpec(name=f"s{number}", children=children)

    return SupervisorSpec(
        name="", children=tuple(branch(n) for n in range(count // PER_SUPERVISOR))
    )


async def _bare(count: int) -> int:
    """Return what as many tasks hold that each wait for a channel of their own."""
    before_bytes = _resident_bytes()
    async with trio.open_nursery() as nursery:
        held = [trio.open_memory_channel[int](PER_SUPERVISOR) for _ in range(count)]
        for _, receive in held:
            nursery.start_soon(receive.receive)
        await trio.testing.wait_all_tasks_blocked()
        held_bytes = _resident_bytes() - before_bytes
        nursery.cancel_scope.cancel()
    return max(1, held_bytes)


def _resident_bytes() -> int:
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
