"""Step times, against sorting."""

from hypothesis import given
from hypothesis import strategies as st

from supervisor.notes import TIMES_KEPT, StepTimes


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=200), st.sampled_from([50, 90, 99]))
def test_a_percentile_is_that_of_the_sorted_messages(steps: list[int], percent: int) -> None:
    times = StepTimes()
    for step_ns in steps:
        times.note(step_ns, 1)
    rank = -(-len(steps) * percent // 100)
    assert times.percentile_ns(percent) == sorted(steps)[rank - 1]
    assert times.max_ns == max(steps)


def test_a_turn_counts_as_so_many_messages() -> None:
    times = StepTimes()
    times.note(64_000, 64)
    times.note(5, 1)
    assert times.percentile_ns(99) == times.max_ns == 1_000
    assert times.percentile_ns(1) == 5
    assert StepTimes().percentile_ns(99) == 0


def test_old_turns_are_forgotten_and_the_longest_is_not() -> None:
    times = StepTimes()
    times.note(10**9, 1)
    for _ in range(3 * TIMES_KEPT):
        times.note(1_000, 1)
    assert times.percentile_ns(100) == 1_000
    assert times.max_ns == 10**9
    assert len(times._turns) < 2 * TIMES_KEPT
