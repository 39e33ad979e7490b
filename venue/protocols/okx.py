"""OKX v5: REST and WebSocket, pairs and USDT-margined perpetuals side by side, in net mode.

REST lies under `/api/v5/`, sockets under `/ws/v5/public`, `/private` and `/business`. `okx` has
keys of production, `okxdemo` those of demo trading: a client then sends `x-simulated-trading: 1`.
"""

from typing import ClassVar

from venue.accounts import Account
from venue.changes import Changes
from venue.commits import Outgoing
from venue.config import AccountConfig, RateTier, VenueConfigError
from venue.engine import Engine
from venue.http import HttpReply, HttpRequest
from venue.market_data import MarketData
from venue.protocol import VenueProtocol
from venue.protocols.okx_account import AccountEndpoints
from venue.protocols.okx_algo import AlgoEndpoints
from venue.protocols.okx_answers import Row, failure, success
from venue.protocols.okx_auth import authenticate
from venue.protocols.okx_errors import NOT_FOUND, UNAVAILABLE, OkxError
from venue.protocols.okx_limits import Charge, Limits
from venue.protocols.okx_orders import parse_rows
from venue.protocols.okx_public import PublicEndpoints
from venue.protocols.okx_streams import PublicStreams
from venue.protocols.okx_trade import WITH_DEADLINE, TradeEndpoints, check_deadline
from venue.protocols.okx_user import UserStreams
from venue.protocols.okx_ws import Sockets
from venue.rules import ClientIds, Rules
from venue.websocket import WebSocketSession

PREFIX = "/api/v5/"
# (30-day volume, taker ppm, maker ppm): in the manner of OKX's regular users and VIP 1 to 9; its
# own figures differ by country.
FEES = (
    (0, 1_000, 800),
    (5_000_000, 500, 450),
    (10_000_000, 400, 400),
    (20_000_000, 350, 300),
    (100_000_000, 300, 200),
    (200_000_000, 280, 100),
    (500_000_000, 250, 0),
    (1_000_000_000, 200, 0),
    (5_000_000_000, 150, 0),
    (10_000_000_000, 120, 0),
)


class Okx(VenueProtocol):
    """The application behind the port."""

    is_demo: ClassVar[bool] = False
    rules: ClassVar[Rules] = Rules(
        client_ids=ClientIds.WHILE_OPEN,
        open_orders_max=500,
        waiting_orders_max=100,
        post_only_cancels=True,
        fee_in_received=True,
        fee_schedule=FEES,
        asset_decimals={},
    )

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        data = MarketData(engine)
        self._limits = Limits(are_on=engine.config.rate_tier is not RateTier.NONE)
        self._public = PublicEndpoints(engine, data)
        self._trade = TradeEndpoints(engine, self._public)
        algo = AlgoEndpoints(self._trade)
        account = AccountEndpoints(self._trade)
        self._acts = account.acts
        self._queries = self._trade.queries | algo.queries | account.queries
        self._streams = PublicStreams(engine, self._public, data)
        self._user = UserStreams(engine, self._public, self._trade, algo, account)
        self._sockets = Sockets(
            engine,
            self._public,
            self._trade,
            self._streams,
            self._user,
            self._limits,
            is_demo=self.is_demo,
        )

    @classmethod
    def check_account(cls, account: AccountConfig) -> None:
        if not account.passphrase:
            raise VenueConfigError(
                f"account {account.name}, passphrase: was empty, OKX wants one with each key"
            )

    @property
    def sessions(self) -> list[WebSocketSession]:
        return self._sockets.sessions

    # --- requests ------------------------------------------------------------------------------

    async def answer(self, request: HttpRequest) -> HttpReply:
        now_ns = self._engine.advance()
        status = 200
        try:
            body = success(self._result(request, now_ns))
        except OkxError as error:
            status, body = error.status, failure(error.code, error.text)
        await self._engine.settle()
        return HttpReply(status, body)

    def fault_target(self, request: HttpRequest) -> str | None:
        return request.path.removeprefix(PREFIX).strip("/")

    def refusal(self) -> HttpReply:
        return HttpReply(UNAVAILABLE, failure("50001", "Service temporarily unavailable."))

    def _result(self, request: HttpRequest, now_ns: int) -> list[Row]:
        endpoint = request.path.removeprefix(PREFIX).strip("/")
        given = request.query_parameters()
        if request.method == "GET":
            method = self._public.methods.get(endpoint)
            if method is not None:
                charge = Charge("GET", endpoint)
                self._limits.charge(f"address {request.peer}", charge, now_ns)
                return [*method(given, now_ns)]
            query = self._queries.get(endpoint)
            if query is None:
                raise _no_path(request)
            account = self._account(request, now_ns)
            who = f"account {account.number}"
            self._limits.charge(who, Charge("GET", endpoint), now_ns)
            return [*query(account, given, now_ns)]
        is_command = endpoint in self._trade.commands
        if request.method != "POST" or not (is_command or endpoint in self._acts):
            raise _no_path(request)
        account = self._account(request, now_ns)
        return self._changed(account, request, endpoint, now_ns)

    def _changed(
        self, account: Account, request: HttpRequest, endpoint: str, now_ns: int
    ) -> list[Row]:
        rows = parse_rows(request.body)
        if endpoint in WITH_DEADLINE:
            check_deadline(request.headers.get("exptime", ""), now_ns)
        instruments = tuple(row.get("instId", "") for row in rows)
        charge = Charge("POST", endpoint, instruments)
        self._limits.charge(f"account {account.number}", charge, now_ns)
        if endpoint in self._acts:
            given = rows[0] if rows else {}
            return [*self._acts[endpoint](account, given, now_ns)]
        return [*self._trade.run(endpoint, account, rows, now_ns)]

    def _account(self, request: HttpRequest, now_ns: int) -> Account:
        accounts = self._engine.accounts_by_key
        return authenticate(accounts, request, now_ns, is_demo=self.is_demo)

    # --- sockets -------------------------------------------------------------------------------

    def opened(self, session: WebSocketSession) -> None:
        self._sockets.opened(session)

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        await self._sockets.received(session, message)

    def closed(self, session: WebSocketSession) -> None:
        self._sockets.closed(session)

    # --- streams -------------------------------------------------------------------------------

    def format_reports(self, changes: Changes) -> list[Outgoing]:
        return self._user.format_reports(changes)

    def market_frames(self, now_ns: int) -> list[Outgoing]:
        self._sockets.cut_silent()
        return self._streams.frames(now_ns)

    def revoke_tokens(self) -> None:
        self._user.revoke_all()


class OkxDemo(Okx):
    """OKX's demo trading: the same with keys of its own."""

    is_demo: ClassVar[bool] = True


def _no_path(request: HttpRequest) -> OkxError:
    return OkxError("404", f"Invalid path: {request.method} {request.path}", NOT_FOUND)
