"""Price-time matching of one instrument.

`OrderBook` wraps the kernels of `venue.book`: every call matches at once and returns what
happened, in order. Ids are any non-zero int64; `owner` 0 is the generated or recorded flow
(its ids are negative by convention), owners above 0 are accounts.

What comes of an order, in events: `ACCEPTED`, then one `TRADE` per maker (or `CANCELLED` of the
maker with reason `SELF_TRADE`, cancel-oldest), then, where something is left that may not rest,
`EXPIRED`. An order that never lived is only `REJECTED`.
"""

import struct
from collections.abc import Callable
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from venue import book as bk
from venue.kernels import entry_point, helper, kernel, warm

BUY: Final = bk.BUY
SELL: Final = bk.SELL
LIMIT: Final = 0
MARKET: Final = 1

POST_ONLY: Final = 1
IMMEDIATE_OR_CANCEL: Final = 2
PULL_OWN: Final = 4
"""Flow only: resting flow orders in the way are cancelled, not traded with (a quote moved)."""
QUIET: Final = 8
"""Flow only: report trades and what concerns accounts, nothing else."""

ACCEPTED: Final = 0
TRADE: Final = 1
CANCELLED: Final = 2
REJECTED: Final = 3
EXPIRED: Final = 4
LEVEL: Final = 5
REDUCED: Final = 6

NO_REASON: Final = 0
POST_ONLY_WOULD_CROSS: Final = 1
NO_LIQUIDITY: Final = 2
FULL: Final = 3
UNKNOWN_ORDER: Final = 4
SELF_TRADE: Final = 5
PRICE_OUT_OF_RANGE: Final = 6
DUPLICATE_ORDER: Final = 7
REQUESTED: Final = 8
REASON_NAMES: Final = (
    "",
    "post-only order would cross",
    "no liquidity",
    "book is full",
    "unknown order",
    "self-trade",
    "price out of range",
    "order id is open already",
    "requested",
)

EVENT_COLUMNS: Final = 12
_SNAPSHOT_MAGIC: Final = b"CBK1"
_SNAPSHOT_HEADER: Final = struct.Struct("<4sII")
_SNAPSHOT_COLUMNS: Final = 5
MAX_DEPTH_LEVELS: Final = 65_536
"""No book has more levels than orders, and no more orders than this."""


class BookEvent(NamedTuple):
    """One thing that happened in the book.

    For `TRADE` the order is the taker, `side` its side, and the price the maker's; for
    `CANCELLED`, `REDUCED`, `EXPIRED` the quantity is what was taken away.
    """

    kind: int
    order_id: int
    maker_id: int
    owner: int
    maker_owner: int
    side: int
    price_ticks: int
    quantity_lots: int
    remaining_lots: int
    maker_remaining_lots: int
    reason: int
    at_ns: int = 0


@helper
def emit(
    book: bk.BookArrays,
    kind: int,
    reason: int,
    order: tuple[int, int, int],
    maker: tuple[int, int, int],
    what: tuple[int, int, int],
    now_ns: int,
) -> None:
    """Append one event.

    `order` is (id, owner, side), `maker` (id, owner, remaining lots), `what` (price, quantity,
    remaining lots of the order).
    """
    count = book.meta[bk.EVENTS]
    row = book.events[count]
    row[0] = kind
    row[1] = order[0]
    row[2] = maker[0]
    row[3] = order[1]
    row[4] = maker[1]
    row[5] = order[2]
    row[6] = what[0]
    row[7] = what[1]
    row[8] = what[2]
    row[9] = maker[2]
    row[10] = reason
    row[11] = now_ns
    book.meta[bk.EVENTS] = count + 1


@helper
def _refusal(
    book: bk.BookArrays, order_id: int, side: int, kind: int, price: int, flags: int
) -> int:
    opposite = book.meta[bk.BEST_ASK] if side == BUY else book.meta[bk.BEST_BID]
    if bk.find(book, order_id) != 0:
        return DUPLICATE_ORDER
    if kind == MARKET:
        return NO_LIQUIDITY if opposite == 0 else NO_REASON
    if price < 1 or price > bk.MAX_PRICE_TICKS:
        return PRICE_OUT_OF_RANGE
    crosses = opposite != 0 and side * (price - opposite) >= 0
    if flags & POST_ONLY != 0 and crosses:
        return POST_ONLY_WOULD_CROSS
    # An order that crosses is filled, or frees the row of a maker before it must rest.
    if flags & IMMEDIATE_OR_CANCEL == 0 and not crosses and not bk.has_room(book):
        return FULL
    return NO_REASON


@helper
def _match(
    book: bk.BookArrays,
    order: tuple[int, int, int],
    kind: int,
    price: int,
    lots: int,
    flags: int,
    now_ns: int,
) -> int:
    """Trade against the other side while the price allows; the lots that are left."""
    owner = order[1]
    side = order[2]
    while lots > 0:
        best = book.meta[bk.BEST_ASK] if side == BUY else book.meta[bk.BEST_BID]
        if best == 0 or (kind == LIMIT and side * (price - best) < 0):
            break
        row = book.levels[book.level_of[best], bk.HEAD]
        maker_id = book.orders[row, bk.ID]
        maker_owner = book.orders[row, bk.OWNER]
        resting = book.orders[row, bk.LOTS]
        if owner == maker_owner and (owner > 0 or flags & PULL_OWN != 0):
            bk.remove(book, row)
            if flags & QUIET == 0:
                pulled = (maker_id, maker_owner, -side)
                taker = (order[0], owner, lots)
                emit(book, CANCELLED, SELF_TRADE, pulled, taker, (best, resting, 0), now_ns)
            continue
        traded = min(lots, resting)
        lots -= traded
        bk.take(book, row, traded)
        maker = (maker_id, maker_owner, resting - traded)
        emit(book, TRADE, NO_REASON, order, maker, (best, traded, lots), now_ns)
    return lots


@kernel
def submit(
    book: bk.BookArrays,
    order: tuple[int, int, int],
    kind: int,
    price: int,
    lots: int,
    flags: int,
    now_ns: int,
) -> int:
    """Match one order (id, owner, side), rest what is left, and append the events.

    Returns the reason if it was refused.
    """
    order_id, owner, side = order
    nobody = (0, 0, 0)
    quiet = flags & QUIET != 0
    refusal = _refusal(book, order_id, side, kind, price, flags)
    if refusal != NO_REASON:
        if not quiet:
            emit(book, REJECTED, refusal, order, nobody, (price, lots, 0), now_ns)
        return refusal
    if not quiet:
        emit(book, ACCEPTED, NO_REASON, order, nobody, (price, lots, lots), now_ns)
    left = _match(book, order, kind, price, lots, flags, now_ns)
    if left == 0:
        return NO_REASON
    if kind == LIMIT and flags & IMMEDIATE_OR_CANCEL == 0:
        bk.rest(book, order_id, owner, side, price, left)
    elif not quiet:
        emit(book, EXPIRED, NO_LIQUIDITY, order, nobody, (price, left, 0), now_ns)
    return NO_REASON


@kernel
def withdraw(book: bk.BookArrays, order_id: int, by_lots: int, now_ns: int) -> None:
    """Take `by_lots` off an open order (all of it if that is more), keeping its place."""
    nobody = (0, 0, 0)
    row = bk.find(book, order_id)
    if row == 0:
        order = (order_id, 0, 0)
        emit(book, REJECTED, UNKNOWN_ORDER, order, nobody, nobody, now_ns)
        return
    order = (order_id, book.orders[row, bk.OWNER], book.orders[row, bk.SIDE])
    price = book.orders[row, bk.PRICE]
    resting = book.orders[row, bk.LOTS]
    taken = min(by_lots, resting)
    bk.take(book, row, taken)
    kind = CANCELLED if taken == resting else REDUCED
    what = (price, taken, resting - taken)
    emit(book, kind, REQUESTED, order, nobody, what, now_ns)


@kernel
def place(
    book: bk.BookArrays, order_id: int, owner: int, side: int, price: int, lots: int, now_ns: int
) -> int:
    """Rest an order without trading: flow orders in the way are removed. 0, or the obstacle."""
    while True:
        best = book.meta[bk.BEST_ASK] if side == BUY else book.meta[bk.BEST_BID]
        if best == 0 or side * (price - best) < 0:
            break
        row = book.levels[book.level_of[best], bk.HEAD]
        if book.orders[row, bk.OWNER] != 0:
            return int(book.orders[row, bk.ID])
        bk.remove(book, row)
    bk.rest(book, order_id, owner, side, price, lots)
    return 0


def example_book() -> bk.BookArrays:
    """Make a tiny book, for the types of its arrays."""
    return bk.allocate(4, EVENT_COLUMNS)


def _example(*arguments: object) -> Callable[[], tuple[Any, ...]]:
    return lambda: (example_book(), *arguments)


entry_point(submit, _example((0, 0, 0), *[0] * 5))
entry_point(withdraw, _example(0, 0, 0))
entry_point(place, _example(*[0] * 6))
entry_point(bk.find, _example(0))
entry_point(bk.has_room, _example())
entry_point(bk.rest, _example(*[0] * 5))
entry_point(bk.lots_at, _example(0, 0))
entry_point(bk.queue_ahead, _example(0))
for _listing in (bk.take_touched, bk.list_orders):
    entry_point(_listing, lambda: (example_book(), np.zeros((1, 1), np.int64)))
entry_point(bk.fill_depth, lambda: (example_book(), 0, np.zeros((1, 1), np.int64)))


class OrderBook:
    """One instrument's book with at most `capacity` resting orders (at most 65 536).

    Prices lie in 1 ‥ `MAX_PRICE_TICKS`; an order beyond is rejected with `PRICE_OUT_OF_RANGE`, a
    resting order for which there is no room with `FULL`. Not safe for use by several threads.
    """

    def __init__(self, capacity: int = 65536) -> None:
        warm()
        self.capacity: Final = capacity
        self.arrays: Final = bk.allocate(capacity, EVENT_COLUMNS)

    def submit(
        self,
        order_id: int,
        owner: int,
        side: int,
        kind: int,
        price_ticks: int,
        quantity_lots: int,
        flags: int,
        now_ns: int,
    ) -> list[BookEvent]:
        """Match an order against the book, rest what may rest, and return what happened.

        A market order's `price_ticks` is ignored. Rejections are events; arguments that no caller
        may pass (a side that is none, a quantity outside 1 ‥ `MAX_QUANTITY_LOTS`) are bugs.
        """
        assert order_id != 0
        assert owner >= 0
        assert side in (BUY, SELL)
        assert kind in (LIMIT, MARKET)
        assert 1 <= quantity_lots <= bk.MAX_QUANTITY_LOTS
        assert flags & (PULL_OWN | QUIET) == 0 or owner == 0
        order = (order_id, owner, side)
        submit(self.arrays, order, kind, price_ticks, quantity_lots, flags, now_ns)
        assert not self.is_crossed()
        return self.drain_events()

    def cancel(self, order_id: int, now_ns: int) -> list[BookEvent]:
        """Remove an open order: `CANCELLED`, or `REJECTED` with `UNKNOWN_ORDER`."""
        withdraw(self.arrays, order_id, bk.MAX_QUANTITY_LOTS, now_ns)
        assert not self.is_open(order_id)
        return self.drain_events()

    def reduce(self, order_id: int, by_lots: int, now_ns: int = 0) -> list[BookEvent]:
        """Make an open order smaller without losing its place: `REDUCED`, or as `cancel`."""
        assert by_lots >= 1
        withdraw(self.arrays, order_id, by_lots, now_ns)
        return self.drain_events()

    def place_resting(
        self, order_id: int, owner: int, side: int, price_ticks: int, quantity_lots: int
    ) -> None:
        """Rest an account's order without matching, when a book is rebuilt after a restart.

        Flow orders that it would cross are removed. Raises ValueError if another account's
        order is in the way: such a pair can never have rested together.
        """
        assert order_id != 0
        assert not self.is_open(order_id)
        assert owner > 0
        assert 1 <= price_ticks <= bk.MAX_PRICE_TICKS
        assert 1 <= quantity_lots <= bk.MAX_QUANTITY_LOTS
        assert bk.has_room(self.arrays)
        obstacle = place(self.arrays, order_id, owner, side, price_ticks, quantity_lots, 0)
        if obstacle != 0:
            raise ValueError(f"order {order_id} would cross resting order {obstacle}")

    def is_open(self, order_id: int) -> bool:
        """Whether the order rests in the book."""
        return bool(bk.find(self.arrays, order_id) != 0)

    def remaining_lots(self, order_id: int) -> int:
        """Tell what is left of an open order; 0 for any other id."""
        row = bk.find(self.arrays, order_id)
        return int(self.arrays.orders[row, bk.LOTS]) if row != 0 else 0

    def queue_ahead_lots(self, order_id: int) -> int:
        """Lots that rest before this order at its price; 0 for an order that is not open."""
        row = bk.find(self.arrays, order_id)
        return int(bk.queue_ahead(self.arrays, row)) if row != 0 else 0

    def orders_of(self, owner: int) -> list[int]:
        """Ids of the owner's open orders, ascending. O(highest number of orders so far)."""
        used = self.arrays.orders[1 : int(self.arrays.meta[bk.HIGH_ORDER]) + 1]
        mine = used[(used[:, bk.ID] != 0) & (used[:, bk.OWNER] == owner), bk.ID]
        return cast(list[int], np.sort(mine).tolist())

    def open_orders(self) -> int:
        """How many orders rest."""
        return int(self.arrays.meta[bk.OPEN])

    def best_bid_ticks(self) -> int:
        """Return the highest bid, or 0."""
        return int(self.arrays.meta[bk.BEST_BID])

    def best_ask_ticks(self) -> int:
        """Return the lowest ask, or 0."""
        return int(self.arrays.meta[bk.BEST_ASK])

    def is_crossed(self) -> bool:
        """Whether a bid is at or above an ask: never, between calls."""
        bid, ask = self.best_bid_ticks(), self.best_ask_ticks()
        return bid != 0 and ask != 0 and bid >= ask

    def depth(self, levels: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(bids, asks): arrays (n, 2) of (ticks, lots), best first, at most `levels` each."""
        assert 1 <= levels <= MAX_DEPTH_LEVELS
        bids = np.empty((levels, 2), np.int64)
        asks = np.empty((levels, 2), np.int64)
        bid_count = bk.fill_depth(self.arrays, BUY, bids)
        ask_count = bk.fill_depth(self.arrays, SELL, asks)
        return bids[:bid_count], asks[:ask_count]

    def level_lots(self, side: int, price_ticks: int) -> int:
        """Lots resting on `side` at this price."""
        if not 1 <= price_ticks <= bk.MAX_PRICE_TICKS:
            return 0
        return int(bk.lots_at(self.arrays, side, price_ticks))

    def take_touched(self) -> NDArray[np.int64] | None:
        """Levels changed since the last call: (n, 3) of (side, ticks, lots now), and forget them.

        None when there were more than can be remembered: read `depth` again.
        """
        meta = self.arrays.meta
        out = np.empty((int(meta[bk.TOUCHED]), 3), np.int64)
        bk.take_touched(self.arrays, out)
        lost = bool(meta[bk.TOUCHED_LOST])
        meta[bk.TOUCHED_LOST] = 0
        return None if lost else out

    def drain_events(self, epoch_ns: int = 0) -> list[BookEvent]:
        """Take the events that a market's kernels appended, their times counted from `epoch_ns`."""
        count = int(self.arrays.meta[bk.EVENTS])
        self.arrays.meta[bk.EVENTS] = 0
        rows = self.arrays.events[:count]
        if epoch_ns != 0:
            rows[:, EVENT_COLUMNS - 1] += epoch_ns
        return [BookEvent._make(row) for row in rows.tolist()]

    def snapshot(self) -> bytes:
        """Encode the book: every order in queue order. Same book, same bytes."""
        rows = np.empty((self.open_orders(), _SNAPSHOT_COLUMNS), np.int64)
        count = bk.list_orders(self.arrays, rows)
        assert count == len(rows)
        header = _SNAPSHOT_HEADER.pack(_SNAPSHOT_MAGIC, self.capacity, count)
        return header + rows.astype("<i8").tobytes()

    @classmethod
    def restore(cls, data: bytes) -> "OrderBook":
        """Make the book that `snapshot` encoded. Raises ValueError for anything else."""
        try:
            magic, capacity, count = _SNAPSHOT_HEADER.unpack_from(data)
            rows = np.frombuffer(data, "<i8", offset=_SNAPSHOT_HEADER.size)
            rows = rows.reshape(count, _SNAPSHOT_COLUMNS)
        except (struct.error, ValueError) as error:
            raise ValueError(f"not a book snapshot ({error}); rebuild the book instead") from error
        if magic != _SNAPSHOT_MAGIC or not count <= capacity <= bk.MAX_CAPACITY:
            raise ValueError("not a book snapshot of this version; rebuild the book instead")
        book = cls(capacity)
        for order_id, owner, side, price, lots in rows.tolist():
            if not (side in (BUY, SELL) and 1 <= price <= bk.MAX_PRICE_TICKS):
                raise ValueError(f"order {order_id} in the snapshot has no valid side and price")
            bk.rest(book.arrays, order_id, owner, side, price, lots)
        if book.is_crossed():
            raise ValueError("the book in the snapshot is crossed; rebuild the book instead")
        book.take_touched()
        return book
