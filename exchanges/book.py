"""A book of price levels in integers, with each level's text kept for the venue's checksum."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple


class Level(NamedTuple):
    """One change of a level: quantity 0 removes it. `token` is what the checksum needs of it."""

    price_ticks: int
    quantity_lots: int
    token: str


class LevelBook:
    """Both sides, sorted, cut to `depth` levels. Prices are ticks, quantities lots."""

    def __init__(self, depth: int) -> None:
        assert depth > 0, "a book has at least one level"
        self._depth = depth
        # Bids are keyed by the negative price, so that both lists have their best level first.
        self._bid_keys: list[int] = []
        self._ask_keys: list[int] = []
        self._bids: dict[int, Level] = {}
        self._asks: dict[int, Level] = {}

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Take a frame's changes."""
        for level in bids:
            _set(self._bid_keys, self._bids, -level.price_ticks, level)
        for level in asks:
            _set(self._ask_keys, self._asks, level.price_ticks, level)
        _cut(self._bid_keys, self._bids, self._depth)
        _cut(self._ask_keys, self._asks, self._depth)

    def crossed(self) -> bool:
        """Return whether the best bid is at or above the best ask."""
        return bool(self._bid_keys and self._ask_keys and -self._bid_keys[0] >= self._ask_keys[0])

    def bids(self, count: int) -> list[Level]:
        """Return the best `count` bids, best first."""
        return [self._bids[key] for key in self._bid_keys[:count]]

    def asks(self, count: int) -> list[Level]:
        """Return the best `count` asks, best first."""
        return [self._asks[key] for key in self._ask_keys[:count]]


def _set(keys: list[int], levels: dict[int, Level], key: int, level: Level) -> None:
    if level.quantity_lots:
        if key not in levels:
            insort(keys, key)
        levels[key] = level
    elif levels.pop(key, None) is not None:
        del keys[bisect_left(keys, key)]


def _cut(keys: list[int], levels: dict[int, Level], depth: int) -> None:
    for key in keys[depth:]:
        del levels[key]
    del keys[depth:]
