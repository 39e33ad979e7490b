"""What a position cost and earned, and the arithmetic of prices, quantities and money around it.

All in integers: `basis` is what the coins still held cost, without fees; fees are realised when
paid. So at every moment cash + value = money put in + realised + unrealised, to the last unit.
"""

from fractions import Fraction
from functools import lru_cache

import msgspec

from messages.market import Instrument

PPM = 1_000_000
BPS = 10_000


class Position(msgspec.Struct):
    """One sleeve's position in one symbol; its coins are counted in the books."""

    basis_minor: int = 0
    realised_minor: int = 0
    """Proceeds less basis of what was sold, less all fees."""
    fees_minor: int = 0
    stop_ticks: int = 0
    take_ticks: int = 0

    def bought(self, cost_minor: int) -> None:
        """Book the cost of coins that came in."""
        self.basis_minor += cost_minor

    def sold(self, held_minor: int, sold_minor: int, proceeds_minor: int, *, closes: bool) -> None:
        """Book coins that went out of `held_minor`; the last lot takes all the basis."""
        share = self.basis_minor
        if not closes and sold_minor < held_minor:
            share = self.basis_minor * sold_minor // held_minor
        self.basis_minor -= share
        self.realised_minor += proceeds_minor - share

    def paid(self, fee_minor: int) -> None:
        """Book a fee, in the quote asset."""
        self.fees_minor += fee_minor
        self.realised_minor -= fee_minor

    def surrendered(self, held_minor: int, fee_base_minor: int) -> None:
        """Book a fee that was taken in coins: their part of the basis was spent on it."""
        share = self.basis_minor * fee_base_minor // held_minor if held_minor > 0 else 0
        self.basis_minor -= share
        self.paid(share)


def ceiling(value: Fraction) -> int:
    """Return the smallest integer that is not below `value`."""
    return -(-value.numerator // value.denominator)


def fee_of(notional_minor: int, fee_ppm: int) -> int:
    """Return the fee on a notional, rounded up: what must be there to pay it."""
    return -(-notional_minor * fee_ppm // PPM)


def need_minor(instrument: Instrument, price_ticks: int, quantity_lots: int) -> int:
    """Return what a buy needs at most: notional and taker's fee."""
    notional = instrument.notional_minor(price_ticks, quantity_lots)
    return notional + fee_of(notional, instrument.taker_fee_ppm)


def lots_affordable(instrument: Instrument, price_ticks: int, cash_minor: int) -> int:
    """Return the most lots that `cash_minor` buys at `price_ticks` with the taker's fee."""
    lots = instrument.lots_for(cash_minor * PPM // (PPM + instrument.taker_fee_ppm), price_ticks)
    # Roundings are upwards twice, by one unit each: at most a few lots too many.
    while lots > 0 and need_minor(instrument, price_ticks, lots) > cash_minor:
        lots -= 1
    return min(lots, instrument.quantity_lots_max)


# More than a vault has instruments; working it out costs ten times as much as looking it up.
@lru_cache(maxsize=1_024)
def lot_minor(instrument: Instrument) -> int:
    """Return one lot in minor units of base."""
    return instrument.base_minor(1)


def value_minor(instrument: Instrument, base_minor: int, price_ticks: int) -> int:
    """Return what coins are worth at a price, in quote minor units, rounded down."""
    exact = Fraction(instrument.tick) * price_ticks * base_minor
    exact *= Fraction(10) ** (instrument.quote_scale - instrument.base_scale)
    return exact.numerator // exact.denominator


def average_ticks(instrument: Instrument, basis_minor: int, base_minor: int) -> int:
    """Return the mean entry price in ticks, rounded to the nearest; 0 without coins."""
    if base_minor <= 0:
        return 0
    one_tick = Fraction(instrument.tick) * base_minor
    one_tick *= Fraction(10) ** (instrument.quote_scale - instrument.base_scale)
    return round(Fraction(basis_minor) / one_tick)


def worst_ticks(reference_ticks: int, slippage_bps: int) -> int:
    """Return the price a market buy is expected to stay below."""
    return -(-reference_ticks * (BPS + slippage_bps) // BPS)
