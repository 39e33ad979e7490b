"""The only door to threads.

A thread makes virtual time meaningless (a simulated clock would jump past it), so a simulation
installs `InlineThreads`, which runs the work at once on the trio thread.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

import outcome
import trio

from supervisor.clock import NANOSECONDS_PER_SECOND

Result = TypeVar("Result")
# Blocking work is file and database access: two cores gain nothing from more at once.
THREADS_MAX = 8
# A commit takes a millisecond or two on a sound disk. On one that takes longer the loop goes on
# meanwhile, having lost no more than the handler of an actor may take.
LENT_NS_MAX = 5_000_000


class Threads(Protocol):
    """Runs blocking work."""

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` off the loop and return its result; not cancellable half-way."""

    async def run_urgent(self, work: Callable[[], Result]) -> Result:
        """Like `run`, but the loop stands still for `work`, for at most `LENT_NS_MAX`.

        A busy loop and a thread take turns at the interpreter, and each turn costs the thread more
        than its work. What money waits for gets the interpreter for itself.
        """


class SystemThreads:
    """Real threads, a bounded number at once."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(THREADS_MAX)

    async def run(self, work: Callable[[], Result]) -> Result:
        return await trio.to_thread.run_sync(work, limiter=self._limiter)

    async def run_urgent(self, work: Callable[[], Result]) -> Result:
        await trio.lowlevel.checkpoint_if_cancelled()
        urgent = _Urgent(work)
        if not urgent.finished.acquire(timeout=LENT_NS_MAX / NANOSECONDS_PER_SECOND):
            with trio.CancelScope(shield=True):
                await urgent.wait()
        return urgent.result()


class _Urgent(Generic[Result]):
    """Work in a thread that whoever started it waits for, first standing still, then as a task."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self.finished = threading.Lock()
        self.finished.acquire()
        self._decides = threading.Lock()
        self._outcome: outcome.Outcome[Result] | None = None
        self._task_waits: trio.Event | None = None
        self._token = trio.lowlevel.current_trio_token()
        trio.lowlevel.start_thread_soon(work, self._deliver)

    async def wait(self) -> None:
        """Wait until the work is done."""
        with self._decides:
            if self._outcome is not None:
                return
            self._task_waits = trio.Event()
        await self._task_waits.wait()

    def result(self) -> Result:
        """Return what the work returned, or raise what it raised."""
        assert self._outcome is not None, "the work is done"
        return self._outcome.unwrap()

    def _deliver(self, result: outcome.Outcome[Result]) -> None:
        with self._decides:
            self._outcome = result
            waits = self._task_waits
        self.finished.release()
        if waits is not None:
            self._token.run_sync_soon(waits.set)


class InlineThreads:
    """Runs the work on the calling thread: deterministic."""

    async def run(self, work: Callable[[], Result]) -> Result:
        await trio.lowlevel.checkpoint()
        return work()

    async def run_urgent(self, work: Callable[[], Result]) -> Result:
        return await self.run(work)


_threads: Threads | None = None


def threads() -> Threads:
    """Return the threads in force."""
    global _threads  # noqa: PLW0603 - the one switch that simulation flips
    if _threads is None:
        _threads = SystemThreads()
    return _threads


@contextmanager
def use(replacement: Threads) -> Iterator[Threads]:
    """Put `replacement` in force for the length of a `with` block (simulation, tests)."""
    global _threads  # noqa: PLW0603 - the one switch that simulation flips
    previous = _threads
    _threads = replacement
    try:
        yield replacement
    finally:
        _threads = previous
