"""Handlers that do not end are struck: the actor's memory is lost, everybody else goes on.

A signal looks, every ten milliseconds of processor time, at what the thread of the tree is doing.
If it is still inside the handler's call for one message after that call has used up its step
budget, an exception is raised right there. Never anywhere else: the cell's own bookkeeping
(mailbox, journal, effects) and code that cannot be left half-way run to their end. Trio's Ctrl-C
decides by the stack in the same way.

The budget is processor time of this thread, so a suspended or overloaded machine strikes no
innocent. It counts from the first look at a message: nothing is recorded for messages that nobody
looks at, which is nearly all of them. A long call of C code is struck when it returns, not before.
"""

import gc
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import ClassVar, Protocol

from supervisor import limits
from supervisor.clock import NANOSECONDS_PER_SECOND, thread_cpu_ns

logger = logging.getLogger("supervisor")

_NANOSECONDS_PER_MS = 1_000_000
# The generation of garbage collection that looks at everything: it takes as long as a budget.
_FULL_COLLECTION = 2
# They hold locks, or files half-written into a cache, that nobody would release after them.
UNTOUCHABLE_PACKAGES = frozenset({"importlib", "llvmlite", "logging", "numba", "threading", "trio"})


class StruckError(BaseException):
    """Raised in a handler that used up its budget; no `except Exception` of the handler's stops it.

    `used_ns` is the processor time between the first look at the message and the last.
    """

    def __init__(self, used_ns: int, budget_ns: int, of: str = "processor time") -> None:
        super().__init__(
            f"used {used_ns / _NANOSECONDS_PER_MS:.0f} ms of {of} on one message, "
            f"the budget is {budget_ns / _NANOSECONDS_PER_MS:g} ms"
        )
        self.used_ns = used_ns
        self.budget_ns = budget_ns


class Running(Protocol):
    """The fold whose handlers run."""

    running: ClassVar[CodeType]
    """The one function that calls handlers."""
    bookkeeping: ClassVar[frozenset[CodeType]]
    """What it calls beside them."""

    @property
    def seq(self) -> int:
        """The number of the message being handled."""


class Sampler:
    """Looks at one thread's handlers while `installed`; before and after, it costs nothing."""

    def __init__(
        self,
        cpu_ns: Callable[[], int] = thread_cpu_ns,
        is_debugged: Callable[[], bool] = lambda: sys.gettrace() is not None,
    ) -> None:
        self._cpu_ns = cpu_ns
        self._is_debugged = is_debugged
        self._fold: Running | None = None
        self._budget_ns = 0
        self._seen_seq = -1
        self._since_ns = 0
        self._over_ns = 0
        self._only_detects = False
        self._began_ns = 0
        self._collecting_ns = 0
        self._collection_began_ns = 0
        self.strikes = 0
        self.is_installed = False

    # --- what a cell says around the call that runs its handlers

    def begin(self, fold: Running, budget_ns: int) -> None:
        """Say that handlers of `fold` run from here on; a budget of 0 is none."""
        self._budget_ns = budget_ns
        self._seen_seq = -1
        self._fold = fold
        if self._only_detects:
            self._began_ns = self._cpu_ns()

    def end(self) -> int:
        """Say that they have run; return what a message or turn used that could not be struck."""
        self._fold = None
        if self._only_detects and self._budget_ns:
            used_ns = self._cpu_ns() - self._began_ns
            return used_ns if used_ns >= self._budget_ns else 0
        over_ns, self._over_ns = self._over_ns, 0
        return over_ns

    # --- the signal

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Strike for the length of a block; off the main thread or without the signal, detect."""
        try:
            before = signal.signal(signal.SIGPROF, self.look)
        except (AttributeError, ValueError) as error:
            logger.warning("stuck actors are not ended, only reported: %s", error)
            self._only_detects = True
            yield
            return
        # System calls of other threads that the signal meets go on: not all libraries would.
        signal.siginterrupt(signal.SIGPROF, False)
        every_s = limits.SAMPLE_NS / NANOSECONDS_PER_SECOND
        # Of processor time, not of time: an idle bot is not woken.
        signal.setitimer(signal.ITIMER_PROF, every_s, every_s)
        gc.callbacks.append(self.note_collection)
        self.is_installed = True
        try:
            yield
        finally:
            self.is_installed = False
            gc.callbacks.remove(self.note_collection)
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    def look(self, number: int, frame: FrameType | None) -> None:
        """Look at what the thread is doing; raise `StruckError` if that is a stuck handler."""
        fold, budget_ns = self._fold, self._budget_ns
        if fold is None or not budget_ns:
            return
        seq = fold.seq
        now_ns = self._cpu_ns() - self._collecting_ns
        if seq != self._seen_seq:
            self._seen_seq, self._since_ns = seq, now_ns
            return
        used_ns = now_ns - self._since_ns
        if used_ns < budget_ns:
            return
        if is_handling(fold, frame) and not self._is_debugged():
            self._over_ns = 0
            self.strikes += 1
            raise StruckError(used_ns, budget_ns)
        self._over_ns = used_ns

    def note_collection(self, phase: str, info: dict[str, int]) -> None:
        """Take the time of a full garbage collection out of what a handler is charged."""
        if self._fold is None or info["generation"] < _FULL_COLLECTION:
            return
        if phase == "start":
            self._collection_began_ns = self._cpu_ns()
        elif self._collection_began_ns:
            self._collecting_ns += self._cpu_ns() - self._collection_began_ns
            self._collection_began_ns = 0


def is_handling(fold: Running, frame: FrameType | None) -> bool:
    """Whether the stack at `frame` is inside a handler that `fold` called, and may be left here."""
    below: FrameType | None = None
    while frame is not None:
        code = frame.f_code
        if code is fold.running:
            return below is not None and below.f_code not in fold.bookkeeping
        # What is raised in a finaliser or in the collector is printed and lost.
        if code.co_name == "__del__" or code is Sampler.note_collection.__code__:
            return False
        if str(frame.f_globals.get("__name__")).partition(".")[0] in UNTOUCHABLE_PACKAGES:
            return False
        below, frame = frame, frame.f_back
    return False
