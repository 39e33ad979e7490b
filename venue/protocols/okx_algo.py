"""Algo orders: stops, take-profits and plain triggers, which wait outside the book.

At OKX what an algo order fires is an order with an id of its own; here it keeps its number.
"""

from venue.accounts import Account
from venue.orders import Order
from venue.protocols import okx_orders as parsing
from venue.protocols.okx_errors import OkxError, empty, incorrect, no_such_order, refused
from venue.protocols.okx_names import milliseconds
from venue.protocols.okx_orders import ALGO_TYPES, CONDITIONAL_TYPE, MARKET_PRICE, Terms
from venue.protocols.okx_public import PAGE_MAX, Json, Parameters, page_size
from venue.protocols.okx_trade import (
    Query,
    Rows,
    TradeEndpoints,
    Word,
    chosen,
    id_span,
    named,
)
from venue.protocols.okx_views import algo_state
from venue.refusals import Refusal, RefusedError

# Stop buy, stop sale, take-profit buy and sale at a price that has been reached already.
_FIRES_AT_ONCE = {
    ("sl", "buy"): ("51278", "SL trigger price cannot be lower than the last price"),
    ("sl", "sell"): ("51280", "SL trigger price cannot be higher than the last price"),
    ("tp", "buy"): ("51277", "TP trigger price cannot be higher than the last price"),
    ("tp", "sell"): ("51279", "TP trigger price cannot be lower than the last price"),
}


class AlgoEndpoints:
    """Beside the plain orders, whose parts they share."""

    def __init__(self, trade: TradeEndpoints) -> None:
        self._trade = trade
        self._exchange = trade.exchange
        self._records = trade.records
        self.queries: dict[str, Query] = {
            "trade/order-algo": self._order,
            "trade/orders-algo-pending": self._pending,
            "trade/orders-algo-history": self._history,
        }
        trade.commands |= {
            "trade/order-algo": self._place,
            "trade/cancel-algos": self._cancel,
            "trade/amend-algos": self._amend,
        }

    # --- changing ------------------------------------------------------------------------------

    def _place(self, account: Account, given: Parameters, now_ns: int) -> Json:
        terms = self._trade.terms_of(given)
        request = parsing.algo_request(terms, given)
        self._trade.take_mode(account, terms, given)
        try:
            order = self._exchange.place(account, request, now_ns)
        except RefusedError as error:
            if error.refusal is not Refusal.TRIGGERS_NOW:
                raise
            prefix = "sl" if given.get("slTriggerPx") else "tp"
            raise OkxError(*_FIRES_AT_ONCE[prefix, given["side"]]) from error
        return _named_row(order)

    def _cancel(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._waiting_order(account, given)
        self._exchange.cancel(order, now_ns)
        return _named_row(order)

    def _amend(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Change trigger, price or size of an order that still waits."""
        order = self._waiting_order(account, given)
        terms = self._trade.terms_of(given)
        prefix = _prefix_of(order)
        trigger = given.get(f"new{prefix}TriggerPx", "")
        price = given.get(f"new{prefix}OrdPx", "")
        size = given.get("newSz", "")
        if not (trigger or price or size):
            raise OkxError("51500", "You must enter a price, quantity, or TP/SL")
        ticks = order.price_ticks
        if price and (price == MARKET_PRICE) != order.is_market:
            raise incorrect(f"new{prefix}OrdPx")
        if price and not order.is_market:
            ticks = parsing.price_ticks(terms, f"new{prefix}OrdPx", price)
        self._exchange.amend(
            order,
            ticks,
            parsing.size_lots(terms, "newSz", size) if size else order.quantity_lots,
            now_ns,
            trigger_ticks=_trigger_ticks(terms, f"new{prefix}TriggerPx", trigger),
        )
        return _named_row(order) | {"reqId": given.get("reqId", "")}

    def _waiting_order(self, account: Account, given: Parameters) -> Order:
        symbol = self._trade.public.listing_of(given).symbol
        waiting = [
            each
            for each in self._records.open_orders_of(account.number)
            if each.is_waiting and each.symbol == symbol
        ]
        order = named(waiting, _word(given))
        if order is None:
            raise refused(Refusal.UNKNOWN_ORDER)
        return order

    # --- asking --------------------------------------------------------------------------------

    def row(self, order: Order) -> Json:
        """Return an algo order as a query shows it."""
        view = self._trade.views[order.symbol]
        if view.is_spot:
            return view.algo(order, leverage=0, is_isolated=False)
        held = self._exchange.derivatives.position(order.account, order.symbol)
        return view.algo(order, leverage=held.leverage, is_isolated=held.is_isolated)

    def _order(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        order = named(reversed(self._algos(account, now_ns)), _word(given))
        if order is None:
            raise no_such_order()
        return [self.row(order)]

    def _pending(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        orders = [each for each in self._algos(account, now_ns) if each.is_waiting]
        return self._page(orders, given)

    def _history(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        state = given.get("state", "")
        if not state and not given.get("algoId"):
            raise empty("state")
        orders = [
            each
            for each in self._algos(account, now_ns)
            if not each.is_waiting
            and state in ("", algo_state(each))
            and given.get("algoId", "") in ("", str(each.number))
        ]
        return self._page(orders, given)

    def _algos(self, account: Account, now_ns: int) -> list[Order]:
        """Return the account's algo orders, oldest first."""
        return [
            order
            for order in self._records.orders.values()
            if order.account == account.number
            and order.trigger_ticks
            and self._trade.engine.is_visible(order.opened_ns, now_ns)
        ]

    def _page(self, orders: list[Order], given: Parameters) -> Rows:
        kinds = given.get("ordType", "").split(",")
        if not kinds[0]:
            raise empty("ordType")
        symbols = {each.symbol for each in self._trade.public.wanted(given)}
        page = id_span(given)
        found = [
            order
            for order in reversed(orders)
            if ALGO_TYPES.get(order.user_reference) in kinds
            and order.symbol in symbols
            and page[0] < order.number < page[1]
        ]
        limit = page_size(given, PAGE_MAX, PAGE_MAX)
        return [self.row(order) for order in chosen(found, given, limit)]


def _named_row(order: Order) -> Json:
    name = order.client_order_id
    changed = milliseconds(order.changed_ns)
    return {
        "algoId": str(order.number),
        "algoClOrdId": name,
        "clOrdId": name,
        "ordId": "",
        "ts": changed,
    }


def _word(given: Parameters) -> Word:
    number, name = given.get("algoId", ""), given.get("algoClOrdId", "")
    if not number and not name:
        raise OkxError("51407", "Either order ID or client-supplied order ID is required.")
    return (number, "") if number else ("", name)


def _prefix_of(order: Order) -> str:
    """Return how the fields of an order's trigger begin: `newSl…`, `newTp…`, `newTrigger…`."""
    if order.user_reference != CONDITIONAL_TYPE:
        return ""
    return "Sl" if order.trigger_kind.value == "stop" else "Tp"


def _trigger_ticks(terms: Terms, name: str, text: str) -> int:
    return parsing.price_ticks(terms, name, text) if text else 0
