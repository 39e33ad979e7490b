"""The rate budget of one venue, shared by all its accounts: who may send next, and when.

A token bucket. Waiters are served by rank, then in order; what keeps money safe goes first, and the
last tokens are kept for it, so that a burst of entries never delays a cancellation.
"""

import heapq
import itertools
from enum import IntEnum

import trio

# Commands wait here only after a port took them, and orders bounds those: 500 live orders, three
# commands each at most.
WAITING_MAX = 2_048


# Less than this is missing by the rounding of time, not because of a request too many.
ROUNDING_TOKENS = 1e-6


class Rank(IntEnum):
    """Who goes first."""

    CANCEL = 0
    EXIT = 1
    ENTRY = 2
    READ = 3


class VenueBudget:
    """At most `burst` requests at once, `per_second` over time, `kept` of the burst for the safe.

    One per venue, given to all its lines. `pause_s` is for a venue that said when to come back.
    """

    def __init__(self, per_second: float, burst: int, kept: int = 2) -> None:
        assert per_second > 0, "a venue that may never be asked is no venue"
        assert burst > kept >= 0, "something of the burst must be left for entries"
        self._per_second = per_second
        self._burst = burst
        self._kept = kept
        self._tokens = float(burst)
        self._filled_at_s = float("-inf")
        self._paused_until_s = float("-inf")
        self._waiting: list[tuple[Rank, int]] = []
        self._order = itertools.count()
        self._changed = trio.lowlevel.ParkingLot()

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    def pause_s(self, seconds: float) -> None:
        """Send nothing for `seconds`: the venue said that it was too much."""
        self._paused_until_s = max(self._paused_until_s, trio.current_time() + seconds)
        self._changed.unpark_all()

    async def take(self, rank: Rank) -> None:
        """Wait until a request of `rank` may be sent. Cancelling it takes nothing."""
        await trio.lowlevel.checkpoint_if_cancelled()
        assert len(self._waiting) < WAITING_MAX, "orders bounds what waits here"
        place = (rank, next(self._order))
        heapq.heappush(self._waiting, place)
        try:
            while (wait_s := self._wait_s(place)) > 0:
                with trio.move_on_after(wait_s):
                    await self._changed.park()
            self._tokens -= 1
        finally:
            self._waiting.remove(place)
            heapq.heapify(self._waiting)
            self._changed.unpark_all()

    def _wait_s(self, place: tuple[Rank, int]) -> float:
        """Return how long the request at `place` must wait; infinite while another goes first."""
        now_s = trio.current_time()
        self._refill(now_s)
        if self._waiting[0] != place:
            return float("inf")
        if now_s < self._paused_until_s:
            return self._paused_until_s - now_s
        needed = 1 if place[0] <= Rank.EXIT else 1 + self._kept
        missing = needed - self._tokens
        return missing / self._per_second if missing > ROUNDING_TOKENS else 0

    def _refill(self, now_s: float) -> None:
        elapsed_s = min(now_s - self._filled_at_s, self._burst / self._per_second)
        self._tokens = min(self._burst, self._tokens + elapsed_s * self._per_second)
        self._filled_at_s = now_s
