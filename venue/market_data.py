"""What the public streams of any protocol are made of: trades, book differences, best prices.

`MarketData.tick` is called once per tick of the box and says what happened since. Book updates have
ids that count up by one per changed level: a difference covers `first_id` to `last_id`, and follows
the one whose last id was `previous_id`. A snapshot carries the last id that it includes; what was
not published before it is cut off as a difference of its own, so that a client may apply every
difference behind the snapshot's id without a gap, whatever venue's rules it follows.
"""

from typing import NamedTuple

from venue.candles import PublicTrade
from venue.engine import Engine
from venue.listing import Listing
from venue.matching import BUY, SELL

Level = tuple[int, int]
"""(price in ticks, quantity in lots); quantity 0 removes the level."""

# Levels compared when the list of touched ones overflowed: more than the flow ever quotes.
RESYNC_LEVELS = 20_000


class BookDiff(NamedTuple):
    """The levels that changed between two ids, as they are now."""

    first_id: int
    last_id: int
    previous_id: int
    bids: list[Level]
    asks: list[Level]
    at_ns: int


class BookSnapshot(NamedTuple):
    """The best levels as of `last_id`, best first."""

    last_id: int
    bids: list[Level]
    asks: list[Level]


class Top(NamedTuple):
    """The best bid and ask; 0 where a side is empty."""

    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class MarketTick(NamedTuple):
    """What one listing did since the tick before."""

    listing: Listing
    trades: list[PublicTrade]
    diffs: list[BookDiff]
    top: Top
    top_changed: bool


class BookLog:
    """The differences of one listing's book, numbered."""

    def __init__(self, listing: Listing, first_id: int) -> None:
        self._listing = listing
        self._last_id = first_id
        self._pending: list[BookDiff] = []
        listing.book.take_touched()
        self._known = {BUY: self._levels(BUY), SELL: self._levels(SELL)}

    def cut(self, now_ns: int) -> int:
        """Put what changed into a difference of its own; return the last id."""
        touched = self._listing.book.take_touched()
        if touched is None:
            changed = {side: self._compared(side) for side in (BUY, SELL)}
        else:
            changed = {BUY: [], SELL: []}
            for side, ticks, lots in touched.tolist():
                if self._known[side].get(ticks, 0) != lots:
                    changed[side].append((ticks, lots))
        for side, levels in changed.items():
            self._remember(side, levels)
        count = sum(map(len, changed.values()))
        if count:
            previous_id, self._last_id = self._last_id, self._last_id + count
            bids, asks = changed[BUY], changed[SELL]
            self._pending.append(
                BookDiff(previous_id + 1, self._last_id, previous_id, bids, asks, now_ns)
            )
        return self._last_id

    def take(self, now_ns: int) -> list[BookDiff]:
        """Return the differences not handed out yet, in order."""
        self.cut(now_ns)
        pending, self._pending = self._pending, []
        return pending

    def _remember(self, side: int, levels: list[Level]) -> None:
        known = self._known[side]
        for ticks, lots in levels:
            if lots:
                known[ticks] = lots
            else:
                known.pop(ticks, None)

    def _compared(self, side: int) -> list[Level]:
        now, known = self._levels(side), self._known[side]
        gone = [(ticks, 0) for ticks in known if ticks not in now]
        return gone + [(ticks, lots) for ticks, lots in now.items() if known.get(ticks) != lots]

    def _levels(self, side: int) -> dict[int, int]:
        bids, asks = self._listing.book.depth(RESYNC_LEVELS)
        return dict((bids if side == BUY else asks).tolist())


class MarketData:
    """Every listing's ticks. One per protocol."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        # Ids go up across restarts, as a venue's do: a level never changes every microsecond.
        first_id = engine.started_ns // 1_000
        listings = engine.listings
        self._logs = {name: BookLog(each, first_id) for name, each in listings.items()}
        self._trade_ids = {name: each.tape.next_id for name, each in listings.items()}
        self._tops = {name: top_of(each) for name, each in listings.items()}

    def tick(self, now_ns: int) -> dict[str, MarketTick]:
        """Return what happened to each listing since the last call."""
        return {
            symbol: self._tick(symbol, listing, now_ns)
            for symbol, listing in self._engine.listings.items()
        }

    def snapshot(self, symbol: str, levels: int, now_ns: int) -> BookSnapshot:
        """Return the best levels and the id that they include."""
        last_id = self._logs[symbol].cut(now_ns)
        bids, asks = self._engine.listings[symbol].book.depth(levels)
        return BookSnapshot(last_id, _pairs(bids.tolist()), _pairs(asks.tolist()))

    def _tick(self, symbol: str, listing: Listing, now_ns: int) -> MarketTick:
        new_trades = listing.tape.next_id - self._trade_ids[symbol]
        self._trade_ids[symbol] = listing.tape.next_id
        top = top_of(listing)
        changed = top != self._tops[symbol]
        self._tops[symbol] = top
        trades = listing.tape.last(new_trades) if new_trades else []
        return MarketTick(listing, trades, self._logs[symbol].take(now_ns), top, changed)


def top_of(listing: Listing) -> Top:
    """Return the best prices of a listing now."""
    bids, asks = listing.book.depth(1)
    (bid_ticks, bid_lots), *_ = bids.tolist() or [[0, 0]]
    (ask_ticks, ask_lots), *_ = asks.tolist() or [[0, 0]]
    return Top(bid_ticks, bid_lots, ask_ticks, ask_lots)


def _pairs(levels: list[list[int]]) -> list[Level]:
    return [(ticks, lots) for ticks, lots in levels]
