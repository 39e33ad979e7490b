"""The exchange itself: accounts, reservations, orders, fills, fees, ids. Pure: no clock, no I/O.

Every amount is an integer of a minor unit, and every movement has two sides: the balances of an
asset over all accounts (customers, the generated flow, fees, the outside) always sum to zero.
`take_changes` hands out what the last calls changed, to be committed before anybody is told.
"""

from collections.abc import Iterable, Mapping

from venue.accounts import FLOW_ACCOUNT, OUTSIDE_ACCOUNT, Account
from venue.candles import PublicTrade
from venue.changes import Changes
from venue.instruments import Instrument, fee_units, hold_units
from venue.listing import Listing
from venue.matching import (
    CANCELLED,
    EXPIRED,
    IMMEDIATE_OR_CANCEL,
    LIMIT,
    MARKET,
    POST_ONLY,
    REJECTED,
    TRADE,
    BookEvent,
)
from venue.orders import (
    BUY,
    Fill,
    Order,
    OrderEvent,
    OrderRequest,
    ReportKind,
    TimeInForce,
)
from venue.records import Records
from venue.refusals import Refusal, RefusedError

# Kraken allows 60 to 225 open orders per pair, by tier; the most generous one.
OPEN_ORDERS_MAX = 225
# Book levels looked at to price a market order; what lies beyond is not worth buying.
DEPTH_LEVELS_MAX = 1_000
QUANTITY_LOTS_MAX = 1 << 46  # what the kernels' level sums can hold
PRICE_TICKS_MAX = (1 << 25) - 1  # the price window of the kernels

REASON_USER = "User requested"
REASON_SELF_TRADE = "Self trade"
REASON_UNFILLED = "IOC order not filled"


class Exchange:
    """Accounts and orders over one listing per pair, whose books they share with the flow."""

    def __init__(
        self,
        listings: Mapping[str, Listing],
        accounts: Iterable[Account],
        records: Records,
    ) -> None:
        self.listings = dict(listings)
        self.accounts = {account.number: account for account in accounts}
        self.records = records
        self._by_book_id = {order.book_id: order for order in records.open_orders.values()}

    # --- money -------------------------------------------------------------------------------

    def deposit(self, account: Account, asset: str, units: int, now_ns: int) -> None:
        """Credit `units` from the outside."""
        assert units > 0, "a deposit is positive"
        self.records.move(account.number, OUTSIDE_ACCOUNT, asset, units)
        self.records.enter(account.number, asset, "deposit", "", (units, 0), now_ns)

    def withdraw(self, account: Account, asset: str, units: int, now_ns: int) -> None:
        """Debit `units` to the outside. Raises `RefusedError` beyond what is available."""
        assert units > 0, "a withdrawal is positive"
        if account.available_units(asset) < units:
            raise RefusedError(Refusal.INSUFFICIENT_FUNDS)
        self.records.move(OUTSIDE_ACCOUNT, account.number, asset, units)
        self.records.enter(account.number, asset, "withdrawal", "", (-units, 0), now_ns)

    # --- orders ------------------------------------------------------------------------------

    def check(self, account: Account, request: OrderRequest) -> int:
        """Return what `request` would hold. Raises `RefusedError`; changes nothing."""
        instrument = self.listings[request.symbol].instrument
        if not account.may_trade and not request.by_hand:
            raise RefusedError(Refusal.PERMISSION)
        self._check_mode(request.symbol)
        self._check_size(instrument, request)
        open_orders = self.records.open_orders_of(account.number)
        if request.client_order_id and any(
            order.client_order_id == request.client_order_id for order in open_orders
        ):
            raise RefusedError(Refusal.DUPLICATE_CLIENT_ID)
        if sum(order.symbol == request.symbol for order in open_orders) >= OPEN_ORDERS_MAX:
            raise RefusedError(Refusal.ORDERS_LIMIT)
        self._check_crossing(request)
        held_units = self._held_units(account, instrument, request)
        asset = instrument.quote if request.side == BUY else instrument.base
        if account.available_units(asset.name) < held_units:
            raise RefusedError(Refusal.INSUFFICIENT_FUNDS)
        return held_units

    def place(self, account: Account, request: OrderRequest, now_ns: int) -> Order:
        """Accept an order, match it at once, and return it. Raises `RefusedError`."""
        held_units = self.check(account, request)
        order = self.records.new_order(account.number, request, now_ns)
        self._by_book_id[order.book_id] = order
        order.held_units = held_units
        account.hold(self._held_asset(order), held_units)
        self.records.report(ReportKind.PENDING_NEW, order, None, now_ns)
        order.move(OrderEvent.ACCEPT)
        self.records.report(ReportKind.NEW, order, None, now_ns)
        self._apply(self.listings[order.symbol], self._submit(order, now_ns), now_ns)
        return order

    def cancel(self, order: Order, now_ns: int, reason: str = REASON_USER) -> None:
        """Take an open order out of the book. Raises `RefusedError` when it is not open."""
        if not order.is_open:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        self.listings[order.symbol].book.cancel(order.book_id, now_ns)
        self._finish(order, OrderEvent.CANCEL, reason, now_ns)

    def cancel_all(self, account: Account, now_ns: int, reason: str = REASON_USER) -> int:
        """Cancel every open order of `account`; return how many there were."""
        orders = self.records.open_orders_of(account.number)
        for order in orders:
            self.cancel(order, now_ns, reason)
        return len(orders)

    def amend(
        self,
        order: Order,
        price_ticks: int,
        quantity_lots: int,
        now_ns: int,
        *,
        post_only: bool = False,
    ) -> None:
        """Change price and total quantity of an open limit order.

        Less quantity at the same price keeps the place in the queue; anything else goes to its
        end, matching at once where it crosses. Raises `RefusedError`; then nothing changed.
        """
        if not order.is_open or order.is_market:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        self._check_mode(order.symbol)
        account = self.accounts[order.account]
        instrument = self.listings[order.symbol].instrument
        request = OrderRequest(
            order.symbol,
            order.side,
            False,
            price_ticks,
            quantity_lots,
            post_only=post_only or order.post_only,
        )
        self._check_size(instrument, request)
        if quantity_lots <= order.filled_lots:
            raise RefusedError(Refusal.INVALID_VOLUME)
        self._check_crossing(request)
        left = request._replace(quantity_lots=quantity_lots - order.filled_lots)
        held_units = self._held_units(account, instrument, left)
        asset = self._held_asset(order)
        if account.available_units(asset) + order.held_units < held_units:
            raise RefusedError(Refusal.INSUFFICIENT_FUNDS)
        account.hold(asset, held_units - order.held_units)
        order.held_units = held_units
        self._replace(order, price_ticks, quantity_lots, now_ns)

    def expire_due(self, now_ns: int) -> None:
        """Expire orders past their time and run dead man's switches that are due."""
        for order in list(self.records.open_orders.values()):
            if 0 < order.expire_ns <= now_ns:
                self.listings[order.symbol].book.cancel(order.book_id, now_ns)
                self._finish(order, OrderEvent.EXPIRE, "Order expired", now_ns)
        for account in self.accounts.values():
            if 0 < account.cancel_after_ns <= now_ns:
                account.cancel_after_ns = 0
                self.records.touch_account(account)
                self.cancel_all(account, now_ns, "Cancel all orders after")

    def reload_books(self) -> None:
        """Put every open order back into the books, which were rebuilt from the flow alone."""
        for order in sorted(self.records.open_orders.values(), key=lambda order: order.number):
            self.listings[order.symbol].book.place_resting(
                order.book_id, order.account, order.side, order.price_ticks, order.remaining_lots
            )

    def advance(self, now_ns: int) -> None:
        """Let every market act up to `now_ns`, then whatever is due by then."""
        for listing in self.listings.values():
            for events in listing.flow_until(now_ns):
                self._apply(listing, events, now_ns)
        self.expire_due(now_ns)

    def lots_for_cost(self, symbol: str, side: int, cost_units: int) -> int:
        """Return how many lots `cost_units` of quote buy (or sell for) against the book now."""
        listing = self.listings[symbol]
        bids, asks = listing.book.depth(DEPTH_LEVELS_MAX)
        lots = 0
        for ticks, resting_lots in (asks if side == BUY else bids).tolist():
            level_cost_units = listing.instrument.cost_units(ticks, resting_lots)
            if level_cost_units > cost_units:
                return int(lots + resting_lots * cost_units // level_cost_units)
            lots += resting_lots
            cost_units -= level_cost_units
        return lots

    def is_resting(self, order: Order) -> bool:
        """Whether the book knows `order`, as it must when the order is open."""
        return self.listings[order.symbol].book.remaining_lots(order.book_id) == (
            order.remaining_lots
        )

    def take_changes(self) -> Changes:
        """Return what changed since the last call, and forget it."""
        return self.records.take_changes(self.accounts)

    # --- the rest is private -------------------------------------------------------------------

    def _check_mode(self, symbol: str) -> None:
        if self.listings[symbol].is_halted:
            raise RefusedError(Refusal.HALTED)

    def _check_size(self, instrument: Instrument, request: OrderRequest) -> None:
        if not 1 <= request.quantity_lots <= QUANTITY_LOTS_MAX:
            raise RefusedError(Refusal.INVALID_VOLUME)
        if request.quantity_lots < instrument.order_minimum_lots:
            raise RefusedError(Refusal.ORDER_MINIMUM)
        if request.is_market:
            return
        if not 1 <= request.price_ticks <= PRICE_TICKS_MAX:
            raise RefusedError(Refusal.INVALID_PRICE)
        cost_units = instrument.cost_units(request.price_ticks, request.quantity_lots)
        if cost_units < instrument.cost_minimum_units:
            raise RefusedError(Refusal.COST_MINIMUM)

    def _check_crossing(self, request: OrderRequest) -> None:
        book = self.listings[request.symbol].book
        best = book.best_ask_ticks() if request.side == BUY else book.best_bid_ticks()
        if request.is_market and best == 0:
            raise RefusedError(Refusal.NO_LIQUIDITY)
        if request.post_only and best and request.side * (request.price_ticks - best) >= 0:
            raise RefusedError(Refusal.POST_ONLY)

    def _held_units(self, account: Account, instrument: Instrument, request: OrderRequest) -> int:
        if request.side != BUY:
            return instrument.base_units(request.quantity_lots)
        if not request.is_market:
            cost_units = instrument.cost_units(request.price_ticks, request.quantity_lots)
            return hold_units(cost_units, account.taker_ppm)
        cost_units = self._market_cost_units(account, instrument, request.quantity_lots)
        return hold_units(cost_units, account.taker_ppm)

    def _market_cost_units(self, account: Account, instrument: Instrument, lots: int) -> int:
        """Return what buying `lots` at once costs; own asks will be cancelled, not bought.

        A level may hold several makers, whose costs are truncated one by one: never more than
        this.
        """
        own_lots: dict[int, int] = {}
        for order in self.records.open_orders_of(account.number):
            if order.symbol == instrument.symbol and order.side != BUY:
                ticks = order.price_ticks
                own_lots[ticks] = own_lots.get(ticks, 0) + order.remaining_lots
        _, asks = self.listings[instrument.symbol].book.depth(DEPTH_LEVELS_MAX)
        cost_units = 0
        for ticks, resting_lots in asks.tolist():
            taken_lots = min(lots, resting_lots - own_lots.get(ticks, 0))
            cost_units += instrument.cost_units(ticks, taken_lots)
            lots -= taken_lots
            if lots == 0:
                break
        return cost_units

    def _held_asset(self, order: Order) -> str:
        instrument = self.listings[order.symbol].instrument
        return instrument.quote.name if order.side == BUY else instrument.base.name

    def _submit(self, order: Order, now_ns: int) -> list[BookEvent]:
        flags = POST_ONLY if order.post_only else 0
        if order.time_in_force is TimeInForce.IOC:
            flags |= IMMEDIATE_OR_CANCEL
        return self.listings[order.symbol].book.submit(
            order.book_id,
            order.account,
            order.side,
            MARKET if order.is_market else LIMIT,
            order.price_ticks,
            order.remaining_lots,
            flags,
            now_ns,
        )

    def _replace(self, order: Order, price_ticks: int, quantity_lots: int, now_ns: int) -> None:
        book = self.listings[order.symbol].book
        keeps_place = price_ticks == order.price_ticks and quantity_lots <= order.quantity_lots
        by_lots = order.quantity_lots - quantity_lots
        order.price_ticks, order.quantity_lots = price_ticks, quantity_lots
        order.changed_ns = now_ns
        events: list[BookEvent] = []
        if not keeps_place:
            book.cancel(order.book_id, now_ns)
            del self._by_book_id[order.book_id]
            order.book_id = self.records.next_book_id()
            self._by_book_id[order.book_id] = order
        elif by_lots:
            book.reduce(order.book_id, by_lots, now_ns)
        self.records.report(ReportKind.AMENDED, order, None, now_ns)
        if not keeps_place:
            events = self._submit(order, now_ns)
        self._apply(self.listings[order.symbol], events, now_ns)

    def _apply(self, listing: Listing, events: list[BookEvent], now_ns: int) -> None:
        """Book to accounts' orders what happened in a book; skip what concerns only others."""
        trades = iter(listing.record(events))
        for event in events:
            if event.kind == TRADE:
                self._trade(event, next(trades))
            elif event.owner > 0 and event.kind in (EXPIRED, CANCELLED):
                order = self._by_book_id[event.order_id]
                reason = REASON_SELF_TRADE if event.kind == CANCELLED else REASON_UNFILLED
                self._finish(order, OrderEvent.CANCEL, reason, event.at_ns or now_ns)
            else:
                assert event.owner <= 0 or event.kind != REJECTED, "a checked order was rejected"

    def _trade(self, event: BookEvent, trade: PublicTrade) -> None:
        if event.owner > 0:
            self._fill(self._by_book_id[event.order_id], trade, is_maker=False)
        if event.maker_owner > 0:
            self._fill(self._by_book_id[event.maker_id], trade, is_maker=True)

    def _fill(self, order: Order, trade: PublicTrade, *, is_maker: bool) -> None:
        instrument = self.listings[order.symbol].instrument
        account = self.accounts[order.account]
        cost_units = instrument.cost_units(trade.price_ticks, trade.quantity_lots)
        rate_ppm = account.maker_ppm if is_maker else account.taker_ppm
        amounts = (cost_units, fee_units(cost_units, rate_ppm))
        fill = self.records.new_fill(order, amounts, trade, is_maker=is_maker)
        order.filled_lots += fill.quantity_lots
        order.cost_units += fill.cost_units
        order.fee_units += fill.fee_units
        order.changed_ns = fill.at_ns
        self._release(order, fill, account, instrument)
        self._settle(fill, instrument)
        self.records.report(ReportKind.TRADE, order, fill, fill.at_ns)
        if order.remaining_lots == 0:
            self._finish(order, OrderEvent.COMPLETE, "", fill.at_ns)

    def _release(self, order: Order, fill: Fill, account: Account, instrument: Instrument) -> None:
        """Shrink the hold to what the rest of the order may still cost."""
        if order.is_market and order.side == BUY:
            held_units = order.held_units - fill.cost_units - fill.fee_units
        elif order.side == BUY:
            cost_units = instrument.cost_units(order.price_ticks, order.remaining_lots)
            held_units = hold_units(cost_units, account.taker_ppm)
        else:
            held_units = instrument.base_units(order.remaining_lots)
        asset = instrument.quote.name if order.side == BUY else instrument.base.name
        account.hold(asset, held_units - order.held_units)
        order.held_units = held_units

    def _settle(self, fill: Fill, instrument: Instrument) -> None:
        """Move base, quote and fee; the generated flow is the other side of every fill.

        Between two customers each is booked against the flow, whose two entries cancel out.
        """
        number, base, quote = fill.account, instrument.base.name, instrument.quote.name
        base_units = instrument.base_units(fill.quantity_lots)
        buying = fill.side == BUY
        credited, debited = (base, quote) if buying else (quote, base)
        credit = base_units if buying else fill.cost_units
        debit = fill.cost_units if buying else base_units
        self.records.move(FLOW_ACCOUNT, number, debited, debit)
        self.records.move(number, FLOW_ACCOUNT, credited, credit)
        self.records.charge_fee(number, quote, fill.fee_units)
        signed = {credited: credit, debited: -debit}
        for asset in (base, quote):
            fee = fill.fee_units if asset == quote else 0
            self.records.enter(number, asset, "trade", fill.txid, (signed[asset], fee), fill.at_ns)

    def _finish(self, order: Order, event: OrderEvent, reason: str, at_ns: int) -> None:
        account = self.accounts[order.account]
        account.hold(self._held_asset(order), -order.held_units)
        order.held_units = 0
        order.move(event)
        order.reason = reason
        order.closed_ns = order.changed_ns = at_ns
        del self._by_book_id[order.book_id]
        self.records.close(order)
        kind = {
            OrderEvent.COMPLETE: ReportKind.FILLED,
            OrderEvent.CANCEL: ReportKind.CANCELED,
            OrderEvent.EXPIRE: ReportKind.EXPIRED,
        }[event]
        self.records.report(kind, order, None, at_ns)
