"""Durable timers: one heap for all actors.

What is set is part of each actor's state; this heap only remembers when to look. A firing is a
durable message like any other.
"""

import heapq
from typing import Protocol

import trio

from supervisor.clock import NANOSECONDS_PER_SECOND, Clock


class Armed(Protocol):
    """Whoever has timers."""

    def fire(self, name: str, due_ns: int, missed: int) -> None:
        """Take the news that the timer `name` is due."""


class Timers:
    """Fires what is due, in order of due time, then of setting."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[tuple[int, int, str, Armed]] = []
        self._set: dict[Armed, dict[str, tuple[int, int]]] = {}
        self._order = 0
        self._changed = trio.Event()

    def arm(self, owner: Armed, timers: dict[str, tuple[int, int]]) -> None:
        """Make `timers` (name → due_ns, period_ns) what is set for `owner`."""
        known = self._set.get(owner, {})
        for name, (due_ns, _) in timers.items():
            # One that has fired stays known until its owner has handled that: it is not fired
            # twice.
            if known.get(name, (-1, 0))[0] != due_ns:
                self._order += 1
                heapq.heappush(self._heap, (due_ns, self._order, name, owner))
                if self._heap[0][0] == due_ns:
                    self._changed.set()
        self._set[owner] = dict(timers)

    def forget(self, owner: Armed) -> None:
        """Fire nothing more for `owner`."""
        self._set.pop(owner, None)

    def due_ns(self) -> int | None:
        """Return when the next timer may be due; None if none is set."""
        return self._heap[0][0] if self._heap else None

    def fire_due(self) -> int:
        """Fire all that is due now; return how many."""
        fired = 0
        now_ns = self._clock.now_ns()
        while self._heap and self._heap[0][0] <= now_ns:
            due_ns, _, name, owner = heapq.heappop(self._heap)
            armed = self._set.get(owner, {})
            if armed.get(name, (-1, 0))[0] != due_ns:
                continue
            period_ns = armed[name][1]
            missed = (now_ns - due_ns) // period_ns if period_ns else 0
            owner.fire(name, due_ns, missed)
            fired += 1
        return fired

    async def run(self) -> None:
        """Fire timers as they fall due, until cancelled."""
        while True:
            self.fire_due()
            self._changed = trio.Event()
            due_ns = self.due_ns()
            if due_ns is None:
                await self._changed.wait()
                continue
            wait_s = max(0, due_ns - self._clock.now_ns()) / NANOSECONDS_PER_SECOND
            with trio.move_on_after(wait_s):
                await self._changed.wait()
