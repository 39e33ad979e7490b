"""How often a supervisor restarts, and how long a restart waits.

The intensity is OTP's: counted per supervisor over its period, failed restarts included. The wait
is Pekko's backoff, counted per child.
"""

import logging
from collections import deque
from collections.abc import Callable

from supervisor import limits
from supervisor.buggify import buggify
from supervisor.child import Child, ChildState
from supervisor.spec import ExitReason, SupervisorSpec

logger = logging.getLogger("supervisor")


class Intensity:
    """When a supervisor's children were restarted lately."""

    def __init__(self) -> None:
        self._stamps_ns: deque[int] = deque()

    def clear(self) -> None:
        """Forget them: the supervisor itself starts."""
        self._stamps_ns.clear()

    def allows(self, spec: SupervisorSpec, now_ns: int) -> bool:
        """Whether one more restart is not too much for `spec`."""
        stamps = self._stamps_ns
        while stamps and stamps[0] < now_ns - spec.period_ns:
            stamps.popleft()
        return len(stamps) < spec.intensity

    def charge(self, now_ns: int) -> None:
        """Count a restart."""
        self._stamps_ns.append(now_ns)


def forgive(child: Child, now_ns: int) -> None:
    """Forget a child's restarts in a row if it was up for long enough since."""
    if child.state is ChildState.RUNNING and _was_up_long(child, now_ns):
        child.streak = 0


def waits(child: Child, now_ns: int) -> bool:
    """Whether the next restart of a child that runs is not at once."""
    streak = 0 if _was_up_long(child, now_ns) else child.streak
    return child.spec.backoff.delay_ns(streak + 1, 0) > 0


def delay_ns(child: Child, random: Callable[[], float]) -> int:
    """Count one more restart in a row and return how long to wait before it."""
    child.streak += 1
    if child.streak > 1 and buggify("supervisor.long-backoff"):
        return child.spec.backoff.max_ns
    # The first is at once, and nothing is drawn for it.
    draw = random() if child.streak > 1 else 0
    return child.spec.backoff.delay_ns(child.streak, draw)


def tell(child: Child, reason: ExitReason) -> None:
    """Log that a child was restarted often in a row: louder than a crash, which is an error."""
    if child.streak >= limits.CRITICAL_STREAK:
        logger.critical(
            "%s does not stay up: restart %d in a row, for %s", child.address, child.streak, reason
        )


def _was_up_long(child: Child, now_ns: int) -> bool:
    return now_ns - child.started_ns > child.spec.backoff.reset_after_ns
