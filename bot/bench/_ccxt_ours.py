"""The same Kraken on trio: python -m bot.bench._ccxt_ours KIND COUNT AT_ONCE REST SOCKET.

KIND is rest, book (as a user of ccxt watches it), or feed: as the bot does, in ticks and lots, with
every checksum compared.
"""

import sys
from functools import partial

import trio

from bot.bench._canned_kraken import LAST_QUANTITY, SYMBOL
from bot.bench._ccxt_sides import Stopwatch, Taken, config, follow_book, say
from exchanges.factory import trio_class
from exchanges.types import Book, Endpoints
from exchanges.venue_client import open_venue
from supervisor.clock import ProcessClock


async def main(kind: str, count: int, at_once: int, rest_port: str, socket_port: str) -> Taken:
    """Do the work of one kind and return what it took."""
    if kind == "feed":
        return await follow_feed(count, rest_port, socket_port)
    clock = ProcessClock()
    async with trio_class("kraken")(config(rest_port, socket_port), clock=clock) as exchange:
        await exchange.load_markets()
        if kind != "rest":
            return await follow_book(exchange, count)
        watch = Stopwatch()
        async with trio.open_nursery() as nursery:
            for _ in range(at_once):
                call = partial(exchange.fetch_order_book, SYMBOL)
                nursery.start_soon(watch.calls, call, count // at_once)
        return watch.taken(count)


async def follow_feed(updates: int, rest_port: str, socket_port: str) -> Taken:
    """Read a book's feed from its snapshot to its last update."""
    socket = f"ws://127.0.0.1:{socket_port}/v2"
    endpoints = Endpoints(
        rest=f"http://127.0.0.1:{rest_port}", websocket_public=socket, websocket_private=socket
    )
    async with open_venue("kraken", ProcessClock(), endpoints=endpoints) as venue:
        await venue.load_instruments()
        last_lots = LAST_QUANTITY * 10**8
        async with venue.watch_book(SYMBOL) as feed:
            watch: Stopwatch | None = None
            async for event in feed:
                if isinstance(event, Book):
                    watch = watch or Stopwatch()
                    if event.bids[0][1] == last_lots:
                        return watch.taken(updates)
    raise AssertionError("the feed has ended before its last update")


if __name__ == "__main__":
    say(trio.run(partial(main, sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), *sys.argv[4:])))
