"""How Binance's order parameters become an `OrderRequest`: spot, futures, and conditional ones."""

import re
from collections.abc import Mapping

from venue.exchange import Exchange
from venue.instruments import MalformedNumberError
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
from venue.protocols import binance_filters as filters
from venue.protocols.binance_errors import BinanceError, illegal, mandatory
from venue.protocols.binance_flavor import Flavor

_CLIENT_ID = re.compile(r"[.A-Z:/a-z0-9_-]{1,36}")
_CLIENT_ID_RANGE = "^[\\.A-Z\\:/a-z0-9_-]{1,36}$"
_WAITING = {
    "STOP_LOSS": (TriggerKind.STOP, True),
    "STOP_LOSS_LIMIT": (TriggerKind.STOP, False),
    "TAKE_PROFIT_LIMIT": (TriggerKind.TAKE_PROFIT, False),
    "STOP": (TriggerKind.STOP, False),
    "STOP_MARKET": (TriggerKind.STOP, True),
    "TAKE_PROFIT_MARKET": (TriggerKind.TAKE_PROFIT, True),
}
SPOT_TYPES = (
    "LIMIT",
    "LIMIT_MAKER",
    "MARKET",
    "STOP_LOSS",
    "STOP_LOSS_LIMIT",
    "TAKE_PROFIT",
    "TAKE_PROFIT_LIMIT",
)
FUTURES_TYPES = ("LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET")
SPOT_TIMES = ("GTC", "IOC", "FOK")
FUTURES_TIMES = ("GTC", "IOC", "FOK", "GTX")

Parameters = Mapping[str, str]


def order_request(
    flavor: Flavor,
    exchange: Exchange,
    listing: Listing,
    given: Parameters,
    *,
    is_algo: bool = False,
) -> OrderRequest:
    """Return the request. Raises `BinanceError` naming what is wrong."""
    side = _side(given)
    kind = given.get("type", "")
    if not kind:
        raise mandatory("type")
    if kind not in (FUTURES_TYPES if flavor.is_futures else SPOT_TYPES):
        raise BinanceError(-1116, "Invalid orderType.")
    trigger, is_market = _trigger(flavor, listing, kind, given)
    if is_algo != bool(trigger.ticks) and flavor.is_futures:
        text = "Order type not supported for this endpoint. Please use the Algo Order API endpoints"
        raise BinanceError(-4120, f"{text} instead.")
    time_in_force, post_only = _time_in_force(flavor, kind, given, is_market=is_market)
    ticks = 0
    if not is_market:
        ticks = filters.price_ticks(listing.instrument, "price", given.get("price", ""))
        filters.check_percent_price(flavor, listing, side, ticks)
    return OrderRequest(
        symbol=listing.symbol,
        side=side,
        is_market=is_market,
        price_ticks=ticks,
        quantity_lots=_lots(exchange, listing, side, given, is_market=is_market),
        post_only=post_only or kind == "LIMIT_MAKER",
        time_in_force=time_in_force,
        client_order_id=client_order_id(given, "clientAlgoId" if is_algo else "newClientOrderId"),
        reduce_only=_flag(given, "reduceOnly", is_futures=flavor.is_futures),
        trigger=trigger,
    )


def client_order_id(given: Parameters, name: str) -> str:
    """Return the client's id for an order, empty if it gives none. Raises `BinanceError`."""
    text = given.get(name, "")
    if text and not _CLIENT_ID.fullmatch(text):
        raise illegal(name, _CLIENT_ID_RANGE)
    return text


def _side(given: Parameters) -> int:
    text = given.get("side", "")
    if not text:
        raise mandatory("side")
    if text not in ("BUY", "SELL"):
        raise BinanceError(-1117, "Invalid side.")
    return BUY if text == "BUY" else SELL


def _trigger(
    flavor: Flavor, listing: Listing, kind: str, given: Parameters
) -> tuple[Trigger, bool]:
    """Return the trigger and whether what it fires is a market order."""
    if kind == "TAKE_PROFIT":
        waits, is_market = TriggerKind.TAKE_PROFIT, not flavor.is_futures
    elif kind in _WAITING:
        waits, is_market = _WAITING[kind]
    else:
        return NO_TRIGGER, kind == "MARKET"
    if given.get("trailingDelta") or given.get("closePosition", "false").lower() == "true":
        raise BinanceError(-4136, "Target strategy invalid for this orderType and closePosition.")
    name = "triggerPrice" if flavor.is_futures else "stopPrice"
    ticks = filters.price_ticks(listing.instrument, name, given.get(name, ""))
    by_mark = given.get("workingType", "CONTRACT_PRICE") == "MARK_PRICE"
    return Trigger(waits, ticks, TriggerBy.MARK if by_mark else TriggerBy.LAST), is_market


def _time_in_force(
    flavor: Flavor, kind: str, given: Parameters, *, is_market: bool
) -> tuple[TimeInForce, bool]:
    """Return the time in force, and whether it is the futures' word for post-only."""
    text = given.get("timeInForce", "")
    if is_market or kind == "LIMIT_MAKER":
        return TimeInForce.GTC, False
    if not text and not flavor.is_futures:
        raise mandatory("timeInForce")
    if text not in ("", *(FUTURES_TIMES if flavor.is_futures else SPOT_TIMES)):
        raise BinanceError(-1115, "Invalid timeInForce.")
    if text == "GTX":
        return TimeInForce.GTC, True
    return TimeInForce(text or "GTC"), False


def _lots(
    exchange: Exchange, listing: Listing, side: int, given: Parameters, *, is_market: bool
) -> int:
    cost = given.get("quoteOrderQty", "")
    if not cost:
        return filters.quantity_lots(listing.instrument, given.get("quantity", ""))
    if not is_market or given.get("quantity"):
        raise BinanceError(-1106, "Parameter 'quoteOrderQty' sent when not required.")
    try:
        cost_units = listing.instrument.quote.parse(cost)
    except MalformedNumberError as error:
        raise BinanceError(-1111, "Parameter 'quoteOrderQty' has too much precision.") from error
    return exchange.lots_for_cost(listing.symbol, side, cost_units)


def _flag(given: Parameters, name: str, *, is_futures: bool) -> bool:
    text = given.get(name, "").lower()
    if text not in ("", "true", "false") or (text == "true" and not is_futures):
        raise BinanceError(-1106, f"Parameter '{name}' sent when not required.")
    return text == "true"
