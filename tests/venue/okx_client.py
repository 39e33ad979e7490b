"""A box that speaks OKX, on a clock that only moves when told, and a customer without ccxt."""

import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import urlencode

import httpx2
import trio
from msgspec.structs import replace
from websockets.trio.client import ClientConnection, connect

from supervisor.clock import ManualClock
from venue.box import serve_venue
from venue.config import AccountConfig, MarketConfig, PerpetualConfig, RateTier, VenueConfig
from venue.market import MarketSpec

Untyped: TypeAlias = Any

NOW_MS = 1_750_000_000_000
SECRET = "00112233445566778899AABBCCDDEEFF"
SPOT, SWAP = "ETH-USDT", "ETH-USDT-SWAP"
ALICE = AccountConfig(
    name="alice",
    api_key="alice-key",
    api_secret=SECRET,
    passphrase="open Sesame",
    balances={"USDT": "10000", "ETH": "5"},
)


def config(**changes: Untyped) -> VenueConfig:
    """Return a small box with a pair and the perpetual on it."""
    spec = MarketSpec(symbol="ETH/USDT", events_per_second=200, taker_probability=0.1)
    spot = MarketConfig(spec=spec)
    swap = MarketConfig(
        spec=replace(spec, symbol="ETH/USDT:USDT", seed=2), perpetual=PerpetualConfig()
    )
    settings: dict[str, Any] = {
        "protocol": "okx",
        "accounts": (ALICE,),
        "markets": (spot, swap),
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
        self.key, self.secret, self.passphrase = ALICE.api_key, SECRET, ALICE.passphrase
        self.extra: dict[str, str] = {}
        self._http = http

    @property
    def now_ms(self) -> int:
        return self.clock.now_ns() // 1_000_000

    def sign(self, text: str) -> str:
        mac = hmac.new(self.secret.encode(), text.encode(), hashlib.sha256).digest()
        return base64.b64encode(mac).decode()

    def stamp(self, ahead_ms: int = 0) -> str:
        """Return the box's time, or one ahead of it, as a request carries it."""
        at = datetime.fromtimestamp((self.now_ms + ahead_ms) / 1_000, UTC)
        return f"{at:%Y-%m-%dT%H:%M:%S}.{(self.now_ms + ahead_ms) % 1_000:03d}Z"

    async def raw(
        self, method: str, endpoint: str, given: Untyped, *, timestamp: str | None = None
    ) -> httpx2.Response:
        """Send a signed request: GET in the query, POST as JSON."""
        path, body = f"/api/v5/{endpoint}", b""
        if method == "GET" and given:
            path += f"?{urlencode(given)}"
        elif method == "POST":
            body = json.dumps(given).encode()
        timestamp = self.stamp() if timestamp is None else timestamp
        headers = {
            "OK-ACCESS-KEY": self.key,
            "OK-ACCESS-SIGN": self.sign(f"{timestamp}{method}{path}{body.decode()}"),
            "OK-ACCESS-TIMESTAMP": timestamp,
            "OK-ACCESS-PASSPHRASE": self.passphrase,
            "Content-Type": "application/json",
            **self.extra,
        }
        headers = {name: text for name, text in headers.items() if text}
        return await self._http.request(method, self.url + path, content=body, headers=headers)

    async def get(self, endpoint: str, **given: str | int) -> Untyped:
        """Return the rows of a query that succeeds."""
        answer = (await self.raw("GET", endpoint, given)).json()
        assert answer["code"] == "0", answer
        return answer["data"]

    async def post(self, endpoint: str, given: Untyped) -> Untyped:
        """Return the rows of a command that succeeds."""
        answer = (await self.raw("POST", endpoint, given)).json()
        assert answer["code"] == "0", answer
        return answer["data"]

    async def error(self, method: str, endpoint: str, given: Untyped) -> tuple[str, str]:
        """Return code and text of what is refused, of the row if it is an order's."""
        answer = (await self.raw(method, endpoint, given)).json()
        assert answer["code"] != "0", answer
        if answer["data"]:
            return answer["data"][0]["sCode"], answer["data"][0]["sMsg"]
        return answer["code"], answer["msg"]

    async def limit(self, side: str, price: str, size: str = "0.1", **more: str) -> Untyped:
        order = {"instId": SPOT, "tdMode": "cash", "side": side, "ordType": "limit"}
        return (await self.post("trade/order", {**order, "px": price, "sz": size, **more}))[0]

    async def market(self, side: str, size: str = "0.1", **more: str) -> Untyped:
        order = {"instId": SPOT, "tdMode": "cash", "side": side, "ordType": "market"}
        order |= {"tgtCcy": "base_ccy", "sz": size, **more}
        return (await self.post("trade/order", order))[0]

    async def swap(self, side: str, size: str = "1", **more: str) -> Untyped:
        """Trade contracts at the market."""
        order = {"instId": SWAP, "tdMode": "cross", "side": side, "ordType": "market"}
        return (await self.post("trade/order", {**order, "sz": size, **more}))[0]

    async def order(self, order_id: str, instrument: str = SPOT) -> Untyped:
        return (await self.get("trade/order", instId=instrument, ordId=order_id))[0]

    async def admin(self, name: str, body: dict[str, Any] | None = None) -> Untyped:
        """Call a control endpoint: GET without a body, POST with one."""
        url = f"{self.url}/_box/{name}"
        response = await (self._http.get(url) if body is None else self._http.post(url, json=body))
        return response.json()

    def socket(self, path: str, query: str = "") -> Untyped:
        # With room for all frames, one that closes without having read them does not wait.
        url = f"ws://127.0.0.1:{self.port}/ws/v5/{path}{query}"
        return connect(url, max_queue=None, close_timeout=1)

    async def log_in(self, socket: ClientConnection, **changes: str) -> dict[str, Any]:
        """Log a socket in and return the answer."""
        at = str(self.now_ms // 1_000)
        args = {
            "apiKey": self.key,
            "passphrase": self.passphrase,
            "timestamp": at,
            "sign": self.sign(f"{at}GET/users/self/verify"),
        }
        await say(socket, "login", args | changes)
        return await hear(socket)


async def say(
    socket: ClientConnection, op: str, *args: dict[str, str], request_id: str = ""
) -> None:
    """Send an operation."""
    head = {"id": request_id} if request_id else {}
    await socket.send(json.dumps({**head, "op": op, "args": args}))


async def subscribe(socket: ClientConnection, channel: str, **more: str) -> None:
    """Subscribe; that it was taken is among what comes next."""
    await say(socket, "subscribe", {"channel": channel, **more})


async def hear(socket: ClientConnection, channel: str = "") -> dict[str, Any]:
    """Return the next message, or the next that a channel tells."""
    with trio.fail_after(10):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv())
            assert not channel or message.get("event") != "error", message
            told = message["arg"]["channel"] if "data" in message and "arg" in message else ""
            if channel in ("", told):
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
