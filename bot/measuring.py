"""What a benchmark hands back: figures, what they are compared with, and what was asked for."""

import os
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import apsw
import msgspec
import trio

from supervisor.clock import thread_cpu_ns

NANOSECONDS_PER_MS = 1_000_000
_CPU_LIST = Path("/proc/cpuinfo")


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where and on what something was measured; without it a figure means nothing."""

    python: str
    cpu: str
    cores: int
    kernel: str
    sqlite: str
    trio: str
    load_average: float
    """Processes that wanted a processor in the minute before: above `cores`, figures are low."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """What a benchmark measured, beside what it is compared with in the same run.

    Units are in the names: `_per_s`, `_ms`, `_us`, `_ns`, `_mb`, `_percent`; a name without one is
    a ratio or a count.
    """

    name: str
    figures: dict[str, float]
    compared_with: dict[str, float]
    environment: Machine


class Required(msgspec.Struct, frozen=True):
    """What one figure must reach."""

    figure: str
    bound: float
    at_least: bool = False
    """Whether `bound` is the least that is enough; else it is the most that is allowed."""

    def is_met(self, value: float) -> bool:
        """Return whether `value` is good enough."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:,g}"


class Benchmark(Protocol):
    """A module of `bot/bench`. The first line of its docstring describes it."""

    __doc__: str | None
    REQUIRED: tuple[Required, ...]

    def run(self, folder: Path, scale: float = 1.0) -> Figures:
        """Measure, writing below `folder`; `scale` makes the work larger or smaller."""


def machine() -> Machine:
    """Describe this machine as it is now."""
    return Machine(
        python=platform.python_version(),
        cpu=_cpu(),
        cores=os.cpu_count() or 1,
        kernel=platform.release(),
        sqlite=apsw.sqlite_lib_version(),
        trio=trio.__version__,
        load_average=round(os.getloadavg()[0], 2),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the value that `percent` of `values` do not exceed (nearest rank)."""
    assert values, "nothing was measured"
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def scaled(count: int, scale: float, least: int = 1) -> int:
    """Return `count` times `scale`, at least `least`."""
    return max(least, int(count * scale))


class CpuTime:
    """Processor time of this thread: unlike wall time, neighbours on the machine add little."""

    def __init__(self) -> None:
        self._start_ns = thread_cpu_ns()

    def used_ns(self) -> int:
        """Return what was used since this object was made."""
        return thread_cpu_ns() - self._start_ns


def _cpu() -> str:
    if _CPU_LIST.exists():
        for line in _CPU_LIST.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
