"""How far a venue's clock is from ours, and how long its data is under way. Pure.

A venue's answer to "what time is it" was made between our question and the answer's arrival, and
its clock shows only whole steps: both bound the difference of the clocks. The bounds of several
answers have an intersection that is narrower than each; so a clock that shows seconds is still
known to some milliseconds after a few questions at different moments.
"""

from collections import deque
from typing import NamedTuple

# Answers that count: a quarter of an hour, at one a minute.
ANSWERS_MAX = 16
# What two clocks may drift apart: quartz does less, a virtual machine sometimes this.
DRIFT_PPM = 50
# Data whose way is kept for percentiles: seconds of a lively market.
WAYS_MAX = 512
PPM = 1_000_000


class Offset(NamedTuple):
    """The venue's clock less ours, and how far that may be off."""

    offset_ns: int
    error_ns: int


class _Bounds(NamedTuple):
    at_ns: int
    low_ns: int
    high_ns: int


class ClockOffset:
    """Follows one venue's clock."""

    def __init__(self) -> None:
        self._bounds: deque[_Bounds] = deque(maxlen=ANSWERS_MAX)

    def note(self, asked_ns: int, answered_ns: int, venue_ns: int, step_ns: int) -> None:
        """Note an answer: our times of question and answer, and the venue's, in steps so large."""
        fresh = _Bounds(answered_ns, venue_ns - answered_ns, venue_ns + step_ns - asked_ns)
        self._bounds.append(fresh)
        # A clock that was set contradicts what was known: the newest answer is right.
        while self._intersection() is None:
            self._bounds.popleft()

    @property
    def offset(self) -> Offset | None:
        """The best estimate; None before the first answer."""
        found = self._intersection() if self._bounds else None
        if found is None:
            return None
        low_ns, high_ns = found
        return Offset((low_ns + high_ns) // 2, (high_ns - low_ns + 1) // 2)

    def _intersection(self) -> tuple[int, int] | None:
        newest_ns = self._bounds[-1].at_ns
        low_ns, high_ns = self._bounds[-1].low_ns, self._bounds[-1].high_ns
        for at_ns, low, high in self._bounds:
            drift_ns = (newest_ns - at_ns) * DRIFT_PPM // PPM
            low_ns, high_ns = max(low_ns, low - drift_ns), min(high_ns, high + drift_ns)
        return (low_ns, high_ns) if low_ns <= high_ns else None


class Ways:
    """How long the newest data was under way: from the venue's stamp to our receipt."""

    def __init__(self) -> None:
        self._ways_ns: deque[int] = deque(maxlen=WAYS_MAX)

    def note(self, venue_ns: int, received_ns: int) -> None:
        """Note one event that carries the venue's stamp."""
        self._ways_ns.append(received_ns - venue_ns)

    def percentile_ns(self, percent: int, offset_ns: int) -> int | None:
        """Return the way that `percent` of the newest data did not exceed, by a common clock."""
        if not self._ways_ns:
            return None
        ordered = sorted(self._ways_ns)
        rank = -(-len(ordered) * percent // 100)
        return ordered[max(0, rank - 1)] + offset_ns
