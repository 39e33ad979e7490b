"""Kernels that put recorded depth and trades onto an order book.

Recorded depth knows levels, not orders. The flow's part of a level is kept as few orders of
owner 0: growth joins the queue's end, shrinking takes from the end first (cancels are assumed to
come from behind: the cautious assumption for whoever waits in the queue). A recorded trade
consumes the queue only where an account's order waits at such a price; otherwise it is only
reported, because the depth that follows tells what it consumed.
"""

import numpy as np
from numpy.typing import NDArray

from venue import book as bk
from venue import matching as mt
from venue.kernels import helper, kernel

# Columns of a row of recorded data, and its kinds.
AT, KIND, SIDE, PRICE, LOTS = range(5)
ROW_COLUMNS = 5
DEPTH, TRADE, RESET, FOUND = range(4)
# FOUND is a DEPTH of a level that was out of sight: who stood there stood before everybody here.


@helper
def _crosses(book: bk.BookArrays, side: int, price: int) -> bool:
    best = book.meta[bk.BEST_ASK] if side == bk.BUY else book.meta[bk.BEST_BID]
    return bool(best != 0 and side * (price - best) >= 0)


@helper
def _flow_lots(book: bk.BookArrays, price: int) -> int:
    lots = 0
    level = book.level_of[price]
    row = book.levels[level, bk.HEAD] if level != 0 else 0
    while row != 0:
        if book.orders[row, bk.OWNER] == 0:
            lots += book.orders[row, bk.LOTS]
        row = book.orders[row, bk.NEXT]
    return lots


@helper
def _shrink(book: bk.BookArrays, price: int, lots: int) -> None:
    row = book.levels[book.level_of[price], bk.TAIL]
    while row != 0 and lots > 0:
        before = book.orders[row, bk.PREVIOUS]
        if book.orders[row, bk.OWNER] == 0:
            taken = min(lots, book.orders[row, bk.LOTS])
            bk.take(book, row, taken)
            lots -= taken
        row = before


@helper
def _grow(book: bk.BookArrays, order_id: int, side: int, price: int, lots: int) -> None:
    level = book.level_of[price]
    last = book.levels[level, bk.TAIL] if level != 0 else 0
    if last != 0 and book.orders[last, bk.OWNER] == 0:
        book.orders[last, bk.LOTS] += lots
        book.levels[level, bk.TOTAL] += lots
        bk.touch(book, side, price)
    elif bk.has_room(book):
        bk.rest(book, order_id, 0, side, price, lots)


@helper
def _rest_first(book: bk.BookArrays, order_id: int, side: int, price: int, lots: int) -> None:
    """Put an order of the flow before all others of its price."""
    row = bk.rest(book, order_id, 0, side, price, lots)
    last = book.orders[row, bk.PREVIOUS]
    if last == 0:
        return
    level = book.level_of[price]
    first = book.levels[level, bk.HEAD]
    book.orders[last, bk.NEXT] = 0
    book.levels[level, bk.TAIL] = last
    book.orders[row, bk.PREVIOUS] = 0
    book.orders[row, bk.NEXT] = first
    book.orders[first, bk.PREVIOUS] = row
    book.levels[level, bk.HEAD] = row


@helper
def find_level(
    book: bk.BookArrays, order_id: int, side: int, price: int, lots: int, at_ns: int
) -> None:
    """Make the flow's quantity at a level `lots`, ahead of accounts' orders that wait there."""
    level = book.level_of[price]
    waits = level != 0 and book.orders[book.levels[level, bk.HEAD], bk.SIDE] == side
    if waits and lots > 0 and _flow_lots(book, price) == 0 and bk.has_room(book):
        _rest_first(book, order_id, side, price, lots)
    else:
        set_level(book, order_id, side, price, lots, at_ns)


@kernel
def set_level(
    book: bk.BookArrays, order_id: int, side: int, price: int, lots: int, at_ns: int
) -> None:
    """Make the flow's quantity at a level `lots`; `order_id` is used if an order must be added.

    Flow levels of the other side that it crosses are removed, accounts' orders that it crosses
    are traded with; where such an order is larger than the level, the level stays away.
    """
    if lots > 0 and _crosses(book, side, price):
        flags = mt.QUIET | mt.PULL_OWN | mt.IMMEDIATE_OR_CANCEL
        mt.submit(book, (order_id, 0, side), mt.LIMIT, price, lots, flags, at_ns)
        if _crosses(book, side, price):
            return
    level = book.level_of[price]
    if level != 0 and book.orders[book.levels[level, bk.HEAD], bk.SIDE] != side:
        return  # an old level of the other side is told to be empty: nothing of ours is there
    change = lots - _flow_lots(book, price)
    if change > 0:
        _grow(book, order_id, side, price, change)
    elif change < 0:
        _shrink(book, price, -change)


@helper
def _account_waits(book: bk.BookArrays, side: int, price: int) -> bool:
    """Whether an account's order would take part in a trade up to `price`."""
    best = book.meta[bk.BEST_ASK] if side == bk.BUY else book.meta[bk.BEST_BID]
    while best != 0 and side * (price - best) >= 0:
        row = book.levels[book.level_of[best], bk.HEAD]
        while row != 0:
            if book.orders[row, bk.OWNER] != 0:
                return True
            row = book.orders[row, bk.NEXT]
        if side == bk.BUY:
            best = bk.occupied_at_or_above(book.occupied, best + 1)
        else:
            best = bk.occupied_at_or_below(book.occupied, best - 1)
    return False


@helper
def apply_trade(
    book: bk.BookArrays, order_id: int, side: int, price: int, lots: int, at_ns: int
) -> None:
    """Report a recorded trade, filling accounts' orders that waited for it."""
    first = book.meta[bk.EVENTS]
    left = lots
    if _account_waits(book, side, price):
        flags = mt.QUIET | mt.IMMEDIATE_OR_CANCEL
        mt.submit(book, (order_id, 0, side), mt.LIMIT, price, lots, flags, at_ns)
        for i in range(first, book.meta[bk.EVENTS]):
            left -= book.events[i, 7]
    if left > 0:
        order = (order_id, 0, side)
        mt.emit(book, mt.TRADE, mt.NO_REASON, order, (0, 0, 0), (price, left, 0), at_ns)


@helper
def withdraw_flow(book: bk.BookArrays) -> None:
    """Remove every order of owner 0."""
    for row in range(1, book.meta[bk.HIGH_ORDER] + 1):
        if book.orders[row, bk.ID] != 0 and book.orders[row, bk.OWNER] == 0:
            bk.remove(book, row)


@helper
def has_space(book: bk.BookArrays) -> bool:
    """Whether the events of one more trade surely fit."""
    return bool(book.meta[bk.EVENTS] + book.meta[bk.OPEN] + 2 <= book.events.shape[0])


@kernel
def apply_rows(
    book: bk.BookArrays,
    rows: NDArray[np.int64],
    from_index: int,
    until_ns: int,
    span_ns: int,
    max_events: int,
    rows_before: int,
) -> int:
    """Apply rows from `from_index` up to `until_ns` after the epoch; the next index.

    After the last row the record begins again, `span_ns` later, if `span_ns` is not 0. Orders are
    numbered on from `rows_before`, those of earlier arrays.
    """
    count = rows.shape[0]
    index = from_index
    while book.meta[bk.EVENTS] < max_events and has_space(book):
        if index >= count and span_ns == 0:
            break
        row = rows[index % count]
        at_ns = row[AT] + index // count * span_ns
        if at_ns > until_ns:
            break
        order_id = -(rows_before + index) - 1
        if row[KIND] == DEPTH:
            set_level(book, order_id, row[SIDE], row[PRICE], row[LOTS], at_ns)
        elif row[KIND] == TRADE:
            apply_trade(book, order_id, row[SIDE], row[PRICE], row[LOTS], at_ns)
        elif row[KIND] == FOUND:
            find_level(book, order_id, row[SIDE], row[PRICE], row[LOTS], at_ns)
        else:
            withdraw_flow(book)
        index += 1
    return index


@kernel
def candle_price(candle: NDArray[np.int64], step: int, steps: int) -> int:
    """Compute the price at a step of a candle's path: open, the two extremes, close.

    A rising candle sees its low first, a falling one its high. `steps` is a multiple of 3 plus 1.
    """
    third = (steps - 1) // 3
    rises = candle[4] >= candle[1]
    first = candle[3] if rises else candle[2]
    second = candle[2] if rises else candle[3]
    leg = min(step // third, 2)
    start = candle[1] if leg == 0 else first if leg == 1 else second
    end = first if leg == 0 else second if leg == 1 else candle[4]
    return int(start + (end - start) * (step - leg * third) // third)


@kernel
def candle_lots(volume: int, step: int, steps: int) -> int:
    """Compute a step's volume: one lot at each corner of the path first, the rest evenly."""
    third = (steps - 1) // 3
    corners = min(volume, 4)
    rest = volume - corners
    lots = rest * (step + 1) // steps - rest * step // steps
    return lots + (1 if step % third == 0 and step // third < corners else 0)


@helper
def _quote_around(
    book: bk.BookArrays, ladder: NDArray[np.int64], index: int, price: int, at_ns: int
) -> None:
    flags = mt.QUIET | mt.PULL_OWN
    for level in range(ladder.shape[0]):
        offset = ladder[level, 0]
        lots = ladder[level, 1]
        counter = (index * ladder.shape[0] + level) * 2
        bid = max(price - offset, 1)
        ask = min(price + offset, bk.MAX_PRICE_TICKS)
        mt.submit(book, (-counter - 1, 0, bk.BUY), mt.LIMIT, bid, lots, flags, at_ns)
        mt.submit(book, (-counter - 2, 0, bk.SELL), mt.LIMIT, ask, lots, flags, at_ns)


@helper
def _has_space_for_a_step(book: bk.BookArrays, ladder: NDArray[np.int64]) -> bool:
    # A step's trade and quotes hit each resting order at most once.
    most = book.meta[bk.OPEN] + 2 * ladder.shape[0] + 2
    return bool(book.meta[bk.EVENTS] + most <= book.events.shape[0])


@kernel
def apply_candles(
    book: bk.BookArrays,
    candles: NDArray[np.int64],
    ladder: NDArray[np.int64],
    steps: int,
    interval_ns: int,
    from_index: int,
    until_ns: int,
    max_events: int,
) -> int:
    """Walk candles from step `from_index` up to `until_ns` after the epoch; the next step.

    Each step quotes the ladder of (offset in ticks, lots) anew around the path's price, and
    trades the step's share of the volume at it.
    """
    index = from_index
    taker = 1 << 60
    while book.meta[bk.EVENTS] < max_events and index < candles.shape[0] * steps:
        candle = candles[index // steps]
        step = index % steps
        at_ns = candle[0] + step * (interval_ns // steps)
        if at_ns > until_ns or not _has_space_for_a_step(book, ladder):
            break
        price = candle_price(candle, step, steps)
        before = candle_price(candle, step - 1, steps) if step > 0 else candle[1]
        withdraw_flow(book)
        lots = candle_lots(candle[5], step, steps)
        side = bk.BUY if price >= before else bk.SELL
        if lots > 0:
            apply_trade(book, -taker - index, side, price, lots, at_ns)
        _quote_around(book, ladder, index, price, at_ns)
        index += 1
    return index
