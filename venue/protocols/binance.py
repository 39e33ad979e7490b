"""Binance spot, Binance.US and USD-M: REST, combined and single streams, and the WebSocket API.

All hosts of a venue are one here, told apart by path: REST under `/api/v3` or `/fapi/v1` to `v3`
(and of `/sapi/v1` what ccxt asks for by itself), the WebSocket API under `/ws-api` or `/ws-fapi`,
and streams on every other path: one that ends in `/ws`, `/ws/NAMES` or `/stream?streams=NAMES`.
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
from venue.protocols.binance_auth import account_of, authenticate, parameters_of
from venue.protocols.binance_errors import NOT_FOUND, BinanceError
from venue.protocols.binance_flavor import SPOT, US, USDM, Flavor
from venue.protocols.binance_futures import FuturesEndpoints
from venue.protocols.binance_limits import Headers, LimitError, Limits, is_order, weight_of
from venue.protocols.binance_private import Method
from venue.protocols.binance_public import PublicEndpoints
from venue.protocols.binance_spot import CancelReplaceError, SpotEndpoints
from venue.protocols.binance_streams import (
    PublicStreams,
    Stream,
    answer_control,
    parse_control,
)
from venue.protocols.binance_user import UserStreams
from venue.protocols.binance_ws_api import SocketApi
from venue.refusals import RefusedError
from venue.rules import ClientIds, Rules
from venue.streams import TooManyStreamsError
from venue.websocket import WebSocketSession

WALLET_PREFIX = "/sapi/v1/"
_LISTEN_KEY = ("userDataStream", "listenKey")
_STILL_UNKNOWN = 503
# (30-day volume, taker ppm, maker ppm): Binance's regular users and VIP 1 to 9, spot.
SPOT_FEES = (
    (0, 1_000, 1_000),
    (1_000_000, 1_000, 900),
    (5_000_000, 1_000, 800),
    (20_000_000, 600, 400),
    (100_000_000, 540, 400),
    (150_000_000, 480, 250),
    (400_000_000, 360, 200),
    (800_000_000, 300, 190),
    (2_000_000_000, 270, 160),
    (4_000_000_000, 240, 110),
)
FUTURES_FEES = (
    (0, 500, 200),
    (15_000_000, 400, 160),
    (50_000_000, 350, 140),
    (100_000_000, 320, 120),
    (600_000_000, 300, 100),
    (1_000_000_000, 270, 80),
    (2_500_000_000, 250, 60),
    (5_000_000_000, 220, 40),
    (12_500_000_000, 200, 20),
    (25_000_000_000, 170, 0),
)


class Binance(VenueProtocol):
    """The application behind the port, for spot; its subclasses are the other two."""

    flavor: ClassVar[Flavor] = SPOT
    rules: ClassVar[Rules] = Rules(
        client_ids=ClientIds.WHILE_OPEN,
        open_orders_max=200,
        waiting_orders_max=5,
        fee_in_received=True,
        fee_schedule=SPOT_FEES,
        asset_decimals={},
    )

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        self._check_markets(engine)
        data = MarketData(engine)
        self._limits = Limits(self.flavor, are_on=engine.config.rate_tier is not RateTier.NONE)
        self._public = PublicEndpoints(engine, self.flavor, data)
        self._user = UserStreams(engine, self.flavor)
        self._private: SpotEndpoints | FuturesEndpoints
        if self.flavor.is_futures:
            futures = FuturesEndpoints(engine, self.flavor, self._public)
            self._private, premium = futures, futures.premium
        else:
            self._private, premium = SpotEndpoints(engine, self.flavor, self._public), None
        self._streams = PublicStreams(engine, self.flavor, self._public, data, premium)
        self._socket_api = SocketApi(
            engine, self.flavor, self._public, self._private, self._user, self._limits
        )
        self._sessions: dict[WebSocketSession, None] = {}

    @classmethod
    def check_account(cls, account: AccountConfig) -> None:
        if not account.api_secret.isascii():
            raise VenueConfigError(f"account {account.name}, api_secret: must be ASCII")

    def _check_markets(self, engine: Engine) -> None:
        for listing in engine.listings.values():
            if (listing.instrument.contract is not None) != self.flavor.is_futures:
                kind = "perpetuals like ETH/USDT:USDT" if self.flavor.is_futures else "spot pairs"
                raise VenueConfigError(
                    f"market {listing.symbol}: {self.flavor.name} lists {kind} only"
                )

    @property
    def sessions(self) -> list[WebSocketSession]:
        return list(self._sessions)

    # --- requests ------------------------------------------------------------------------------

    async def answer(self, request: HttpRequest) -> HttpReply:
        now_ns = self._engine.advance()
        headers: Headers = ()
        status, body = 200, b""
        try:
            parameters = parameters_of(request)
            endpoint = self._endpoint(request)
            weight = weight_of(self.flavor, request.method, endpoint, parameters)
            headers = self._limits.charge(request.peer, weight, now_ns)
            result, more = self._result(request, endpoint, parameters, now_ns)
            headers += more
            body = msgspec.json.encode(result)
        except RefusedError as error:
            code, text = self.flavor.refusals[error.refusal]
            status, body = 400, msgspec.json.encode({"code": code, "msg": text})
        except CancelReplaceError as error:
            failure = {"code": error.code, "msg": error.text, "data": error.data}
            status, body = error.status, msgspec.json.encode(failure)
        except BinanceError as error:
            if isinstance(error, LimitError):
                headers = error.headers
            status = error.status
            body = msgspec.json.encode({"code": error.code, "msg": error.text})
        await self._engine.settle()
        return HttpReply(status, body, headers=headers)

    def fault_target(self, request: HttpRequest) -> str | None:
        return self._endpoint(request)

    def refusal(self) -> HttpReply:
        body = {"code": -1008, "msg": "Server is currently overloaded with other requests."}
        return HttpReply(_STILL_UNKNOWN, msgspec.json.encode(body))

    def _endpoint(self, request: HttpRequest) -> str:
        """Return the endpoint behind the version: `order`, `ticker/24hr`."""
        return "/".join(request.path.strip("/").split("/")[2:])

    def _result(
        self, request: HttpRequest, endpoint: str, parameters: dict[str, str], now_ns: int
    ) -> tuple[object, Headers]:
        root = self.flavor.prefix.rpartition("/")[0] + "/"
        if request.path.startswith(root) and request.method == "GET":
            method = self._public.methods.get(endpoint)
            if method is not None:
                return method(parameters, now_ns), ()
        if endpoint in _LISTEN_KEY and request.path.startswith(root):
            return self._listen_key(request, parameters, now_ns), ()
        handler = self._handler(request, endpoint, root)
        account = authenticate(self._engine.accounts_by_key, request, parameters, now_ns)
        headers: Headers = ()
        if is_order(request.method, endpoint):
            headers = self._limits.charge_order(account.number, now_ns)
        return handler(account, parameters, now_ns), headers

    def _handler(self, request: HttpRequest, endpoint: str, root: str) -> Method:
        key = (request.method, endpoint)
        found: Method | None = None
        if request.path.startswith(root):
            found = self._private.methods.get(key)
        elif request.path.startswith(WALLET_PREFIX) and isinstance(self._private, SpotEndpoints):
            found = self._private.wallet_methods.get(key)
        if found is None:
            raise BinanceError(
                -5000, f"Path {request.path}, Method {request.method} is invalid", NOT_FOUND
            )
        return found

    def _listen_key(
        self, request: HttpRequest, parameters: dict[str, str], now_ns: int
    ) -> dict[str, str]:
        key = request.headers.get("x-mbx-apikey", "")
        account = account_of(self._engine.accounts_by_key, key)
        if request.method == "POST":
            return {"listenKey": self._user.listen_key(account, now_ns)}
        if request.method == "PUT":
            self._user.keep_alive(account, parameters.get("listenKey", ""), now_ns)
        elif request.method == "DELETE":
            self._user.close(account, parameters.get("listenKey", ""))
        return {}

    # --- sockets -------------------------------------------------------------------------------

    def opened(self, session: WebSocketSession) -> None:
        self._sessions[session] = None
        if self._is_socket_api(session):
            return
        now_ns = self._engine.now_ns()
        for name in _names_in(session):
            if self._streams.parse(name) is not None:
                stream = Stream(name, _is_combined(session))
                try:
                    self._streams.subscriptions.subscribe(session, stream)
                except TooManyStreamsError:
                    session.abort()
                    return
            elif not name.isdigit():
                # As at Binance, nobody says that a listen key is not valid: it stays silent.
                self._user.listen(session, name, now_ns)

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        if self._is_socket_api(session):
            await self._socket_api.received(session, message)
            return
        control = parse_control(message)
        try:
            frame = answer_control(
                self._streams, session, control, is_wrapped=_is_combined(session)
            )
        except TooManyStreamsError:
            session.abort()
            return
        await self._engine.settle([Outgoing(session, frame, "answer")])

    def closed(self, session: WebSocketSession) -> None:
        self._sessions.pop(session, None)
        self._streams.subscriptions.forget(session)
        self._user.unsubscribe(session)

    def _is_socket_api(self, session: WebSocketSession) -> bool:
        return "/ws-api/" in session.path or "/ws-fapi/" in session.path

    # --- streams -------------------------------------------------------------------------------

    def format_reports(self, changes: Changes) -> list[Outgoing]:
        return self._user.format_reports(changes, self._engine.now_ns())

    def market_frames(self, now_ns: int) -> list[Outgoing]:
        return self._user.expire(now_ns) + self._streams.frames(now_ns)

    def revoke_tokens(self) -> None:
        self._user.revoke_all()


class BinanceUs(Binance):
    """Binance.US: spot with its own limits."""

    flavor: ClassVar[Flavor] = US


class BinanceUsdm(Binance):
    """Binance USD-M: linear perpetuals."""

    flavor: ClassVar[Flavor] = USDM
    perpetuals_only: ClassVar[bool] = True
    rules: ClassVar[Rules] = Rules(
        client_ids=ClientIds.WHILE_OPEN,
        open_orders_max=200,
        waiting_orders_max=10,
        fee_schedule=FUTURES_FEES,
        asset_decimals={},
    )


def _is_combined(session: WebSocketSession) -> bool:
    """Whether frames carry their stream's name: on `/stream`, not on `/stream/ws`."""
    return session.path.rstrip("/").endswith("/stream")


def _names_in(session: WebSocketSession) -> list[str]:
    """Return the streams and listen keys that a client asked for by its address."""
    query = parse_qs(session.query)
    names = query.get("streams", [""])[0].split("/") + query.get("listenKey", [])
    _, _, behind = session.path.partition("/ws/")
    return [name for name in [*names, *behind.split("/")] if name]
