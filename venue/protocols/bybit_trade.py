"""The trade socket: orders as by REST, one request per message, with headers of their own."""

import msgspec
import trio

from venue.accounts import Account
from venue.commits import Outgoing
from venue.engine import Engine
from venue.faults import Decision, Fault
from venue.protocols.bybit_auth import RECEIVE_WINDOW_MS, authenticate_socket, check_time
from venue.protocols.bybit_errors import REFUSALS, BybitError, Headers
from venue.protocols.bybit_limits import Limits
from venue.protocols.bybit_names import SPOT, milliseconds
from venue.protocols.bybit_private import OrderEndpoints, Request, parse_body
from venue.refusals import RefusedError
from venue.websocket import WebSocketSession

Json = dict[str, object]

_METHODS = ("order.create", "order.amend", "order.cancel")
_UNANSWERED = (Fault.LOSE_ACK, Fault.HANG)
# How far back a repeated id is known: a minute of orders at the highest rate of one account.
IDS_KEPT_MAX = 1_200
BUSY = (10016, "Internal server error.")


class Message(msgspec.Struct):
    """One request."""

    op: str = ""
    reqId: str = ""  # noqa: N815 - Bybit's name
    header: dict[str, str] = {}
    args: list[msgspec.Raw] = []


class TradeSocket:
    """Answers every client of `/v5/trade`."""

    def __init__(self, engine: Engine, orders: OrderEndpoints, limits: Limits) -> None:
        self._engine = engine
        self._orders = orders
        self._limits = limits
        self._accounts: dict[WebSocketSession, Account] = {}
        self._used: dict[WebSocketSession, dict[str, None]] = {}
        """The ids of a connection's last requests, oldest first."""
        self._decoder = msgspec.json.Decoder(Message)

    def forget(self, session: WebSocketSession) -> None:
        """Forget a connection that is gone."""
        self._accounts.pop(session, None)
        self._used.pop(session, None)

    def revoke_all(self) -> None:
        """Forget who has logged on."""
        self._accounts.clear()

    async def received(self, session: WebSocketSession, frame: bytes) -> None:
        """Handle one message and answer it."""
        try:
            message = self._decoder.decode(frame)
        except msgspec.DecodeError:
            message = Message()
        decision = None
        if message.op in _METHODS:
            decision = self._engine.faults.for_request(message.op)
        if decision is not None and decision.fault is Fault.LATE_START:
            await trio.sleep(decision.duration_ms / 1_000)
        now_ns = self._engine.advance()
        answer = msgspec.json.encode(self._answer(session, message, now_ns, decision))
        if decision is None:
            await self._engine.settle([Outgoing(session, answer, "answer")])
            return
        await self._engine.settle()
        await _answer_badly(session, answer, decision)

    def _answer(
        self,
        session: WebSocketSession,
        message: Message,
        now_ns: int,
        decision: Decision | None,
    ) -> Json:
        head: Json = {"op": message.op, "connId": f"box-{session.number}"}
        if message.reqId:
            head["reqId"] = message.reqId
        if message.op == "ping":
            return {**head, "retCode": 0, "retMsg": "OK", "op": "pong", "data": []}
        if message.op == "auth":
            return {**head, **self._log_on(session, message, now_ns)}
        code, text = BUSY
        data: Json = {}
        headers: Headers = ()
        category = ""
        if decision is None or decision.fault is not Fault.REFUSE:
            try:
                request = self._request(session, message, now_ns)
                category = request.given.get("category", "")
                account = self._accounts[session]
                endpoint = message.op.replace(".", "/")
                headers = self._limits.charge(account.number, endpoint, category, now_ns)
                data = self._orders.methods["POST", endpoint](account, request.given, now_ns)
                code, text = 0, "OK"
            except RefusedError as error:
                code, text = REFUSALS[category or SPOT][error.refusal]
            except BybitError as error:
                code, text, headers = error.code, error.text, error.headers or headers
        if decision is not None and decision.fault in (Fault.HTTP_5XX, Fault.HTTP_429):
            code, text = BUSY
            data = {}
        told = {**dict(headers), "Traceid": "box", "Timenow": milliseconds(now_ns)}
        return {**head, "retCode": code, "retMsg": text, "data": data, "header": told}

    def _request(self, session: WebSocketSession, message: Message, now_ns: int) -> Request:
        if message.op not in _METHODS:
            raise BybitError(10404, "op type is not found")
        if session not in self._accounts:
            raise BybitError(10003, "You are not authorized: send auth first")
        self._check_id(session, message.reqId)
        timestamp = message.header.get("X-BAPI-TIMESTAMP", "")
        window = message.header.get("X-BAPI-RECV-WINDOW", RECEIVE_WINDOW_MS)
        check_time(timestamp, window, now_ns)
        if len(message.args) != 1:
            raise BybitError(10001, "args must hold one order")
        return parse_body(bytes(message.args[0]))

    def _check_id(self, session: WebSocketSession, request_id: str) -> None:
        used = self._used.setdefault(session, {})
        if request_id in used:
            raise BybitError(20006, "reqId is duplicated")
        if request_id:
            used[request_id] = None
        if len(used) > IDS_KEPT_MAX:
            del used[next(iter(used))]

    def _log_on(self, session: WebSocketSession, message: Message, now_ns: int) -> Json:
        if session in self._accounts:
            return {"retCode": 20001, "retMsg": "Repeat auth"}
        try:
            given = [bytes(raw).decode().strip('"') for raw in message.args]
            account = authenticate_socket(self._engine.accounts_by_key, given, now_ns)
        except (BybitError, UnicodeDecodeError) as error:
            code = error.code if isinstance(error, BybitError) else 10001
            return {"retCode": code, "retMsg": str(error)}
        self._accounts[session] = account
        return {"retCode": 0, "retMsg": "OK"}


async def _answer_badly(session: WebSocketSession, answer: bytes, decision: Decision) -> None:
    if decision.fault in _UNANSWERED:
        return
    if decision.fault is Fault.SLOW_REPLY:
        await trio.sleep(decision.duration_ms / 1_000)
    is_cut = decision.fault in (Fault.TRUNCATE, Fault.GARBAGE)
    session.send(answer[: len(answer) // 2] if is_cut else answer, "answer")
