"""How a fill is booked: position, balances, fee, ledger, and what the order still reserves."""

from collections.abc import Mapping

from venue.accounts import FLOW_ACCOUNT, Account
from venue.candles import PublicTrade
from venue.derivatives import Derivatives
from venue.funds import Funds
from venue.instruments import Instrument
from venue.listing import Listing
from venue.orders import BUY, Fill, Order, ReportKind
from venue.records import Records


class Settlement:
    """Books fills of accounts' orders; the generated flow is the other side of every one.

    Between two customers each is booked against the flow, whose two entries cancel out.
    """

    def __init__(
        self,
        listings: Mapping[str, Listing],
        records: Records,
        derivatives: Derivatives,
        funds: Funds,
    ) -> None:
        self._listings = listings
        self._records = records
        self._derivatives = derivatives
        self._funds = funds

    def book(
        self, order: Order, account: Account, lots: int, trade: PublicTrade, *, is_maker: bool
    ) -> None:
        """Book `lots` of a public trade as a fill of `order`, and report it."""
        instrument = self._listings[order.symbol].instrument
        amounts = self._funds.amounts(account, order, lots, trade, is_maker=is_maker)
        if instrument.contract is not None:
            position = self._derivatives.position(account.number, order.symbol)
            realised = position.fill(order.side, lots, amounts.cost_units, trade.at_ns)
            self._records.touch_position(position)
            amounts = amounts._replace(realised_units=realised)
        fill = self._records.new_fill(order, amounts, trade, is_maker=is_maker)
        order.filled_lots += fill.quantity_lots
        order.cost_units += fill.cost_units
        order.fee_units += fill.fee_units
        order.changed_ns = fill.at_ns
        held_units = self._funds.left_units(order, amounts, account)
        account.hold(instrument.held_asset(order.side).name, held_units - order.held_units)
        order.held_units = held_units
        if instrument.contract is None:
            self._spot(fill, instrument)
        else:
            self._perpetual(fill, instrument)
        self._records.report(ReportKind.TRADE, order, fill, fill.at_ns)

    def _spot(self, fill: Fill, instrument: Instrument) -> None:
        number, base, quote = fill.account, instrument.base.name, instrument.quote.name
        base_units = instrument.base_units(fill.quantity_lots)
        buying = fill.side == BUY
        credited, debited = (base, quote) if buying else (quote, base)
        credit = base_units if buying else fill.cost_units
        debit = fill.cost_units if buying else base_units
        self._records.move(FLOW_ACCOUNT, number, debited, debit)
        self._records.move(number, FLOW_ACCOUNT, credited, credit)
        self._records.charge_fee(number, fill.fee_asset, fill.fee_units)
        signed = {credited: credit, debited: -debit}
        for asset in (base, quote):
            fee = fill.fee_units if asset == fill.fee_asset else 0
            entry = (signed[asset], fee)
            self._records.enter(number, asset, "trade", fill.txid, entry, fill.at_ns)

    def _perpetual(self, fill: Fill, instrument: Instrument) -> None:
        number, quote = fill.account, instrument.quote.name
        self._records.transfer(number, FLOW_ACCOUNT, quote, fill.realised_units)
        self._records.charge_fee(number, quote, fill.fee_units)
        entry = (fill.realised_units, fill.fee_units)
        self._records.enter(number, quote, "trade", fill.txid, entry, fill.at_ns)
