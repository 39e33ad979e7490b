"""The circuit breaker of one account's entries: a venue that keeps failing is left alone a while.

Only entries are refused while it is open, and provably not sent. Exits and cancels protect money
and always go; reads settle what is in doubt, and are bounded by who asks.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from exchanges.errors import Code, VenueError
from supervisor.breaker import (
    Admission,
    BreakerSettings,
    Circuit,
    CircuitBreaker,
)
from supervisor.clock import NANOSECONDS_PER_SECOND

logger = logging.getLogger("execution")

# An outage of a venue's matching lasts minutes; a sleeve that misses an entry by one minute misses
# little, one that leaves twenty orders in doubt must look up all of them.
SETTINGS = BreakerSettings(
    max_failures=5, reset_ns=10 * NANOSECONDS_PER_SECOND, reset_max_ns=60 * NANOSECONDS_PER_SECOND
)
# No verdict came, or nobody was reached. Too many requests have their own pause, and any refusal
# shows that the venue works.
_FAILURES = frozenset({Code.AMBIGUOUS, Code.UNAVAILABLE})

Attempt = Callable[[Callable[[], int]], AbstractContextManager[None]]
"""Given the clock, watches the sending of one order."""


def entry_breaker(line: str, random: Callable[[], float]) -> CircuitBreaker:
    """Return the breaker of the line at an address; its changes are logged."""
    breaker = CircuitBreaker(f"{line}: entries", random, SETTINGS, is_failure)

    def tell(before: Circuit, after: Circuit) -> None:
        if after is Circuit.OPEN:
            logger.warning("%s: the venue keeps failing: no entries for a while", line)
        elif after is Circuit.CLOSED:
            logger.warning("%s: the venue answers again: entries go out", line)

    breaker.listen(tell)
    return breaker


def is_failure(error: Exception) -> bool:
    """Whether an error says that the venue does not work, rather than that it said no."""
    return (
        isinstance(error, VenueError)
        and error.code in _FAILURES
        and error.reason not in ("rate_limited", "nonce")
    )


@contextmanager
def watched(
    breaker: CircuitBreaker, admission: Admission, now_ns: Callable[[], int]
) -> Iterator[None]:
    """Tell `breaker` what becomes of a call that it admitted."""
    is_decided = False
    try:
        yield
        breaker.succeeded(admission)
        is_decided = True
    except VenueError as error:
        breaker.failed(admission, error, now_ns())
        is_decided = True
        raise
    finally:
        if not is_decided:
            breaker.gave_up(admission)


@contextmanager
def unwatched(now_ns: Callable[[], int]) -> Iterator[None]:
    """Be an attempt that counts for nothing."""
    yield
