"""Stop and take-profit orders, fill-or-kill, and what post-only rules differ in."""

import pytest

from tests.venue.exchanges import EPOCH_NS, SECOND_NS, check_invariants, limit, make_exchange
from tests.venue.exchanges import market as market_order
from tests.venue.test_exchange import place, refusal
from venue.exchange import REASON_FUNDS, REASON_POST_ONLY, REASON_UNFILLED, Exchange
from venue.orders import (
    BUY,
    SELL,
    OrderRequest,
    OrderStatus,
    ReportKind,
    TimeInForce,
    Trigger,
    TriggerBy,
    TriggerKind,
)
from venue.refusals import Refusal
from venue.rules import ClientIds, Rules

STOP, TAKE = TriggerKind.STOP, TriggerKind.TAKE_PROFIT


def stop(side: int, ticks: int, lots: int = 1_000, kind: TriggerKind = STOP) -> OrderRequest:
    return market_order(side, lots)._replace(trigger=Trigger(kind, ticks))


def trade(exchange: Exchange, ticks: int) -> None:
    """Let the accounts 2 and 3 trade at a price."""
    place(exchange, 2, limit(SELL, ticks, 1_000))
    place(exchange, 3, limit(BUY, ticks, 1_000))


@pytest.mark.parametrize(
    ("side", "kind", "trigger", "reached"),
    [
        (SELL, STOP, 240_000, 240_000),
        (BUY, STOP, 260_000, 260_000),
        (SELL, TAKE, 260_000, 261_000),
        (BUY, TAKE, 240_000, 239_000),
    ],
)
def test_a_trigger_fires_when_a_trade_reaches_it(
    side: int, kind: TriggerKind, trigger: int, reached: int
) -> None:
    exchange = make_exchange(quiet=True, accounts=3)
    trade(exchange, 250_000)
    waiting = place(exchange, 1, stop(side, trigger, kind=kind))
    assert not exchange.is_resting(waiting)
    trade(exchange, 250_500)
    assert waiting.is_waiting
    place(exchange, 2, limit(-side, reached, 5_000))
    place(exchange, 3, limit(side, reached, 1_000))
    assert (waiting.status, waiting.filled_lots) == (OrderStatus.CLOSED, 1_000)
    kinds = [r.kind for r in exchange.take_changes().reports if r.order.number == waiting.number]
    assert kinds == [
        ReportKind.PENDING_NEW,
        ReportKind.NEW,
        ReportKind.TRIGGERED,
        ReportKind.TRADE,
        ReportKind.FILLED,
    ]


def test_a_waiting_order_reserves_and_gives_back() -> None:
    exchange = make_exchange(quiet=True, accounts=3)
    trade(exchange, 250_000)
    waiting = place(exchange, 1, stop(BUY, 260_000, 100_000))
    account = exchange.accounts[1]
    assert account.holds["USDT"] == waiting.held_units > 2_600 * 10**8
    exchange.cancel(waiting, EPOCH_NS)
    assert account.holds["USDT"] == 0
    check_invariants(exchange)


def test_triggers_that_make_no_sense_are_refused() -> None:
    exchange = make_exchange(quiet=True, accounts=3)
    trade(exchange, 250_000)
    assert refusal(exchange, 1, stop(SELL, 250_000)) is Refusal.TRIGGERS_NOW
    assert refusal(exchange, 1, stop(BUY, 249_000)) is Refusal.TRIGGERS_NOW
    assert refusal(exchange, 1, stop(SELL, 1 << 30)) is Refusal.INVALID_PRICE
    by_mark = market_order(SELL, 1_000)._replace(trigger=Trigger(STOP, 240_000, TriggerBy.MARK))
    assert refusal(exchange, 1, by_mark) is Refusal.INVALID_PRICE
    reduce = limit(SELL, 250_000, 1_000, reduce_only=True)
    assert refusal(exchange, 1, reduce) is Refusal.REDUCE_ONLY


def test_one_trigger_may_fire_the_next() -> None:
    exchange = make_exchange(quiet=True, accounts=3)
    trade(exchange, 250_000)
    for ticks in (240_000, 230_000, 220_000):
        place(exchange, 2, limit(BUY, ticks, 1_000))
    first = place(exchange, 1, stop(SELL, 240_000))
    second = place(exchange, 1, stop(SELL, 230_000))
    place(exchange, 3, limit(SELL, 240_000, 1_000))
    assert [order.status for order in (first, second)] == [OrderStatus.CLOSED] * 2
    check_invariants(exchange)


def test_a_fired_order_that_cannot_be_paid_is_cancelled() -> None:
    exchange = make_exchange(quiet=True, accounts=3)
    trade(exchange, 250_000)
    waiting = place(exchange, 1, stop(BUY, 260_000, 3_700_000))
    place(exchange, 2, limit(SELL, 260_000, 1_000))
    place(exchange, 2, limit(SELL, 290_000, 4_000_000))
    place(exchange, 3, limit(BUY, 260_000, 1_000))
    assert (waiting.status, waiting.reason) == (OrderStatus.CANCELED, REASON_FUNDS)
    check_invariants(exchange)


def test_a_waiting_orders_trigger_can_be_amended() -> None:
    exchange = make_exchange(quiet=True, accounts=3)
    trade(exchange, 250_000)
    place(exchange, 2, limit(BUY, 245_000, 1_000))
    waiting = place(exchange, 1, stop(SELL, 240_000))
    exchange.amend(waiting, 0, 2_000, EPOCH_NS, trigger_ticks=245_000)
    assert waiting.is_waiting
    place(exchange, 3, limit(SELL, 245_000, 500))
    assert (waiting.triggered_ns, waiting.filled_lots) == (EPOCH_NS, 500)


def test_the_flow_fires_triggers_too() -> None:
    exchange = make_exchange()
    exchange.advance(EPOCH_NS + 10 * SECOND_NS)
    listing = exchange.listings["ETH/USDT"]
    last = listing.last_ticks
    falls = place(exchange, 1, stop(SELL, last - 200))
    rises = place(exchange, 1, stop(BUY, last + 200))
    first_id = listing.tape.next_id
    exchange.advance(EPOCH_NS + 40 * SECOND_NS)
    prices = [trade.price_ticks for trade in listing.tape.since(first_id - 1)]
    assert falls.is_waiting == (min(prices) > last - 200)
    assert rises.is_waiting == (max(prices) < last + 200)
    assert OrderStatus.CLOSED in (falls.status, rises.status)
    check_invariants(exchange)


def test_fill_or_kill_is_all_or_nothing() -> None:
    exchange = make_exchange(quiet=True)
    place(exchange, 2, limit(SELL, 250_000, 1_000))
    kill = place(exchange, 1, limit(BUY, 250_000, 1_001, time_in_force=TimeInForce.FOK))
    assert (kill.status, kill.reason, kill.filled_lots) == (
        OrderStatus.CANCELED,
        REASON_UNFILLED,
        0,
    )
    fill = place(exchange, 1, limit(BUY, 250_000, 1_000, time_in_force=TimeInForce.FOK))
    assert fill.status is OrderStatus.CLOSED
    check_invariants(exchange)


def test_venues_differ_in_what_becomes_of_a_post_only_order_that_would_take() -> None:
    exchange = make_exchange(quiet=True, rules=Rules(post_only_cancels=True))
    place(exchange, 2, limit(SELL, 250_000, 1_000))
    order = place(exchange, 1, limit(BUY, 250_000, 1_000, post_only=True))
    assert (order.status, order.reason) == (OrderStatus.CANCELED, REASON_POST_ONLY)
    check_invariants(exchange)


def test_some_venues_never_take_a_client_order_id_twice() -> None:
    exchange = make_exchange(quiet=True, rules=Rules(client_ids=ClientIds.EVER))
    request = limit(BUY, 200_000, 1_000, client_order_id="mine")
    exchange.cancel(place(exchange, 1, request), EPOCH_NS)
    assert refusal(exchange, 1, request) is Refusal.DUPLICATE_CLIENT_ID
    assert place(exchange, 2, request).is_open


def test_a_fee_may_be_taken_from_what_a_buy_brings() -> None:
    exchange = make_exchange(quiet=True, rules=Rules(fee_in_received=True))
    place(exchange, 2, limit(SELL, 250_000, 100_000))
    order = place(exchange, 1, limit(BUY, 250_000, 100_000))
    (fill,) = (exchange.records.fills[txid] for txid in order.fills)
    assert (fill.fee_asset, fill.fee_units) == ("ETH", 4 * 10**7)
    assert exchange.records.balance_units(1, "ETH") == 51 * 10**10 - 4 * 10**7
    assert exchange.records.balance_units(1, "USDT") == 97_500 * 10**8
    check_invariants(exchange)
