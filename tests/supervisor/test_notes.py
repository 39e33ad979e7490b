"""The histogram of step times, against sorting."""

from hypothesis import given
from hypothesis import strategies as st

from supervisor.notes import StepTimes


@given(st.lists(st.integers(0, 2**40), min_size=1, max_size=200), st.sampled_from([50, 90, 99]))
def test_a_percentile_is_at_most_an_eighth_above_the_true_one(
    steps: list[int], percent: int
) -> None:
    times = StepTimes()
    for step_ns in steps:
        times.note(step_ns, 1)
    rank = -(-len(steps) * percent // 100)
    true_ns = sorted(steps)[rank - 1]
    assert true_ns <= times.percentile_ns(percent) <= true_ns + true_ns // 8
    assert times.max_ns == max(steps)


def test_a_turn_counts_as_so_many_messages() -> None:
    times = StepTimes()
    times.note(64_000, 64)
    times.note(5, 1)
    assert times.percentile_ns(99) == times.max_ns == 1_000
    assert times.percentile_ns(1) == 5
    assert StepTimes().percentile_ns(99) == 0
