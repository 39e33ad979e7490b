"""What a benchmark tells the interpreter before its loop runs: the same as `bot/daemon.py` does."""

import sys

# The writer thread must get the interpreter within a commit's time: at the default of 5 ms a busy
# loop makes commits take seconds, at this 5 ms.
SWITCH_INTERVAL_S = 0.0005


def tune() -> None:
    """Make the interpreter switch threads often enough for commits."""
    sys.setswitchinterval(SWITCH_INTERVAL_S)
