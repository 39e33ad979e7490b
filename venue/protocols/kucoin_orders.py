"""How KuCoin's order parameters become an `OrderRequest`."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from venue.exchange import Exchange
from venue.instruments import Instrument, MalformedNumberError
from venue.listing import Listing
from venue.orders import (
    BUY,
    NO_TRIGGER,
    SELL,
    OrderRequest,
    TimeInForce,
    Trigger,
    TriggerKind,
)
from venue.protocols.kucoin_errors import KucoinError, invalid
from venue.protocols.kucoin_names import MS_NS, SECOND_NS

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
_TIMES = {
    "": TimeInForce.GTC,
    "GTC": TimeInForce.GTC,
    "GTT": TimeInForce.GTD,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
}
_WHOLE = re.compile(r"[0-9]{1,18}")

Parameters = Mapping[str, str]


def whole_number(given: Parameters, name: str, default: int) -> int:
    """Return an integer parameter. Raises `KucoinError`."""
    text = given.get(name, "")
    if not text:
        return default
    if not _WHOLE.fullmatch(text):
        raise invalid(f"{name} is invalid")
    return int(text)


def order_request(
    exchange: Exchange, listing: Listing, given: Parameters, now_ns: int, *, waits: bool
) -> OrderRequest:
    """Return the request of an order, or of a stop order. Raises `KucoinError`."""
    side = _side(given)
    kind = given.get("type", "limit")
    if kind not in ("limit", "market"):
        raise invalid("type is invalid")
    is_market = kind == "market"
    _refuse_unsupported(given)
    _refuse_late(given, now_ns)
    lasting = _time_in_force(given, now_ns, is_market=is_market)
    ticks = 0 if is_market else price_ticks(listing.instrument, "price", given.get("price", ""))
    return OrderRequest(
        symbol=listing.symbol,
        side=side,
        is_market=is_market,
        price_ticks=ticks,
        quantity_lots=_lots(exchange, listing, side, given, is_market=is_market),
        post_only=_flag(given, "postOnly") and not is_market,
        time_in_force=lasting.time_in_force,
        expire_ns=lasting.expire_ns,
        client_order_id=client_order_id(given),
        trigger=_trigger(listing, side, given) if waits else NO_TRIGGER,
    )


def client_order_id(given: Parameters) -> str:
    """Return the client's id of an order, empty if it gives none. Raises `KucoinError`."""
    text = given.get("clientOid", "")
    if text and not CLIENT_ID.fullmatch(text):
        raise invalid("clientOid is invalid: 40 of A-Z, a-z, 0-9, _ and - at most")
    return text


def price_ticks(instrument: Instrument, name: str, text: str) -> int:
    """Return the ticks of a price. Raises `KucoinError`."""
    if not text:
        raise invalid(f"{name} is required")
    try:
        ticks = instrument.parse_price(text)
    except MalformedNumberError as error:
        raise KucoinError("600100", "Price increment invalid.") from error
    if not ticks:
        raise invalid(f"{name} must be above 0")
    return ticks


def quantity_lots(instrument: Instrument, name: str, text: str) -> int:
    """Return the lots of a quantity. Raises `KucoinError`."""
    if not text:
        raise invalid(f"{name} is required")
    try:
        return instrument.parse_quantity(text)
    except MalformedNumberError as error:
        raise KucoinError("600100", "Order size increment invalid.") from error


class _Lasting(NamedTuple):
    time_in_force: TimeInForce
    expire_ns: int


def _time_in_force(given: Parameters, now_ns: int, *, is_market: bool) -> _Lasting:
    text = given.get("timeInForce", "")
    if text not in _TIMES:
        raise invalid("timeInForce is invalid")
    if is_market:
        return _Lasting(TimeInForce.GTC, 0)
    if text != "GTT":
        return _Lasting(_TIMES[text], 0)
    seconds = whole_number(given, "cancelAfter", 0)
    if not seconds:
        raise invalid("cancelAfter is required with timeInForce GTT")
    return _Lasting(TimeInForce.GTD, now_ns + seconds * SECOND_NS)


def _side(given: Parameters) -> int:
    text = given.get("side", "")
    if text not in ("buy", "sell"):
        raise invalid("side is required: buy or sell")
    return BUY if text == "buy" else SELL


def _lots(
    exchange: Exchange, listing: Listing, side: int, given: Parameters, *, is_market: bool
) -> int:
    funds = given.get("funds", "")
    if not funds:
        return quantity_lots(listing.instrument, "size", given.get("size", ""))
    if not is_market or given.get("size"):
        raise invalid("size and funds: one of them only, and funds of market orders only")
    try:
        cost_units = listing.instrument.quote.parse(funds)
    except MalformedNumberError as error:
        raise KucoinError("600100", "Order funds increment invalid.") from error
    return exchange.lots_for_cost(listing.symbol, side, cost_units)


def _trigger(listing: Listing, side: int, given: Parameters) -> Trigger:
    """Return the trigger: `loss` fires at or below its price, `entry` at or above."""
    stop = given.get("stop", "loss")
    if stop not in ("loss", "entry"):
        raise invalid("stop is invalid: loss or entry")
    ticks = price_ticks(listing.instrument, "stopPrice", given.get("stopPrice", ""))
    is_stop = (side == BUY) == (stop == "entry")
    return Trigger(TriggerKind.STOP if is_stop else TriggerKind.TAKE_PROFIT, ticks)


def _flag(given: Parameters, name: str) -> bool:
    text = given.get(name, "false")
    if text not in ("true", "false"):
        raise invalid(f"{name} is invalid")
    return text == "true"


def _refuse_late(given: Parameters, now_ns: int) -> None:
    """Refuse what comes later than its sender allows."""
    window_ms = whole_number(given, "allowMaxTimeWindow", 0)
    sent_ms = whole_number(given, "clientTimestamp", 0)
    if window_ms and now_ns > (sent_ms + window_ms) * MS_NS:
        raise KucoinError("126041", "clientTimestamp + allowMaxTimeWindow has passed")


def _refuse_unsupported(given: Parameters) -> None:
    for name in ("hidden", "iceberg"):
        if _flag(given, name):
            raise invalid(f"{name} orders are not supported here")
    if given.get("tradeType", "TRADE") != "TRADE":
        raise KucoinError("101030", "You haven't yet enabled the margin trading")
