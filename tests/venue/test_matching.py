import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venue.reference_book import ReferenceBook
from venue import matching as mt
from venue.book import MAX_PRICE_TICKS, MAX_QUANTITY_LOTS
from venue.matching import BUY, LIMIT, MARKET, SELL, BookEvent, OrderBook

SUBMIT, CANCEL, REDUCE = range(3)
FLAGS = [0, 0, 0, mt.POST_ONLY, mt.IMMEDIATE_OR_CANCEL]

# One step: what, an id to refer to, owner, side, kind, price, lots, flags.
steps = st.tuples(
    st.sampled_from([SUBMIT, SUBMIT, SUBMIT, CANCEL, REDUCE]),
    st.integers(1, 60),
    st.integers(0, 2),
    st.sampled_from([BUY, SELL]),
    st.sampled_from([LIMIT, LIMIT, LIMIT, MARKET]),
    st.one_of(st.integers(95, 105), st.sampled_from([1, 1023, 1024, 32768, MAX_PRICE_TICKS])),
    st.integers(1, 20),
    st.sampled_from(FLAGS),
)
scripts = st.lists(steps, max_size=60)
Step = tuple[int, int, int, int, int, int, int, int]


def signed(owner: int, order_id: int) -> int:
    """Flow's ids are negative."""
    return order_id if owner else -order_id


def play(book: OrderBook, step: Step, at_ns: int) -> list[BookEvent]:
    what, order_id, owner, side, kind, price, lots, flags = step
    if what == SUBMIT:
        args = (owner, side, kind, price, lots, flags, at_ns)
        return book.submit(signed(owner, order_id), *args)
    if what == CANCEL:
        return book.cancel(signed(owner, order_id), at_ns)
    return book.reduce(signed(owner, order_id), lots, at_ns)


def play_reference(book: ReferenceBook, step: Step, at_ns: int) -> list[BookEvent]:
    what, order_id, owner, side, kind, price, lots, flags = step
    oid = signed(owner, order_id)
    if what == SUBMIT:
        return book.submit(oid, owner, side, kind, price, lots, flags, at_ns)
    return book.withdraw(oid, 1 << 62 if what == CANCEL else lots, at_ns)


def resting(book: OrderBook) -> dict[int, tuple[int, int]]:
    """Each open order's (lots, lots ahead), for both accounts and the flow."""
    ids = [oid for owner in range(3) for oid in book.orders_of(owner)]
    return {oid: (book.remaining_lots(oid), book.queue_ahead_lots(oid)) for oid in ids}


def resting_reference(book: ReferenceBook) -> dict[int, tuple[int, int]]:
    found: dict[int, tuple[int, int]] = {}
    ahead: dict[tuple[int, int], int] = {}
    for order in book.resting:
        level = (order.side, order.price)
        found[order.order_id] = (order.lots, ahead.get(level, 0))
        ahead[level] = ahead.get(level, 0) + order.lots
    return found


@given(scripts, st.sampled_from([3, 64]))
def test_events_and_queues_are_those_of_the_reference_book(
    script: list[Step], capacity: int
) -> None:
    book, reference = OrderBook(capacity), ReferenceBook(capacity)
    for at_ns, step in enumerate(script):
        assert play(book, step, at_ns) == play_reference(reference, step, at_ns)
        assert resting(book) == resting_reference(reference)
    bids, asks = book.depth(100)
    assert bids.tolist() == reference.levels(BUY)
    assert asks.tolist() == reference.levels(SELL)


@given(scripts)
def test_no_lot_appears_or_vanishes_and_the_book_is_never_crossed(script: list[Step]) -> None:
    book = OrderBook(64)
    accepted = gone = 0
    for at_ns, step in enumerate(script):
        for event in play(book, step, at_ns):
            if event.kind == mt.ACCEPTED:
                accepted += event.quantity_lots
            elif event.kind == mt.TRADE:
                gone += 2 * event.quantity_lots
            elif event.kind in {mt.CANCELLED, mt.REDUCED, mt.EXPIRED}:
                gone += event.quantity_lots
        bids, asks = book.depth(100)
        assert accepted - gone == bids[:, 1].sum() + asks[:, 1].sum()
        assert not book.is_crossed()
        assert np.all(np.diff(bids[:, 0]) < 0)
        assert np.all(np.diff(asks[:, 0]) > 0)


@given(scripts)
def test_a_restored_book_goes_on_exactly_like_the_original(script: list[Step]) -> None:
    book = OrderBook(64)
    middle = len(script) // 2
    for at_ns, step in enumerate(script[:middle]):
        play(book, step, at_ns)
    twin = OrderBook.restore(book.snapshot())
    for at_ns, step in enumerate(script[middle:]):
        assert play(book, step, at_ns) == play(twin, step, at_ns)
    assert book.snapshot() == twin.snapshot()


@given(scripts)
def test_touched_levels_carry_a_copy_of_the_book_along(script: list[Step]) -> None:
    book = OrderBook(64)
    copy: dict[tuple[int, int], int] = {}
    for at_ns, step in enumerate(script):
        play(book, step, at_ns)
        touched = book.take_touched()
        assert touched is not None
        for side, price, lots in touched.tolist():
            copy[side, price] = lots
        bids, asks = book.depth(100)
        expected = {(BUY, p): q for p, q in bids.tolist()}
        expected |= {(SELL, p): q for p, q in asks.tolist()}
        assert {level: lots for level, lots in copy.items() if lots} == expected


def test_earlier_orders_trade_first_and_a_reduction_keeps_the_place() -> None:
    book = OrderBook(8)
    for order_id in (1, 2, 3):
        book.submit(order_id, order_id, SELL, LIMIT, 100, 10, 0, 0)
    book.reduce(1, 4)
    assert [book.queue_ahead_lots(order_id) for order_id in (1, 2, 3)] == [0, 6, 16]
    events = book.submit(9, 9, BUY, MARKET, 0, 12, 0, 5)
    trades = [(e.maker_id, e.quantity_lots) for e in events if e.kind == mt.TRADE]
    assert trades == [(1, 6), (2, 6)]
    assert book.remaining_lots(2) == 4


def test_ones_own_resting_order_is_cancelled_rather_than_traded_with() -> None:
    book = OrderBook(8)
    book.submit(1, 7, SELL, LIMIT, 100, 5, 0, 0)
    book.submit(2, 8, SELL, LIMIT, 100, 5, 0, 0)
    _, pulled, trade = book.submit(3, 7, BUY, LIMIT, 100, 5, 0, 1)
    assert (pulled.kind, pulled.order_id, pulled.reason) == (mt.CANCELLED, 1, mt.SELF_TRADE)
    assert (trade.kind, trade.maker_id, trade.quantity_lots) == (mt.TRADE, 2, 5)


def test_prices_beyond_the_window_are_refused_with_the_reason() -> None:
    book = OrderBook(8)
    for price in (0, -5, MAX_PRICE_TICKS + 1, 1 << 40):
        (event,) = book.submit(1, 1, BUY, LIMIT, price, 5, 0, 0)
        assert (event.kind, event.reason) == (mt.REJECTED, mt.PRICE_OUT_OF_RANGE)
    assert book.level_lots(BUY, MAX_PRICE_TICKS + 1) == 0


def test_quantities_that_could_overflow_a_level_are_a_bug() -> None:
    with pytest.raises(AssertionError):
        OrderBook(8).submit(1, 1, BUY, LIMIT, 1, MAX_QUANTITY_LOTS + 1, 0, 0)


def test_an_accounts_order_goes_back_into_a_rebuilt_book_past_the_flow_in_its_way() -> None:
    book = OrderBook(8)
    book.submit(-1, 0, SELL, LIMIT, 100, 5, 0, 0)
    book.submit(-2, 0, SELL, LIMIT, 102, 5, 0, 0)
    book.place_resting(1, 1, BUY, 101, 7)
    assert (book.best_bid_ticks(), book.best_ask_ticks()) == (101, 102)
    with pytest.raises(ValueError, match="would cross resting order 1"):
        book.place_resting(2, 2, SELL, 101, 7)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: b"XXXX" + data[4:],
        lambda data: data[:8] + struct.pack("<I", 9) + data[12:],
        lambda data: data + data[-40:],
    ],
)
def test_what_is_no_snapshot_is_refused(damage: object) -> None:
    book = OrderBook(8)
    book.submit(1, 1, BUY, LIMIT, 5, 5, 0, 0)
    assert callable(damage)
    with pytest.raises(ValueError, match="rebuild the book"):
        OrderBook.restore(damage(book.snapshot()))


def test_many_orders_come_and_go_without_losing_one_in_the_index() -> None:
    book = OrderBook(2000)
    for turn in (1, 2, 3):
        # 2003 is prime, so each multiplication is another permutation.
        for order_id in sorted(range(1, 2001), key=lambda oid: oid * 211 * turn % 2003):
            book.submit(order_id * 1024, 1, BUY, LIMIT, 1 + order_id % 97, 1, 0, 0)
        assert book.submit(7, 1, BUY, LIMIT, 5, 1, 0, 0)[0].reason == mt.FULL
        for order_id in sorted(range(1, 2001), key=lambda oid: oid * 389 * turn % 2003):
            (event,) = book.cancel(order_id * 1024, 0)
            assert event.kind == mt.CANCELLED
        assert book.open_orders() == 0
    assert book.best_bid_ticks() == 0
