"""ccxt's rate limiter without its background loop.

First come, first served (trio's lock is fair), sleeping exactly as long as needed. Unlike ccxt's,
the leaky bucket credits idle time: after a pause the next request goes at once.
"""

from collections import deque
from collections.abc import Mapping
from typing import Any

import trio

MILLISECONDS_PER_SECOND = 1000
# Shorter sleeps than this only spin the loop; no venue counts in such steps.
SLEEP_S_MIN = 0.0002


class Throttler:
    """Call it with a request's cost before sending; it returns when the request may go.

    `config` is ccxt's token bucket: `refillRate` in tokens per millisecond, `capacity`, `tokens`,
    `cost`; or with `algorithm` "rollingWindow", `windowSize` in milliseconds and `rateLimit`.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        self._is_window = config.get("algorithm", "leakyBucket") != "leakyBucket"
        self._default_cost = float(config.get("cost", 1.0))
        self._refill_per_ms = float(config.get("refillRate", 1.0))
        self._capacity = float(config.get("capacity", 1.0))
        self._tokens = float(config.get("tokens", 0.0))
        self._window_ms = float(config.get("windowSize", 60_000.0))
        self._weight_max = self._window_ms / float(config["rateLimit"]) if self._is_window else 0.0
        # (when in ms, cost) of what went out within the window; at most weight_max / cost entries.
        self._sent: deque[tuple[float, float]] = deque()
        self._refilled_at_ms: float | None = None
        self._lock = trio.Lock()

    async def __call__(self, cost: float | None = None) -> None:
        wanted = self._default_cost if cost is None else float(cost)
        async with self._lock:
            if self._is_window:
                await self._pass_window(wanted)
            else:
                await self._pass_bucket(wanted)

    async def _pass_bucket(self, cost: float) -> None:
        while True:
            self._refill(_now_ms())
            if self._tokens >= 0:
                self._tokens -= cost
                return
            await _sleep_ms(-self._tokens / self._refill_per_ms)

    def _refill(self, now_ms: float) -> None:
        if self._refilled_at_ms is not None:
            gained = (now_ms - self._refilled_at_ms) * self._refill_per_ms
            self._tokens = min(self._tokens + gained, self._capacity)
        self._refilled_at_ms = now_ms

    async def _pass_window(self, cost: float) -> None:
        while True:
            now_ms = _now_ms()
            while self._sent and self._sent[0][0] <= now_ms - self._window_ms:
                self._sent.popleft()
            # A cost above the whole window may pass an empty window: ccxt would spin for ever.
            if not self._sent or sum(spent for _, spent in self._sent) + cost <= self._weight_max:
                self._sent.append((now_ms, cost))
                return
            await _sleep_ms(self._sent[0][0] + self._window_ms - now_ms)


def _now_ms() -> float:
    return trio.current_time() * MILLISECONDS_PER_SECOND


async def _sleep_ms(duration_ms: float) -> None:
    await trio.sleep(max(duration_ms / MILLISECONDS_PER_SECOND, SLEEP_S_MIN))
