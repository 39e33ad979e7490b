"""ccxt's asyncio class in a process of its own: `python -m tests.exchanges.acceptance.stock_side`.

Takes the box's port as its argument. Asks for time to pass with a line on standard output that it
answered by one on standard input; its last line is what it saw.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

import ccxt.pro

from tests.exchanges.acceptance.scenario import Untyped, play


class StockSide:
    """See `Side`."""

    def __init__(self, port: int, key: str, secret: str) -> None:
        http, socket = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}/v2"
        sockets = dict.fromkeys(("public", "private", "publicV2", "privateV2"), socket)
        self.exchange = ccxt.pro.kraken(
            {
                "apiKey": key,
                "secret": secret,
                "enableRateLimit": False,
                "urls": {"api": {"public": http, "private": http, "ws": sockets}},
            }
        )
        self.watching: list[asyncio.Task[None]] = []

    async def advance(self, milliseconds: int) -> None:
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


async def main(port: int, key: str, secret: str) -> None:
    """Play and print."""
    side = StockSide(port, key, secret)
    try:
        seen = await play(side)
    finally:
        for task in side.watching:
            task.cancel()
        await asyncio.gather(*side.watching, return_exceptions=True)
        await side.exchange.close()
    sys.stdout.write(json.dumps(seen) + "\n")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), sys.argv[2], sys.argv[3]))
