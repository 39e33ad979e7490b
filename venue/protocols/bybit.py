"""Bybit v5 with a unified account: spot and linear side by side, by REST and on every socket.

All hosts are one here, told apart by path: REST under `/v5/`, public streams on `/v5/public/spot`
and `/v5/public/linear`, an account's on `/v5/private`, orders on `/v5/trade`. Testnet and demo are
hosts of their own at Bybit and take keys of their own; a box with other accounts is either.
"""

import re
from collections.abc import Mapping
from typing import ClassVar

import msgspec

from venue.changes import Changes
from venue.commits import Outgoing
from venue.config import AccountConfig, RateTier, VenueConfigError
from venue.engine import Engine
from venue.http import HttpReply, HttpRequest
from venue.market_data import MarketData
from venue.protocol import VenueProtocol
from venue.protocols.bybit_account import AccountEndpoints
from venue.protocols.bybit_auth import authenticate
from venue.protocols.bybit_errors import NOT_FOUND, OK, REFUSALS, BybitError, Headers
from venue.protocols.bybit_filters import OPEN_ORDERS_MAX, WAITING_ORDERS_MAX
from venue.protocols.bybit_limits import Limits
from venue.protocols.bybit_names import LINEAR, MS_NS
from venue.protocols.bybit_private import Answer, OrderEndpoints, Request, parse_body
from venue.protocols.bybit_public import PublicEndpoints
from venue.protocols.bybit_sockets import Sockets
from venue.protocols.bybit_streams import PublicStreams
from venue.protocols.bybit_trade import TradeSocket
from venue.protocols.bybit_user import UserStreams
from venue.protocols.bybit_views import Views
from venue.refusals import RefusedError
from venue.rules import ClientIds, Rules
from venue.websocket import WebSocketSession

PREFIX = "/v5/"
_KEY = re.compile(r"[\x21-\x7e]{1,256}")
# (30-day volume, taker ppm, maker ppm): VIP 0 to 5 and Supreme; behind that nobody pays less.
# Source: Bybit's help center, "Bybit trading fees".
SPOT_FEES = (
    (0, 1_000, 1_000),
    (1_000_000, 800, 675),
    (5_000_000, 775, 650),
    (10_000_000, 750, 625),
    (25_000_000, 600, 500),
    (50_000_000, 500, 400),
    *((100_000_000, 450, 300),) * 4,
)
LINEAR_FEES = (
    (0, 550, 200),
    (10_000_000, 400, 180),
    (25_000_000, 375, 160),
    (50_000_000, 350, 140),
    (100_000_000, 320, 120),
    (250_000_000, 320, 100),
    *((500_000_000, 300, 0),) * 4,
)


class Bybit(VenueProtocol):
    """The application behind the port."""

    rules: ClassVar[Rules] = Rules(
        client_ids=ClientIds.EVER,
        open_orders_max=OPEN_ORDERS_MAX,
        waiting_orders_max=WAITING_ORDERS_MAX,
        post_only_cancels=True,
        fee_in_received=True,
        fee_schedule=SPOT_FEES,
        contract_fee_schedule=LINEAR_FEES,
        asset_decimals={},
    )

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine)
        data = MarketData(engine)
        views = {symbol: Views(engine, each) for symbol, each in engine.listings.items()}
        self._limits = Limits(are_on=engine.config.rate_tier is not RateTier.NONE)
        self._public = PublicEndpoints(engine, data)
        self._orders = OrderEndpoints(engine, self._public, views)
        self._account = AccountEndpoints(engine, self._public, views)
        self._methods = self._orders.methods | self._account.methods
        self._streams = PublicStreams(engine, self._public, data)
        self._user = UserStreams(engine, views, self._account.wallet)
        trade = TradeSocket(engine, self._orders, self._limits)
        self._sockets = Sockets(engine, self._streams, self._user, trade)

    @classmethod
    def check_account(cls, account: AccountConfig) -> None:
        for name, text in (("api_key", account.api_key), ("api_secret", account.api_secret)):
            if not _KEY.fullmatch(text):
                raise VenueConfigError(f"account {account.name}, {name}: must be plain ASCII")

    @property
    def sessions(self) -> list[WebSocketSession]:
        return list(self._sockets.sessions)

    # --- requests ------------------------------------------------------------------------------

    async def answer(self, request: HttpRequest) -> HttpReply:
        now_ns = self._engine.advance()
        headers: Headers = ()
        status, answer = OK, Answer({}, {})
        code, text = 0, "OK"
        try:
            self._limits.charge_address(request.peer, now_ns)
            answer, headers = self._result(request, _asked(request), now_ns)
        except BybitError as error:
            status, code, text, headers = error.status, error.code, error.text, error.headers
        body = {"retCode": code, "retMsg": text, "result": answer.result, "retExtInfo": answer.ext}
        encoded = msgspec.json.encode({**body, "time": now_ns // MS_NS})
        await self._engine.settle()
        return HttpReply(status, encoded, "application/json; charset=utf-8", headers=headers)

    def fault_target(self, request: HttpRequest) -> str | None:
        return request.path.removeprefix(PREFIX)

    def refusal(self) -> HttpReply:
        body = {"retCode": 10016, "retMsg": "System error. Please try again later.", "result": {}}
        now_ms = self._engine.now_ns() // MS_NS
        return HttpReply(OK, msgspec.json.encode({**body, "retExtInfo": {}, "time": now_ms}))

    def _result(self, request: HttpRequest, asked: Request, now_ns: int) -> tuple[Answer, Headers]:
        endpoint = request.path.removeprefix(PREFIX)
        public = self._public.methods.get(endpoint)
        if public is not None and request.method == "GET":
            return Answer(public(asked.given, now_ns), {}), ()
        method = self._methods.get((request.method, endpoint))
        batched = self._orders.batches.get(endpoint) if request.method == "POST" else None
        if method is None and batched is None:
            raise BybitError(10017, "Route not found.", NOT_FOUND)
        account = authenticate(self._engine.accounts_by_key, request, now_ns)
        category = asked.given.get("category", "")
        weight = max(1, len(asked.items))
        headers = self._limits.charge(account.number, endpoint, category, now_ns, weight)
        try:
            if batched is not None:
                return self._orders.batch(batched, account, asked, now_ns), headers
            assert method is not None, "one of the two is there"
            return Answer(method(account, asked.given, now_ns), {}), headers
        except RefusedError as error:
            # What concerns the account as a whole concerns its positions.
            code, text = REFUSALS.get(category, REFUSALS[LINEAR])[error.refusal]
            raise BybitError(code, text, headers=headers) from error
        except BybitError as error:
            raise BybitError(error.code, error.text, error.status, headers) from error

    # --- sockets -------------------------------------------------------------------------------

    def opened(self, session: WebSocketSession) -> None:
        self._sockets.opened(session)

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        await self._sockets.received(session, message)

    def closed(self, session: WebSocketSession) -> None:
        self._sockets.closed(session)

    # --- streams -------------------------------------------------------------------------------

    def format_reports(self, changes: Changes) -> list[Outgoing]:
        now_ns = self._engine.now_ns()
        told = self._user.format_reports(changes, now_ns)
        return told + self._streams.liquidations(changes.reports, now_ns)

    def market_frames(self, now_ns: int) -> list[Outgoing]:
        return self._streams.frames(now_ns)

    def revoke_tokens(self) -> None:
        """Cut who has logged on, as the end of a key does, and let the books begin anew."""
        self._sockets.revoke_all()
        self._streams.reset_books()


def _asked(request: HttpRequest) -> Request:
    if request.method == "POST":
        return parse_body(request.body)
    given: Mapping[str, str] = request.query_parameters()
    return Request(dict(given), [])
