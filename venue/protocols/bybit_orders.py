"""How Bybit's order parameters become an `OrderRequest`: spot, linear, and conditional ones."""

import re
from collections.abc import Mapping

from venue.exchange import Exchange
from venue.listing import Listing
from venue.orders import (
    BUY,
    NO_TRIGGER,
    SELL,
    OrderRequest,
    TimeInForce,
    Trigger,
    TriggerBy,
    TriggerKind,
)
from venue.protocols import bybit_filters as filters
from venue.protocols.bybit_errors import BybitError, invalid, parameter
from venue.protocols.bybit_names import PLAIN, SPOT, TPSL, category_of

Parameters = Mapping[str, str]

_LINK_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")
FILTERS = ("Order", "StopOrder", "tpslOrder")
_RISE, _FALL = "1", "2"
# What a position's own stops and margin trading would need, which the box does not have.
_UNKNOWN = ("takeProfit", "stopLoss", "trailingStop", "bboSideType")


def order_request(exchange: Exchange, listing: Listing, given: Parameters) -> OrderRequest:
    """Return the request. Raises `BybitError` naming what is wrong."""
    category = category_of(listing)
    _check_supported(category, given)
    side = _side(category, given)
    kind = given.get("orderType", "")
    if kind not in ("Limit", "Market"):
        raise invalid(category, 170116, "Invalid orderType.", "OrderType invalid")
    is_market = kind == "Market"
    time_in_force, post_only = _time_in_force(category, given, is_market=is_market)
    ticks = 0
    if not is_market:
        text = filters.check_number("Price", given.get("price", ""))
        ticks = filters.price_ticks(listing, "Price", text)
        filters.check_price(listing, side, ticks)
    return OrderRequest(
        symbol=listing.symbol,
        side=side,
        is_market=is_market,
        price_ticks=ticks,
        quantity_lots=_lots(exchange, listing, side, given, is_market=is_market),
        post_only=post_only,
        time_in_force=time_in_force,
        client_order_id=link_id(given),
        user_reference=TPSL if given.get("orderFilter") == "tpslOrder" else PLAIN,
        reduce_only=category != SPOT and _reduces(given),
        trigger=_trigger(category, listing, side, given),
    )


def link_id(given: Parameters) -> str:
    """Return the client's id for an order, empty if it gives none. Raises `BybitError`."""
    text = given.get("orderLinkId", "")
    if text and not _LINK_ID.fullmatch(text):
        raise parameter("OrderLinkId invalid")
    return text


def order_filter(given: Parameters) -> str:
    """Return which kinds of orders are meant, empty for all. Raises `BybitError`."""
    text = given.get("orderFilter", "")
    if text and text not in FILTERS:
        raise BybitError(170202, "Invalid orderFilter parameter.")
    return text


def _check_supported(category: str, given: Parameters) -> None:
    order_filter(given)
    if given.get("positionIdx", "0") not in ("", "0"):
        raise BybitError(10001, "position idx not match position mode")
    if given.get("isLeverage", "0") not in ("", "0", "false"):
        raise BybitError(170036, "You haven't enabled Cross Margin Trading yet.")
    for name in _UNKNOWN:
        if given.get(name, "") not in ("", "0"):
            words = f"Data sent for parameter '{name}' is not valid."
            raise invalid(category, 170130, words, f"{name} invalid")


def _reduces(given: Parameters) -> bool:
    return "true" in (given.get("reduceOnly", ""), given.get("closeOnTrigger", ""))


def _side(category: str, given: Parameters) -> int:
    text = given.get("side", "")
    if text not in ("Buy", "Sell"):
        raise invalid(category, 170117, "Invalid side.", "Side invalid")
    return BUY if text == "Buy" else SELL


def _time_in_force(
    category: str, given: Parameters, *, is_market: bool
) -> tuple[TimeInForce, bool]:
    text = given.get("timeInForce", "") or "GTC"
    if text not in ("GTC", "IOC", "FOK", "PostOnly"):
        raise invalid(category, 170115, "Invalid timeInForce.", "TimeInForce invalid")
    if is_market or text == "PostOnly":
        return TimeInForce.GTC, text == "PostOnly" and not is_market
    return TimeInForce(text), False


def _lots(
    exchange: Exchange, listing: Listing, side: int, given: Parameters, *, is_market: bool
) -> int:
    text = filters.check_number("Qty", given.get("qty", ""))
    is_cost = False
    if is_market and listing.instrument.contract is None:
        # Unless they say otherwise, market buys name what they spend and sales what they give.
        unit = given.get("marketUnit", "") or ("quoteCoin" if side == BUY else "baseCoin")
        if unit not in ("baseCoin", "quoteCoin"):
            raise BybitError(170130, "Data sent for parameter 'marketUnit' is not valid.")
        is_cost = unit == "quoteCoin"
    if not is_cost:
        return filters.quantity_lots(listing, text)
    return exchange.lots_for_cost(
        listing.symbol, side, filters.cost_units(listing.instrument, text)
    )


def _trigger(category: str, listing: Listing, side: int, given: Parameters) -> Trigger:
    text = given.get("triggerPrice", "")
    if text in ("", "0"):
        if category == SPOT and order_filter(given) in ("StopOrder", "tpslOrder"):
            raise BybitError(170203, "Please enter the TP/SL price.")
        return NO_TRIGGER
    ticks = filters.price_ticks(listing, "TriggerPrice", text)
    if category == SPOT:
        if order_filter(given) in ("", "Order"):
            raise BybitError(170202, "Invalid orderFilter parameter.")
        rises = ticks >= listing.last_ticks
    else:
        direction = given.get("triggerDirection", "")
        if direction not in (_RISE, _FALL):
            raise parameter("TriggerDirection invalid")
        rises = direction == _RISE
    kind = TriggerKind.STOP if rises == (side == BUY) else TriggerKind.TAKE_PROFIT
    return Trigger(kind, ticks, _trigger_by(category, given))


def _trigger_by(category: str, given: Parameters) -> TriggerBy:
    text = given.get("triggerBy", "") or "LastPrice"
    if text == "LastPrice" or category == SPOT:
        return TriggerBy.LAST
    if text != "MarkPrice":
        raise parameter("TriggerBy invalid")
    return TriggerBy.MARK
