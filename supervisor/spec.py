"""What a supervisor is told about its children, and the closed set of reasons for their ends.

The defaults and names are OTP's (stdlib's `supervisor`). Specs are validated before anything
starts.
"""

import re
from collections.abc import Callable
from enum import Enum
from typing import Any, Union

import msgspec
import trio

from messages.base import Message
from supervisor import limits
from supervisor.actor import Actor
from supervisor.port import Port

NAME = re.compile(r"[a-z0-9][a-z0-9~.-]{0,31}")
"""One part of an address. `~` stands for `:` and `-` for `/` where a part names a symbol."""


class SpecError(ValueError):
    """A child or supervisor spec is wrong; nothing was started."""


class Restart(Enum):
    """When an ended child is started again."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    """Unless it ended with normal or shutdown."""
    TEMPORARY = "temporary"


class Strategy(Enum):
    """Who is restarted with a child that ended."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    """And all the others."""
    REST_FOR_ONE = "rest_for_one"
    """And those started after it."""
    DYNAMIC = "simple_one_for_one"
    """Nobody. Children are made at run time from the one template among `children`; they have no
    order, and are stopped together within one time limit."""


class AutoShutdown(Enum):
    """When the ends of significant children end their supervisor, with `shutdown`."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class Shutdown(Enum):
    """How a child is stopped, where a number of nanoseconds does not say it."""

    BRUTAL_KILL = "brutal_kill"
    """Cancelled at once."""
    INFINITY = "infinity"
    """Asked, and waited for without end."""


class Ignore(Exception):  # noqa: N818 - OTP's word for a decision, not for an error
    """Raised by a child's `start`, or by a port before it is ready: it has nothing to do here.

    That is no failure: the child is stopped, its spec is kept (not if temporary or dynamic).
    """


class Poison(Enum):
    """What becomes of a message that crashed its actor twice."""

    SKIP = "skip"
    """It is set aside and the actor told (`Quarantined`)."""
    BLOCK = "block"
    """It stays at the head of the inbox until an operator retries or discards it: money."""


class Ended(Enum):
    """Why a child ended; a closed set."""

    NORMAL = "normal"
    SHUTDOWN = "shutdown"
    """On request; a supervisor that gives up also ends so, and its text says why."""
    KILLED = "killed"
    CRASH = "crash"
    STUCK = "stuck"
    """Its handler used up the step budget and was struck."""
    START_FAILED = "start_failed"
    NOPROC = "noproc"
    """It did not run when it was to be watched."""


class Isolation(Enum):
    """Where an actor's handlers run."""

    NONE = "none"
    """In the bot's own process."""
    PROCESS = "process"
    """In a process of their own. The actor is made anew there: `start` must be its class, or a
    `functools.partial` of it with plain values."""


class ProcessLimits(msgspec.Struct, frozen=True):
    """What the process of an isolated actor may use; beyond it the process is ended."""

    memory_bytes: int = limits.PROCESS_MEMORY_BYTES
    """Of address space."""
    step_ns: int = limits.PROCESS_STEP_NS
    """Time that handling one message may take."""


class ExitReason(msgspec.Struct, frozen=True):
    """Why a child ended, with what it raised."""

    ended: Ended
    text: str = ""
    error: BaseException | None = None
    is_charged: bool = True
    """Whether a restart for it counts towards its supervisor's intensity."""

    @property
    def is_orderly(self) -> bool:
        """Whether a transient child is left ended."""
        return self.ended in (Ended.NORMAL, Ended.SHUTDOWN)

    @property
    def is_fatal(self) -> bool:
        """Whether no restart can mend it: the process ends."""
        error = self.error
        return error is not None and _rank(worst(error)) <= _FATAL

    def __str__(self) -> str:
        return f"{self.ended.value}: {self.text}" if self.text else self.ended.value


_FATAL = 1


def _rank(error: BaseException) -> int:
    """Return how much an error says: the process cannot go on (0), must not (1), others (2)."""
    if isinstance(error, (MemoryError, trio.TrioInternalError, SystemExit, KeyboardInterrupt)):
        return 0
    # An error that names its own exit code decided that the process ends.
    return 1 if hasattr(error, "exit_code") else 2


def worst(error: BaseException) -> BaseException:
    """Return the leaf of an exception group by which it is judged; of equals, the first."""
    if not isinstance(error, BaseExceptionGroup):
        return error
    return min((worst(one) for one in error.exceptions), key=_rank)


NORMAL = ExitReason(Ended.NORMAL)
SHUTDOWN = ExitReason(Ended.SHUTDOWN)
KILLED = ExitReason(Ended.KILLED)
NOPROC = ExitReason(Ended.NOPROC)


class Backoff(msgspec.Struct, frozen=True):
    """How long a child is left ended before its next start; the first restart is at once.

    `min(max, min * 2**n) * (1 + random * jitter)`, n counted from the second restart, and from
    zero again once the child has been up for (min + max) / 2 (Pekko's formula).
    """

    min_ns: int = limits.BACKOFF_MIN_NS
    max_ns: int = limits.BACKOFF_MAX_NS
    jitter: float = limits.BACKOFF_JITTER

    def delay_ns(self, restarts: int, random: float) -> int:
        """Return the wait before restart number `restarts` (from 1) in a row."""
        if restarts <= 1:
            return 0
        doubled_ns = min(self.max_ns, self.min_ns * 2 ** min(restarts - 2, 40))
        return int(doubled_ns * (1 + random * self.jitter))

    @property
    def reset_after_ns(self) -> int:
        """How long a child must be up for its restarts to be forgiven."""
        return (self.min_ns + self.max_ns) // 2


class ChildSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One actor or port below a supervisor."""

    name: str
    start: Callable[..., Actor[Any] | Port]
    """Makes the actor or port; called at every start, it must have no effect of its own. In a
    template it is given the `arguments` of the `Addition`."""
    configuration: Message | None = None
    """For actors: sent as a durable message first, and again whenever it has changed."""
    topics: tuple[str, ...] = ()
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    """Its end by itself counts for the supervisor's `auto_shutdown`; never permanent."""
    shutdown_ns: int | Shutdown = limits.SHUTDOWN_NS
    backoff: Backoff = Backoff()
    poison: Poison = Poison.SKIP
    step_budget_ns: int = limits.STEP_BUDGET_NS
    """Processor time that handling one message may take; then the actor is struck; 0: never."""
    passivate_after_ns: int = 0
    """For actors: once idle for so long, only the snapshot is kept until the next message."""
    isolation: Isolation = Isolation.NONE
    process: ProcessLimits = ProcessLimits()
    """For `Isolation.PROCESS`; the step budget does not hold there."""
    monitored_by: tuple[str, ...] = ()
    """Addresses that are told `Down`, `Blocked` and `Unblocked` of this child."""
    timers_after: str = ""
    """Address of an actor: after a start, this one's timers are held until that has `Settled`."""
    trap_exit: bool = False
    """Whether the end of who it is linked to is told (`Exited`) instead of ending it too."""


class SupervisorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor and what is below it."""

    name: str
    children: tuple[Union[ChildSpec, "SupervisorSpec"], ...] = ()
    """In order of start; under `DYNAMIC` the one template."""
    templates: tuple[Union[ChildSpec, "SupervisorSpec"], ...] = ()
    """What can be added at run time by an `Addition`, by the templates' names."""
    durable: bool = True
    """Whether children added at run time are there again after a restart of the supervisor and of
    the process. OTP's are not."""
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = limits.INTENSITY
    """More restarts than this within the period end the supervisor."""
    period_ns: int = limits.PERIOD_NS
    bulkhead: bool = False
    """A child supervisor that gives up is HALTED, alone, and started again later; we go on."""
    bulkhead_restart_ns: int = limits.BULKHEAD_RESTART_NS
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    shutdown_ns: int | Shutdown = Shutdown.INFINITY
    backoff: Backoff = Backoff()
    monitored_by: tuple[str, ...] = ()


Spec = ChildSpec | SupervisorSpec


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """A child to be made at run time from a template."""

    name: str = ""
    """Under `DYNAMIC` a number is given where there is none."""
    template: str = ""
    """Which; where there is only one, it need not be said."""
    configuration: Message | None = None
    arguments: tuple[Message, ...] = ()
    """What `start` is given; messages, so that they can be kept."""
    spec: Spec | None = None
    """The whole spec of a child that comes from no template."""
