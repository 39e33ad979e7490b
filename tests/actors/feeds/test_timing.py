"""The venue's clock and the way of its data."""

from hypothesis import given
from hypothesis import strategies as st

from actors.feeds.timing import ClockOffset, Ways

MS = 1_000_000
SECOND = 1_000 * MS


def test_half_the_round_trip_is_the_error_of_one_answer() -> None:
    clock = ClockOffset()
    assert clock.offset is None
    clock.note(0, 40 * MS, 1_020 * MS, 0)
    assert clock.offset == (1_000 * MS, 20 * MS)


def test_a_clock_that_shows_seconds_is_known_to_milliseconds_after_some_answers() -> None:
    clock = ClockOffset()
    true_ns = 370 * MS
    for number in range(8):
        asked_ns = number * 1_130 * MS
        seen_ns = (asked_ns + 10 * MS + true_ns) // SECOND * SECOND
        clock.note(asked_ns, asked_ns + 20 * MS, seen_ns, SECOND)
    offset = clock.offset
    assert offset is not None
    assert abs(offset.offset_ns - true_ns) <= offset.error_ns < 100 * MS


def test_a_clock_that_was_set_is_followed_at_once() -> None:
    clock = ClockOffset()
    for number in range(5):
        clock.note(number * SECOND, number * SECOND + 10 * MS, number * SECOND + 5 * MS, 0)
    clock.note(6 * SECOND, 6 * SECOND + 10 * MS, 9 * SECOND + 5 * MS, 0)
    offset = clock.offset
    assert offset is not None
    assert abs(offset.offset_ns - 3 * SECOND) <= offset.error_ns


@given(
    st.integers(-5 * SECOND, 5 * SECOND),
    st.lists(
        st.tuples(st.integers(1, 90_000), st.integers(0, 400), st.integers(0, 400)),
        min_size=1,
        max_size=40,
    ),
    st.sampled_from([0, MS, SECOND]),
)
def test_the_true_offset_is_always_within_the_error(
    true_ns: int, answers: list[tuple[int, int, int]], step_ns: int
) -> None:
    clock, now_ns = ClockOffset(), 10 * SECOND
    for wait_ms, there_ms, back_ms in answers:
        now_ns += wait_ms * MS
        shown_ns = now_ns + there_ms * MS + true_ns
        if step_ns:
            shown_ns = shown_ns // step_ns * step_ns
        clock.note(now_ns, now_ns + (there_ms + back_ms) * MS, shown_ns, step_ns)
        offset = clock.offset
        assert offset is not None
        assert abs(offset.offset_ns - true_ns) <= offset.error_ns


def test_ways_are_by_a_common_clock() -> None:
    ways = Ways()
    assert ways.percentile_ns(50, 0) is None
    for number in range(1, 101):
        ways.note(1_000 * MS, (1_000 + number) * MS)
    assert ways.percentile_ns(50, 5 * MS) == 55 * MS
    assert ways.percentile_ns(99, 5 * MS) == 104 * MS
