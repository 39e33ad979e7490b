"""What the interpreter is told before the loop runs: the daemon's settings, and the benchmarks'."""

import gc
import sys

# The writer thread must get the interpreter within a commit's time: at the default of 5 ms a busy
# loop makes commits take seconds, at this 5 ms.
SWITCH_INTERVAL_S = 0.0005


def tune() -> None:
    """Make the interpreter switch threads often enough for commits."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)


def settle() -> None:
    """Take what was imported and built so far out of the collector's sight: it is there to stay.

    Looking through all of it, which the collector would now and then, stops the loop for a tenth of
    a second.
    """
    gc.collect()
    gc.freeze()
