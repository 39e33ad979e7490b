"""ccxt's asyncio class of any venue in a process of its own, as `stock_side` for Kraken.

`python -m tests.exchanges.acceptance.stock_unified VENUE PORT KEY SECRET PASSPHRASE`.
"""

import asyncio
import importlib
import json
import sys
from collections.abc import Awaitable, Callable

from exchanges import lazy
from tests.exchanges.acceptance.unified import START_MS, Untyped, play
from tests.exchanges.acceptance.venues import CASES, Case

# The classes as they are shipped, without the hundred other exchanges beside them.
lazy.install()


class StockSide:
    """See `Side`."""

    def __init__(self, case: Case, port: int, credentials: list[str]) -> None:
        self._now_ms = START_MS
        settings = case.settings(f"127.0.0.1:{port}")
        names = ("apiKey", "secret", "password")
        keys = dict(zip(names, credentials, strict=False))
        self.exchange = _on_this_clock(case.ccxt_id, lambda: self._now_ms)(
            {**settings, **keys, "enableRateLimit": False}
        )
        self.watching: list[asyncio.Task[None]] = []

    async def advance(self, milliseconds: int) -> None:
        self._now_ms += milliseconds
        sys.stdout.write(f"{milliseconds}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.readline)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def keep(self, watch: Callable[[], Awaitable[Untyped]]) -> None:
        async def forever() -> None:
            while True:
                await watch()

        self.watching.append(asyncio.ensure_future(forever()))


def _on_this_clock(ccxt_id: str, now_ms: Callable[[], int]) -> Untyped:
    """Return ccxt's class, telling the time of the box: requests are signed with it."""
    cls = getattr(importlib.import_module(f"ccxt.pro.{ccxt_id}"), ccxt_id)
    clock = {
        "seconds": lambda self: now_ms() // 1_000,
        "milliseconds": lambda self: now_ms(),
        "microseconds": lambda self: now_ms() * 1_000,
    }
    return type(ccxt_id, (cls,), clock)


async def main(case: Case, port: int, credentials: list[str]) -> None:
    """Play and print."""
    side = StockSide(case, port, credentials)
    try:
        seen = await play(side, case)
    finally:
        for task in side.watching:
            task.cancel()
        await asyncio.gather(*side.watching, return_exceptions=True)
        await side.exchange.close()
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    asyncio.run(main(CASES[sys.argv[1]], int(sys.argv[2]), sys.argv[3:]))
