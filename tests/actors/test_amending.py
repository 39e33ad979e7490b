"""The ledger amends: the dearer of two prices is reserved, and never are two orders live."""

from msgspec.structs import replace

from messages.amends import AmendIntent, AmendRequest, OrderAmended
from messages.orders import (
    CancelIntent,
    CancelOrder,
    Intent,
    OrderRequest,
    OrderState,
    OrderType,
    Side,
    SleeveUpdate,
)
from tests.actors.vaults import SYMBOL, USDT, Vault, config

RESERVED = "sleeve/flash/reserved"
CASH = "sleeve/flash/cash"


def need(ticks: int, lots: int) -> int:
    """Return notional and taker's fee of 0.1 %, in minor units."""
    return ticks * lots + -(-ticks * lots // 1_000)


def resting(*, amends: bool = True, lots: int = 1_000, ttl_ns: int = 0) -> tuple[Vault, str]:
    vault = Vault(replace(config(), amends=amends))
    vault.do(
        Intent(
            intent_id="i",
            sleeve="flash",
            symbol=SYMBOL,
            side=Side.BUY,
            type=OrderType.LIMIT,
            quantity_lots=lots,
            limit_ticks=200_000,
            reference_ticks=200_000,
            time_to_live_ns=ttl_ns,
        )
    )
    (request,) = vault.sent(OrderRequest)
    order = request.terms.client_order_id
    vault.update(order, OrderState.OPEN)
    assert vault.account(RESERVED) == need(200_000, lots)
    return vault, order


def amend(vault: Vault, limit: int = 0, lots: int = 0) -> list[AmendRequest]:
    vault.do(AmendIntent(intent_id="i", sleeve="flash", limit_ticks=limit, quantity_lots=lots))
    return vault.sent(AmendRequest)


def told(vault: Vault) -> SleeveUpdate:
    update = vault.sent(SleeveUpdate)[-1]
    assert isinstance(update, SleeveUpdate)
    return update


def amended(vault: Vault, request: AmendRequest, *, applied: bool) -> None:
    vault.do(
        OrderAmended(
            amend_id=request.amend_id,
            client_order_id=request.terms.client_order_id,
            applied=applied,
            limit_ticks=request.terms.limit_ticks if applied else 200_000,
            quantity_lots=request.terms.quantity_lots if applied else 1_000,
            reason="amended" if applied else "not amended: no",
        )
    )


def test_a_dearer_price_is_reserved_before_risk_is_asked() -> None:
    vault, order = resting()
    (request,) = amend(vault, limit=210_000)
    assert (request.terms.client_order_id, request.terms.limit_ticks) == (order, 210_000)
    assert request.terms.quantity_lots == 1_000
    assert vault.account(RESERVED) == need(210_000, 1_000)
    amended(vault, request, applied=True)
    assert vault.account(RESERVED) == need(210_000, 1_000)
    assert told(vault).reason == "amended"


def test_what_was_not_amended_gives_the_extra_money_back() -> None:
    vault, _ = resting()
    (request,) = amend(vault, lots=1_500)
    assert vault.account(RESERVED) == need(200_000, 1_500)
    amended(vault, request, applied=False)
    assert vault.account(RESERVED) == need(200_000, 1_000)
    assert amend(vault, limit=190_000), "the next one may be tried"


def test_what_was_changed_at_the_venue_is_held_for_as_far_as_money_is_there() -> None:
    vault, order = resting()
    vault.do(
        OrderAmended(
            amend_id="",
            client_order_id=order,
            applied=True,
            limit_ticks=210_000,
            quantity_lots=1_200,
        )
    )
    assert vault.account(RESERVED) == need(210_000, 1_200)
    vault.fill(order, Side.BUY, 1_200, 210_000)
    assert vault.pages() == []
    assert order in vault.state.closed


def test_a_cheaper_one_keeps_the_old_money_until_it_is_known() -> None:
    vault, order = resting()
    (request,) = amend(vault, limit=190_000)
    assert vault.account(RESERVED) == need(200_000, 1_000)
    vault.fill(order, Side.BUY, 400, 200_000, fee=80_000)
    amended(vault, request, applied=True)
    assert vault.account(RESERVED) == need(190_000, 600)
    vault.update(order, OrderState.CANCELLED, 400)
    assert vault.account(RESERVED) == 0
    assert vault.account(CASH) == 4_000 * USDT - 400 * 200_000 - 80_000


def test_what_fills_at_the_new_size_is_no_over_fill() -> None:
    vault, order = resting()
    (request,) = amend(vault, lots=1_500)
    vault.fill(order, Side.BUY, 1_200, 200_000)
    assert vault.pages() == []
    amended(vault, request, applied=True)
    vault.fill(order, Side.BUY, 300, 200_000)
    assert vault.pages() == []
    assert order in vault.state.closed
    assert vault.account(RESERVED) == 0


def test_refusals_leave_the_order_alone_and_say_why() -> None:
    vault, order = resting()
    for limit, lots, why in (
        (200_000, 0, "already"),
        (0, 10**6, "more minor units of USDT"),
        (900_000, 10**5, "more minor units of USDT"),
    ):
        assert amend(vault, limit, lots) == []
        assert told(vault).reason.startswith("not amended: ")
        assert why in told(vault).reason
        assert told(vault).state is OrderState.OPEN
    amend(vault, limit=210_000)
    assert amend(vault, limit=220_000) == []
    assert "under way" in told(vault).reason
    vault.do(AmendIntent(intent_id="nothing", sleeve="flash", limit_ticks=1))
    assert told(vault).state is OrderState.CANCELLED
    assert vault.state.orders[order].quantity_lots == 1_000


def test_where_the_venue_cannot_it_is_cancelled_and_placed_anew_once_it_has_ended() -> None:
    vault, order = resting(amends=False)
    assert amend(vault, limit=190_000) == []
    (cancel,) = vault.sent(CancelOrder)
    assert cancel.client_order_id == order
    vault.fill(order, Side.BUY, 400, 200_000, fee=80_000)
    assert vault.sent(OrderRequest) == [], "the old one is still live"
    vault.update(order, OrderState.CANCELLED, 400)
    (request,) = vault.sent(OrderRequest)
    assert request.terms.client_order_id != order
    assert (request.terms.limit_ticks, request.terms.quantity_lots) == (190_000, 600)
    assert vault.account(RESERVED) == need(190_000, 600)
    assert told(vault).intent_id == "i"
    assert told(vault).state is OrderState.PENDING_SUBMIT, "the wish lives on"


def test_fills_that_were_told_of_are_waited_for_before_it_is_placed_anew() -> None:
    vault, order = resting(amends=False)
    amend(vault, limit=190_000)
    vault.update(order, OrderState.CANCELLED, 400)
    assert vault.sent(OrderRequest) == []
    vault.fill(order, Side.BUY, 400, 200_000)
    (request,) = vault.sent(OrderRequest)
    assert request.terms.quantity_lots == 600
    assert told(vault).state is OrderState.PENDING_SUBMIT


def test_one_that_filled_in_the_meantime_is_not_placed_again() -> None:
    vault, order = resting(amends=False)
    amend(vault, limit=190_000)
    vault.fill(order, Side.BUY, 1_000, 200_000)
    vault.update(order, OrderState.FILLED, 1_000)
    assert vault.sent(OrderRequest) == []
    assert vault.account(RESERVED) == 0


def test_a_cancel_in_the_meantime_ends_the_wish() -> None:
    vault, order = resting(amends=False)
    amend(vault, limit=190_000)
    vault.do(CancelIntent(intent_id="i", sleeve="flash"))
    vault.update(order, OrderState.CANCELLED)
    assert vault.sent(OrderRequest) == []
    assert told(vault).state is OrderState.CANCELLED


def test_one_whose_time_is_over_is_not_placed_again() -> None:
    vault, order = resting(amends=False, ttl_ns=10)
    amend(vault, limit=190_000)
    vault.probe.now_ns += 10
    vault.update(order, OrderState.CANCELLED)
    assert vault.sent(OrderRequest) == []
    assert told(vault).state is OrderState.CANCELLED
