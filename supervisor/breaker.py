"""A circuit breaker: calls to something that keeps failing are refused without being made.

Pure: no clock, no tasks. Whoever makes the calls asks before and tells after, with the time.
Pekko's semantics: closed until so many failures in a row; open for a while; then half-open, which
lets one call through that decides.
"""

from collections.abc import Callable
from enum import Enum

import msgspec

from supervisor.clock import NANOSECONDS_PER_SECOND


class Circuit(Enum):
    """The state of a breaker."""

    CLOSED = "closed"
    """Calls are made."""
    OPEN = "open"
    """Calls are refused."""
    HALF_OPEN = "half_open"
    """One call is made; it decides."""


class Happening(Enum):
    """What moves a breaker."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """One more failure, and there were fewer than allowed."""
    FAILED_TOO_OFTEN = "failed_too_often"
    WAITED = "waited"
    """The time for which it is open is over."""
    RESET = "reset"
    """By a person."""


# What follows what; anything else is a bug of whoever asks.
MOVES: dict[tuple[Circuit, Happening], Circuit] = {
    (Circuit.CLOSED, Happening.SUCCEEDED): Circuit.CLOSED,
    (Circuit.CLOSED, Happening.FAILED): Circuit.CLOSED,
    (Circuit.CLOSED, Happening.FAILED_TOO_OFTEN): Circuit.OPEN,
    (Circuit.CLOSED, Happening.RESET): Circuit.CLOSED,
    # Calls that were on their way when it opened say nothing that is not known.
    (Circuit.OPEN, Happening.SUCCEEDED): Circuit.OPEN,
    (Circuit.OPEN, Happening.FAILED): Circuit.OPEN,
    (Circuit.OPEN, Happening.WAITED): Circuit.HALF_OPEN,
    (Circuit.OPEN, Happening.RESET): Circuit.CLOSED,
    (Circuit.HALF_OPEN, Happening.SUCCEEDED): Circuit.CLOSED,
    (Circuit.HALF_OPEN, Happening.FAILED): Circuit.OPEN,
    (Circuit.HALF_OPEN, Happening.RESET): Circuit.CLOSED,
}


class BreakerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a breaker opens, and for how long."""

    max_failures: int = 5
    """So many in a row open it."""
    reset_ns: int = 10 * NANOSECONDS_PER_SECOND
    """How long it is open the first time."""
    factor: float = 2.0
    """By how much longer each time that the call which decides fails."""
    reset_max_ns: int = 300 * NANOSECONDS_PER_SECOND
    jitter: float = 0.1
    """At most this much longer, by chance, so that many do not try in the same moment."""

    def __post_init__(self) -> None:
        assert self.max_failures >= 1, "a breaker that opens at nothing is no breaker"
        assert 0 < self.reset_ns <= self.reset_max_ns, "the waits must be in order"
        assert self.factor >= 1, "a wait does not get shorter"
        assert self.jitter >= 0, "chance makes a wait longer"


class CircuitOpenError(Exception):
    """The call was refused, and not made."""

    def __init__(self, name: str, wait_ns: int) -> None:
        super().__init__(
            f"{name} failed too often: it is tried again in "
            f"{wait_ns / NANOSECONDS_PER_SECOND:.1f} s, and not asked before"
        )
        self.wait_ns = wait_ns


class Admission(msgspec.Struct, frozen=True):
    """Leave to make one call; hand it back with what came of it."""

    generation: int
    """Which opening it came after: what is older says nothing about now."""
    is_probe: bool


Listener = Callable[[Circuit, Circuit], None]


class CircuitBreaker:
    """One breaker.

    `random` draws from [0, 1), from a seeded generator; `counts` says which errors are failures
    (one that says that the request was wrong is not).
    """

    def __init__(
        self,
        name: str,
        random: Callable[[], float],
        settings: BreakerSettings | None = None,
        counts: Callable[[Exception], bool] | None = None,
    ) -> None:
        self.name = name
        self.state = Circuit.CLOSED
        self.settings = settings or BreakerSettings()
        self.failures = 0
        """In a row."""
        self.refused = 0
        self._random = random
        self._counts = counts
        self._listeners: list[Listener] = []
        self._openings = 0
        self._generation = 0
        self._until_ns = 0
        self._probing = False

    def listen(self, listener: Listener) -> None:
        """Have `listener` called with the old and the new state at each change."""
        self._listeners.append(listener)

    def admit(self, now_ns: int) -> Admission:
        """Return leave to make a call; raise `CircuitOpenError` if it is not to be made."""
        if self.state is Circuit.OPEN and now_ns >= self._until_ns:
            self._move(Happening.WAITED)
            self._probing = False
        if self.state is Circuit.CLOSED:
            return Admission(self._generation, is_probe=False)
        if self.state is Circuit.HALF_OPEN and not self._probing:
            self._probing = True
            return Admission(self._generation, is_probe=True)
        self.refused += 1
        raise CircuitOpenError(self.name, max(0, self._until_ns - now_ns))

    def succeeded(self, admission: Admission) -> None:
        """Take the news that a call went well."""
        if admission.generation != self._generation:
            return
        self.failures = 0
        if admission.is_probe:
            self._openings = 0
        self._move(Happening.SUCCEEDED)

    def failed(self, admission: Admission, error: Exception, now_ns: int) -> None:
        """Take the news that a call failed or took too long."""
        if self._counts is not None and not self._counts(error):
            # Whoever answers that the request was wrong is there.
            self.succeeded(admission)
            return
        if admission.generation != self._generation:
            return
        self.failures += 1
        if self.state is Circuit.CLOSED and self.failures >= self.settings.max_failures:
            self._open(Happening.FAILED_TOO_OFTEN, now_ns)
        elif self.state is Circuit.HALF_OPEN:
            self._open(Happening.FAILED, now_ns)
        else:
            self._move(Happening.FAILED)

    def gave_up(self, admission: Admission) -> None:
        """Take the news that a call was abandoned: it decides nothing, another may."""
        if admission.generation == self._generation and admission.is_probe:
            self._probing = False

    def reset(self) -> None:
        """Close it: a person knows that it works again."""
        self.failures = self._openings = 0
        self._generation += 1
        self._move(Happening.RESET)

    def wait_ns(self, now_ns: int) -> int:
        """Return how long it will still refuse calls."""
        return max(0, self._until_ns - now_ns) if self.state is Circuit.OPEN else 0

    def _open(self, why: Happening, now_ns: int) -> None:
        settings = self.settings
        longer_ns = int(min(settings.reset_max_ns, settings.reset_ns * self._power()))
        self._openings += 1
        self._generation += 1
        self._until_ns = now_ns + int(longer_ns * (1 + self._random() * settings.jitter))
        self._move(why)

    def _power(self) -> float:
        # Beyond this the cap holds for any factor, and a float has not overflowed yet.
        return self.settings.factor ** min(self._openings, 64)

    def _move(self, why: Happening) -> None:
        before = self.state
        after = MOVES.get((before, why))
        assert after is not None, f"{self.name} is {before.value} and {why.value}"
        self.state = after
        if after is not before:
            for listener in self._listeners:
                listener(before, after)
