"""How Coinbase's order configurations become an `OrderRequest`, and orders configurations."""

from collections.abc import Callable, Mapping

from venue.exchange import Exchange
from venue.instruments import Instrument, MalformedNumberError
from venue.listing import Listing
from venue.orders import (
    BUY,
    NO_TRIGGER,
    SELL,
    Order,
    OrderRequest,
    TimeInForce,
    Trigger,
    TriggerKind,
)
from venue.protocols.coinbase_errors import OrderError, Words, invalid, unsupported
from venue.protocols.coinbase_names import Numbers, stop_direction, time_ns, time_text

Json = dict[str, object]
Given = Mapping[str, object]

CLIENT_ID_CHARACTERS_MAX = 128
_PRECISION = {
    "limit_price": Words(
        "INVALID_PRICE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION", "Too many decimals in price"
    ),
    "stop_price": Words(
        "INVALID_PRICE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION", "Too many decimals in price"
    ),
    "base_size": Words(
        "INVALID_SIZE_PRECISION", "PREVIEW_INVALID_SIZE_PRECISION", "Too many decimals in size"
    ),
    "quote_size": Words(
        "INVALID_SIZE_PRECISION",
        "PREVIEW_INVALID_QUOTE_SIZE_PRECISION",
        "Too many decimals in size",
    ),
}
_ROUTED = {
    "limit_limit_gtc": TimeInForce.GTC,
    "limit_limit_gtd": TimeInForce.GTD,
    "limit_limit_fok": TimeInForce.FOK,
    "sor_limit_ioc": TimeInForce.IOC,
    "stop_limit_stop_limit_gtc": TimeInForce.GTC,
    "stop_limit_stop_limit_gtd": TimeInForce.GTD,
}


def order_request(exchange: Exchange, listing: Listing, given: Given, now_ns: int) -> OrderRequest:
    """Return the request. Raises `CoinbaseError` or `OrderError` naming what is wrong."""
    side = _side(given)
    name, fields = _configuration(given)
    request = OrderRequest(
        symbol=listing.symbol,
        side=side,
        is_market=False,
        price_ticks=0,
        quantity_lots=0,
        client_order_id=client_order_id(given),
    )
    if name == "market_market_ioc":
        lots = _market_lots(exchange, listing, side, fields)
        return request._replace(is_market=True, quantity_lots=lots)
    if name not in _ROUTED:
        raise unsupported(f"{name} is not supported here")
    lasts = _ROUTED[name]
    return request._replace(
        price_ticks=_read(listing.instrument.parse_price, fields, "limit_price"),
        quantity_lots=_read(listing.instrument.parse_quantity, fields, "base_size"),
        post_only=fields.get("post_only") is True,
        time_in_force=lasts,
        expire_ns=_end_ns(fields, now_ns) if lasts is TimeInForce.GTD else 0,
        trigger=_trigger(listing.instrument, side, fields) if "stop" in name else NO_TRIGGER,
    )


def client_order_id(given: Given) -> str:
    """Return the client's id for an order. Raises `CoinbaseError`."""
    text = given.get("client_order_id", "")
    if not isinstance(text, str) or len(text) > CLIENT_ID_CHARACTERS_MAX:
        raise invalid("client_order_id is not valid")
    return text


def configuration(order: Order, numbers: Numbers) -> Json:
    """Return the configuration that an order was made with."""
    size = {"base_size": numbers.quantity(order.quantity_lots)}
    if order.is_market:
        return {"market_market_ioc": size}
    fields: Json = {**size, "limit_price": numbers.price(order.price_ticks)}
    lasts = order.time_in_force
    if lasts is TimeInForce.GTD:
        fields["end_time"] = time_text(order.expire_ns)
    if order.trigger_kind is not TriggerKind.NONE:
        fields["stop_price"] = numbers.price(order.trigger_ticks)
        fields["stop_direction"] = stop_direction(order)
        return {f"stop_limit_stop_limit_{lasts.value.lower()}": fields}
    if lasts in (TimeInForce.GTC, TimeInForce.GTD):
        fields["post_only"] = order.post_only
    return {
        "sor_limit_ioc"
        if lasts is TimeInForce.IOC
        else f"limit_limit_{lasts.value.lower()}": fields
    }


def _configuration(given: Given) -> tuple[str, Mapping[str, object]]:
    found = given.get("order_configuration")
    if not isinstance(found, dict) or len(found) != 1:
        raise unsupported("order_configuration needs exactly one kind")
    ((name, fields),) = found.items()
    if not isinstance(fields, dict):
        raise unsupported(f"{name} needs its fields")
    return str(name), fields


def _side(given: Given) -> int:
    text = given.get("side")
    if text not in ("BUY", "SELL"):
        raise OrderError(Words("INVALID_SIDE", "PREVIEW_INVALID_SIDE", "side is BUY or SELL"))
    return BUY if text == "BUY" else SELL


def _market_lots(exchange: Exchange, listing: Listing, side: int, fields: Given) -> int:
    """Return the lots of a market order: a purchase names what it costs, a sale what it sells."""
    wanted, other = ("quote_size", "base_size") if side == BUY else ("base_size", "quote_size")
    if other in fields or wanted not in fields:
        raise unsupported(f"a market order of this side has {wanted}")
    if side != BUY:
        return _read(listing.instrument.parse_quantity, fields, "base_size")
    cost_units = _read(listing.instrument.quote.parse, fields, "quote_size")
    return exchange.lots_for_cost(listing.symbol, side, cost_units)


def _read(parse: Callable[[str], int], fields: Given, name: str) -> int:
    text = fields.get(name)
    if not isinstance(text, str) or not text:
        raise invalid(f"{name} is missing")
    try:
        return parse(text)
    except MalformedNumberError as error:
        raise OrderError(_PRECISION[name]) from error


def _end_ns(fields: Given, now_ns: int) -> int:
    try:
        end_ns = time_ns(str(fields.get("end_time", "")))
    except ValueError as error:
        raise invalid("end_time is not a time as RFC 3339 has it") from error
    if end_ns <= now_ns:
        raise invalid("end_time has passed")
    return end_ns


def _trigger(instrument: Instrument, side: int, fields: Given) -> Trigger:
    direction = fields.get("stop_direction")
    if direction not in ("STOP_DIRECTION_STOP_UP", "STOP_DIRECTION_STOP_DOWN"):
        raise invalid("stop_direction is missing")
    ticks = _read(instrument.parse_price, fields, "stop_price")
    is_stop = (side == BUY) == (direction == "STOP_DIRECTION_STOP_UP")
    return Trigger(TriggerKind.STOP if is_stop else TriggerKind.TAKE_PROFIT, ticks)
