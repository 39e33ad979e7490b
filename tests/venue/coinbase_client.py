"""A box that speaks Coinbase, on a clock that only moves when told, and a customer without ccxt."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias
from urllib.parse import urlencode

import httpx2
import trio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from websockets.trio.client import ClientConnection, connect

from supervisor.clock import ManualClock
from venue.box import serve_venue
from venue.config import AccountConfig, MarketConfig, RateTier, VenueConfig
from venue.keys import ec_key
from venue.market import MarketSpec

Untyped: TypeAlias = Any

NOW_S = 1_750_000_000
PRODUCT = "ETH-USDT"
KEY, SECRET = ec_key("coinbase-sim", "alice", 1)
ALICE = AccountConfig(
    name="alice", api_key=KEY, api_secret=SECRET, balances={"USDT": "10000", "ETH": "5"}
)


def config(**changes: Untyped) -> VenueConfig:
    """Return a small box."""
    spec = MarketSpec(symbol="ETH/USDT", events_per_second=200, taker_probability=0.1)
    settings: dict[str, Any] = {
        "protocol": "coinbase",
        "accounts": (ALICE,),
        "markets": (MarketConfig(spec=spec),),
        "rate_tier": RateTier.NONE,
        "warm_up_s": 65,
        "tick_interval_ms": 10,
    }
    return VenueConfig(**(settings | changes))


def encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()


class Client:
    """Signs and sends as a customer does."""

    def __init__(self, port: int, http: httpx2.AsyncClient, clock: ManualClock) -> None:
        self.port = port
        self.host = f"127.0.0.1:{port}"
        self.url = f"http://{self.host}"
        self.clock = clock
        self.key, self.secret = KEY, SECRET
        self.http = http

    @property
    def now_s(self) -> int:
        return self.clock.now_ns() // 10**9

    def jwt(self, uri: str = "", alg: str = "ES256", **claims: Untyped) -> str:
        """Return a token; `claims` replace what it says."""
        said = {"iss": "cdp", "sub": self.key, "nbf": self.now_s, "exp": self.now_s + 120}
        said |= {"uri": uri} if uri else {}
        head = {"alg": alg, "typ": "JWT", "kid": self.key, "nonce": "00" * 16}
        parts = [json.dumps(part).encode() for part in (head, said | claims)]
        signed = ".".join(encoded(part) for part in parts)
        key = load_pem_private_key(self.secret.encode(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        halves = decode_dss_signature(key.sign(signed.encode(), ec.ECDSA(SHA256())))
        raw = b"".join(half.to_bytes(32) for half in halves)
        return f"{signed}.{encoded(raw)}"

    async def raw(
        self, method: str, endpoint: str, token: str | None = None, **given: Untyped
    ) -> httpx2.Response:
        """Send a request with a token of its own, or with the one given."""
        path = endpoint if endpoint.startswith("/") else f"/api/v3/brokerage/{endpoint}"
        token = self.jwt(f"{method} {self.host}{path}") if token is None else token
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if method == "GET":
            query = f"?{urlencode(given, doseq=True)}" if given else ""
            return await self.http.get(self.url + path + query, headers=headers)
        return await self.http.post(self.url + path, json=given, headers=headers)

    async def ok(self, method: str, endpoint: str, **given: Untyped) -> Untyped:
        response = await self.raw(method, endpoint, **given)
        assert response.status_code == 200, response.text
        return response.json()

    async def public(self, endpoint: str, **given: Untyped) -> Untyped:
        return (await self.raw("GET", endpoint, "", **given)).json()

    async def order(self, side: str, kind: str, name: str, **fields: Untyped) -> Untyped:
        """Place an order and return the answer."""
        body = {"product_id": PRODUCT, "side": side, "client_order_id": name}
        return await self.ok("POST", "orders", **body, order_configuration={kind: fields})

    async def limit(self, side: str, price: str, name: str, size: str = "0.1") -> str:
        """Place a limit order and return its id."""
        placed = await self.order(side, "limit_limit_gtc", name, base_size=size, limit_price=price)
        assert placed["success"], placed
        return str(placed["order_id"])

    async def sell(self, name: str, size: str = "0.1") -> str:
        """Sell at the market and return the order's id."""
        placed = await self.order("SELL", "market_market_ioc", name, base_size=size)
        assert placed["success"], placed
        return str(placed["order_id"])

    async def admin(self, name: str, body: dict[str, Any] | None = None) -> Untyped:
        """Call a control endpoint: GET without a body, POST with one."""
        url = f"{self.url}/_box/{name}"
        response = await (self.http.get(url) if body is None else self.http.post(url, json=body))
        return response.json()

    def socket(self) -> Untyped:
        return connect(f"ws://{self.host}/", max_queue=None, close_timeout=1, max_size=None)


async def subscribe(
    socket: ClientConnection, channel: str, kind: str = "subscribe", **more: Untyped
) -> None:
    """Ask for a channel of the one product."""
    asked = {"type": kind, "channel": channel, "product_ids": [PRODUCT], **more}
    await socket.send(json.dumps(asked))


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
    clock = ManualClock(NOW_S * 10**9)
    http = httpx2.AsyncClient(timeout=10, verify=False, trust_env=False)
    async with trio.open_nursery() as nursery, http as client:
        port = await nursery.start(serve_venue, settings or config(), clock)
        yield Client(port, client, clock)
        nursery.cancel_scope.cancel()
