"""Kraken's WebSocket v2: requests, answers and trading. Both hosts in one.

Every request is one turn: what it changes is committed before its answer leaves, and answers leave
in the order of the requests.
"""

import json
from decimal import Decimal
from typing import NamedTuple

import trio

from venue.accounts import Account
from venue.commits import Outgoing
from venue.engine import Engine
from venue.faults import Decision, Fault
from venue.protocols import kraken_orders as parsing
from venue.protocols.kraken_errors import ORDER_RATE_LIMIT, REFUSALS, UNAVAILABLE, KrakenError
from venue.protocols.kraken_feeds import encode
from venue.protocols.kraken_names import timestamp
from venue.protocols.kraken_private import PrivateEndpoints
from venue.protocols.kraken_subscriptions import Subscriptions, failure, success
from venue.protocols.kraken_views import Json
from venue.refusals import RefusedError
from venue.websocket import WebSocketSession

TRADING_METHODS = (
    "add_order",
    "amend_order",
    "cancel_order",
    "cancel_all",
    "cancel_all_orders_after",
)
_REFUSED_AFTERWARDS = (Fault.HTTP_429, Fault.HTTP_5XX)
_UNANSWERED = (Fault.LOSE_ACK, Fault.HANG)


# A number with a larger exponent is no amount of anything, and its digits would fill the memory.
EXPONENT_MAX = 30


class WebSocketRequest(NamedTuple):
    """One message of a client; parameters as text, as REST has them."""

    method: str
    parameters: dict[str, str]
    ids: Json
    """`req_id` to be repeated in answers, if there was one."""


def parse_request(message: bytes) -> WebSocketRequest | None:
    """Return the request in `message`; None when it is not one."""
    try:
        request = json.loads(message, parse_float=Decimal)
        method = request["method"]
        given = request.get("params") or {}
        parameters = _texts(given)
        request_id = request.get("req_id")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    if not isinstance(method, str) or not isinstance(request_id, int | None):
        return None
    return WebSocketRequest(
        method, parameters, {} if request_id is None else {"req_id": request_id}
    )


def _texts(given: Json) -> dict[str, str]:
    """Return parameters as text; those of an object in them as `triggers.price`."""
    inner = {
        f"{name}.{key}": _text(each)
        for name, value in given.items()
        if isinstance(value, dict)
        for key, each in value.items()
    }
    plain = {name: _text(v) for name, v in given.items() if not isinstance(v, dict)}
    return plain | inner


def _text(value: object) -> str:
    """Return a JSON value as text, numbers exactly."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        _, _, exponent = value.as_tuple()
        is_sane = isinstance(exponent, int) and abs(exponent) <= EXPONENT_MAX
        return format(value, "f") if is_sane else "out of range"
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return "" if value is None else str(value)


class KrakenWebSocket:
    """Answers every WebSocket client of the box."""

    def __init__(
        self, engine: Engine, private: PrivateEndpoints, subscriptions: Subscriptions
    ) -> None:
        self._engine = engine
        self._private = private
        self._subscriptions = subscriptions

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        """Handle one message of a client and answer it."""
        request = parse_request(message)
        if request is None:
            session.send(encode(failure("Malformed request")), "answer")
            return
        decision = None
        if request.method in TRADING_METHODS:
            decision = self._engine.faults.for_request(request.method)
        if decision is not None and decision.fault is Fault.LATE_START:
            await trio.sleep(decision.duration_ms / 1_000)
        now_ns = self._engine.advance()
        answers, snapshots = self._handle(session, request, now_ns, decision)
        if decision is not None and decision.fault in _REFUSED_AFTERWARDS:
            answers = [failure(UNAVAILABLE)]
        name = "pong" if request.method == "ping" else request.method
        times = {"time_in": timestamp(now_ns), "time_out": timestamp(self._engine.now_ns())}
        named = [{"method": name, **request.ids, **answer, **times} for answer in answers]
        outgoing = [Outgoing(session, encode(answer), "answer") for answer in named]
        outgoing += [Outgoing(session, frame, "snapshot") for frame in snapshots]
        if decision is None:
            await self._engine.settle(outgoing)
        else:
            await self._engine.settle()
            await self._answer_badly(outgoing, decision)

    async def _answer_badly(self, outgoing: list[Outgoing], decision: Decision) -> None:
        if decision.fault in _UNANSWERED:
            return
        if decision.fault is Fault.SLOW_REPLY:
            await trio.sleep(decision.duration_ms / 1_000)
        for receiver, frame, channel in outgoing:
            cut = decision.fault in (Fault.TRUNCATE, Fault.GARBAGE)
            receiver.send(frame[: len(frame) // 2] if cut else frame, channel)

    def _handle(
        self,
        session: WebSocketSession,
        request: WebSocketRequest,
        now_ns: int,
        decision: Decision | None,
    ) -> tuple[list[Json], list[bytes]]:
        """Return the answers to a request, and the snapshots that follow them."""
        if decision is not None and decision.fault is Fault.REFUSE:
            return [failure(UNAVAILABLE)], []
        answers: list[Json] = [failure("Unsupported method")]
        frames: list[bytes] = []
        method, parameters = request.method, request.parameters
        try:
            if method == "ping":
                answers = [{}]
            elif method in ("subscribe", "unsubscribe"):
                answers, frames = self._subscriptions.switch(session, method, parameters, now_ns)
            elif method in TRADING_METHODS:
                account = self._subscriptions.authorised(session, parameters, now_ns)
                answers = self._trade(method, account, parameters, now_ns)
        except KrakenError as error:
            answers = [failure(error.text)]
        except RefusedError as error:
            answers = [failure(REFUSALS[error.refusal])]
        return answers, frames

    def _trade(
        self, method: str, account: Account, parameters: dict[str, str], now_ns: int
    ) -> list[Json]:
        if method == "add_order":
            return [success(self._add_order(account, parameters, now_ns))]
        if method == "amend_order":
            order, amend_id = self._private.amend(account, parameters, now_ns)
            return [success({"amend_id": amend_id, "order_id": order.txid})]
        if method == "cancel_all":
            return [success({"count": self._engine.exchange.cancel_all(account, now_ns)})]
        if method == "cancel_all_orders_after":
            return [success(self._private.cancel_after(account, parameters, now_ns))]
        names = [
            (key, name)
            for key in ("order_id", "cl_ord_id", "order_userref")
            for name in parameters.get(key, "").split(",")
            if name
        ]
        return [self._cancel(account, key, name, now_ns) for key, name in names] or [
            failure("EGeneral:Invalid arguments:order_id")
        ]

    def _add_order(self, account: Account, parameters: dict[str, str], now_ns: int) -> Json:
        symbol = parameters.get("symbol", "")
        listing = self._engine.listings.get(symbol)
        if listing is None:
            raise KrakenError(f"Currency pair not supported {symbol}")
        order_parameters = parsing.from_websocket(parameters)
        exchange = self._engine.exchange
        request = parsing.order_request(exchange, listing.instrument, order_parameters, now_ns)
        if parameters.get("validate") == "true":
            exchange.check(account, request)
            return {}
        if not self._private.limits.allows_order(account.number, symbol, now_ns):
            raise KrakenError(ORDER_RATE_LIMIT)
        order = exchange.place(account, request, now_ns)
        result: Json = {"order_id": order.txid}
        if order.client_order_id:
            result["cl_ord_id"] = order.client_order_id
        if order.user_reference:
            result["order_userref"] = order.user_reference
        return result

    def _cancel(self, account: Account, key: str, name: str, now_ns: int) -> Json:
        try:
            self._private.cancel_orders(account, [name], now_ns)
        except KrakenError as error:
            return {**failure(error.text), key: name}
        return success({key: name})
