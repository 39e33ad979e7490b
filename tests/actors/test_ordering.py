"""From a wish to an order: stops at the venue or with guard, and exits after a restore."""

from msgspec.structs import replace

from messages.money import AccountMode, Mode
from messages.orders import (
    ExitUpdate,
    Intent,
    OrderRequest,
    OrderState,
    OrderType,
    Protect,
    ProtectiveExit,
    Side,
    SleeveUpdate,
    TimeInForce,
)
from messages.runtime import Booted
from tests.actors.vaults import SYMBOL, VENUE, Vault, config

SECOND_NS = 10**9


def holding(*, restored: bool) -> Vault:
    vault = Vault()
    vault.trade(Side.BUY, 1_000, 200_000, fee=0)
    vault.do(Booted(boot=2, restored=restored))
    return vault


def exits(vault: Vault) -> list[OrderRequest]:
    vault.do(
        ProtectiveExit(
            sleeve="flash",
            symbol=SYMBOL,
            quantity_lots=1_000,
            reason="stop",
            exit_id="e",
            reference_ticks=190_000,
        )
    )
    return vault.sent(OrderRequest)


def test_after_a_usual_start_an_exit_waits_for_nothing() -> None:
    assert len(exits(holding(restored=False))) == 1


def test_after_a_restore_it_waits_until_the_account_was_read() -> None:
    vault = holding(restored=True)
    assert exits(vault) == []
    (answer,) = vault.sent(ExitUpdate)
    assert answer.state is OrderState.DENIED
    assert "backup" in answer.reason
    vault.do(AccountMode(user="ann", venue=VENUE, mode=Mode.ACTIVE, reason="agreed"))
    assert len(exits(vault)) == 1


def test_an_account_that_cannot_be_read_is_protected_after_half_a_minute() -> None:
    vault = holding(restored=True)
    vault.probe.now_ns += 31 * SECOND_NS
    assert len(exits(vault)) == 1


def wish(vault: Vault, kind: OrderType, **changes: object) -> list[OrderRequest]:
    usual = Intent(
        intent_id="s",
        sleeve="flash",
        symbol=SYMBOL,
        side=Side.SELL,
        type=kind,
        quantity_lots=0,
        limit_ticks=0,
        reference_ticks=200_000,
        trigger_ticks=190_000,
    )
    vault.do(replace(usual, **changes))
    return vault.sent(OrderRequest)


def told(vault: Vault) -> SleeveUpdate:
    update = vault.sent(SleeveUpdate)[-1]
    assert isinstance(update, SleeveUpdate)
    return update


def invested(*, triggers: bool) -> Vault:
    vault = Vault(replace(config(), triggers=triggers))
    vault.trade(Side.BUY, 1_000, 200_000, fee=0)
    return vault


def test_a_stop_rests_at_a_venue_that_has_them() -> None:
    (request,) = wish(invested(triggers=True), OrderType.STOP)
    assert (request.terms.type, request.terms.trigger_ticks) == (OrderType.STOP, 190_000)
    assert (request.terms.quantity_lots, request.terms.limit_ticks) == (1_000, 0)
    assert request.terms.time_in_force is TimeInForce.GOOD_TILL_CANCELLED
    assert request.terms.reduces


def test_where_the_venue_has_none_guard_holds_the_level() -> None:
    vault = invested(triggers=False)
    assert wish(vault, OrderType.STOP) == []
    assert told(vault).state is OrderState.CANCELLED
    assert "guard holds 190000 ticks" in told(vault).reason
    (protect,) = vault.sent(Protect)
    assert (protect.stop_ticks, protect.position_lots) == (190_000, 1_000)
    wish(vault, OrderType.TAKE_PROFIT, trigger_ticks=220_000)
    assert vault.sent(Protect)[0].take_ticks == 220_000


def test_a_trigger_belongs_to_a_sale_of_that_type() -> None:
    vault = invested(triggers=True)
    for kind, changes in (
        (OrderType.MARKET, {}),
        (OrderType.STOP, {"trigger_ticks": 0}),
        (OrderType.STOP, {"limit_ticks": 1}),
        (OrderType.STOP, {"side": Side.BUY, "quantity_lots": 1}),
    ):
        assert wish(vault, kind, **changes) == []
        assert told(vault).state is OrderState.DENIED


def test_a_limit_order_may_be_immediate_or_cancel() -> None:
    (request,) = wish(
        invested(triggers=True),
        OrderType.LIMIT,
        limit_ticks=200_000,
        trigger_ticks=0,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
    )
    assert request.terms.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
