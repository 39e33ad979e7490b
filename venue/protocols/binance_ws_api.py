"""Binance's WebSocket API: the same endpoints as REST, asked for by name on a socket.

Every request is one turn. Requests are signed one by one with the account's HMAC key, as ccxt does;
`session.logon` is refused, since Binance takes Ed25519 keys only for it and the box has none.
"""

from typing import NamedTuple

import msgspec
import trio

from venue.accounts import Account
from venue.commits import Outgoing
from venue.engine import Engine
from venue.faults import Decision, Fault
from venue.protocols.binance_auth import authenticate_socket
from venue.protocols.binance_errors import BinanceError
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_futures import FuturesEndpoints
from venue.protocols.binance_limits import Limits, weight_of
from venue.protocols.binance_private import Answer, Method
from venue.protocols.binance_public import PublicEndpoints
from venue.protocols.binance_spot import CancelReplaceError, SpotEndpoints
from venue.protocols.binance_user import UserStreams
from venue.refusals import RefusedError
from venue.websocket import WebSocketSession

Json = dict[str, object]

OK = 200
_UNANSWERED = (Fault.LOSE_ACK, Fault.HANG)
_PUBLIC = {
    "ping": "ping",
    "time": "time",
    "exchangeInfo": "exchangeInfo",
    "depth": "depth",
    "trades.recent": "trades",
    "trades.aggregate": "aggTrades",
    "klines": "klines",
    "ticker.24hr": "ticker/24hr",
    "ticker.price": "ticker/price",
    "ticker.book": "ticker/bookTicker",
    "avgPrice": "avgPrice",
}
_SPOT = {
    "order.place": ("POST", "order"),
    "order.test": ("POST", "order/test"),
    "order.cancel": ("DELETE", "order"),
    "order.cancelReplace": ("POST", "order/cancelReplace"),
    "order.status": ("GET", "order"),
    "openOrders.status": ("GET", "openOrders"),
    "openOrders.cancelAll": ("DELETE", "openOrders"),
    "allOrders": ("GET", "allOrders"),
    "myTrades": ("GET", "myTrades"),
    "account.status": ("GET", "account"),
    "account.commission": ("GET", "account/commission"),
}
_FUTURES = {
    "order.place": ("POST", "order"),
    "order.modify": ("PUT", "order"),
    "order.cancel": ("DELETE", "order"),
    "order.status": ("GET", "order"),
    "algoOrder.place": ("POST", "algoOrder"),
    "algoOrder.cancel": ("DELETE", "algoOrder"),
    "account.status": ("GET", "account"),
    "v2/account.status": ("GET", "account"),
    "account.balance": ("GET", "balance"),
    "v2/account.balance": ("GET", "balance"),
    "account.position": ("GET", "positionRisk"),
    "v2/account.position": ("GET", "positionRisk"),
}


class SocketRequest(NamedTuple):
    """One message; parameters as text, as REST has them."""

    request_id: object
    method: str
    parameters: dict[str, str]


def parse_request(message: bytes) -> SocketRequest | None:
    """Return the request in `message`, None when it is not one."""
    try:
        found = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
        method = msgspec.json.decode(found["method"], type=str)
        given = msgspec.json.decode(found.get("params", b"{}"), type=dict[str, msgspec.Raw])
        request_id: object = msgspec.json.decode(found.get("id", b"null"))
        parameters = {name: _text(bytes(raw)) for name, raw in given.items()}
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError):
        return None
    return SocketRequest(request_id, method, parameters)


def _text(raw: bytes) -> str:
    """Return a JSON value as a form would carry it, numbers exactly as they were written."""
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()


class SocketApi:
    """Answers every client of the WebSocket API."""

    def __init__(
        self,
        engine: Engine,
        flavor: Flavor,
        public: PublicEndpoints,
        private: SpotEndpoints | FuturesEndpoints,
        user: UserStreams,
        limits: Limits,
    ) -> None:
        self._engine = engine
        self._flavor = flavor
        self._public = public
        self._private = private
        self._user = user
        self._limits = limits
        self._names = _FUTURES if flavor.is_futures else _SPOT

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        """Handle one request and answer it."""
        request = parse_request(message)
        if request is None:
            error = {"code": -1130, "msg": "Malformed request."}
            session.send(msgspec.json.encode({"id": None, "status": 400, "error": error}), "answer")
            return
        decision = None
        if request.method in self._names:
            decision = self._engine.faults.for_request(request.method)
        if decision is not None and decision.fault is Fault.LATE_START:
            await trio.sleep(decision.duration_ms / 1_000)
        now_ns = self._engine.advance()
        frame = msgspec.json.encode(self._answer(session, request, now_ns, decision))
        if decision is None:
            await self._engine.settle([Outgoing(session, frame, "answer")])
            return
        await self._engine.settle()
        await self._answer_badly(session, frame, decision)

    async def _answer_badly(
        self, session: WebSocketSession, frame: bytes, decision: Decision
    ) -> None:
        if decision.fault in _UNANSWERED:
            return
        if decision.fault is Fault.SLOW_REPLY:
            await trio.sleep(decision.duration_ms / 1_000)
        is_cut = decision.fault in (Fault.TRUNCATE, Fault.GARBAGE)
        session.send(frame[: len(frame) // 2] if is_cut else frame, "answer")

    def _answer(
        self,
        session: WebSocketSession,
        request: SocketRequest,
        now_ns: int,
        decision: Decision | None,
    ) -> Json:
        unavailable = {"code": -1000, "msg": "An unknown error occurred while processing."}
        head: Json = {"id": request.request_id}
        if decision is not None and decision.fault is Fault.REFUSE:
            return {**head, "status": 503, "error": unavailable}
        try:
            result = self._result(session, request, now_ns)
            answer: Json = {**head, "status": OK, "result": result, "rateLimits": []}
        except RefusedError as error:
            code, text = self._flavor.refusals[error.refusal]
            answer = {**head, "status": 400, "error": {"code": code, "msg": text}}
        except CancelReplaceError as error:
            failure = {"code": error.code, "msg": error.text, "data": error.data}
            answer = {**head, "status": error.status, "error": failure}
        except BinanceError as error:
            answer = {
                **head,
                "status": error.status,
                "error": {"code": error.code, "msg": error.text},
            }
        if decision is not None and decision.fault in (Fault.HTTP_5XX, Fault.HTTP_429):
            return {**head, "status": 500, "error": unavailable}
        return answer

    def _result(self, session: WebSocketSession, request: SocketRequest, now_ns: int) -> object:
        method, given = request.method, request.parameters
        if method in _PUBLIC:
            endpoint = _PUBLIC[method]
            weight = weight_of(self._flavor, "GET", endpoint, given)
            self._limits.charge(session.peer, weight, now_ns)
            return self._public.methods[endpoint](given, now_ns)
        if method in ("session.logon", "session.status", "session.logout"):
            raise BinanceError(-4056, "HMAC_SHA256 API key is not supported.")
        if method == "userDataStream.unsubscribe":
            self._user.unsubscribe(session)
            return {}
        known = method in self._names or method.startswith("userDataStream.")
        if not known:
            raise BinanceError(-1000, f"Unknown method '{method}'.")
        account = authenticate_socket(self._engine.accounts_by_key, given, now_ns)
        return self._private_result(session, account, request, now_ns)

    def _private_result(
        self, session: WebSocketSession, account: Account, request: SocketRequest, now_ns: int
    ) -> object:
        method, given = request.method, request.parameters
        if method == "userDataStream.subscribe.signature" and not self._flavor.is_futures:
            self._limits.charge(session.peer, 2, now_ns)
            return {"subscriptionId": self._user.subscribe(session, account)}
        if method not in self._names:
            raise BinanceError(-1000, f"Unknown method '{method}'.")
        key = self._names[method]
        self._limits.charge(session.peer, weight_of(self._flavor, *key, given), now_ns)
        if key[0] == "POST":
            self._limits.charge_order(account.number, now_ns)
        handler: Method = self._private.methods[key]
        result: Answer = handler(account, given, now_ns)
        return result
