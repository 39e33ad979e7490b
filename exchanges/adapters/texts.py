"""How venues write numbers and times, where several write them alike."""

from decimal import Decimal

from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND

# The last moment that fits 64 bits of nanoseconds, in the year 2262.
MILLISECONDS_MAX = 2**63 // NANOSECONDS_PER_MILLISECOND


def plain(number: Decimal | str | float) -> str:
    """Return a decimal as text without an exponent and without trailing zeros.

    Raises `ArithmeticError` or `ValueError` for what is none.
    """
    value = Decimal(str(number))
    if not value.is_finite():
        raise ValueError(f"{number!r} is not a decimal number")
    return format(value.normalize(), "f") if value else "0"


def decimals_of(step: Decimal) -> int:
    """Return the digits behind the point of a tick or lot."""
    exponent = step.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def milliseconds_ns(milliseconds: object) -> int:
    """Return a venue's time in milliseconds, text or number. Raises `ValueError`."""
    number = int(str(milliseconds))
    if not 0 <= number < MILLISECONDS_MAX:
        raise ValueError(f"{milliseconds} is not a time in milliseconds")
    return number * NANOSECONDS_PER_MILLISECOND
