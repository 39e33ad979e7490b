"""A box that speaks KuCoin, on a clock that only moves when told, and a customer without ccxt."""

import base64
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
from venue.config import AccountConfig, MarketConfig, RateTier, VenueConfig
from venue.market import MarketSpec

Untyped: TypeAlias = Any

NOW_MS = 1_750_000_000_000
SYMBOL = "ETH-USDT"
ALICE = AccountConfig(
    name="alice",
    api_key="ALICE",
    api_secret="00112233445566778899aabbccddeeff",
    passphrase="open",
    balances={"USDT": "10000", "ETH": "5"},
)


def config(**changes: Untyped) -> VenueConfig:
    """Return a small box."""
    spec = MarketSpec(symbol="ETH/USDT", events_per_second=200, taker_probability=0.1)
    settings: dict[str, Any] = {
        "protocol": "kucoin",
        "accounts": (ALICE,),
        "markets": (MarketConfig(spec=spec),),
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
        self.key, self.secret, self.passphrase = ALICE.api_key, ALICE.api_secret, ALICE.passphrase
        self.version = "2"
        self._http = http

    @property
    def now_ms(self) -> int:
        return self.clock.now_ns() // 1_000_000

    def sign(self, text: str) -> str:
        mac = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256)
        return base64.b64encode(mac.digest()).decode()

    def headers(self, method: str, target: str, body: str, at_ms: int | None = None) -> Untyped:
        timestamp = str(self.now_ms if at_ms is None else at_ms)
        plain = self.version == "1"
        return {
            "KC-API-KEY": self.key,
            "KC-API-KEY-VERSION": self.version,
            "KC-API-TIMESTAMP": timestamp,
            "KC-API-PASSPHRASE": self.passphrase if plain else self.sign(self.passphrase),
            "KC-API-SIGN": self.sign(timestamp + method + target + body),
            "Content-Type": "application/json",
        }

    async def public(self, endpoint: str, **given: str | int) -> Untyped:
        query = f"?{urlencode(given)}" if given else ""
        response = await self._http.get(f"{self.url}/api/v1/{endpoint}{query}")
        return response.json()["data"]

    async def raw(
        self, method: str, endpoint: str, at_ms: int | None = None, **given: Untyped
    ) -> httpx2.Response:
        """Send a signed request."""
        target, body = f"/api/v1/{endpoint}", ""
        if method == "POST":
            body = json.dumps(given) if given else ""
        elif given:
            target += f"?{urlencode(given)}"
        headers = self.headers(method, target, body, at_ms)
        content = body.encode() if body else None
        return await self._http.request(method, self.url + target, content=content, headers=headers)

    async def ok(self, method: str, endpoint: str, **given: Untyped) -> Untyped:
        response = await self.raw(method, endpoint, **given)
        assert response.json()["code"] == "200000", response.text
        return response.json()["data"]

    async def error(self, method: str, endpoint: str, **given: Untyped) -> tuple[str, str]:
        """Return code and text of a refused request."""
        body = (await self.raw(method, endpoint, **given)).json()
        assert body["code"] != "200000", body
        return body["code"], body["msg"]

    async def limit(self, side: str, price: str, size: str = "0.1", **more: Untyped) -> str:
        """Place a limit order and return its id."""
        order = {"symbol": SYMBOL, "side": side, "type": "limit", "price": price, "size": size}
        return str((await self.ok("POST", "hf/orders", **(order | more)))["orderId"])

    async def market(self, side: str, size: str = "0.1", **more: Untyped) -> str:
        """Place a market order and return its id."""
        order = {"symbol": SYMBOL, "side": side, "type": "market", "size": size}
        return str((await self.ok("POST", "hf/orders", **(order | more)))["orderId"])

    async def admin(self, name: str, body: dict[str, Any] | None = None) -> Untyped:
        """Call a control endpoint: GET without a body, POST with one."""
        url = f"{self.url}/_box/{name}"
        response = await (self._http.get(url) if body is None else self._http.post(url, json=body))
        return response.json()

    async def bullet(self, kind: str = "public") -> Untyped:
        """Return a token and where it is good."""
        if kind == "private":
            return await self.ok("POST", "bullet-private")
        response = await self._http.post(f"{self.url}/api/v1/bullet-public")
        return response.json()["data"]

    @asynccontextmanager
    async def socket(self, kind: str = "public") -> AsyncIterator[ClientConnection]:
        """Connect with a new token."""
        bullet = await self.bullet(kind)
        (server,) = bullet["instanceServers"]
        query = urlencode({"token": bullet["token"], "connectId": "me"})
        address = f"{server['endpoint']}?{query}"
        async with connect(address, max_queue=None, close_timeout=1) as socket:
            assert (await hear(socket, type="welcome"))["id"] == "me"
            yield socket


async def subscribe(socket: ClientConnection, topic: str, kind: str = "subscribe") -> Untyped:
    """Ask for a topic and return the answer."""
    await socket.send(json.dumps({"id": topic, "type": kind, "topic": topic, "response": True}))
    return await hear(socket, id=topic)


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
    clock = ManualClock(NOW_MS * 1_000_000)
    http = httpx2.AsyncClient(timeout=10, verify=False, trust_env=False)
    async with trio.open_nursery() as nursery, http as client:
        port = await nursery.start(serve_venue, settings or config(), clock)
        yield Client(port, client, clock)
        nursery.cancel_scope.cancel()
