"""What needs a key, spot and futures alike: placing, cancelling, and asking for orders."""

from collections.abc import Callable, Iterable, Mapping

from venue.accounts import Account
from venue.engine import Engine
from venue.listing import Listing
from venue.orders import Fill, Order
from venue.protocols import binance_orders as parsing
from venue.protocols.binance_errors import BinanceError, mandatory, no_such_order
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_names import MS_NS
from venue.protocols.binance_public import (
    ROWS_DEFAULT,
    ROWS_MAX,
    PublicEndpoints,
    whole_number,
)
from venue.protocols.binance_views import Views
from venue.refusals import Refusal, RefusedError

Json = dict[str, object]
Answer = Json | list[Json]
Parameters = Mapping[str, str]
Method = Callable[[Account, Parameters, int], Answer]


class OrderEndpoints:
    """Orders and trades. The caller has authenticated and advanced the market."""

    def __init__(self, engine: Engine, flavor: Flavor, public: PublicEndpoints) -> None:
        self.engine = engine
        self.exchange = engine.exchange
        self.records = engine.records
        self.flavor = flavor
        self.public = public
        self.views = {symbol: Views(flavor, each) for symbol, each in engine.listings.items()}

    # --- changing ------------------------------------------------------------------------------

    def test_order(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Check a new order and do nothing."""
        listing = self.public.listing_of(given)
        request = parsing.order_request(self.flavor, self.exchange, listing, given)
        self.exchange.check(account, request)
        return {}

    def place(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Place an order."""
        listing = self.public.listing_of(given)
        request = parsing.order_request(self.flavor, self.exchange, listing, given)
        order = self.exchange.place(account, request, now_ns)
        kind = given.get("newOrderRespType", "") or _default_answer(order)
        return self.views[order.symbol].placed(order, self._fills(order), kind)

    def cancel(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Cancel an order by either id."""
        order = self._open_order(account, given)
        self.exchange.cancel(order, now_ns)
        request_id = parsing.client_order_id(given, "newClientOrderId")
        return self.views[order.symbol].cancelled(order, request_id)

    def cancel_all(self, account: Account, given: Parameters, now_ns: int) -> Answer:
        """Cancel every open order of a symbol."""
        listing = self.public.listing_of(given)
        orders = [each for each in self.open_of(account) if each.symbol == listing.symbol]
        if self.flavor.is_futures:
            orders = [each for each in orders if not each.is_waiting]
        elif not orders:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        for order in orders:
            self.exchange.cancel(order, now_ns)
        if self.flavor.is_futures:
            return {"code": 200, "msg": "The operation of cancel all open order is done."}
        return [self.views[each.symbol].cancelled(each, "") for each in orders]

    # --- asking --------------------------------------------------------------------------------

    def order(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return one order, if it shows already."""
        found = self.find(account, given, now_ns)
        return self.views[found.symbol].order(found)

    def open_orders(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        """Return the open orders; conditional orders of futures are asked for elsewhere."""
        wanted = self.public.listing_of(given).symbol if given.get("symbol") else ""
        return [
            self.views[order.symbol].order(order)
            for order in self.open_of(account)
            if wanted in ("", order.symbol)
            and not (self.flavor.is_futures and order.is_waiting)
            and self.engine.is_visible(order.opened_ns, now_ns)
        ]

    def all_orders(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        """Return orders of a symbol, oldest first."""
        orders = self.orders_of(account, self.public.listing_of(given), given, now_ns)
        return [
            self.views[order.symbol].order(order)
            for order in orders
            if not (self.flavor.is_futures and order.trigger_ticks and not order.triggered_ns)
        ]

    def my_trades(self, account: Account, given: Parameters, now_ns: int) -> list[Json]:
        """Return the account's trades of a symbol, oldest first."""
        listing = self.public.listing_of(given)
        from_id = whole_number(given, "fromId", 0)
        order_id = whole_number(given, "orderId", 0)
        start_ns, end_ns = _span(given)
        fills = [
            fill
            for fill in self.records.fills.values()
            if (fill.account, fill.symbol) == (account.number, listing.symbol)
            and start_ns <= fill.at_ns < end_ns
            and fill.trade_number >= from_id
            and order_id in (0, fill.order_number)
            and self.engine.is_visible(fill.at_ns, now_ns)
        ]
        limit = _limit(given)
        fills = fills[:limit] if from_id or start_ns else fills[-limit:]
        return [self.views[fill.symbol].trade(fill) for fill in fills]

    # --- for both ------------------------------------------------------------------------------

    def open_of(self, account: Account) -> list[Order]:
        """Return the account's open orders, oldest first."""
        return self.records.open_orders_of(account.number)

    def orders_of(
        self, account: Account, listing: Listing, given: Parameters, now_ns: int
    ) -> list[Order]:
        """Return the orders that a query for history asks for."""
        from_id = whole_number(given, "orderId", 0)
        start_ns, end_ns = _span(given)
        orders = [
            order
            for order in self.records.orders.values()
            if (order.account, order.symbol) == (account.number, listing.symbol)
            and order.number >= from_id
            and start_ns <= order.opened_ns < end_ns
            and self.engine.is_visible(order.opened_ns, now_ns)
        ]
        limit = _limit(given)
        return orders[:limit] if from_id or start_ns else orders[-limit:]

    def find(self, account: Account, given: Parameters, now_ns: int) -> Order:
        """Return the order that a query names, the newest of equal ids. Raises `BinanceError`."""
        listing = self.public.listing_of(given)
        mine = (
            order
            for order in reversed(self.records.orders.values())
            if (order.account, order.symbol) == (account.number, listing.symbol)
        )
        order = self._named(mine, given)
        if order is None or not self.engine.is_visible(order.opened_ns, now_ns):
            raise no_such_order()
        return order

    def _open_order(self, account: Account, given: Parameters) -> Order:
        listing = self.public.listing_of(given)
        mine = (each for each in self.open_of(account) if each.symbol == listing.symbol)
        order = self._named(mine, given)
        if order is None:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        return order

    @staticmethod
    def _named(orders: Iterable[Order], given: Parameters) -> Order | None:
        number = whole_number(given, "orderId", 0) or whole_number(given, "algoId", 0)
        name = given.get("origClientOrderId", "") or given.get("clientAlgoId", "")
        if not number and not name:
            raise BinanceError(
                -1102,
                "Param 'origClientOrderId' or 'orderId' must be sent, but both were empty/null!",
            )
        for order in orders:
            if number in (0, order.number) and name in ("", order.client_order_id):
                return order
        return None

    def _fills(self, order: Order) -> list[Fill]:
        fills = (self.records.fills.get(txid) for txid in order.fills)
        return [fill for fill in fills if fill is not None]


def required(given: Parameters, name: str) -> str:
    """Return a parameter that must be there. Raises `BinanceError`."""
    text = given.get(name, "")
    if not text:
        raise mandatory(name)
    return text


def _default_answer(order: Order) -> str:
    return "ACK" if order.trigger_ticks else "FULL"


def _limit(given: Parameters) -> int:
    return max(1, min(whole_number(given, "limit", ROWS_DEFAULT), ROWS_MAX))


def _span(given: Parameters) -> tuple[int, int]:
    """Return from when to before when a history is asked for, in ns."""
    end_ms = whole_number(given, "endTime", 0)
    end_ns = (end_ms + 1) * MS_NS if end_ms else 1 << 62
    return whole_number(given, "startTime", 0) * MS_NS, end_ns
