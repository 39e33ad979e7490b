"""ccxt's own class at many books: as `_feeds_ours`, on asyncio, without validation or a journal."""

import asyncio
import sys
from collections.abc import Sequence

from bot.bench._canned_books import symbols
from bot.bench._ccxt_sides import config
from bot.bench._feeds_sides import PERIODS, POLL_S, Ages, Meter
from exchanges.ccxt_names import exchange_class
from exchanges.json_text import Json
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND
from supervisor.clock import wall_ns


async def follow(exchange: Json, symbol: str, ages: Ages) -> None:
    """Watch one book, as a user of ccxt does."""
    while True:
        book = await exchange.watch_order_book(symbol)
        if book["timestamp"]:
            ages.ns.append(wall_ns() - book["timestamp"] * NANOSECONDS_PER_MILLISECOND)


async def main(names: Sequence[str], rate: int, seconds: float, ports: Sequence[str]) -> None:
    """Watch all books until it was measured."""
    ages = Ages(len(names))
    exchange = exchange_class("kraken")(config(*ports))
    try:
        await exchange.load_markets()
        followers = [asyncio.create_task(follow(exchange, name, ages)) for name in names]
        while not ages.warm:  # noqa: ASYNC110 - as on the other side
            await asyncio.sleep(POLL_S)
        meter = Meter(ages)
        for _ in range(PERIODS):
            await asyncio.sleep(seconds / PERIODS)
            meter.end_period()
        meter.say(rate)
        for follower in followers:
            follower.cancel()
    finally:
        await exchange.close()


if __name__ == "__main__":
    asyncio.run(main(symbols(int(sys.argv[1])), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4:]))
