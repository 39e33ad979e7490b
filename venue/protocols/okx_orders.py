"""How OKX's order parameters become an `OrderRequest`: plain orders and algo orders."""

import re
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from venue.exchange import Exchange
from venue.instruments import MalformedNumberError
from venue.listing import Listing
from venue.orders import (
    BUY,
    SELL,
    OrderRequest,
    TimeInForce,
    Trigger,
    TriggerBy,
    TriggerKind,
)
from venue.protocols.okx_errors import BAD_REQUEST, OkxError, empty, incorrect
from venue.protocols.okx_names import Numbers

Parameters = Mapping[str, str]

BATCH_MAX = 20
MARKET_PRICE = "-1"
# How an algo order was asked for; kept as the order's user reference, which outlives a restart.
TRIGGER_TYPE, CONDITIONAL_TYPE = 1, 2
ALGO_TYPES = {TRIGGER_TYPE: "trigger", CONDITIONAL_TYPE: "conditional"}
_TIMES = {"ioc": TimeInForce.IOC, "fok": TimeInForce.FOK}
_MARKET_TYPES = ("market", "optimal_limit_ioc")
_CLIENT_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_ZERO = re.compile(r"[0.]*")


class Terms(NamedTuple):
    """Of what instrument an order is: everything that parsing needs."""

    exchange: Exchange
    listing: Listing
    numbers: Numbers

    @property
    def is_spot(self) -> bool:
        return self.listing.instrument.contract is None


# --- bodies --------------------------------------------------------------------------------------


def parse_rows(body: bytes) -> list[dict[str, str]]:
    """Return the objects of a body that is one or a list of them. Raises `OkxError`."""
    if not body:
        raise OkxError("50000", "Body for POST request cannot be empty.", BAD_REQUEST)
    try:
        if body.lstrip().startswith(b"["):
            rows = msgspec.json.decode(body, type=list[dict[str, msgspec.Raw]])
        else:
            rows = [msgspec.json.decode(body, type=dict[str, msgspec.Raw])]
        return [{name: _text(bytes(raw)) for name, raw in row.items()} for row in rows]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise OkxError("50002", "JSON syntax error", BAD_REQUEST) from error


def _text(raw: bytes) -> str:
    """Return a JSON value as a query would carry it, numbers exactly as they were written."""
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    return "" if raw == b"null" else raw.decode()


# --- orders --------------------------------------------------------------------------------------


def order_request(terms: Terms, given: Parameters) -> OrderRequest:
    """Return the request of a plain order. Raises `OkxError` naming what is wrong."""
    kind = given.get("ordType", "")
    if not kind:
        raise empty("ordType")
    is_market = kind in _MARKET_TYPES
    if not is_market and kind not in ("limit", "post_only", *_TIMES):
        raise incorrect("ordType")
    if given.get("attachAlgoOrds"):
        raise incorrect("attachAlgoOrds")
    side = _side(given)
    check_mode(terms, given)
    if not is_market and not given.get("px"):
        raise OkxError("51204", "The price for the limit order cannot be empty.")
    return OrderRequest(
        symbol=terms.listing.symbol,
        side=side,
        is_market=is_market,
        price_ticks=0 if is_market else price_ticks(terms, "px", given["px"]),
        quantity_lots=_lots(terms, side, given, is_market=is_market),
        post_only=kind == "post_only",
        time_in_force=_TIMES.get(kind, TimeInForce.GTC),
        client_order_id=client_order_id(given, "clOrdId"),
        reduce_only=_reduce_only(terms, given),
    )


def algo_request(terms: Terms, given: Parameters) -> OrderRequest:
    """Return the request of an order that waits for its trigger. Raises `OkxError`."""
    kind = given.get("ordType", "")
    if kind not in ALGO_TYPES.values() or given.get("closeFraction"):
        raise incorrect("closeFraction" if given.get("closeFraction") else "ordType")
    side = _side(given)
    check_mode(terms, given, is_algo=True)
    if kind == "trigger":
        trigger, price = _plain_trigger(terms, side, given), given.get("orderPx", "")
    else:
        trigger, price = _conditional(terms, given)
    if not price:
        raise empty("orderPx")
    is_market = price == MARKET_PRICE
    name = "algoClOrdId" if given.get("algoClOrdId") else "clOrdId"
    return OrderRequest(
        symbol=terms.listing.symbol,
        side=side,
        is_market=is_market,
        price_ticks=0 if is_market else price_ticks(terms, "orderPx", price),
        quantity_lots=_lots(terms, side, given, is_market=is_market),
        client_order_id=client_order_id(given, name),
        user_reference=TRIGGER_TYPE if kind == "trigger" else CONDITIONAL_TYPE,
        reduce_only=_reduce_only(terms, given),
        trigger=trigger,
    )


def client_order_id(given: Parameters, name: str) -> str:
    """Return the client's id for an order, empty if it gives none. Raises `OkxError`."""
    text = given.get(name, "")
    if text and not _CLIENT_ID.fullmatch(text):
        raise incorrect(name)
    return text


def check_mode(terms: Terms, given: Parameters, *, is_algo: bool = False) -> None:
    """Raise `OkxError` for a trade mode or position side that the account does not have."""
    mode = given.get("tdMode", "")
    if not mode:
        raise empty("tdMode")
    allowed = ("cash",) if terms.is_spot else ("cross", "isolated")
    if terms.is_spot and is_algo:
        # Conditional orders of a pair are sent with the mode that the account would lend with.
        allowed = ("cash", "cross")
    if mode not in allowed:
        raise incorrect("tdMode")
    if given.get("posSide", "net") not in ("", "net"):
        raise incorrect("posSide")


def price_ticks(terms: Terms, name: str, text: str) -> int:
    """Return the ticks of a price. Raises `OkxError`."""
    try:
        ticks = terms.listing.instrument.parse_price(text)
    except MalformedNumberError as error:
        raise incorrect(name) from error
    if not ticks:
        raise incorrect(name)
    return ticks


def size_lots(terms: Terms, name: str, text: str) -> int:
    """Return the lots of a size. Raises `OkxError`."""
    if _ZERO.fullmatch(text):
        raise incorrect(name)
    try:
        return terms.numbers.lots(text)
    except MalformedNumberError as error:
        if re.fullmatch(r"[0-9]{1,20}\.?[0-9]{0,20}", text):
            code, words = "51121", "Order quantity must be a multiple of the lot size."
            raise OkxError(code, words) from error
        raise incorrect(name) from error


def _side(given: Parameters) -> int:
    text = given.get("side", "")
    if not text:
        raise empty("side")
    if text not in ("buy", "sell"):
        raise incorrect("side")
    return BUY if text == "buy" else SELL


def _lots(terms: Terms, side: int, given: Parameters, *, is_market: bool) -> int:
    text = given.get("sz", "")
    if not text:
        raise empty("sz")
    if not (terms.is_spot and is_market):
        return size_lots(terms, "sz", text)
    unit = given.get("tgtCcy", "") or ("quote_ccy" if side == BUY else "base_ccy")
    if unit not in ("quote_ccy", "base_ccy"):
        raise incorrect("tgtCcy")
    if unit == "base_ccy":
        return size_lots(terms, "sz", text)
    try:
        cost_units = terms.listing.instrument.quote.parse(text)
    except MalformedNumberError as error:
        raise incorrect("sz") from error
    return terms.exchange.lots_for_cost(terms.listing.symbol, side, cost_units)


def _reduce_only(terms: Terms, given: Parameters) -> bool:
    text = given.get("reduceOnly", "").lower()
    if text not in ("", "true", "false"):
        raise incorrect("reduceOnly")
    if text == "true" and terms.is_spot:
        raise OkxError("51205", "Reduce Only is not available.")
    return text == "true"


# --- triggers ------------------------------------------------------------------------------------


def _plain_trigger(terms: Terms, side: int, given: Parameters) -> Trigger:
    """Return the trigger of a price that is reached from where the last one is now."""
    if not given.get("triggerPx"):
        raise empty("triggerPx")
    ticks = price_ticks(terms, "triggerPx", given["triggerPx"])
    by = _trigger_by(terms, given, "triggerPxType")
    now_ticks = terms.listing.last_ticks
    if by is TriggerBy.MARK:
        now_ticks = terms.exchange.derivatives.mark_ticks(terms.listing.symbol)
    if ticks == now_ticks:
        raise incorrect("triggerPx")
    is_above = ticks > now_ticks
    kind = TriggerKind.STOP if is_above == (side == BUY) else TriggerKind.TAKE_PROFIT
    return Trigger(kind, ticks, by)


def _conditional(terms: Terms, given: Parameters) -> tuple[Trigger, str]:
    """Return the trigger and the price of a stop or take-profit; of both, the stop counts."""
    for prefix, kind in (("sl", TriggerKind.STOP), ("tp", TriggerKind.TAKE_PROFIT)):
        text = given.get(f"{prefix}TriggerPx", "")
        if text:
            ticks = price_ticks(terms, f"{prefix}TriggerPx", text)
            by = _trigger_by(terms, given, f"{prefix}TriggerPxType")
            return Trigger(kind, ticks, by), given.get(f"{prefix}OrdPx", "")
    raise empty("slTriggerPx")


def _trigger_by(terms: Terms, given: Parameters, name: str) -> TriggerBy:
    text = given.get(name, "") or "last"
    if text == "last":
        return TriggerBy.LAST
    if text != "mark" or terms.is_spot:
        raise incorrect(name)
    return TriggerBy.MARK
