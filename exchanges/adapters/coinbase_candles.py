"""Candles of any length from Coinbase's trades: its own stream has those of five minutes only.

What a candle begins from is read by REST: the candles before, and the trades of the one that is
open. Trades of a product are numbered without a gap, so none is counted twice and none is missing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from exchanges.adapters.known_book import GapError
from exchanges.adapters.numbers import plain, whole_lots
from exchanges.grid import grid
from exchanges.timestamps import NANOSECONDS_PER_SECOND, rfc3339_ns
from exchanges.types import Candle, Instrument

Row = Mapping[str, Any]


class TradeCandles:
    """The open candle of one topic."""

    def __init__(self, instrument: Instrument, interval_s: int) -> None:
        self._instrument = instrument
        self._interval_s = interval_s
        self._last_id = 0
        self._lots = 0
        self._open: Candle | None = None

    def start(self, candles: Iterable[Row], trades: Iterable[Row], now_ns: int) -> list[Candle]:
        """Return the candles to begin with, oldest first; `trades` are the last ones, in order.

        The open candle is that of the last trade. It is made of its trades where all of them are
        there; of a longer one only what REST told before, to within a moment.
        """
        trades, told = list(trades), [self._told(row, now_ns) for row in candles]
        if not trades:
            return told
        first_ns, last_ns = (rfc3339_ns(trades[at]["time"]) for at in (0, -1))
        begins_ns = self._begins_ns(last_ns)
        begun = [candle for candle in told if candle.open_at_ns == begins_ns]
        if begun and first_ns >= begins_ns:
            self._open = begun[0]
            self._lots = whole_lots(self._instrument.lot_size, begun[0].volume)
        else:
            for row in trades:
                if rfc3339_ns(row["time"]) >= begins_ns:
                    self._add(row, now_ns, snapshot=True)
        self._last_id = int(trades[-1]["trade_id"])
        assert self._open is not None, "the last trade lies in the open candle"
        return [each for each in told if each.open_at_ns < begins_ns] + [self._open]

    def add(self, rows: Iterable[Row], now_ns: int) -> list[Candle]:
        """Return what trades, oldest first, make of the candle. Raises `GapError`."""
        changed: dict[int, Candle] = {}
        for row in rows:
            number = int(row["trade_id"])
            if number <= self._last_id:
                continue
            if self._last_id and number != self._last_id + 1:
                raise GapError(f"trade {self._last_id} was followed by {number}")
            self._last_id = number
            self._add(row, now_ns, snapshot=False)
            assert self._open is not None, "a trade opens a candle"
            changed[self._open.open_at_ns] = self._open
        return list(changed.values())

    def _add(self, row: Row, now_ns: int, *, snapshot: bool) -> None:
        instrument, open_ns = self._instrument, self._begins_ns(rfc3339_ns(row["time"]))
        ticks = instrument.ticks(str(row["price"]))
        lots = whole_lots(instrument.lot_size, str(row["size"]))
        current = self._open
        if current is not None and open_ns < current.open_at_ns:
            # Numbers go up, times of two trades at once need not: it belongs to the one that is
            # over, which was told without it.
            open_ns = current.open_at_ns
        is_new = current is None or open_ns > current.open_at_ns
        self._lots = lots if is_new else self._lots + lots
        before = None if is_new else current
        self._open = Candle(
            symbol=instrument.symbol,
            interval_s=self._interval_s,
            open_at_ns=open_ns,
            open_ticks=before.open_ticks if before else ticks,
            high_ticks=max(before.high_ticks, ticks) if before else ticks,
            low_ticks=min(before.low_ticks, ticks) if before else ticks,
            close_ticks=ticks,
            volume=plain(instrument.quantity_text(self._lots)),
            trades=(before.trades if before else 0) + 1,
            snapshot=snapshot,
            received_ns=now_ns,
        )

    def _told(self, row: Row, now_ns: int) -> Candle:
        prices = grid(self._instrument.tick_size)
        return Candle(
            symbol=self._instrument.symbol,
            interval_s=self._interval_s,
            open_at_ns=int(row["start"]) * NANOSECONDS_PER_SECOND,
            open_ticks=prices.units(str(row["open"])),
            high_ticks=prices.units(str(row["high"])),
            low_ticks=prices.units(str(row["low"])),
            close_ticks=prices.units(str(row["close"])),
            volume=str(row["volume"]),
            # REST does not count them.
            trades=0,
            snapshot=True,
            received_ns=now_ns,
        )

    def _begins_ns(self, at_ns: int) -> int:
        return at_ns - at_ns % (self._interval_s * NANOSECONDS_PER_SECOND)
