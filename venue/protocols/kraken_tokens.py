"""WebSocket tokens: given out by REST, to be used soon, forgotten by a restart."""

from typing import NamedTuple

# An account that asks for more than this within a token's lifetime loses its oldest ones.
TOKENS_MAX = 10_000


class _Token(NamedTuple):
    account: int
    issued_ns: int


class Tokens:
    """Tokens that still may be used."""

    def __init__(self, lifetime_s: int) -> None:
        self.lifetime_s = lifetime_s
        self._tokens: dict[str, _Token] = {}

    def issue(self, token: str, account: int, now_ns: int) -> None:
        """Remember `token`, just made for `account`."""
        self._tokens[token] = _Token(account, now_ns)
        if len(self._tokens) > TOKENS_MAX:
            del self._tokens[next(iter(self._tokens))]

    def account_of(self, token: str, now_ns: int) -> int | None:
        """Return the account that `token` stands for, None when it is unknown or too old."""
        found = self._tokens.get(token)
        if found is None or now_ns - found.issued_ns > self.lifetime_s * 1_000_000_000:
            return None
        return found.account

    def revoke_all(self) -> None:
        """Forget every token."""
        self._tokens.clear()
