"""Exact conversion between a venue's decimal texts and integers of a step (tick, lot)."""

import re
from decimal import Decimal, InvalidOperation
from functools import lru_cache

# A price or quantity with more digits than this is garbage, and would only cost time.
NUMBER_TEXT_CHARACTERS_MAX = 64
# What an int64 holds: more could not be stored, nor sent to anybody.
UNITS_MAX = 2**63
# The instruments of one venue have some dozen different steps.
GRIDS_CACHED_MAX = 256


# What JSON allows, and a plus sign; Decimal alone would also take "1_000" and " 1".
_DECIMAL = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?([eE][+-]?[0-9]+)?")


class OffGridError(ValueError):
    """A number is not a whole multiple of its step, or is no number."""


class Grid:
    """A step such as "0.05": `units("1.25")` is 25, `text(25)` is "1.25"."""

    __slots__ = ("_decimals", "_divisor", "step")

    def __init__(self, step: str) -> None:
        value = Decimal(step)
        assert value > 0, "a step is a positive decimal"
        self.step = step
        exponent = value.normalize().as_tuple().exponent
        assert isinstance(exponent, int), "a step is finite"
        self._decimals = max(0, -exponent)
        self._divisor = int(value.scaleb(self._decimals))

    def units(self, text: str) -> int:
        """Return how many steps `text` is. Raises `OffGridError`."""
        whole, _, fraction = text.partition(".")
        if not (whole.isdecimal() and whole.isascii()) or len(text) > NUMBER_TEXT_CHARACTERS_MAX:
            return self._slow_units(text)
        if len(fraction) > self._decimals:
            fraction = fraction.rstrip("0")
        if len(fraction) > self._decimals or not (fraction + "0").isdecimal():
            return self._slow_units(text)
        minor = int(whole + fraction.ljust(self._decimals, "0"))
        units, rest = divmod(minor, self._divisor)
        if rest or units >= UNITS_MAX:
            raise OffGridError(f"{text} is not a multiple of {self.step}, or too large")
        return units

    def _slow_units(self, text: str) -> int:
        """Handle signs, exponents and errors."""
        if len(text) > NUMBER_TEXT_CHARACTERS_MAX:
            raise OffGridError(f"a number of {len(text)} characters: no venue sends that")
        if not _DECIMAL.fullmatch(text):
            raise OffGridError(f"{text!r} is not a decimal number")
        try:
            value = Decimal(text)
            quotient = value / Decimal(self.step)
            is_whole = quotient.is_finite() and quotient == quotient.to_integral_value()
        except (InvalidOperation, OverflowError) as error:
            raise OffGridError(f"{text!r} is not a decimal number") from error
        if not is_whole or abs(quotient) >= UNITS_MAX:
            raise OffGridError(f"{text} is not a multiple of {self.step}, or too large")
        return int(quotient)

    def whole(self, text: str) -> int:
        """Return how many whole steps `text` holds. Raises `OffGridError` for what is no number.

        For the orders of others, which may be older than the step.
        """
        try:
            return self.units(text)
        except OffGridError:
            if len(text) > NUMBER_TEXT_CHARACTERS_MAX or not _DECIMAL.fullmatch(text):
                raise
            steps = Decimal(text) / Decimal(self.step)
            if not 0 <= steps < 2**63:
                raise
            return int(steps)

    def text(self, units: int) -> str:
        """Return `units` steps as a decimal string."""
        minor = units * self._divisor
        if not self._decimals:
            return str(minor)
        sign = "-" if minor < 0 else ""
        digits = str(abs(minor)).rjust(self._decimals + 1, "0")
        return f"{sign}{digits[: -self._decimals]}.{digits[-self._decimals :]}"


@lru_cache(maxsize=GRIDS_CACHED_MAX)
def grid(step: str) -> Grid:
    """Return the grid of a step; equal steps share one."""
    return Grid(step)
