"""One private request of a key at a time, for venues that want nonces to rise.

Two requests that fly together may arrive in the other order, and the one with the smaller nonce is
then refused. So a request holds the key's turn from drawing its nonce until its answer, whichever
client of the key sends it. Cancels come before exits, exits before entries, entries before reads.

Cancels and exits wait for no request that hangs: after `PATIENCE_S` they overtake it. That is safe
because of the very rule that makes the turns: if the overtaken request arrives after all, its nonce
is below the last one, and the venue refuses it before it looks at it. An entry is then provably not
placed, a read is read again. (Kraken can be told to take lower nonces for a while, a key's "nonce
window". It is 0 unless a person sets it, and must stay so: docs/venues.md.)
"""

import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from enum import IntEnum
from typing import NamedTuple

import trio

from exchanges.ccxt_names import InvalidNonce, RateLimitExceeded
from supervisor.buggify import buggify

# What the lines of one key can have under way at once, several times over; more is a loop somewhere
# that asks without waiting for answers.
WAITING_MAX = 4_096
# An ordinary answer takes less. What was sent so long ago has mostly arrived, too, and is overtaken
# in its answer only.
PATIENCE_S = 0.25


class Turn(IntEnum):
    """Who goes first."""

    CANCEL = 0
    EXIT = 1
    """An order that reduces a position."""
    ORDER = 2
    OTHER = 3


_IMPATIENT = frozenset({Turn.CANCEL, Turn.EXIT})


class _Place(NamedTuple):
    """One request's place in the queue, and then its hold on the turn. No two compare equal."""

    turn: Turn
    number: int
    handed: trio.Event
    """Set when the turn became this one's."""


_mine: ContextVar[_Place | None] = ContextVar("place", default=None)


class KeyTurns:
    """The turn and the nonces of one key, shared by all clients that sign with it."""

    def __init__(self) -> None:
        self._last_nonce = 0
        self._holder: _Place | None = None
        self._since_s = 0.0
        self._waiting: list[_Place] = []
        self._numbers = itertools.count()

    def nonce(self, fresh: int) -> int:
        """Return `fresh`, or more if that is not above every nonce drawn before.

        Raises ccxt's InvalidNonce in a request that was overtaken before it came so far: its nonce
        would be above that of the one which overtook it, and might get that one refused.
        """
        mine = _mine.get()
        if mine is not None and mine is not self._holder:
            raise InvalidNonce("a cancel or an exit went first: nothing was sent, try again")
        self._last_nonce = max(fresh, self._last_nonce + 1)
        return self._last_nonce

    @asynccontextmanager
    async def taken(self, turn: Turn) -> AsyncIterator[None]:
        """Hold the key's turn. Raises ccxt's RateLimitExceeded when too many wait already."""
        place = _Place(turn, next(self._numbers), trio.Event())
        await self._acquire(place)
        token = _mine.set(place)
        try:
            yield
        finally:
            _mine.reset(token)
            self._release(place)

    async def _acquire(self, place: _Place) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._holder is None:
            self._give(place)
            return
        if len(self._waiting) >= WAITING_MAX:
            raise RateLimitExceeded(f"{WAITING_MAX} requests of this key wait already")
        heapq.heappush(self._waiting, place)
        try:
            if place.turn in _IMPATIENT:
                await self._wait_or_overtake(place)
            else:
                await place.handed.wait()
        except trio.Cancelled:
            if place.handed.is_set():
                # It had become this one's turn just before.
                self._release(place)
            else:
                self._waiting.remove(place)
                heapq.heapify(self._waiting)
            raise

    async def _wait_or_overtake(self, place: _Place) -> None:
        """Wait for the turn; take it from a request that has had it for too long."""
        while not place.handed.is_set():
            left_s = self._since_s + PATIENCE_S - trio.current_time()
            if left_s > 0 and not buggify("turns.early-overtake"):
                with trio.move_on_after(left_s):
                    await place.handed.wait()
            else:
                # If this is not the first, the first is impatient too and goes now; then it is this
                # one's turn to wait for that.
                self._give(heapq.heappop(self._waiting))

    def _give(self, place: _Place) -> None:
        self._holder = place
        self._since_s = trio.current_time()
        place.handed.set()

    def _release(self, place: _Place) -> None:
        if self._holder is not place:
            return  # it was overtaken
        if self._waiting:
            # Handed over, never free in between: nobody can come before who waits.
            self._give(heapq.heappop(self._waiting))
        else:
            self._holder = None
