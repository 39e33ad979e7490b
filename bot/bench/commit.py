"""From posting a message to its being durable, while the loop is saturated."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from bot.bench._pipeline import Pipeline, pipeline, storing
from bot.measuring import NANOSECONDS_PER_MS, Figures, Required, machine, percentile, scaled
from bot.tuning import tune
from supervisor.clock import perf_ns
from supervisor.journal import MemoryJournal
from supervisor.threads import threads

REQUIRED = (Required("commit_p99_ms", 10),)
# Enough that p99 is not the worst but one.
COMMITS = 1_000
SYNCS = 200
PARTS = 20
# Between two measured commits, so that each meets another state of the loop and of the groups.
PAUSE_S = 0.005
# One write of the log: a page with its header.
PAGE_BYTES = 4_120


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Post a turn's worth of messages again and again, and wait for each to be durable.

    Saturated: other actors keep the loop busy all the time. Flooded: on top, what they do is all
    journalled, so that the journal is as busy as the loop; the backlog's limits then decide.
    """
    before = machine()
    idle: list[float] = []
    busy: list[float] = []
    flooded: list[float] = []
    syncs: list[float] = []

    async def measure() -> None:
        async with storing(folder) as store, pipeline(store) as line:
            idle.extend(await _commits(line, scaled(COMMITS // 5, scale)))
            async with pipeline(MemoryJournal()) as others, _saturated(others):
                for _ in range(scaled(PARTS, scale)):
                    busy.extend(await _commits(line, COMMITS // PARTS))
                    # In between, so that both meet the same disk and the same neighbours.
                    sync = partial(sync_times_ms, folder, SYNCS // PARTS)
                    syncs.extend(await threads().run(sync))
            async with _saturated(line):
                flooded.extend(await _commits(line, scaled(COMMITS // 20, scale)))

    tune()
    trio.run(measure)
    return Figures(
        name="commit",
        figures={
            "commit_p50_ms": percentile(busy, 50),
            "commit_p99_ms": percentile(busy, 99),
            "commit_max_ms": max(busy),
            "flooded_p50_ms": percentile(flooded, 50),
            "flooded_p99_ms": percentile(flooded, 99),
        },
        compared_with={
            "fsync_p50_ms": percentile(syncs, 50),
            "fsync_p99_ms": percentile(syncs, 99),
            "fsync_max_ms": max(syncs),
            "idle_commit_p50_ms": percentile(idle, 50),
            "idle_commit_p99_ms": percentile(idle, 99),
        },
        environment=before,
    )


async def _commits(line: Pipeline, count: int) -> list[float]:
    """Return how many milliseconds each of `count` turns' messages took to become durable."""
    found: list[float] = []
    for _ in range(count):
        await trio.sleep(PAUSE_S)
        start_ns = perf_ns()
        await line.feed(1)
        await line.system.journal.committed()
        found.append((perf_ns() - start_ns) / NANOSECONDS_PER_MS)
    return found


@asynccontextmanager
async def _saturated(line: Pipeline) -> AsyncIterator[None]:
    """Keep a pipeline full for the length of a block."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(line.feed, sys.maxsize)
        yield
        nursery.cancel_scope.cancel()


def sync_times_ms(folder: Path, count: int) -> list[float]:
    """Return how many milliseconds a write of a page with its sync takes on this disk."""
    found: list[float] = []
    with (folder / "sync").open("wb", buffering=0) as file:
        for _ in range(count):
            start_ns = perf_ns()
            file.write(bytes(PAGE_BYTES))
            os.fsync(file.fileno())
            found.append((perf_ns() - start_ns) / NANOSECONDS_PER_MS)
    return found
