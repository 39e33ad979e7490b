"""The same pipeline with every message durable on disk, beside the bus alone."""

import statistics
from pathlib import Path

import trio

from bot.bench._pipeline import Pipeline, pipeline, storing
from bot.measuring import CpuTime, Figures, Required, machine, scaled
from bot.tuning import tune
from supervisor.clock import NANOSECONDS_PER_SECOND, perf_ns
from supervisor.journal import MemoryJournal

REQUIRED = (Required("handled_per_s", 200_000, at_least=True),)
ROUNDS = 5
# About a second a round, so that each has some twenty commits and its share of checkpoints.
BATCHES = 1_600
BUS_BATCHES = 400


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Measure rounds on the store and on memory in turn; a round ends when all of it is durable."""
    before = machine()
    stored: list[float] = []
    cpu_ns: list[float] = []
    bus: list[float] = []
    groups: list[int] = []

    async def measure() -> None:
        async with storing(folder) as store, pipeline(store) as line:
            async with pipeline(MemoryJournal()) as bare:
                for _ in range(scaled(ROUNDS, scale)):
                    bus.append((await _round(bare, scaled(BUS_BATCHES, scale)))[0])
                    rate, cost_ns = await _round(line, scaled(BATCHES, scale))
                    stored.append(rate)
                    cpu_ns.append(cost_ns)
            groups.append(store.statistics().groups)

    tune()
    trio.run(measure)
    rate, bus_rate = statistics.median(stored), statistics.median(bus)
    return Figures(
        name="journal",
        figures={
            "handled_per_s": rate,
            "handled_best_round_per_s": max(stored),
            "loop_cpu_ns_per_message": statistics.median(cpu_ns),
            "times_bus": rate / bus_rate,
            "commits": groups[0],
        },
        compared_with={"bus_hops_per_s": bus_rate},
        environment=before,
    )


async def _round(line: Pipeline, batches: int) -> tuple[float, float]:
    start_ns, cpu = perf_ns(), CpuTime()
    handled = await line.pump(batches)
    await line.system.journal.committed()
    return handled * NANOSECONDS_PER_SECOND / (perf_ns() - start_ns), cpu.used_ns() / handled
