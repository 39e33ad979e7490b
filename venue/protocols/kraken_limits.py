"""Kraken's request limits: counters that requests raise and time lowers.

Two per account: one of the REST API, and one of trading per pair. An order adds 1; cancelling it
adds the more the younger it is. Only new orders and queries are refused; a cancel never is.
Counts are kept in thousandths, so that decay is exact in integers.
"""

from typing import NamedTuple

from venue.config import RateTier

_THOUSANDTHS = 1_000
_SECOND_NS = 1_000_000_000


class Tier(NamedTuple):
    """Counter maxima and decay per second, both in thousandths."""

    api_max: int
    api_decay: int
    trading_max: int
    trading_decay: int


TIERS: dict[RateTier, Tier | None] = {
    RateTier.NONE: None,
    RateTier.STARTER: Tier(15_000, 330, 60_000, 1_000),
    RateTier.INTERMEDIATE: Tier(20_000, 500, 125_000, 2_340),
    RateTier.PRO: Tier(20_000, 1_000, 180_000, 3_750),
}

# (order younger than this many seconds, what cancelling it adds, what amending it adds)
_AGE_COSTS = ((5, 8, 3), (10, 6, 2), (15, 5, 1), (45, 4, 0), (90, 2, 0), (300, 1, 0))

API_COSTS = {
    "Ledgers": 2,
    "QueryLedgers": 2,
    "TradesHistory": 2,
    "QueryTrades": 2,
    "ClosedOrders": 1,
    "AddOrder": 0,
    "AmendOrder": 0,
    "EditOrder": 0,
    "CancelOrder": 0,
    "CancelOrderBatch": 0,
    "CancelAll": 0,
    "CancelAllOrdersAfter": 0,
}


def cancel_cost(age_ns: int) -> int:
    """Return what cancelling an order of this age adds."""
    for younger_than_s, cost, _ in _AGE_COSTS:
        if age_ns < younger_than_s * _SECOND_NS:
            return cost
    return 0


def amend_cost(age_ns: int) -> int:
    """Return what amending an order of this age adds."""
    for younger_than_s, _, cost in _AGE_COSTS:
        if age_ns < younger_than_s * _SECOND_NS:
            return 1 + cost
    return 1


class _Counter:
    """One decaying counter."""

    def __init__(self) -> None:
        self.value = 0
        self._at_ns = 0

    def decay(self, per_second: int, now_ns: int) -> None:
        elapsed_ns = now_ns - self._at_ns
        lowered = elapsed_ns * per_second // _SECOND_NS
        if lowered >= self.value:
            self.value, self._at_ns = 0, now_ns
        elif lowered:
            self.value -= lowered
            self._at_ns = now_ns


class RateLimits:
    """All counters of all accounts. Not durable: after a restart everybody starts at zero."""

    def __init__(self, tier: RateTier) -> None:
        self._tier = TIERS[tier]
        self._api: dict[int, _Counter] = {}
        self._trading: dict[tuple[int, str], _Counter] = {}

    def allows_request(self, account: int, endpoint: str, now_ns: int) -> bool:
        """Count a REST request; False when the counter is over its maximum."""
        if self._tier is None:
            return True
        counter = self._api.setdefault(account, _Counter())
        counter.decay(self._tier.api_decay, now_ns)
        cost = API_COSTS.get(endpoint, 1) * _THOUSANDTHS
        if cost and counter.value + cost > self._tier.api_max:
            return False
        counter.value += cost
        return True

    def allows_order(self, account: int, symbol: str, now_ns: int) -> bool:
        """Count a new order; False when the pair's counter is over its maximum."""
        if self._tier is None:
            return True
        counter = self._counter(account, symbol, now_ns)
        if counter.value + _THOUSANDTHS > self._tier.trading_max:
            return False
        counter.value += _THOUSANDTHS
        return True

    def count(self, account: int, symbol: str, cost: int, now_ns: int) -> None:
        """Count something that is never refused."""
        if self._tier is not None:
            self._counter(account, symbol, now_ns).value += cost * _THOUSANDTHS

    def _counter(self, account: int, symbol: str, now_ns: int) -> _Counter:
        assert self._tier is not None, "asked only where limits apply"
        counter = self._trading.setdefault((account, symbol), _Counter())
        counter.decay(self._tier.trading_decay, now_ns)
        return counter
