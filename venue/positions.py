"""A position in a linear perpetual, as integers: lots, what they cost, margin, profit. Pure.

Everything splits without a remainder: however a position is opened and closed in parts, wallet plus
unrealised profit is what was paid in plus what the trades at their prices earned.
"""

from dataclasses import dataclass

from venue.changes import PositionRow
from venue.instruments import Contract, Instrument

PPM = 1_000_000
PPB = 1_000_000_000


@dataclass(slots=True)
class Position:
    """One account's in one perpetual, one-way mode; kept at zero lots for its leverage."""

    account: int
    symbol: str
    leverage: int
    lots: int = 0
    """Signed: below zero is short."""
    cost_units: int = 0
    """Signed like lots: what they were bought for, or minus what they were sold for."""
    is_isolated: bool = False
    extra_units: int = 0
    """Isolated margin that was added by hand to the initial one."""
    realised_units: int = 0
    funding_units: int = 0
    """Received (positive) or paid since the position was opened."""
    changed_ns: int = 0

    def reducible_lots(self, side: int) -> int:
        """Return how many lots an order of `side` may close."""
        return abs(self.lots) if self.lots * side < 0 else 0

    def fill(self, side: int, lots: int, cost_units: int, now_ns: int) -> int:
        """Book a fill; return the profit that it realised."""
        closing = min(lots, self.reducible_lots(side))
        realised = 0
        if closing:
            part_units = _share(self.cost_units, closing, abs(self.lots))
            closing_units = cost_units * closing // lots
            realised = -(part_units + side * closing_units)
            self.cost_units -= part_units
            self.lots += side * closing
            self.realised_units += realised
            lots, cost_units = lots - closing, cost_units - closing_units
        if self.lots == 0:
            assert self.cost_units == 0, "a closed position cost something"
            self.funding_units = self.realised_units = self.extra_units = 0
        self.lots += side * lots
        self.cost_units += side * cost_units
        self.changed_ns = now_ns
        return realised

    def row(self) -> PositionRow:
        """Return the position as it is stored and reported."""
        return PositionRow(
            self.account,
            self.symbol,
            self.lots,
            self.cost_units,
            self.leverage,
            int(self.is_isolated),
            self.extra_units,
            self.realised_units,
            self.funding_units,
            self.changed_ns,
        )


def position_of(row: PositionRow) -> Position:
    """Return the stored position."""
    return Position(
        account=row.account,
        symbol=row.symbol,
        leverage=row.leverage,
        lots=row.lots,
        cost_units=row.cost_units,
        is_isolated=bool(row.is_isolated),
        extra_units=row.extra_units,
        realised_units=row.realised_units,
        funding_units=row.funding_units,
        changed_ns=row.changed_ns,
    )


def _share(units: int, part: int, whole: int) -> int:
    """Return `part`/`whole` of a signed amount, truncated towards zero."""
    return units * part // whole if units >= 0 else -(-units * part // whole)


def value_units(instrument: Instrument, lots: int, mark_ticks: int) -> int:
    """Return what signed lots are worth at the mark price, signed."""
    value = instrument.cost_units(mark_ticks, abs(lots))
    return value if lots >= 0 else -value


def unrealised_units(instrument: Instrument, position: Position, mark_ticks: int) -> int:
    """Return what closing everything at the mark price would earn."""
    return value_units(instrument, position.lots, mark_ticks) - position.cost_units


def margin_units(position: Position, notional_units: int) -> int:
    """Return the initial margin of a notional at the position's leverage, rounded up."""
    return -(-abs(notional_units) // position.leverage)


def maintenance_units(contract: Contract, notional_units: int) -> int:
    """Return the equity below which a notional is liquidated, rounded up."""
    return -(-abs(notional_units) * contract.maintenance_ppm // PPM)


def funding_units(instrument: Instrument, lots: int, mark_ticks: int, rate_ppb: int) -> int:
    """Return what the holder of `lots` pays (positive) or gets, truncated towards zero."""
    due = abs(value_units(instrument, lots, mark_ticks)) * abs(rate_ppb) // PPB
    return due if lots * rate_ppb > 0 else -due


def entry_ticks_units(instrument: Instrument, position: Position) -> int:
    """Return the mean entry price in units of the instrument's price, 0 without a position."""
    return instrument.average_price_units(abs(position.cost_units), abs(position.lots))


def liquidation_ticks(instrument: Instrument, position: Position, margin: int) -> int:
    """Return the mark price at which `margin` (of this position alone) is used up; 0 for none.

    Solves margin + value − cost = maintenance for the price, rounded against the holder.
    """
    contract = instrument.contract
    if position.lots == 0 or contract is None:
        return 0
    side = 1 if position.lots > 0 else -1
    one_lot_units = instrument.cost_units(1_000_000, 1)  # at a million ticks: a fine ratio
    if one_lot_units == 0:
        return 0
    owed_units = position.cost_units - margin
    scale = side * abs(position.lots) * one_lot_units * (PPM - side * contract.maintenance_ppm)
    ticks = owed_units * PPM * 1_000_000 // scale
    return max(0, ticks)
