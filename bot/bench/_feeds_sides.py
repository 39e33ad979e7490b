"""What both sides of the feeds' benchmark do: measure the age of updates and the processor time."""

import os
import sys

import msgspec

from bot.measuring import NANOSECONDS_PER_MS, CpuTime, percentile
from supervisor.clock import NANOSECONDS_PER_SECOND, perf_ns

# So many updates of each symbol have come before anything is measured: all are subscribed by then.
WARM_UP_UPDATES = 5
POLL_S = 0.05
# The first and the last of so many parts of the time are compared.
PERIODS = 5
NANOSECONDS_PER_US = 1_000


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What one side took; printed as JSON.

    `told_per_s` counts what reached the reader: who needs only the newest of a symbol may be told
    of fewer updates than were sent. Processor time is per update sent.
    """

    told_per_s: float
    cpu_us: float
    loop_cpu_us: float
    busy_percent: float
    start_lag_p50_ms: float
    start_lag_p99_ms: float
    end_lag_p50_ms: float
    end_lag_p99_ms: float


class Ages:
    """How old the updates of one period were on arrival; the reader adds to `ns`."""

    def __init__(self, symbols: int) -> None:
        self._symbols = symbols
        self.ns: list[int] = []

    @property
    def warm(self) -> bool:
        """Whether everything runs."""
        return len(self.ns) > self._symbols * WARM_UP_UPDATES


class Meter:
    """Measures from its making on."""

    def __init__(self, ages: Ages) -> None:
        self._ages = ages
        self._start_ns, self._loop = perf_ns(), CpuTime()
        self._process_ns = _process_ns()
        self._percentiles: list[tuple[float, float]] = []
        self._told = 0
        ages.ns.clear()

    def end_period(self) -> None:
        """Note one period, and begin the next."""
        found = self._ages.ns or [0]
        self._told += len(self._ages.ns)
        self._percentiles.append(
            (percentile(found, 50) / NANOSECONDS_PER_MS, percentile(found, 99) / NANOSECONDS_PER_MS)
        )
        self._ages.ns.clear()

    def say(self, rate: int) -> None:
        """Print what `rate` updates a second took, for the benchmark to read."""
        loop_ns = self._loop.used_ns()
        process_ns = _process_ns() - self._process_ns
        took_ns = perf_ns() - self._start_ns
        seconds = took_ns / NANOSECONDS_PER_SECOND
        start, end = self._percentiles[0], self._percentiles[-1]
        taken = Taken(
            told_per_s=self._told / seconds,
            cpu_us=process_ns / NANOSECONDS_PER_US / (rate * seconds),
            loop_cpu_us=loop_ns / NANOSECONDS_PER_US / (rate * seconds),
            busy_percent=100 * loop_ns / took_ns,
            start_lag_p50_ms=start[0],
            start_lag_p99_ms=start[1],
            end_lag_p50_ms=end[0],
            end_lag_p99_ms=end[1],
        )
        sys.stdout.write(msgspec.json.encode(taken).decode() + "\n")
        sys.stdout.flush()


def _process_ns() -> int:
    """Return the processor time of all threads."""
    times = os.times()
    return int((times.user + times.system) * NANOSECONDS_PER_SECOND)
