"""A child as its supervisor sees it."""

from enum import Enum
from typing import Protocol

import msgspec
import trio

from messages.runtime import Blocked, Down, Unblocked
from supervisor.mailbox import MailboxStatistics
from supervisor.spec import KILLED, Addition, ExitReason, Restart, Spec
from supervisor.statistics import CellStatistics


class ChildState(Enum):
    """Where a child is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    """Ended, and to be started again, at once or after a wait (OTP's `restarting`)."""
    HALTED = "halted"
    """Gave up inside a bulkhead: started again by an operator, or after ten minutes."""
    UNKILLABLE = "unkillable"
    """Cancelled, and did not end: it is left behind and reported."""


# Which states may follow which; anything else is a bug of the supervisor.
MOVES: dict[ChildState, frozenset[ChildState]] = {
    # Straight to a wait or a halt: its start failed while it was being restarted.
    ChildState.STOPPED: frozenset({ChildState.STARTING, ChildState.BACKOFF, ChildState.HALTED}),
    ChildState.STARTING: frozenset({ChildState.RUNNING, ChildState.STOPPED, ChildState.STOPPING}),
    ChildState.RUNNING: frozenset(
        {ChildState.STOPPING, ChildState.STOPPED, ChildState.BACKOFF, ChildState.HALTED}
    ),
    ChildState.STOPPING: frozenset({ChildState.STOPPED, ChildState.UNKILLABLE}),
    ChildState.BACKOFF: frozenset({ChildState.STARTING, ChildState.STOPPED}),
    ChildState.HALTED: frozenset({ChildState.STARTING, ChildState.STOPPED}),
    # It did end after all, or others are restarted with it: then it is waited for.
    ChildState.UNKILLABLE: frozenset({ChildState.STOPPED}),
}


_NOT_RUNNING = frozenset(
    {ChildState.STOPPED, ChildState.BACKOFF, ChildState.HALTED, ChildState.UNKILLABLE}
)


class Runner(Protocol):
    """What can be started, run and stopped: a cell, a port's cell, or a supervisor."""

    address: str
    kind: str
    incarnation: int

    def prepare(self) -> None:
        """Build the next incarnation; raise if that cannot be done."""

    async def wait_started(self) -> None:
        """Wait until what was prepared and runs is ready."""

    async def run(self) -> ExitReason:
        """Run to the end; never raises but Cancelled."""

    def request_stop(self) -> None:
        """Ask for an orderly end."""

    def notify(self, message: Blocked | Unblocked | Down) -> None:
        """Tell its monitors."""

    def statistics(self) -> CellStatistics:
        """Return its figures."""


class Unmade:
    """Stands for a child whose `start` raised when it was to say what it makes."""

    kind = "unmade"

    def __init__(self, address: str, error: Exception) -> None:
        self.address = address
        self.incarnation = 0
        self._error = error

    def prepare(self) -> None:
        """Raise what `start` raised."""
        raise self._error

    async def wait_started(self) -> None:
        """Never called: nothing was prepared."""
        raise AssertionError(f"{self.address} was not made")

    async def run(self) -> ExitReason:
        """Never called: nothing was prepared."""
        raise AssertionError(f"{self.address} was not made")

    def request_stop(self) -> None:
        """Have nothing to stop."""

    def notify(self, message: Blocked | Unblocked | Down) -> None:
        """Have nothing to tell."""

    def statistics(self) -> CellStatistics:
        """Return figures of nothing."""
        empty = MailboxStatistics(
            sent=0, handled=0, dead=0, dropped=0, conflated=0, queued=0, queued_max=0
        )
        return CellStatistics(
            address=self.address, kind=self.kind, incarnation=0, seq=0, mailbox=empty
        )


class Child:
    """One child: its spec, its runner, and the history that decides about its restarts."""

    # There is one for each of ten thousand idle actors.
    __slots__ = (
        "_ended", "addition", "attempt", "due_ns", "is_stashing", "is_static", "is_up",
        "killed_by", "last_exit", "restarts", "runner", "scope", "spec", "started_ns", "state",
        "streak", "task", "waiting",
    )  # fmt: skip

    def __init__(
        self, spec: Spec, runner: Runner, *, is_static: bool, addition: Addition | None = None
    ) -> None:
        self.spec = spec
        self.runner = runner
        self.is_static = is_static
        """Whether the supervisor's own spec names it."""
        self.addition = addition
        self.state = ChildState.STOPPED
        self.restarts = 0
        self.streak = 0
        """Restarts in a row, without an uptime long enough to forgive them."""
        self.started_ns = 0
        self.due_ns = 0
        """When it is tried again, while it waits or is halted."""
        self.last_exit: ExitReason | None = None
        self.attempt = 0
        """Numbers starts and waits: news of an older one is stale."""
        self.scope = trio.CancelScope()
        self.task: trio.lowlevel.Task | None = None
        """The incarnation's."""
        self.killed_by = KILLED
        self.waiting: trio.CancelScope | None = None
        self.is_stashing = False
        self.is_up = False
        """Whether it has a task."""
        self._ended: trio.Event | None = None

    @property
    def name(self) -> str:
        """What it is called among its supervisor's children."""
        return self.spec.name

    @property
    def address(self) -> str:
        """Its address in the tree."""
        return self.runner.address

    def move(self, to: ChildState) -> None:
        """Go to another state; an illegal move is a bug."""
        assert to in MOVES[self.state], (
            f"{self.runner.address} cannot go from {self.state.value} to {to.value}"
        )
        self.state = to

    def begin(self) -> None:
        """Have a task from now on."""
        self.is_up = True
        self.scope = trio.CancelScope()
        self.killed_by = KILLED

    def finish(self, reason: ExitReason) -> None:
        """Have no task any more."""
        self.last_exit = reason
        self.is_up = False
        self.task = None
        if self._ended is not None:
            self._ended.set()
            self._ended = None

    async def wait_ended(self) -> None:
        """Wait until it has no task."""
        if self.is_up:
            if self._ended is None:
                self._ended = trio.Event()
            await self._ended.wait()

    @property
    def is_temporary(self) -> bool:
        """Whether it is forgotten once it ended."""
        return self.spec.restart is Restart.TEMPORARY

    def supersede(self) -> int:
        """Make stale whatever is on its way about this child; return the new number."""
        self.attempt += 1
        if self.waiting is not None:
            self.waiting.cancel()
            self.waiting = None
        return self.attempt

    @property
    def is_left_behind(self) -> bool:
        """Whether an incarnation that could not be killed still runs."""
        return self.is_up and self.state in _NOT_RUNNING

    def kill(self, reason: ExitReason = KILLED) -> None:
        """Cancel its task; it then ended for `reason`."""
        self.killed_by = reason
        self.scope.cancel()

    def reset(self) -> None:
        """Forget a life that ended with the supervisor's own."""
        assert not self.is_up or self.is_left_behind, f"{self.address} outlived its supervisor"
        self.supersede()
        if not self.is_up:
            self.state = ChildState.STOPPED
        self.streak = 0


class Refusal(Enum):
    """Why something asked of a supervisor cannot be done: OTP's errors."""

    ALREADY_STARTED = "already_started"
    ALREADY_PRESENT = "already_present"
    """Its spec is there and it is stopped: restart or delete it."""
    RUNNING = "running"
    RESTARTING = "restarting"
    NOT_FOUND = "not_found"
    SIMPLE_ONE_FOR_ONE = "simple_one_for_one"
    """What a supervisor of one template does not do."""
    BAD_SPEC = "bad_spec"
    START_FAILED = "start_failed"
    UNKILLABLE = "unkillable"
    NOPROC = "noproc"
    """The supervisor itself does not run."""


class ChildError(Exception):
    """An act on a child that cannot be done; `refusal` says why in a word."""

    def __init__(self, refusal: Refusal, text: str) -> None:
        super().__init__(text)
        self.refusal = refusal


class ChildInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One row of `which_children`."""

    name: str
    address: str
    kind: str
    """supervisor, actor, port; unmade for what did not say yet which of these it is."""
    state: ChildState
    incarnation: int


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """What `count_children` counts."""

    specs: int
    active: int
    """Those with a running task."""
    supervisors: int
    workers: int
