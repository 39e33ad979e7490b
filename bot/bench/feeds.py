"""Two hundred books of one venue through the feed to actors, 10 000 and 20 000 updates a second."""

from pathlib import Path

import msgspec
import trio

from bot.bench._children import child
from bot.bench._feeds_sides import Taken
from bot.measuring import Figures, Required, machine, scaled

RATE, HIGH_RATE = 10_000, 20_000
SYMBOLS = 200
SECONDS = 10.0
"""How long each side is measured; `bot bench feeds --seconds` says other."""
# A small run asks less of the machine, too: one that is busy could not keep up for a second.
SECONDS_MIN, LOAD_MIN = 2.0, 0.1
# Lag that grows ends in seconds; what a busy machine adds to a mailbox's way stays below this.
REQUIRED = (
    Required("end_lag_p50_ms", 50),
    Required("end_lag_p99_ms", 500),
    Required("high_end_lag_p50_ms", 100),
)
OURS, STOCK = "bot.bench._feeds_ours", "bot.bench._ccxt_stock_books"
COMPARED = ("cpu_us", "loop_cpu_us", "start_lag_p50_ms", "end_lag_p50_ms", "busy_percent")


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Have a process send, and the feed receive; ccxt's own class is sent the same.

    Lag is the time from when an update was due to leave the sender to when an actor handles it: it
    grows without end if the feed does not keep up. `high_` is at 20 000 a second. `cpu_us` is the
    whole process, its journal's writer included; `loop_cpu_us` is the thread of the loop.
    """
    before = machine()
    seconds = max(SECONDS_MIN, SECONDS * scale)
    symbols = scaled(SYMBOLS, min(1.0, scale), 2)
    load = max(LOAD_MIN, min(1.0, scale))
    ours = trio.run(_side, OURS, symbols, int(RATE * load), seconds)
    high = trio.run(_side, OURS, symbols, int(HIGH_RATE * load), seconds)
    stock = trio.run(_side, STOCK, symbols, int(RATE * load), seconds)
    return Figures(
        name="feeds",
        figures={
            **msgspec.to_builtins(ours),
            **{f"high_{name}": value for name, value in msgspec.to_builtins(high).items()},
            "symbols": symbols,
            "seconds": seconds,
        },
        compared_with={f"stock_{name}": getattr(stock, name) for name in COMPARED},
        environment=before,
    )


async def _side(module: str, symbols: int, rate: int, seconds: float) -> Taken:
    async with child("bot.bench._canned_books", (str(symbols), str(rate))) as server:
        ports = (await server.next()).split()
        arguments = (str(symbols), str(rate), str(seconds), *ports)
        async with child(module, arguments) as side:
            return msgspec.json.decode(await side.next(), type=Taken)
