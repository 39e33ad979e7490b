"""What the parity suite calls: every coroutine method of every ccxt class, and with what arguments.

Both sides use it, so that a difference can only come from what lies under the exchange classes.
"""

import copy
import importlib
import inspect
import types
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple
from unittest.mock import patch

from exchanges import ccxt_names
from exchanges.json_text import Json

NOW_MS = 1_700_000_000_000
# Which of the packages a class comes from: the richest that has it.
PREDICTION = "prediction/"
ARGUMENTS: dict[str, Json] = {
    "symbol": "BTC/USDT",
    "symbols": ["BTC/USDT", "ETH/USDT"],
    "code": "USDT",
    "codes": ["USDT", "BTC"],
    "fromCode": "USDT",
    "from_code": "USDT",
    "toCode": "BTC",
    "to_code": "BTC",
    "amount": 1,
    "price": 100.0,
    "side": "buy",
    "type": "limit",
    "timeframe": "1m",
    "id": "12345",
    "ids": ["12345", "67890"],
    "since": NOW_MS - 3_600_000,
    "until": NOW_MS,
    "limit": 5,
    "address": "0x" + "1" * 40,
    "tag": "1",
    "network": "ETH",
    "networkCode": "ETH",
    "txid": "tx",
    "leverage": 3,
    "marginMode": "cross",
    "margin_mode": "cross",
    "hedged": True,
    "fromAccount": "spot",
    "toAccount": "swap",
    "symbolsAndTimeframes": [["BTC/USDT", "1m"], ["ETH/USDT", "1m"]],
    "cost": 100.0,
    "value": 1,
    "percentage": 50,
    "triggerPrice": 90.0,
    "stopLoss": 90.0,
    "stopLossPrice": 90.0,
    "takeProfit": 120.0,
    "takeProfitPrice": 120.0,
    "trailingAmount": 1.0,
    "trailingPercent": 1.0,
    "orders": [{"symbol": "BTC/USDT", "type": "limit", "side": "buy", "amount": 1, "price": 100.0}],
    "clientOrderId": "cid1",
    "clientOrderIds": ["cid1"],
    "timeout": 60_000,
    "maxRetries": 1,
    "reload": True,
    "query": "btc",
    "outcome": "BTC",
    "outcomes": ["BTC"],
    "name": "x",
}
CONFIG: dict[str, Json] = {
    "enableRateLimit": False,
    "apiKey": "key",
    "secret": "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0",
    "password": "password",
    "uid": "uid",
    "token": "token",
    "login": "login",
    "accountId": "12345",
    "walletAddress": "0x" + "2" * 40,
    "privateKey": "0xff3bdd43534543d421f05aec535965b5050ad6ac15345435345435453495e771",
    "timeout": 2_000,
    "options": {"accessToken": "token", "expires": 999_999_999_999_999, "leverageBrackets": {}},
}
PREFIXES = (
    "fetch_", "watch_", "un_watch_", "create_", "cancel_", "edit_", "set_", "transfer", "withdraw",
    "close_", "load_", "authenticate", "sign_in", "borrow", "repay", "add_margin", "reduce_margin",
)  # fmt: skip
# Methods that are part of what stands below, or that need a library which is not installed.
PLUMBING = {
    "close", "fetch", "fetch2", "load_markets_helper", "close_ws_clients", "close_connector",
    "close_proxy_sessions", "load_lighter_library", "load_dydx_protos", "load_order_book",
    "set_markets", "set_sandbox_mode", "set_headers", "set_proxy_agents",
    "set_markets_from_exchange", "create_safe_dictionary", "fetch_rest_order_book_safe",
    "create_expired_option_market",
}  # fmt: skip
# id, base, settled in: two spot markets and two perpetuals.
MARKETS = (
    ("BTCUSDT", "BTC", None),
    ("ETHUSDT", "ETH", None),
    ("BTCUSDTP", "BTC", "USDT"),
    ("ETHUSDTP", "ETH", "USDT"),
)


class Call(NamedTuple):
    """One call: of which exchange, which method, what the venue answers, on which market."""

    exchange: str
    cls: type
    method: str
    canned: Json
    swap: bool

    @property
    def key(self) -> str:
        """Name the call; `split_key` takes it apart."""
        return f"{self.exchange}.{self.method}|{self.canned}|{'swap' if self.swap else 'spot'}"


def split_key(key: str) -> tuple[str, str]:
    """Return a call's exchange and method."""
    exchange, _, method = key.partition("|")[0].partition(".")
    return exchange, method


def all_ids() -> list[str]:
    """Return every exchange that ccxt has; prediction markets under "prediction/"."""
    ids: list[str] = importlib.import_module("ccxt.async_support").exchanges
    markets: list[str] = importlib.import_module("ccxt.prediction").exchanges
    return [*ids, *(PREDICTION + each for each in markets)]


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
    patch("random.getrandbits", lambda _bits: 12345).start()


def methods(cls: type) -> list[str]:
    """Return the names of what a user may await, the bases' included."""
    found: set[str] = set()
    for base in cls.__mro__:
        if not base.__module__.startswith("ccxt."):
            continue
        found.update(
            name
            for name, function in vars(base).items()
            if isinstance(function, types.FunctionType)
            and name.startswith(PREFIXES)
            and name == name.lower()
            and name not in PLUMBING
        )
    return sorted(found)


def calls(ids: list[str]) -> Iterator[Call]:
    for exchange in ids:
        cls = ccxt_names.exchange_class(exchange)
        for method in methods(cls):
            yield Call(exchange, cls, method, {}, swap=False)
            yield Call(exchange, cls, method, {}, swap=True)
            if not method.startswith(("watch_", "un_watch_")):
                yield Call(exchange, cls, method, [], swap=False)


def arguments(function: Callable[..., Json], *, swap: bool = False) -> list[Json]:
    values = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name in ("self", "params") or parameter.kind in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            continue
        default = None if parameter.default is parameter.empty else parameter.default
        value = ARGUMENTS.get(parameter.name, default)
        if swap and parameter.name == "symbol":
            value = "BTC/USDT:USDT"
        if swap and parameter.name == "symbols":
            value = ["BTC/USDT:USDT", "ETH/USDT:USDT"]
        values.append(copy.deepcopy(value))
    return values


def prepare(exchange: Json) -> None:
    """Give the exchange its markets, as if they had been loaded."""
    networks = {"ETH": {"id": "ETH", "network": "ETH", "info": {}}}
    currencies = {
        code: exchange.safe_currency_structure(
            {"id": code, "code": code, "precision": 1e-8, "networks": networks, "info": {}}
        )
        for code in ("BTC", "ETH", "USDT")
    }
    exchange.set_markets([market(exchange, *each) for each in MARKETS], currencies)


def market(
    exchange: Json, market_id: str, base: str, settle: str | None, quote: str = "USDT"
) -> Json:
    """Return the structure of a spot market, or of a perpetual if it settles in something."""
    swap = settle is not None
    return exchange.safe_market_structure(
        {
            "id": market_id,
            "lowercaseId": market_id.lower(),
            "numericId": 1,
            "symbol": f"{base}/{quote}:{settle}" if swap else f"{base}/{quote}",
            "base": base,
            "quote": quote,
            "settle": settle,
            "baseId": base,
            "quoteId": quote,
            "settleId": settle,
            "type": "swap" if swap else "spot",
            "spot": not swap,
            "swap": swap,
            "margin": False,
            "future": False,
            "option": False,
            "active": True,
            "contract": swap,
            "linear": True if swap else None,
            "inverse": False if swap else None,
            "contractSize": 1.0 if swap else None,
            "taker": 0.001,
            "maker": 0.001,
            "precision": {"amount": 1e-4, "price": 0.01},
            "limits": {"amount": {"min": 1e-4}, "price": {}, "cost": {}, "leverage": {}},
            "altname": market_id,
            "wsId": f"{base}/{quote}",
            "info": {"wsname": f"{base}/{quote}", "id": market_id},
        }
    )
