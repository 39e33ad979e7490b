"""Fold every actor of a data folder again from its journal, and print where each came to.

    python -m tests.whole.fold_all FOLDER

One JSON document: address → [messages, chain, hash of the state]; under "" messages a second.
"""

import hashlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import msgspec

from actors.tree import build
from bot.config import parse
from bot.environment import Environment
from bot.replaying import actor_at
from state.look import Look
from supervisor.actor import Actor
from supervisor.clock import ManualClock
from supervisor.fold import Fold
from tests.whole.processes import box_toml
from tests.whole.world import ACTORS


def production_actor(address: str) -> Actor[Any]:
    """Return the actor that stands at `address` in the tree of a world."""
    config = parse(box_toml(), "world", Environment({}))
    spec = build(config.tree_settings(config.first_run), Path("unused"), ManualClock(), ())
    return actor_at(spec, address)


def fold_all(folder: Path) -> dict[str, list[Any]]:
    """Fold all; raises `AssertionError` naming the first difference from the record."""
    found: dict[str, list[Any]] = {}
    total, began_s = 0, time.perf_counter()
    with Look(folder) as look:
        numbers = look.names()
        names = {number: name for name, number in numbers.items()}
        history = look.history()
        for address in ACTORS:
            number = numbers[address]
            fold = Fold(production_actor(address), look.lineage, number, address)
            for turn in history.turns(number, 1, 2**62):
                divergence = fold.replay(turn, names)
                assert divergence is None, f"{address}: {divergence}"
            total += fold.seq
            state = hashlib.sha256(msgspec.msgpack.encode(fold.state)).hexdigest()
            found[address] = [fold.seq, fold.chain.hex(), state]
    found[""] = [total, total / (time.perf_counter() - began_s)]
    return found


if __name__ == "__main__":
    sys.stdout.write(json.dumps(fold_all(Path(sys.argv[1]))) + "\n")
