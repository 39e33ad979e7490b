"""The random streams of a simulation: one per purpose, so that a fix in one moves no other."""

import hashlib
import random
from dataclasses import dataclass


def stream(seed: int, purpose: str) -> random.Random:
    """Return the stream for `purpose`: the same for the same seed, on every machine."""
    digest = hashlib.blake2b(f"{seed}:{purpose}".encode(), digest_size=8).digest()
    return random.Random(int.from_bytes(digest, "little"))  # noqa: S311 - no secret


@dataclass(frozen=True)
class Streams:
    """All that is drawn in a run."""

    swarm: random.Random
    """The run's own configuration."""
    network: random.Random
    """Delays and losses."""
    faults: random.Random
    """What goes wrong by chance: see `chaos.py`, where each act has a stream of its own too."""
    scheduler_seed: int
    disk_seed: int
    market_seed: int

    @classmethod
    def of(cls, seed: int) -> "Streams":
        """Return the streams of `seed`."""
        return cls(
            swarm=stream(seed, "swarm"),
            network=stream(seed, "network"),
            faults=stream(seed, "faults"),
            scheduler_seed=stream(seed, "scheduler").getrandbits(32),
            disk_seed=stream(seed, "disk").getrandbits(32),
            market_seed=stream(seed, "market").getrandbits(31),
        )
