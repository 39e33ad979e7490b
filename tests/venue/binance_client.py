"""A box that speaks Binance, on a clock that only moves when told, and a customer without ccxt."""

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
from venue.box import serve_venue
from venue.config import AccountConfig, MarketConfig, PerpetualConfig, RateTier, VenueConfig
from venue.market import MarketSpec

Untyped: TypeAlias = Any

NOW_MS = 1_750_000_000_000
SECRET = "00112233445566778899aabbccddeeff"
ALICE = AccountConfig(
    name="alice", api_key="ALICE", api_secret=SECRET, balances={"USDT": "10000", "ETH": "5"}
)


def config(protocol: str = "binance", **changes: Untyped) -> VenueConfig:
    """Return a small box of `protocol`."""
    is_futures = protocol == "binanceusdm"
    symbol = "ETH/USDT:USDT" if is_futures else "ETH/USDT"
    spec = MarketSpec(symbol=symbol, events_per_second=200, taker_probability=0.1)
    market = MarketConfig(spec=spec, perpetual=PerpetualConfig() if is_futures else None)
    settings: dict[str, Any] = {
        "protocol": protocol,
        "accounts": (ALICE,),
        "markets": (market,),
        "rate_tier": RateTier.NONE,
        "warm_up_s": 65,
        "tick_interval_ms": 10,
    }
    return VenueConfig(**(settings | changes))


class Client:
    """Signs and sends as a customer does."""

    def __init__(self, port: int, http: httpx2.AsyncClient, clock: ManualClock, root: str) -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.clock = clock
        self.root = root
        self.key, self.secret = ALICE.api_key, SECRET
        self._http = http

    @property
    def now_ms(self) -> int:
        return self.clock.now_ns() // 1_000_000

    def sign(self, text: str) -> str:
        return hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).hexdigest()

    async def public(self, endpoint: str, **given: str | int) -> Untyped:
        return (await self.unsigned("GET", endpoint, **given)).json()

    async def raw(self, method: str, endpoint: str, **given: str | int) -> httpx2.Response:
        """Send a signed request."""
        query = urlencode({"timestamp": self.now_ms, **given})
        return await self._send(method, endpoint, f"{query}&signature={self.sign(query)}")

    async def unsigned(self, method: str, endpoint: str, **given: str | int) -> httpx2.Response:
        """Send a request with the key only."""
        return await self._send(method, endpoint, urlencode(given))

    async def _send(self, method: str, endpoint: str, query: str) -> httpx2.Response:
        """Send: GET and DELETE in the query, the others in the body."""
        url = endpoint if endpoint.startswith("/") else f"{self.root}/{endpoint}"
        headers = {"X-MBX-APIKEY": self.key} if self.key else {}
        if method in ("GET", "DELETE"):
            return await self._http.request(method, f"{self.url}{url}?{query}", headers=headers)
        headers["Content-Type"] = "application/x-www-form-urlencoded"
        return await self._http.request(method, self.url + url, content=query, headers=headers)

    async def ok(self, method: str, endpoint: str, **given: str | int) -> Untyped:
        response = await self.raw(method, endpoint, **given)
        assert response.status_code == 200, response.text
        return response.json()

    async def error(self, method: str, endpoint: str, **given: str | int) -> tuple[int, str]:
        """Return code and text of a refused request."""
        response = await self.raw(method, endpoint, **given)
        assert response.status_code >= 400, response.text
        body = response.json()
        return body["code"], body["msg"]

    async def limit(self, side: str, price: str, quantity: str = "0.1", **more: str) -> Untyped:
        order = {"symbol": "ETHUSDT", "side": side, "type": "LIMIT", "timeInForce": "GTC"}
        return await self.ok("POST", "order", **(order | more), price=price, quantity=quantity)

    async def market(self, side: str, quantity: str = "0.1", **more: str) -> Untyped:
        order = {"symbol": "ETHUSDT", "side": side, "type": "MARKET", "quantity": quantity}
        return await self.ok("POST", "order", **order, **more)

    async def admin(self, name: str, body: dict[str, Any] | None = None) -> Untyped:
        """Call a control endpoint: GET without a body, POST with one."""
        url = f"{self.url}/_box/{name}"
        response = await (self._http.get(url) if body is None else self._http.post(url, json=body))
        return response.json()

    def websocket(self, path: str) -> Untyped:
        # With room for all frames, one that closes without having read them does not wait.
        return connect(f"ws://127.0.0.1:{self.port}{path}", max_queue=None, close_timeout=1)

    async def ask(self, socket: ClientConnection, method: str, **given: str | int) -> Untyped:
        """Send a signed request over the WebSocket API and return the answer."""
        params: dict[str, str | int] = {"apiKey": self.key, "timestamp": self.now_ms, **given}
        signed = "&".join(f"{name}={params[name]}" for name in sorted(params))
        params["signature"] = self.sign(signed)
        await socket.send(json.dumps({"id": "7", "method": method, "params": params}))
        return await hear(socket, id="7")


async def hear(socket: ClientConnection, **wanted: Untyped) -> dict[str, Any]:
    """Return the next message with these fields."""
    with trio.fail_after(10):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            if all(message.get(name) == value for name, value in wanted.items()):
                return message


@asynccontextmanager
async def running(settings: VenueConfig | None = None) -> AsyncIterator[Client]:
    """Run a box for the length of the block; yields a client of alice's."""
    settings = settings or config()
    clock = ManualClock(NOW_MS * 1_000_000)
    root = "/fapi/v1" if settings.protocol == "binanceusdm" else "/api/v3"
    http = httpx2.AsyncClient(timeout=10, verify=False, trust_env=False)
    async with trio.open_nursery() as nursery, http as client:
        port = await nursery.start(serve_venue, settings, clock)
        yield Client(port, client, clock, root)
        nursery.cancel_scope.cancel()
