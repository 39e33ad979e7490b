"""Books made of numbered differences, as Binance's `U`, `u` and `pu` number them.

An adapter whose venue sends differences keeps a `DepthBook` per symbol, gives it each frame, and a
snapshot when it has one. What comes before the snapshot waits; a missing number raises, and the
book begins anew. Source: developers.binance.com, "How to manage a local order book correctly".
"""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from exchanges.book import Level, LevelBook, Pairs

# Differences that wait for a snapshot: a hundred seconds of the fastest stream. A snapshot that
# takes longer is not coming.
WAITING_MAX = 1_000
# How far the book is kept: what differences tell of lies anywhere in it.
DEPTH_MAX = 5_000


class SequenceError(Exception):
    """A difference is missing, or the snapshot is too old for those that wait."""


class Difference(NamedTuple):
    """One frame: the first and the last update in it (`U`, `u`), and that of the one before.

    `previous_id` is `pu` where the venue sends it; 0: it follows the last one by its `first_id`.
    """

    first_id: int
    last_id: int
    previous_id: int
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]


class DepthBook:
    """One symbol's book. Methods return how many differences were applied."""

    def __init__(self) -> None:
        self._book: LevelBook | None = None
        self._last_id = 0
        self._is_first = True
        self._waiting: deque[Difference] = deque()
        self.stale = 0
        """Differences that the snapshot had already in it."""

    @property
    def is_ready(self) -> bool:
        """Whether the snapshot has come."""
        return self._book is not None

    def start(self, last_id: int, bids: Iterable[Level], asks: Iterable[Level]) -> int:
        """Take a snapshot, and what waited for it. Raises `SequenceError`."""
        self._book = LevelBook(DEPTH_MAX)
        self._book.apply(bids, asks)
        self._last_id, self._is_first = last_id, True
        waiting, self._waiting = self._waiting, deque()
        return sum(self._follow(each) for each in waiting)

    def take(self, difference: Difference) -> int:
        """Take the next frame. Raises `SequenceError`; the book then begins anew."""
        if self._book is not None:
            return self._follow(difference)
        if len(self._waiting) >= WAITING_MAX:
            self.forget()
            raise SequenceError(f"no snapshot came while {WAITING_MAX} differences waited")
        self._waiting.append(difference)
        return 0

    def forget(self) -> None:
        """Begin anew: wait for a snapshot."""
        self._book = None
        self._waiting.clear()

    def bids(self, count: int) -> Pairs:
        """Return the best `count` bids as (ticks, lots), best first."""
        assert self._book is not None, "a book has begun"
        return self._book.bid_pairs(count)

    def asks(self, count: int) -> Pairs:
        """Return the best `count` asks as (ticks, lots), best first."""
        assert self._book is not None, "a book has begun"
        return self._book.ask_pairs(count)

    def crossed(self) -> bool:
        """Return whether the best bid is at or above the best ask."""
        return self._book is not None and self._book.crossed()

    def _follow(self, each: Difference) -> int:
        if self._has(each):
            self.stale += 1
            return 0
        if not self._fits(each):
            last_id = self._last_id
            self.forget()
            numbers = f"{each.first_id} to {each.last_id}, after {each.previous_id or 'the last'}"
            raise SequenceError(f"{last_id} was followed by {numbers}")
        assert self._book is not None, "a book has begun"
        self._book.apply(each.bids, each.asks)
        self._last_id, self._is_first = each.last_id, False
        return 1

    def _has(self, each: Difference) -> bool:
        """Return whether the book has a difference already."""
        if not each.previous_id:
            return each.last_id <= self._last_id
        # Of futures one that ends with the snapshot's number is taken again: it changes nothing.
        return self._is_first and each.last_id < self._last_id

    def _fits(self, each: Difference) -> bool:
        if self._is_first:
            # The first one bridges the snapshot: what it follows is in there. Numbers of futures
            # are counted over all symbols, so only `pu` says what that is.
            before = each.previous_id or each.first_id - 1
            return before <= self._last_id <= each.last_id
        if each.previous_id:
            return each.previous_id == self._last_id
        return each.first_id == self._last_id + 1
