from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venue.exchanges import (
    EPOCH_NS,
    SECOND_NS,
    SYMBOL,
    UNITS,
    check_invariants,
    limit,
    make_exchange,
    market,
)
from venue.accounts import FEES_ACCOUNT
from venue.exchange import Exchange
from venue.orders import (
    BUY,
    SELL,
    IllegalTransitionError,
    Order,
    OrderEvent,
    OrderRequest,
    OrderStatus,
    ReportKind,
    TimeInForce,
)
from venue.refusals import Refusal, RefusedError


def place(exchange: Exchange, number: int, request: OrderRequest, now_ns: int = EPOCH_NS) -> Order:
    return exchange.place(exchange.accounts[number], request, now_ns)


def refusal(exchange: Exchange, number: int, request: OrderRequest) -> Refusal:
    exchange.take_changes()
    with pytest.raises(RefusedError) as refused:
        place(exchange, number, request)
    assert exchange.take_changes().is_empty, "a refusal changed something"
    return refused.value.refusal


def test_two_customers_trade_and_both_pay() -> None:
    exchange = make_exchange(quiet=True)
    resting = place(exchange, 1, limit(SELL, 250_000, 100_000))
    taking = place(exchange, 2, limit(BUY, 251_000, 40_000))
    assert (taking.status, taking.filled_lots) == (OrderStatus.CLOSED, 40_000)
    assert (resting.status, resting.filled_lots) == (OrderStatus.OPEN, 40_000)
    assert taking.cost_units == 1_000 * UNITS
    assert taking.fee_units == 4 * UNITS
    assert resting.fee_units == 5 * UNITS // 2
    assert exchange.records.balance_units(FEES_ACCOUNT, "USDT") == 13 * UNITS // 2
    check_invariants(exchange)


def test_reports_tell_the_whole_life_in_order() -> None:
    exchange = make_exchange(quiet=True)
    place(exchange, 1, limit(SELL, 250_000, 100_000))
    exchange.take_changes()
    place(exchange, 2, limit(BUY, 250_000, 100_000))
    reports = exchange.take_changes().reports
    assert [(report.order.account, report.kind) for report in reports] == [
        (2, ReportKind.PENDING_NEW),
        (2, ReportKind.NEW),
        (2, ReportKind.TRADE),
        (2, ReportKind.FILLED),
        (1, ReportKind.TRADE),
        (1, ReportKind.FILLED),
    ]
    assert reports[1].order.filled_lots == 0
    assert reports[2].order.filled_lots == 100_000


def test_refusals_change_nothing() -> None:
    exchange = make_exchange(quiet=True)
    place(exchange, 2, limit(SELL, 250_000, 100_000))
    assert refusal(exchange, 1, limit(BUY, 249_000, 10)) is Refusal.ORDER_MINIMUM
    assert refusal(exchange, 1, limit(BUY, 1, 200)) is Refusal.COST_MINIMUM
    assert refusal(exchange, 1, limit(BUY, 249_000, 10**8)) is Refusal.INSUFFICIENT_FUNDS
    assert refusal(exchange, 1, limit(SELL, 260_000, 51 * 10**5)) is Refusal.INSUFFICIENT_FUNDS
    assert refusal(exchange, 1, limit(BUY, 250_000, 1_000, post_only=True)) is Refusal.POST_ONLY
    assert refusal(exchange, 1, market(SELL, 1_000)) is Refusal.NO_LIQUIDITY
    assert refusal(exchange, 1, limit(BUY, 1 << 30, 1_000)) is Refusal.INVALID_PRICE


def test_a_client_order_id_may_be_used_again_once_its_order_is_closed() -> None:
    exchange = make_exchange(quiet=True)
    first = place(exchange, 1, limit(BUY, 200_000, 1_000, client_order_id="mine"))
    again = limit(BUY, 200_100, 1_000, client_order_id="mine")
    assert refusal(exchange, 1, again) is Refusal.DUPLICATE_CLIENT_ID
    place(exchange, 2, again)
    exchange.cancel(first, EPOCH_NS)
    assert place(exchange, 1, again).is_open


def test_immediate_or_cancel_leaves_nothing_behind() -> None:
    exchange = make_exchange(quiet=True)
    place(exchange, 2, limit(SELL, 250_000, 1_000))
    order = place(exchange, 1, limit(BUY, 250_000, 5_000, time_in_force=TimeInForce.IOC))
    assert (order.status, order.filled_lots) == (OrderStatus.CANCELED, 1_000)
    check_invariants(exchange)


def test_own_orders_in_the_way_are_cancelled_not_traded_with() -> None:
    exchange = make_exchange(quiet=True)
    own = place(exchange, 1, limit(SELL, 250_000, 1_000))
    other = place(exchange, 2, limit(SELL, 260_000, 1_000))
    taking = place(exchange, 1, market(BUY, 1_000))
    assert (own.status, own.reason) == (OrderStatus.CANCELED, "Self trade")
    assert (other.status, taking.status) == (OrderStatus.CLOSED, OrderStatus.CLOSED)
    check_invariants(exchange)


def test_less_quantity_keeps_the_place_in_the_queue() -> None:
    exchange = make_exchange(quiet=True)
    first = place(exchange, 1, limit(SELL, 250_000, 5_000))
    second = place(exchange, 2, limit(SELL, 250_000, 5_000))
    exchange.amend(first, 250_000, 3_000, EPOCH_NS)
    exchange.amend(second, 250_000, 6_000, EPOCH_NS)
    book = exchange.listings[SYMBOL].book
    assert book.queue_ahead_lots(first.book_id) == 0
    assert book.queue_ahead_lots(second.book_id) == 3_000
    exchange.amend(first, 249_000, 3_000, EPOCH_NS)
    assert book.best_ask_ticks() == 249_000
    check_invariants(exchange)


def test_a_post_only_order_cannot_be_amended_into_the_spread() -> None:
    exchange = make_exchange(quiet=True)
    place(exchange, 2, limit(SELL, 250_000, 5_000))
    order = place(exchange, 1, limit(BUY, 240_000, 5_000, post_only=True))
    with pytest.raises(RefusedError):
        exchange.amend(order, 250_000, 5_000, EPOCH_NS)
    assert order.price_ticks == 240_000
    check_invariants(exchange)


def test_orders_expire_and_the_dead_mans_switch_cancels() -> None:
    exchange = make_exchange()
    expiring = limit(BUY, 150_000, 1_000, expire_ns=EPOCH_NS + SECOND_NS)
    order = place(exchange, 1, expiring)
    other = place(exchange, 1, limit(BUY, 150_000, 1_000))
    exchange.accounts[1].cancel_after_ns = EPOCH_NS + 3 * SECOND_NS
    exchange.advance(EPOCH_NS + SECOND_NS - 1)
    assert order.is_open
    exchange.advance(EPOCH_NS + SECOND_NS)
    assert (order.status, other.status) == (OrderStatus.EXPIRED, OrderStatus.OPEN)
    exchange.advance(EPOCH_NS + 3 * SECOND_NS)
    assert other.status is OrderStatus.CANCELED
    check_invariants(exchange)


def test_the_flow_fills_resting_orders() -> None:
    exchange = make_exchange()
    book = exchange.listings[SYMBOL].book
    exchange.advance(EPOCH_NS + SECOND_NS)
    order = place(exchange, 1, limit(BUY, book.best_bid_ticks(), 200), EPOCH_NS + SECOND_NS)
    for second in range(2, 120):
        exchange.advance(EPOCH_NS + second * SECOND_NS)
    assert order.status is OrderStatus.CLOSED
    assert all(exchange.records.fills[txid].is_maker for txid in order.fills)
    check_invariants(exchange)


def test_money_that_rests_cannot_be_withdrawn() -> None:
    exchange = make_exchange(quiet=True)
    account = exchange.accounts[1]
    place(exchange, 1, limit(SELL, 250_000, 30 * 10**5))
    exchange.withdraw(account, "ETH", 20 * 10**10, EPOCH_NS)
    with pytest.raises(RefusedError):
        exchange.withdraw(account, "ETH", 1, EPOCH_NS)
    check_invariants(exchange)


def test_all_money_may_be_spent_to_the_last_unit() -> None:
    """The hold of a buy is never less than what its fills debit, however they split it."""
    exchange = make_exchange(quiet=True)
    for lots in (333, 777, 1_001, 123_457):
        place(exchange, 2, limit(SELL, 249_999, lots))
    account = exchange.accounts[1]
    lots = 333 + 777 + 1_001 + 123_457
    cost = exchange.listings[SYMBOL].instrument.cost_units(249_999, lots)
    needed = cost + cost * account.taker_ppm // 1_000_000
    exchange.withdraw(account, "USDT", 100_000 * UNITS - needed, EPOCH_NS)
    order = place(exchange, 1, limit(BUY, 249_999, lots))
    assert order.status is OrderStatus.CLOSED
    check_invariants(exchange)


def test_illegal_transitions_raise() -> None:
    exchange = make_exchange(quiet=True)
    order = place(exchange, 1, limit(BUY, 200_000, 1_000))
    exchange.cancel(order, EPOCH_NS)
    with pytest.raises(IllegalTransitionError):
        order.move(OrderEvent.COMPLETE)
    with pytest.raises(RefusedError):
        exchange.cancel(order, EPOCH_NS)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(
            ("limit", "limit", "limit", "market", "ioc", "post", "cancel", "amend", "wait", "move")
        ),
        st.integers(1, 3),
        st.sampled_from((BUY, SELL)),
        st.integers(-40, 40),
        st.integers(200, 300_000),
        st.integers(0, 1_000_000),
    ),
    min_size=1,
    max_size=60,
)


@settings(max_examples=150)
@given(STEPS, st.booleans())
def test_money_is_conserved_whatever_is_done(
    steps: list[tuple[str, int, int, int, int, int]], quiet: bool
) -> None:
    exchange = make_exchange(quiet=quiet, accounts=3)
    now_ns = EPOCH_NS
    for kind, number, side, offset, lots, pick in steps:
        with suppress(RefusedError):
            now_ns = step(exchange, kind, (number, side, offset, lots, pick), now_ns)
        check_invariants(exchange)


def step(
    exchange: Exchange, kind: str, numbers: tuple[int, int, int, int, int], now_ns: int
) -> int:
    number, side, offset, lots, pick = numbers
    account = exchange.accounts[number]
    orders = exchange.records.open_orders_of(number)
    price_ticks = 250_000 + offset * 25
    if kind == "wait":
        now_ns += 1 + pick * 10_000
        exchange.advance(now_ns)
    elif kind == "market":
        exchange.place(account, market(side, lots), now_ns)
    elif kind == "move":
        exchange.withdraw(account, "ETH", 1 + pick, now_ns)
        exchange.deposit(account, "USDT", 1 + pick, now_ns)
    elif kind == "cancel" and orders:
        exchange.cancel(orders[pick % len(orders)], now_ns)
    elif kind == "amend" and orders:
        exchange.amend(orders[pick % len(orders)], price_ticks, lots, now_ns)
    elif kind in ("limit", "ioc", "post"):
        force = TimeInForce.IOC if kind == "ioc" else TimeInForce.GTC
        request = limit(side, price_ticks, lots, post_only=kind == "post", time_in_force=force)
        exchange.place(account, request, now_ns)
    return now_ns
