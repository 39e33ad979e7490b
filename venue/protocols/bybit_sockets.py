"""The sockets: who is connected where, and what they ask: auth, subscribe, unsubscribe, ping."""

from typing import NamedTuple

import msgspec

from venue.commits import Outgoing
from venue.engine import Engine
from venue.protocols.bybit_auth import authenticate_socket
from venue.protocols.bybit_errors import BybitError
from venue.protocols.bybit_names import LINEAR, SPOT, milliseconds
from venue.protocols.bybit_streams import PublicStreams, Topic
from venue.protocols.bybit_trade import TradeSocket
from venue.protocols.bybit_user import UserStreams
from venue.streams import TooManyStreamsError
from venue.websocket import WebSocketSession

Json = dict[str, object]

PUBLIC = {"/v5/public/spot": SPOT, "/v5/public/linear": LINEAR}
# Of which the box lists nothing; a client may connect, and every topic is unknown.
EMPTY = ("/v5/public/inverse", "/v5/public/option")
_LINEAR_PATH = "/v5/public/linear"
PRIVATE = "/v5/private"
TRADE = "/v5/trade"
SPOT_TOPICS_MAX = 10
"""Topics in one request on the spot socket."""


class Control(NamedTuple):
    """A request on a socket."""

    op: str
    request_id: str
    arguments: list[str]


def parse_control(message: bytes) -> Control | None:
    """Return the request in `message`, None when it is not one."""
    try:
        found = msgspec.json.decode(message)
        arguments = found.get("args") or []
        request_id = str(found.get("req_id") or "")
        return Control(str(found["op"]), request_id, [_argument(each) for each in arguments])
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError, UnicodeDecodeError):
        return None


def _argument(found: object) -> str:
    return str(int(found)) if isinstance(found, float) else str(found)


class Sockets:
    """All connected clients."""

    def __init__(
        self, engine: Engine, streams: PublicStreams, user: UserStreams, trade: TradeSocket
    ) -> None:
        self._engine = engine
        self._streams = streams
        self._user = user
        self._trade = trade
        self.sessions: dict[WebSocketSession, None] = {}

    def opened(self, session: WebSocketSession) -> None:
        """Note a client; cut one that came to where nothing is."""
        if session.path not in (*PUBLIC, *EMPTY, PRIVATE, TRADE):
            session.abort()
            return
        self.sessions[session] = None

    def closed(self, session: WebSocketSession) -> None:
        """Forget a client."""
        self.sessions.pop(session, None)
        self._streams.subscriptions.forget(session)
        self._user.forget(session)
        self._trade.forget(session)

    def revoke_all(self) -> None:
        """Cut everybody who has said who they are."""
        for session in self._user.revoke_all():
            session.abort()
        self._trade.revoke_all()

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        """Handle one message and answer it."""
        if session.path == TRADE:
            await self._trade.received(session, message)
            return
        control = parse_control(message)
        now_ns = self._engine.now_ns()
        if control is None:
            answer = _outcome(session, Control("", "", []), "error:invalid op")
            await self._settle(session, answer, [])
        elif control.op == "ping":
            await self._settle(session, self._pong(session, control, now_ns), [])
        elif control.op == "auth" and session.path == PRIVATE:
            await self._settle(session, self._log_on(session, control, now_ns), [])
        elif control.op in ("subscribe", "unsubscribe"):
            # A book is cut where its snapshot is: what the market did until now belongs to it.
            now_ns = self._engine.advance()
            fault, first = self._subscribe(session, control, now_ns)
            await self._settle(session, _outcome(session, control, fault), first)
        else:
            await self._settle(session, _outcome(session, control, "error:invalid op"), [])

    async def _settle(self, session: WebSocketSession, answer: Json, first: list[Outgoing]) -> None:
        said = Outgoing(session, msgspec.json.encode(answer), "answer")
        # As at Bybit: linear's snapshots come before the word that they were subscribed.
        is_late = session.path == _LINEAR_PATH
        await self._engine.settle([*first, said] if is_late else [said, *first])

    def _pong(self, session: WebSocketSession, control: Control, now_ns: int) -> Json:
        if session.path == PRIVATE:
            answer: Json = {"op": "pong", "args": [milliseconds(now_ns)]}
        else:
            answer = {"success": True, "ret_msg": "pong", "op": "ping"}
        return {**answer, "req_id": control.request_id, "conn_id": _name(session)}

    def _log_on(self, session: WebSocketSession, control: Control, now_ns: int) -> Json:
        try:
            account = authenticate_socket(self._engine.accounts_by_key, control.arguments, now_ns)
        except BybitError as error:
            request = {"op": "auth", "args": control.arguments[:2]}
            return {**_outcome(session, control, error.text), "request": request}
        self._user.listen(session, account)
        return _outcome(session, control, "")

    def _subscribe(
        self, session: WebSocketSession, control: Control, now_ns: int
    ) -> tuple[str, list[Outgoing]]:
        """Return what is wrong, if anything, and what the subscriber begins with."""
        if session.path == PRIVATE:
            return self._subscribe_private(session, control), []
        category = PUBLIC.get(session.path, "")
        if category == SPOT and len(control.arguments) > SPOT_TOPICS_MAX:
            return f"args size >{SPOT_TOPICS_MAX}", []
        topics = [Topic(category, name) for name in control.arguments]
        for topic in topics:
            if self._streams.parse(topic) is None:
                return f"error:handler not found,topic:{topic.name}", []
        own = self._streams.subscriptions.of(session)
        first: list[Outgoing] = []
        for topic in topics:
            if control.op == "unsubscribe":
                self._streams.subscriptions.unsubscribe(session, topic)
            elif topic in own:
                return f"error:already subscribed,topic:{topic.name}", first
            else:
                try:
                    first += self._streams.subscribe(session, topic, now_ns)
                except TooManyStreamsError:
                    return "error:too many topics on one connection", first
        return "", first

    def _subscribe_private(self, session: WebSocketSession, control: Control) -> str:
        if not self._user.is_known(session):
            return "Request not authorized"
        for topic in control.arguments:
            if control.op == "unsubscribe":
                self._user.unsubscribe(session, topic)
            elif not self._user.subscribe(session, topic):
                return f"error:handler not found,topic:{topic}"
        return ""


def _name(session: WebSocketSession) -> str:
    return f"box-{session.number}"


def _outcome(session: WebSocketSession, control: Control, fault: str) -> Json:
    words = fault
    if not fault and session.path == "/v5/public/spot":
        words = control.op
    answer: Json = {"success": not fault, "ret_msg": words, "conn_id": _name(session)}
    return {**answer, "req_id": control.request_id, "op": control.op}
