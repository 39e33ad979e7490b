"""Random numbers as a pure function: a hash of (seed, stream, counter), in numba kernels.

There is no state to keep, so whatever is drawn from here can be drawn again. The hash is
splitmix64's finalizer over the sum of seed, stream and counter, each times an odd constant.
"""

import numpy as np

from venue.kernels import helper


@helper
def hash53(seed: int, stream: int, counter: int) -> int:
    """Compute 53 evenly spread bits."""
    z = np.uint64(seed) + np.uint64(counter) * np.uint64(0x9E3779B97F4A7C15)
    z += np.uint64(stream + 1) * np.uint64(0xD1B54A32D192ED03)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return int(np.int64((z ^ (z >> np.uint64(31))) >> np.uint64(11)))


@helper
def uniform(seed: int, stream: int, counter: int) -> float:
    """Draw a number from [0, 1)."""
    return hash53(seed, stream, counter) * (1.0 / 9007199254740992.0)


@helper
def noise(seed: int, stream: int, at_ns: int, period_ns: int) -> float:
    """Join random values in (−1, 1) on a lattice `period_ns` apart smoothly."""
    cell = at_ns // period_ns
    part = (at_ns - cell * period_ns) / period_ns
    a = uniform(seed, stream, cell) * 2.0 - 1.0
    b = uniform(seed, stream, cell + 1) * 2.0 - 1.0
    return a + (b - a) * (part * part * (3.0 - 2.0 * part))
