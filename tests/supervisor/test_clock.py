"""The process clock never goes back and follows the wall clock only slowly."""

import pytest

from supervisor.clock import (
    CLOCK_BEHIND_NS_MAX,
    NANOSECONDS_PER_SECOND,
    ClockBehindError,
    ManualClock,
    ProcessClock,
)


class Hands:
    """A wall clock and a monotonic clock, moved by hand."""

    def __init__(self) -> None:
        self.wall_ns = 1_000 * NANOSECONDS_PER_SECOND
        self.monotonic_ns = 0

    def pass_by(self, by_ns: int, *, wall_off_by_ns: int = 0) -> None:
        self.monotonic_ns += by_ns
        self.wall_ns += by_ns + wall_off_by_ns


def clock_of(hands: Hands, floor_ns: int = 0) -> ProcessClock:
    return ProcessClock(floor_ns, lambda: hands.wall_ns, lambda: hands.monotonic_ns)


def test_it_is_wall_time_at_boot_plus_monotonic_time() -> None:
    hands = Hands()
    clock = clock_of(hands)
    hands.pass_by(5, wall_off_by_ns=-NANOSECONDS_PER_SECOND)
    assert clock.now_ns() == 1_000 * NANOSECONDS_PER_SECOND + 5


def test_it_starts_no_earlier_than_the_journal() -> None:
    hands = Hands()
    floor_ns = hands.wall_ns + NANOSECONDS_PER_SECOND
    assert clock_of(hands, floor_ns).now_ns() == floor_ns


def test_a_wall_clock_far_behind_the_journal_is_refused() -> None:
    hands = Hands()
    with pytest.raises(ClockBehindError, match=r"5\.0 s behind .* set the clock"):
        clock_of(hands, hands.wall_ns + CLOCK_BEHIND_NS_MAX + 1)


def test_it_slews_at_most_500_ppm() -> None:
    hands = Hands()
    clock = clock_of(hands)
    hands.pass_by(NANOSECONDS_PER_SECOND, wall_off_by_ns=10_000_000)
    before_ns = clock.now_ns()
    assert clock.slew() == 9_500_000
    assert clock.now_ns() - before_ns == 500_000


def test_it_never_goes_back_even_while_slewing() -> None:
    hands = Hands()
    clock = clock_of(hands)
    hands.pass_by(NANOSECONDS_PER_SECOND, wall_off_by_ns=-NANOSECONDS_PER_SECOND)
    before_ns = clock.now_ns()
    clock.slew()
    assert clock.now_ns() >= before_ns


def test_a_manual_clock_moves_when_told() -> None:
    clock = ManualClock(5)
    clock.advance(3)
    assert clock.now_ns() == 8
