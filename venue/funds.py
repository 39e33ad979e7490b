"""What orders reserve, what an account may still use, and what a fill costs. Pure."""

from collections.abc import Mapping

from venue.accounts import Account
from venue.candles import PublicTrade
from venue.derivatives import Derivatives
from venue.instruments import Instrument, fee_units, hold_units
from venue.listing import Listing
from venue.orders import BUY, Order, OrderRequest
from venue.positions import margin_units
from venue.records import FillAmounts, Records
from venue.rules import Rules

# Book levels looked at to price a market order; what lies beyond is not worth buying.
DEPTH_LEVELS_MAX = 1_000


class Funds:
    """The money side of orders, for spot pairs and perpetuals alike."""

    def __init__(
        self,
        listings: Mapping[str, Listing],
        records: Records,
        derivatives: Derivatives,
        rules: Rules,
    ) -> None:
        self._listings = listings
        self._records = records
        self._derivatives = derivatives
        self._rules = rules

    def available_units(self, account: Account, asset: str) -> int:
        """Return what new orders, withdrawals and margin may use."""
        tied_units = self._derivatives.tied_units(account.number, asset)
        return account.available_units(asset) - tied_units

    def required_units(self, account: Account, request: OrderRequest) -> int:
        """Return what an order reserves of its instrument's held asset."""
        instrument = self._listings[request.symbol].instrument
        if instrument.contract is not None:
            return self._margin_units(account, instrument, request)
        if request.side != BUY:
            return instrument.base_units(request.quantity_lots)
        cost_units = self._cost_units(account, instrument, request)
        if self._rules.fee_in_received:
            return cost_units
        return hold_units(cost_units, account.taker_ppm)

    def left_units(self, order: Order, booked: FillAmounts, account: Account) -> int:
        """Return what the rest of an order still reserves after a fill."""
        instrument = self._listings[order.symbol].instrument
        if instrument.contract is not None:
            before_lots = order.remaining_lots + booked.lots
            return order.held_units * order.remaining_lots // before_lots
        if order.side != BUY:
            return instrument.base_units(order.remaining_lots)
        fee = 0 if self._rules.fee_in_received else booked.fee_units
        if order.is_market:
            return order.held_units - booked.cost_units - fee
        cost_units = instrument.cost_units(order.price_ticks, order.remaining_lots)
        if self._rules.fee_in_received:
            return cost_units
        return hold_units(cost_units, account.taker_ppm)

    def amounts(
        self, account: Account, order: Order, lots: int, trade: PublicTrade, *, is_maker: bool
    ) -> FillAmounts:
        """Return what a fill of `lots` at the trade's price costs, and its fee."""
        instrument = self._listings[order.symbol].instrument
        is_contract = instrument.contract is not None
        rate_ppm = account.rate_ppm(is_contract=is_contract, is_maker=is_maker)
        cost_units = instrument.cost_units(trade.price_ticks, lots)
        if self.fee_asset(order) == instrument.base.name:
            fee = fee_units(instrument.base_units(lots), rate_ppm)
            return FillAmounts(lots, cost_units, fee, instrument.base.name)
        return FillAmounts(lots, cost_units, fee_units(cost_units, rate_ppm), instrument.quote.name)

    def fee_asset(self, order: Order) -> str:
        """Return the asset in which an order pays its fees."""
        instrument = self._listings[order.symbol].instrument
        is_received = self._rules.fee_in_received and instrument.contract is None
        return instrument.base.name if is_received and order.side == BUY else instrument.quote.name

    def lots_for_cost(self, symbol: str, side: int, cost_units: int) -> int:
        """Return how many lots `cost_units` of quote buy (or sell for) against the book now."""
        listing = self._listings[symbol]
        bids, asks = listing.book.depth(DEPTH_LEVELS_MAX)
        lots = 0
        for ticks, resting_lots in (asks if side == BUY else bids).tolist():
            level_cost_units = listing.instrument.cost_units(ticks, resting_lots)
            if level_cost_units > cost_units:
                return int(lots + resting_lots * cost_units // level_cost_units)
            lots += resting_lots
            cost_units -= level_cost_units
        return lots

    # --- the rest is private -------------------------------------------------------------------

    def _margin_units(self, account: Account, instrument: Instrument, request: OrderRequest) -> int:
        """Return margin and fee for what an order would open; nothing before its trigger."""
        if request.reduce_only or request.trigger.ticks:
            return 0
        position = self._derivatives.position(account.number, request.symbol)
        opening_lots = request.quantity_lots - position.reducible_lots(request.side)
        if opening_lots <= 0:
            return 0
        opening = request._replace(quantity_lots=opening_lots)
        cost_units = self._cost_units(account, instrument, opening)
        rate_ppm = account.rate_ppm(is_contract=True, is_maker=False)
        return margin_units(position, cost_units) + fee_units(cost_units, rate_ppm)

    def _cost_units(self, account: Account, instrument: Instrument, request: OrderRequest) -> int:
        if not request.is_market:
            return instrument.cost_units(request.price_ticks, request.quantity_lots)
        if request.trigger.ticks:
            return instrument.cost_units(request.trigger.ticks, request.quantity_lots)
        return self._market_cost_units(account, instrument, request)

    def _market_cost_units(
        self, account: Account, instrument: Instrument, request: OrderRequest
    ) -> int:
        """Return what trading at once costs; own orders will be cancelled, not traded with.

        A level may hold several makers, whose costs are truncated one by one: never more than
        this.
        """
        own_lots: dict[int, int] = {}
        for order in self._records.open_orders_of(account.number):
            if order.symbol != instrument.symbol or order.is_waiting:
                continue
            if order.side != request.side:
                ticks = order.price_ticks
                own_lots[ticks] = own_lots.get(ticks, 0) + order.remaining_lots
        bids, asks = self._listings[instrument.symbol].book.depth(DEPTH_LEVELS_MAX)
        cost_units, lots = 0, request.quantity_lots
        for ticks, resting_lots in (asks if request.side == BUY else bids).tolist():
            taken_lots = min(lots, max(0, resting_lots - own_lots.get(ticks, 0)))
            cost_units += instrument.cost_units(ticks, taken_lots)
            lots -= taken_lots
            if lots == 0:
                break
        return cost_units
