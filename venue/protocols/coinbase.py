"""Coinbase Advanced (v3), spot: REST with JWTs signed by ES256, and its one kind of socket.

An endpoint is the path behind its version: `brokerage/orders` of `/api/v3`, `time` of `/v2`, of
which is here what ccxt asks for by itself. The socket is on every other path.
"""

from typing import ClassVar
from urllib.parse import parse_qs

import msgspec

from venue.changes import Changes
from venue.commits import Outgoing
from venue.config import AccountConfig, RateTier, VenueConfigError
from venue.engine import Engine
from venue.http import HttpReply, HttpRequest
from venue.market_data import MarketData
from venue.protocol import VenueProtocol
from venue.protocols.coinbase_auth import KEY_NAME, Tokens, public_key
from venue.protocols.coinbase_errors import (
    BAD_REQUEST,
    REFUSALS,
    UNAUTHORIZED,
    CoinbaseError,
    OrderError,
    UnauthorizedError,
    invalid,
    not_found,
)
from venue.protocols.coinbase_limits import Limits
from venue.protocols.coinbase_private import PrivateEndpoints
from venue.protocols.coinbase_public import Asked, PublicEndpoints
from venue.protocols.coinbase_sockets import Sockets
from venue.refusals import RefusedError
from venue.routes import Route, Routes
from venue.rules import ClientIds, Rules
from venue.websocket import WebSocketSession

_UNAVAILABLE = 503
_OLDER = ["v2"]
_PREFIXES = (["api", "v3"], _OLDER)
# (30-day volume, taker ppm, maker ppm): as ccxt 4.5.90 has them. The last is the box's own, so that
# there are ten as of other venues.
FEES = (
    (0, 6_000, 4_000),
    (10_000, 4_000, 2_500),
    (50_000, 2_500, 1_500),
    (100_000, 2_000, 1_000),
    (1_000_000, 1_800, 800),
    (15_000_000, 1_600, 600),
    (75_000_000, 1_200, 300),
    (250_000_000, 800, 0),
    (400_000_000, 500, 0),
    (1_000_000_000, 400, 0),
)


class Coinbase(VenueProtocol):
    """The application behind the port."""

    rules: ClassVar[Rules] = Rules(
        client_ids=ClientIds.EVER,
        open_orders_max=500,
        waiting_orders_max=500,
        fee_schedule=FEES,
        asset_decimals={},
    )

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        for listing in engine.listings.values():
            if listing.instrument.contract is not None:
                raise VenueConfigError(f"market {listing.symbol}: coinbase lists spot pairs only")
        data = MarketData(engine)
        self._limits = Limits(are_on=engine.config.rate_tier is not RateTier.NONE)
        self._tokens = Tokens(engine.accounts_by_key)
        self._public = PublicEndpoints(engine, data)
        self._private = PrivateEndpoints(engine, self._public)
        self._sockets = Sockets(engine, self._public, data, self._tokens, self._private.views)
        names = {endpoint for _, endpoint in self._private.methods}
        names |= self._public.methods.keys() | self._public.keyed.keys()
        self._routes = Routes(names)

    @classmethod
    def check_account(cls, account: AccountConfig) -> None:
        if not KEY_NAME.fullmatch(account.api_key):
            raise VenueConfigError(
                f"account {account.name}, api_key: write organizations/UUID/apiKeys/UUID"
            )
        try:
            public_key(account.api_secret)
        except ValueError as error:
            raise VenueConfigError(
                f"account {account.name}, api_secret: is no EC private key on P-256 in PEM"
            ) from error

    @property
    def sessions(self) -> list[WebSocketSession]:
        return self._sockets.sessions

    # --- requests ------------------------------------------------------------------------------

    async def answer(self, request: HttpRequest) -> HttpReply:
        now_ns = self._engine.advance()
        try:
            reply = HttpReply(200, msgspec.json.encode(self._result(request, now_ns)))
        except UnauthorizedError:
            # As Coinbase: it does not say what was wrong.
            reply = HttpReply(UNAUTHORIZED, b"Unauthorized\n", "text/plain; charset=utf-8")
        except (RefusedError, OrderError) as error:
            words = error.words if isinstance(error, OrderError) else REFUSALS[error.refusal]
            reply = _failed(CoinbaseError(words.failure, words.message, BAD_REQUEST))
        except CoinbaseError as error:
            reply = _failed(error)
        await self._engine.settle()
        return reply

    def fault_target(self, request: HttpRequest) -> str | None:
        route = self._route(request)
        return route.endpoint if route is not None else request.path

    def refusal(self) -> HttpReply:
        body = {"error": "UNAVAILABLE", "error_details": "", "message": "Service unavailable"}
        return HttpReply(_UNAVAILABLE, msgspec.json.encode(body))

    def _route(self, request: HttpRequest) -> Route | None:
        parts = [part for part in request.path.split("/") if part]
        for prefix in _PREFIXES:
            if parts[: len(prefix)] == prefix:
                found = self._routes.find(parts[len(prefix) :])
                is_older = prefix == _OLDER
                if found is not None and found.endpoint.startswith("brokerage/") != is_older:
                    return found
        return None

    def _result(self, request: HttpRequest, now_ns: int) -> object:
        route = self._route(request)
        if route is None:
            raise not_found(f"{request.path} was not found")
        endpoint, in_path = route
        asked = Asked(in_path, parse_qs(request.query), _body(request))
        if request.method == "GET" and endpoint in self._public.methods:
            self._limits.charge_address(request.peer, now_ns)
            return self._public.methods[endpoint](asked, now_ns)
        method = self._private.methods.get((request.method, endpoint))
        is_keyed = request.method == "GET" and endpoint in self._public.keyed
        if method is None and not is_keyed:
            raise not_found(f"{request.method} {request.path} was not found")
        account = self._tokens.of_request(request, now_ns)
        self._limits.charge_account(account.number, now_ns)
        if method is None:
            return self._public.keyed[endpoint](asked, now_ns)
        return method(account, asked, now_ns)

    # --- sockets -------------------------------------------------------------------------------

    def opened(self, session: WebSocketSession) -> None:
        self._sockets.opened(session)

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        await self._sockets.received(session, message)

    def closed(self, session: WebSocketSession) -> None:
        self._sockets.closed(session)

    # --- streams -------------------------------------------------------------------------------

    def format_reports(self, changes: Changes) -> list[Outgoing]:
        return self._sockets.format_reports(changes, self._engine.now_ns())

    def market_frames(self, now_ns: int) -> list[Outgoing]:
        return self._sockets.frames(now_ns)

    def revoke_tokens(self) -> None:
        self._sockets.log_off_all()


def _failed(error: CoinbaseError) -> HttpReply:
    body = {"error": error.error, "error_details": error.text, "message": error.text}
    return HttpReply(error.status, msgspec.json.encode(body))


def _body(request: HttpRequest) -> dict[str, object]:
    """Return the body's object. Raises `CoinbaseError`."""
    if not request.body:
        return {}
    try:
        return msgspec.json.decode(request.body, type=dict[str, object])
    except msgspec.DecodeError as error:
        raise invalid("the body is not a JSON object") from error
