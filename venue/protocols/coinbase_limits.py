"""How often one may ask: 30 requests a second with a key, 10 without, by account or address."""

from venue.limits import Limiter, Window
from venue.protocols.coinbase_errors import TOO_MANY, CoinbaseError

PRIVATE_PER_S = 30
PUBLIC_PER_S = 10


class Limits:
    """All accounts and addresses."""

    def __init__(self, *, are_on: bool) -> None:
        self._private = Limiter((Window(1, PRIVATE_PER_S),) if are_on else ())
        self._public = Limiter((Window(1, PUBLIC_PER_S),) if are_on else ())

    def charge_account(self, number: int, now_ns: int) -> None:
        """Count a request of an account. Raises `CoinbaseError`."""
        _charge(self._private, str(number), now_ns)

    def charge_address(self, peer: str, now_ns: int) -> None:
        """Count a request of an address. Raises `CoinbaseError`."""
        _charge(self._public, peer, now_ns)


def _charge(limiter: Limiter, key: str, now_ns: int) -> None:
    if not limiter.charge(key, 1, now_ns).is_allowed:
        raise CoinbaseError("rate_limit_exceeded", "too many requests", TOO_MANY)
