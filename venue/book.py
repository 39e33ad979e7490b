"""The order book as arrays: price levels, queues, and the index of orders, as numba kernels.

Prices are integer ticks in 1 ‥ `MAX_PRICE_TICKS`, quantities integer lots. One book is one
`BookArrays`, allocated once:

- an order is a row of `orders`, a link in the doubly linked queue of its price level, and found by
  its id through an open-addressing hash table: cancel is O(1);
- a price level is a row of `levels`, found by price through `level_of` (a window that starts at
  tick 0; untouched pages of it are never resident);
- `occupied` is a five-storey bitmap of the prices that have a level: the next better or worse
  price is found in at most ten steps, however sparse the book.

A book is never crossed, so one price belongs to one side and both sides share these structures.
Beyond the window there is nothing: the matching engine refuses such prices.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from venue.kernels import helper, kernel

PRICE_BITS = 25
MAX_PRICE_TICKS = (1 << PRICE_BITS) - 1
"""33 554 431 ticks: 335 544 at a tick of 0.01. Five storeys of 32-way words cover it exactly."""
MAX_QUANTITY_LOTS = 1 << 46
"""At most 2**16 orders in a level of at most 2**46 lots: their sum fits in int64."""
MAX_CAPACITY = 1 << 16

BUY = 1
SELL = -1

# Storeys of the bitmap: 2**20, 2**15, 2**10, 2**5, 1 words of 32 bits, one behind the other.
_STOREYS = 5
_FIRST_WORD = (0, 1_048_576, 1_081_344, 1_082_368, 1_082_400)
_ITEMS = (1 << 25, 1 << 20, 1 << 15, 1 << 10, 1 << 5)
_WORDS = _FIRST_WORD[4] + 1

# Columns of `orders`.
ID, OWNER, SIDE, PRICE, LOTS, NEXT, PREVIOUS = range(7)
ORDER_COLUMNS = 7
# Columns of `levels`; a free level's HEAD links to the next free one.
HEAD, TAIL, TOTAL, COUNT = range(4)
LEVEL_COLUMNS = 4
# Cells of `meta`.
OPEN, FREE_ORDER, HIGH_ORDER, FREE_LEVEL, HIGH_LEVEL = range(5)
BEST_BID, BEST_ASK, EVENTS, TOUCHED, TOUCHED_LOST = range(5, 10)
META_CELLS = 10


class BookArrays(NamedTuple):
    """The memory of one book. Row 0 of `orders` and `levels` is nobody: 0 means "none"."""

    orders: NDArray[np.int64]
    levels: NDArray[np.int64]
    level_of: NDArray[np.int32]
    occupied: NDArray[np.int64]
    table: NDArray[np.int64]
    """Hash table of (order id, row of `orders`); row 0 marks an empty cell."""
    meta: NDArray[np.int64]
    events: NDArray[np.int64]
    touched: NDArray[np.int64]
    """(side, price) of each level whose quantity changed since this list was last taken."""
    touched_marks: NDArray[np.int64]
    """One bit per side and price: already in `touched`."""


def allocate(capacity: int, event_columns: int) -> BookArrays:
    """Memory for a book of at most `capacity` resting orders, all empty."""
    assert 1 <= capacity <= MAX_CAPACITY
    cells = 4
    while cells < 2 * capacity:
        cells *= 2
    return BookArrays(
        orders=np.zeros((capacity + 1, ORDER_COLUMNS), np.int64),
        levels=np.zeros((capacity + 1, LEVEL_COLUMNS), np.int64),
        level_of=np.zeros(MAX_PRICE_TICKS + 1, np.int32),
        occupied=np.zeros(_WORDS, np.int64),
        table=np.zeros((cells, 2), np.int64),
        meta=np.zeros(META_CELLS, np.int64),
        # One call emits at most one event per resting order and two of its own.
        events=np.zeros((2 * capacity + 16, event_columns), np.int64),
        touched=np.zeros((2 * capacity + 16, 2), np.int64),
        touched_marks=np.zeros(2 << 20, np.int64),
    )


@helper
def _lowest_bit(word: int) -> int:
    position = 0
    for width in (16, 8, 4, 2, 1):
        if word & ((1 << width) - 1) == 0:
            word >>= width
            position += width
    return position


@helper
def _highest_bit(word: int) -> int:
    position = 0
    for width in (16, 8, 4, 2, 1):
        if word >> width != 0:
            word >>= width
            position += width
    return position


@helper
def _occupy(occupied: NDArray[np.int64], price: int) -> None:
    index = price
    for storey in range(_STOREYS):
        word = _FIRST_WORD[storey] + (index >> 5)
        before = occupied[word]
        occupied[word] = before | (1 << (index & 31))
        if before != 0:
            return
        index >>= 5


@helper
def _vacate(occupied: NDArray[np.int64], price: int) -> None:
    index = price
    for storey in range(_STOREYS):
        word = _FIRST_WORD[storey] + (index >> 5)
        occupied[word] &= ~(1 << (index & 31))
        if occupied[word] != 0:
            return
        index >>= 5


@helper
def occupied_at_or_above(occupied: NDArray[np.int64], price: int) -> int:
    """Find the lowest occupied price that is at least `price`, or 0."""
    index = price
    for storey in range(_STOREYS):
        if index >= _ITEMS[storey]:
            return 0
        word = occupied[_FIRST_WORD[storey] + (index >> 5)] >> (index & 31)
        if word != 0:
            index += _lowest_bit(word)
            for lower in range(storey - 1, -1, -1):
                index = (index << 5) + _lowest_bit(occupied[_FIRST_WORD[lower] + index])
            return index
        index = (index >> 5) + 1
    return 0


@helper
def occupied_at_or_below(occupied: NDArray[np.int64], price: int) -> int:
    """Find the highest occupied price that is at most `price`, or 0."""
    index = price
    for storey in range(_STOREYS):
        if index < 0:
            return 0
        mask = (1 << ((index & 31) + 1)) - 1
        word = occupied[_FIRST_WORD[storey] + (index >> 5)] & mask
        if word != 0:
            index = (index & ~31) + _highest_bit(word)
            for lower in range(storey - 1, -1, -1):
                index = (index << 5) + _highest_bit(occupied[_FIRST_WORD[lower] + index])
            return index
        index = (index >> 5) - 1
    return 0


@helper
def _home(order_id: int, cells: int) -> int:
    # Ids are dense and signed; multiplying by an odd constant spreads them, the sign falls away.
    mixed = order_id * 0x2545F4914F6CDD1D
    return ((mixed >> 29) ^ mixed) & (cells - 1)


@kernel
def find(book: BookArrays, order_id: int) -> int:
    """Find the row of the open order `order_id`, or 0."""
    cells = book.table.shape[0]
    cell = _home(order_id, cells)
    while book.table[cell, 1] != 0:
        if book.table[cell, 0] == order_id:
            return int(book.table[cell, 1])
        cell = (cell + 1) & (cells - 1)
    return 0


@helper
def _index(book: BookArrays, order_id: int, row: int) -> None:
    cells = book.table.shape[0]
    cell = _home(order_id, cells)
    while book.table[cell, 1] != 0:
        cell = (cell + 1) & (cells - 1)
    book.table[cell, 0] = order_id
    book.table[cell, 1] = row


@helper
def _unindex(book: BookArrays, order_id: int) -> None:
    cells = book.table.shape[0]
    hole = _home(order_id, cells)
    while book.table[hole, 0] != order_id or book.table[hole, 1] == 0:
        hole = (hole + 1) & (cells - 1)
    # Close the gap: move back every follower whose home does not lie behind the hole.
    cell = hole
    while True:
        cell = (cell + 1) & (cells - 1)
        if book.table[cell, 1] == 0:
            break
        home = _home(book.table[cell, 0], cells)
        if ((cell - home) & (cells - 1)) >= ((cell - hole) & (cells - 1)):
            book.table[hole, 0] = book.table[cell, 0]
            book.table[hole, 1] = book.table[cell, 1]
            hole = cell
    book.table[hole, 1] = 0


@helper
def touch(book: BookArrays, side: int, price: int) -> None:
    """Remember that the quantity at this level changed."""
    word = (price >> 5) + ((1 << 20) if side == SELL else 0)
    bit = 1 << (price & 31)
    if book.touched_marks[word] & bit != 0:
        return
    count = book.meta[TOUCHED]
    if count >= book.touched.shape[0]:
        book.meta[TOUCHED_LOST] = 1
        return
    book.touched_marks[word] |= bit
    book.touched[count, 0] = side
    book.touched[count, 1] = price
    book.meta[TOUCHED] = count + 1


@kernel
def take_touched(book: BookArrays, out: NDArray[np.int64]) -> int:
    """Move the touched levels into `out` as (side, price, lots now) and forget them."""
    count = book.meta[TOUCHED]
    for i in range(count):
        side = book.touched[i, 0]
        price = book.touched[i, 1]
        book.touched_marks[(price >> 5) + ((1 << 20) if side == SELL else 0)] = 0
        out[i, 0] = side
        out[i, 1] = price
        out[i, 2] = lots_at(book, side, price)
    book.meta[TOUCHED] = 0
    return int(count)


@kernel
def lots_at(book: BookArrays, side: int, price: int) -> int:
    """Lots resting on `side` at `price`; 0 where there is no such level."""
    level = book.level_of[price]
    if level == 0 or book.orders[book.levels[level, HEAD], SIDE] != side:
        return 0
    return int(book.levels[level, TOTAL])


@helper
def _open_level(book: BookArrays, side: int, price: int) -> int:
    meta = book.meta
    level = meta[FREE_LEVEL]
    if level != 0:
        meta[FREE_LEVEL] = book.levels[level, HEAD]
    else:
        meta[HIGH_LEVEL] += 1
        level = meta[HIGH_LEVEL]
    book.levels[level, HEAD] = 0
    book.levels[level, TAIL] = 0
    book.levels[level, TOTAL] = 0
    book.levels[level, COUNT] = 0
    book.level_of[price] = level
    _occupy(book.occupied, price)
    if side == BUY and price > meta[BEST_BID]:
        meta[BEST_BID] = price
    if side == SELL and (meta[BEST_ASK] == 0 or price < meta[BEST_ASK]):
        meta[BEST_ASK] = price
    return int(level)


@helper
def _close_level(book: BookArrays, side: int, price: int) -> None:
    meta = book.meta
    level = book.level_of[price]
    book.levels[level, HEAD] = meta[FREE_LEVEL]
    meta[FREE_LEVEL] = level
    book.level_of[price] = 0
    _vacate(book.occupied, price)
    if side == BUY and price == meta[BEST_BID]:
        meta[BEST_BID] = occupied_at_or_below(book.occupied, price - 1)
    if side == SELL and price == meta[BEST_ASK]:
        meta[BEST_ASK] = occupied_at_or_above(book.occupied, price + 1)


@kernel
def rest(book: BookArrays, order_id: int, owner: int, side: int, price: int, lots: int) -> int:
    """Append an order to the queue of its price and return its row. There must be a free row."""
    meta = book.meta
    row = meta[FREE_ORDER]
    if row != 0:
        meta[FREE_ORDER] = book.orders[row, NEXT]
    else:
        meta[HIGH_ORDER] += 1
        row = meta[HIGH_ORDER]
    level = book.level_of[price]
    if level == 0:
        level = _open_level(book, side, price)
    last = book.levels[level, TAIL]
    order = book.orders[row]
    order[ID] = order_id
    order[OWNER] = owner
    order[SIDE] = side
    order[PRICE] = price
    order[LOTS] = lots
    order[NEXT] = 0
    order[PREVIOUS] = last
    if last == 0:
        book.levels[level, HEAD] = row
    else:
        book.orders[last, NEXT] = row
    book.levels[level, TAIL] = row
    book.levels[level, TOTAL] += lots
    book.levels[level, COUNT] += 1
    meta[OPEN] += 1
    _index(book, order_id, row)
    touch(book, side, price)
    return int(row)


@helper
def take(book: BookArrays, row: int, lots: int) -> None:
    """Take `lots` off a resting order, removing it when nothing is left."""
    order = book.orders[row]
    side = order[SIDE]
    price = order[PRICE]
    level = book.level_of[price]
    order[LOTS] -= lots
    book.levels[level, TOTAL] -= lots
    touch(book, side, price)
    if order[LOTS] > 0:
        return
    if order[PREVIOUS] == 0:
        book.levels[level, HEAD] = order[NEXT]
    else:
        book.orders[order[PREVIOUS], NEXT] = order[NEXT]
    if order[NEXT] == 0:
        book.levels[level, TAIL] = order[PREVIOUS]
    else:
        book.orders[order[NEXT], PREVIOUS] = order[PREVIOUS]
    book.levels[level, COUNT] -= 1
    _unindex(book, order[ID])
    order[NEXT] = book.meta[FREE_ORDER]
    order[ID] = 0
    book.meta[FREE_ORDER] = row
    book.meta[OPEN] -= 1
    if book.levels[level, COUNT] == 0:
        _close_level(book, side, price)


@helper
def remove(book: BookArrays, row: int) -> None:
    """Remove a resting order."""
    take(book, row, book.orders[row, LOTS])


@kernel
def has_room(book: BookArrays) -> bool:
    """Whether one more order can rest."""
    return bool(book.meta[OPEN] < book.orders.shape[0] - 1)


@kernel
def fill_depth(book: BookArrays, side: int, out: NDArray[np.int64]) -> int:
    """Write (ticks, lots) of the best levels of `side` into `out`, best first; how many."""
    price = book.meta[BEST_BID] if side == BUY else book.meta[BEST_ASK]
    count = 0
    while price != 0 and count < out.shape[0]:
        out[count, 0] = price
        out[count, 1] = book.levels[book.level_of[price], TOTAL]
        count += 1
        if side == BUY:
            price = occupied_at_or_below(book.occupied, price - 1)
        else:
            price = occupied_at_or_above(book.occupied, price + 1)
    return count


@kernel
def queue_ahead(book: BookArrays, row: int) -> int:
    """Lots that rest before the order in `row` at its price."""
    lots = 0
    before = book.orders[row, PREVIOUS]
    while before != 0:
        lots += book.orders[before, LOTS]
        before = book.orders[before, PREVIOUS]
    return lots


@kernel
def list_orders(book: BookArrays, out: NDArray[np.int64]) -> int:
    """Write (id, owner, side, price, lots) of every order, by price, then in queue order."""
    count = 0
    price = occupied_at_or_above(book.occupied, 1)
    while price != 0:
        row = book.levels[book.level_of[price], HEAD]
        while row != 0:
            for column in range(5):
                out[count, column] = book.orders[row, column]
            count += 1
            row = book.orders[row, NEXT]
        price = occupied_at_or_above(book.occupied, price + 1)
    return count
