"""Books and trades of one symbol in the order of the venue's stamps. Pure.

They come by different streams, so what happened first may arrive second. An event is held until the
other stream has passed its stamp, but no longer than `WAIT_NS`; what comes after a later one was
let go is counted and not passed on out of order.
"""

import heapq
from collections import deque
from typing import NamedTuple

from messages.market import BookTop, Trade

# How long an event waits for what the other stream may still bring. Streams of one connection are
# some milliseconds apart; Binance's books alone are made only every 100 ms. Twice that covers both,
# and is still a tenth of the age at which nobody trades on it.
WAIT_NS = 200_000_000
# Events that wait: more than 200 ms of the wildest market; beyond it the oldest is let go early.
WAITING_MAX = 1_024

Event = BookTop | Trade


class _Held(NamedTuple):
    venue_ns: int
    number: int
    event: Event


class _Arrival(NamedTuple):
    at_ns: int
    venue_ns: int


class Merger:
    """Merges the two streams of one symbol. Events without a stamp cannot be merged."""

    def __init__(self, wait_ns: int = WAIT_NS) -> None:
        self._wait_ns = wait_ns
        self._held: list[_Held] = []
        self._arrivals: deque[_Arrival] = deque()
        self._number = 0
        self._newest_ns = {BookTop: 0, Trade: 0}
        self._passed_ns = 0
        self.late = 0
        """Events that came after one with a later stamp had been let go."""
        self.unstamped = 0
        self.early = 0
        """Events let go before their time, because too many waited."""

    def put(self, event: Event, now_ns: int) -> list[Event]:
        """Take an event; return what can be let go, in order."""
        venue_ns = event.venue_ns
        if not venue_ns:
            self.unstamped += 1
            return self.due(now_ns)
        if venue_ns < self._passed_ns:
            self.late += 1
            return self.due(now_ns)
        self._number += 1
        heapq.heappush(self._held, _Held(venue_ns, self._number, event))
        self._arrivals.append(_Arrival(now_ns, venue_ns))
        kind = type(event)
        self._newest_ns[kind] = max(self._newest_ns[kind], venue_ns)
        return self.due(now_ns)

    def due(self, now_ns: int) -> list[Event]:
        """Return what need not wait any longer, in order of stamps, of equals as they came."""
        until_ns = min(self._newest_ns.values())
        while self._arrivals and now_ns - self._arrivals[0].at_ns >= self._wait_ns:
            # Nobody waits longer, so those before it do not either.
            until_ns = max(until_ns, self._arrivals.popleft().venue_ns)
        ready: list[Event] = []
        while self._held and self._may_go(until_ns):
            held = heapq.heappop(self._held)
            self._passed_ns = held.venue_ns
            ready.append(held.event)
        return ready

    def due_ns(self) -> int | None:
        """Return when something is let go at the latest; None if nothing waits."""
        while self._arrivals and self._arrivals[0].venue_ns < self._passed_ns:
            self._arrivals.popleft()
        return self._arrivals[0].at_ns + self._wait_ns if self._held else None

    def _may_go(self, until_ns: int) -> bool:
        if self._held[0].venue_ns <= until_ns:
            return True
        if len(self._held) > WAITING_MAX:
            self.early += 1
            return True
        return False
