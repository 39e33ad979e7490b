"""How Kraken's order parameters become an `OrderRequest`, for REST and WebSocket alike."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from venue.exchange import Exchange
from venue.instruments import Instrument, MalformedNumberError
from venue.orders import BUY, NO_TRIGGER, SELL, OrderRequest, TimeInForce
from venue.protocols.kraken_errors import DEADLINE, TICK_SIZE, KrakenError, invalid
from venue.protocols.kraken_names import parse_timestamp
from venue.protocols.kraken_triggers import ORDER_TYPES, is_triggered, rests_then, trigger_of

_SECOND_NS = 1_000_000_000
DEADLINE_AHEAD_NS_MAX = 60 * _SECOND_NS  # Kraken allows 500 ms to 60 s
EXPIRY_AHEAD_NS_MAX = 31 * 86_400 * _SECOND_NS  # Kraken allows about a month
USER_REFERENCE_MAX = (1 << 31) - 1
# A UUID with or without dashes, or free text of at most 18 characters.
_CLIENT_ID = re.compile(
    r"[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}|[0-9a-fA-F]{32}|[\x21-\x7e]{1,18}"
)


class OrderParameters(NamedTuple):
    """The parameters of a new order as text, under Kraken's REST names; empty where not given."""

    side: str
    order_type: str
    volume: str
    price: str
    flags: str
    time_in_force: str
    expire_time: str
    deadline: str
    client_order_id: str
    user_reference: str
    trigger: str = ""
    price2: str = ""
    """The limit of an order with a trigger."""


def from_rest(parameters: Mapping[str, str]) -> OrderParameters:
    """Return the order that the form of AddOrder describes."""
    get = parameters.get
    return OrderParameters(
        side=get("type", ""),
        order_type=get("ordertype", ""),
        volume=get("volume", ""),
        price=get("price", ""),
        flags=get("oflags", ""),
        time_in_force=get("timeinforce", ""),
        expire_time=get("expiretm", ""),
        deadline=get("deadline", ""),
        client_order_id=get("cl_ord_id", ""),
        user_reference=get("userref", ""),
        trigger=get("trigger", ""),
        price2=get("price2", ""),
    )


def from_websocket(parameters: Mapping[str, str]) -> OrderParameters:
    """Return the order that the params of add_order describe."""
    get = parameters.get
    return OrderParameters(
        side=get("side", ""),
        order_type=get("order_type", ""),
        volume=get("order_qty", ""),
        price=get("triggers.price", "") or get("limit_price", ""),
        flags="post" if get("post_only", "") == "true" else "",
        time_in_force=get("time_in_force", "").upper(),
        expire_time=get("expire_time", ""),
        deadline=get("deadline", ""),
        client_order_id=get("cl_ord_id", ""),
        user_reference=get("order_userref", ""),
        trigger=get("triggers.reference", ""),
        price2=get("limit_price", ""),
    )


def order_request(
    exchange: Exchange, instrument: Instrument, given: OrderParameters, now_ns: int
) -> OrderRequest:
    """Return the request. Raises `KrakenError` naming the argument at fault."""
    if given.side not in ("buy", "sell"):
        raise invalid("type")
    if given.order_type not in ORDER_TYPES:
        raise invalid("ordertype")
    check_deadline(given.deadline, now_ns)
    side = BUY if given.side == "buy" else SELL
    waits = is_triggered(given.order_type)
    is_market = given.order_type == "market" or (waits and not rests_then(given.order_type))
    limit = given.price2 if waits else given.price
    flags = set(filter(None, given.flags.split(",")))
    if flags - {"post", "fciq", "viqc"} or (is_market and "post" in flags):
        raise invalid("oflags")
    if "viqc" in flags:
        lots = _lots_of_cost(exchange, instrument, side, given.volume, is_market=is_market)
    else:
        lots = quantity_lots(instrument, given.volume)
    expire_ns = _expire_ns(given.expire_time, now_ns)
    return OrderRequest(
        symbol=instrument.symbol,
        side=side,
        is_market=is_market,
        price_ticks=0 if is_market else price_ticks(instrument, limit),
        quantity_lots=lots,
        post_only="post" in flags,
        time_in_force=_time_in_force(given.time_in_force, expire_ns),
        expire_ns=expire_ns,
        client_order_id=_client_order_id(given),
        user_reference=_user_reference(given.user_reference),
        trigger=trigger_of(given.order_type, price_ticks(instrument, given.price), given.trigger)
        if waits
        else NO_TRIGGER,
    )


def price_ticks(instrument: Instrument, text: str) -> int:
    """Return the ticks of a price. Raises `KrakenError`."""
    try:
        ticks = instrument.parse_price(text)
    except MalformedNumberError as error:
        if re.fullmatch(r"\d+(\.\d*)?|\.\d+", text):
            raise KrakenError(TICK_SIZE) from error
        raise invalid("price") from error
    if ticks == 0:
        raise invalid("price")
    return ticks


def quantity_lots(instrument: Instrument, text: str) -> int:
    """Return the lots of a quantity. Raises `KrakenError`."""
    try:
        return instrument.parse_quantity(text)
    except MalformedNumberError as error:
        raise invalid("volume") from error


def check_deadline(text: str, now_ns: int) -> None:
    """Raise `KrakenError` when the request is too late, or its deadline makes no sense."""
    if not text:
        return
    try:
        deadline_ns = parse_timestamp(text)
    except ValueError as error:
        raise invalid("deadline") from error
    if deadline_ns > now_ns + DEADLINE_AHEAD_NS_MAX:
        raise invalid("deadline")
    if deadline_ns <= now_ns:
        raise KrakenError(DEADLINE)


def _lots_of_cost(
    exchange: Exchange, instrument: Instrument, side: int, text: str, *, is_market: bool
) -> int:
    if not is_market:
        raise invalid("viqc")
    try:
        cost_units = instrument.quote.parse(text)
    except MalformedNumberError as error:
        raise invalid("volume") from error
    return exchange.lots_for_cost(instrument.symbol, side, cost_units)


def _time_in_force(text: str, expire_ns: int) -> TimeInForce:
    if text not in ("", "GTC", "IOC", "GTD"):
        raise invalid("timeinforce")
    if text == "GTD" and expire_ns == 0:
        raise invalid("expiretm")
    if expire_ns:
        return TimeInForce.GTD
    return TimeInForce(text or "GTC")


def _expire_ns(text: str, now_ns: int) -> int:
    if text in ("", "0"):
        return 0
    try:
        if text.startswith("+"):
            expire_ns = now_ns + int(text[1:]) * _SECOND_NS
        elif text.isdigit():
            expire_ns = int(text) * _SECOND_NS
        else:
            expire_ns = parse_timestamp(text)
    except ValueError as error:
        raise invalid("expiretm") from error
    if not now_ns < expire_ns <= now_ns + EXPIRY_AHEAD_NS_MAX:
        raise invalid("expiretm")
    return expire_ns


def _client_order_id(given: OrderParameters) -> str:
    if not given.client_order_id:
        return ""
    if given.user_reference or not _CLIENT_ID.fullmatch(given.client_order_id):
        raise invalid("cl_ord_id")
    return given.client_order_id


def _user_reference(text: str) -> int:
    if not text:
        return 0
    try:
        value = int(text)
    except ValueError as error:
        raise invalid("userref") from error
    if abs(value) > USER_REFERENCE_MAX:
        raise invalid("userref")
    return value
