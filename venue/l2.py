"""A book of levels, rebuilt from a venue's incremental depth.

`L2Book` knows quantities per price. `DepthChain` decides whether the updates it is fed are
complete: it begins with a snapshot, follows the chain of update ids, and says `GAP` when a link
is missing; from then on the book is not to be trusted until the next snapshot.
"""

import enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from venue import replay
from venue.book import BUY, SELL
from venue.capture import DepthSnapshot, DepthUpdate, Level, to_units
from venue.kernels import entry_point
from venue.matching import OrderBook, example_book

MAX_LEVELS: Final = 65_536
"""Both sides together; a full-depth Binance book has some thousands."""
MAX_BUFFERED_UPDATES: Final = 2_000
"""Updates kept while a snapshot is on its way; at 100 a second that is 20 s."""

entry_point(replay.set_level, lambda: (example_book(), 0, 0, 0, 0, 0))


class L2Book:
    """Price levels of one instrument, in ticks and lots.

    An update that crosses the other side removes the levels it crosses: venues send both sides
    of one moment in any order, and the newer message is right.
    """

    def __init__(self, price_decimals: int, quantity_decimals: int) -> None:
        self.price_decimals: Final = price_decimals
        self.quantity_decimals: Final = quantity_decimals
        self._book = OrderBook(MAX_LEVELS)
        self._serial = 0

    def set(self, side: int, price_ticks: int, quantity_lots: int) -> None:
        """Make a level's quantity `quantity_lots`; 0 removes it."""
        self._serial += 1
        replay.set_level(self._book.arrays, -self._serial, side, price_ticks, quantity_lots, 0)

    def apply(self, bids: list[Level], asks: list[Level]) -> None:
        """Apply levels as a venue sends them. Raises ValueError for what is no number."""
        for side, levels in ((BUY, bids), (SELL, asks)):
            for price, quantity in levels:
                ticks = to_units(price, self.price_decimals)
                self.set(side, ticks, to_units(quantity, self.quantity_decimals))
        self._book.take_touched()

    def replace(self, bids: list[Level], asks: list[Level]) -> None:
        """Forget everything and begin with these levels."""
        self._book = OrderBook(MAX_LEVELS)
        self.apply(bids, asks)

    def top(self) -> tuple[int, int, int, int]:
        """(bid ticks, bid lots, ask ticks, ask lots), 0 where a side is empty."""
        bid, ask = self._book.best_bid_ticks(), self._book.best_ask_ticks()
        return bid, self._book.level_lots(BUY, bid), ask, self._book.level_lots(SELL, ask)

    def lots_at(self, side: int, price_ticks: int) -> int:
        """Lots at one price; 0 where there is no level."""
        return self._book.level_lots(side, price_ticks)

    def depth(self, levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(bids, asks): (n, 2) of (ticks, lots), best first."""
        return self._book.depth(levels)


class ChainState(enum.Enum):
    """What a message was, in the chain of updates."""

    BUFFERED = "buffered: no snapshot yet"
    APPLIED = "applied"
    STALE = "older than the book"
    GAP = "an update is missing: a new snapshot is needed"


class DepthChain:
    """Feeds an `L2Book` with snapshots and updates in the order they arrive."""

    def __init__(self, book: L2Book) -> None:
        self.book: Final = book
        self.last_id = 0
        """The update the book stands at; 0 while there is none."""
        self._buffer: list[DepthUpdate] = []
        self._after_snapshot = False

    @property
    def is_trusted(self) -> bool:
        """Whether the book is complete."""
        return self.last_id != 0

    def snapshot(self, message: DepthSnapshot) -> None:
        """Begin anew from a snapshot, catching up with the updates that came before it."""
        self.book.replace(message.bids, message.asks)
        self.last_id = message.last_id
        buffered, self._buffer = self._buffer, []
        first = True
        for update in buffered:
            if update.last_id >= message.last_id:
                self._apply(update, after_snapshot=first)
                first = False
        self._after_snapshot = first

    def update(self, message: DepthUpdate) -> ChainState:
        """Apply one update, or say why not."""
        if not self.is_trusted:
            self._buffer = [*self._buffer[1 - MAX_BUFFERED_UPDATES :], message]
            return ChainState.BUFFERED
        if message.last_id < self.last_id:
            return ChainState.STALE
        return self._apply(message, after_snapshot=self._after_snapshot)

    def _apply(self, message: DepthUpdate, *, after_snapshot: bool) -> ChainState:
        # The first update after a snapshot overlaps it; later ones follow each other exactly.
        if after_snapshot:
            linked = message.previous_id <= self.last_id
        else:
            linked = message.previous_id == self.last_id
        if not linked:
            self.last_id = 0
            self._buffer = [message]
            return ChainState.GAP
        self._after_snapshot = False
        self.book.apply(message.bids, message.asks)
        self.last_id = message.last_id
        return ChainState.APPLIED
