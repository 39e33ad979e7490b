"""Times as people type them."""

from datetime import UTC, datetime

import pytest

from messages.times import TimeTextError, time_ns

NOW_NS = int(datetime(2026, 7, 1, 12, 30, 15, tzinfo=UTC).timestamp()) * 10**9


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> int:
    moment = datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    return int(moment.timestamp()) * 10**9


@pytest.mark.parametrize(
    ("text", "meant_ns"),
    [
        ("2026-06-30T03:12:00Z", at(2026, 6, 30, 3, 12)),
        ("2026-06-30 03:12", at(2026, 6, 30, 3, 12)),
        ("2026-06-30T05:12:00+02:00", at(2026, 6, 30, 3, 12)),
        ("2026-06-30", at(2026, 6, 30)),
        ("2026-06-30T03:12:00.000250Z", at(2026, 6, 30, 3, 12) + 250_000),
        ("03:12", at(2026, 7, 1, 3, 12)),
        ("12:30:15", at(2026, 7, 1, 12, 30, 15)),
        ("12:31", at(2026, 6, 30, 12, 31)),
        ("-90s", NOW_NS - 90 * 10**9),
        ("-2h", NOW_NS - 7_200 * 10**9),
        (" -1d ", NOW_NS - 86_400 * 10**9),
    ],
)
def test_what_a_text_means(text: str, meant_ns: int) -> None:
    assert time_ns(text, NOW_NS) == meant_ns


@pytest.mark.parametrize("text", ["", "soon", "25:00", "12:61", "-5", "5m", "2026-13-01"])
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    with pytest.raises(TimeTextError, match="is no time"):
        time_ns(text, NOW_NS)
