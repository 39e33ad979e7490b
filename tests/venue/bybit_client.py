"""A box that speaks Bybit, on a clock that only moves when told, and a customer without ccxt."""

import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import urlencode

import httpx2
import trio
from websockets.trio.client import ClientConnection, connect

from supervisor.clock import ManualClock
from tests.venue.binance_client import hear
from venue.box import serve_venue
from venue.config import AccountConfig, MarketConfig, PerpetualConfig, RateTier, VenueConfig
from venue.market import MarketSpec

Untyped: TypeAlias = Any

NOW_MS = 1_750_000_000_000
SECRET = "bybitTestSecret00112233445566778"
ALICE = AccountConfig(
    name="alice", api_key="ALICE", api_secret=SECRET, balances={"USDT": "10000", "ETH": "5"}
)
SPOT: dict[str, Untyped] = {
    "category": "spot",
    "symbol": "ETHUSDT",
    "side": "Buy",
    "orderType": "Limit",
    "price": "2400.00",
    "qty": "0.1",
}
LINEAR = {**SPOT, "category": "linear"}


def config(**changes: Untyped) -> VenueConfig:
    """Return a small box with a spot pair and the perpetual on it."""
    busy: dict[str, Any] = {"events_per_second": 200, "taker_probability": 0.1}
    markets = (
        MarketConfig(spec=MarketSpec(symbol="ETH/USDT", **busy)),
        MarketConfig(spec=MarketSpec(symbol="ETH/USDT:USDT", **busy), perpetual=PerpetualConfig()),
    )
    settings: dict[str, Any] = {
        "protocol": "bybit",
        "accounts": (ALICE,),
        "markets": markets,
        "rate_tier": RateTier.NONE,
        "warm_up_s": 65,
        "tick_interval_ms": 10,
    }
    return VenueConfig(**(settings | changes))


class Client:
    """Signs and sends as a customer does."""

    def __init__(self, port: int, http: httpx2.AsyncClient, clock: ManualClock) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.clock = clock
        self.key, self.secret = ALICE.api_key, SECRET
        self.window = "5000"
        self._http = http

    @property
    def now_ms(self) -> int:
        return self.clock.now_ns() // 1_000_000

    def sign(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    def headers(self, payload: str, timestamp: str = "") -> dict[str, str]:
        """Return what a request with this query or body is signed with."""
        timestamp = timestamp or str(self.now_ms)
        return {
            "X-BAPI-API-KEY": self.key,
            "X-BAPI-TIMESTAMP": timestamp,
            "X-BAPI-RECV-WINDOW": self.window,
            "X-BAPI-SIGN": self.sign(timestamp + self.key + self.window + payload),
        }

    async def public(self, endpoint: str, **given: str | int) -> Untyped:
        response = await self._http.get(f"{self.url}/v5/{endpoint}", params=given)
        return response.json()

    async def send(
        self, method: str, endpoint: str, payload: str, headers: dict[str, str]
    ) -> httpx2.Response:
        """Send a query or a body as it is."""
        url = f"{self.url}/v5/{endpoint}"
        if method == "GET":
            return await self._http.get(f"{url}?{payload}", headers=headers)
        headers = {**headers, "Content-Type": "application/json"}
        return await self._http.post(url, content=payload, headers=headers)

    async def raw(
        self, method: str, endpoint: str, given: Untyped, timestamp: str = ""
    ) -> httpx2.Response:
        """Send a signed request."""
        payload = urlencode(given) if method == "GET" else json.dumps(given)
        return await self.send(method, endpoint, payload, self.headers(payload, timestamp))

    async def get(self, endpoint: str, **given: str | int) -> Untyped:
        return _result(await self.raw("GET", endpoint, given))

    async def post(self, endpoint: str, given: Untyped) -> Untyped:
        return _result(await self.raw("POST", endpoint, given))

    async def error(self, endpoint: str, given: Untyped, method: str = "POST") -> tuple[int, str]:
        """Return code and text of a refused request."""
        body = (await self.raw(method, endpoint, given)).json()
        assert body["retCode"] != 0, body
        return body["retCode"], body["retMsg"]

    async def place(self, order: Untyped, **more: Untyped) -> str:
        """Place an order and return its id."""
        answer = await self.post("order/create", {**order, **more})
        return str(answer["orderId"])

    async def market(self, order: Untyped, side: str, qty: str = "0.1", **more: Untyped) -> str:
        wanted = {**order, "side": side, "orderType": "Market", "qty": qty, **more}
        del wanted["price"]
        if wanted["category"] == "spot":
            wanted.setdefault("marketUnit", "baseCoin")
        return await self.place(wanted)

    async def order(self, category: str, **given: str) -> Untyped:
        """Return the one order that a query finds."""
        found = await self.get("order/realtime", category=category, **given)
        (order,) = found["list"]
        return order

    async def admin(self, name: str, body: dict[str, Any] | None = None) -> Untyped:
        """Call a control endpoint: GET without a body, POST with one."""
        url = f"{self.url}/_box/{name}"
        response = await (self._http.get(url) if body is None else self._http.post(url, json=body))
        return response.json()

    def websocket(self, path: str) -> Untyped:
        # With room for all frames, one that closes without having read them does not wait.
        return connect(f"ws://127.0.0.1:{self.port}/v5/{path}", max_queue=None, close_timeout=1)

    async def log_on(self, socket: ClientConnection, expires_ms: int = 0) -> Untyped:
        """Say who is there and return the answer."""
        expires = expires_ms or self.now_ms + 10_000
        arguments = [self.key, expires, self.sign(f"GET/realtime{expires}")]
        await socket.send(json.dumps({"op": "auth", "args": arguments}))
        return await hear(socket, op="auth")


def _result(response: httpx2.Response) -> Untyped:
    body = response.json()
    assert body["retCode"] == 0, body
    return body["result"]


async def subscribe(socket: ClientConnection, *topics: str) -> Untyped:
    """Subscribe and return the answer; what came before it is passed over."""
    await socket.send(json.dumps({"op": "subscribe", "req_id": "1", "args": topics}))
    return await hear(socket, op="subscribe")


@asynccontextmanager
async def running(settings: VenueConfig | None = None) -> AsyncIterator[Client]:
    """Run a box for the length of the block; yields a client of alice's."""
    clock = ManualClock(NOW_MS * 1_000_000)
    http = httpx2.AsyncClient(timeout=10, verify=False, trust_env=False)
    async with trio.open_nursery() as nursery, http as client:
        port = await nursery.start(serve_venue, settings or config(), clock)
        yield Client(port, client, clock)
        nursery.cancel_scope.cancel()
