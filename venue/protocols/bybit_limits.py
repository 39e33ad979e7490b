"""How often an account may ask each endpoint per second, and an address altogether.

Every private answer says in its X-Bapi-Limit headers what is left. An address that sends more than
600 requests within five seconds is shut out for ten minutes.
"""

from venue.limits import BanRule, Limiter, Window
from venue.protocols.bybit_errors import FORBIDDEN, BybitError, Headers
from venue.protocols.bybit_names import LINEAR, MS_NS, SPOT

ADDRESS = Window(5, 600)
BAN = BanRule(refusals=0, first_s=600, longest_s=600)
SECOND_NS = 1_000_000_000
PER_SECOND = 50
# Of an account that is no VIP, per category; every other endpoint has `PER_SECOND`.
_ORDERS = {SPOT: 20, LINEAR: 10}
_BOUND = frozenset(
    (
        "order/create",
        "order/amend",
        "order/cancel",
        "order/cancel-all",
        "order/create-batch",
        "order/amend-batch",
        "order/cancel-batch",
    )
)


class Limits:
    """What all accounts and addresses have used."""

    def __init__(self, *, are_on: bool) -> None:
        self._are_on = are_on
        self._addresses = Limiter((ADDRESS,) if are_on else (), BAN)
        self._by_limit: dict[int, Limiter] = {}

    def charge_address(self, peer: str, now_ns: int) -> None:
        """Count a request of an address. Raises `BybitError`."""
        if not self._addresses.charge(peer, 1, now_ns).is_allowed:
            raise BybitError(10018, "access too frequent", FORBIDDEN)

    def charge(
        self, account: int, endpoint: str, category: str, now_ns: int, weight: int = 1
    ) -> Headers:
        """Count a request of an account; return the headers. Raises `BybitError`."""
        limit = _ORDERS.get(category, PER_SECOND) if endpoint in _BOUND else PER_SECOND
        windows = (Window(1, limit),) if self._are_on else ()
        limiter = self._by_limit.setdefault(limit, Limiter(windows))
        verdict = limiter.charge(f"{account} {endpoint} {category}", weight, now_ns)
        used = verdict.used[0] if verdict.used else weight
        resets_ns = now_ns - now_ns % SECOND_NS + SECOND_NS
        headers: Headers = (
            ("X-Bapi-Limit", str(limit)),
            ("X-Bapi-Limit-Status", str(max(0, limit - used))),
            ("X-Bapi-Limit-Reset-Timestamp", str(resets_ns // MS_NS)),
        )
        if not verdict.is_allowed:
            text = "Too many visits. Exceeded the API Rate Limit."
            raise BybitError(10006, text, headers=headers)
        return headers
