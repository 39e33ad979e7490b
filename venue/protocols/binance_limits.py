"""Weights of requests, their headers, and what becomes of an address that does not listen."""

from typing import NamedTuple

from venue.limits import Limiter, Verdict, Window
from venue.protocols.binance_errors import BANNED, TOO_MANY, BinanceError
from venue.protocols.binance_flavor import BAN, Flavor

Headers = tuple[tuple[str, str], ...]

# Weight of a request where it is not 1: (with symbol, without).
_SPOT_WEIGHTS: dict[tuple[str, str], tuple[int, int]] = {
    ("GET", "exchangeInfo"): (20, 20),
    ("GET", "trades"): (25, 25),
    ("GET", "aggTrades"): (4, 4),
    ("GET", "klines"): (2, 2),
    ("GET", "ticker/24hr"): (2, 80),
    ("GET", "ticker/price"): (2, 4),
    ("GET", "ticker/bookTicker"): (2, 4),
    ("GET", "avgPrice"): (2, 2),
    ("GET", "account"): (20, 20),
    ("GET", "account/commission"): (20, 20),
    ("GET", "order"): (4, 4),
    ("GET", "openOrders"): (6, 80),
    ("GET", "allOrders"): (20, 20),
    ("GET", "myTrades"): (20, 20),
    ("GET", "rateLimit/order"): (40, 40),
    ("POST", "userDataStream"): (2, 2),
    ("PUT", "userDataStream"): (2, 2),
    ("DELETE", "userDataStream"): (2, 2),
}
_FUTURES_WEIGHTS: dict[tuple[str, str], tuple[int, int]] = {
    ("GET", "aggTrades"): (20, 20),
    ("GET", "trades"): (5, 5),
    ("GET", "klines"): (5, 5),
    ("GET", "ticker/24hr"): (1, 40),
    ("GET", "ticker/price"): (1, 2),
    ("GET", "ticker/bookTicker"): (2, 5),
    ("GET", "premiumIndex"): (1, 10),
    ("GET", "account"): (5, 5),
    ("GET", "balance"): (5, 5),
    ("GET", "positionRisk"): (5, 5),
    ("GET", "openOrders"): (1, 40),
    ("GET", "openAlgoOrders"): (1, 40),
    ("GET", "allOrders"): (5, 5),
    ("GET", "allAlgoOrders"): (5, 5),
    ("GET", "userTrades"): (5, 5),
    ("GET", "income"): (30, 30),
    ("GET", "commissionRate"): (20, 20),
    ("POST", "order"): (0, 0),
}
# (at most this many levels, weight), spot and futures.
_SPOT_DEPTH = ((100, 5), (500, 25), (1_000, 50), (5_000, 250))
_FUTURES_DEPTH = ((50, 2), (100, 5), (500, 10), (1_000, 20))
_ORDERS = {("POST", "order"), ("POST", "algoOrder"), ("POST", "order/cancelReplace")}


class Charge(NamedTuple):
    """What a request cost: the headers that its answer carries."""

    headers: Headers


class Limits:
    """All weights of all addresses and the order counts of all accounts."""

    def __init__(self, flavor: Flavor, *, are_on: bool) -> None:
        self._flavor = flavor
        windows = (Window(60, flavor.weight_per_minute),) if are_on else ()
        self._weights = Limiter(windows, BAN)
        self._orders = Limiter(flavor.order_windows if are_on else ())
        self._refusal_headers: Headers = ()

    def charge(self, peer: str, weight: int, now_ns: int) -> Headers:
        """Count a request of an address; return the headers. Raises `LimitError`."""
        verdict = self._weights.charge(peer, weight, now_ns)
        headers = _used_headers(verdict)
        if verdict.is_allowed:
            return headers
        wait: Headers = (("Retry-After", str(verdict.retry_after_s)),)
        limit = self._flavor.weight_per_minute
        if verdict.is_banned:
            until_ms = verdict.banned_until_ns // 1_000_000
            text = f"Way too many requests; IP({peer}) banned until {until_ms}."
            raise LimitError(text, BANNED, headers + wait)
        text = (
            f"Too much request weight used; current limit is {limit} request weight per 1 MINUTE."
        )
        raise LimitError(text, TOO_MANY, headers + wait)

    def charge_order(self, account: int, now_ns: int) -> Headers:
        """Count a new order of an account; return the headers. Raises `LimitError`."""
        verdict = self._orders.charge(str(account), 1, now_ns)
        names = [_interval(window.interval_s) for window in self._flavor.order_windows]
        headers = tuple(
            (f"X-MBX-ORDER-COUNT-{name}", str(used))
            for name, used in zip(names, verdict.used, strict=False)
        )
        if verdict.is_allowed:
            return headers
        wait: Headers = (("Retry-After", str(verdict.retry_after_s)),)
        limit = self._flavor.order_windows[0].limit
        text = f"Too many new orders; current limit is {limit} orders per TEN SECONDS."
        raise LimitError(text, TOO_MANY, headers + wait, code=-1015)


class LimitError(BinanceError):
    """A request that was refused before anybody looked at it."""

    def __init__(self, text: str, status: int, headers: Headers, code: int = -1003) -> None:
        super().__init__(code, text, status)
        self.headers = headers


def weight_of(flavor: Flavor, method: str, endpoint: str, parameters: dict[str, str]) -> int:
    """Return what a request costs of its address's budget."""
    if endpoint == "depth":
        limit = parameters.get("limit", "")
        wanted = int(limit) if limit.isdigit() and len(limit) <= len("5000") else 100
        table = _FUTURES_DEPTH if flavor.is_futures else _SPOT_DEPTH
        return next((weight for most, weight in table if wanted <= most), table[-1][1])
    table_of = _FUTURES_WEIGHTS if flavor.is_futures else _SPOT_WEIGHTS
    with_symbol, without = table_of.get((method, endpoint), (1, 1))
    return with_symbol if parameters.get("symbol") else without


def is_order(method: str, endpoint: str) -> bool:
    """Whether a request counts as a new order."""
    return (method, endpoint) in _ORDERS


def _used_headers(verdict: Verdict) -> Headers:
    if not verdict.used:
        return ()
    used = str(verdict.used[0])
    return (("X-MBX-USED-WEIGHT", used), ("X-MBX-USED-WEIGHT-1M", used))


def _interval(seconds: int) -> str:
    return {10: "10S", 60: "1M", 86_400: "1D"}[seconds]
