"""What needs a key: orders, as KuCoin's upgraded (HF) accounts trade them, and trades."""

from collections.abc import Callable, Iterator, Mapping

from venue.accounts import Account
from venue.engine import Engine
from venue.ids import transaction_id
from venue.orders import Fill, Order
from venue.protocols import kucoin_orders as parsing
from venue.protocols.kucoin_account import page, span
from venue.protocols.kucoin_errors import invalid, no_such_order
from venue.protocols.kucoin_names import order_id, order_number
from venue.protocols.kucoin_public import Answer, Json, PublicEndpoints
from venue.protocols.kucoin_views import Views, client_id
from venue.refusals import Refusal, RefusedError

Parameters = Mapping[str, str]
Method = Callable[[Account, Parameters, int], Answer]

PAGE_ROWS = 20
PAGE_ROWS_MAX = 100


class PrivateEndpoints:
    """By method and endpoint. The caller has authenticated and advanced the market."""

    def __init__(self, engine: Engine, public: PublicEndpoints) -> None:
        self._engine = engine
        self._exchange = engine.exchange
        self._records = engine.records
        self._public = public
        self.views = {symbol: Views(each) for symbol, each in engine.listings.items()}
        self.methods: dict[tuple[str, str], Method] = {
            ("POST", "hf/orders"): self._place,
            ("POST", "hf/orders/sync"): self._place_sync,
            ("POST", "hf/orders/test"): self._test,
            ("POST", "hf/orders/alter"): self._alter,
            ("DELETE", "hf/orders/{orderId}"): self._cancel,
            ("DELETE", "hf/orders/client-order/{clientOid}"): self._cancel_by_client_id,
            ("DELETE", "hf/orders/sync/{orderId}"): self._cancel_sync,
            ("DELETE", "hf/orders/sync/client-order/{clientOid}"): self._cancel_sync,
            ("DELETE", "hf/orders"): self._cancel_symbol,
            ("DELETE", "hf/orders/cancelAll"): self._cancel_all,
            ("GET", "hf/orders/active"): self._active,
            ("GET", "hf/orders/active/symbols"): self._active_symbols,
            ("GET", "hf/orders/done"): self._done,
            ("GET", "hf/orders/{orderId}"): self._order,
            ("GET", "hf/orders/client-order/{clientOid}"): self._order,
            ("GET", "hf/fills"): self._fills,
            ("POST", "stop-order"): self._place_stop,
            ("GET", "stop-order"): self._stops,
            ("GET", "stop-order/{orderId}"): self._stop,
            ("GET", "stop-order/queryOrderByClientOid"): self._stop_by_client_id,
            ("DELETE", "stop-order/{orderId}"): self._cancel_stop,
            ("DELETE", "stop-order/cancelOrderByClientOid"): self._cancel_stop_by_client_id,
            ("DELETE", "stop-order/cancel"): self._cancel_stops,
        }

    # --- orders --------------------------------------------------------------------------------

    def _new(self, account: Account, given: Parameters, now_ns: int, *, waits: bool) -> Order:
        listing = self._public.listing_of(given)
        request = parsing.order_request(self._exchange, listing, given, now_ns, waits=waits)
        return self._exchange.place(account, request, now_ns)

    def _place(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._new(account, given, now_ns, waits=False)
        return {"orderId": order_id(order.number), "clientOid": client_id(order)}

    def _place_sync(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._new(account, given, now_ns, waits=False)
        return self.views[order.symbol].sync(order)

    def _test(self, account: Account, given: Parameters, now_ns: int) -> Json:
        listing = self._public.listing_of(given)
        request = parsing.order_request(self._exchange, listing, given, now_ns, waits=False)
        self._exchange.check(account, request)
        return {"orderId": order_id(0), "clientOid": given.get("clientOid", "")}

    def _alter(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Change price or size. The box's order keeps its id, where KuCoin gives it a new one."""
        order = self._open_order(account, given)
        instrument = self._public.listing_of(given).instrument
        ticks, lots = order.price_ticks, order.quantity_lots
        if given.get("newPrice"):
            ticks = parsing.price_ticks(instrument, "newPrice", given["newPrice"])
        if given.get("newSize"):
            lots = parsing.quantity_lots(instrument, "newSize", given["newSize"])
        self._exchange.amend(order, ticks, lots, now_ns)
        return {"newOrderId": order_id(order.number), "clientOid": client_id(order)}

    def _cancel(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._open_order(account, given)
        self._exchange.cancel(order, now_ns)
        return {"orderId": order_id(order.number)}

    def _cancel_by_client_id(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._open_order(account, given)
        self._exchange.cancel(order, now_ns)
        return {"clientOid": client_id(order)}

    def _cancel_sync(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._open_order(account, given)
        self._exchange.cancel(order, now_ns)
        return self.views[order.symbol].sync(order)

    def _cancel_symbol(self, account: Account, given: Parameters, now_ns: int) -> str:
        symbol = self._public.listing_of(given).symbol
        for order in self._open(account):
            if order.symbol == symbol:
                self._exchange.cancel(order, now_ns)
        return "success"

    def _cancel_all(self, account: Account, given: Parameters, now_ns: int) -> Json:
        orders = self._open(account)
        for order in orders:
            self._exchange.cancel(order, now_ns)
        names = sorted({self.views[order.symbol].id for order in orders})
        return {"succeedSymbols": names, "failedSymbols": []}

    def _active(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        symbol = self._public.listing_of(given).symbol
        return [
            self.views[order.symbol].order(order)
            for order in reversed(self._open(account))
            if order.symbol == symbol and self._engine.is_visible(order.opened_ns, now_ns)
        ]

    def _active_symbols(self, account: Account, given: Parameters, now_ns: int) -> Json:
        orders = [o for o in self._open(account) if self._engine.is_visible(o.opened_ns, now_ns)]
        return {"symbols": sorted({self.views[order.symbol].id for order in orders})}

    def _done(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return ended orders, newest first; `lastId` of one page asks for the next."""
        listing = self._public.listing_of(given)
        start_ns, end_ns = span(given)
        last_id = parsing.whole_number(given, "lastId", 0)
        orders = [
            order
            for order in reversed(self._records.orders.values())
            if (order.account, order.symbol) == (account.number, listing.symbol)
            and not order.is_open
            and not (order.trigger_ticks and not order.triggered_ns)
            and (last_id == 0 or order.number < last_id)
            and start_ns <= order.opened_ns < end_ns
            and _is_meant(given, order.side, is_market=order.is_market)
            and self._engine.is_visible(order.opened_ns, now_ns)
        ][: _limit(given)]
        rows = [self.views[order.symbol].order(order) for order in orders]
        return {"lastId": orders[-1].number if orders else 0, "items": rows}

    def _order(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._find(account, given)
        self._public.listing_of(given)
        if order is None or not self._engine.is_visible(order.opened_ns, now_ns):
            raise no_such_order()
        return self.views[order.symbol].order(order)

    def _fills(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return the account's trades, newest first; `lastId` of one page asks for the next."""
        listing = self._public.listing_of(given)
        start_ns, end_ns = span(given)
        last_id = parsing.whole_number(given, "lastId", 0)
        wanted = given.get("orderId", "")
        fills = [
            fill
            for fill in reversed(self._records.fills.values())
            if (fill.account, fill.symbol) == (account.number, listing.symbol)
            and (last_id == 0 or fill.number < last_id)
            and start_ns <= fill.at_ns < end_ns
            and wanted in ("", order_id(fill.order_number))
            and _is_meant(given, fill.side, is_market=fill.is_market)
            and self._engine.is_visible(fill.at_ns, now_ns)
        ][: _limit(given)]
        rows = [self.views[fill.symbol].trade(fill, _rate(account, fill)) for fill in fills]
        return {"items": rows, "lastId": fills[-1].number if fills else 0}

    # --- orders that wait for a price ----------------------------------------------------------

    def _place_stop(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._new(account, given, now_ns, waits=True)
        return {"orderId": order_id(order.number), "clientOid": client_id(order)}

    def _stops(self, account: Account, given: Parameters, now_ns: int) -> Json:
        wanted = self._public.listing_of(given).symbol if given.get("symbol") else ""
        orders = [
            order
            for order in reversed(self._waiting(account))
            if wanted in ("", order.symbol) and self._engine.is_visible(order.opened_ns, now_ns)
        ]
        return page(given, [self.views[order.symbol].stop_order(order) for order in orders])

    def _stop(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._find(account, given)
        is_one = order is not None and order.trigger_ticks
        if order is None or not is_one or not self._engine.is_visible(order.opened_ns, now_ns):
            raise no_such_order()
        return self.views[order.symbol].stop_order(order)

    def _stop_by_client_id(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        return [self._stop(account, given, now_ns)]

    def _cancel_stop(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._waiting_order(account, given)
        self._exchange.cancel(order, now_ns)
        return {"cancelledOrderIds": [order_id(order.number)]}

    def _cancel_stop_by_client_id(self, account: Account, given: Parameters, now_ns: int) -> Json:
        order = self._waiting_order(account, given)
        self._exchange.cancel(order, now_ns)
        return {"cancelledOrderId": order_id(order.number), "clientOid": client_id(order)}

    def _cancel_stops(self, account: Account, given: Parameters, now_ns: int) -> Json:
        wanted = self._public.listing_of(given).symbol if given.get("symbol") else ""
        ids = [each for each in given.get("orderIds", "").split(",") if each]
        cancelled = [
            order
            for order in self._waiting(account)
            if wanted in ("", order.symbol) and (not ids or order_id(order.number) in ids)
        ]
        for order in cancelled:
            self._exchange.cancel(order, now_ns)
        return {"cancelledOrderIds": [order_id(order.number) for order in cancelled]}

    # --- finding -------------------------------------------------------------------------------

    def _open(self, account: Account) -> list[Order]:
        return [o for o in self._records.open_orders_of(account.number) if not o.is_waiting]

    def _waiting(self, account: Account) -> list[Order]:
        return [o for o in self._records.open_orders_of(account.number) if o.is_waiting]

    def _open_order(self, account: Account, given: Parameters) -> Order:
        symbol = self._public.listing_of(given).symbol
        order = self._find(account, given)
        if order is None or not order.is_open or order.is_waiting or order.symbol != symbol:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        return order

    def _waiting_order(self, account: Account, given: Parameters) -> Order:
        order = self._find(account, given)
        if order is None or not order.is_waiting:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        return order

    def _find(self, account: Account, given: Parameters) -> Order | None:
        """Return the order that a request names by either id. Raises `KucoinError`."""
        text, name = given.get("orderId", ""), given.get("clientOid", "")
        if text:
            number = order_number(text)
            txid = transaction_id("O", number, self._engine.config.seed)
            return self._records.order_of(account.number, txid) if number else None
        if not name:
            raise invalid("orderId or clientOid is required")
        return next(self._named(account, name), None)

    def _named(self, account: Account, name: str) -> Iterator[Order]:
        for order in reversed(self._records.orders.values()):
            if order.account == account.number and client_id(order) == name:
                yield order


def _rate(account: Account, fill: Fill) -> int:
    return account.maker_ppm if fill.is_maker else account.taker_ppm


def _is_meant(given: Parameters, side: int, *, is_market: bool) -> bool:
    wanted_side, wanted_type = given.get("side", ""), given.get("type", "")
    return wanted_side in ("", "buy" if side > 0 else "sell") and wanted_type in (
        "",
        "market" if is_market else "limit",
    )


def _limit(given: Parameters) -> int:
    return max(1, min(parsing.whole_number(given, "limit", PAGE_ROWS), PAGE_ROWS_MAX))
