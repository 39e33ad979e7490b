"""The `books` channel: 400 levels a side, their changes in a chain of ids, and a checksum.

Each update says by `prevSeqId` which one it follows. The checksum is the CRC32, as a signed
number, of the 25 best levels: bid and ask in turn, price and size of each as they were sent,
between colons. OKX sends 0 in its place since June 2026; here it is reckoned, so that clients that
still look at it are tested too.
"""

import zlib
from collections.abc import Sequence

from venue.market_data import BookSnapshot, Level, MarketData
from venue.protocols.okx_names import MS_NS, Numbers, milliseconds
from venue.protocols.okx_public import levels

Json = dict[str, object]

DEPTH = 400
CHECKSUM_LEVELS = 25
# A book that does not change is told to be alive this often.
SILENCE_NS = 60_000 * MS_NS


def checksum(bids: Sequence[Sequence[str]], asks: Sequence[Sequence[str]]) -> int:
    """Return the checksum of levels as they were sent, best first."""
    parts: list[str] = []
    for at in range(CHECKSUM_LEVELS):
        for side in (bids, asks):
            if at < len(side):
                parts += side[at][:2]
    value = zlib.crc32(":".join(parts).encode())
    return value - (1 << 32) if value >> 31 else value


class BookFeed:
    """What the subscribers of one instrument have been told so far: the same for all of them."""

    def __init__(self, data: MarketData, numbers: Numbers, now_ns: int) -> None:
        self._data = data
        self._numbers = numbers
        self._symbol = numbers.instrument.symbol
        self._told = self._read(now_ns)
        self._told_ns = now_ns

    def snapshot(self) -> Json:
        """Return what a new subscriber starts from."""
        return self._row(self._told.bids, self._told.asks, -1)

    def update(self, now_ns: int) -> Json | None:
        """Return what brings subscribers up to date; None when they are."""
        before, after = self._told, self._read(now_ns)
        bids, asks = _changed(before.bids, after.bids), _changed(before.asks, after.asks)
        if not (bids or asks) and now_ns - self._told_ns < SILENCE_NS:
            return None
        if not (bids or asks):
            after = before
        self._told, self._told_ns = after, now_ns
        return self._row(bids, asks, before.last_id)

    def _read(self, now_ns: int) -> BookSnapshot:
        return self._data.snapshot(self._symbol, DEPTH, now_ns)

    def _row(self, bids: list[Level], asks: list[Level], previous_id: int) -> Json:
        told, numbers = self._told, self._numbers
        return {
            "asks": levels(numbers, asks),
            "bids": levels(numbers, bids),
            "ts": milliseconds(self._told_ns),
            "checksum": checksum(
                levels(numbers, told.bids[:CHECKSUM_LEVELS]),
                levels(numbers, told.asks[:CHECKSUM_LEVELS]),
            ),
            "prevSeqId": previous_id,
            "seqId": told.last_id,
        }


def _changed(before: list[Level], after: list[Level]) -> list[Level]:
    """Return what a client that holds `before` must be told to hold `after`; 0 removes."""
    old, new = dict(before), dict(after)
    changes = [(ticks, lots) for ticks, lots in after if old.get(ticks) != lots]
    return changes + [(ticks, 0) for ticks in old if ticks not in new]
