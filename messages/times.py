"""Times as people type them: `2026-07-01T03:12:00Z`, `03:12`, `-5m`."""

import re
from datetime import UTC, datetime, timedelta

NANOSECONDS_PER_SECOND = 1_000_000_000
_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_AGO = re.compile(r"-(\d{1,9})([smhd])")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?Z?")
HELP = (
    "Times are UTC: `2026-07-01T03:12:00Z`, `2026-07-01 03:12`, `03:12` (the last time it was "
    "that late), or `-5m` (s, m, h, d ago)."
)


class TimeTextError(ValueError):
    """A text is no time."""

    def __init__(self, text: str) -> None:
        super().__init__(f"{text!r} is no time. {HELP}")


def time_ns(text: str, now_ns: int) -> int:
    """Return the UTC nanoseconds that `text` means at `now_ns`. Raises `TimeTextError`."""
    text = text.strip()
    if (ago := _AGO.fullmatch(text)) is not None:
        return now_ns - int(ago[1]) * _UNITS_S[ago[2]] * NANOSECONDS_PER_SECOND
    try:
        if (clock := _CLOCK.fullmatch(text)) is not None:
            return _last(int(clock[1]), int(clock[2]), int(clock[3] or 0), now_ns)
        at = datetime.fromisoformat(text)
    except ValueError:
        raise TimeTextError(text) from None
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    since = at - datetime.fromtimestamp(0, UTC)
    return (since // timedelta(microseconds=1)) * 1_000


def _last(hour: int, minute: int, second: int, now_ns: int) -> int:
    """Return the newest moment not after `now_ns` at which the clock said so."""
    now = datetime.fromtimestamp(now_ns // NANOSECONDS_PER_SECOND, UTC)
    at = now.replace(hour=hour, minute=minute, second=second)
    if at > now:
        at -= timedelta(days=1)
    return int(at.timestamp()) * NANOSECONDS_PER_SECOND
