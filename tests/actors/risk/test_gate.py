"""Risk lets orders through, or says why not; and it knows what was filled."""

import pytest
from msgspec.structs import replace

from actors.risk.gate import Risk
from messages.amends import AmendOrder, AmendRequest, OrderAmended
from messages.money import AccountMode, Alert, KillSwitch, Mode, RiskConfigured, Severity
from messages.orders import (
    Exposure,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Side,
    TimeInForce,
)
from messages.runtime import Blocked, Booted, StoreHealth, Unblocked
from supervisor.probe import Probe, Sent
from tests.actors.trading import (
    ALERTS,
    LEDGER,
    LINE,
    LISTED,
    ORDERS,
    SECOND_NS,
    SLEEVE,
    START_NS,
    request,
    risk_configured,
    rows,
    sent_to,
    terms,
)

ACTIVE = AccountMode(user="alice", venue="kraken-sim", mode=Mode.ACTIVE, reason="agreed")


def gate(settings: RiskConfigured | None = None) -> Probe:
    """Return a gate that lets alice trade."""
    probe = Probe(Risk(), "/risk", now_ns=START_NS)
    for message in (settings or risk_configured(), LISTED, ACTIVE):
        probe.handle(message)
    return probe


def replace_terms(changes: dict[str, object]) -> OrderRequest:
    """Return the usual request with some of its terms, or its reference price, changed."""
    reference = changes.pop("reference_ticks", 200_000)
    usual = request()
    return replace(usual, terms=replace(usual.terms, **changes), reference_ticks=reference)


def denied(probe: Probe, *, at_ns: int | None = None, **changes: object) -> str:
    """Return the text with which an order is denied; "" when it is let through."""
    outcomes = probe.handle(replace_terms(changes), at_ns=at_ns)
    updates = sent_to(outcomes, LEDGER)
    if not updates:
        return ""
    (update,) = updates
    assert isinstance(update, OrderUpdate)
    assert update.state is OrderState.DENIED
    assert sent_to(outcomes, ORDERS) == []
    (row,) = rows(outcomes)
    assert (row.state, row.reason) == ("denied", update.reason)
    return update.reason


def bought(lots: int, client_order_id: str = "earlier", *, working_lots: int = 0) -> Exposure:
    return Exposure(
        client_order_id=client_order_id,
        user="alice",
        venue="kraken-sim",
        vault="kraken-sim-usdt",
        sleeve="flash",
        symbol="ETH/USDT",
        side=Side.BUY,
        filled_lots=lots,
        price_ticks=200_000,
        working_lots=working_lots,
    )


def test_an_order_within_all_limits_goes_to_the_orders_of_its_account() -> None:
    probe = gate()
    wanted = request()
    outcomes = probe.handle(wanted)
    assert sent_to(outcomes, ORDERS) == [
        Order(terms=wanted.terms, time_to_live_ns=0, approved_ns=START_NS)
    ]
    assert sent_to(outcomes, LEDGER) == []


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"symbol": "DOGE/USDT"},
            (
                "kraken-sim has not listed DOGE/USDT yet: check the symbol with `bot doctor`, "
                "or wait until the venue is connected"
            ),
        ),
        (
            {"user": "bob"},
            ("bob has no account at kraken-sim in risk's configuration: give them a vault there"),
        ),
        (
            {"quantity_lots": 9},
            "the quantity is 9 lots of 0.0001, below the venue's minimum of 10: order more",
        ),
        (
            {"quantity_lots": -5},
            "the quantity is -5 lots of 0.0001, below the venue's minimum of 10: order more",
        ),
        (
            {"quantity_lots": 1_000_001},
            (
                "the quantity is 1000001 lots of 0.0001, above the venue's maximum of 1000000: "
                "split the order"
            ),
        ),
        (
            {"limit_ticks": 0},
            "the limit price is 0 ticks: give a price of at least one tick",
        ),
        (
            {"type": OrderType.MARKET, "limit_ticks": 0, "reference_ticks": 0},
            "there is no price to judge it by: give the reference price it was formed at",
        ),
        (
            {"type": OrderType.MARKET},
            "a market order has no limit price: leave it 0, or make it a limit order",
        ),
        (
            {"type": OrderType.MARKET, "limit_ticks": 0, "post_only": True},
            "a market order cannot be post-only: make it a limit order",
        ),
        (
            {"post_only": True, "time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL},
            "an immediate-or-cancel order cannot be post-only: choose one of the two",
        ),
        (
            {"quantity_lots": 24},
            "it is worth 4.8 USDT, below the venue's minimum of 5 USDT: order more",
        ),
        (
            {"quantity_lots": 5_001},
            (
                "it is worth 1000.2 USDT, above the largest order allowed of 1000 USDT: "
                "order less, or raise the limit in bot.toml"
            ),
        ),
        (
            {"side": Side.SELL},
            "a sell that opens a position needs margin, which spot has not: mark it as reducing",
        ),
        (
            {"vault": "kraken-sim-usdc"},
            (
                "ETH/USDT is quoted in USDT, which is not the asset of the vault kraken-sim-usdc: "
                "trade it from a USDT vault"
            ),
        ),
        (
            {"side": Side.SELL, "reduces": True},
            (
                "it sells 1000 lots of ETH/USDT and the vault holds 0: sell at most that, "
                "and reconcile with `bot ledger reconcile`"
            ),
        ),
        (
            {"reduces": True},
            "a buy does not reduce a spot position: place it as an entry",
        ),
    ],
)
def test_a_denial_says_what_is_wrong_and_what_to_do(changes: dict[str, object], text: str) -> None:
    (update,) = sent_to(gate().handle(replace_terms(changes)), LEDGER)
    assert isinstance(update, OrderUpdate)
    assert update.reason == text


def test_the_largest_order_and_position_are_inclusive() -> None:
    assert denied(gate(), quantity_lots=5_000) == ""
    probe = gate()
    probe.handle(bought(14_000))
    assert denied(probe, quantity_lots=1_000) == ""


def test_a_pair_that_is_not_allowed_is_denied() -> None:
    probe = gate(risk_configured(symbols_allowed={"kraken-sim": ("BTC/USDT",)}))
    assert denied(probe) == (
        "ETH/USDT is not allowed at kraken-sim (allowed: BTC/USDT): "
        "add it to the venue's symbols in bot.toml"
    )


def test_without_a_limit_for_the_quote_asset_nothing_is_entered() -> None:
    probe = gate(risk_configured(order_notional_max={}))
    assert denied(probe) == "no largest order is set for USDT: set it in [limits] of bot.toml"
    probe = gate(risk_configured(position_notional_max={"EUR": 1}))
    assert denied(probe) == "no largest position is set for USDT: set it in [limits] of bot.toml"


def test_a_position_counts_what_is_held_and_what_is_being_bought() -> None:
    probe = gate()
    assert denied(probe, client_order_id="a", quantity_lots=5_000) == ""
    probe.handle(bought(5_000, "a"))
    assert denied(probe, client_order_id="b", quantity_lots=5_000) == ""
    text = (
        "the position in ETH/USDT could become 3000.2 USDT, above the largest allowed of "
        "3000 USDT: reduce it first, or raise the limit in bot.toml"
    )
    assert denied(probe, client_order_id="c", quantity_lots=5_001, limit_ticks=199_999) != ""
    probe.handle(bought(1, "d"))
    assert denied(probe, client_order_id="e", quantity_lots=5_000) == text
    probe.handle(bought(0, "b"))
    assert denied(probe, client_order_id="f", quantity_lots=5_000) == ""


def test_an_old_cause_is_denied_and_a_fresh_one_is_not() -> None:
    probe = gate()
    at_ns = START_NS - 2 * SECOND_NS
    assert denied(probe, at_ns=at_ns) == ""
    assert denied(probe, client_order_id="b", at_ns=at_ns - 1_000_000) == (
        "its cause is 2001 ms old, more than 2000 ms: wait for fresh market data"
    )


def test_entries_are_counted_per_minute_and_exits_are_not() -> None:
    probe = gate()
    probe.handle(bought(10_000))
    for number in range(5):
        assert denied(probe, client_order_id=f"in-{number}", quantity_lots=100) == ""
    assert denied(probe, client_order_id="in-5") == (
        "5 orders in the last minute reach the limit of 5: wait a minute, "
        "or raise the limit in bot.toml"
    )
    assert denied(probe, client_order_id="out", side=Side.SELL, reduces=True) == ""
    probe.now_ns += 60 * SECOND_NS
    assert denied(probe, client_order_id="in-6", quantity_lots=100) == ""


def exits(probe: Probe, client_order_id: str) -> str:
    return denied(
        probe,
        client_order_id=client_order_id,
        side=Side.SELL,
        reduces=True,
        quantity_lots=100,
        at_ns=1,
    )


def test_while_entries_are_off_exits_pass() -> None:
    probe = gate()
    probe.handle(bought(10_000))
    probe.handle(KillSwitch(engaged=True, operator="alice", reason="storm"))
    assert denied(probe, client_order_id="in") == (
        "the kill switch is on (storm): only exits are allowed until `bot kill-switch release`"
    )
    assert exits(probe, "out-1") == ""
    probe.handle(KillSwitch(engaged=False, operator="alice", reason="over"))
    probe.handle(AccountMode(user="alice", venue="kraken-sim", mode=Mode.HALTED, reason="audit"))
    assert denied(probe, client_order_id="in") == (
        "the account of alice at kraken-sim is halted (audit): only exits are allowed "
        "until that is resolved, see `bot status`"
    )
    assert exits(probe, "out-2") == ""


def test_after_a_start_entries_wait_for_the_reconciliation() -> None:
    probe = gate()
    outcomes = probe.handle(Booted(boot=2))
    (mode, _) = sent_to(outcomes, LINE)
    assert isinstance(mode, AccountMode)
    assert mode.mode is Mode.EXITS_ONLY
    assert "its books have not been compared with the venue's since the start" in denied(
        probe, client_order_id="in"
    )
    probe.handle(ACTIVE)
    assert denied(probe, client_order_id="in") == ""


def test_an_unconfigured_gate_denies() -> None:
    probe = Probe(Risk(), "/risk", now_ns=START_NS)
    assert "has no account" in denied(probe)


def test_a_blocked_ledger_leaves_its_account_only_exits() -> None:
    probe = gate()
    probe.handle(bought(10_000))
    outcomes = probe.handle(Blocked(address=LEDGER, position=7, error="KeyError: 'x'"))
    (line_mode,) = sent_to(outcomes, LINE)
    (sleeve_mode,) = sent_to(outcomes, SLEEVE)
    assert line_mode == sleeve_mode
    assert isinstance(line_mode, AccountMode)
    assert line_mode.mode is Mode.EXITS_ONLY
    assert sent_to(outcomes, ALERTS) == [
        Alert(
            severity=Severity.PAGE,
            subject="/risk",
            text=f"{LEDGER} cannot handle message 7 (KeyError: 'x'); the account of alice at "
            "kraken-sim may only exit until an operator retries or discards it",
        )
    ]
    assert "is exits_only" in denied(probe, client_order_id="in")
    assert exits(probe, "out") == ""
    outcomes = probe.handle(Unblocked(address=LEDGER, position=7))
    assert sent_to(outcomes, LINE) == [ACTIVE]
    assert denied(probe, client_order_id="in") == ""


def test_a_blocked_stranger_changes_nothing() -> None:
    probe = gate()
    assert probe.handle(Blocked(address="/elsewhere", position=7, error="?")) == []
    assert denied(probe) == ""


def test_what_cannot_be_followed_is_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.risk.checks.WORKING_ORDERS_MAX", 1)
    probe = gate()
    assert denied(probe, quantity_lots=100) == ""
    assert denied(probe, client_order_id="b", quantity_lots=100) == (
        "1 orders are working, as many as risk follows: cancel some before placing more"
    )


def test_a_journal_that_lags_turns_entries_off_and_on_again() -> None:
    probe = gate()
    (alert,) = sent_to(probe.handle(StoreHealth(healthy=False, reason="3.1 s uncommitted")), ALERTS)
    assert isinstance(alert, Alert)
    assert denied(probe) == (
        "the journal does not keep up (3.1 s uncommitted): no entries until it does; look at the "
        "disk with `bot doctor`"
    )
    probe.handle(StoreHealth(healthy=True))
    assert denied(probe) == ""


def amend(probe: Probe, filled_lots: int = 0, **changes: object) -> AmendOrder | OrderAmended:
    request = AmendRequest(
        amend_id="a1",
        terms=replace(terms(), **changes),
        filled_lots=filled_lots,
        reference_ticks=200_000,
    )
    (answer,) = [o.message for o in probe.handle(request) if isinstance(o, Sent)]
    assert isinstance(answer, AmendOrder | OrderAmended)
    return answer


def test_an_amendment_is_judged_like_an_order_of_what_is_left() -> None:
    probe = gate()
    probe.handle(request())
    assert isinstance(amend(probe, limit_ticks=190_000), AmendOrder)
    # 5 000 lots at 2 000.00 are the largest order; of 6 000 lots 2 000 have filled.
    assert isinstance(amend(probe, quantity_lots=6_000, filled_lots=2_000), AmendOrder)
    denied = amend(probe, quantity_lots=6_000)
    assert isinstance(denied, OrderAmended)
    assert not denied.applied
    assert "above the largest order" in denied.reason
    assert probe.state.working["order-1"].lots == 4_000, "the larger of the two is followed"


def test_the_kill_switch_denies_amendments_of_entries() -> None:
    probe = gate()
    probe.handle(request())
    probe.handle(KillSwitch(engaged=True, operator="ann", reason="test"))
    denied = amend(probe, limit_ticks=190_000)
    assert isinstance(denied, OrderAmended)
    assert "kill switch" in denied.reason


def test_a_trigger_belongs_to_stop_and_take_profit_orders_alone() -> None:
    for changes in ({"type": OrderType.STOP}, {"trigger_ticks": 190_000}):
        assert "has a trigger price" in denied(gate(), **changes)


def test_a_stop_may_have_a_limit_at_which_it_then_rests() -> None:
    stop = request(type=OrderType.STOP, trigger_ticks=190_000, limit_ticks=189_000)
    said = gate().handle(stop)
    assert not any("limit price" in str(each) for each in said)
