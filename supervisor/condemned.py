"""Tasks that ignored their cancellation are struck, if they run code of their own at all.

The last means of a supervisor against a child that it stops: an exception is raised in the child's
task, by the signal that comes while the task makes a step. Only there where `supervisor/stuck.py`
would strike a handler, too: in the child's own code, not in the runtime's that it called, nor in
what cannot be left half-way. A task that makes no step any more (it waits behind a shield) cannot
be struck: it is left behind, and reported.
"""

import logging
import signal
from itertools import cycle
from types import CodeType, FrameType

import trio

from supervisor.stuck import UNTOUCHABLE_PACKAGES, StruckError

logger = logging.getLogger("supervisor")

# How far into a step the signal comes. A step of a task that swallows its cancellation takes some
# ten microseconds, most of them trio's: it is tried again and again, at another moment each time.
MOMENTS_S = (10e-6, 20e-6, 40e-6, 80e-6, 160e-6, 640e-6, 2_560e-6)
# Its frames belong to the runtime: what they do is not left half-done.
_OURS = frozenset({"supervisor", "state"})


class CondemnedError(StruckError):
    """Raised in a task that ignored its cancellation."""

    def __init__(self) -> None:
        BaseException.__init__(self, "it ignored its cancellation")


class Condemned(trio.abc.Instrument):
    """The tasks to be struck. Watches the steps of all tasks, only while there are any."""

    def __init__(self, running: CodeType) -> None:
        self._running = running
        """The function that calls a child's own code."""
        self._tasks: dict[trio.lowlevel.Task, None] = {}
        self._at: trio.lowlevel.Task | None = None
        self._moments = cycle(MOMENTS_S)
        self.strikes = 0

    def add(self, task: trio.lowlevel.Task) -> None:
        """Strike `task` and what runs below it, until it is taken out; on the main thread only."""
        if not self._tasks:
            signal.signal(signal.SIGALRM, self.look)
            trio.lowlevel.add_instrument(self)
        self._tasks[task] = None

    def remove(self, task: trio.lowlevel.Task) -> None:
        """Leave `task` alone."""
        if self._tasks.pop(task, self) is None and not self._tasks:
            trio.lowlevel.remove_instrument(self)
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        above: trio.lowlevel.Task | None = task
        while above is not None and above not in self._tasks:
            above = above.parent_nursery.parent_task if above.parent_nursery is not None else None
        if above is not None:
            self._at = task
            signal.setitimer(signal.ITIMER_REAL, next(self._moments))

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._at is not None:
            self._at = None
            signal.setitimer(signal.ITIMER_REAL, 0)

    def look(self, number: int, frame: FrameType | None) -> None:
        """Raise `StruckError` if a condemned task is in code that may be left here."""
        task = self._at
        if task is None or not self._is_its_own(task, frame):
            return
        self.strikes += 1
        raise CondemnedError

    def _is_its_own(self, task: trio.lowlevel.Task, frame: FrameType | None) -> bool:
        outermost = getattr(task.coro, "cr_frame", None)
        depth = 0
        while frame is not None:
            code = frame.f_code
            if code is self._running:
                return depth > 0
            package = str(frame.f_globals.get("__name__")).partition(".")[0]
            if code.co_name == "__del__" or package in UNTOUCHABLE_PACKAGES | _OURS:
                return False
            depth += 1
            if frame is outermost:
                return True
            frame = frame.f_back
        return False


def is_struck(error: BaseException) -> bool:
    """Whether an error says that a task was struck, and else nothing that ends the process."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(is_struck, error.exceptions)) and all(
            isinstance(one, Exception) or is_struck(one) for one in error.exceptions
        )
    return isinstance(error, StruckError)
