"""Request weights in fixed windows, refusals with Retry-After, and bans of who does not listen.

What Binance, Bybit, OKX and KuCoin have in common: each request costs a weight, weights are summed
per key (an address, an account, an endpoint of an account) in windows that begin at multiples of
their length, a request over the limit is refused until the window ends, and a client that goes on
is banned, longer each time. Not durable: after a restart everybody starts at zero.
"""

from dataclasses import dataclass, field
from typing import NamedTuple

_SECOND_NS = 1_000_000_000
# Clients remembered at once; the one that was idle longest goes first.
KEYS_MAX = 10_000


class Window(NamedTuple):
    """`limit` in total per `interval_s`."""

    interval_s: int
    limit: int


class BanRule(NamedTuple):
    """After `refusals` refused requests within one window the key is banned."""

    refusals: int
    first_s: int
    """The first ban; each further one lasts twice as long."""
    longest_s: int


class Verdict(NamedTuple):
    """What becomes of a request, and what its headers say."""

    is_allowed: bool
    is_banned: bool
    retry_after_s: int
    """How long to wait; 0 for an allowed request."""
    used: tuple[int, ...]
    """The weight used in each window, this request included, in the order of the windows."""
    banned_until_ns: int = 0


@dataclass(slots=True)
class _Usage:
    starts_ns: list[int]
    used: list[int]
    refused: int = 0
    bans: int = 0
    banned_until_ns: int = 0
    refused_window_ns: int = field(default=-1)


class Limiter:
    """One kind of limit. `windows` empty: nothing is ever refused."""

    def __init__(self, windows: tuple[Window, ...], ban: BanRule | None = None) -> None:
        self._windows = windows
        self._ban = ban
        self._usages: dict[str, _Usage] = {}

    def charge(self, key: str, weight: int, now_ns: int) -> Verdict:
        """Count a request of `key`. A refused one counts too: whoever goes on is banned."""
        usage = self._usage(key, now_ns)
        if now_ns < usage.banned_until_ns:
            return self._refused(usage, now_ns, usage.banned_until_ns)
        usage.used = [used + weight for used in usage.used]
        ends_ns = [
            start_ns + window.interval_s * _SECOND_NS
            for window, start_ns, used in zip(
                self._windows, usage.starts_ns, usage.used, strict=True
            )
            if used > window.limit
        ]
        if not ends_ns:
            return Verdict(True, False, 0, tuple(usage.used))
        self._count_refusal(usage, now_ns)
        return self._refused(usage, now_ns, max(*ends_ns, usage.banned_until_ns, 0))

    def used(self, key: str, now_ns: int) -> tuple[int, ...]:
        """Return the weight used in each window, without counting anything."""
        return tuple(self._usage(key, now_ns).used)

    def _usage(self, key: str, now_ns: int) -> _Usage:
        usage = self._usages.pop(key, None) or _Usage(
            [0] * len(self._windows), [0] * len(self._windows)
        )
        self._usages[key] = usage
        if len(self._usages) > KEYS_MAX:
            del self._usages[next(iter(self._usages))]
        for at, window in enumerate(self._windows):
            start_ns = now_ns - now_ns % (window.interval_s * _SECOND_NS)
            if usage.starts_ns[at] != start_ns:
                usage.starts_ns[at], usage.used[at] = start_ns, 0
        return usage

    def _count_refusal(self, usage: _Usage, now_ns: int) -> None:
        if self._ban is None:
            return
        if usage.refused_window_ns != usage.starts_ns[0]:
            usage.refused_window_ns, usage.refused = usage.starts_ns[0], 0
        usage.refused += 1
        if usage.refused > self._ban.refusals:
            lasts_s = min(self._ban.first_s << usage.bans, self._ban.longest_s)
            usage.bans += 1
            usage.banned_until_ns = now_ns + lasts_s * _SECOND_NS

    @staticmethod
    def _refused(usage: _Usage, now_ns: int, until_ns: int) -> Verdict:
        wait_s = -(-(until_ns - now_ns) // _SECOND_NS)
        is_banned = now_ns < usage.banned_until_ns
        return Verdict(False, is_banned, wait_s, tuple(usage.used), usage.banned_until_ns)
