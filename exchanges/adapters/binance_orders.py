"""Order entry over Binance's WebSocket API: `order.place` and `order.cancel`.

Each request is signed by itself with the account's HMAC key, over its parameters sorted by name;
`session.logon` is for Ed25519 keys only. An order is amended nowhere on spot.
Source: developers.binance.com (spot, WebSocket API: request security, trading requests).
"""

import hmac
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from exchanges.adapters.wires import OK, OrderWire, Reply, UnreadableReplyError
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND
from exchanges.types import Instrument, OrderTicket

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

OrderParameters = Callable[[OrderTicket, Instrument, int], dict[str, Any]]


class _Request(msgspec.Struct):
    id: str
    method: str
    params: dict[str, Any]


class _Result(msgspec.Struct, rename="camel"):
    symbol: str = ""
    order_id: int = 0


class _Error(msgspec.Struct):
    code: int
    msg: str = ""


class _Answer(msgspec.Struct):
    """Everything that comes on this socket; an event has neither number nor status."""

    id: str | int | None = None
    status: int = 0
    result: _Result | None = None
    error: _Error | None = None


class BinanceOrders(OrderWire):
    """The frames of one account. `symbols` are venue symbols of the orders placed, by our id."""

    def __init__(
        self, parameters_of: OrderParameters, symbol_id_of: Callable[[str], str | None]
    ) -> None:
        self._parameters_of = parameters_of
        self._symbol_id_of = symbol_id_of
        self._encode = msgspec.json.Encoder().encode
        self._decode = msgspec.json.Decoder(_Answer).decode

    def url(self, exchange: "TrioExchange") -> str:
        return str(exchange.urls["api"]["ws"]["ws-api"]["spot"])

    def submit(
        self,
        exchange: "TrioExchange",
        number: int,
        ticket: OrderTicket,
        instrument: Instrument,
        now_ns: int,
    ) -> bytes:
        params = self._parameters_of(ticket, instrument, now_ns)
        return self._signed(exchange, "order.place", params, number, now_ns)

    def cancel(
        self,
        exchange: "TrioExchange",
        number: int,
        client_order_id: str | None,
        venue_order_id: str | None,
        now_ns: int,
    ) -> bytes | None:
        params: dict[str, Any] = {}
        if venue_order_id is not None:
            params["symbol"], _, order_id = venue_order_id.rpartition("-")
            params["orderId"] = int(order_id)
        else:
            assert client_order_id is not None, "one of the two ids is given"
            params["symbol"] = self._symbol_id_of(client_order_id)
            params["origClientOrderId"] = client_order_id
            if params["symbol"] is None:
                return None
        return self._signed(exchange, "order.cancel", params, number, now_ns)

    def _signed(
        self,
        exchange: "TrioExchange",
        method: str,
        params: dict[str, Any],
        number: int,
        now_ns: int,
    ) -> bytes:
        ahead_ms = int(exchange.safe_integer(exchange.options, "timeDifference", 0))
        params["apiKey"] = exchange.apiKey
        params["timestamp"] = now_ns // NANOSECONDS_PER_MILLISECOND - ahead_ms
        payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = hmac.digest(
            exchange.secret.encode(), payload.encode(), "sha256"
        ).hex()
        return self._encode(_Request(str(number), method, params))

    def reply(self, text: str) -> Reply | None:
        try:
            answer = self._decode(text)
            number = int(answer.id) if answer.id is not None else None
        except (msgspec.DecodeError, UnicodeEncodeError, ValueError) as error:
            raise UnreadableReplyError(f"{error}: {text[:80]}") from error
        if number is None:
            return None
        if answer.error is not None:
            refusal: Mapping[str, object] = msgspec.structs.asdict(answer.error)
            return Reply(number, answer.status, refusal=dict(refusal))
        result = answer.result
        order_id = f"{result.symbol}-{result.order_id}" if result and result.order_id else ""
        return Reply(number, answer.status or OK, order_id)
