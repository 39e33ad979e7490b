"""Venues' texts of time as UTC nanoseconds, exactly."""

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache

NANOSECONDS_PER_SECOND = 1_000_000_000
NANOSECONDS_PER_MILLISECOND = 1_000_000
NANOSECOND_DIGITS = 9
# "2023-10-04T16:26:30" of "2023-10-04T16:26:30.524394914Z"
SECONDS_CHARACTERS = 19


@lru_cache(maxsize=16)  # frames of the same second come together
def _whole_seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def rfc3339_ns(text: str) -> int:
    """Return the time of a text like ``2023-10-04T16:26:30.524394914Z``. Raises `ValueError`."""
    if not text.endswith("Z"):
        raise ValueError(f"{text!r} is not a UTC time in RFC 3339")
    fraction = text[SECONDS_CHARACTERS + 1 : -1]
    if fraction and not (fraction.isdecimal() and len(fraction) <= NANOSECOND_DIGITS):
        raise ValueError(f"{text!r} is not a UTC time in RFC 3339")
    whole_ns = _whole_seconds(text[:SECONDS_CHARACTERS]) * NANOSECONDS_PER_SECOND
    return whole_ns + int(fraction.ljust(NANOSECOND_DIGITS, "0"))


def rfc3339_text(at_ns: int) -> str:
    """Return a time as RFC 3339 with milliseconds, rounded down."""
    seconds, rest_ns = divmod(at_ns, NANOSECONDS_PER_SECOND)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{rest_ns // NANOSECONDS_PER_MILLISECOND:03d}Z"


def unix_seconds_ns(text: str) -> int:
    """Return the time of a text of seconds like ``1733815269.370054``. Raises `ValueError`."""
    try:
        return int(Decimal(text) * NANOSECONDS_PER_SECOND)
    except (InvalidOperation, OverflowError) as error:
        raise ValueError(f"{text!r} is not a time in seconds") from error
