"""Perpetuals in the exchange: margin, reduce-only, funding, liquidation, and that money adds up."""

from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venue.boxes import Untyped
from tests.venue.exchanges import EPOCH_NS, PERPETUAL, SECOND_NS, UNITS, make_exchange
from tests.venue.test_exchange import place, refusal
from venue.accounts import INSURANCE_ACCOUNT
from venue.config import PerpetualConfig
from venue.exchange import REASON_REDUCE_ONLY, Exchange
from venue.orders import BUY, SELL, OrderRequest, OrderStatus, Trigger, TriggerBy, TriggerKind
from venue.positions import Position
from venue.refusals import Refusal, RefusedError

HOUR_NS = 3_600 * SECOND_NS
# Every eight hours since 1970; EPOCH_NS lies 80 000 s into a UTC day.
FUNDING_NS = EPOCH_NS - EPOCH_NS % (8 * HOUR_NS) + 8 * HOUR_NS


def perpetual_exchange(accounts: int = 3, **terms: int) -> Exchange:
    return make_exchange(quiet=True, accounts=accounts, perpetual=PerpetualConfig(**terms))


def limit(side: int, ticks: int, lots: int, **more: Untyped) -> OrderRequest:
    return OrderRequest(PERPETUAL, side, False, ticks, lots)._replace(**more)


def market(side: int, lots: int, **more: Untyped) -> OrderRequest:
    return OrderRequest(PERPETUAL, side, True, 0, lots)._replace(**more)


def position(exchange: Exchange, number: int) -> Position:
    return exchange.derivatives.position(number, PERPETUAL)


def check_money(exchange: Exchange) -> None:
    """Assert that balances add up to zero, and positions with what they cost to the cash paid."""
    records = exchange.records
    assert sum(balances.get("USDT", 0) for balances in records.balances.values()) == 0
    for account in exchange.accounts.values():
        held = sum(order.held_units for order in records.open_orders_of(account.number))
        assert account.holds.get("USDT", 0) == held
        own = [fill for fill in records.fills.values() if fill.account == account.number]
        entries = [
            entry
            for entry in records.ledger.values()
            if (entry.account, entry.asset) == (account.number, "USDT")
        ]
        assert sum(e.amount_units - e.fee_units for e in entries) == account.balances["USDT"]
        cash = sum(-fill.side * fill.cost_units for fill in own)
        assert position(exchange, account.number).lots == sum(
            fill.side * fill.quantity_lots for fill in own
        )
        realised = sum(fill.realised_units for fill in own)
        # What was paid for what is held, and what was earned, is all the cash that moved.
        assert realised - position(exchange, account.number).cost_units == cash


def test_opening_ties_up_margin_and_closing_realises_profit() -> None:
    exchange = perpetual_exchange(leverage_default=10)
    place(exchange, 2, limit(SELL, 250_000, 100_000))
    place(exchange, 1, market(BUY, 100_000))
    alice = exchange.accounts[1]
    assert position(exchange, 1).lots == 100_000
    # 250 USDT of margin and the taker's 40 bps of 2 500.
    assert exchange.funds.available_units(alice, "USDT") == (100_000 - 250 - 10) * UNITS
    place(exchange, 2, limit(BUY, 260_000, 100_000))
    place(exchange, 1, market(SELL, 100_000))
    assert position(exchange, 1).lots == 0
    fees = 10 * UNITS + 26 * UNITS * 4 // 10
    assert alice.balances["USDT"] == (100_000 + 100) * UNITS - fees
    check_money(exchange)


def test_no_margin_no_order() -> None:
    exchange = perpetual_exchange(leverage_default=10)
    assert refusal(exchange, 1, limit(BUY, 250_000, 41 * 10**6)) is Refusal.INSUFFICIENT_FUNDS
    assert refusal(exchange, 1, limit(SELL, 250_000, 41 * 10**6)) is Refusal.INSUFFICIENT_FUNDS
    assert place(exchange, 1, limit(BUY, 250_000, 38 * 10**6)).is_open
    check_money(exchange)


def test_reduce_only_never_turns_a_position_round() -> None:
    exchange = perpetual_exchange()
    place(exchange, 2, limit(SELL, 250_000, 10_000))
    place(exchange, 1, market(BUY, 10_000))
    more = limit(BUY, 240_000, 1_000, reduce_only=True)
    assert refusal(exchange, 1, more) is Refusal.REDUCE_ONLY
    first = place(exchange, 1, limit(SELL, 260_000, 10_000))
    second = place(exchange, 1, limit(SELL, 260_000, 10_000, reduce_only=True))
    place(exchange, 2, limit(BUY, 260_000, 15_000))
    assert (first.status, second.status) == (OrderStatus.CLOSED, OrderStatus.CANCELED)
    assert second.reason == REASON_REDUCE_ONLY
    assert position(exchange, 1).lots == 0
    check_money(exchange)


def test_a_resting_reduce_only_order_goes_with_its_position() -> None:
    exchange = perpetual_exchange()
    place(exchange, 2, limit(SELL, 250_000, 10_000))
    place(exchange, 1, market(BUY, 10_000))
    take = place(exchange, 1, limit(SELL, 270_000, 10_000, reduce_only=True))
    stop_request = market(SELL, 10_000, reduce_only=True)
    stop_request = stop_request._replace(trigger=Trigger(TriggerKind.STOP, 240_000))
    stop = place(exchange, 1, stop_request)
    place(exchange, 2, limit(BUY, 240_000, 20_000))
    place(exchange, 3, limit(SELL, 240_000, 1_000))
    assert (stop.status, take.status) == (OrderStatus.CLOSED, OrderStatus.CANCELED)
    assert position(exchange, 1).lots == 0
    check_money(exchange)


def test_a_trigger_by_mark_does_not_look_at_the_last_trade() -> None:
    exchange = perpetual_exchange()
    place(exchange, 2, limit(SELL, 250_000, 10_000))
    place(exchange, 1, market(BUY, 10_000))
    place(exchange, 2, limit(SELL, 250_100, 10_000))
    place(exchange, 2, limit(BUY, 249_900, 10_000))
    request = market(SELL, 10_000, reduce_only=True)
    trigger = Trigger(TriggerKind.STOP, 249_000, TriggerBy.MARK)
    stop = place(exchange, 1, request._replace(trigger=trigger))
    place(exchange, 3, limit(SELL, 240_000, 10_000))
    place(exchange, 2, limit(BUY, 240_000, 10_000))
    exchange.advance(EPOCH_NS + 1)
    assert stop.is_waiting
    place(exchange, 3, limit(SELL, 241_000, 10_000))
    exchange.advance(EPOCH_NS + 2)
    assert not stop.is_waiting


def test_funding_is_paid_once_at_each_settlement_and_moves_no_money_out() -> None:
    exchange = perpetual_exchange()
    exchange.advance(EPOCH_NS)
    place(exchange, 1, limit(SELL, 250_000, 100_000))
    place(exchange, 2, limit(BUY, 250_000, 100_000))
    before = exchange.accounts[1].balances["USDT"], exchange.accounts[2].balances["USDT"]
    for now_ns in (FUNDING_NS - 1, FUNDING_NS, FUNDING_NS + 5, FUNDING_NS + HOUR_NS):
        exchange.advance(now_ns)
    rows = [row for row in exchange.records.funding if row.at_ns == FUNDING_NS]
    assert len(rows) == 1
    paid = 2_500 * UNITS * rows[0].rate_ppb // 10**9
    assert paid > 0
    after = exchange.accounts[1].balances["USDT"], exchange.accounts[2].balances["USDT"]
    assert (after[0] - before[0], after[1] - before[1]) == (paid, -paid)
    assert position(exchange, 1).funding_units == paid
    exchange.advance(FUNDING_NS + 17 * HOUR_NS)
    assert len([e for e in exchange.records.ledger.values() if e.kind == "funding"]) == 6
    check_money(exchange)


def test_leverage_changes_what_is_tied_up() -> None:
    exchange = perpetual_exchange(leverage_default=20)
    alice = exchange.accounts[1]
    for refused in (0, 51):
        with pytest.raises(RefusedError):
            exchange.set_leverage(alice, PERPETUAL, refused)
    place(exchange, 2, limit(SELL, 250_000, 3_000_000))
    place(exchange, 1, market(BUY, 3_000_000))
    with pytest.raises(RefusedError):
        exchange.set_leverage(alice, PERPETUAL, 0)
    exchange.set_leverage(alice, PERPETUAL, 1)
    assert exchange.derivatives.margin_units(position(exchange, 1)) == 75_000 * UNITS
    place(exchange, 2, limit(SELL, 250_000, 30_000_000))
    exchange.set_leverage(alice, PERPETUAL, 20)
    place(exchange, 1, market(BUY, 3_000_000))
    with pytest.raises(RefusedError):
        exchange.set_leverage(alice, PERPETUAL, 1)
    assert position(exchange, 1).leverage == 20


def test_a_position_without_margin_is_liquidated_and_the_insurance_pays_the_rest() -> None:
    exchange = perpetual_exchange(leverage_default=50)
    place(exchange, 2, limit(SELL, 250_000, 160 * 10**5))
    place(exchange, 1, market(BUY, 160 * 10**5))  # 160 ETH: 400 000 USDT on 98 400
    resting = place(exchange, 1, limit(BUY, 180_000, 1_000))
    place(exchange, 3, limit(BUY, 180_000, 500 * 10**5))
    place(exchange, 3, limit(SELL, 180_100, 1_000))
    exchange.advance(EPOCH_NS + 1)
    assert position(exchange, 1).lots == 0
    assert resting.status is OrderStatus.CANCELED
    assert exchange.accounts[1].balances["USDT"] == 0
    assert exchange.records.balance_units(INSURANCE_ACCOUNT, "USDT") < 0
    check_money(exchange)


def test_isolated_margin_risks_only_itself() -> None:
    exchange = perpetual_exchange(leverage_default=10)
    alice = exchange.accounts[1]
    exchange.derivatives.set_isolated(alice, PERPETUAL, isolated=True)
    place(exchange, 2, limit(SELL, 250_000, 10**6))
    place(exchange, 1, market(BUY, 10**6))
    with pytest.raises(RefusedError):
        exchange.derivatives.set_isolated(alice, PERPETUAL, isolated=False)
    place(exchange, 3, limit(BUY, 224_000, 10**6))
    place(exchange, 3, limit(SELL, 224_100, 1_000))
    exchange.advance(EPOCH_NS + 1)
    assert position(exchange, 1).lots == 0
    assert alice.balances["USDT"] > 97_000 * UNITS
    check_money(exchange)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["limit", "market", "reduce", "stop", "cancel", "amend", "wait", "lever"]),
        st.integers(1, 3),
        st.sampled_from([BUY, SELL]),
        st.integers(-40, 40),
        st.integers(200, 4_000_000),
        st.integers(0, 10**6),
    ),
    max_size=40,
)


@given(STEPS)
@settings(max_examples=120, deadline=None)
def test_money_and_positions_are_conserved(
    steps: list[tuple[str, int, int, int, int, int]],
) -> None:
    exchange = perpetual_exchange(leverage_default=20, funding_interval_s=60)
    now_ns = EPOCH_NS
    for kind, number, side, offset, lots, pick in steps:
        now_ns += pick * 100_000
        with suppress(RefusedError):
            step(exchange, kind, (number, side, 250_000 + offset * 500, lots, pick), now_ns)
        check_money(exchange)
    assert sum(position(exchange, n).lots for n in exchange.accounts) == 0


def step(exchange: Exchange, kind: str, what: tuple[int, int, int, int, int], now_ns: int) -> None:
    number, side, ticks, lots, pick = what
    account = exchange.accounts[number]
    orders = exchange.records.open_orders_of(number)
    if kind == "wait":
        exchange.advance(now_ns)
    elif kind == "cancel" and orders:
        exchange.cancel(orders[pick % len(orders)], now_ns)
    elif kind == "amend" and orders:
        exchange.amend(orders[pick % len(orders)], ticks, lots, now_ns, trigger_ticks=ticks)
    elif kind == "lever":
        exchange.set_leverage(account, PERPETUAL, 1 + pick % 50)
    elif kind == "limit":
        exchange.place(account, limit(side, ticks, lots), now_ns)
    elif kind == "stop":
        by = TriggerBy.MARK if pick % 2 else TriggerBy.LAST
        trigger = Trigger(TriggerKind.STOP, ticks, by)
        request = market(side, lots, trigger=trigger, reduce_only=bool(pick % 3))
        exchange.place(account, request, now_ns)
    elif kind in ("market", "reduce"):
        exchange.place(account, market(side, lots, reduce_only=kind == "reduce"), now_ns)
