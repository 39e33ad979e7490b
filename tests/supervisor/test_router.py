"""Dead letters: all are counted, the newest are kept, few are logged."""

import pytest

from supervisor import limits
from supervisor.clock import ManualClock
from supervisor.journal import MemoryJournal
from supervisor.router import DeadLetter, Router


def letters(router: Router, clock: ManualClock, count: int) -> None:
    for number in range(count):
        now_ns = clock.now_ns()
        router.bury(DeadLetter(number, "/a", "/nobody", "demo.Add", "nobody has it", now_ns))


def test_a_flood_of_dead_letters_is_a_few_lines_a_minute(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = ManualClock(limits.DEAD_LETTER_PERIOD_NS)
    router = Router(MemoryJournal(), clock.now_ns)
    letters(router, clock, 1_000)
    assert router.dead == 1_000
    assert len(router.dead_letters) == limits.DEAD_LETTERS_KEPT
    assert router.dead_letters[-1].position == 999
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == limits.DEAD_LETTER_LINES + 1
    assert lines[0] == "demo.Add from /a for /nobody is a dead letter: nobody has it"
    assert lines[-1] == "more dead letters are only counted for 60 s: 10 until now"
    caplog.clear()
    clock.advance(limits.DEAD_LETTER_PERIOD_NS)
    letters(router, clock, 1)
    assert len(caplog.records) == 1


def test_names_are_given_out_once() -> None:
    router = Router(MemoryJournal(), ManualClock().now_ns)
    assert not router.is_known("/a")
    assert router.enroll("/a") == router.enroll("/a")
    assert router.is_known("/a")
