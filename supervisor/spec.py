"""What a supervisor is told about its children, and the closed set of reasons for their ends.

The defaults and names are OTP's (stdlib's `supervisor`). Specs are validated before anything
starts.
"""

import re
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, Union

import msgspec

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
    REST_FOR_ONE = "rest_for_one"
    """And those started after it."""


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
    KILLED = "killed"
    CRASH = "crash"
    STUCK = "stuck"
    """Its handler used up the step budget and was struck."""
    START_FAILED = "start_failed"
    ESCALATED = "escalated"
    """A supervisor that restarted its children too often."""


class ExitReason(msgspec.Struct, frozen=True):
    """Why a child ended, with what it raised."""

    ended: Ended
    text: str = ""
    error: BaseException | None = None

    @property
    def is_orderly(self) -> bool:
        """Whether a transient child is left ended."""
        return self.ended in (Ended.NORMAL, Ended.SHUTDOWN)

    def __str__(self) -> str:
        return f"{self.ended.value}: {self.text}" if self.text else self.ended.value


NORMAL = ExitReason(Ended.NORMAL)
SHUTDOWN = ExitReason(Ended.SHUTDOWN)


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
    start: Callable[[], Actor[Any] | Port]
    """Makes the actor or port; called at every start, it must have no effect of its own."""
    configuration: Message | None = None
    """For actors: sent as a durable message first, and again whenever it has changed."""
    topics: tuple[str, ...] = ()
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    """Its end for any reason ends the supervisor with that reason."""
    shutdown_ns: int = limits.SHUTDOWN_NS
    backoff: Backoff = Backoff()
    poison: Poison = Poison.SKIP
    step_budget_ns: int = limits.STEP_BUDGET_NS
    """Processor time that handling one message may take; then the actor is struck; 0: never."""
    monitored_by: tuple[str, ...] = ()
    """Addresses that are told `Down`, `Blocked` and `Unblocked` of this child."""
    timers_after: str = ""
    """Address of an actor: after a start, this one's timers are held until that has `Settled`."""


class SupervisorSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A supervisor and what is below it."""

    name: str
    children: tuple[Union[ChildSpec, "SupervisorSpec"], ...] = ()
    strategy: Strategy = Strategy.ONE_FOR_ONE
    intensity: int = limits.INTENSITY
    """More restarts than this within the period end the supervisor."""
    period_ns: int = limits.PERIOD_NS
    bulkhead: bool = False
    """A child supervisor that gives up is HALTED, alone, and started again later; we go on."""
    bulkhead_restart_ns: int = limits.BULKHEAD_RESTART_NS
    restart: Restart = Restart.PERMANENT
    significant: bool = False
    backoff: Backoff = Backoff()
    monitored_by: tuple[str, ...] = ()


Spec = ChildSpec | SupervisorSpec


def validate(spec: Spec, path: str = "") -> list[str]:
    """Return everything that is wrong with `spec` and what is below it, in words."""
    address = f"{path}/{spec.name}" if path or spec.name else "/"
    problems = []
    if not (NAME.fullmatch(spec.name) or (spec.name == "" and not path)):
        problems.append(f"{address}: the name {spec.name!r} must match {NAME.pattern}")
    if spec.significant and spec.restart is Restart.PERMANENT and isinstance(spec, SupervisorSpec):
        problems.append(f"{address}: a significant supervisor may not be permanent")
    if isinstance(spec, ChildSpec):
        if spec.shutdown_ns < 0:
            problems.append(f"{address}: shutdown_ns was {spec.shutdown_ns}, allowed is 0 or more")
        if spec.step_budget_ns < 0:
            was_ns = spec.step_budget_ns
            problems.append(f"{address}: step_budget_ns was {was_ns}, allowed is 0 or more")
        return problems
    if spec.intensity < 0:
        problems.append(f"{address}: intensity was {spec.intensity}, allowed is 0 or more")
    if spec.period_ns <= 0:
        problems.append(f"{address}: period_ns was {spec.period_ns}, allowed is more than 0")
    problems += _duplicates(address, spec.children)
    below = "" if address == "/" else address
    for child in spec.children:
        problems += validate(child, below)
    return problems


def _duplicates(address: str, children: Sequence[Spec]) -> list[str]:
    seen: dict[str, int] = {}
    for child in children:
        seen[child.name] = seen.get(child.name, 0) + 1
    return [f"{address}: the child name {n!r} is used {k} times" for n, k in seen.items() if k > 1]
