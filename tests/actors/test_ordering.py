"""What an order holds of its vault's money."""

from msgspec.structs import replace

from messages.account import AccountFee, FeesTold
from messages.orders import (
    Intent,
    OrderRequest,
    OrderState,
    OrderType,
    Protect,
    Side,
    SleeveUpdate,
)
from tests.actors.vaults import SYMBOL, VENUE, Vault, config


def paying(taker_ppm: int) -> FeesTold:
    fee = AccountFee(symbol=SYMBOL, maker_ppm=0, taker_ppm=taker_ppm)
    return FeesTold(user="ann", venue=VENUE, fees=(fee,))


def reserved(vault: Vault) -> int:
    request = vault.wish(Side.BUY, 1_000, limit=200_000)
    assert isinstance(request, OrderRequest)
    return request.reserved_minor


def test_a_buy_reserves_for_the_listed_fee_or_for_more() -> None:
    listed = reserved(Vault())
    cheaper, dearer = Vault(), Vault()
    cheaper.do(paying(400))
    assert reserved(cheaper) == listed, "a tier can be lost between two readings"
    dearer.do(paying(50_000))
    assert reserved(dearer) > listed


def holding(*, triggers: bool) -> Vault:
    """Return a vault whose sleeve `flash` has bought; its venue has triggers, or not."""
    vault = Vault(replace(config(), triggers=triggers))
    bought = vault.wish(Side.BUY, 1_000, limit=200_000)
    assert bought is not None
    vault.fill(bought.terms.client_order_id, Side.BUY, 1_000, 200_000)
    return vault


def sale(vault: Vault, kind: OrderType, **terms: int) -> list[OrderRequest]:
    """Wish to sell; return the orders that were made of it."""
    wish = Intent(
        intent_id="sale",
        sleeve="flash",
        symbol=SYMBOL,
        side=Side.SELL,
        type=kind,
        quantity_lots=0,
        reference_ticks=200_000,
        limit_ticks=0,
    )
    vault.do(replace(wish, **terms))
    return vault.sent(OrderRequest)


def told(vault: Vault) -> SleeveUpdate:
    (update,) = vault.sent(SleeveUpdate)
    assert isinstance(update, SleeveUpdate)
    return update


def test_a_stop_with_a_limit_goes_to_a_venue_that_has_such() -> None:
    vault = holding(triggers=True)
    (order,) = sale(vault, OrderType.STOP, trigger_ticks=190_000, limit_ticks=189_000)
    terms = order.terms
    assert (terms.trigger_ticks, terms.limit_ticks) == (190_000, 189_000)
    assert (terms.quantity_lots, terms.reduces) == (1_000, True)


def test_where_the_venue_has_none_guard_holds_it_and_the_sleeve_is_told_how() -> None:
    vault = holding(triggers=False)
    assert sale(vault, OrderType.STOP, trigger_ticks=190_000, limit_ticks=189_000) == []
    assert told(vault).guarded
    assert "closes at the market, not at the limit" in told(vault).reason
    (protect,) = vault.sent(Protect)
    assert (protect.stop_ticks, protect.trail_ticks) == (190_000, 0)


def test_a_trailing_stop_is_guards_at_every_venue() -> None:
    for triggers in (True, False):
        vault = holding(triggers=triggers)
        assert sale(vault, OrderType.TRAILING_STOP, trigger_ticks=1_000) == []
        assert (told(vault).guarded, told(vault).state) == (True, OrderState.CANCELLED)
        (protect,) = vault.sent(Protect)
        assert (protect.trail_ticks, protect.position_lots) == (1_000, 1_000)


def test_what_makes_no_sense_is_refused() -> None:
    vault = holding(triggers=True)
    for kind, terms, word in (
        (OrderType.TRAILING_STOP, {}, "has a trigger"),
        (OrderType.MARKET, {"trigger_ticks": 190_000}, "has a trigger"),
        (OrderType.MARKET, {"limit_ticks": 190_000}, "no other"),
        (OrderType.LIMIT, {}, "a limit order has a limit"),
    ):
        assert sale(vault, kind, **terms) == []
        assert told(vault).state is OrderState.DENIED
        assert word in told(vault).reason
