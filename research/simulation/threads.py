"""The simulated twin of `supervisor.threads`: waits in virtual time around work done at once."""

from collections.abc import Callable
from typing import TypeVar

import trio

Result = TypeVar("Result")


class SimulatedThreads:
    """Runs work on the trio thread; `delay_s` says how long each piece of it is to take.

    What was done is heard of by nobody if `is_dying` says that the process was killed by it.
    """

    def __init__(self, delay_s: Callable[[], float], is_dying: Callable[[], bool]) -> None:
        self._delay_s = delay_s
        self._is_dying = is_dying

    async def run(self, work: Callable[[], Result]) -> Result:
        await trio.lowlevel.checkpoint_if_cancelled()
        # A thread that has begun ends, whatever becomes of who waits for it.
        with trio.CancelScope(shield=True):
            delay_s = self._delay_s()
            await trio.sleep(delay_s / 2)
            done = work()
            # The loop hears of it later, and never if the process is killed meanwhile.
            await trio.sleep(delay_s / 2)
            if self._is_dying():
                await trio.sleep_forever()
        return done

    async def run_urgent(self, work: Callable[[], Result]) -> Result:
        return await self.run(work)
