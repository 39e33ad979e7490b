"""Order entry over Bybit's trade socket: `order.create`, `order.amend`, `order.cancel`.

A connection is the account's own once `auth` is taken; then each request has a timestamp and a
receive window in its header, and no signature.
Source: bybit-exchange.github.io/docs/v5/websocket/trade/guideline, ccxt 4.5.90's class.
"""

import hmac
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from exchanges.adapters.wires import LOG_ON_NUMBER, OrderWire, Reply, UnreadableReplyError
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND
from exchanges.types import Instrument, OrderChange, OrderTicket

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

# How long a log-on may take to arrive.
LOG_ON_MS = 10_000
# Orders that are cancelled by this way: those placed by it, the last ones of them.
REMEMBERED_MAX = 2_000

Parameters = dict[str, Any]


class _Header(msgspec.Struct):
    timestamp: str = msgspec.field(name="X-BAPI-TIMESTAMP")
    window: str = msgspec.field(name="X-BAPI-RECV-WINDOW")


class _Request(msgspec.Struct, rename={"request_id": "reqId"}, omit_defaults=True):
    request_id: str
    op: str
    args: list[Any]
    header: _Header | None = None


class _Data(msgspec.Struct, rename="camel"):
    order_id: str = ""


class _Answer(msgspec.Struct, rename="camel"):
    """Everything that comes on this socket; a pong has no number of a request."""

    req_id: str = ""
    ret_code: int = 0
    ret_msg: str = ""
    op: str = ""
    data: _Data | list[str] | None = None


class BybitOrders(OrderWire):
    """The frames of one account."""

    def __init__(
        self,
        parameters_of: Callable[[OrderTicket, Instrument], Parameters],
        change_of: Callable[[OrderChange, Instrument], Parameters],
        window_ms_of: Callable[[int, int], int | None],
    ) -> None:
        self._parameters_of = parameters_of
        self._change_of = change_of
        self._window_ms_of = window_ms_of
        self._asked: dict[int, tuple[str, str]] = {}
        """Venue symbol and our id of the orders asked for, by the request's number."""
        self._plain: dict[str, str] = {}
        """Venue symbol of orders that wait for no price, by either id."""
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Answer).decode

    def url(self, exchange: "TrioExchange") -> str:
        return str(exchange.implode_hostname(exchange.urls["api"]["ws"]["private"]["trade"]))

    async def log_on(self, exchange: "TrioExchange") -> bytes | None:
        expires = str(exchange.milliseconds() + LOG_ON_MS)
        payload = f"GET/realtime{expires}"
        mac = hmac.digest(exchange.secret.encode(), payload.encode(), "sha256").hex()
        request = _Request(str(LOG_ON_NUMBER), "auth", [exchange.apiKey, expires, mac])
        return self._encode(request)

    def submit(
        self,
        exchange: "TrioExchange",
        number: int,
        ticket: OrderTicket,
        instrument: Instrument,
        now_ns: int,
    ) -> bytes:
        params = self._parameters_of(ticket, instrument)
        window_ms = self._window_ms_of(ticket.expires_at_ns, now_ns)
        link = "" if ticket.trigger else ticket.client_order_id
        self._asked[number] = (instrument.venue_symbol, link)
        if len(self._asked) > REMEMBERED_MAX:
            del self._asked[next(iter(self._asked))]
        return self._framed(exchange, "order.create", params, number, now_ns, window_ms)

    def amend(
        self,
        exchange: "TrioExchange",
        number: int,
        change: OrderChange,
        instrument: Instrument,
        now_ns: int,
    ) -> bytes | None:
        params = self._change_of(change, instrument)
        window_ms = self._window_ms_of(change.expires_at_ns, now_ns)
        return self._framed(exchange, "order.amend", params, number, now_ns, window_ms)

    def cancel(
        self,
        exchange: "TrioExchange",
        number: int,
        client_order_id: str | None,
        venue_order_id: str | None,
        now_ns: int,
    ) -> bytes | None:
        symbol = self._plain.get(venue_order_id or client_order_id or "")
        if symbol is None:
            # What waits for a price wants to be called so: REST asks what it is.
            return None
        params: Parameters = {"category": "spot", "symbol": symbol}
        if venue_order_id is not None:
            params["orderId"] = venue_order_id.rpartition("-")[2]
        else:
            params["orderLinkId"] = client_order_id
        return self._framed(exchange, "order.cancel", params, number, now_ns, None)

    def _framed(
        self,
        exchange: "TrioExchange",
        op: str,
        params: Parameters,
        number: int,
        now_ns: int,
        window_ms: int | None,
    ) -> bytes:
        ahead_ms = int(exchange.safe_integer(exchange.options, "timeDifference", 0))
        stamp = str(now_ns // NANOSECONDS_PER_MILLISECOND - ahead_ms)
        window = str(exchange.options["recvWindow"] if window_ms is None else window_ms)
        return self._encode(_Request(str(number), op, [params], _Header(stamp, window)))

    def reply(self, text: str) -> Reply | None:
        try:
            answer = self._decode(text)
            number = int(answer.req_id) if answer.req_id else None
        except (msgspec.DecodeError, UnicodeEncodeError, ValueError) as error:
            raise UnreadableReplyError(f"{error}: {text[:80]}") from error
        if number is None:
            return None
        symbol, link = self._asked.pop(number, ("", ""))
        if answer.ret_code:
            refusal: dict[str, object] = {"retCode": answer.ret_code, "retMsg": answer.ret_msg}
            return Reply(number, refusal=refusal)
        order_id = answer.data.order_id if isinstance(answer.data, _Data) else ""
        venue_order_id = f"{symbol}-{order_id}" if symbol and order_id else ""
        if link and venue_order_id:
            self._remember(symbol, link, venue_order_id)
        return Reply(number, venue_order_id=venue_order_id)

    def _remember(self, symbol: str, *ids: str) -> None:
        self._plain.update(dict.fromkeys(ids, symbol))
        while len(self._plain) > REMEMBERED_MAX:
            del self._plain[next(iter(self._plain))]
