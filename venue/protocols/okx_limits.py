"""How often each endpoint may be asked: requests per two seconds, of an address or an account.

Whoever goes over gets 429 and code 50011 until the two seconds are over; nobody is banned. Orders
count one by one, also within a batch, per account and instrument; a batch has a budget of its own.
"""

from typing import NamedTuple

from venue.limits import Limiter, Window
from venue.protocols.okx_errors import TOO_MANY, OkxError
from venue.protocols.okx_names import SWAP

WINDOW_S = 2
# Of new orders and amendments of one account, all its perpetuals together.
ACCOUNT_ORDERS_MAX = 1_000
# Logins, subscriptions and their ends on one connection.
SOCKET_OPERATIONS = Window(3_600, 480)

# Requests per two seconds, where they are not the default.
_DEFAULT = 20
_REQUESTS: dict[tuple[str, str], int] = {
    ("GET", "public/time"): 10,
    ("GET", "public/mark-price"): 10,
    ("GET", "public/funding-rate-history"): 10,
    ("GET", "market/books"): 40,
    ("GET", "market/books-full"): 10,
    ("GET", "market/trades"): 100,
    ("GET", "market/candles"): 40,
    ("GET", "account/balance"): 10,
    ("GET", "account/positions"): 10,
    ("GET", "account/config"): 5,
    ("GET", "account/bills"): 10,
    ("GET", "account/bills-archive"): 10,
    ("GET", "account/trade-fee"): 5,
    ("POST", "account/set-position-mode"): 5,
    ("GET", "trade/order"): 60,
    ("GET", "trade/orders-pending"): 60,
    ("GET", "trade/orders-history"): 40,
    ("GET", "trade/fills"): 60,
    ("GET", "trade/fills-history"): 10,
    ("POST", "trade/cancel-all-after"): 2,
}
# Orders per two seconds, account and instrument.
_ORDERS: dict[str, int] = {
    "trade/order": 60,
    "trade/batch-orders": 300,
    "trade/cancel-order": 60,
    "trade/cancel-batch-orders": 300,
    "trade/amend-order": 60,
    "trade/amend-batch-orders": 300,
    "trade/order-algo": 20,
    "trade/cancel-algos": 20,
    "trade/amend-algos": 20,
}
_SINGLE = {
    "trade/batch-orders": "trade/order",
    "trade/cancel-batch-orders": "trade/cancel-order",
    "trade/amend-batch-orders": "trade/amend-order",
}
_COUNTED = ("trade/order", "trade/batch-orders", "trade/amend-order", "trade/amend-batch-orders")


class Charge(NamedTuple):
    """What a request uses: of its endpoint, and how many orders of which instruments."""

    method: str
    endpoint: str
    instruments: tuple[str, ...] = ()


def is_order(charge: Charge) -> bool:
    """Whether a request is about orders, which have budgets of their own."""
    return charge.method == "POST" and charge.endpoint in _ORDERS


class Limits:
    """All budgets of all addresses and accounts."""

    def __init__(self, *, are_on: bool) -> None:
        self._are_on = are_on
        self._limiters: dict[int, Limiter] = {}
        self._operations = Limiter((SOCKET_OPERATIONS,) if are_on else ())

    def charge(self, who: str, charge: Charge, now_ns: int) -> None:
        """Count a request of an address or an account. Raises `OkxError`."""
        if not self._are_on:
            return
        if not is_order(charge):
            most = _REQUESTS.get((charge.method, charge.endpoint), _DEFAULT)
            self._count(f"{who} {charge.method} {charge.endpoint}", 1, most, now_ns)
            return
        endpoint = charge.endpoint
        if len(charge.instruments) == 1:
            # A batch of one counts as what it is.
            endpoint = _SINGLE.get(endpoint, endpoint)
        for instrument in dict.fromkeys(charge.instruments):
            key = f"{who} {endpoint} {instrument}"
            many = charge.instruments.count(instrument)
            self._count(key, many, _ORDERS[endpoint], now_ns)
        swaps = sum(each.endswith(SWAP) for each in charge.instruments)
        if endpoint in _COUNTED and swaps:
            self._count(f"{who} orders", swaps, ACCOUNT_ORDERS_MAX, now_ns, code="50061")

    def charge_operation(self, session: int, now_ns: int) -> None:
        """Count a login or a subscription of a connection. Raises `OkxError`."""
        if not self._operations.charge(str(session), 1, now_ns).is_allowed:
            raise OkxError("60014", "Requests too frequent")

    def _count(self, key: str, many: int, most: int, now_ns: int, *, code: str = "50011") -> None:
        limiter = self._limiters.setdefault(most, Limiter((Window(WINDOW_S, most),)))
        if not limiter.charge(key, many, now_ns).is_allowed:
            raise OkxError(code, "Too Many Requests", TOO_MANY)
