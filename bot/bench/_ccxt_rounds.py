"""Rounds of the ccxt benchmarks: both sides in turn, so that they meet the same machine."""

import msgspec

from bot.bench._canned_kraken import CHUNK_UPDATES
from bot.bench._ccxt_sides import Taken
from bot.bench._children import child

OURS, STOCK = "bot.bench._ccxt_ours", "bot.bench._ccxt_stock"
# The best of so many: neighbours on the machine only ever make it slower.
ROUNDS = 3


async def best_of(
    sides: dict[str, tuple[str, str]], count: int, at_once: int = 1, rounds: int = ROUNDS
) -> dict[str, Taken]:
    """Return the best round of each side, named, of (module, kind)."""
    found: dict[str, list[Taken]] = {name: [] for name in sides}
    updates = count // CHUNK_UPDATES * CHUNK_UPDATES
    async with child("bot.bench._canned_kraken", (str(updates),)) as server:
        ports = (await server.next()).split()
        for _ in range(rounds):
            for name, (module, kind) in sides.items():
                arguments = (kind, str(count), str(at_once), *ports)
                async with child(module, arguments) as side:
                    said = await side.next()
                found[name].append(msgspec.json.decode(said, type=Taken))
    return {name: min(taken, key=lambda each: each.cpu_us) for name, taken in found.items()}
