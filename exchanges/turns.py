"""One private request of a key at a time, for venues that want nonces to rise.

Two requests that fly together may arrive in the other order, and the one with the smaller nonce is
then refused. So a request holds the key's turn from drawing its nonce until its answer, whichever
client of the key sends it. Cancels come before orders and orders before everything else.
"""

import heapq
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from enum import IntEnum

import trio

from exchanges.ccxt_names import RateLimitExceeded

# What the lines of one key can have under way at once, several times over; more is a loop somewhere
# that asks without waiting for answers.
WAITING_MAX = 4_096


class Turn(IntEnum):
    """Who goes first."""

    CANCEL = 0
    ORDER = 1
    OTHER = 2


class KeyTurns:
    """The turn and the nonces of one key, shared by all clients that sign with it."""

    def __init__(self) -> None:
        self._last_nonce = 0
        self._is_taken = False
        self._waiting: list[tuple[Turn, int, trio.Event]] = []
        self._order = itertools.count()

    def nonce(self, fresh: int) -> int:
        """Return `fresh`, or more if that is not above every nonce drawn before."""
        self._last_nonce = max(fresh, self._last_nonce + 1)
        return self._last_nonce

    @asynccontextmanager
    async def taken(self, turn: Turn) -> AsyncIterator[None]:
        """Hold the key's turn. Raises ccxt's RateLimitExceeded when too many wait already."""
        await self._acquire(turn)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, turn: Turn) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if not self._is_taken:
            self._is_taken = True
            return
        if len(self._waiting) >= WAITING_MAX:
            raise RateLimitExceeded(f"{WAITING_MAX} requests of this key wait already")
        place = (turn, next(self._order), trio.Event())
        heapq.heappush(self._waiting, place)
        try:
            await place[2].wait()
        except trio.Cancelled:
            if place[2].is_set():
                # It had become this one's turn just before.
                self._release()
            else:
                self._waiting.remove(place)
                heapq.heapify(self._waiting)
            raise

    def _release(self) -> None:
        if self._waiting:
            # Handed over, never free in between: nobody can come before who waits.
            heapq.heappop(self._waiting)[2].set()
        else:
            self._is_taken = False
