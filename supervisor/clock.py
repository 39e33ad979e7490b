"""Time: the only module that reads a clock.

All times are int64 UTC nanoseconds. The process clock is the wall time at boot plus monotonic
time; it never goes back, not even below the last time that was journalled, and it follows the wall
clock only by slewing.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

NANOSECONDS_PER_SECOND = 1_000_000_000
# NTP daemons slew at 500 parts per million; the same bound keeps durations honest to 0.05 %.
SLEW_PPM_MAX = 500
# A wall clock this far behind the journal is a wrong clock, not drift: refuse to start (exit 8).
CLOCK_BEHIND_NS_MAX = 5 * NANOSECONDS_PER_SECOND


class Clock(Protocol):
    """A source of the current time."""

    def now_ns(self) -> int:
        """Return UTC nanoseconds, never less than the call before."""


class ClockBehindError(Exception):
    """The wall clock is behind what the journal has already seen."""

    def __init__(self, behind_ns: int) -> None:
        self.behind_ns = behind_ns
        super().__init__(
            f"the system clock is {behind_ns / NANOSECONDS_PER_SECOND:.1f} s behind the newest "
            "journalled time: set the clock (timedatectl set-ntp true), then start again"
        )


def wall_ns() -> int:
    """Return the system's wall clock."""
    return time.time_ns()


def thread_cpu_ns() -> int:
    """Return the processor time that this thread has used."""
    return time.thread_time_ns()


_perf: Callable[[], int] = time.perf_counter_ns


def perf_ns() -> int:
    """Return a clock for measuring durations; its zero means nothing."""
    return _perf()


@contextmanager
def use_perf(replacement: Callable[[], int]) -> Iterator[None]:
    """Measure durations with `replacement` for the length of a `with` block (simulation).

    How long a turn lasts decides where it is cut, so a run with the real one repeats never.
    """
    global _perf  # noqa: PLW0603 - the one switch that simulation flips
    previous = _perf
    _perf = replacement
    try:
        yield
    finally:
        _perf = previous


def trio_monotonic_ns() -> int:
    """Return trio's clock, which a simulation replaces with virtual time."""
    import trio  # noqa: PLC0415 - a process that runs one actor's handlers has no loop

    return int(trio.current_time() * NANOSECONDS_PER_SECOND)


class ProcessClock:
    """Wall time at boot plus monotonic time, slewed, never decreasing.

    `floor_ns` is the newest journalled time. Raises `ClockBehindError` when the wall clock is more
    than five seconds behind it.
    """

    def __init__(
        self,
        floor_ns: int = 0,
        wall: Callable[[], int] = wall_ns,
        monotonic: Callable[[], int] = trio_monotonic_ns,
    ) -> None:
        now_ns = wall()
        if floor_ns - now_ns > CLOCK_BEHIND_NS_MAX:
            raise ClockBehindError(floor_ns - now_ns)
        self._wall = wall
        self._monotonic = monotonic
        self._offset_ns = max(now_ns, floor_ns) - monotonic()
        self._last_ns = max(now_ns, floor_ns)
        self._slewed_at_ns = self._last_ns

    def now_ns(self) -> int:
        now_ns = self._monotonic() + self._offset_ns
        if now_ns > self._last_ns:
            self._last_ns = now_ns
        return self._last_ns

    def slew(self) -> int:
        """Move towards the wall clock, at most 500 ppm of the time since the last call.

        Returns what is still between the two, positive when the process clock is behind.
        """
        now_ns = self.now_ns()
        error_ns = self._wall() - now_ns
        step_ns_max = (now_ns - self._slewed_at_ns) * SLEW_PPM_MAX // 1_000_000
        step_ns = max(-step_ns_max, min(step_ns_max, error_ns))
        self._offset_ns += step_ns
        self._slewed_at_ns = now_ns
        return error_ns - step_ns


class ManualClock:
    """A clock that moves only when told: for tests and for folding a journal."""

    def __init__(self, now_ns: int = 0) -> None:
        self._now_ns = now_ns

    def now_ns(self) -> int:
        return self._now_ns

    def advance(self, by_ns: int) -> None:
        assert by_ns >= 0, "time does not go back"
        self._now_ns += by_ns
