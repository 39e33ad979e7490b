"""Weights of requests, the pools that they are taken from, and what their headers say.

Whoever has no key pays from the pool of its address, everybody else from the account's: one pool
for trading and one for management. Each is full again every 30 s. The figures are those of VIP 0.
"""

from venue.limits import Limiter, Verdict, Window
from venue.protocols.kucoin_errors import LimitError

Headers = tuple[tuple[str, str], ...]

INTERVAL_S = 30
POOLS = {"public": 2_000, "spot": 4_000, "management": 2_000}
_MS_NS = 1_000_000
# Weight of a request where it is not 2, by method and endpoint. ccxt and KuCoin's pages agree.
_WEIGHTS: dict[tuple[str, str], int] = {
    ("GET", "currencies"): 3,
    ("GET", "symbols"): 4,
    ("GET", "market/allTickers"): 15,
    ("GET", "market/stats"): 15,
    ("GET", "market/orderbook/level2_100"): 4,
    ("GET", "market/orderbook/level2"): 3,
    ("GET", "market/histories"): 3,
    ("GET", "market/candles"): 3,
    ("GET", "timestamp"): 3,
    ("GET", "status"): 3,
    ("POST", "bullet-public"): 10,
    ("POST", "bullet-private"): 10,
    ("GET", "accounts"): 5,
    ("GET", "trade-fees"): 3,
    ("GET", "base-fee"): 3,
    ("GET", "deposits"): 5,
    ("GET", "withdrawals"): 20,
    ("GET", "stop-order"): 8,
    ("GET", "stop-order/{orderId}"): 3,
    ("GET", "stop-order/queryOrderByClientOid"): 3,
    ("POST", "hf/orders"): 1,
    ("POST", "hf/orders/sync"): 1,
    ("POST", "hf/orders/test"): 1,
    ("POST", "hf/orders/alter"): 1,
    ("DELETE", "hf/orders/{orderId}"): 1,
    ("DELETE", "hf/orders/sync/{orderId}"): 1,
    ("DELETE", "hf/orders/client-order/{clientOid}"): 1,
    ("DELETE", "hf/orders/sync/client-order/{clientOid}"): 1,
    ("DELETE", "hf/orders/cancelAll"): 30,
    ("DELETE", "stop-order/{orderId}"): 3,
    ("DELETE", "stop-order/cancelOrderByClientOid"): 5,
    ("DELETE", "stop-order/cancel"): 3,
}
_WEIGHT = 2
_SPOT = ("hf/", "stop-order", "market/orderbook/level2", "margin/", "isolated/", "bullet-private")


class Limits:
    """All pools of all addresses and accounts."""

    def __init__(self, *, are_on: bool) -> None:
        self._are_on = are_on
        self._pools = {
            name: Limiter((Window(INTERVAL_S, limit),) if are_on else ())
            for name, limit in POOLS.items()
        }

    def charge_address(self, peer: str, method: str, endpoint: str, now_ns: int) -> Headers:
        """Count a request of an address; return the headers. Raises `LimitError`."""
        return self._charge("public", peer, method, endpoint, now_ns)

    def charge_account(self, number: int, method: str, endpoint: str, now_ns: int) -> Headers:
        """Count a request of an account; return the headers. Raises `LimitError`."""
        pool = "spot" if endpoint.startswith(_SPOT) else "management"
        return self._charge(pool, str(number), method, endpoint, now_ns)

    def _charge(self, pool: str, key: str, method: str, endpoint: str, now_ns: int) -> Headers:
        weight = _WEIGHTS.get((method, endpoint), _WEIGHT)
        verdict = self._pools[pool].charge(key, weight, now_ns)
        headers = self._headers(pool, verdict, now_ns)
        if not verdict.is_allowed:
            raise LimitError(headers)
        return headers

    def _headers(self, pool: str, verdict: Verdict, now_ns: int) -> Headers:
        if not self._are_on:
            return ()
        interval_ns = INTERVAL_S * 1_000 * _MS_NS
        left_ms = (interval_ns - now_ns % interval_ns) // _MS_NS
        return (
            ("gw-ratelimit-limit", str(POOLS[pool])),
            ("gw-ratelimit-remaining", str(max(0, POOLS[pool] - verdict.used[0]))),
            ("gw-ratelimit-reset", str(left_ms)),
        )
