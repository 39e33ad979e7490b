"""Compile every kernel into the cache: `python -m venue.warm_up`, half a minute once, then nothing.

`make install` runs it, so that neither the first start nor a test waits for a compiler.
"""

from venue import candle_market, l2, market, models, recorded
from venue.kernels import warm

KERNELS_OF = (candle_market, l2, market, models, recorded)


def main() -> None:
    """Compile what the imported modules registered."""
    assert KERNELS_OF, "importing these registers their kernels"
    warm()


if __name__ == "__main__":
    main()
