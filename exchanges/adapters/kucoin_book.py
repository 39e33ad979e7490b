"""KuCoin's book by its numbered changes, over a snapshot by REST.

Changes are heard first and kept; then the snapshot is read, and every change behind its number is
applied. A snapshot without a key has the best 100 levels of each side: what lies beyond the worst
of them is not known, and changes there are left out. When so much has gone that too few levels are
known, the book begins anew.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from exchanges.adapters.numbers import whole_lots
from exchanges.book import Level, LevelBook
from exchanges.grid import grid
from exchanges.types import Instrument

Row = Mapping[str, Any]
Levels = tuple[tuple[int, int], ...]

# What is kept while the snapshot is on its way: minutes of a wild market. More means that it does
# not come, and the stream begins anew.
KEPT_MAX = 20_000
LEVELS_MAX = 10_000
SNAPSHOT_LEVELS = 100


class GapError(Exception):
    """Changes are missing, or the book has run out of known levels."""


class NumberedBook:
    """One symbol's book."""

    def __init__(self, instrument: Instrument, depth: int) -> None:
        self._prices = grid(instrument.tick_size)
        self._lot = instrument.lot_size
        self._depth = depth
        self._book = LevelBook(LEVELS_MAX)
        self._kept: list[Row] = []
        self._last: int | None = None
        """The number of the last change applied; None before the snapshot."""
        self._worst_bid = 0
        self._worst_ask = 0
        """The last prices that are known; 0: all are."""

    @property
    def has_begun(self) -> bool:
        """Whether the snapshot has come."""
        return self._last is not None

    def begin(self, snapshot: Row, *, is_whole: bool = False) -> None:
        """Take the snapshot, perhaps of the whole book; apply what was kept. Raises `GapError`."""
        number = int(snapshot["sequence"])
        if self._kept and int(self._kept[0]["sequenceStart"]) > number + 1:
            raise GapError(f"the snapshot {number} is older than the changes heard")
        bids, asks = (self._levels(snapshot[side]) for side in ("bids", "asks"))
        # A side that is shorter than the answer may be is known to its end.
        if not is_whole and len(bids) >= SNAPSHOT_LEVELS:
            self._worst_bid = min(level.price_ticks for level in bids)
        if not is_whole and len(asks) >= SNAPSHOT_LEVELS:
            self._worst_ask = max(level.price_ticks for level in asks)
        self._book.apply(bids, asks)
        self._last = number
        kept, self._kept = self._kept, []
        for row in kept:
            self.change(row)

    def change(self, row: Row) -> bool:
        """Take a frame's changes; False if they are kept, or known already. Raises `GapError`."""
        if self._last is None:
            if len(self._kept) >= KEPT_MAX:
                raise GapError(f"no snapshot came while {KEPT_MAX} changes did")
            self._kept.append(row)
            return False
        first, last = int(row["sequenceStart"]), int(row["sequenceEnd"])
        if last <= self._last:
            return False
        if first > self._last + 1:
            raise GapError(f"change {self._last} was followed by {first}")
        self._book.apply(
            self._known(row["changes"]["bids"], is_bid=True),
            self._known(row["changes"]["asks"], is_bid=False),
        )
        self._last = last
        return True

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

    def _known(self, rows: Iterable[Any], *, is_bid: bool) -> list[Level]:
        """Return the levels of a frame that are not new to us already nor beyond what is known."""
        assert self._last is not None, "changes are applied over a snapshot"
        # A price of 0 says that numbers were used up by what no book shows.
        fresh = [row for row in rows if int(row[2]) > self._last and row[0] != "0"]
        levels = self._levels(fresh)
        if is_bid:
            return [level for level in levels if level.price_ticks >= self._worst_bid]
        worst = self._worst_ask
        return [level for level in levels if not worst or level.price_ticks <= worst]

    def _levels(self, rows: Iterable[Any]) -> list[Level]:
        prices, lot = self._prices, self._lot
        return [Level(prices.units(str(r[0])), whole_lots(lot, str(r[1])), "") for r in rows]


def _pairs(levels: list[Level]) -> Levels:
    return tuple((level.price_ticks, level.quantity_lots) for level in levels)
