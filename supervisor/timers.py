"""Durable timers: one heap for all actors.

What is set is part of each actor's state; this heap only remembers when to look. A firing is a
durable message like any other.

Timers may wait for somebody (`ChildSpec.timers_after`): until that actor has said `Settled`, once
in the life of the process, those of its dependants are held, however late they are. Then they fire
in due order, and a periodic one once, with what it missed.
"""

import heapq
from typing import Protocol

import trio

from supervisor.buggify import LATE_S, buggify
from supervisor.clock import NANOSECONDS_PER_SECOND, Clock
from supervisor.journal import Envelope

SETTLED_TOPIC = "/system/settled"


class Armed(Protocol):
    """Whoever has timers."""

    def fire(self, name: str, due_ns: int, missed: int) -> None:
        """Take the news that the timer `name` is due."""


_Entry = tuple[int, int, str, Armed]
"""due_ns, the order of setting, name, whose."""


class Timers:
    """Fires what is due, in order of due time, then of setting."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._heap: list[_Entry] = []
        self._held: dict[str, dict[tuple[Armed, str], _Entry]] = {}
        """Who has not said `Settled` yet → the newest setting of each timer that waits for it."""
        self._settled: set[str] = set()
        self._settles = trio.Event()
        self._set: dict[Armed, dict[str, tuple[int, int]]] = {}
        self._order = 0
        self._changed = trio.Event()

    def arm(self, owner: Armed, timers: dict[str, tuple[int, int]], after: str = "") -> None:
        """Make `timers` (name → due_ns, period_ns) what is set for `owner`.

        With `after` they are held until the actor at that address has settled.
        """
        known = self._set.get(owner, {})
        for name, (due_ns, _) in timers.items():
            # One that has fired stays known until its owner has handled that: it is not fired
            # twice.
            if known.get(name, (-1, 0))[0] != due_ns:
                self._order += 1
                entry = (due_ns, self._order, name, owner)
                if after and after not in self._settled:
                    self._held.setdefault(after, {})[owner, name] = entry
                else:
                    self._push(entry)
        if timers or known:
            self._set[owner] = dict(timers)

    def settle(self, address: str) -> None:
        """Let fire what waits for the actor at `address`, from now on."""
        self._settled.add(address)
        self._settles.set()
        self._settles = trio.Event()
        for entry in self._held.pop(address, {}).values():
            self._push(entry)

    def is_settled(self, address: str) -> bool:
        """Return whether the actor at `address` has settled since the start."""
        return address in self._settled

    async def settles(self) -> None:
        """Wait until somebody settles."""
        await self._settles.wait()

    def waits_for(self) -> list[str]:
        """Return the addresses of those for whom timers wait."""
        return list(self._held)

    def _push(self, entry: _Entry) -> None:
        heapq.heappush(self._heap, entry)
        if self._heap[0] is entry:
            self._changed.set()

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
            if buggify("timers.late"):
                await trio.sleep(LATE_S)


class Settling:
    """Subscribed to `SETTLED_TOPIC`: hears who has settled, and tells the timers."""

    address = SETTLED_TOPIC
    actor_id = 0
    waits_for_commit = False

    def __init__(self, timers: Timers, names: dict[int, str]) -> None:
        self._timers = timers
        self._names = names

    def deliver(self, batch: list[Envelope]) -> None:
        """Take nothing: nobody has its address."""
        raise AssertionError("durable messages go to addresses of the tree")

    def deliver_stream(self, envelope: Envelope) -> bool:
        """Take the word of whoever published it."""
        self._timers.settle(self._names[envelope[1]])
        return True

    def gap(self, topic: int) -> int:
        """Return 0: none is ever refused."""
        return 0
