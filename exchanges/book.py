"""A book of price levels in integers, with each level's text kept for the venue's checksum."""

from bisect import bisect_left, insort
from collections.abc import Iterable
from typing import NamedTuple

Pairs = tuple[tuple[int, int], ...]


class Level(NamedTuple):
    """One change of a level: quantity 0 removes it. `token` is what the checksum needs of it."""

    price_ticks: int
    quantity_lots: int
    token: str


class LevelBook:
    """Both sides, sorted, cut to `depth` levels. Prices are ticks, quantities lots."""

    def __init__(self, depth: int) -> None:
        assert depth > 0, "a book has at least one level"
        # Bids are keyed by the negative price, so that both sides have their best level first.
        self._bids = _Side(depth, -1)
        self._asks = _Side(depth, 1)

    def apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Take a frame's changes."""
        self._bids.apply(bids)
        self._asks.apply(asks)

    def crossed(self) -> bool:
        """Return whether the best bid is at or above the best ask."""
        bids, asks = self._bids.keys, self._asks.keys
        return bool(bids and asks and -bids[0] >= asks[0])

    def bid_pairs(self, count: int) -> Pairs:
        """Return the best `count` bids as (ticks, lots), best first."""
        return self._bids.best(count)

    def ask_pairs(self, count: int) -> Pairs:
        """Return the best `count` asks as (ticks, lots), best first."""
        return self._asks.best(count)

    def bid_text(self, count: int) -> str:
        """Return the tokens of the best `count` bids, best first, in one text."""
        return self._bids.text(count)

    def ask_text(self, count: int) -> str:
        """Return the tokens of the best `count` asks, best first, in one text."""
        return self._asks.text(count)

    def bids(self, count: int) -> list[Level]:
        """Return the best `count` bids, best first."""
        return self._bids.levels(count)

    def asks(self, count: int) -> list[Level]:
        """Return the best `count` asks, best first."""
        return self._asks.levels(count)


class _Side:
    """One side. What is read of it is kept until it changes: most frames change one side only."""

    def __init__(self, depth: int, sign: int) -> None:
        self._depth = depth
        self._sign = sign
        self.keys: list[int] = []
        self._pairs: dict[int, tuple[int, int]] = {}
        self._tokens: dict[int, str] = {}
        self._best: tuple[int, Pairs] | None = None
        self._text: tuple[int, str] | None = None

    def apply(self, levels: Iterable[Level]) -> None:
        keys, pairs, tokens, sign = self.keys, self._pairs, self._tokens, self._sign
        for level in levels:
            self._best = self._text = None
            ticks, lots, token = level
            key = sign * ticks
            if lots:
                if key not in pairs:
                    insort(keys, key)
                pairs[key] = (ticks, lots)
                tokens[key] = token
            elif pairs.pop(key, None) is not None:
                del tokens[key]
                del keys[bisect_left(keys, key)]
        if len(keys) > self._depth:
            for key in keys[self._depth :]:
                del pairs[key], tokens[key]
            del keys[self._depth :]

    def best(self, count: int) -> Pairs:
        if self._best is None or self._best[0] != count:
            self._best = (count, tuple(map(self._pairs.__getitem__, self.keys[:count])))
        return self._best[1]

    def text(self, count: int) -> str:
        if self._text is None or self._text[0] != count:
            self._text = (count, "".join(map(self._tokens.__getitem__, self.keys[:count])))
        return self._text[1]

    def levels(self, count: int) -> list[Level]:
        return [Level(*self._pairs[key], self._tokens[key]) for key in self.keys[:count]]
