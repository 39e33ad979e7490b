"""Markets made of what was recorded: depth and trades, or candles alone.

Both fulfil `venue.market.Market`, so a server cannot tell them from a generated one: the flow's
index counts rows or steps, and `rebuild` replays the record to it.
"""

import math
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from venue import replay
from venue.candles import MINUTE_NS, Candle
from venue.capture import (
    BookTicker,
    DepthSnapshot,
    DepthUpdate,
    Line,
    Message,
    Trade,
    read_lines,
    to_units,
)
from venue.kernels import entry_point, warm
from venue.l2 import MAX_BUFFERED_UPDATES, MAX_LEVELS
from venue.market import DEFAULT_MAX_EVENTS, FlowResult
from venue.matching import BUY, SELL, OrderBook, example_book

MAX_ROWS: Final = 8_000_000
"""Changes of levels and trades of one record: 320 MB. Five busy minutes of BTCUSDT are 0.4 M."""
MAX_CANDLES: Final = 2_000_000
"""Almost four years of minutes: 96 MB."""
MAX_LADDER_LEVELS: Final = 100
_LEGS: Final = 3
_CHUNK_ROWS: Final = 65_536

Rows = NDArray[np.int64]


def _example_rows() -> Rows:
    return np.zeros((1, replay.ROW_COLUMNS), np.int64)


entry_point(replay.apply_rows, lambda: (example_book(), _example_rows(), 0, 0, 0, 0))
entry_point(
    replay.apply_candles,
    lambda: (example_book(), *[np.zeros((1, 2), np.int64)] * 2, 0, 0, 0, 0, 0),
)
entry_point(replay.candle_price, lambda: (np.zeros(6, np.int64), 0, 0))
entry_point(replay.candle_lots, lambda: (0, 0, 0))


def _message_rows(
    message: Message, at_ns: int, price_decimals: int, quantity_decimals: int
) -> Iterator[tuple[int, int, int, int, int]]:
    if isinstance(message, BookTicker):
        return
    if isinstance(message, Trade):
        price = to_units(message.price, price_decimals)
        quantity = to_units(message.quantity, quantity_decimals)
        # Binance reports liquidations against its fund as trades at price 0.
        if price > 0 and quantity > 0:
            yield at_ns, replay.TRADE, message.side, price, quantity
        return
    if isinstance(message, DepthSnapshot):
        yield at_ns, replay.RESET, 0, 0, 0
    for side, levels in ((BUY, message.bids), (SELL, message.asks)):
        for price_text, quantity_text in levels:
            price = to_units(price_text, price_decimals)
            quantity = to_units(quantity_text, quantity_decimals)
            yield at_ns, replay.DEPTH, side, price, quantity


def rows_of(
    lines: Iterable[Line], price_decimals: int, quantity_decimals: int, offset_ns: int = 0
) -> Rows:
    """Turn messages into rows (at ns, kind, side, ticks, lots), times shifted by `offset_ns`.

    Updates that came before a snapshot but are newer than it are applied again after it. Raises
    ValueError when there are more than `MAX_ROWS`, or time runs backwards.
    """
    decimals = (price_decimals, quantity_decimals)
    recent: deque[DepthUpdate] = deque(maxlen=MAX_BUFFERED_UPDATES)
    chunks: list[Rows] = []
    chunk: list[tuple[int, int, int, int, int]] = []
    for line in lines:
        at_ns = line.local_ns + offset_ns
        message = line.message
        chunk += _message_rows(message, at_ns, *decimals)
        if isinstance(message, DepthUpdate):
            recent.append(message)
        elif isinstance(message, DepthSnapshot):
            for update in recent:
                if update.last_id >= message.last_id:
                    chunk += _message_rows(update, at_ns, *decimals)
        if len(chunk) >= _CHUNK_ROWS:
            chunks.append(np.array(chunk, np.int64))
            chunk = []
        if len(chunks) * _CHUNK_ROWS > MAX_ROWS:
            raise ValueError(f"the record has more than {MAX_ROWS} rows; replay a shorter part")
    chunks.append(np.array(chunk, np.int64).reshape(-1, replay.ROW_COLUMNS))
    rows = np.concatenate(chunks)
    if np.any(np.diff(rows[:, replay.AT]) < 0):
        raise ValueError("time runs backwards in the record; sort its files and lines by time")
    return rows


class RecordedMarket:
    """Recorded depth and trades, replayed from `epoch_ns` on as if they happened then.

    With `repeat` the record begins again after its end (a jump in price, as after an outage);
    without, the market falls silent. The book begins empty and is complete from the record's
    snapshot on, or once every level has been touched. Whoever has an order in it is filled by
    recorded trades and by levels that cross it; his own trades leave no mark beyond the next
    change of a level.
    """

    def __init__(self, rows: Rows, epoch_ns: int | None = None, *, repeat: bool = True) -> None:
        warm()
        if len(rows) == 0:
            raise ValueError("the record is empty; name files that hold depth or trades")
        started_ns = int(rows[0, replay.AT])
        self.epoch_ns: Final = started_ns if epoch_ns is None else epoch_ns
        self._rows: Final = rows.copy()
        self._rows[:, replay.AT] -= started_ns
        # One second of silence between two runs of the record keeps times from touching.
        self.span_ns: Final = int(self._rows[-1, replay.AT]) + 1_000_000_000
        self._repeats: Final = repeat

    @classmethod
    def from_files(
        cls,
        paths: Iterable[Path],
        price_decimals: int,
        quantity_decimals: int,
        epoch_ns: int | None = None,
        *,
        repeat: bool = True,
    ) -> "RecordedMarket":
        """Load hftbacktest's gzip files in the order given. Raises ValueError if one is bad."""
        lines = (line for path in paths for line in read_lines(path))
        rows = rows_of(lines, price_decimals, quantity_decimals)
        return cls(rows, epoch_ns, repeat=repeat)

    def flow(
        self,
        from_index: int,
        until_ns: int,
        book: OrderBook,
        max_events: int = DEFAULT_MAX_EVENTS,
    ) -> FlowResult:
        """Apply rows from `from_index` up to `until_ns`, inclusive, to `book`."""
        assert from_index >= 0
        assert max_events >= 1
        until = until_ns - self.epoch_ns
        span = self.span_ns if self._repeats else 0
        args = (from_index, until, span, max_events)
        index = int(replay.apply_rows(book.arrays, self._rows, *args))
        complete = self._is_over(index) or self.event_time_ns(index) > until_ns
        return FlowResult(book.drain_events(self.epoch_ns), index, complete)

    def _is_over(self, index: int) -> bool:
        return not self._repeats and index >= len(self._rows)

    def event_time_ns(self, index: int) -> int:
        """When row `index` happens; rows of one message share their time."""
        assert not self._is_over(index)
        lap, row = divmod(index, len(self._rows))
        return self.epoch_ns + lap * self.span_ns + int(self._rows[row, replay.AT])

    def index_at(self, now_ns: int) -> int:
        """How many rows have happened by `now_ns`, inclusive."""
        lap, since = divmod(max(now_ns - self.epoch_ns, -1), self.span_ns)
        if lap < 0:
            return 0
        if lap > 0 and not self._repeats:
            return len(self._rows)
        row = int(np.searchsorted(self._rows[:, replay.AT], since, side="right"))
        return lap * len(self._rows) + row

    def rebuild(self, index: int) -> OrderBook:
        """Make the book before row `index`, accounts apart, from this run of the record."""
        book = OrderBook(MAX_LEVELS)
        start = max(index - 1, 0) // len(self._rows) * len(self._rows)
        if start > 0:
            # The run before left levels that this one has not touched yet.
            start -= len(self._rows)
        while start < index:
            start = self.flow(start, self.event_time_ns(index - 1), book).next_index
        book.take_touched()
        return book


class CandleMarket:
    """Candles expanded into ticks: each one's path is open, low, high, close (falling: high first).

    There is no recorded book behind it: `synthetic_book` says so, and the ladder quoted around
    the path is `(offset in ticks, lots)` per level, equal on both sides. The trades of a candle
    have exactly its open, high, low, close and volume, as long as it has at least four lots.
    """

    synthetic_book: Final = True

    def __init__(
        self,
        candles: Iterable[Candle],
        ladder: list[tuple[int, int]],
        epoch_ns: int | None = None,
        *,
        interval_ns: int = MINUTE_NS,
        steps: int = 61,
    ) -> None:
        """Raise ValueError for candles or a ladder that cannot be."""
        warm()
        if steps <= _LEGS or steps % _LEGS != 1:
            raise ValueError("steps must be a multiple of 3, plus 1: the path has three legs")
        if not 1 <= len(ladder) <= MAX_LADDER_LEVELS or any(min(level) < 1 for level in ladder):
            raise ValueError(f"the ladder needs 1 to {MAX_LADDER_LEVELS} levels of (ticks, lots)")
        self.interval_ns: Final = interval_ns
        self.steps: Final = steps
        self._ladder: Final = np.array(ladder, np.int64)
        self._candles: Final = _candle_rows(candles, interval_ns)
        started_ns = int(self._candles[0, 0])
        self.epoch_ns: Final = started_ns if epoch_ns is None else epoch_ns
        self._candles[:, 0] -= started_ns

    def flow(
        self,
        from_index: int,
        until_ns: int,
        book: OrderBook,
        max_events: int = DEFAULT_MAX_EVENTS,
    ) -> FlowResult:
        """Walk the steps from `from_index` up to `until_ns`, inclusive.

        The book's capacity must be at least twice the ladder's levels.
        """
        assert book.capacity >= 2 * len(self._ladder)
        assert from_index >= 0
        assert max_events >= 1
        shape = (self._candles, self._ladder, self.steps, self.interval_ns)
        span = (from_index, until_ns - self.epoch_ns, max_events)
        index = int(replay.apply_candles(book.arrays, *shape, *span))
        complete = self._is_over(index) or self.event_time_ns(index) > until_ns
        return FlowResult(book.drain_events(self.epoch_ns), index, complete)

    def _is_over(self, index: int) -> bool:
        return index >= len(self._candles) * self.steps

    def event_time_ns(self, index: int) -> int:
        """When step `index` happens."""
        assert not self._is_over(index)
        candle, step = divmod(index, self.steps)
        within = step * (self.interval_ns // self.steps)
        return self.epoch_ns + int(self._candles[candle, 0]) + within

    def index_at(self, now_ns: int) -> int:
        """How many steps have happened by `now_ns`, inclusive."""
        since = now_ns - self.epoch_ns
        candle = int(np.searchsorted(self._candles[:, 0], since, side="right")) - 1
        if candle < 0:
            return 0
        within = (since - int(self._candles[candle, 0])) // (self.interval_ns // self.steps)
        return candle * self.steps + min(int(within) + 1, self.steps)

    def rebuild(self, index: int) -> OrderBook:
        """Make the book before step `index`: the step before quoted it whole."""
        book = OrderBook(2 * MAX_LADDER_LEVELS)
        if index > 0:
            self.flow(index - 1, self.event_time_ns(index - 1), book)
        book.take_touched()
        return book


def _candle_rows(candles: Iterable[Candle], interval_ns: int) -> Rows:
    rows: list[tuple[int, ...]] = []
    for candle in candles:
        if len(rows) >= MAX_CANDLES:
            raise ValueError(f"more than {MAX_CANDLES} candles; replay a shorter part")
        rows.append(candle[:6])
        if not _is_sound(candle):
            raise ValueError(f"candle at {candle.open_ns} is not a bar: low <= open, close <= high")
    if not rows:
        raise ValueError("there are no candles; name a file that holds some")
    array = np.array(rows, np.int64)
    if np.any(np.diff(array[:, 0]) < interval_ns):
        raise ValueError("candles overlap or are not in order of time")
    return array


def _is_sound(candle: Candle) -> bool:
    low, high = candle.low_ticks, candle.high_ticks
    inside = low <= min(candle.open_ticks, candle.close_ticks)
    inside = inside and max(candle.open_ticks, candle.close_ticks) <= high
    return inside and low >= 1 and candle.volume_lots >= 0 and math.isfinite(candle.turnover)
