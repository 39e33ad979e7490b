"""What both sides of the ccxt benchmarks do: the same calls, measured the same way."""

import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from bot.bench._canned_kraken import LAST_QUANTITY, SYMBOL
from bot.measuring import NANOSECONDS_PER_MS, CpuTime, percentile
from supervisor.clock import NANOSECONDS_PER_SECOND, perf_ns

NANOSECONDS_PER_US = 1_000


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What one side took for its work; a side prints it as JSON."""

    per_s: float
    cpu_us: float
    p50_ms: float = 0.0
    p99_ms: float = 0.0


def config(rest_port: str, socket_port: str) -> dict[str, Any]:
    """Return ccxt's configuration for the canned Kraken."""
    rest, socket = f"http://127.0.0.1:{rest_port}", f"ws://127.0.0.1:{socket_port}/v2"
    sockets = dict.fromkeys(("public", "private", "publicV2", "privateV2"), socket)
    return {
        "enableRateLimit": False,
        "urls": {"api": {"public": rest, "private": rest, "ws": sockets}},
    }


class Stopwatch:
    """Measures one side's work."""

    def __init__(self) -> None:
        self._start_ns, self._cpu = perf_ns(), CpuTime()
        self._took_ms: list[float] = []

    async def calls(self, call: Callable[[], Awaitable[object]], count: int) -> None:
        """Call `count` times, one after the other."""
        for _ in range(count):
            start_ns = perf_ns()
            await call()
            self._took_ms.append((perf_ns() - start_ns) / NANOSECONDS_PER_MS)

    def taken(self, count: int) -> Taken:
        """Return what `count` units of work took since this was made."""
        seconds = (perf_ns() - self._start_ns) / NANOSECONDS_PER_SECOND
        latencies = self._took_ms or [0.0]
        return Taken(
            per_s=count / seconds,
            cpu_us=self._cpu.used_ns() / NANOSECONDS_PER_US / count,
            p50_ms=percentile(latencies, 50),
            p99_ms=percentile(latencies, 99),
        )


async def follow_book(exchange: Any, updates: int) -> Taken:  # noqa: ANN401 - ccxt has no types
    """Watch a book from its snapshot to its last update, as a user of ccxt does."""
    book = await exchange.watch_order_book(SYMBOL)
    watch = Stopwatch()
    while book["bids"][0][1] != LAST_QUANTITY:
        book = await exchange.watch_order_book(SYMBOL)
    return watch.taken(updates)


def say(taken: Taken) -> None:
    """Print the result, for the benchmark to read."""
    sys.stdout.write(msgspec.json.encode(taken).decode() + "\n")
    sys.stdout.flush()
