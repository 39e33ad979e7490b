"""What the public sees of trades: a tape of the last ones, and candles made of them."""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from venue.matching import TRADE, BookEvent

MINUTE_NS: Final = 60_000_000_000
MAX_TAPE: Final = 10_000
"""Trades a tape keeps; Kraken's REST answer holds at most 1 000."""
MAX_CANDLES: Final = 720
"""Closed candles a builder keeps: as many as Kraken's OHLC answer."""


class PublicTrade(NamedTuple):
    """One trade as everybody sees it; `side` is the taker's."""

    trade_id: int
    at_ns: int
    side: int
    price_ticks: int
    quantity_lots: int
    is_market: bool = False


class Candle(NamedTuple):
    """One bar: prices in ticks, volume in lots, `turnover` the sum of ticks × lots."""

    open_ns: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    turnover: int
    trades: int


class TradeTape:
    """The last public trades with ids that count up from `next_id`."""

    def __init__(self, next_id: int = 1, capacity: int = MAX_TAPE) -> None:
        assert 1 <= capacity <= MAX_TAPE
        self.next_id = next_id
        self._trades: deque[PublicTrade] = deque(maxlen=capacity)

    def add(self, events: Iterable[BookEvent]) -> list[PublicTrade]:
        """Take the trades out of `events`, number them, remember and return them."""
        new = []
        for event in events:
            if event.kind != TRADE:
                continue
            trade = PublicTrade(
                self.next_id, event.at_ns, event.side, event.price_ticks, event.quantity_lots
            )
            self.next_id += 1
            new.append(trade)
        self._trades.extend(new)
        return new

    def last(self, count: int) -> list[PublicTrade]:
        """Return the last `count` trades, oldest first."""
        skip = max(len(self._trades) - count, 0)
        return list(islice(self._trades, skip, None))

    def since(self, trade_id: int) -> Iterator[PublicTrade]:
        """Remembered trades with an id above `trade_id`, oldest first."""
        return (trade for trade in self._trades if trade.trade_id > trade_id)


class CandleBuilder:
    """Candles of one interval, made of trades in time order.

    A candle begins at a multiple of the interval in UTC. An interval without a trade has no
    candle, unless `fill_gaps`: then it repeats the close with volume 0, as venues do that send
    one for every interval. `Candle.turnover / volume_lots` is the VWAP.
    """

    def __init__(self, interval_ns: int = MINUTE_NS, *, fill_gaps: bool = False) -> None:
        assert interval_ns >= 1
        self.interval_ns: Final = interval_ns
        self._fill_gaps: Final = fill_gaps
        self._closed: deque[Candle] = deque(maxlen=MAX_CANDLES)
        self.current: Candle | None = None
        """The candle still open, or None before the first trade."""

    def add(self, at_ns: int, price_ticks: int, quantity_lots: int) -> list[Candle]:
        """Count one trade and return the candles it closed, oldest first (at most 720).

        A trade older than the open candle is a bug of the caller.
        """
        closed = self.advance(at_ns)
        open_ns = at_ns - at_ns % self.interval_ns
        turnover = price_ticks * quantity_lots
        candle = self.current
        if candle is None or (candle.trades == 0 and candle.open_ns == open_ns):
            bar = (price_ticks,) * 4
            self.current = Candle(open_ns, *bar, quantity_lots, turnover, 1)
            return closed
        assert candle.open_ns == open_ns, "trades must come in time order"
        self.current = Candle(
            open_ns,
            candle.open_ticks,
            max(candle.high_ticks, price_ticks),
            min(candle.low_ticks, price_ticks),
            price_ticks,
            candle.volume_lots + quantity_lots,
            candle.turnover + turnover,
            candle.trades + 1,
        )
        return closed

    def advance(self, now_ns: int) -> list[Candle]:
        """Close what lies before the interval of `now_ns`; the closed ones, oldest first."""
        candle = self.current
        open_ns = now_ns - now_ns % self.interval_ns
        if candle is None or candle.open_ns >= open_ns:
            return []
        closed = [candle]
        self.current = None
        if self._fill_gaps:
            first = max(candle.open_ns + self.interval_ns, open_ns - MAX_CANDLES * self.interval_ns)
            flat = (candle.close_ticks,) * 4
            gaps = range(first, open_ns, self.interval_ns)
            closed += [Candle(at_ns, *flat, 0, 0, 0) for at_ns in gaps]
            self.current = Candle(open_ns, *flat, 0, 0, 0)
        self._closed.extend(closed)
        return closed

    def closed(self, count: int = MAX_CANDLES) -> list[Candle]:
        """Return the last `count` closed candles, oldest first."""
        skip = max(len(self._closed) - count, 0)
        return list(islice(self._closed, skip, None))
