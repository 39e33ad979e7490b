"""Order-book updates through ccxt on trio, beside the same through ccxt's own class on asyncio."""

from pathlib import Path

import trio

from bot.bench._ccxt_rounds import OURS, ROUNDS, STOCK, best_of
from bot.bench._ccxt_sides import Taken
from bot.measuring import Figures, Required, machine, scaled

# Two hundred lively books together send this much.
REQUIRED = (Required("feed_per_s", 10_000, at_least=True),)
UPDATES = 200_000
SIDES = {"book": (OURS, "book"), "feed": (OURS, "feed"), "stock": (STOCK, "book")}


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Follow one book that a server floods with updates, to the last one.

    `book` is ccxt's own book on trio, to be compared with `stock_book`. `feed` is what the bot
    reads: ticks and lots, each frame validated and its checksum compared, which ccxt does not do.
    """
    before = machine()
    taken: dict[str, Taken] = {}

    async def measure() -> None:
        taken.update(await best_of(SIDES, scaled(UPDATES, scale), 1, scaled(ROUNDS, scale)))

    trio.run(measure)
    return Figures(
        name="sockets",
        figures={
            "book_per_s": taken["book"].per_s,
            "book_cpu_us": taken["book"].cpu_us,
            "feed_per_s": taken["feed"].per_s,
            "feed_cpu_us": taken["feed"].cpu_us,
        },
        compared_with={
            "stock_book_per_s": taken["stock"].per_s,
            "stock_book_cpu_us": taken["stock"].cpu_us,
        },
        environment=before,
    )
