"""What clients say over a socket: ping, log in, subscribe, and orders; every message is a turn.

The address ends with `public`, `private` or `business`; each has its own channels. A connection on
which nobody says anything for half a minute is cut: clients send the text `ping`.
"""

from typing import NamedTuple

import msgspec
import trio

from venue.commits import Outgoing
from venue.engine import Engine
from venue.faults import Decision, Fault
from venue.protocols.okx_answers import outcome
from venue.protocols.okx_auth import login
from venue.protocols.okx_errors import OkxError
from venue.protocols.okx_limits import Charge, Limits
from venue.protocols.okx_names import microseconds
from venue.protocols.okx_orders import parse_rows
from venue.protocols.okx_public import PublicEndpoints
from venue.protocols.okx_streams import Arg, PublicStreams, parse_arg
from venue.protocols.okx_trade import WITH_DEADLINE, TradeEndpoints, check_deadline
from venue.protocols.okx_user import CHANNELS, UserStreams
from venue.websocket import WebSocketSession

Json = dict[str, object]

SILENCE_S = 30.0
_UNANSWERED = (Fault.LOSE_ACK, Fault.HANG)
_TRADE = {
    "order": "trade/order",
    "batch-orders": "trade/batch-orders",
    "cancel-order": "trade/cancel-order",
    "batch-cancel-orders": "trade/cancel-batch-orders",
    "amend-order": "trade/amend-order",
    "batch-amend-orders": "trade/amend-batch-orders",
}


class Operation(NamedTuple):
    """One message; arguments as text, as REST has them."""

    op: str
    request_id: str
    rows: list[dict[str, str]]
    deadline: str = ""


def parse_operation(message: bytes) -> Operation | None:
    """Return the operation in `message`, None when it is not one."""
    try:
        found = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
        op = msgspec.json.decode(found["op"], type=str)
        request_id = msgspec.json.decode(found.get("id", b'""'), type=str | int)
        rows = parse_rows(bytes(found.get("args", b"[]")))
        deadline = bytes(found.get("expTime", b"")).decode().strip('"')
    except (msgspec.DecodeError, KeyError, UnicodeDecodeError, OkxError):
        return None
    return Operation(op, str(request_id), rows, deadline)


class Sockets:
    """Answers every client."""

    def __init__(
        self,
        engine: Engine,
        public: PublicEndpoints,
        trade: TradeEndpoints,
        streams: PublicStreams,
        user: UserStreams,
        limits: Limits,
        *,
        is_demo: bool,
    ) -> None:
        self._engine = engine
        self._public = public
        self._trade = trade
        self._streams = streams
        self._user = user
        self._limits = limits
        self._is_demo = is_demo
        self._names = {str(code): name for name, code in public.codes.items()}
        self._heard_s: dict[WebSocketSession, float] = {}

    @property
    def sessions(self) -> list[WebSocketSession]:
        return list(self._heard_s)

    def opened(self, session: WebSocketSession) -> None:
        """Note a client."""
        self._heard_s[session] = trio.current_time()

    def closed(self, session: WebSocketSession) -> None:
        """Forget a client."""
        self._heard_s.pop(session, None)
        self._streams.subscriptions.forget(session)
        self._user.forget(session)

    def cut_silent(self) -> None:
        """Cut who said nothing and was told nothing for half a minute."""
        since_s = trio.current_time() - SILENCE_S
        for session, heard_s in self._heard_s.items():
            if max(heard_s, session.last_sent_s) < since_s:
                session.abort()

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        """Handle one message and answer it."""
        self._heard_s[session] = trio.current_time()
        if message == b"ping":
            session.send(b"pong", "answer")
            return
        operation = parse_operation(message)
        if operation is not None and operation.op in _TRADE:
            await self._order(session, operation)
            return
        now_ns = self._engine.advance()
        await self._engine.settle(self._control(session, operation, message, now_ns))

    # --- control -------------------------------------------------------------------------------

    def _control(
        self,
        session: WebSocketSession,
        operation: Operation | None,
        message: bytes,
        now_ns: int,
    ) -> list[Outgoing]:
        if operation is None:
            text = message.decode("utf-8", "replace")
            return [self._error(session, OkxError("60012", f"Illegal request: {text}"))]
        outgoing: list[Outgoing] = []
        try:
            self._limits.charge_operation(session.number, now_ns)
            if operation.op == "login":
                return [self._log_in(session, operation, now_ns)]
            if operation.op not in ("subscribe", "unsubscribe"):
                raise OkxError("60019", f"Invalid op: {operation.op}")
            for row in operation.rows:
                outgoing += self._subscription(session, operation.op, parse_arg(row), now_ns)
        except OkxError as error:
            outgoing.append(self._error(session, error))
        return outgoing

    def _log_in(self, session: WebSocketSession, operation: Operation, now_ns: int) -> Outgoing:
        if not operation.rows:
            raise OkxError("60013", "Invalid args")
        account = login(
            self._engine.accounts_by_key,
            session,
            operation.rows[0],
            now_ns,
            is_demo=self._is_demo,
        )
        self._user.log_in(session, account)
        return self._said(session, {"event": "login", "code": "0", "msg": ""})

    def _subscription(
        self, session: WebSocketSession, op: str, arg: Arg, now_ns: int
    ) -> list[Outgoing]:
        path = session.path.rstrip("/").rpartition("/")[2]
        if arg.channel not in CHANNELS:
            self._streams.check(arg, path)
        elif self._user.account_of(session) is None:
            raise OkxError("60011", "Please log in")
        else:
            self._user.check(arg, path)
        said = [self._said(session, {"event": op, "arg": arg.json()})]
        keeper = self._user if arg.channel in CHANNELS else self._streams
        if op == "subscribe":
            return said + keeper.subscribe(session, arg, now_ns)
        keeper.subscriptions.unsubscribe(session, arg)
        return said

    def _error(self, session: WebSocketSession, error: OkxError) -> Outgoing:
        return self._said(session, {"event": "error", "code": error.code, "msg": error.text})

    @staticmethod
    def _said(session: WebSocketSession, answer: Json) -> Outgoing:
        frame = msgspec.json.encode({**answer, "connId": f"{session.number:08x}"})
        return Outgoing(session, frame, "answer")

    # --- orders --------------------------------------------------------------------------------

    async def _order(self, session: WebSocketSession, operation: Operation) -> None:
        decision = self._engine.faults.for_request(operation.op)
        if decision is not None and decision.fault is Fault.LATE_START:
            await trio.sleep(decision.duration_ms / 1_000)
        now_ns = self._engine.advance()
        frame = msgspec.json.encode(self._answer(session, operation, now_ns, decision))
        if decision is None:
            await self._engine.settle([Outgoing(session, frame, "answer")])
            return
        await self._engine.settle()
        if decision.fault in _UNANSWERED:
            return
        if decision.fault is Fault.SLOW_REPLY:
            await trio.sleep(decision.duration_ms / 1_000)
        is_cut = decision.fault in (Fault.TRUNCATE, Fault.GARBAGE)
        session.send(frame[: len(frame) // 2] if is_cut else frame, "answer")

    def _answer(
        self,
        session: WebSocketSession,
        operation: Operation,
        now_ns: int,
        decision: Decision | None,
    ) -> Json:
        head: Json = {"id": operation.request_id, "op": operation.op}
        busy: Json = {"code": "50026", "msg": "System error. Try again later.", "data": []}
        if decision is not None and decision.fault is Fault.REFUSE:
            return head | {"code": "50001", "msg": "Service temporarily unavailable.", "data": []}
        try:
            rows = self._result(session, operation, now_ns)
        except OkxError as error:
            return head | {"code": error.code, "msg": error.text, "data": []}
        if decision is not None and decision.fault in (Fault.HTTP_5XX, Fault.HTTP_429):
            return head | busy
        code, text = outcome(rows)
        at = microseconds(now_ns)
        times: Json = {"inTime": at, "outTime": at}
        return {**head, "code": code, "msg": text, "data": rows, **times}

    def _result(self, session: WebSocketSession, operation: Operation, now_ns: int) -> list[Json]:
        account = self._user.account_of(session)
        if account is None:
            raise OkxError("60011", "Please log in")
        if not operation.rows:
            raise OkxError("60013", "Invalid args")
        rows = [self._named(row) for row in operation.rows]
        endpoint = _TRADE[operation.op]
        if endpoint in WITH_DEADLINE:
            check_deadline(operation.deadline, now_ns)
        instruments = tuple(row.get("instId", "") for row in rows)
        charge = Charge("POST", endpoint, instruments)
        self._limits.charge(f"account {account.number}", charge, now_ns)
        return self._trade.run(endpoint, account, rows, now_ns)

    def _named(self, row: dict[str, str]) -> dict[str, str]:
        """Return a row with the instrument's name in place of its number."""
        name = self._names.get(row.get("instIdCode", ""))
        return row if name is None or row.get("instId") else {**row, "instId": name}
