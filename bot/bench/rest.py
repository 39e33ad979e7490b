"""REST calls through ccxt on trio, beside the same calls through ccxt's own class on asyncio."""

from pathlib import Path

import trio

from bot.bench._ccxt_rounds import OURS, ROUNDS, STOCK, best_of
from bot.bench._ccxt_sides import Taken
from bot.measuring import Figures, Required, machine, scaled

# Venues allow some ten requests a second; this leaves a hundred times that for everything else.
REQUIRED = (Required("alone_per_s", 300, at_least=True), Required("alone_p99_ms", 20))
CALLS = 2_000
# As many as a burst of cancels at a kill switch.
AT_ONCE = 16
SIDES = {"ours": (OURS, "rest"), "stock": (STOCK, "rest")}


def run(folder: Path, scale: float = 1.0) -> Figures:
    """Fetch a book of 100 levels a side again and again, one call at a time and sixteen."""
    before = machine()
    alone: dict[str, Taken] = {}
    many: dict[str, Taken] = {}

    async def measure() -> None:
        count, rounds = scaled(CALLS, scale, AT_ONCE), scaled(ROUNDS, scale)
        alone.update(await best_of(SIDES, count, 1, rounds))
        many.update(await best_of(SIDES, count, AT_ONCE, rounds))

    trio.run(measure)
    return Figures(
        name="rest",
        figures=_figures("", alone["ours"], many["ours"]),
        compared_with=_figures("stock_", alone["stock"], many["stock"]),
        environment=before,
    )


def _figures(prefix: str, alone: Taken, many: Taken) -> dict[str, float]:
    return {
        f"{prefix}alone_per_s": alone.per_s,
        f"{prefix}alone_p50_ms": alone.p50_ms,
        f"{prefix}alone_p99_ms": alone.p99_ms,
        f"{prefix}alone_cpu_us": alone.cpu_us,
        f"{prefix}sixteen_per_s": many.per_s,
        f"{prefix}sixteen_p99_ms": many.p99_ms,
        f"{prefix}sixteen_cpu_us": many.cpu_us,
    }
