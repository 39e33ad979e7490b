"""KuCoin spot: REST with KC-API signatures, bullet tokens, and the topics of its sockets.

The account is an upgraded one: orders go to the `hf` endpoints, as ccxt sends them for such an
account. An endpoint is the path behind its version: `hf/orders`, `ua/account/mode`.
"""

from typing import ClassVar

import msgspec

from venue.changes import Changes
from venue.commits import Outgoing
from venue.config import AccountConfig, RateTier, VenueConfigError
from venue.engine import Engine
from venue.http import HttpReply, HttpRequest
from venue.market_data import MarketData
from venue.protocol import VenueProtocol
from venue.protocols.kucoin_account import AccountEndpoints
from venue.protocols.kucoin_auth import authenticate
from venue.protocols.kucoin_errors import OK, REFUSALS, KucoinError, LimitError, no_such_path
from venue.protocols.kucoin_errors import invalid as invalid_parameter
from venue.protocols.kucoin_limits import Headers, Limits
from venue.protocols.kucoin_private import PrivateEndpoints
from venue.protocols.kucoin_public import PublicEndpoints
from venue.protocols.kucoin_sockets import Sockets
from venue.protocols.kucoin_streams import PublicTopics
from venue.protocols.kucoin_user import UserTopics
from venue.refusals import RefusedError
from venue.routes import Route, Routes
from venue.rules import ClientIds, Rules
from venue.websocket import WebSocketSession

_UNAVAILABLE = 503
_BULLETS = ("bullet-public", "bullet-private")
_VERSION_PARTS = 2  # `api` and `v1`
# (30-day volume, taker ppm, maker ppm): ccxt's table for spot of KuCoin's levels 0 to 12, its
# volumes in BTC taken at 100 000 USD. A maker's rebate is 0 here.
FEES = (
    (0, 1_000, 1_000),
    (5_000_000, 1_000, 900),
    (20_000_000, 900, 700),
    (50_000_000, 800, 500),
    (100_000_000, 700, 300),
    (200_000_000, 700, 0),
    (400_000_000, 600, 0),
    (800_000_000, 500, 0),
    (1_500_000_000, 450, 0),
    (2_500_000_000, 400, 0),
    (4_000_000_000, 350, 0),
    (6_000_000_000, 300, 0),
    (8_000_000_000, 250, 0),
)


class Kucoin(VenueProtocol):
    """The application behind the port."""

    rules: ClassVar[Rules] = Rules(
        client_ids=ClientIds.EVER,
        open_orders_max=200,
        waiting_orders_max=20,
        post_only_cancels=True,
        fee_schedule=FEES,
        asset_decimals={},
    )

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        for listing in engine.listings.values():
            if listing.instrument.contract is not None:
                raise VenueConfigError(f"market {listing.symbol}: kucoin lists spot pairs only")
        data = MarketData(engine)
        self._limits = Limits(are_on=engine.config.rate_tier is not RateTier.NONE)
        self._public = PublicEndpoints(engine, data)
        self._private = PrivateEndpoints(engine, self._public)
        self._topics = PublicTopics(engine, self._public, data)
        self._user = UserTopics(engine, self._private.views)
        self._sockets = Sockets(engine, self._topics, self._user)
        self._methods = AccountEndpoints(engine, self._public).methods | self._private.methods
        names = {endpoint for _, endpoint in self._methods} | set(self._public.methods)
        self._routes = Routes(names)

    @classmethod
    def check_account(cls, account: AccountConfig) -> None:
        if not account.api_secret.isascii():
            raise VenueConfigError(f"account {account.name}, api_secret: must be ASCII")
        if not account.passphrase:
            raise VenueConfigError(
                f"account {account.name}, passphrase: is missing; KuCoin wants one with each key"
            )

    @property
    def sessions(self) -> list[WebSocketSession]:
        return self._sockets.sessions

    # --- requests ------------------------------------------------------------------------------

    async def answer(self, request: HttpRequest) -> HttpReply:
        now_ns = self._engine.advance()
        headers: Headers = ()
        status = 200
        body: dict[str, object]
        try:
            result, headers = self._result(request, now_ns)
            body = {"code": OK, "data": result}
        except RefusedError as error:
            code, text = REFUSALS[error.refusal]
            body = {"code": code, "msg": text}
        except KucoinError as error:
            if isinstance(error, LimitError):
                headers = error.headers
            status, body = error.status, {"code": error.code, "msg": error.text}
        await self._engine.settle()
        return HttpReply(status, msgspec.json.encode(body), headers=headers)

    def fault_target(self, request: HttpRequest) -> str | None:
        route = self._route(request)
        return route.endpoint if route is not None else request.path

    def refusal(self) -> HttpReply:
        body = {"code": "503000", "msg": "Service unavailable"}
        return HttpReply(_UNAVAILABLE, msgspec.json.encode(body))

    def _route(self, request: HttpRequest) -> Route | None:
        parts = [part for part in request.path.split("/") if part]
        if parts[:1] != ["api"]:
            return None
        if parts[1:2] == ["ua"]:
            parts = ["api", "ua", *parts[1:2], *parts[3:]]
        asked = parts[_VERSION_PARTS:]
        if len(asked) == 1 and asked[0] in _BULLETS:
            return Route(asked[0], {})
        return self._routes.find(asked)

    def _result(self, request: HttpRequest, now_ns: int) -> tuple[object, Headers]:
        route = self._route(request)
        if route is None:
            raise no_such_path()
        method, endpoint = request.method, route.endpoint
        given = {**_parameters(request), **route.parameters}
        if method == "GET" and endpoint in self._public.methods:
            headers = self._limits.charge_address(request.peer, method, endpoint, now_ns)
            return self._public.methods[endpoint](given, now_ns), headers
        if (method, endpoint) == ("POST", "bullet-public"):
            headers = self._limits.charge_address(request.peer, method, endpoint, now_ns)
            return self._sockets.bullet(request, None, now_ns), headers
        is_bullet = (method, endpoint) == ("POST", "bullet-private")
        if (method, endpoint) not in self._methods and not is_bullet:
            raise no_such_path()
        account = authenticate(self._engine.accounts_by_key, request, now_ns)
        headers = self._limits.charge_account(account.number, method, endpoint, now_ns)
        if is_bullet:
            return self._sockets.bullet(request, account, now_ns), headers
        return self._methods[method, endpoint](account, given, now_ns), headers

    # --- sockets -------------------------------------------------------------------------------

    def opened(self, session: WebSocketSession) -> None:
        self._sockets.opened(session)

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        await self._sockets.received(session, message)

    def closed(self, session: WebSocketSession) -> None:
        self._sockets.closed(session)

    # --- streams -------------------------------------------------------------------------------

    def format_reports(self, changes: Changes) -> list[Outgoing]:
        return self._user.format_reports(changes, self._engine.now_ns())

    def market_frames(self, now_ns: int) -> list[Outgoing]:
        self._sockets.drop_silent(now_ns)
        return self._topics.frames(now_ns)

    def revoke_tokens(self) -> None:
        self._sockets.revoke_tokens()


def _parameters(request: HttpRequest) -> dict[str, str]:
    """Return query and body parameters as text. Raises `KucoinError`."""
    given = request.query_parameters()
    if not request.body:
        return given
    try:
        body = msgspec.json.decode(request.body, type=dict[str, msgspec.Raw])
        return given | {name: _text(bytes(raw)) for name, raw in body.items()}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid_parameter("the body is not a JSON object") from error


def _text(raw: bytes) -> str:
    """Return a JSON value as a query would carry it, numbers exactly as they were written."""
    if raw == b"null":
        return ""
    return msgspec.json.decode(raw, type=str) if raw.startswith(b'"') else raw.decode()
