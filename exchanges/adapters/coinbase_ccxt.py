"""How long our requests to Coinbase are good: a token's end is the bound of a submit.

ccxt makes tokens that are good for two minutes, the most that Coinbase takes. A request that comes
after its token's end is refused unread, so an order's token ends at the order's own bound.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

TOKEN_S_MAX = 120
_ISSUER, _AUDIENCE = "cdp", "retail_rest_api_proxy"
_ends_s: ContextVar[int] = ContextVar("ends_s", default=0)


@contextmanager
def ending_at(at_s: int) -> Iterator[None]:
    """Let the tokens of the requests made meanwhile end at `at_s`; 0: as late as may be."""
    mark = _ends_s.set(at_s)
    try:
        yield
    finally:
        _ends_s.reset(mark)


def create_auth_token(
    self: "TrioExchange",
    seconds: int,
    method: str | None = None,
    url: str | None = None,
    useEddsa: bool = False,  # noqa: FBT001, FBT002, N803 - ccxt's own name and order
) -> str:
    """Return a token for one request, or for a socket; see ccxt's method of this name."""
    latest_s = seconds + TOKEN_S_MAX
    claims: dict[str, object] = {
        "iss": _ISSUER,
        "aud": [_AUDIENCE],
        "sub": self.apiKey,
        "nbf": seconds,
        "iat": seconds,
        "exp": min(_ends_s.get() or latest_s, latest_s),
    }
    if url is not None:
        claims["uri"] = f"{method} {url.removeprefix('https://').partition('?')[0]}"
    head = {"kid": self.apiKey, "nonce": self.random_bytes(16), "alg": "ES256"}
    token: str = self.jwt(claims, self.encode(self.secret), "sha256", False, head)
    return token
