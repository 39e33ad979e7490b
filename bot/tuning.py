"""What the interpreter is told before a loop runs: by the daemon, and by benchmarks of it."""

import ctypes
import gc
import sys

# A thread that waits for the interpreter sets this as its time-out, and whoever holds the lock then
# gives it up for certain. Whoever gives it up by himself takes it back before a sleeping thread has
# woken, and a busy loop does so at each look at its sockets, every 100 us or more: the writer never
# gets it then (a page's fsync seemed to take 25 ms at 500 us, and takes 0.3 ms at this).
SWITCH_INTERVAL_S = 0.000_02
# Linux lets a wait end so much too late, 50 us unless told: more than the wait itself.
TIMER_SLACK_NS = 1
_PR_SET_TIMERSLACK = 29


def tune() -> None:
    """Make the interpreter switch threads often enough for commits.

    To be called before threads are made: they inherit the slack.
    """
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, TIMER_SLACK_NS, 0, 0, 0)


def settle() -> None:
    """Tell the collector that what there is now stays: to be called once all has started.

    Our libraries are half a million objects; to look through them for garbage stops the loop for
    80 ms, and by then there is none. What is frozen and dies later in a cycle is not freed: that is
    the trees' first incarnations, once.
    """
    gc.collect()
    gc.freeze()
