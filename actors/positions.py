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


# Steps of a position kept to know what was held when funding was settled: it is told minutes later
# at most, and a sleeve has an order per symbol and side in flight.
STEPS_KEPT = 64


class Step(msgspec.Struct, array_like=True):
    """A change of a position in a perpetual, by the venue's time."""

    at_ns: int
    contracts: int
    """Signed."""


class Position(msgspec.Struct, omit_defaults=True):
    """One sleeve's position in one symbol; its coins or contracts are counted in the books."""

    basis_minor: int = 0
    """What it cost; of a short position what it was sold for, below zero."""
    realised_minor: int = 0
    """Proceeds less basis of what was sold, less all fees; funding included."""
    fees_minor: int = 0
    funding_minor: int = 0
    """Received, or below zero paid."""
    steps: list[Step] = []
    """Newest last."""
    stop_ticks: int = 0
    take_ticks: int = 0
    trail_ticks: int = 0
    """How far behind the best price its stop follows."""

    @property
    def is_guarded(self) -> bool:
        """Whether guard has a level to hold."""
        return self.stop_ticks > 0 or self.take_ticks > 0 or self.trail_ticks > 0

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

    def stepped(self, at_ns: int, contracts: int) -> None:
        """Note a change of a position in a perpetual."""
        self.steps = [*self.steps[-STEPS_KEPT + 1 :], Step(at_ns, contracts)]

    def held_at(self, at_ns: int, held_minor: int) -> int:
        """Return the contracts held at a moment by one who holds `held_minor` now."""
        return held_minor - sum(step.contracts for step in self.steps if step.at_ns > at_ns)

    def closed(self, sign: int, closing_minor: int, held_minor: int, cost_minor: int) -> int:
        """Book contracts that a buy (`sign` 1) or a sell (-1) closed; return what that realised.

        Both quantities are without a sign; the last contract takes all the basis.
        """
        share = self.basis_minor
        if closing_minor < held_minor:
            part = abs(self.basis_minor) * closing_minor // held_minor
            share = part if self.basis_minor > 0 else -part
        realised = -share - sign * cost_minor
        self.basis_minor -= share
        self.realised_minor += realised
        return realised

    def funded(self, amount_minor: int) -> None:
        """Book funding received, or below zero paid."""
        self.funding_minor += amount_minor
        self.realised_minor += amount_minor

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


def margin_minor(notional_minor: int, leverage: int) -> int:
    """Return the initial margin of a notional, rounded up."""
    return -(-notional_minor // leverage)


def need_minor(
    instrument: Instrument, price_ticks: int, quantity_lots: int, leverage: int = 1
) -> int:
    """Return what an entry needs at most: notional, or its margin, and taker's fee."""
    notional = instrument.notional_minor(price_ticks, quantity_lots)
    return margin_minor(notional, leverage) + fee_of(notional, instrument.taker_fee_ppm)


def lots_affordable(
    instrument: Instrument, price_ticks: int, cash_minor: int, leverage: int = 1
) -> int:
    """Return the most lots that `cash_minor` buys at `price_ticks` with the taker's fee."""
    notional = cash_minor * leverage * PPM // (PPM + leverage * instrument.taker_fee_ppm)
    lots = instrument.lots_for(notional, price_ticks)
    # Roundings are upwards, by a few units: at most a few lots too many.
    while lots > 0 and need_minor(instrument, price_ticks, lots, leverage) > cash_minor:
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
    if base_minor == 0:
        return 0
    one_tick = Fraction(instrument.tick) * base_minor
    one_tick *= Fraction(10) ** (instrument.quote_scale - instrument.base_scale)
    return round(Fraction(basis_minor) / one_tick)


def worst_ticks(reference_ticks: int, slippage_bps: int) -> int:
    """Return the price a market order is reckoned to trade at: for a buy it stays below."""
    return -(-reference_ticks * (BPS + slippage_bps) // BPS)
