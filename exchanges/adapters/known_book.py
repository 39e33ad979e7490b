"""A book of which the best levels are known: a snapshot that may be cut, and changes to it.

What lies beyond the worst level of a cut snapshot is not known, and changes there are left out, so
that the book never has a hole. When so much has gone that too few levels are known, it must begin
anew. Sizes finer than a lot are cut off (`numbers.whole_lots`).
"""

from collections.abc import Sequence

from exchanges.adapters.numbers import whole_lots
from exchanges.book import Level, LevelBook
from exchanges.grid import grid
from exchanges.types import Instrument

Rows = Sequence[Sequence[object]]
"""Price and size of levels, as text, and what else a venue says of them."""
Levels = tuple[tuple[int, int], ...]

# More than a snapshot has, and what came between since.
LEVELS_MAX = 100_000


class GapError(Exception):
    """Changes are missing, or the book has run out of known levels."""


class KnownBook:
    """One symbol's book, of which `depth` levels are shown. Build a new one to begin anew."""

    def __init__(self, instrument: Instrument, depth: int) -> None:
        self._prices = grid(instrument.tick_size)
        self._lot = instrument.lot_size
        self._depth = depth
        self._book = LevelBook(LEVELS_MAX)
        self._worst_bid = 0
        self._worst_ask = 0
        """The last prices that are known; 0: all are."""

    def begin(self, bids: Rows, asks: Rows, known: int) -> None:
        """Take a snapshot, best levels first, of which the best `known` of each side are kept.

        A side with fewer is known to its end. Raises `OffGridError`.
        """
        bid_levels, ask_levels = self._levels(bids[:known]), self._levels(asks[:known])
        if len(bids) >= known:
            self._worst_bid = bid_levels[-1].price_ticks
        if len(asks) >= known:
            self._worst_ask = ask_levels[-1].price_ticks
        self._book.apply(bid_levels, ask_levels)

    def change(self, bids: Rows, asks: Rows) -> None:
        """Take changes: the size that a level has now, 0 for none. Raises `OffGridError`."""
        worst = self._worst_ask
        self._book.apply(
            [each for each in self._levels(bids) if each.price_ticks >= self._worst_bid],
            [each for each in self._levels(asks) if not worst or each.price_ticks <= worst],
        )

    def sides(self) -> tuple[Levels, Levels]:
        """Return the best bids and asks. Raises `GapError` when too few are known."""
        bids, asks = self._book.bids(self._depth), self._book.asks(self._depth)
        for side, worst in ((bids, self._worst_bid), (asks, self._worst_ask)):
            if worst and len(side) < self._depth:
                raise GapError(f"only {len(side)} levels of {self._depth} are still known")
        return _pairs(bids), _pairs(asks)

    def crossed(self) -> bool:
        """Whether the best bid is at or above the best ask."""
        return self._book.crossed()

    def _levels(self, rows: Rows) -> list[Level]:
        prices, lot = self._prices, self._lot
        return [Level(prices.units(str(r[0])), whole_lots(lot, str(r[1])), "") for r in rows]


def _pairs(levels: list[Level]) -> Levels:
    return tuple((level.price_ticks, level.quantity_lots) for level in levels)
