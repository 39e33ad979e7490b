"""How venues write numbers and times, read for the adapters that share the way."""

import re
from datetime import UTC, datetime
from decimal import Decimal

from exchanges.grid import OffGridError, grid
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND, NANOSECONDS_PER_SECOND

# The last moment that fits 64 bits of nanoseconds, in the year 2262.
MILLISECONDS_MAX = 2**63 // NANOSECONDS_PER_MILLISECOND
# What an int64 can hold, with room for sums.
QUANTITY_LOTS_MAX = 1 << 60
_PLAIN = re.compile(r"[0-9]{1,20}\.[0-9]{1,40}")


def plain(number: object) -> str:
    """Return a decimal as text without an exponent and without trailing zeros.

    Raises `ArithmeticError` or `ValueError` for what is none.
    """
    value = Decimal(str(number))
    if not value.is_finite():
        raise ValueError(f"{number!r} is not a decimal number")
    return format(value.normalize(), "f") if value else "0"


def decimals(step: Decimal) -> int:
    """Return how many digits a step has behind the point."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def whole_lots(lot_size: str, text: str) -> int:
    """Return a quantity of market data in lots; what is below a lot is nobody's order.

    Books of some venues hold dust that is finer than what orders may have. Raises `OffGridError`
    for what is no quantity at all.
    """
    try:
        return grid(lot_size).units(text)
    except OffGridError:
        if not _PLAIN.fullmatch(text):
            raise
        lots = Decimal(text) / Decimal(lot_size)
        if lots > QUANTITY_LOTS_MAX:
            raise
        return int(lots)


def is_zero(text: str) -> bool:
    """Whether a number's text says 0."""
    return not text.strip("0.")


def ns_of_ms(milliseconds: object) -> int:
    """Return a time in milliseconds, text or number, as nanoseconds. Raises `ValueError`."""
    number = int(str(milliseconds))
    if not 0 <= number < MILLISECONDS_MAX:
        raise ValueError(f"{milliseconds} is not a time in milliseconds")
    return number * NANOSECONDS_PER_MILLISECOND


def text_of_ns(at_ns: int) -> str:
    """Return a time as RFC 3339 with microseconds, in UTC."""
    at = datetime.fromtimestamp(at_ns // NANOSECONDS_PER_SECOND, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at_ns % NANOSECONDS_PER_SECOND // 1_000:06d}Z"
