"""Assets and instruments: how decimal text becomes integers and back.

An asset's amounts are integers of its minor unit. A price is an integer number of ticks, a quantity
an integer number of lots. Nothing here rounds except `cost_units` and `fee_units`, which truncate:
a venue never credits a unit that does not exist.
"""

from typing import NamedTuple

from venue.kernels import plain
from venue.models import fee_units as fee_kernel

# The venue's books are not bound to int64 while they check a request.
fee_units = plain(fee_kernel)
# The most digits of one number on the wire: more cannot be an int64 amount of any unit.
NUMBER_CHARACTERS_MAX = 40


class MalformedNumberError(ValueError):
    """Text that is not a plain positive decimal, or is finer than the unit allows."""

    def __init__(self, text: str, decimals: int) -> None:
        self.text = text[:NUMBER_CHARACTERS_MAX]
        self.decimals = decimals
        super().__init__(
            f"{self.text!r} is not a decimal number with at most {decimals} decimals: "
            "write digits, one point, no exponent"
        )


def parse_units(text: str, decimals: int) -> int:
    """Return `text` in units of 10**-`decimals`; trailing zeros beyond are allowed.

    Raises `MalformedNumberError` for signs, exponents, blanks and digits finer than the unit.
    """
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if len(text) > NUMBER_CHARACTERS_MAX or not (digits.isascii() and digits.isdigit()):
        raise MalformedNumberError(text, decimals)
    if fraction[decimals:].strip("0"):
        raise MalformedNumberError(text, decimals)
    return int((whole or "0") + fraction[:decimals].ljust(decimals, "0"))


def format_units(units: int, decimals: int) -> str:
    """Return `units` of 10**-`decimals` as text with exactly `decimals` decimals."""
    sign = "-" if units < 0 else ""
    digits = str(abs(units)).rjust(decimals + 1, "0")
    if decimals == 0:
        return sign + digits
    return f"{sign}{digits[:-decimals]}.{digits[-decimals:]}"


class Asset(NamedTuple):
    """An asset and the decimals of its minor unit."""

    name: str
    decimals: int

    def parse(self, text: str) -> int:
        return parse_units(text, self.decimals)

    def format(self, units: int) -> str:
        return format_units(units, self.decimals)


class Contract(NamedTuple):
    """The terms of a linear perpetual: its quantity is in base, everything else in quote."""

    leverage_max: int = 50
    leverage_default: int = 20
    maintenance_ppm: int = 5_000
    """Of the notional at mark: with less equity the position is liquidated."""
    funding_interval_s: int = 28_800
    funding_rate_ppb: int = 100_000
    """The rate around which each settlement's lies; positive: longs pay."""


class Instrument(NamedTuple):
    """A pair: what one tick and one lot are, the smallest order; with a contract, a perpetual."""

    symbol: str
    base: Asset
    quote: Asset
    price_decimals: int
    tick_units: int
    """One tick, in units of 10**-price_decimals of quote."""
    lot_decimals: int
    lot_units: int
    """One lot, in units of 10**-lot_decimals of base."""
    order_minimum_lots: int
    cost_minimum_units: int
    contract: Contract | None = None

    def held_asset(self, side: int) -> Asset:
        """Return what an order of this side reserves: a perpetual's is margin, always in quote."""
        return self.quote if side > 0 or self.contract is not None else self.base

    def parse_price(self, text: str) -> int:
        """Return ticks. Raises `MalformedNumberError` when `text` is off the tick grid."""
        units = parse_units(text, self.price_decimals)
        if units % self.tick_units:
            raise MalformedNumberError(text, self.price_decimals)
        return units // self.tick_units

    def parse_quantity(self, text: str) -> int:
        """Return lots. Raises `MalformedNumberError` when `text` is finer than a lot."""
        units = parse_units(text, self.lot_decimals)
        if units % self.lot_units:
            raise MalformedNumberError(text, self.lot_decimals)
        return units // self.lot_units

    def price_units(self, ticks: int) -> int:
        """Return a price in units of its last decimal: what the book checksum digests."""
        return ticks * self.tick_units

    def quantity_units(self, lots: int) -> int:
        return lots * self.lot_units

    def format_price(self, ticks: int) -> str:
        return format_units(ticks * self.tick_units, self.price_decimals)

    def format_quantity(self, lots: int) -> str:
        return format_units(lots * self.lot_units, self.lot_decimals)

    def base_units(self, lots: int) -> int:
        """Return lots in minor units of base, exactly (checked when the instrument is listed)."""
        return _rescale(lots * self.lot_units, self.lot_decimals, self.base.decimals)

    def cost_units(self, ticks: int, lots: int) -> int:
        """Return price times quantity in minor units of quote, truncated."""
        product = ticks * self.tick_units * lots * self.lot_units
        return _rescale(product, self.price_decimals + self.lot_decimals, self.quote.decimals)

    def average_price_units(self, cost_units: int, lots: int) -> int:
        """Return the mean price of `lots` that cost `cost_units`, in price units, truncated."""
        if lots == 0:
            return 0
        numerator: int = cost_units * 10 ** (self.price_decimals + self.lot_decimals)
        denominator: int = lots * self.lot_units * 10**self.quote.decimals
        return numerator // denominator


def _rescale(units: int, from_decimals: int, to_decimals: int) -> int:
    factor: int = 10 ** abs(to_decimals - from_decimals)
    return units * factor if to_decimals >= from_decimals else units // factor


def hold_units(cost_units: int, fee_ppm: int) -> int:
    """Return what a resting buy reserves.

    Truncation is superadditive, so however the order is split into fills, their costs and fees
    together never exceed this.
    """
    return cost_units + fee_units(cost_units, fee_ppm)
