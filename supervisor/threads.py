"""The only door to threads.

A thread makes virtual time meaningless (a simulated clock would jump past it), so a simulation
installs `InlineThreads`, which runs the work at once on the trio thread.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol, TypeVar

import trio

Result = TypeVar("Result")
# Blocking work is file and database access: two cores gain nothing from more at once.
THREADS_MAX = 8


class Threads(Protocol):
    """Runs blocking work."""

    async def run(self, work: Callable[[], Result]) -> Result:
        """Run `work` off the loop and return its result; not cancellable half-way."""


class SystemThreads:
    """Real threads, a bounded number at once."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(THREADS_MAX)

    async def run(self, work: Callable[[], Result]) -> Result:
        return await trio.to_thread.run_sync(work, limiter=self._limiter)


class InlineThreads:
    """Runs the work on the calling thread: deterministic."""

    async def run(self, work: Callable[[], Result]) -> Result:
        await trio.lowlevel.checkpoint()
        return work()


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
