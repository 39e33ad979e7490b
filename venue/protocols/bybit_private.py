"""Orders and executions: placing, amending, cancelling, one by one or in batches, and asking."""

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec

from venue.accounts import Account
from venue.engine import Engine
from venue.listing import Listing
from venue.orders import Fill, Order, TriggerKind
from venue.protocols import bybit_filters as filters
from venue.protocols import bybit_orders as parsing
from venue.protocols.bybit_errors import REFUSALS, BybitError, parameter
from venue.protocols.bybit_names import LINEAR, MS_NS, SPOT, TPSL, category_of, number_of
from venue.protocols.bybit_public import PublicEndpoints, whole_number
from venue.protocols.bybit_views import Views
from venue.refusals import Refusal, RefusedError

Json = dict[str, object]
Parameters = Mapping[str, str]

BATCH_MAX = {SPOT: 10, LINEAR: 20}
ORDERS_MAX, ORDERS_DEFAULT = 50, 20
FILLS_MAX, FILLS_DEFAULT = 100, 50
# A history asks for a week at most; without a beginning it is the last one.
SPAN_NS = 7 * 86_400 * 1_000_000_000


class Request(NamedTuple):
    """What was asked, as text; a batch has its items."""

    given: dict[str, str]
    items: list[dict[str, str]]


class Answer(NamedTuple):
    """A result, and what `retExtInfo` says of each item of a batch."""

    result: Json
    ext: Json


Method = Callable[[Account, Parameters, int], Json]


def parse_body(body: bytes) -> Request:
    """Return what a POST asks. Raises `BybitError`."""
    try:
        found = msgspec.json.decode(body or b"{}", type=dict[str, msgspec.Raw])
        batch = found.pop("request", None)
        rows = msgspec.json.decode(batch or b"[]", type=list[dict[str, msgspec.Raw]])
        return Request(_texts(found), [_texts(row) for row in rows])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise parameter("request body is not a JSON object") from error


def _texts(found: Mapping[str, msgspec.Raw]) -> dict[str, str]:
    return {name: _text(bytes(raw)) for name, raw in found.items()}


def _text(raw: bytes) -> str:
    """Return a JSON value as a query would carry it, numbers exactly as they were written."""
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    return "" if raw == b"null" else raw.decode()


class OrderEndpoints:
    """The caller has authenticated and advanced the market."""

    def __init__(self, engine: Engine, public: PublicEndpoints, views: dict[str, Views]) -> None:
        self._engine = engine
        self._exchange = engine.exchange
        self._records = engine.records
        self._public = public
        self._views = views
        self.methods: dict[tuple[str, str], Method] = {
            ("POST", "order/create"): self.place,
            ("POST", "order/amend"): self.amend,
            ("POST", "order/cancel"): self.cancel,
            ("POST", "order/cancel-all"): self._cancel_all,
            ("GET", "order/realtime"): self._realtime,
            ("GET", "order/history"): self._history,
            ("GET", "execution/list"): self._executions,
        }
        self.batches: dict[str, Method] = {
            "order/create-batch": self.place,
            "order/amend-batch": self.amend,
            "order/cancel-batch": self.cancel,
        }

    # --- changing ------------------------------------------------------------------------------

    def place(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Place an order."""
        listing = self._public.listing_of(given)
        request = parsing.order_request(self._exchange, listing, given)
        return self._views[listing.symbol].ids(self._exchange.place(account, request, now_ns))

    def amend(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Change price, quantity or trigger of an open order."""
        listing = self._public.listing_of(given)
        order = self._open_order(account, listing, given)
        price, lots, trigger = order.price_ticks, order.quantity_lots, order.trigger_ticks
        if given.get("price"):
            price = filters.price_ticks(listing, "Price", given["price"])
            filters.check_price(listing, order.side, price)
        if given.get("qty"):
            lots = filters.quantity_lots(listing, given["qty"])
        if given.get("triggerPrice"):
            trigger = filters.price_ticks(listing, "TriggerPrice", given["triggerPrice"])
        if (price, lots, trigger) == (order.price_ticks, order.quantity_lots, order.trigger_ticks):
            text = "The order remains unchanged as the parameters entered match the existing ones."
            raise BybitError(10001, text)
        self._exchange.amend(order, price, lots, now_ns, trigger_ticks=trigger)
        return self._views[listing.symbol].ids(order)

    def cancel(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Cancel an order by either id; spot wants to be told which kind of order it is."""
        listing = self._public.listing_of(given)
        order = self._open_order(account, listing, given)
        if category_of(listing) == SPOT:
            wanted = parsing.order_filter(given) or "Order"
            if order.is_waiting and not _is_of(order, wanted):
                raise RefusedError(Refusal.UNKNOWN_ORDER)
        self._exchange.cancel(order, now_ns)
        return self._views[listing.symbol].ids(order)

    def batch(self, method: Method, account: Account, request: Request, now_ns: int) -> Answer:
        """Do the same for every item; one that is refused leaves the others as they are."""
        category = self._public.category(request.given)
        if not 1 <= len(request.items) <= BATCH_MAX.get(category, 0):
            raise parameter("The number of requests exceeds the limit")
        rows: list[Json] = []
        outcomes: list[Json] = []
        for item in request.items:
            row: Json = {"category": category, "symbol": item.get("symbol", "")}
            try:
                row |= method(account, {**item, "category": category}, now_ns)
                outcomes.append({"code": 0, "msg": "OK"})
            except RefusedError as error:
                code, text = REFUSALS[category][error.refusal]
                row |= {"orderId": "", "orderLinkId": item.get("orderLinkId", "")}
                outcomes.append({"code": code, "msg": text})
            except BybitError as error:
                row |= {"orderId": "", "orderLinkId": item.get("orderLinkId", "")}
                outcomes.append({"code": error.code, "msg": error.text})
            rows.append({**row, "createAt": str(now_ns // MS_NS)})
        return Answer({"list": rows}, {"list": outcomes})

    def _cancel_all(self, account: Account, given: Parameters, now_ns: int) -> Json:
        self._check_scope(given)
        wanted = parsing.order_filter(given)
        gone: list[Json] = []
        for order in self._mine(account, given, self._records.open_orders_of(account.number)):
            if _is_of(order, wanted):
                self._exchange.cancel(order, now_ns)
                gone.append(self._views[order.symbol].ids(order))
        return {"list": gone, "success": "1"}

    # --- asking --------------------------------------------------------------------------------

    def _realtime(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return open orders; by id, or with `openOnly=1`, also those that ended lately."""
        is_named = bool(given.get("orderId") or given.get("orderLinkId"))
        if not is_named:
            self._check_scope(given)
        with_closed = is_named or given.get("openOnly") == "1"
        source = self._records.orders.values() if with_closed else None
        orders = source if source is not None else self._records.open_orders_of(account.number)
        wanted = parsing.order_filter(given)
        found = [
            order
            for order in self._mine(account, given, reversed(list(orders)))
            if _is_of(order, wanted) and self._engine.is_visible(order.opened_ns, now_ns)
        ]
        return self._order_page(given, found)

    def _history(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return orders that have ended, newest first."""
        start_ns, end_ns = span_of(given, now_ns)
        wanted = parsing.order_filter(given)
        found = [
            order
            for order in self._mine(account, given, reversed(list(self._records.orders.values())))
            if not order.is_open
            and _is_of(order, wanted)
            and start_ns <= order.opened_ns < end_ns
            and self._engine.is_visible(order.changed_ns, now_ns)
        ]
        return self._order_page(given, found)

    def _executions(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return trades, or payments of funding, newest first."""
        category = self._public.category(given)
        if given.get("execType") == "Funding":
            return self._fundings(account, given, now_ns)
        start_ns, end_ns = span_of(given, now_ns)
        symbols = self._symbols(given)
        number = number_of(category, "order", given.get("orderId", ""))
        if given.get("orderId") and not number:
            return {"category": category, "list": [], "nextPageCursor": ""}
        link = given.get("orderLinkId", "")
        rows: list[tuple[int, Json]] = []
        for fill in reversed(self._records.fills.values()):
            order = self._records.orders.get(fill.order_txid)
            if (
                fill.account == account.number
                and fill.symbol in symbols
                and number in (0, fill.order_number)
                and (not link or (order is not None and order.client_order_id == link))
                and start_ns <= fill.at_ns < end_ns
                and self._engine.is_visible(fill.at_ns, now_ns)
            ):
                rows.append((fill.number, self._views[fill.symbol].fill(fill, order)))
        limit = limit_of(given, FILLS_DEFAULT, FILLS_MAX)
        return {"category": category, **page_of(rows, given, limit)}

    def _fundings(self, account: Account, given: Parameters, now_ns: int) -> Json:
        start_ns, end_ns = span_of(given, now_ns)
        symbols = self._symbols(given)
        rows: list[tuple[int, Json]] = []
        for entry in reversed(self._records.ledger.values()):
            symbol = entry.reference.partition(" ")[0]
            if (
                (entry.account, entry.kind) == (account.number, "funding")
                and symbol in symbols
                and start_ns <= entry.at_ns < end_ns
            ):
                views = self._views[symbol]
                row: Json = {
                    "symbol": views.id,
                    "orderId": "",
                    "execId": entry.txid,
                    "execType": "Funding",
                    # As a fee: above zero was paid.
                    "execFee": views.numbers.quote(-entry.amount_units),
                    "feeRate": "",
                    "execTime": str(entry.at_ns // MS_NS),
                    "isMaker": False,
                }
                rows.append((entry.number, row))
        limit = limit_of(given, FILLS_DEFAULT, FILLS_MAX)
        return {"category": self._public.category(given), **page_of(rows, given, limit)}

    # --- for both ------------------------------------------------------------------------------

    def order_of(self, fill: Fill) -> Order | None:
        """Return the order that an execution belongs to, if it is remembered."""
        return self._records.orders.get(fill.order_txid)

    def _check_scope(self, given: Parameters) -> None:
        if self._public.category(given) == SPOT:
            return
        if not any(given.get(name) for name in ("symbol", "settleCoin", "baseCoin")):
            text = (
                "Missing some parameters that must be filled in, symbol or settleCoin or baseCoin"
            )
            raise BybitError(10001, text)

    def _symbols(self, given: Parameters) -> set[str]:
        """Return the listings that a query means."""
        category = self._public.category(given)
        if given.get("symbol"):
            return {self._public.listing_of(given).symbol}
        base, settle = given.get("baseCoin", ""), given.get("settleCoin", "")
        return {
            each.symbol
            for each in self._public.listings_of(category)
            if base in ("", each.instrument.base.name)
            and (category == SPOT or settle in ("", each.instrument.quote.name))
        }

    def _mine(self, account: Account, given: Parameters, orders: Iterable[Order]) -> list[Order]:
        symbols = self._symbols(given)
        mine = [o for o in orders if o.account == account.number and o.symbol in symbols]
        if given.get("orderId") or given.get("orderLinkId"):
            found = self._named(mine, self._public.category(given), given)
            return [] if found is None else [found]
        return mine

    def _open_order(self, account: Account, listing: Listing, given: Parameters) -> Order:
        if not (given.get("orderId") or given.get("orderLinkId")):
            raise parameter("orderId or orderLinkId is required")
        orders = self._records.open_orders_of(account.number)
        mine = [each for each in orders if each.symbol == listing.symbol]
        order = self._named(mine, category_of(listing), given)
        if order is None:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        return order

    @staticmethod
    def _named(orders: Iterable[Order], category: str, given: Parameters) -> Order | None:
        """Return the order with the venue's id, or with the client's where that is not given."""
        text = given.get("orderId", "")
        number = number_of(category, "order", text)
        link = given.get("orderLinkId", "")
        for order in orders:
            if order.number == number if text else order.client_order_id == link:
                return order
        return None

    def _order_page(self, given: Parameters, orders: list[Order]) -> Json:
        rows = [(each.number, self._views[each.symbol].order(each)) for each in orders]
        limit = limit_of(given, ORDERS_DEFAULT, ORDERS_MAX)
        return {"category": self._public.category(given), **page_of(rows, given, limit)}


def _is_of(order: Order, wanted: str) -> bool:
    """Whether an order is of the kind that an `orderFilter` names."""
    if wanted == "Order":
        return order.trigger_kind is TriggerKind.NONE or bool(order.triggered_ns)
    if wanted == "tpslOrder":
        return order.user_reference == TPSL
    if wanted == "StopOrder":
        return order.trigger_kind is not TriggerKind.NONE and order.user_reference != TPSL
    return True


def limit_of(given: Parameters, default: int, most: int) -> int:
    """Return how many rows are asked for."""
    return max(1, min(whole_number(given, "limit", default), most))


def page_of(rows: list[tuple[int, Json]], given: Parameters, limit: int) -> Json:
    """Return the rows behind the cursor, which is the number of the last row of the page before."""
    after = given.get("cursor", "").partition("%3A")[0].partition(":")[0]
    if after:
        if not after.isdigit():
            raise parameter("cursor invalid")
        rows = [row for row in rows if row[0] < int(after)]
    page = rows[:limit]
    cursor = f"{page[-1][0]}%3A{len(page)}" if len(rows) > limit else ""
    return {"list": [row for _, row in page], "nextPageCursor": cursor}


def span_of(given: Parameters, now_ns: int) -> tuple[int, int]:
    """Return from when to before when a history is asked for. Raises `BybitError`."""
    start_ns = whole_number(given, "startTime", 0) * MS_NS
    end_ms = whole_number(given, "endTime", 0)
    end_ns = (end_ms + 1) * MS_NS if end_ms else 0
    if not end_ns:
        end_ns = start_ns + SPAN_NS if start_ns else now_ns + MS_NS
    start_ns = start_ns or end_ns - SPAN_NS
    if end_ns - start_ns > SPAN_NS + MS_NS:
        raise BybitError(10001, "The time range between startTime and endTime cannot exceed 7 days")
    return start_ns, end_ns
