"""KuCoin's sockets: bullet tokens, the welcome, subscriptions, pings."""

from typing import NamedTuple
from urllib.parse import parse_qs

import msgspec

from venue.accounts import Account
from venue.commits import Outgoing
from venue.engine import Engine
from venue.http import HttpRequest
from venue.ids import token
from venue.protocols.kucoin_names import SECOND_NS
from venue.protocols.kucoin_public import Json
from venue.protocols.kucoin_streams import PublicTopics
from venue.protocols.kucoin_user import TOPICS, UserTopics
from venue.streams import TooManyStreamsError
from venue.websocket import WebSocketSession

PATH = "/endpoint"
PING_INTERVAL_MS = 18_000
PING_TIMEOUT_MS = 10_000
TOKEN_NS = 24 * 3_600 * SECOND_NS
TOKENS_MAX = 10_000
# KuCoin's bound for one connection.
TOPICS_MAX = 400


class _Token(NamedTuple):
    account: int
    """0: a public one."""
    until_ns: int


class Sockets:
    """Every connected client."""

    def __init__(self, engine: Engine, topics: PublicTopics, user: UserTopics) -> None:
        self._engine = engine
        self._topics = topics
        self._user = user
        self._tokens: dict[str, _Token] = {}
        self._heard_ns: dict[WebSocketSession, int] = {}

    @property
    def sessions(self) -> list[WebSocketSession]:
        """The connected clients."""
        return list(self._heard_ns)

    def bullet(self, request: HttpRequest, account: Account | None, now_ns: int) -> Json:
        """Return a token and where to connect with it."""
        number = self._engine.records.next_number("token")
        text = token(number, self._engine.config.seed)
        owner = 0 if account is None else account.number
        self._tokens[text] = _Token(owner, now_ns + TOKEN_NS)
        if len(self._tokens) > TOKENS_MAX:
            del self._tokens[next(iter(self._tokens))]
        server = {
            "endpoint": f"ws://{request.headers.get('host', '127.0.0.1')}{PATH}",
            "encrypt": False,
            "protocol": "websocket",
            "pingInterval": PING_INTERVAL_MS,
            "pingTimeout": PING_TIMEOUT_MS,
        }
        return {"token": text, "instanceServers": [server]}

    def revoke_tokens(self) -> None:
        """Forget every token; connections stay."""
        self._tokens.clear()

    def opened(self, session: WebSocketSession) -> None:
        """Welcome a client, or say that its token is none."""
        now_ns = self._engine.now_ns()
        self._heard_ns[session] = now_ns
        query = parse_qs(session.query)
        connect_id = query.get("connectId", [""])[0]
        known = self._tokens.get(query.get("token", [""])[0])
        if known is None or known.until_ns <= now_ns:
            failure = {"id": connect_id, "type": "error", "code": 401, "data": "token is expired"}
            session.send(msgspec.json.encode(failure), "answer")
            del self._heard_ns[session]
            return
        if known.account:
            self._user.opened(session, known.account)
        session.send(msgspec.json.encode({"id": connect_id, "type": "welcome"}), "answer")

    def closed(self, session: WebSocketSession) -> None:
        """Forget a client that is gone."""
        self._heard_ns.pop(session, None)
        self._topics.subscriptions.forget(session)
        self._user.closed(session)

    def drop_silent(self, now_ns: int) -> None:
        """Cut whoever has not sent a ping for too long."""
        patience_ns = (PING_INTERVAL_MS + PING_TIMEOUT_MS) * 1_000_000
        for session, heard_ns in list(self._heard_ns.items()):
            if now_ns - heard_ns > patience_ns:
                session.abort()

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        """Handle one message and answer it."""
        if session not in self._heard_ns:
            session.abort()
            return
        self._heard_ns[session] = self._engine.now_ns()
        answer = self._answer(session, message)
        outgoing = [] if answer is None else [answer]
        await self._engine.settle(
            [Outgoing(session, msgspec.json.encode(each), "answer") for each in outgoing]
        )

    def _answer(self, session: WebSocketSession, message: bytes) -> Json | None:
        try:
            found = msgspec.json.decode(message, type=dict[str, object])
        except msgspec.DecodeError:
            return {"id": "", "type": "error", "code": 400, "data": "the message is not JSON"}
        asked_id, kind = found.get("id", ""), found.get("type")
        if kind == "ping":
            return {"id": asked_id, "type": "pong"}
        if kind not in ("subscribe", "unsubscribe"):
            return {"id": asked_id, "type": "error", "code": 415, "data": "type is not supported"}
        failure = self._change(session, str(found.get("topic", "")), is_on=kind == "subscribe")
        if failure is not None:
            return {"id": asked_id, "type": "error", **failure}
        return {"id": asked_id, "type": "ack"} if found.get("response") else None

    def _change(self, session: WebSocketSession, topic: str, *, is_on: bool) -> Json | None:
        """Subscribe or unsubscribe; return what is wrong with it."""
        if topic in TOPICS:
            return self._change_private(session, topic, is_on=is_on)
        topics = self._topics.parse(topic)
        if topics is None:
            return {"code": 404, "data": f"topic {topic} is not found"}
        subscriptions = self._topics.subscriptions
        try:
            for each in topics:
                if not is_on:
                    subscriptions.unsubscribe(session, each)
                elif len(subscriptions.of(session)) >= TOPICS_MAX:
                    raise TooManyStreamsError
                else:
                    subscriptions.subscribe(session, each)
        except TooManyStreamsError:
            return {"code": 509, "data": "exceed max subscription count limitation of 400"}
        return None

    def _change_private(self, session: WebSocketSession, topic: str, *, is_on: bool) -> Json | None:
        if not is_on:
            self._user.unsubscribe(session, topic)
        elif not self._user.subscribe(session, topic):
            return {"code": 403, "data": f"topic {topic} is private"}
        return None
