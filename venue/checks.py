"""What the exchange refuses, and why. Pure; changes nothing."""

from collections.abc import Mapping

from venue.accounts import Account
from venue.derivatives import Derivatives
from venue.instruments import Instrument
from venue.listing import Listing
from venue.orders import BUY, Order, OrderRequest, TriggerBy, TriggerKind
from venue.records import Records
from venue.refusals import Refusal, RefusedError
from venue.rules import ClientIds, Rules

QUANTITY_LOTS_MAX = 1 << 46  # what the kernels' level sums can hold
PRICE_TICKS_MAX = (1 << 25) - 1  # the price window of the kernels


class Checks:
    """Every method raises `RefusedError`, or says nothing."""

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

    def request(self, account: Account, request: OrderRequest) -> None:
        """Check everything but money."""
        if not account.may_trade and not request.by_hand:
            raise RefusedError(Refusal.PERMISSION)
        self.mode(request.symbol)
        self.size(request)
        self.reduces(account, request)
        self._client_id(account, request)
        self._counts(account, request)
        if request.trigger.ticks:
            self._trigger(request)
        else:
            self.crossing(request)

    def mode(self, symbol: str) -> None:
        """Refuse where the market has ended."""
        if self._listings[symbol].is_halted:
            raise RefusedError(Refusal.HALTED)

    def size(self, request: OrderRequest) -> None:
        """Refuse what is too small or too large, in price or in quantity."""
        instrument = self._listings[request.symbol].instrument
        if not 1 <= request.quantity_lots <= QUANTITY_LOTS_MAX:
            raise RefusedError(Refusal.INVALID_VOLUME)
        if request.quantity_lots < instrument.order_minimum_lots:
            raise RefusedError(Refusal.ORDER_MINIMUM)
        if request.is_market:
            return
        if not 1 <= request.price_ticks <= PRICE_TICKS_MAX:
            raise RefusedError(Refusal.INVALID_PRICE)
        self._cost(instrument, request)

    def reduces(self, account: Account, request: OrderRequest) -> None:
        """Refuse a reduce-only order that has nothing to reduce; one that waits may find it yet."""
        if not request.reduce_only or request.trigger.ticks:
            return
        instrument = self._listings[request.symbol].instrument
        if instrument.contract is None or not self.reducible_lots(account, request):
            raise RefusedError(Refusal.REDUCE_ONLY)

    def reducible_lots(self, account: Account, request: OrderRequest | Order) -> int:
        """Return how much an order of this side may close of the account's position."""
        position = self._derivatives.position(account.number, request.symbol)
        return position.reducible_lots(request.side)

    def crossing(self, request: OrderRequest) -> None:
        """Refuse a market order without a market, and a post-only order that would take."""
        book = self._listings[request.symbol].book
        best = book.best_ask_ticks() if request.side == BUY else book.best_bid_ticks()
        if request.is_market and best == 0:
            raise RefusedError(Refusal.NO_LIQUIDITY)
        if self._rules.post_only_cancels:
            return
        if self.would_take(request):
            raise RefusedError(Refusal.POST_ONLY)

    def would_take(self, request: OrderRequest | Order) -> bool:
        """Whether a post-only order crosses the book now."""
        book = self._listings[request.symbol].book
        best = book.best_ask_ticks() if request.side == BUY else book.best_bid_ticks()
        crosses = best != 0 and request.side * (request.price_ticks - best) >= 0
        return request.post_only and crosses

    # --- the rest is private -------------------------------------------------------------------

    def _cost(self, instrument: Instrument, request: OrderRequest) -> None:
        cost_units = instrument.cost_units(request.price_ticks, request.quantity_lots)
        if cost_units < instrument.cost_minimum_units and not request.reduce_only:
            raise RefusedError(Refusal.COST_MINIMUM)

    def _client_id(self, account: Account, request: OrderRequest) -> None:
        if not request.client_order_id:
            return
        if self._rules.client_ids is ClientIds.EVER:
            taken = self._records.has_client_id(account.number, request.client_order_id)
        else:
            taken = any(
                order.client_order_id == request.client_order_id
                for order in self._records.open_orders_of(account.number)
            )
        if taken:
            raise RefusedError(Refusal.DUPLICATE_CLIENT_ID)

    def _counts(self, account: Account, request: OrderRequest) -> None:
        orders = [
            order
            for order in self._records.open_orders_of(account.number)
            if order.symbol == request.symbol
        ]
        if len(orders) >= self._rules.open_orders_max:
            raise RefusedError(Refusal.ORDERS_LIMIT)
        waiting = sum(order.is_waiting for order in orders)
        if request.trigger.ticks and waiting >= self._rules.waiting_orders_max:
            raise RefusedError(Refusal.WAITING_LIMIT)

    def _trigger(self, request: OrderRequest) -> None:
        trigger = request.trigger
        if not 1 <= trigger.ticks <= PRICE_TICKS_MAX:
            raise RefusedError(Refusal.INVALID_PRICE)
        listing = self._listings[request.symbol]
        if trigger.by is TriggerBy.MARK:
            if listing.instrument.contract is None:
                raise RefusedError(Refusal.INVALID_PRICE)
            now_ticks = self._derivatives.mark_ticks(request.symbol)
        else:
            now_ticks = listing.last_ticks
        upwards = (request.side == BUY) == (trigger.kind is TriggerKind.STOP)
        if now_ticks >= trigger.ticks if upwards else now_ticks <= trigger.ticks:
            raise RefusedError(Refusal.TRIGGERS_NOW)
