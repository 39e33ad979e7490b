"""The exchange itself: accounts, reservations, orders, fills, fees, ids. Pure: no clock, no I/O.

Every amount is an integer of a minor unit, and every movement has two sides: the balances of an
asset over all accounts (customers, the generated flow, fees, the outside) always sum to zero.
`take_changes` hands out what the last calls changed, to be committed before anybody is told.

Orders that wait for a trigger are open but in no book. They fire when a trade (or the mark price)
has reached them, at the end of the piece of flow in which it did.
"""

from collections.abc import Iterable, Mapping

from venue.accounts import INSURANCE_ACCOUNT, OUTSIDE_ACCOUNT, Account
from venue.candles import PublicTrade
from venue.changes import Changes
from venue.checks import Checks
from venue.derivatives import Derivatives
from venue.funds import DEPTH_LEVELS_MAX, Funds
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
    NO_TRIGGER,
    Order,
    OrderEvent,
    OrderRequest,
    ReportKind,
    TimeInForce,
    Trigger,
    TriggerBy,
)
from venue.records import Records
from venue.refusals import Refusal, RefusedError
from venue.rules import KRAKEN_RULES, Rules
from venue.settlement import Settlement

REASON_USER = "User requested"
REASON_SELF_TRADE = "Self trade"
REASON_UNFILLED = "IOC order not filled"
REASON_POST_ONLY = "Post only order would take"
REASON_REDUCE_ONLY = "Nothing left to reduce"
REASON_FUNDS = "Insufficient funds at the trigger"
REASON_LIQUIDATION = "Liquidation"


class Exchange:
    """Accounts and orders over one listing per pair, whose books they share with the flow."""

    def __init__(
        self,
        listings: Mapping[str, Listing],
        accounts: Iterable[Account],
        records: Records,
        rules: Rules = KRAKEN_RULES,
    ) -> None:
        self.listings = dict(listings)
        self.accounts = {account.number: account for account in accounts}
        self.records = records
        self.rules = rules
        self.derivatives = Derivatives(self.listings, records)
        self.funds = Funds(self.listings, records, self.derivatives, rules)
        self._checks = Checks(self.listings, records, self.derivatives, rules)
        self._settlement = Settlement(self.listings, records, self.derivatives, self.funds)
        open_orders = records.open_orders.values()
        self._by_book_id = {order.book_id: order for order in open_orders if not order.is_waiting}
        self._waiting = {order.number: order for order in open_orders if order.is_waiting}
        self._traded: dict[str, tuple[int, int]] = {}
        """Lowest and highest price since triggers were looked at, by symbol."""

    # --- money -------------------------------------------------------------------------------

    def deposit(self, account: Account, asset: str, units: int, now_ns: int) -> None:
        """Credit `units` from the outside."""
        assert units > 0, "a deposit is positive"
        self.records.move(account.number, OUTSIDE_ACCOUNT, asset, units)
        self.records.enter(account.number, asset, "deposit", "", (units, 0), now_ns)

    def withdraw(self, account: Account, asset: str, units: int, now_ns: int) -> None:
        """Debit `units` to the outside. Raises `RefusedError` beyond what is available."""
        assert units > 0, "a withdrawal is positive"
        # Profit that is not realised yet is no money to take away.
        free_units = min(self.funds.available_units(account, asset), account.available_units(asset))
        if free_units < units:
            raise RefusedError(Refusal.INSUFFICIENT_FUNDS)
        self.records.move(OUTSIDE_ACCOUNT, account.number, asset, units)
        self.records.enter(account.number, asset, "withdrawal", "", (-units, 0), now_ns)

    def set_leverage(self, account: Account, symbol: str, leverage: int) -> None:
        """Change an account's leverage in a perpetual. Raises `RefusedError`."""
        asset = self.listings[symbol].instrument.quote.name
        free_units = self.funds.available_units(account, asset)
        self.derivatives.set_leverage(account, symbol, leverage, free_units)

    def add_margin(self, account: Account, symbol: str, units: int) -> None:
        """Add to (or take from) an isolated position's margin. Raises `RefusedError`."""
        asset = self.listings[symbol].instrument.quote.name
        free_units = self.funds.available_units(account, asset)
        self.derivatives.add_margin(account, symbol, units, free_units)

    # --- orders ------------------------------------------------------------------------------

    def check(self, account: Account, request: OrderRequest) -> int:
        """Return what `request` would hold. Raises `RefusedError`; changes nothing."""
        self._checks.request(account, request)
        held_units = self.funds.required_units(account, request)
        asset = self.listings[request.symbol].instrument.held_asset(request.side)
        if held_units and self.funds.available_units(account, asset.name) < held_units:
            raise RefusedError(Refusal.INSUFFICIENT_FUNDS)
        return held_units

    def place(self, account: Account, request: OrderRequest, now_ns: int) -> Order:
        """Accept an order, match it at once, and return it. Raises `RefusedError`."""
        held_units = self.check(account, request)
        order = self._accept(account, request, held_units, now_ns)
        self._run_triggers(now_ns)
        return order

    def cancel(self, order: Order, now_ns: int, reason: str = REASON_USER) -> None:
        """Take an open order out of the book. Raises `RefusedError` when it is not open."""
        if not order.is_open:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        self._end(order, OrderEvent.CANCEL, reason, now_ns)

    def cancel_all(
        self, account: Account, now_ns: int, reason: str = REASON_USER, symbol: str = ""
    ) -> int:
        """Cancel every open order of `account`, of one symbol if given; return how many."""
        orders = [
            order
            for order in self.records.open_orders_of(account.number)
            if symbol in ("", order.symbol)
        ]
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
        trigger_ticks: int = 0,
    ) -> None:
        """Change price and total quantity of an open limit order, or a waiting one's trigger.

        Less quantity at the same price keeps the place in the queue; anything else goes to its
        end, matching at once where it crosses. Raises `RefusedError`; then nothing changed.
        """
        if not order.is_open or (order.is_market and not order.is_waiting):
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        account = self.accounts[order.account]
        request = OrderRequest(
            order.symbol,
            order.side,
            order.is_market,
            price_ticks,
            quantity_lots,
            post_only=post_only or order.post_only,
            reduce_only=order.reduce_only,
            trigger=_amended_trigger(order, trigger_ticks),
        )
        self._checks.mode(order.symbol)
        self._checks.size(request)
        if quantity_lots <= order.filled_lots:
            raise RefusedError(Refusal.INVALID_VOLUME)
        if not order.is_waiting:
            self._checks.crossing(request)
        left = request._replace(quantity_lots=quantity_lots - order.filled_lots)
        held_units = self.funds.required_units(account, left)
        asset = self._held_asset(order)
        if self.funds.available_units(account, asset) + order.held_units < held_units:
            raise RefusedError(Refusal.INSUFFICIENT_FUNDS)
        account.hold(asset, held_units - order.held_units)
        order.held_units = held_units
        order.trigger_ticks = request.trigger.ticks or order.trigger_ticks
        self._replace(order, price_ticks, quantity_lots, now_ns)
        self._run_triggers(now_ns)

    def expire_due(self, now_ns: int) -> None:
        """Expire orders past their time and run dead man's switches that are due."""
        for order in list(self.records.open_orders.values()):
            if 0 < order.expire_ns <= now_ns:
                self._end(order, OrderEvent.EXPIRE, "Order expired", now_ns)
        for account in self.accounts.values():
            if 0 < account.cancel_after_ns <= now_ns:
                account.cancel_after_ns = 0
                self.records.touch_account(account)
                self.cancel_all(account, now_ns, "Cancel all orders after")

    def reload_books(self) -> None:
        """Put every open order back into the books, which were rebuilt from the flow alone."""
        for order in sorted(self._by_book_id.values(), key=lambda order: order.number):
            self.listings[order.symbol].book.place_resting(
                order.book_id, order.account, order.side, order.price_ticks, order.remaining_lots
            )

    def advance(self, now_ns: int) -> None:
        """Let every market act up to `now_ns`, then whatever is due by then."""
        for listing in self.listings.values():
            for events in listing.flow_until(now_ns):
                self._apply(listing, events, now_ns)
                self._run_triggers(now_ns)
        if self.derivatives.symbols:
            self.derivatives.settle_funding(now_ns)
            self._run_mark_triggers(now_ns)
            self._liquidate(now_ns)
        self.expire_due(now_ns)

    def lots_for_cost(self, symbol: str, side: int, cost_units: int) -> int:
        """Return how many lots `cost_units` of quote buy (or sell for) against the book now."""
        return self.funds.lots_for_cost(symbol, side, cost_units)

    def is_resting(self, order: Order) -> bool:
        """Whether the book knows `order`, as it must when the order is open and not waiting."""
        return self.listings[order.symbol].book.remaining_lots(order.book_id) == (
            order.remaining_lots
        )

    def take_changes(self) -> Changes:
        """Return what changed since the last call, and forget it."""
        return self.records.take_changes(self.accounts)

    # --- accepting and matching ----------------------------------------------------------------

    def _held_asset(self, order: Order) -> str:
        return self.listings[order.symbol].instrument.held_asset(order.side).name

    def _accept(
        self, account: Account, request: OrderRequest, held_units: int, now_ns: int
    ) -> Order:
        order = self.records.new_order(account.number, request, now_ns)
        order.held_units = held_units
        account.hold(self._held_asset(order), held_units)
        self.records.report(ReportKind.PENDING_NEW, order, None, now_ns)
        order.move(OrderEvent.ACCEPT)
        self.records.report(ReportKind.NEW, order, None, now_ns)
        if order.is_waiting:
            self._waiting[order.number] = order
        else:
            self._match(order, now_ns)
        return order

    def _match(self, order: Order, now_ns: int) -> None:
        """Send an accepted order to the book, unless its own terms forbid it now."""
        self._by_book_id[order.book_id] = order
        book = self.listings[order.symbol].book
        best = book.best_ask_ticks() if order.side == BUY else book.best_bid_ticks()
        is_hopeless = order.is_market and best == 0
        if order.time_in_force is TimeInForce.FOK:
            is_hopeless |= not self._is_fillable(order)
        if self._checks.would_take(order):
            self._finish(order, OrderEvent.CANCEL, REASON_POST_ONLY, now_ns)
        elif is_hopeless:
            self._finish(order, OrderEvent.CANCEL, REASON_UNFILLED, now_ns)
        else:
            self._apply(self.listings[order.symbol], self._submit(order, now_ns), now_ns)

    def _submit(self, order: Order, now_ns: int) -> list[BookEvent]:
        flags = POST_ONLY if order.post_only else 0
        if order.time_in_force in (TimeInForce.IOC, TimeInForce.FOK):
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

    def _is_fillable(self, order: Order) -> bool:
        """Whether others offer all of a fill-or-kill order's quantity within its price."""
        bids, asks = self.listings[order.symbol].book.depth(DEPTH_LEVELS_MAX)
        within = [
            lots
            for ticks, lots in (asks if order.side == BUY else bids).tolist()
            if order.is_market or order.side * (ticks - order.price_ticks) <= 0
        ]
        own = sum(
            other.remaining_lots
            for other in self._by_book_id.values()
            if (other.account, other.symbol, other.side)
            == (order.account, order.symbol, -order.side)
            and (order.is_market or order.side * (other.price_ticks - order.price_ticks) <= 0)
        )
        return int(sum(within)) - own >= order.remaining_lots

    def _replace(self, order: Order, price_ticks: int, quantity_lots: int, now_ns: int) -> None:
        book = self.listings[order.symbol].book
        keeps_place = price_ticks == order.price_ticks and quantity_lots <= order.quantity_lots
        by_lots = order.quantity_lots - quantity_lots
        order.price_ticks, order.quantity_lots = price_ticks, quantity_lots
        order.changed_ns = now_ns
        if order.is_waiting:
            self.records.report(ReportKind.AMENDED, order, None, now_ns)
            return
        if not keeps_place:
            book.cancel(order.book_id, now_ns)
            del self._by_book_id[order.book_id]
            order.book_id = self.records.next_book_id()
        elif by_lots:
            book.reduce(order.book_id, by_lots, now_ns)
        self.records.report(ReportKind.AMENDED, order, None, now_ns)
        if not keeps_place:
            self._match(order, now_ns)

    def _apply(self, listing: Listing, events: list[BookEvent], now_ns: int) -> None:
        """Book to accounts' orders what happened in a book; skip what concerns only others."""
        trades = listing.record(events)
        self._note_prices(listing.symbol, trades)
        upcoming = iter(trades)
        for event in events:
            if event.kind == TRADE:
                self._trade(event, next(upcoming))
            elif event.owner > 0 and event.kind in (EXPIRED, CANCELLED):
                order = self._by_book_id.get(event.order_id)
                # A reduce-only order may have ended within these events, its position closed.
                if order is not None:
                    reason = REASON_SELF_TRADE if event.kind == CANCELLED else REASON_UNFILLED
                    self._finish(order, OrderEvent.CANCEL, reason, event.at_ns or now_ns)
            else:
                assert event.owner <= 0 or event.kind != REJECTED, "a checked order was rejected"

    def _trade(self, event: BookEvent, trade: PublicTrade) -> None:
        for owner, book_id in ((event.owner, event.order_id), (event.maker_owner, event.maker_id)):
            order = self._by_book_id.get(book_id) if owner > 0 else None
            if order is not None:
                self._fill(order, trade, is_maker=book_id == event.maker_id)

    # --- fills ---------------------------------------------------------------------------------

    def _fill(self, order: Order, trade: PublicTrade, *, is_maker: bool) -> None:
        account = self.accounts[order.account]
        lots = trade.quantity_lots
        if order.reduce_only:
            # What goes beyond the position belongs to the flow, the other side of every fill.
            lots = min(lots, self._checks.reducible_lots(account, order))
        if lots:
            self._settlement.book(order, account, lots, trade, is_maker=is_maker)
        if order.remaining_lots == 0:
            self._finish(order, OrderEvent.COMPLETE, "", trade.at_ns)
        elif lots < trade.quantity_lots:
            self._end(order, OrderEvent.CANCEL, REASON_REDUCE_ONLY, trade.at_ns)
        if self.listings[order.symbol].instrument.contract is not None:
            self._drop_reduce_only(account, order.symbol, trade.at_ns)

    def _drop_reduce_only(self, account: Account, symbol: str, at_ns: int) -> None:
        """Cancel resting reduce-only orders whose position is gone."""
        for order in self.records.open_orders_of(account.number):
            if (
                order.symbol == symbol
                and order.reduce_only
                and not order.is_waiting
                and not self._checks.reducible_lots(account, order)
            ):
                self._end(order, OrderEvent.CANCEL, REASON_REDUCE_ONLY, at_ns)

    # --- triggers and liquidation --------------------------------------------------------------

    def _note_prices(self, symbol: str, trades: list[PublicTrade]) -> None:
        if trades and self._waiting:
            low, high = self._traded.get(symbol, (trades[0].price_ticks,) * 2)
            prices = [trade.price_ticks for trade in trades]
            self._traded[symbol] = (min(low, *prices), max(high, *prices))

    def _run_triggers(self, now_ns: int) -> None:
        """Fire what the last prices reached; what that trades may fire more."""
        while self._traded:
            symbol, (low, high) = self._traded.popitem()
            for order in list(self._waiting.values()):
                reached = order.symbol == symbol and order.trigger_by is TriggerBy.LAST
                if reached and order.is_fired_by(low, high):
                    self._fire(order, now_ns)

    def _run_mark_triggers(self, now_ns: int) -> None:
        for order in list(self._waiting.values()):
            if order.trigger_by is TriggerBy.MARK and order.is_waiting:
                mark = self.derivatives.mark_ticks(order.symbol)
                if order.is_fired_by(mark, mark):
                    self._fire(order, now_ns)
        self._run_triggers(now_ns)

    def _fire(self, order: Order, now_ns: int) -> None:
        """Let an order's trigger fire: it becomes the order that it waited to be."""
        if not order.is_waiting:
            return
        account = self.accounts[order.account]
        request = OrderRequest(
            order.symbol,
            order.side,
            order.is_market,
            order.price_ticks,
            order.quantity_lots,
            reduce_only=order.reduce_only,
        )
        held_units = self.funds.required_units(account, request)
        asset = self._held_asset(order)
        is_covered = self.funds.available_units(account, asset) + order.held_units >= held_units
        if order.reduce_only and not self._checks.reducible_lots(account, order):
            self._end(order, OrderEvent.CANCEL, REASON_REDUCE_ONLY, now_ns)
        elif not is_covered:
            self._end(order, OrderEvent.CANCEL, REASON_FUNDS, now_ns)
        else:
            del self._waiting[order.number]
            account.hold(asset, held_units - order.held_units)
            order.held_units = held_units
            order.triggered_ns = order.changed_ns = now_ns
            self.records.report(ReportKind.TRIGGERED, order, None, now_ns)
            self._match(order, now_ns)

    def _liquidate(self, now_ns: int) -> None:
        """Close what its margin does not carry any more; the insurance pays what is missing."""
        for account in self.accounts.values():
            for symbol in self.derivatives.liquidated(account):
                if self.listings[symbol].is_halted:
                    continue
                self.cancel_all(account, now_ns, REASON_LIQUIDATION, symbol)
                position = self.derivatives.position(account.number, symbol)
                request = OrderRequest(
                    symbol,
                    -1 if position.lots > 0 else 1,
                    True,
                    0,
                    abs(position.lots),
                    reduce_only=True,
                    by_hand=True,
                )
                order = self._accept(account, request, 0, now_ns)
                order.reason = order.reason or REASON_LIQUIDATION
                self._run_triggers(now_ns)
                self._insure(account, symbol, now_ns)

    def _insure(self, account: Account, symbol: str, now_ns: int) -> None:
        asset = self.listings[symbol].instrument.quote.name
        missing_units = -account.balances.get(asset, 0)
        if missing_units > 0 and not any(self.derivatives.positions_of(account.number, asset)):
            self.records.move(account.number, INSURANCE_ACCOUNT, asset, missing_units)
            entry = (missing_units, 0)
            self.records.enter(account.number, asset, "insurance", symbol, entry, now_ns)

    # --- ends ----------------------------------------------------------------------------------

    def _end(self, order: Order, event: OrderEvent, reason: str, at_ns: int) -> None:
        """End an open order, wherever it is."""
        if not order.is_waiting:
            self.listings[order.symbol].book.cancel(order.book_id, at_ns)
        self._finish(order, event, reason, at_ns)

    def _finish(self, order: Order, event: OrderEvent, reason: str, at_ns: int) -> None:
        account = self.accounts[order.account]
        account.hold(self._held_asset(order), -order.held_units)
        order.held_units = 0
        order.move(event)
        order.reason = reason
        order.closed_ns = order.changed_ns = at_ns
        self._by_book_id.pop(order.book_id, None)
        self._waiting.pop(order.number, None)
        self.records.close(order)
        kind = {
            OrderEvent.COMPLETE: ReportKind.FILLED,
            OrderEvent.CANCEL: ReportKind.CANCELED,
            OrderEvent.EXPIRE: ReportKind.EXPIRED,
        }[event]
        self.records.report(kind, order, None, at_ns)


def _amended_trigger(order: Order, trigger_ticks: int) -> Trigger:
    if not order.is_waiting:
        return NO_TRIGGER
    return Trigger(order.trigger_kind, trigger_ticks or order.trigger_ticks, order.trigger_by)
