"""Markets made of recorded depth and trades.

They fulfil `venue.market.Market`, so a server cannot tell them from a generated one: the flow's
index counts rows, and `rebuild` replays the record to it.
"""

from array import array
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from venue import replay
from venue.book import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS
from venue.capture import (
    BookTicker,
    DepthSnapshot,
    DepthUpdate,
    Line,
    Message,
    Trade,
    to_units,
)
from venue.kernels import entry_point, warm
from venue.l2 import MAX_BUFFERED_UPDATES, MAX_LEVELS
from venue.market import DEFAULT_MAX_EVENTS, FlowResult
from venue.matching import BUY, SELL, OrderBook, example_book

MAX_ROWS: Final = 2_000_000
"""Changes of levels and trades of one record: 80 MB. Five busy minutes of BTCUSDT are 0.4 M."""

Rows = NDArray[np.int64]


def _example_rows() -> Rows:
    return np.zeros((1, replay.ROW_COLUMNS), np.int64)


entry_point(replay.apply_rows, lambda: (example_book(), _example_rows(), 0, 0, 0, 0, 0))


class Grid(NamedTuple):
    """What one tick and one lot are, in units of the last decimal."""

    price_decimals: int
    quantity_decimals: int
    tick_units: int = 1
    lot_units: int = 1

    def ticks(self, text: str) -> int:
        """Return a price in ticks. Raises ValueError when it is off the grid or the book's end."""
        ticks = _whole(text, self.price_decimals, self.tick_units, "tick")
        if ticks > MAX_PRICE_TICKS:
            raise ValueError(
                f"the price {text} is {ticks} ticks, at most {MAX_PRICE_TICKS} can be: "
                "choose a larger tick"
            )
        return ticks

    def lots(self, text: str) -> int:
        """Return a quantity in lots. Raises ValueError when it is off the grid or too large."""
        lots = _whole(text, self.quantity_decimals, self.lot_units, "lot")
        if lots > MAX_QUANTITY_LOTS:
            raise ValueError(
                f"the quantity {text} is {lots} lots, at most {MAX_QUANTITY_LOTS} can be: "
                "choose a larger lot"
            )
        return lots


def _whole(text: str, decimals: int, grid_units: int, what: str) -> int:
    try:
        units = to_units(text, decimals)
    except ValueError as error:
        raise ValueError(f"{error}: choose a finer {what}") from error
    if units % grid_units:
        raise ValueError(f"{text} is no multiple of the {what}: choose a finer {what}")
    return units // grid_units


def _message_rows(
    message: Message, at_ns: int, grid: Grid
) -> Iterator[tuple[int, int, int, int, int]]:
    if isinstance(message, BookTicker):
        return
    if isinstance(message, Trade):
        price, quantity = grid.ticks(message.price), grid.lots(message.quantity)
        # Binance reports liquidations against its fund as trades at price 0.
        if price > 0 and quantity > 0:
            yield at_ns, replay.TRADE, message.side, price, quantity
        return
    if isinstance(message, DepthSnapshot):
        yield at_ns, replay.RESET, 0, 0, 0
    for side, levels in ((BUY, message.bids), (SELL, message.asks)):
        for price_text, quantity_text in levels:
            price = grid.ticks(price_text)
            if price > 0:
                yield at_ns, replay.DEPTH, side, price, grid.lots(quantity_text)


def rows_of(lines: Iterable[Line], grid: Grid, *, from_snapshot: bool = False) -> Rows:
    """Turn messages into rows (at ns, kind, side, ticks, lots).

    Updates that came before a snapshot but are newer than it are applied again after it. With
    `from_snapshot` the rows before the first snapshot are left out, if there is one: without
    them the book is complete from the first row on. Raises ValueError when there are more than
    `MAX_ROWS`, time runs backwards, or a number does not fit the grid.
    """
    recent: deque[DepthUpdate] = deque(maxlen=MAX_BUFFERED_UPDATES)
    # Grows in place: a list of tuples would take ten times the memory.
    cells = array("q")
    is_complete = False
    for at_ns, message in lines:
        if isinstance(message, DepthSnapshot) and from_snapshot and not is_complete:
            is_complete = True
            del cells[:]
        for row in _message_rows(message, at_ns, grid):
            cells.extend(row)
        if isinstance(message, DepthUpdate):
            recent.append(message)
        elif isinstance(message, DepthSnapshot):
            for update in recent:
                if update.last_id >= message.last_id:
                    for row in _message_rows(update, at_ns, grid):
                        cells.extend(row)
        if len(cells) > MAX_ROWS * replay.ROW_COLUMNS:
            raise ValueError(f"the record has more than {MAX_ROWS} rows; replay a shorter part")
    rows = np.frombuffer(cells, np.int64).reshape(-1, replay.ROW_COLUMNS)
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
        self._started_ns: Final = int(rows[0, replay.AT])
        self.epoch_ns: Final = self._started_ns if epoch_ns is None else epoch_ns
        self._rows: Final = rows
        # One second of silence between two runs of the record keeps times from touching.
        self.span_ns: Final = int(rows[-1, replay.AT]) - self._started_ns + 1_000_000_000
        self._repeats: Final = repeat

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
        shift_ns = self.epoch_ns - self._started_ns
        span = self.span_ns if self._repeats else 0
        args = (from_index, until_ns - shift_ns, span, max_events, 0)
        index = int(replay.apply_rows(book.arrays, self._rows, *args))
        complete = self.has_ended(index) or self.event_time_ns(index) > until_ns
        return FlowResult(book.drain_events(shift_ns), index, complete)

    def has_ended(self, index: int) -> bool:
        """Whether no row `index` will ever be."""
        return not self._repeats and index >= len(self._rows)

    def event_time_ns(self, index: int) -> int:
        """When row `index` happens; rows of one message share their time."""
        assert not self.has_ended(index)
        lap, row = divmod(index, len(self._rows))
        since_ns = int(self._rows[row, replay.AT]) - self._started_ns
        return self.epoch_ns + lap * self.span_ns + since_ns

    def index_at(self, now_ns: int) -> int:
        """How many rows have happened by `now_ns`, inclusive."""
        lap, since = divmod(max(now_ns - self.epoch_ns, -1), self.span_ns)
        if lap < 0:
            return 0
        if lap > 0 and not self._repeats:
            return len(self._rows)
        at_ns = self._started_ns + since
        row = int(np.searchsorted(self._rows[:, replay.AT], at_ns, side="right"))
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
