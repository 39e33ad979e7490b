"""The circuit breaker: its table, its waits, the one call that decides, and who is told."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.breaker import (
    MOVES,
    Admission,
    BreakerSettings,
    Circuit,
    CircuitBreaker,
    CircuitOpenError,
    Happening,
)

SECOND_NS = 1_000_000_000
SETTINGS = BreakerSettings(
    max_failures=3, reset_ns=10 * SECOND_NS, factor=2, reset_max_ns=35 * SECOND_NS, jitter=0
)


class BadRequestError(Exception):
    """What says that the question was wrong, not that nobody is there."""


def breaker(settings: BreakerSettings = SETTINGS) -> CircuitBreaker:
    return CircuitBreaker(
        "the venue", lambda: 0.5, settings, lambda error: not isinstance(error, BadRequestError)
    )


def fail(it: CircuitBreaker, times: int, now_ns: int = 0) -> None:
    for _ in range(times):
        it.failed(it.admit(now_ns), OSError(), now_ns)


def test_it_opens_after_so_many_failures_in_a_row() -> None:
    it = breaker()
    fail(it, 2)
    it.succeeded(it.admit(0))
    fail(it, 2)
    assert it.wait_ns(0) == 0
    fail(it, 1)
    assert it.state is Circuit.OPEN
    with pytest.raises(CircuitOpenError, match=r"the venue failed too often: .* in 10.0 s"):
        it.admit(0)
    assert it.refused == 1


def test_a_request_that_was_wrong_is_no_failure() -> None:
    it = breaker()
    fail(it, 2)
    it.failed(it.admit(0), BadRequestError(), 0)
    fail(it, 2)
    assert it.state is Circuit.CLOSED


def test_one_call_decides_and_the_wait_grows_up_to_its_cap() -> None:
    it = breaker()
    fail(it, 3)
    now_ns = 0
    for wait_s in (10, 20, 35, 35):
        assert it.wait_ns(now_ns) == wait_s * SECOND_NS
        now_ns += wait_s * SECOND_NS
        probe = it.admit(now_ns)
        assert (it.state, probe.is_probe) == (Circuit.HALF_OPEN, True)
        with pytest.raises(CircuitOpenError):
            it.admit(now_ns)
        it.failed(probe, OSError(), now_ns)
        assert it.state is Circuit.OPEN
    now_ns += 35 * SECOND_NS
    it.succeeded(it.admit(now_ns))
    assert it.state is Circuit.CLOSED
    fail(it, 3, now_ns)
    # It begins with the first wait again.
    assert it.wait_ns(now_ns) == 10 * SECOND_NS


def test_news_from_before_the_opening_says_nothing() -> None:
    it = breaker()
    old = [it.admit(0) for _ in range(5)]
    for admission in old[:3]:
        it.failed(admission, OSError(), 0)
    it.admit(10 * SECOND_NS)
    it.succeeded(old[3])
    it.failed(old[4], OSError(), 10 * SECOND_NS)
    assert it.state is Circuit.HALF_OPEN


def test_a_probe_that_was_given_up_lets_another_decide() -> None:
    it = breaker()
    fail(it, 3)
    it.gave_up(it.admit(10 * SECOND_NS))
    it.succeeded(it.admit(10 * SECOND_NS))
    assert it.state is Circuit.CLOSED


def test_a_person_closes_it() -> None:
    it = breaker()
    fail(it, 3)
    it.reset()
    assert it.state is Circuit.CLOSED
    assert it.admit(0) == Admission(2, is_probe=False)


def test_listeners_are_told_of_each_change() -> None:
    it = breaker()
    seen: list[tuple[str, str]] = []
    it.listen(lambda before, after: seen.append((before.value, after.value)))
    fail(it, 3)
    it.failed(it.admit(10 * SECOND_NS), OSError(), 10 * SECOND_NS)
    it.succeeded(it.admit(40 * SECOND_NS))
    assert seen == [
        ("closed", "open"),
        ("open", "half_open"),
        ("half_open", "open"),
        ("open", "half_open"),
        ("half_open", "closed"),
    ]


def test_chance_makes_waits_longer_and_is_reproducible() -> None:
    settings = BreakerSettings(max_failures=1, reset_ns=SECOND_NS, jitter=0.5)
    waits = []
    for _ in range(2):
        dice = random.Random(7)  # noqa: S311 - no secrets
        it = CircuitBreaker("x", dice.random, settings)
        fail(it, 1)
        waits.append(it.wait_ns(0))
    assert waits[0] == waits[1]
    assert SECOND_NS < waits[0] < 1.5 * SECOND_NS


def test_what_the_table_does_not_have_raises() -> None:
    it = breaker()
    with pytest.raises(AssertionError, match="the venue is closed and waited"):
        it._move(Happening.WAITED)
    assert {state for state, _ in MOVES} == set(Circuit)


@given(st.lists(st.tuples(st.sampled_from("sfgr"), st.integers(0, 20)), max_size=60))
def test_it_never_lets_more_than_one_call_through_unless_closed(
    script: list[tuple[str, int]],
) -> None:
    it = breaker()
    now_ns = 0
    probes: list[Admission] = []
    for what, wait_s in script:
        now_ns += wait_s * SECOND_NS
        was_due = it.wait_ns(now_ns) == 0
        try:
            admission = it.admit(now_ns)
        except CircuitOpenError:
            assert not was_due or it._probing
            if what == "r":
                it.reset()
            continue
        assert was_due
        assert admission.is_probe == (it.state is Circuit.HALF_OPEN)
        probes.append(admission)
        if what == "s":
            it.succeeded(admission)
            assert it.state is Circuit.CLOSED
        elif what == "f":
            it.failed(admission, OSError(), now_ns)
            assert it.state is not Circuit.HALF_OPEN
        elif what == "g":
            it.gave_up(admission)
        else:
            it.reset()
        assert it.failures <= SETTINGS.max_failures or it.state is not Circuit.CLOSED
