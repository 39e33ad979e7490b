"""Markets made of candles alone, expanded into ticks.

It fulfils `venue.market.Market`: the flow's index counts steps, and `rebuild` makes the book that
the step before had quoted.
"""

import math
from collections.abc import Iterable
from typing import Final

import numpy as np

from venue import replay
from venue.book import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS
from venue.candles import MINUTE_NS, Candle
from venue.kernels import entry_point, warm
from venue.market import DEFAULT_MAX_EVENTS, FlowResult
from venue.matching import OrderBook, example_book
from venue.recorded import Rows

MAX_CANDLES: Final = 600_000
"""More than a year of minutes: 29 MB."""
MAX_LADDER_LEVELS: Final = 100
BOOK_CAPACITY: Final = 16_384
"""Two ladders at most, and what accounts may have open."""
_LEGS: Final = 3

entry_point(
    replay.apply_candles,
    lambda: (example_book(), *[np.zeros((1, 2), np.int64)] * 2, 0, 0, 0, 0, 0),
)
entry_point(replay.candle_price, lambda: (np.zeros(6, np.int64), 0, 0))
entry_point(replay.candle_lots, lambda: (0, 0, 0))


class CandleMarket:
    """Candles expanded into ticks: each one's path is open, low, high, close (falling: high first).

    There is no recorded book behind it: `synthetic_book` says so, and the ladder quoted around
    the path is `(offset in ticks, lots)` per level, equal on both sides. The trades of a candle
    have exactly its open, high, low, close and volume, as long as it has at least four lots.
    With `repeat` the candles begin again after the last one's end; without, the market falls
    silent.
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
        repeat: bool = False,
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
        self.span_ns: Final = int(self._candles[-1, 0]) + interval_ns
        self._count: Final = len(self._candles) * steps
        self._repeats: Final = repeat

    def flow(
        self,
        from_index: int,
        until_ns: int,
        book: OrderBook,
        max_events: int = DEFAULT_MAX_EVENTS,
    ) -> FlowResult:
        """Walk the steps from `from_index` up to `until_ns`, inclusive; one lap per call at most.

        The book's capacity must be at least twice the ladder's levels.
        """
        assert book.capacity >= 2 * len(self._ladder)
        assert from_index >= 0
        assert max_events >= 1
        if self.has_ended(from_index):
            return FlowResult([], from_index, complete=True)
        lap, step = divmod(from_index, self._count)
        began_ns = self.epoch_ns + lap * self.span_ns
        shape = (self._candles, self._ladder, self.steps, self.interval_ns)
        step = int(replay.apply_candles(book.arrays, *shape, step, until_ns - began_ns, max_events))
        index = lap * self._count + step
        complete = self.has_ended(index) or self.event_time_ns(index) > until_ns
        return FlowResult(book.drain_events(began_ns), index, complete)

    def has_ended(self, index: int) -> bool:
        """Whether no step `index` will ever be."""
        return not self._repeats and index >= self._count

    def event_time_ns(self, index: int) -> int:
        """When step `index` happens."""
        assert not self.has_ended(index)
        lap, within = divmod(index, self._count)
        candle, step = divmod(within, self.steps)
        since_ns = int(self._candles[candle, 0]) + step * (self.interval_ns // self.steps)
        return self.epoch_ns + lap * self.span_ns + since_ns

    def index_at(self, now_ns: int) -> int:
        """How many steps have happened by `now_ns`, inclusive."""
        lap, since = divmod(max(now_ns - self.epoch_ns, -1), self.span_ns)
        if lap < 0:
            return 0
        if lap > 0 and not self._repeats:
            return self._count
        candle = int(np.searchsorted(self._candles[:, 0], since, side="right")) - 1
        within = (since - int(self._candles[candle, 0])) // (self.interval_ns // self.steps)
        return lap * self._count + candle * self.steps + min(int(within) + 1, self.steps)

    def rebuild(self, index: int) -> OrderBook:
        """Make the book before step `index`: the step before quoted it whole."""
        book = OrderBook(BOOK_CAPACITY)
        if index > 0:
            self.flow(index - 1, self.event_time_ns(index - 1), book)
        book.take_touched()
        return book


def _candle_rows(candles: Iterable[Candle], interval_ns: int) -> Rows:
    rows = np.empty((0, 6), np.int64)
    count = 0
    for candle in candles:
        if count >= MAX_CANDLES:
            raise ValueError(f"more than {MAX_CANDLES} candles; replay a shorter part")
        if not _is_sound(candle):
            raise ValueError(
                f"candle at {candle.open_ns} is not a bar within the book: "
                f"1 <= low <= open, close <= high <= {MAX_PRICE_TICKS} ticks"
            )
        if count == len(rows):
            rows = np.resize(rows, (max(1_024, 2 * count), 6))
        rows[count] = candle[:6]
        count += 1
    if count == 0:
        raise ValueError("there are no candles; name a file that holds some")
    rows = rows[:count].copy()
    if np.any(np.diff(rows[:, 0]) < interval_ns):
        raise ValueError("candles overlap or are not in order of time")
    return rows


def _is_sound(candle: Candle) -> bool:
    low, high = candle.low_ticks, candle.high_ticks
    inside = low <= min(candle.open_ticks, candle.close_ticks)
    inside = inside and max(candle.open_ticks, candle.close_ticks) <= high <= MAX_PRICE_TICKS
    inside = inside and low >= 1 and 0 <= candle.volume_lots <= MAX_QUANTITY_LOTS
    return inside and math.isfinite(candle.turnover)
