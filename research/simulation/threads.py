"""The simulated twin of `supervisor.threads`: a wait in virtual time, then the work at once."""

from collections.abc import Callable
from typing import TypeVar

import trio

Result = TypeVar("Result")


class SimulatedThreads:
    """Runs work on the trio thread; `delay_s` says how long each piece of it is to take."""

    def __init__(self, delay_s: Callable[[], float]) -> None:
        self._delay_s = delay_s

    async def run(self, work: Callable[[], Result]) -> Result:
        await trio.lowlevel.checkpoint_if_cancelled()
        # A thread that has begun ends, whatever becomes of who waits for it.
        with trio.CancelScope(shield=True):
            await trio.sleep(self._delay_s())
        return work()
