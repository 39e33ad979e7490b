"""Plain orders: placing, amending and cancelling, one or twenty at once, and asking for them.

Of several orders in one request each is taken or refused by itself: its row says so by `sCode`.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from venue.accounts import Account
from venue.engine import Engine
from venue.orders import Fill, Order
from venue.protocols import okx_orders as parsing
from venue.protocols.okx_errors import (
    AMEND_REFUSALS,
    EXPIRED,
    OkxError,
    empty,
    incorrect,
    no_such_order,
    refused,
)
from venue.protocols.okx_names import MS_NS, milliseconds, order_type, state_name
from venue.protocols.okx_orders import Terms
from venue.protocols.okx_public import (
    PAGE_MAX,
    Json,
    Parameters,
    PublicEndpoints,
    page_size,
    whole_number,
)
from venue.protocols.okx_views import Views
from venue.refusals import Refusal, RefusedError

Rows = list[Json]
Query = Callable[[Account, Parameters, int], Rows]
Command = Callable[[Account, Parameters, int], Json]
Word = tuple[str, str]
T = TypeVar("T")

# What a client may give a deadline, by the header `expTime` or beside a socket's operation.
WITH_DEADLINE = (
    "trade/order",
    "trade/batch-orders",
    "trade/amend-order",
    "trade/amend-batch-orders",
)
# The dead man's switch runs between these, or is off at 0.
SWITCH_S = range(10, 121)


class TradeEndpoints:
    """The caller has authenticated and advanced the market."""

    def __init__(self, engine: Engine, public: PublicEndpoints) -> None:
        self.engine = engine
        self.exchange = engine.exchange
        self.records = engine.records
        self.public = public
        self.views = {symbol: Views(each) for symbol, each in public.numbers.items()}
        self.queries: dict[str, Query] = {
            "trade/order": self._order,
            "trade/orders-pending": self._pending,
            "trade/orders-history": self._history,
            "trade/orders-history-archive": self._history,
            "trade/fills": self._fills,
            "trade/fills-history": self._fills,
        }
        self.commands: dict[str, Command] = {
            "trade/order": self._place,
            "trade/batch-orders": self._place,
            "trade/cancel-order": self._cancel,
            "trade/cancel-batch-orders": self._cancel,
            "trade/amend-order": self._amend,
            "trade/amend-batch-orders": self._amend,
        }

    # --- changing ------------------------------------------------------------------------------

    def run(self, endpoint: str, account: Account, rows: list[dict[str, str]], now_ns: int) -> Rows:
        """Do what each row asks; return one row for each. Raises `OkxError` for too many."""
        if len(rows) > parsing.BATCH_MAX:
            text = f"Parameter batch count exceeds the limit {parsing.BATCH_MAX}"
            raise OkxError("50025", text)
        return [self.one(self.commands[endpoint], account, row, now_ns) for row in rows]

    @staticmethod
    def one(command: Command, account: Account, row: Parameters, now_ns: int) -> Json:
        """Do what one row asks; what it is refused for is its answer."""
        head: Json = {
            "clOrdId": row.get("clOrdId", ""),
            "ordId": row.get("ordId", ""),
            "tag": row.get("tag", ""),
            "ts": milliseconds(now_ns),
            "sCode": "0",
            "sMsg": "",
        }
        try:
            return head | command(account, row, now_ns)
        except RefusedError as error:
            problem = refused(error.refusal)
        except OkxError as error:
            problem = error
        return head | {"sCode": problem.code, "sMsg": problem.text}

    def terms_of(self, given: Parameters) -> Terms:
        """Return what parsing needs of the instrument that is named. Raises `OkxError`."""
        listing = self.public.listing_of(given)
        return Terms(self.exchange, listing, self.public.numbers[listing.symbol])

    def take_mode(self, account: Account, terms: Terms, given: Parameters) -> None:
        """Let the position have the margin mode that an order of it names."""
        if not terms.is_spot:
            isolated = given.get("tdMode") == "isolated"
            symbol = terms.listing.symbol
            self.exchange.derivatives.set_isolated(account, symbol, isolated=isolated)

    def _place(self, account: Account, given: Parameters, now_ns: int) -> Json:
        terms = self.terms_of(given)
        request = parsing.order_request(terms, given)
        self.take_mode(account, terms, given)
        order = self.exchange.place(account, request, now_ns)
        return {"ordId": str(order.number), "clOrdId": order.client_order_id}

    def _cancel(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._open(account, given)
        if order is None:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        self.exchange.cancel(order, now_ns)
        return {"ordId": str(order.number), "clOrdId": order.client_order_id}

    def _amend(self, account: Account, given: Parameters, now_ns: int) -> Json:
        terms = self.terms_of(given)
        order = self._open(account, given)
        if order is None:
            raise refused(Refusal.UNKNOWN_ORDER, AMEND_REFUSALS)
        if order.is_market:
            raise OkxError("51506", "Order modification unavailable for the order type.")
        price, size = given.get("newPx", ""), given.get("newSz", "")
        if not price and not size:
            raise OkxError("51500", "You must enter a price, quantity, or TP/SL")
        ticks = parsing.price_ticks(terms, "newPx", price) if price else order.price_ticks
        lots = parsing.size_lots(terms, "newSz", size) if size else order.quantity_lots
        try:
            self.exchange.amend(order, ticks, lots, now_ns)
        except RefusedError as error:
            raise refused(error.refusal, AMEND_REFUSALS) from error
        return {
            "ordId": str(order.number),
            "clOrdId": order.client_order_id,
            "reqId": given.get("reqId", ""),
        }

    def cancel_all_after(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        """Set the dead man's switch, or take it back with 0."""
        timeout_s = whole_number(given, "timeOut", -1)
        if timeout_s not in (0, *SWITCH_S):
            raise incorrect("timeOut")
        account.cancel_after_ns = now_ns + timeout_s * 1_000 * MS_NS if timeout_s else 0
        self.records.touch_account(account)
        at = milliseconds(account.cancel_after_ns)
        return [{"triggerTime": at, "tag": "", "ts": milliseconds(now_ns)}]

    # --- asking --------------------------------------------------------------------------------

    def row(self, order: Order) -> Json:
        """Return an order as a query shows it."""
        position = self.exchange.derivatives
        last = self.records.fills.get(order.fills[-1]) if order.fills else None
        view = self.views[order.symbol]
        if view.is_spot:
            return view.order(order, last, leverage=0, is_isolated=False)
        held = position.position(order.account, order.symbol)
        return view.order(order, last, leverage=held.leverage, is_isolated=held.is_isolated)

    def _order(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        listing = self.public.listing_of(given)
        mine = (
            order
            for order in reversed(self.records.orders.values())
            if (order.account, order.symbol) == (account.number, listing.symbol)
            and not is_algo_only(order)
        )
        order = named(mine, _word(given, "51003"))
        if order is None or not self.engine.is_visible(shown_ns(order), now_ns):
            raise no_such_order()
        return [self.row(order)]

    def _pending(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        """Return the open orders, newest first."""
        orders = self.records.open_orders_of(account.number)
        return self._page(orders, given, now_ns)

    def _history(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        """Return what has ended, newest first."""
        if not given.get("instType"):
            raise empty("instType")
        orders = self.records.orders.values()
        mine = [each for each in orders if each.account == account.number and not each.is_open]
        return self._page(mine, given, now_ns)

    def _page(self, orders: Iterable[Order], given: Parameters, now_ns: int) -> Rows:
        symbols = {each.symbol for each in self.public.wanted(given)}
        kinds, states = _list(given, "ordType"), _list(given, "state")
        span, page = time_span(given), id_span(given)
        limit = page_size(given, PAGE_MAX, PAGE_MAX)
        found = [
            order
            for order in orders
            if order.symbol in symbols
            and not is_algo_only(order)
            and order_type(order) in (kinds or (order_type(order),))
            and state_name(order) in (states or (state_name(order),))
            and span[0] <= order.opened_ns <= span[1]
            and page[0] < order.number < page[1]
            and self.engine.is_visible(shown_ns(order), now_ns)
        ]
        found.sort(key=lambda order: -order.number)
        return [self.row(order) for order in chosen(found, given, limit)]

    def _fills(self, account: Account, given: Parameters, now_ns: int) -> Rows:
        """Return fills, newest first; pages go by the number of the bill."""
        symbols = {each.symbol for each in self.public.wanted(given)}
        order_id = whole_number(given, "ordId", 0)
        span, page = time_span(given), id_span(given)
        limit = page_size(given, PAGE_MAX, PAGE_MAX)
        found = [
            fill
            for fill in reversed(self.records.fills.values())
            if fill.account == account.number
            and fill.symbol in symbols
            and order_id in (0, fill.order_number)
            and span[0] <= fill.at_ns <= span[1]
            and page[0] < fill.number < page[1]
            and self.engine.is_visible(fill.at_ns, now_ns)
        ]
        return [self._fill_row(fill) for fill in chosen(found, given, limit)]

    def _fill_row(self, fill: Fill) -> Json:
        order = self.records.orders.get(fill.order_txid)
        client_order_id = order.client_order_id if order is not None else ""
        return self.views[fill.symbol].fill(fill, client_order_id)

    def _open(self, account: Account, given: Parameters) -> Order | None:
        listing = self.public.listing_of(given)
        mine = (
            each
            for each in self.records.open_orders_of(account.number)
            if each.symbol == listing.symbol and not each.is_waiting
        )
        return named(mine, _word(given, "51407"))


def check_deadline(text: str, now_ns: int) -> None:
    """Raise `OkxError` for a request that came after its own deadline, in ms; "": it has none."""
    if not text:
        return
    if whole_number({"expTime": text}, "expTime", 0) * MS_NS < now_ns:
        raise OkxError(*EXPIRED)


def is_algo_only(order: Order) -> bool:
    """Whether an order never was more than an algo order: it waits, or ended waiting."""
    return bool(order.trigger_ticks) and not order.triggered_ns


def shown_ns(order: Order) -> int:
    """Return since when an order is one among the plain ones."""
    return order.triggered_ns or order.opened_ns


def named(orders: Iterable[Order], word: Word) -> Order | None:
    """Return the first order with an id of the venue, or with one of the client."""
    number, name = word
    for order in orders:
        if number in ("", str(order.number)) and name in ("", order.client_order_id):
            return order
    return None


def _word(given: Parameters, code: str) -> Word:
    """Return the two ids that a request may name an order by. Raises `OkxError`."""
    number, name = given.get("ordId", ""), given.get("clOrdId", "")
    if not number and not name:
        raise OkxError(code, "Either order ID or client-supplied order ID is required.")
    # Of both, the venue's own counts.
    return (number, "") if number else ("", name)


def chosen(found: list[T], given: Mapping[str, str], limit: int) -> list[T]:
    """Return one page of rows that are newest first: with `before`, the oldest behind it."""
    return found[-limit:] if given.get("before") and not given.get("after") else found[:limit]


def id_span(given: Parameters) -> tuple[int, int]:
    """Return the ids between which a page lies; neither belongs to it."""
    return whole_number(given, "before", 0), whole_number(given, "after", 1 << 62)


def time_span(given: Parameters) -> tuple[int, int]:
    """Return from when to when a history is asked for, in ns."""
    end_ms = whole_number(given, "end", 0)
    end_ns = (end_ms + 1) * MS_NS - 1 if end_ms else 1 << 62
    return whole_number(given, "begin", 0) * MS_NS, end_ns


def _list(given: Parameters, name: str) -> tuple[str, ...]:
    return tuple(part for part in given.get(name, "").split(",") if part)
