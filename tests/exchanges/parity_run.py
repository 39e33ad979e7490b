"""One side of the parity suite.

Runs, for each exchange id, every public coroutine method with stubbed transport and returns call ->
[requests and frames handed to the transport, outcome]. The other side must return the same.
Offline; no socket is opened.
"""

import copy
import functools
import importlib
import inspect
import json
import types
import uuid
from collections.abc import Callable, Iterator
from unittest.mock import patch

import trio
import trio.testing

from exchanges.errors import CCXT_RAISES
from exchanges.factory import trio_class
from exchanges.json_text import Json
from supervisor.clock import ManualClock

NOW_MS = 1_700_000_000_000
# A call that waits for an answer which never comes is recorded as pending after this long.
PATIENCE_S = 0.5
ARGUMENTS: dict[str, Json] = {
    "symbol": "BTC/USDT",
    "symbols": ["BTC/USDT", "ETH/USDT"],
    "code": "USDT",
    "codes": ["USDT", "BTC"],
    "amount": 1,
    "price": 100.0,
    "side": "buy",
    "type": "limit",
    "timeframe": "1m",
    "id": "12345",
    "ids": ["12345", "67890"],
    "since": NOW_MS - 3_600_000,
    "limit": 5,
    "address": "0x" + "1" * 40,
    "tag": "1",
    "leverage": 3,
    "fromAccount": "spot",
    "toAccount": "swap",
    "symbolsAndTimeframes": [["BTC/USDT", "1m"], ["ETH/USDT", "1m"]],
    "cost": 100.0,
    "triggerPrice": 90.0,
    "stopLossPrice": 90.0,
    "takeProfitPrice": 120.0,
    "orders": [{"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": 1, "price": 100.0}],
    "clientOrderId": "cid1",
    "clientOrderIds": ["cid1"],
    "timeout": 60_000,
    "reload": True,
}
CONFIG: dict[str, Json] = {
    "enableRateLimit": False,
    "apiKey": "key",
    "secret": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
    "password": "password",
    "uid": "uid",
    "token": "token",
    "login": "login",
    "timeout": 2_000,
}
NONCE = "nonce"
EMPTY_ANSWERS: tuple[Json, ...] = ({}, [])
PREFIXES = (
    "fetch_", "watch_", "un_watch_", "create_", "cancel_", "edit_", "set_", "transfer", "withdraw",
    "close_", "load_", "authenticate", "sign_in",
)  # fmt: skip
PLUMBING = {
    "close", "fetch", "fetch2", "load_markets_helper", "close_ws_clients", "close_connector",
    "close_proxy_sessions", "load_lighter_library", "load_dydx_protos", "load_order_book",
    "set_markets", "set_sandbox_mode", "set_headers", "set_proxy_agents",
    "set_markets_from_exchange", "create_safe_dictionary", "fetch_rest_order_book_safe",
    "create_expired_option_market",
}  # fmt: skip


def freeze_chance() -> None:
    """Make everything that ccxt draws or reads from a clock the same on both sides."""
    base = importlib.import_module("ccxt.base.exchange").BaseExchange
    base.milliseconds = staticmethod(lambda: NOW_MS)
    base.seconds = staticmethod(lambda: NOW_MS // 1000)
    base.microseconds = staticmethod(lambda: NOW_MS * 1000)
    fixed = uuid.UUID(int=5)
    for name in ("uuid.uuid1", "uuid.uuid4"):
        patch(name, lambda *_a, **_k: fixed).start()
    base.uuid = staticmethod(lambda: str(fixed))
    base.uuid16 = staticmethod(lambda _n=16: "0123456789abcdef")
    base.uuid22 = staticmethod(lambda _n=22: "0123456789abcdef012345")
    patch("random.random", lambda: 0.5).start()
    patch("random.randint", lambda low, _high: low).start()


def methods(cls: type) -> dict[str, Callable[..., Json]]:
    found: dict[str, Callable[..., Json]] = {}
    for base in cls.__mro__:
        if not base.__module__.startswith("ccxt."):
            continue
        for name, function in vars(base).items():
            if (
                isinstance(function, types.FunctionType)
                and name.startswith(PREFIXES)
                and name == name.lower()
                and name not in PLUMBING
            ):
                found.setdefault(name, function)
    return found


def arguments(function: Callable[..., Json]) -> list[Json]:
    values = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ("self", "params") or parameter.kind in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            continue
        default = None if parameter.default is parameter.empty else parameter.default
        values.append(copy.deepcopy(ARGUMENTS.get(parameter.name, default)))
    return values


def prepare(exchange: Json, canned: Json, log: list[Json]) -> None:
    """Give the exchange two markets and a fetch that answers `canned`."""
    markets = [
        exchange.safe_market_structure(
            {
                "id": base + "USDT",
                "symbol": base + "/USDT",
                "base": base,
                "quote": "USDT",
                "baseId": base,
                "quoteId": "USDT",
                "type": "spot",
                "spot": True,
                "active": True,
                "taker": 0.001,
                "maker": 0.001,
                "precision": {"amount": 1e-4, "price": 0.01},
                "limits": {"amount": {"min": 1e-4}, "price": {}, "cost": {}, "leverage": {}},
                "altname": base + "USDT",
                "wsId": base + "/USDT",
                "info": {"wsname": base + "/USDT"},
            }
        )
        for base in ("BTC", "ETH")
    ]
    currencies = {
        code: exchange.safe_currency_structure({"id": code, "code": code, "precision": 1e-8})
        for code in ("BTC", "ETH", "USDT")
    }
    exchange.set_markets(markets, currencies)

    async def fetch(url: str, method: str = "GET", headers: Json = None, body: Json = None) -> Json:
        log.append(["http", method, url, sorted((headers or {}).items()), body])
        return copy.deepcopy(canned)

    exchange.fetch = fetch


def shown(value: Json) -> str:
    return json.dumps(value, sort_keys=True, default=lambda _: "object")[:4000]


def calls(ids: list[str]) -> Iterator[tuple[str, type, str, Callable[..., Json], Json]]:
    for exchange_id in ids:
        cls = getattr(importlib.import_module(f"ccxt.pro.{exchange_id}"), exchange_id)
        for name, function in sorted(methods(cls).items()):
            for canned in EMPTY_ANSWERS:
                yield f"{exchange_id}.{name}({canned})", cls, name, function, canned


class StubSocket:
    """Stands for the socket under the client, on both sides."""

    closed = False

    def __init__(self, url: str, log: list[Json]) -> None:
        self.url, self.log = url, log

    async def send_str(self, text: str) -> None:
        self.log.append(["frame", self.url, json.loads(text)])

    send_text = send_str

    async def close(self, code: int = 1000) -> None:
        self.closed = True

    aclose = close


def run_stock(ids: list[str]) -> dict[str, Json]:
    import asyncio
    import ssl

    # One for all: making it takes longer than a call.
    tls = ssl.create_default_context()

    async def one(cls: type, name: str, function: Callable[..., Json], canned: Json) -> list[Json]:
        log: list[Json] = []
        exchange = cls(copy.deepcopy(CONFIG))
        prepare(exchange, canned, log)
        exchange.ssl_context = tls
        exchange.open()
        make = exchange.client

        def client(url: str) -> Json:
            found = make(url)
            if found.connection is None:
                found.connection, found.isConnected = StubSocket(url, log), True
                found.connecting = True
                found.connected.resolve(url)
            return found

        exchange.client = client
        try:
            result = getattr(exchange, name)(*arguments(function))
            if inspect.isawaitable(result):
                result = await asyncio.wait_for(result, PATIENCE_S)
            outcome = "ok " + shown(result)
        except TimeoutError:
            outcome = "pending"
        except CCXT_RAISES as error:
            outcome = f"{type(error).__name__}: {error}"[:300]
        exchange.timeout_on_exit = 0
        await exchange.close()
        return [sorted(log, key=shown), outcome]

    async def main() -> dict[str, Json]:
        results: dict[str, Json] = {}
        gate = asyncio.Semaphore(32)

        async def record(key: str, *call: Json) -> None:
            async with gate:
                results[key] = await one(*call)

        await asyncio.gather(*(record(*call) for call in calls(ids)))
        return results

    return asyncio.run(main())


# The stubs of the trio side find the log of their exchange by the headers they are dialed with.
LOGS: dict[str, list[Json]] = {}


class TrioStub(StubSocket):
    """Never receives anything."""

    async def receive(self) -> None:
        await trio.sleep_forever()

    async def send_ping(self) -> None:
        return


async def dial(url: str, _tls: object, headers: dict[str, str], *, compress: bool) -> TrioStub:
    return TrioStub(url, LOGS[headers["log"]])


async def call_on_trio(
    cls: type, name: str, function: Callable[..., Json], canned: Json
) -> list[Json]:
    log: list[Json] = []
    exchange = trio_class(cls)(copy.deepcopy(CONFIG), clock=ManualClock(NOW_MS * 1_000_000))
    prepare(exchange, canned, log)
    # The one difference on purpose: our nonces increase although the clock stands.
    exchange.__dict__["nonce"] = functools.partial(getattr(cls, NONCE), exchange)
    LOGS[str(id(exchange))] = log
    outcome = "pending"
    async with exchange:
        make = exchange.client

        def client(url: str) -> Json:
            found = make(url)
            found.options = {**found.options, "headers": {"log": str(id(exchange))}}
            return found

        exchange.__dict__["client"] = client
        try:
            with trio.move_on_after(PATIENCE_S):
                result = getattr(exchange, name)(*arguments(function))
                if inspect.isawaitable(result):
                    result = await result
                outcome = "ok " + shown(result)
        except CCXT_RAISES as error:
            outcome = f"{type(error).__name__}: {error}"[:300]
    return [sorted(log, key=shown), outcome]


def run_trio(ids: list[str]) -> dict[str, Json]:
    async def main() -> dict[str, Json]:
        results: dict[str, Json] = {}
        gate = trio.CapacityLimiter(32)

        async def record(key: str, *call: Json) -> None:
            async with gate:
                results[key] = await call_on_trio(*call)

        async with trio.open_nursery() as nursery:
            for call in calls(ids):
                nursery.start_soon(record, *call)
        return results

    with patch("exchanges.socket_client.dial", dial):
        # Virtual time: a call that waits is known to wait at once.
        return trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
