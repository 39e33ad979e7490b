"""A box in a nursery and clients that talk to it: what the tests of the server share."""

import base64
import hashlib
import hmac
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any, TypeAlias
from urllib.parse import urlencode
from uuid import UUID

import httpx2
import trio
from websockets.trio.client import ClientConnection, connect

from supervisor.clock import Clock, ProcessClock
from venue.box import serve_venue
from venue.config import AccountConfig, MarketConfig, RateTier, VenueConfig
from venue.market import MarketSpec

# What JSON decodes to, and objects of libraries that come without types.
Untyped: TypeAlias = Any

SECRET = base64.b64encode(b"not a secret at all, just a test" * 2).decode()
SYMBOL = "ETH/USDT"
CLIENT_ID = str(UUID(int=11))
ALICE = AccountConfig(
    name="alice", api_key="ALICE", api_secret=SECRET, balances={"USDT": "10000", "ETH": "5"}
)
BOB = AccountConfig(
    name="bob", api_key="BOB", api_secret=SECRET, balances={"USDT": "10000", "ETH": "5"}
)
# A market that trades often enough for tests that do not want to wait.
BUSY = MarketConfig(spec=MarketSpec(events_per_second=200, taker_probability=0.1))


def config(**changes: Untyped) -> VenueConfig:
    """Return the configuration of a small box."""
    settings: dict[str, Any] = {
        "accounts": (ALICE, BOB),
        "markets": (BUSY,),
        "rate_tier": RateTier.NONE,
        "warm_up_s": 65,
        "tick_interval_ms": 10,
    }
    return VenueConfig(**(settings | changes))


class RestClient:
    """Signs and sends requests as a customer does, without ccxt."""

    nonces = itertools.count(1_700_000_000_000)

    def __init__(self, port: int, http: httpx2.AsyncClient, key: str = "ALICE") -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.key = key
        self.secret = SECRET
        self._http = http

    async def public(self, endpoint: str, **parameters: str | int) -> Untyped:
        response = await self._http.get(f"{self.url}/0/public/{endpoint}", params=parameters)
        return response.json()

    async def raw(self, endpoint: str, **parameters: str | int) -> httpx2.Response:
        nonce = str(parameters.pop("nonce", next(self.nonces)))
        body = urlencode({"nonce": nonce, **parameters})
        path = f"/0/private/{endpoint}"
        digest = hashlib.sha256((nonce + body).encode()).digest()
        mac = hmac.new(base64.b64decode(self.secret), path.encode() + digest, hashlib.sha512)
        headers = {
            "API-Key": self.key,
            "API-Sign": base64.b64encode(mac.digest()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }
        return await self._http.post(self.url + path, content=body, headers=headers)

    async def private(self, endpoint: str, **parameters: str | int) -> Untyped:
        return (await self.raw(endpoint, **parameters)).json()

    async def result(self, endpoint: str, **parameters: str | int) -> Untyped:
        answer = await self.private(endpoint, **parameters)
        assert answer["error"] == [], answer
        return answer["result"]

    async def error(self, endpoint: str, **parameters: str | int) -> str:
        answer = await self.private(endpoint, **parameters)
        assert len(answer["error"]) == 1, answer
        return str(answer["error"][0])

    async def best(self) -> tuple[Decimal, Decimal]:
        """Return the best bid and ask."""
        depth = (await self.public("Depth", pair="ETHUSDT", count=1))["result"]["ETHUSDT"]
        return Decimal(depth["bids"][0][0]), Decimal(depth["asks"][0][0])

    async def limit(self, side: str, volume: str, price: Decimal | str, **more: str | int) -> str:
        """Place a limit order and return its txid."""
        result = await self.result(
            "AddOrder",
            pair="ETHUSDT",
            type=side,
            ordertype="limit",
            volume=volume,
            price=str(price),
            **more,
        )
        return str(result["txid"][0])

    async def market(self, side: str, volume: str, **more: str | int) -> str:
        """Place a market order and return its txid."""
        result = await self.result(
            "AddOrder", pair="ETHUSDT", type=side, ordertype="market", volume=volume, **more
        )
        return str(result["txid"][0])

    async def admin(self, name: str, body: dict[str, Any] | None = None) -> Untyped:
        """Call a control endpoint: GET without a body, POST with one."""
        url = f"{self.url}/_box/{name}"
        response = await (self._http.get(url) if body is None else self._http.post(url, json=body))
        return response.json()

    def websocket(self, path: str = "/v2") -> Untyped:
        return connect(f"ws://127.0.0.1:{self.port}{path}")

    async def subscribe_private(self, socket: ClientConnection, **parameters: Untyped) -> str:
        """Subscribe to a private channel and return the token used."""
        token = str((await self.result("GetWebSocketsToken"))["token"])
        await say(socket, "subscribe", token=token, **parameters)
        return token


async def say(
    socket: ClientConnection, method: str, req_id: int = 1, **parameters: Untyped
) -> None:
    await socket.send(json.dumps({"method": method, "params": parameters, "req_id": req_id}))


async def hear(socket: ClientConnection, **wanted: Untyped) -> dict[str, Any]:
    """Return the next message with these fields; numbers as Decimal, text exact."""
    with trio.fail_after(10):
        while True:
            message: dict[str, Any] = json.loads(await socket.recv(), parse_float=Decimal)
            if all(message.get(name) == value for name, value in wanted.items()):
                return message


@asynccontextmanager
async def running_box(
    settings: VenueConfig | None = None, clock: Clock | None = None
) -> AsyncIterator[RestClient]:
    """Run a box for the length of the block; yields a client of alice's."""
    client = httpx2.AsyncClient(timeout=10, verify=False, trust_env=False)
    async with trio.open_nursery() as nursery, client as http:
        port = await nursery.start(serve_venue, settings or config(), clock or ProcessClock())
        yield RestClient(port, http)
        nursery.cancel_scope.cancel()
