"""How fast an actor's past is read from SQLite and run again, effects compared."""

import statistics
from functools import partial
from pathlib import Path

import trio

from bot.bench._pipeline import STAGES, Stage, pipeline, storing
from bot.measuring import CpuTime, Figures, Required, machine, scaled
from bot.past import Past
from bot.tuning import tune
from state.look import Look
from supervisor.clock import NANOSECONDS_PER_SECOND
from supervisor.journal import RecordedTurn
from supervisor.replay import Replay, Watcher

REQUIRED = (Required("replayed_per_s", 300_000, at_least=True),)
ROUNDS = 5
# Sixty thousand messages of the second of four actors, in a quarter of a million of all: the blocks
# that are read hold the others' too, as a bot's do.
BATCHES = 1_000
# The last stage sends nothing on: as most messages of a bot, which are market data.
ACTORS = STAGES[1], STAGES[-1]


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Record once, then replay whole pasts; per second of one core's time."""
    before = machine()
    batches = scaled(BATCHES, scale)
    tune()
    trio.run(_record, folder, batches)
    sending: list[float] = []
    silent: list[float] = []
    folded: list[float] = []
    for _ in range(scaled(ROUNDS, scale)):
        sending.append(_replayed(folder, ACTORS[0], ACTORS[1]))
        silent.append(_replayed(folder, ACTORS[1], ""))
        folded.append(_folded(folder, ACTORS[0], ACTORS[1]))
    return Figures(
        name="replay",
        figures={
            "replayed_per_s": statistics.median(sending),
            "replayed_best_round_per_s": max(sending),
            "without_effects_per_s": statistics.median(silent),
        },
        compared_with={"folded_from_memory_per_s": statistics.median(folded)},
        environment=before,
    )


async def _record(folder: Path, batches: int) -> None:
    async with storing(folder) as store, pipeline(store) as line:
        await line.pump(batches)
        await line.system.journal.committed()


def _replayed(folder: Path, address: str, to: str) -> float:
    """Return how many messages a second of processor time are replayed from the database."""
    with Look(folder) as look:
        cpu = CpuTime()
        past = _past(look, address, to)
        verdict = Replay(past.begin(1), past.names, Watcher()).run(past.turns(0))
        used_ns = cpu.used_ns()
    assert verdict.divergence is None, f"it diverged: {verdict.divergence}"
    return verdict.last_seq * NANOSECONDS_PER_SECOND / used_ns


def _folded(folder: Path, address: str, to: str) -> float:
    """Return the same with the turns in memory: what the handlers and the comparison take."""
    with Look(folder) as look:
        past = _past(look, address, to)
        turns: list[RecordedTurn] = list(past.turns(0))
        cpu = CpuTime()
        verdict = Replay(past.begin(1), past.names, Watcher()).run(turns)
        return verdict.last_seq * NANOSECONDS_PER_SECOND / cpu.used_ns()


def _past(look: Look, address: str, to: str) -> Past:
    names = look.names()
    by_number = {number: name for name, number in names.items()}
    make = partial(Stage, STAGES[2] if to else "")
    return Past(address, names[address], look.lineages(), by_number, make, look.history())
