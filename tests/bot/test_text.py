"""Words for people."""

from bot.text import log_line

AT_NS = 1_795_262_587_000_000_000


def test_a_log_line_says_its_address_once() -> None:
    told = log_line(AT_NS, "info", "/users/a", "paused")
    assert told == "2026-11-21 12:03:07Z info     /users/a: paused"
    assert log_line(AT_NS, "info", "/users/a", "/users/a: paused") == told


def test_grave_levels_stand_out_without_colour_and_tracebacks_are_indented() -> None:
    told = log_line(AT_NS, "error", "", "it broke\nTraceback\n  line")
    assert told == "2026-11-21 12:03:07Z ERROR    it broke\n    Traceback\n      line"
