"""Perpetuals in the exchange: mark prices, margin, leverage, funding. Pure, like the exchange.

Collateral is the account's balance of the quote asset. Positions are one-way; their margin is cross
unless an account says isolated. The mark price is the median of best bid, best ask and last trade,
so that one trade far away liquidates nobody.
"""

import hashlib
from collections.abc import Iterator, Mapping

from venue.accounts import FLOW_ACCOUNT, Account
from venue.changes import FundingRow
from venue.instruments import Contract, Instrument
from venue.listing import Listing
from venue.positions import (
    Position,
    funding_units,
    maintenance_units,
    margin_units,
    unrealised_units,
    value_units,
)
from venue.records import Records
from venue.refusals import Refusal, RefusedError

# Settlements made up for after an absence: a month of eight-hourly ones.
SETTLEMENTS_MISSED_MAX = 90
RATE_STEP_PPB = 10  # venues tell rates with eight decimals
_SECOND_NS = 1_000_000_000


class Derivatives:
    """The positions of all accounts, and what they make of balances."""

    def __init__(self, listings: Mapping[str, Listing], records: Records) -> None:
        self._records = records
        self._perpetuals = {
            symbol: listing
            for symbol, listing in listings.items()
            if listing.instrument.contract is not None
        }

    @property
    def symbols(self) -> list[str]:
        """The perpetuals listed here."""
        return list(self._perpetuals)

    # --- reading -----------------------------------------------------------------------------

    def position(self, account: int, symbol: str) -> Position:
        """Return the position, with no lots where there is none."""
        position = self._records.positions.get((account, symbol))
        if position is None:
            leverage = self._contract(symbol).leverage_default
            position = Position(account, symbol, leverage)
            self._records.positions[account, symbol] = position
        return position

    def positions_of(self, account: int, asset: str | None = None) -> Iterator[Position]:
        """Yield the open positions of an account, those settled in `asset` only if given."""
        for symbol, listing in self._perpetuals.items():
            if asset in (None, listing.instrument.quote.name):
                position = self._records.positions.get((account, symbol))
                if position is not None and position.lots:
                    yield position

    def mark_ticks(self, symbol: str) -> int:
        """Return the mark price now."""
        listing = self._perpetuals[symbol]
        last = listing.last_ticks
        bid = listing.book.best_bid_ticks() or last
        ask = listing.book.best_ask_ticks() or last
        return sorted((bid, ask, last))[1]

    def index_ticks(self, symbol: str) -> int:
        """Return the index price: the middle of the book, since there is no other venue here."""
        listing = self._perpetuals[symbol]
        bid, ask = listing.book.best_bid_ticks(), listing.book.best_ask_ticks()
        return (bid + ask) // 2 if bid and ask else listing.last_ticks

    def unrealised_units(self, position: Position) -> int:
        """Return what closing the position at mark would earn."""
        mark = self.mark_ticks(position.symbol)
        return unrealised_units(self._instrument(position.symbol), position, mark)

    def notional_units(self, position: Position) -> int:
        """Return the position's value at mark, without a sign."""
        mark = self.mark_ticks(position.symbol)
        return abs(value_units(self._instrument(position.symbol), position.lots, mark))

    def margin_units(self, position: Position) -> int:
        """Return what the position ties up: at mark if cross, what was put up if isolated."""
        if position.is_isolated:
            return margin_units(position, position.cost_units) + position.extra_units
        return margin_units(position, self.notional_units(position))

    def maintenance_units(self, position: Position) -> int:
        """Return the equity that the position needs at least."""
        return maintenance_units(self._contract(position.symbol), self.notional_units(position))

    def tied_units(self, account: int, asset: str) -> int:
        """Return how much of a balance positions tie up; below 0 where profits free more."""
        return sum(
            self.margin_units(position)
            - (0 if position.is_isolated else self.unrealised_units(position))
            for position in self.positions_of(account, asset)
        )

    def liquidated(self, account: Account) -> list[str]:
        """Return the perpetuals in which the account's margin does not carry its position."""
        positions = list(self.positions_of(account.number))
        found = [
            each.symbol
            for each in positions
            if each.is_isolated
            and self.margin_units(each) + self.unrealised_units(each) < self.maintenance_units(each)
        ]
        cross: dict[str, list[Position]] = {}
        for each in positions:
            if not each.is_isolated:
                cross.setdefault(self._instrument(each.symbol).quote.name, []).append(each)
        for asset, own in cross.items():
            isolated = sum(
                self.margin_units(each)
                for each in self.positions_of(account.number, asset)
                if each.is_isolated
            )
            equity = account.balances.get(asset, 0) - isolated
            equity += sum(map(self.unrealised_units, own))
            if equity < sum(map(self.maintenance_units, own)):
                found += [each.symbol for each in own]
        return found

    # --- settings ----------------------------------------------------------------------------

    def set_leverage(self, account: Account, symbol: str, leverage: int, free_units: int) -> None:
        """Change the leverage; `free_units` may be tied up more. Raises `RefusedError`."""
        if not 1 <= leverage <= self._contract(symbol).leverage_max:
            raise RefusedError(Refusal.LEVERAGE)
        position = self.position(account.number, symbol)
        before_units = self.margin_units(position)
        previous, position.leverage = position.leverage, leverage
        if self.margin_units(position) - before_units > max(free_units, 0):
            position.leverage = previous
            raise RefusedError(Refusal.INSUFFICIENT_FUNDS)
        self._records.touch_position(position)

    def set_isolated(self, account: Account, symbol: str, *, isolated: bool) -> None:
        """Change the margin mode. Raises `RefusedError` while anything is open."""
        position = self.position(account.number, symbol)
        if position.is_isolated == isolated:
            return
        orders = self._records.open_orders_of(account.number)
        if position.lots or any(order.symbol == symbol for order in orders):
            raise RefusedError(Refusal.HAS_POSITION)
        position.is_isolated = isolated
        self._records.touch_position(position)

    def add_margin(self, account: Account, symbol: str, units: int, free_units: int) -> None:
        """Add to an isolated position's margin, or take some of what was added."""
        position = self.position(account.number, symbol)
        if not position.lots or not position.is_isolated or position.extra_units + units < 0:
            raise RefusedError(Refusal.LEVERAGE)
        if units > free_units:
            raise RefusedError(Refusal.INSUFFICIENT_FUNDS)
        position.extra_units += units
        self._records.touch_position(position)

    # --- funding -----------------------------------------------------------------------------

    def next_funding_ns(self, symbol: str, now_ns: int) -> int:
        """Return when funding is settled next: at multiples of the interval, in UTC."""
        interval_ns = self._contract(symbol).funding_interval_s * _SECOND_NS
        return now_ns - now_ns % interval_ns + interval_ns

    def funding_rate_ppb(self, symbol: str, at_ns: int) -> int:
        """Return the rate of the settlement at `at_ns`: the contract's, give or take half of it."""
        base = self._contract(symbol).funding_rate_ppb
        digest = hashlib.blake2b(f"{symbol} {at_ns}".encode(), digest_size=4).digest()
        swing = abs(base) // 2
        rate_ppb = base - swing + (int.from_bytes(digest) * 2 * swing >> 32)
        return rate_ppb // RATE_STEP_PPB * RATE_STEP_PPB

    def settle_funding(self, now_ns: int) -> None:
        """Pay and collect what fell due; the generated flow is the other side."""
        for symbol in self._perpetuals:
            interval_ns = self._contract(symbol).funding_interval_s * _SECOND_NS
            last_ns = self._records.funded_ns.get(symbol, 0)
            due_ns = now_ns - now_ns % interval_ns
            if last_ns == 0:
                self._note_funding(symbol, due_ns)
                continue
            at_ns = max(last_ns + interval_ns, due_ns - SETTLEMENTS_MISSED_MAX * interval_ns)
            while at_ns <= due_ns:
                self._settle(self._note_funding(symbol, at_ns), now_ns)
                at_ns += interval_ns

    def _note_funding(self, symbol: str, at_ns: int) -> FundingRow:
        rate_ppb = self.funding_rate_ppb(symbol, at_ns)
        row = FundingRow(symbol, at_ns, rate_ppb, self.mark_ticks(symbol))
        self._records.note_funding(row)
        return row

    def _settle(self, row: FundingRow, now_ns: int) -> None:
        instrument = self._instrument(row.symbol)
        asset = instrument.quote.name
        for (number, symbol), position in self._records.positions.items():
            if symbol != row.symbol or position.lots == 0:
                continue
            paid = funding_units(instrument, position.lots, row.mark_ticks, row.rate_ppb)
            self._records.transfer(FLOW_ACCOUNT, number, asset, paid)
            position.funding_units -= paid
            self._records.touch_position(position)
            reference = f"{row.symbol} {row.at_ns}"
            self._records.enter(number, asset, "funding", reference, (-paid, 0), now_ns)

    def _instrument(self, symbol: str) -> Instrument:
        return self._perpetuals[symbol].instrument

    def _contract(self, symbol: str) -> Contract:
        contract = self._perpetuals[symbol].instrument.contract
        assert contract is not None, "only perpetuals are kept here"
        return contract
