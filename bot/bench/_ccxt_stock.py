"""ccxt's own Kraken on asyncio: python -m bot.bench._ccxt_stock KIND COUNT AT_ONCE REST SOCKET."""

import asyncio
import sys

from bot.bench._canned_kraken import SYMBOL
from bot.bench._ccxt_sides import Stopwatch, Taken, config, follow_book, say
from exchanges.ccxt_names import exchange_class


async def main(kind: str, count: int, at_once: int, rest_port: str, socket_port: str) -> Taken:
    """Do the work of one kind and return what it took."""
    exchange = exchange_class("kraken")(config(rest_port, socket_port))
    try:
        await exchange.load_markets()
        if kind != "rest":
            return await follow_book(exchange, count)

        async def call() -> object:
            found: object = await exchange.fetch_order_book(SYMBOL)
            return found

        watch = Stopwatch()
        await asyncio.gather(*(watch.calls(call, count // at_once) for _ in range(at_once)))
        return watch.taken(count)
    finally:
        await exchange.close()


if __name__ == "__main__":
    say(asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])))
