"""Points in production code where a simulation may choose the rare way. Inert otherwise.

At a point, both ways are right; production nearly always takes the same one. `buggify("name")` says
to take the other; which points are armed, and how often each fires, a simulation draws per run
(FoundationDB's idea).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

# What comes late by chance comes by so much: longer than an answer takes, shorter than patience.
LATE_S = 1.0

_decide: Callable[[str], bool] | None = None


def buggify(point: str) -> bool:
    """Whether to take the rare way at `point`; never in production."""
    return _decide is not None and _decide(point)


@contextmanager
def use(decide: Callable[[str], bool]) -> Iterator[None]:
    """Have `decide` answer for the length of a `with` block (simulation, tests)."""
    global _decide  # noqa: PLW0603 - the one switch that simulation flips
    previous = _decide
    _decide = decide
    try:
        yield
    finally:
        _decide = previous
