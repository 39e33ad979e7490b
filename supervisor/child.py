"""A child as its supervisor sees it."""

from enum import Enum
from typing import Protocol

import trio

from messages.runtime import Blocked, Down, Unblocked
from supervisor.spec import ExitReason, Spec
from supervisor.statistics import CellStatistics


class ChildState(Enum):
    """Where a child is in its life."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    BACKOFF = "backoff"
    """Ended, and to be started again after a wait."""
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
    ChildState.BACKOFF: frozenset({ChildState.STARTING, ChildState.STOPPED, ChildState.HALTED}),
    ChildState.HALTED: frozenset({ChildState.STARTING, ChildState.STOPPED}),
    ChildState.UNKILLABLE: frozenset(),
}


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


class Child:
    """One child: its spec, its runner, and the history that decides about its restarts."""

    def __init__(self, spec: Spec, runner: Runner) -> None:
        self.spec = spec
        self.runner = runner
        self.state = ChildState.STOPPED
        self.restarts = 0
        self.streak = 0
        """Restarts in a row, without an uptime long enough to forgive them."""
        self.started_ns = 0
        self.last_exit: ExitReason | None = None
        self.attempt = 0
        """Numbers starts and waits: news of an older one is stale."""
        self.scope = trio.CancelScope()
        self.ended = trio.Event()
        self.ended.set()

    def move(self, to: ChildState) -> None:
        """Go to another state; an illegal move is a bug."""
        assert to in MOVES[self.state], (
            f"{self.runner.address} cannot go from {self.state.value} to {to.value}"
        )
        self.state = to

    @property
    def is_up(self) -> bool:
        """Whether it has a task."""
        return not self.ended.is_set()
