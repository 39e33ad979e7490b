"""A pair as it is listed: instrument, matching book, and the market that moves it.

With it goes what the public may know (trades, candles, the last day). Pure: time is an argument.
"""

from collections import deque
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from venue.candles import MINUTE_NS, Candle, CandleBuilder, PublicTrade, TradeTape
from venue.changes import CandleRow, MarketRow
from venue.instruments import Instrument
from venue.market import Market
from venue.matching import BookEvent, OrderBook

# Thirty days of minutes: what a daily or four-hourly candle chart can be made of.
MINUTES_KEPT_MAX = 43_200
MINUTES_PER_DAY = 1_440
# Kraken's OHLC answer holds at most 720 candles.
CANDLES_ANSWERED_MAX = 720


class DayStatistics(NamedTuple):
    """The last 24 hours. Prices in ticks, volume in lots, turnover in ticks times lots."""

    open_ticks: int
    high_ticks: int
    low_ticks: int
    volume_lots: int
    turnover: int
    trades: int


EMPTY_DAY = DayStatistics(0, 0, 0, 0, 0, 0)


def merged(candles: Iterable[Candle], open_ns: int) -> Candle | None:
    """Return one candle beginning at `open_ns` made of `candles` in order; None of none."""
    result: Candle | None = None
    for candle in candles:
        if result is None:
            result = candle._replace(open_ns=open_ns)
            continue
        result = Candle(
            open_ns,
            result.open_ticks,
            max(result.high_ticks, candle.high_ticks),
            min(result.low_ticks, candle.low_ticks),
            candle.close_ticks,
            result.volume_lots + candle.volume_lots,
            result.turnover + candle.turnover,
            result.trades + candle.trades,
        )
    return result


class Listing:
    """One listed pair. The flow's events and accounts' orders meet in `book`."""

    def __init__(
        self,
        instrument: Instrument,
        market: Market,
        epoch_ns: int,
        book: OrderBook,
        next_index: int,
        next_trade_id: int,
        minutes: Iterable[Candle] = (),
    ) -> None:
        self.instrument = instrument
        self.market = market
        self.epoch_ns = epoch_ns
        self.book = book
        self.next_index = next_index
        self.tape = TradeTape(next_trade_id)
        self.is_cancel_only = False
        """Whether the venue takes cancels only for now, by order of the administrator."""
        self.minutes: deque[Candle] = deque(minutes, MINUTES_KEPT_MAX)
        self._builder = CandleBuilder(MINUTE_NS)
        self._builder.current = self.minutes.pop() if self.minutes else None
        self._closed_minutes: list[Candle] = []
        self._day: tuple[int, DayStatistics] = (0, EMPTY_DAY)

    @property
    def symbol(self) -> str:
        return self.instrument.symbol

    @property
    def is_halted(self) -> bool:
        """Whether the market takes cancels only: it is over, or the venue says so for now."""
        return self.is_cancel_only or self.market.has_ended(self.next_index)

    @property
    def current_minute(self) -> Candle | None:
        """The minute of the last trade, still open."""
        return self._builder.current

    @property
    def last_ticks(self) -> int:
        """The price of the last trade; the best bid before the first one."""
        minute = self._builder.current
        return minute.close_ticks if minute is not None else self.book.best_bid_ticks()

    def flow_until(self, now_ns: int) -> Iterator[list[BookEvent]]:
        """Let the market act up to `now_ns`; yield its events in bounded pieces, in order."""
        complete = False
        while not complete:
            result = self.market.flow(self.next_index, now_ns, self.book)
            self.next_index = result.next_index
            complete = result.complete
            yield result.events

    def record(self, events: Iterable[BookEvent]) -> list[PublicTrade]:
        """Publish the trades among `events`: number them, remember them, move the candles."""
        trades = self.tape.add(events)
        for trade in trades:
            closed = self._builder.add(trade.at_ns, trade.price_ticks, trade.quantity_lots)
            self.minutes.extend(closed)
            self._closed_minutes.extend(closed)
        return trades

    # --- what the public sees ------------------------------------------------------------------

    def candles(
        self, interval_min: int, since_ns: int, most: int = CANDLES_ANSWERED_MAX
    ) -> list[Candle]:
        """Return the last `most` candles that begin after `since_ns`, oldest first."""
        interval_ns = interval_min * MINUTE_NS
        groups: dict[int, list[Candle]] = {}
        for minute in self._all_minutes():
            open_ns = minute.open_ns - minute.open_ns % interval_ns
            if open_ns > since_ns:
                groups.setdefault(open_ns, []).append(minute)
        candles = [merged(group, open_ns) for open_ns, group in groups.items()]
        return [candle for candle in candles if candle is not None][-most:]

    def current_candle(self, interval_min: int) -> Candle | None:
        """Return the open candle of `interval_min` minutes."""
        current = self._builder.current
        if current is None:
            return None
        interval_ns = interval_min * MINUTE_NS
        open_ns = current.open_ns - current.open_ns % interval_ns
        recent = list(islice(reversed(self.minutes), interval_min))
        inside = [minute for minute in reversed(recent) if minute.open_ns >= open_ns]
        return merged([*inside, current], open_ns)

    def day(self) -> DayStatistics:
        """Return the last 24 hours up to the last trade."""
        current = self._builder.current
        if current is None:
            return EMPTY_DAY
        if self._day[0] != current.open_ns:
            self._day = (current.open_ns, self._sum_day(current.open_ns))
        closed = self._day[1]
        if closed.trades == 0:
            closed = DayStatistics(
                current.open_ticks, current.high_ticks, current.low_ticks, 0, 0, 0
            )
        return DayStatistics(
            closed.open_ticks,
            max(closed.high_ticks, current.high_ticks),
            min(closed.low_ticks, current.low_ticks),
            closed.volume_lots + current.volume_lots,
            closed.turnover + current.turnover,
            closed.trades + current.trades,
        )

    def _sum_day(self, until_ns: int) -> DayStatistics:
        since_ns = until_ns - MINUTES_PER_DAY * MINUTE_NS
        recent = [
            m for m in islice(reversed(self.minutes), MINUTES_PER_DAY) if m.open_ns > since_ns
        ]
        candle = merged(reversed(recent), since_ns)
        if candle is None:
            return EMPTY_DAY
        return DayStatistics(
            candle.open_ticks,
            candle.high_ticks,
            candle.low_ticks,
            candle.volume_lots,
            candle.turnover,
            candle.trades,
        )

    def _all_minutes(self) -> Iterator[Candle]:
        yield from self.minutes
        if self._builder.current is not None:
            yield self._builder.current

    # --- what must survive ---------------------------------------------------------------------

    def market_row(self) -> MarketRow:
        """Return how far the market has come, and its book."""
        return MarketRow(
            self.symbol, self.epoch_ns, self.next_index, self.tape.next_id, self.book.snapshot()
        )

    def take_candle_rows(self) -> list[CandleRow]:
        """Return the minutes that closed since the last call, and the open one."""
        minutes, self._closed_minutes = self._closed_minutes, []
        if self._builder.current is not None:
            minutes = [*minutes, self._builder.current]
        return [
            CandleRow(self.symbol, *minute[:6], str(minute.turnover), minute.trades)
            for minute in minutes
        ]
