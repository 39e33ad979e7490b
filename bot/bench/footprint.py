"""Memory and processor time of the whole running bot with the shipped configuration."""

import os
from contextlib import suppress
from pathlib import Path

import trio

from bot.bench._children import bot_start
from bot.measuring import Figures, Required, machine, percentile, scaled

REQUIRED = (Required("memory_max_mb", 300), Required("cpu_percent", 5))
SECONDS = 60
# Compiling, connecting and the first snapshots are over; the process is as it will be for days.
SETTLE_SECONDS = 20
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PROCESSES = Path("/proc")
# Of /proc/PID/stat, counted after the name in brackets: time in user and in kernel mode, its own
# and that of children that ended.
_TIMES = (11, 12, 13, 14)


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Start a bot with an exchange in a box and watch it from outside for a minute."""
    before = machine()
    seconds = scaled(SECONDS, scale, 2)
    memory_mb, busy_percent = trio.run(_watch, folder, seconds, scaled(SETTLE_SECONDS, scale))
    own_mb = _memory_mb(os.getpid())
    return Figures(
        name="footprint",
        figures={
            "memory_max_mb": max(memory_mb),
            "memory_p50_mb": percentile(memory_mb, 50),
            "cpu_percent": busy_percent,
            "seconds": seconds,
        },
        compared_with={"this_process_mb": own_mb},
        environment=before,
    )


async def _watch(folder: Path, seconds: int, settle_s: int) -> tuple[list[float], float]:
    memory_mb: list[float] = []
    async with bot_start(folder / "data") as lines:
        process = lines.process.pid
        await trio.sleep(settle_s)
        before_s, start_s = _cpu_s(process), trio.current_time()
        for _ in range(seconds):
            await trio.sleep(1)
            memory_mb.append(_family_mb(process))
        took_s = trio.current_time() - start_s
        return memory_mb, 100 * (_cpu_s(process) - before_s) / took_s


def _family_mb(process: int) -> float:
    """Return what the process and its helpers hold in memory; what they share counts for each."""
    listed = (_PROCESSES / str(process) / "task" / str(process) / "children").read_text()
    total = _memory_mb(process)
    for child in listed.split():
        with suppress(OSError):  # it ended meanwhile
            total += _memory_mb(int(child))
    return total


def _memory_mb(process: int) -> float:
    """Return what the process holds in memory, shared libraries included."""
    resident = (_PROCESSES / str(process) / "statm").read_text().split()[1]
    return int(resident) * _PAGE_BYTES / 1_000_000


def _cpu_s(process: int) -> float:
    """Return the processor time that the process and its helpers that ended have used."""
    fields = (_PROCESSES / str(process) / "stat").read_text().rpartition(")")[2].split()
    return sum(int(fields[at]) for at in _TIMES) / _TICKS_PER_S
