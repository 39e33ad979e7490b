"""A market that somebody else reports as it happens: the book's best levels, and trades.

It fulfils `venue.market.Market`; accounts' orders meet real prices. The assumptions are the
cautious ones of `venue.replay`: who joins a level stands behind all that was shown there, what
leaves a level leaves from behind, an order fills when trades have used up what stood before it, or
when the market trades or quotes through its price. What stood at a level that was out of sight is
taken to have stood before us. What accounts take is there again at the next report of the level.

Nothing can be derived again: after a restart, and whenever the reporter lost the market, only
cancels are taken until the next whole book.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np

from venue import replay
from venue.book import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS
from venue.kernels import warm
from venue.market import DEFAULT_MAX_EVENTS, FLOW_BOOK_CAPACITY, FlowResult
from venue.matching import BUY, SELL, OrderBook

Levels = Sequence[tuple[int, int]]
"""(price in ticks, quantity in lots), the best first."""
LEVELS_MAX: Final = 1_000
"""Of a side, remembered beyond those shown; more is told by no feed here."""
ROWS_WAITING_MAX: Final = 200_000
"""Reports that nobody has looked at: minutes of a busy market. Then the book begins anew."""

Row = tuple[int, int, int, int, int]


class LiveMarket:
    """Reported by `show` and `trade`, doubted by `distrust`; read by a box like any market."""

    def __init__(self) -> None:
        warm()
        self.epoch_ns = 0
        self._rows: list[Row] = []
        self._shown: dict[int, dict[int, int]] = {BUY: {}, SELL: {}}
        self._seen_to: dict[int, int | None] = {BUY: None, SELL: None}
        """The worst price of each side that the last report reached; None: not known yet."""
        self._is_trusted = False
        self._last_ns = 0

    @property
    def is_trusted(self) -> bool:
        """Whether the book is the market's."""
        return self._is_trusted

    # --- the reporter's

    def show(self, bids: Levels, asks: Levels, at_ns: int) -> None:
        """Report the best levels of both sides, as they now are. Never crossed."""
        at_ns = self._time(at_ns)
        if not self._is_trusted:
            self._forget()
            self._rows.append((at_ns, replay.RESET, 0, 0, 0))
            self._is_trusted = True
        sides = ((BUY, _possible(bids)), (SELL, _possible(asks)))
        for side, levels in sides:
            self._gone(side, levels, at_ns)
        for side, levels in sides:
            self._there(side, levels, at_ns)
        if len(self._rows) > ROWS_WAITING_MAX:
            self.distrust()

    def trade(self, side: int, price_ticks: int, lots: int, at_ns: int) -> None:
        """Report a trade; `side` is the taker's."""
        if self._is_trusted and 0 < price_ticks <= MAX_PRICE_TICKS and lots > 0:
            self._rows.append((self._time(at_ns), replay.TRADE, side, price_ticks, lots))

    def distrust(self) -> None:
        """Say that the market is out of sight: only cancels until the next `show`."""
        self._is_trusted = False
        self._rows.clear()

    def _time(self, at_ns: int) -> int:
        self._last_ns = max(self._last_ns, at_ns - self.epoch_ns)
        return self._last_ns

    def _forget(self) -> None:
        for side in (BUY, SELL):
            self._shown[side].clear()
            self._seen_to[side] = None

    def _gone(self, side: int, levels: Levels, at_ns: int) -> None:
        """Take away what the report covers and does not show."""
        shown, now = self._shown[side], dict(levels)
        worst = levels[-1][0] if levels else None
        for price in [p for p in shown if p not in now]:
            if worst is None or side * (price - worst) >= 0 or len(shown) > LEVELS_MAX:
                del shown[price]
                self._rows.append((at_ns, replay.DEPTH, side, price, 0))

    def _there(self, side: int, levels: Levels, at_ns: int) -> None:
        shown, seen_to = self._shown[side], self._seen_to[side]
        for price, lots in levels:
            if shown.get(price) == lots:
                continue
            was_in_sight = price in shown or (seen_to is not None and side * (price - seen_to) >= 0)
            kind = replay.DEPTH if was_in_sight else replay.FOUND
            self._rows.append((at_ns, kind, side, price, lots))
            shown[price] = lots
        self._seen_to[side] = levels[-1][0] if levels else None

    # --- the box's: see `venue.market.Market`

    def flow(
        self,
        from_index: int,
        until_ns: int,
        book: OrderBook,
        max_events: int = DEFAULT_MAX_EVENTS,
    ) -> FlowResult:
        """Apply what was reported by `until_ns` to `book`."""
        rows = self._rows
        if not rows:
            return FlowResult(book.drain_events(self.epoch_ns), from_index, complete=True)
        table = np.array(rows, np.int64)
        args = (0, until_ns - self.epoch_ns, 0, max_events, from_index)
        done = int(replay.apply_rows(book.arrays, table, *args))
        del rows[:done]
        complete = not rows or rows[0][0] > until_ns - self.epoch_ns
        return FlowResult(book.drain_events(self.epoch_ns), from_index + done, complete)

    def has_ended(self, index: int) -> bool:
        """Whether the market is out of sight now."""
        return not self._is_trusted

    def event_time_ns(self, index: int) -> int:
        """Return when the last report was made: there is no next one that is known."""
        return self.epoch_ns + self._last_ns

    def index_at(self, now_ns: int) -> int:
        """Return 0: what was before cannot be counted."""
        return 0

    def rebuild(self, index: int) -> OrderBook:
        """Make an empty book: nothing can be derived again."""
        return OrderBook(FLOW_BOOK_CAPACITY)


def _possible(levels: Iterable[tuple[int, int]]) -> Levels:
    """Leave out what the kernels have no numbers for."""
    return [
        (price, min(lots, MAX_QUANTITY_LOTS))
        for price, lots in levels
        if 0 < price <= MAX_PRICE_TICKS and lots > 0
    ]
