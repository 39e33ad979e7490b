"""The venues of the unified suite: how ccxt's class of each is pointed at a box that speaks it.

To add one: a `Case`, with the addresses in the form that ccxt's class of the venue wants. Nothing
of `venue/` is imported here: the stock class runs in a process that needs none of it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

SPOT = "ETH/USDT"
PERPETUAL = "ETH/USDT:USDT"


class Case(NamedTuple):
    """One venue."""

    ccxt_id: str
    protocol: str
    symbol: str
    settings: Callable[[str], dict[str, Any]]
    """ccxt's constructor settings for a box at `127.0.0.1:PORT`, without the key."""
    balance_type: str
    """Under which ccxt keeps the watched balance; empty where it keeps one only."""
    book_limit: int = 10
    has_positions: bool = False
    order_types: tuple[str, ...] = (
        "limit",
        "post-only",
        "ioc",
        "fok",
        "stop",
        "stop-limit",
        "take",
    )
    can_edit: bool = True
    edits_under_a_new_id: bool = True
    """Whether an edited spot order gets a new id of the client's."""
    waits_apart: bool = False
    """Whether orders that wait for a price are asked for apart, with `trigger`."""
    lists_all_orders: bool = True
    """Whether open and ended orders can be asked for at once."""
    client_id: str = "clientOrderId"
    """The parameter by which ccxt passes a client's id on."""
    stop_price: str = "triggerPrice"
    """The parameter of the price that a stop order waits for."""
    buys_by_cost: bool = False
    """Whether a market purchase names what it costs: about the amount is bought."""
    watches_account: bool = True
    """Whether ccxt watches candles, the account's fills and its balance."""
    wrong_secret: str = "00" * 32
    unfilled: str = "expired"
    """The state of an order that was to fill at once and did not."""
    trigger_params: Mapping[str, Any] = {}
    """What a trigger price needs beside it."""
    take_query: Mapping[str, Any] = {"trigger": True}
    """How a waiting take-profit is asked for, where orders that wait are asked for apart."""
    variant: str = ""
    """Behind the protocol in the case's name, where one protocol has several."""
    beside: str = ""
    """Another symbol that the box lists, too."""

    @property
    def name(self) -> str:
        """Its key in `CASES`."""
        return self.protocol + self.variant


def _okx(address: str) -> dict[str, Any]:
    return {
        "options": {"fetchMarkets": {"types": ["spot", "swap"]}},
        "urls": {"api": {"rest": f"http://{address}", "ws": f"ws://{address}/ws/v5"}},
    }


def _binance(address: str) -> dict[str, Any]:
    rest, socket = f"http://{address}", f"ws://{address}"
    return {
        "options": {"fetchMarkets": {"types": ["spot"]}},
        "urls": {
            "api": {
                "public": f"{rest}/api/v3",
                "private": f"{rest}/api/v3",
                "sapi": f"{rest}/sapi/v1",
                # ccxt knows a spot stream by `/stream` in its address.
                "ws": {
                    "spot": f"{socket}/stream/ws",
                    "ws-api": {"spot": f"{socket}/ws-api/v3"},
                },
            }
        },
    }


def _binanceusdm(address: str) -> dict[str, Any]:
    rest, socket = f"http://{address}/fapi", f"ws://{address}"
    return {
        "urls": {
            "api": {
                "fapiPublic": f"{rest}/v1",
                "fapiPublicV2": f"{rest}/v2",
                "fapiPublicV3": f"{rest}/v3",
                "fapiPrivate": f"{rest}/v1",
                "fapiPrivateV2": f"{rest}/v2",
                "fapiPrivateV3": f"{rest}/v3",
                "sapi": f"http://{address}/sapi/v1",
                "ws": {
                    "linear": f"{socket}/ws",
                    "ws-api": {"linear": f"{socket}/ws-fapi/v1"},
                },
            }
        },
        "options": {"fetchCurrencies": False},
    }


def _kucoin(address: str) -> dict[str, Any]:
    apis = ("public", "private", "uta", "utaPrivate")
    return {
        "options": {"fetchMarkets": {"types": ["spot"]}},
        "urls": {"api": dict.fromkeys(apis, f"http://{address}")},
    }


def _coinbase(address: str) -> dict[str, Any]:
    return {
        "options": {"fetchBalance": "v3PrivateGetBrokerageAccounts"},
        "urls": {"api": {"rest": f"http://{address}", "ws": f"ws://{address}"}},
    }


# Of nobody's account.
_STRAY_KEY = """-----BEGIN EC PRIVATE KEY-----
MHcCAQEEIKA3kvGNTsSvqINwtSLqWO7feIroIILXQ59/M6uAmuRzoAoGCCqGSM49
AwEHoUQDQgAEtoFJdv2N83fEdfnQQvQzdGc/hyYoeCyvgFLlmmY8/WYLt8TS8hYf
521LWB09lXurRjflXucbVgHwrIcbUZ/XSQ==
-----END EC PRIVATE KEY-----
"""


def bybit_settings(address: str) -> dict[str, Any]:
    """Return the settings for Bybit's class, which lists spot and linear."""
    rest, socket = f"http://{address}", f"ws://{address}/v5"
    public = {name: f"{socket}/public/{name}" for name in ("spot", "linear")}
    private = {"spot": {"unified": f"{socket}/private"}, "contract": f"{socket}/private"}
    sockets = {"public": public, "private": {**private, "trade": f"{socket}/trade"}}
    return {
        "urls": {"api": {"public": rest, "private": rest, "ws": sockets}},
        "options": {"fetchOrder": {"acknowledged": True}},
    }


def _bybit_spot(address: str) -> dict[str, Any]:
    settings = bybit_settings(address)
    settings["options"]["defaultType"] = "spot"
    return settings


CASES: dict[str, Case] = {
    "coinbase": Case(
        "coinbase",
        "coinbase",
        SPOT,
        _coinbase,
        "",
        order_types=("limit", "post-only", "ioc", "fok", "stop-limit", "take-limit"),
        edits_under_a_new_id=False,
        client_id="client_order_id",
        stop_price="stopLossPrice",
        buys_by_cost=True,
        watches_account=False,
        wrong_secret=_STRAY_KEY,
        unfilled="canceled",
    ),
    "okx": Case(
        "okx",
        "okx",
        SPOT,
        _okx,
        "",
        edits_under_a_new_id=False,
        waits_apart=True,
        take_query={"trigger": True, "ordType": "conditional"},
        lists_all_orders=False,
        unfilled="canceled",
    ),
    "okx-swap": Case(
        "okx",
        "okx",
        PERPETUAL,
        _okx,
        "",
        variant="-swap",
        beside=SPOT,
        has_positions=True,
        waits_apart=True,
        take_query={"trigger": True, "ordType": "conditional"},
        lists_all_orders=False,
        unfilled="canceled",
    ),
    "binance": Case("binance", "binance", SPOT, _binance, "spot"),
    "binanceus": Case("binanceus", "binanceus", SPOT, _binance, "spot"),
    "binanceusdm": Case(
        "binanceusdm",
        "binanceusdm",
        PERPETUAL,
        _binanceusdm,
        "linear",
        has_positions=True,
        waits_apart=True,
    ),
    "kucoin": Case(
        "kucoin",
        "kucoin",
        SPOT,
        _kucoin,
        "trade",
        book_limit=100,
        edits_under_a_new_id=False,
        waits_apart=True,
        lists_all_orders=False,
        unfilled="canceled",
    ),
    "bybit": Case(
        "bybit",
        "bybit",
        SPOT,
        _bybit_spot,
        "unified",
        book_limit=50,
        edits_under_a_new_id=False,
        waits_apart=True,
        take_query={"orderFilter": "tpslOrder"},
        lists_all_orders=False,
        unfilled="canceled",
    ),
    "bybit-linear": Case(
        "bybit",
        "bybit",
        PERPETUAL,
        bybit_settings,
        "unified",
        variant="-linear",
        beside=SPOT,
        book_limit=50,
        has_positions=True,
        edits_under_a_new_id=False,
        waits_apart=True,
        trigger_params={"triggerDirection": "descending"},
        lists_all_orders=False,
        unfilled="canceled",
    ),
}
