"""What is shown of one actor or port: the rows of `control.Inspect`, and of `bot actor`.

Times are UTC nanoseconds, durations `_ns`. A text that would be longer than its bound is cut and
ends with `…`.
"""

from messages.views import ViewRow


class ActorStats(ViewRow, frozen=True, kw_only=True, tag="view.ActorStats"):
    """The figures of one actor or port, since the process started where nothing else is said."""

    address: str
    kind: str
    """actor, process or port."""
    state: str
    """As in `TreeRow.state`."""
    incarnation: int
    restarts: int
    seq: int
    """Messages handled since the actor was first made; 0 for a port."""
    handled: int
    sent: int
    """Messages that entered the mailbox: handled + dead + dropped + conflated + queued."""
    dead: int
    dropped: int
    conflated: int
    queued: int
    queued_max: int
    timers: int
    tail_messages: int
    """Handled since the newest snapshot: what a restart folds again."""
    step_p99_ns: int
    """Of the newest messages 99 of 100 took at most this, each counted with its turn's mean."""
    step_max_ns: int
    struck: int
    """How often a handler of this actor was struck for using up its step budget."""
    overruns: int
    """Turns that took longer than the budget and could not be ended."""
    step_budget_ns: int
    started_ns: int
    uptime_ns: int
    last_exit: str
    backoff_left_ns: int
    suspended: bool
    traced: bool
    holds_money: bool
    """A poison message blocks it, rather than being skipped."""
    at_ns: int
    reductions: int = 0
    """How often its task took a turn of the event loop, since this start."""
    circuit: str = ""
    """Of a port that leaves what fails alone for a while: whether it does, and for how long."""
    hooks: tuple[str, ...] = ()
    """Names of the debug hooks that are installed."""

    def key(self) -> str:
        return self.address


class ActorState(ViewRow, frozen=True, kw_only=True, tag="view.ActorState"):
    """The state of one actor after message `seq`."""

    address: str
    seq: int
    version: int
    """The actor class's, as in snapshots."""
    chain: str
    """The effects' hash chain, as hex."""
    state_bytes: int
    """Its size in a snapshot."""
    state: str
    """As JSON; cut if it is too long for a frame, and then no JSON."""
    complete: bool = True

    def key(self) -> str:
        return self.address


class ActorStep(ViewRow, frozen=True, kw_only=True, tag="view.ActorStep"):
    """One message that was handled, and what the actor did."""

    seq: int
    now_ns: int
    """The process clock at the start of its turn."""
    sender: str
    message: str
    """As JSON, with its tag."""
    effects: tuple[str, ...]
    chain: str
    """The hash chain after the turn that it was part of, as hex."""
    state_hash: str = ""
    """Of the state after it, as hex; only while it is traced or hooked."""

    def key(self) -> str:
        return str(self.seq)


class ActorFrame(ViewRow, frozen=True, kw_only=True, tag="view.ActorFrame"):
    """One frame of a stack, outermost first; a port has a stack for each of its tasks."""

    task: str
    depth: int
    where: str
    """file:line"""
    function: str

    def key(self) -> str:
        return f"{self.task} {self.depth}"


class ActorWaiting(ViewRow, frozen=True, kw_only=True, tag="view.ActorWaiting"):
    """One message that waits."""

    position: int
    lane: str
    """system, normal or, for a command that a port took and did not conclude, pending."""
    sender: str
    at_ns: int
    message: str
    """As JSON, with its tag."""

    def key(self) -> str:
        return str(self.position)


ActorRow = ActorStats | ActorState | ActorStep | ActorFrame | ActorWaiting
