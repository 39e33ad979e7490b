"""The WebSocket v2 `book` channel: a window of the book, its changes, and their checksum.

A client keeps the window by applying each update and cutting what hangs over the depth, so a level
that was only pushed out is not announced. The checksum is the CRC32 of the ten best asks, then the
ten best bids, each level as the digits of price and quantity exactly as they were sent, without the
point and without leading zeros.
"""

import zlib
from collections.abc import Iterable

from venue.instruments import Instrument
from venue.listing import Listing
from venue.protocols.kraken_names import timestamp

DEPTHS = (10, 25, 100, 500, 1_000)
CHECKSUM_LEVELS = 10

Level = tuple[int, int]
"""(price in ticks, quantity in lots)."""


def checksum(instrument: Instrument, bids: Iterable[Level], asks: Iterable[Level]) -> int:
    """Return the CRC32 of the best levels; `bids` and `asks` hold at most ten, best first."""
    digits = "".join(
        f"{instrument.price_units(ticks)}{instrument.quantity_units(lots)}"
        for side in (asks, bids)
        for ticks, lots in side
    )
    return zlib.crc32(digits.encode())


def changed_levels(before: list[Level], after: list[Level], depth: int, side: int) -> list[Level]:
    """Return what a client holding `before` must be told to hold `after`; quantity 0 removes."""
    old, new = dict(before), dict(after)
    changes = [(ticks, lots) for ticks, lots in after if old.get(ticks) != lots]
    # In a full window, what is worse than the worst level falls off at the client by itself.
    worst_ticks = after[-1][0] if len(after) >= depth else None
    changes += [
        (ticks, 0)
        for ticks in old
        if ticks not in new and (worst_ticks is None or side * (ticks - worst_ticks) > 0)
    ]
    return changes


class BookFeed:
    """What the subscribers of one pair and depth have been told so far."""

    def __init__(self, listing: Listing, depth: int) -> None:
        self._listing = listing
        self._depth = depth
        self._bids: list[Level] = []
        self._asks: list[Level] = []
        self._read()

    def update(self, now_ns: int) -> bytes | None:
        """Return the frame that brings subscribers up to date; None when they are."""
        bids, asks = self._bids, self._asks
        self._read()
        if bids == self._bids and asks == self._asks:
            return None
        bid_changes = changed_levels(bids, self._bids, self._depth, 1)
        ask_changes = changed_levels(asks, self._asks, self._depth, -1)
        return self._frame("update", bid_changes, ask_changes, now_ns)

    def snapshot(self, now_ns: int) -> bytes:
        """Return the frame that a new subscriber starts from."""
        return self._frame("snapshot", self._bids, self._asks, now_ns)

    def _read(self) -> None:
        bids, asks = self._listing.book.depth(self._depth)
        self._bids = [(ticks, lots) for ticks, lots in bids.tolist()]
        self._asks = [(ticks, lots) for ticks, lots in asks.tolist()]

    def _frame(self, kind: str, bids: list[Level], asks: list[Level], now_ns: int) -> bytes:
        instrument = self._listing.instrument
        best_bids, best_asks = self._bids[:CHECKSUM_LEVELS], self._asks[:CHECKSUM_LEVELS]
        return (
            f'{{"channel":"book","type":"{kind}","data":[{{"symbol":"{instrument.symbol}",'
            f'"bids":[{_levels(instrument, bids)}],"asks":[{_levels(instrument, asks)}],'
            f'"checksum":{checksum(instrument, best_bids, best_asks)},'
            f'"timestamp":"{timestamp(now_ns)}"}}]}}'
        ).encode()


def _levels(instrument: Instrument, levels: list[Level]) -> str:
    price, quantity = instrument.format_price, instrument.format_quantity
    return ",".join(f'{{"price":{price(ticks)},"qty":{quantity(lots)}}}' for ticks, lots in levels)
