"""Kraken spot: REST under `/0/public` and `/0/private`, WebSocket v2 on every other path.

The hosts `ws.kraken.com` and `ws-auth.kraken.com` are one here: a client overrides its URLs only.
"""

import base64
import binascii

import msgspec

from venue.changes import Changes
from venue.commits import Outgoing
from venue.config import AccountConfig, VenueConfigError
from venue.engine import Engine
from venue.http import HttpReply, HttpRequest
from venue.protocol import VenueProtocol
from venue.protocols.kraken_auth import authenticate, parameters_of
from venue.protocols.kraken_errors import REFUSALS, UNAVAILABLE, UNKNOWN_METHOD, KrakenError
from venue.protocols.kraken_private import PrivateEndpoints
from venue.protocols.kraken_public import PublicEndpoints
from venue.protocols.kraken_subscriptions import Subscriptions
from venue.protocols.kraken_tokens import Tokens
from venue.protocols.kraken_views import Json
from venue.protocols.kraken_ws import KrakenWebSocket
from venue.refusals import RefusedError
from venue.websocket import WebSocketSession

PUBLIC_PATH = "/0/public/"
PRIVATE_PATH = "/0/private/"


class Kraken(VenueProtocol):
    """The application behind the port: an `Engine` speaking Kraken's protocols."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self.tokens = Tokens(engine.config.token_lifetime_s)
        self._public = PublicEndpoints(engine)
        self._private = PrivateEndpoints(engine, self._public, self.tokens)
        self._subscriptions = Subscriptions(engine, self.tokens)
        self._websocket = KrakenWebSocket(engine, self._private, self._subscriptions)

    @classmethod
    def check_account(cls, account: AccountConfig) -> None:
        """Raise `VenueConfigError` unless the secret is base64, as Kraken issues it."""
        try:
            base64.b64decode(account.api_secret, validate=True)
        except binascii.Error as error:
            raise VenueConfigError(
                f"account {account.name}, api_secret: is not base64 ({error})"
            ) from error

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer a REST request; errors are answers with an error string and status 200."""
        try:
            result = self._result(request)
            body: Json = {"error": [], "result": result}
        except KrakenError as error:
            body = {"error": [error.text]}
        except RefusedError as error:
            body = {"error": [REFUSALS[error.refusal]]}
        await self._engine.settle()
        return HttpReply(200, msgspec.json.encode(body))

    def fault_target(self, request: HttpRequest) -> str | None:
        return request.path.rpartition("/")[2]

    def refusal(self) -> HttpReply:
        return HttpReply(200, msgspec.json.encode({"error": [UNAVAILABLE]}))

    def opened(self, session: WebSocketSession) -> None:
        self._subscriptions.opened(session)

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        await self._websocket.received(session, message)

    def closed(self, session: WebSocketSession) -> None:
        self._subscriptions.closed(session)

    def format_reports(self, changes: Changes) -> list[Outgoing]:
        """Return the private frames of a turn."""
        return self._subscriptions.format_reports(changes)

    def market_frames(self, now_ns: int) -> list[Outgoing]:
        """Return the public frames of a tick, and send heartbeats that are due."""
        publisher = self._subscriptions.publisher
        publisher.heartbeats(self._subscriptions.sessions)
        return publisher.frames(now_ns)

    def revoke_tokens(self) -> None:
        self.tokens.revoke_all()

    @property
    def sessions(self) -> list[WebSocketSession]:
        """The connected WebSocket clients."""
        return self._subscriptions.sessions

    def _result(self, request: HttpRequest) -> Json:
        endpoint = request.path.rpartition("/")[2]
        if request.path == PUBLIC_PATH + endpoint:
            parameters = request.query_parameters()
            if request.method == "POST":
                parameters |= parameters_of(request)
            return self._public.answer(endpoint, parameters)
        if request.path != PRIVATE_PATH + endpoint or request.method != "POST":
            raise KrakenError(UNKNOWN_METHOD)
        parameters = parameters_of(request)
        account = authenticate(self._engine.accounts_by_key, request, parameters)
        self._engine.records.touch_account(account)
        now_ns = self._engine.advance()
        return self._private.answer(endpoint, account, parameters, now_ns)
