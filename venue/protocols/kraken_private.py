"""Kraken's private REST endpoints: balances, orders, trades, ledgers, tokens."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from venue.accounts import Account
from venue.engine import Engine
from venue.ids import token
from venue.instruments import Asset
from venue.orders import Fill, LedgerEntry, Order
from venue.protocols import kraken_orders as parsing
from venue.protocols.kraken_errors import (
    ORDER_RATE_LIMIT,
    RATE_LIMIT,
    UNKNOWN_METHOD,
    UNKNOWN_ORDER,
    KrakenError,
    invalid,
)
from venue.protocols.kraken_limits import RateLimits, amend_cost, cancel_cost
from venue.protocols.kraken_names import asset_id, pair_id, timestamp
from venue.protocols.kraken_public import PublicEndpoints, whole_number
from venue.protocols.kraken_tokens import Tokens
from venue.protocols.kraken_views import (
    Json,
    fill_info,
    ledger_info,
    order_info,
    sentence,
)

PAGE = 50  # Kraken answers histories in pages of fifty
QUERY_IDS_MAX = 50
CANCEL_AFTER_S_MAX = 86_400

_SECONDS = re.compile(r"[0-9]{1,12}(\.[0-9]{0,20})?")

Parameters = Mapping[str, str]
Item = TypeVar("Item", Order, Fill, LedgerEntry)


class PrivateEndpoints:
    """Answers what needs a key. The caller has authenticated and advanced the market."""

    def __init__(self, engine: Engine, public: PublicEndpoints, tokens: Tokens) -> None:
        self._engine = engine
        self._exchange = engine.exchange
        self._records = engine.records
        self._public = public
        self._tokens = tokens
        self.limits = RateLimits(engine.config.rate_tier)
        self._methods: dict[str, Callable[[Account, Parameters, int], Json]] = {
            "Balance": self._balance,
            "BalanceEx": self._balance_ex,
            "TradeBalance": self._trade_balance,
            "TradeVolume": self._trade_volume,
            "OpenOrders": self._open_orders,
            "ClosedOrders": self._closed_orders,
            "QueryOrders": self._query_orders,
            "TradesHistory": self._trades_history,
            "QueryTrades": self._query_trades,
            "Ledgers": self._ledgers,
            "AddOrder": self._add_order,
            "AmendOrder": self._amend_order,
            "CancelOrder": self._cancel_order,
            "CancelOrderBatch": self._cancel_order_batch,
            "CancelAll": self._cancel_all,
            "CancelAllOrdersAfter": self.cancel_after,
            "GetWebSocketsToken": self._token,
            "GetApiKeyInfo": self._key_info,
        }

    def answer(self, endpoint: str, account: Account, given: Parameters, now_ns: int) -> Json:
        """Return the result. Raises `KrakenError` and `RefusedError`."""
        method = self._methods.get(endpoint)
        if method is None:
            raise KrakenError(UNKNOWN_METHOD)
        if not self.limits.allows_request(account.number, endpoint, now_ns):
            raise KrakenError(RATE_LIMIT)
        return method(account, given, now_ns)

    # --- balances ----------------------------------------------------------------------------

    def _assets_of(self, account: Account) -> list[tuple[Asset, int, int]]:
        return [
            (asset, account.balances.get(name, 0), account.holds.get(name, 0))
            for name, asset in self._engine.assets.items()
            if name in account.balances
        ]

    def _balance(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {
            asset_id(asset): asset.format(units) for asset, units, _ in self._assets_of(account)
        }

    def _balance_ex(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {
            asset_id(asset): {"balance": asset.format(units), "hold_trade": asset.format(held)}
            for asset, units, held in self._assets_of(account)
        }

    def _trade_balance(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """All balances at last prices in the quote of the first market that has one."""
        listing = next(iter(self._engine.listings.values()))
        quote = listing.instrument.quote
        total_units = account.balances.get(quote.name, 0)
        for other in self._engine.listings.values():
            instrument = other.instrument
            if instrument.quote.name == quote.name:
                lots = account.balances.get(instrument.base.name, 0) // instrument.base_units(1)
                total_units += instrument.cost_units(other.last_ticks, lots)
        equity, nothing = quote.format(total_units), quote.format(0)
        zeros = dict.fromkeys(("m", "n", "c", "v"), nothing)
        return {"eb": equity, "tb": equity, **zeros, "e": equity, "mf": equity}

    def _trade_volume(self, account: Account, given: Parameters, now_ns: int) -> Json:
        names = [name for name in given.get("pair", "").split(",") if name]
        ids = [pair_id(self._public.listing_named(name).instrument) for name in names]

        def fees(rate_ppm: int) -> Json:
            percent = f"{rate_ppm // 10_000}.{rate_ppm % 10_000:04d}"
            tier = {"fee": percent, "minfee": percent, "maxfee": percent, "nextfee": None}
            return {name: {**tier, "tiervolume": "0.0000", "nextvolume": None} for name in ids}

        return {
            "currency": "ZUSD",
            "volume": "0.0000",
            "fees": fees(account.taker_ppm),
            "fees_maker": fees(account.maker_ppm),
        }

    # --- queries -----------------------------------------------------------------------------

    def _order_info(self, order: Order, given: Parameters) -> Json:
        listing = self._engine.listings[order.symbol]
        return order_info(listing, order, with_trades=_is_true(given.get("trades", "")))

    def _wanted(self, order: Order, given: Parameters, now_ns: int) -> bool:
        reference, client_id = given.get("userref", ""), given.get("cl_ord_id", "")
        return (
            self._engine.is_visible(order.opened_ns, now_ns)
            and (not reference or str(order.user_reference) == reference)
            and (not client_id or order.client_order_id == client_id)
        )

    def _open_orders(self, account: Account, given: Parameters, now_ns: int) -> Json:
        orders = self._records.open_orders_of(account.number)
        return {
            "open": {
                order.txid: self._order_info(order, given)
                for order in reversed(orders)
                if self._wanted(order, given, now_ns)
            }
        }

    def _closed_orders(self, account: Account, given: Parameters, now_ns: int) -> Json:
        orders = [
            order
            for order in self._records.orders.values()
            if order.account == account.number
            and not order.is_open
            and self._wanted(order, given, now_ns)
        ]
        page, count = self._page(orders, given, lambda order: order.closed_ns)
        return {
            "closed": {order.txid: self._order_info(order, given) for order in page},
            "count": count,
        }

    def _query_orders(self, account: Account, given: Parameters, now_ns: int) -> Json:
        found: Json = {}
        for txid in _ids(given, "txid"):
            order = self._records.order_of(account.number, txid)
            if order is not None and self._wanted(order, given, now_ns):
                found[txid] = self._order_info(order, given)
        return found

    def _fill_info(self, fill: Fill) -> Json:
        order = self._records.orders.get(fill.order_txid)
        client_order_id = order.client_order_id if order is not None else ""
        return fill_info(self._engine.listings[fill.symbol], fill, client_order_id)

    def _trades_history(self, account: Account, given: Parameters, now_ns: int) -> Json:
        fills = [
            fill
            for fill in self._records.fills.values()
            if fill.account == account.number and self._engine.is_visible(fill.at_ns, now_ns)
        ]
        page, count = self._page(fills, given, lambda fill: fill.at_ns)
        return {"trades": {fill.txid: self._fill_info(fill) for fill in page}, "count": count}

    def _query_trades(self, account: Account, given: Parameters, now_ns: int) -> Json:
        fills = (self._records.fills.get(txid) for txid in _ids(given, "txid"))
        return {
            fill.txid: self._fill_info(fill)
            for fill in fills
            if fill is not None
            and fill.account == account.number
            and self._engine.is_visible(fill.at_ns, now_ns)
        }

    def _ledgers(self, account: Account, given: Parameters, now_ns: int) -> Json:
        kind = given.get("type", "all")
        wanted = set(filter(None, given.get("asset", "all").split(",")))
        assets = {name: (asset_id(a), a.decimals) for name, a in self._engine.assets.items()}
        entries = [
            entry
            for entry in self._records.ledger.values()
            if entry.account == account.number
            and kind in ("all", entry.kind)
            and wanted & {"all", entry.asset, assets[entry.asset][0]}
        ]
        page, count = self._page(entries, given, lambda entry: entry.at_ns)
        return {
            "ledger": {entry.txid: ledger_info(assets, entry) for entry in page},
            "count": count,
        }

    def _page(
        self, items: Iterable[Item], given: Parameters, at_ns: Callable[[Item], int]
    ) -> tuple[list[Item], int]:
        """Return a page, newest first, and how many there are in all."""
        start_ns = _bound_ns(given, "start", 0)
        end_ns = _bound_ns(given, "end", 1 << 62)
        chosen = [item for item in items if start_ns < at_ns(item) <= end_ns]
        chosen.sort(key=at_ns, reverse=True)
        offset = max(0, whole_number(given, "ofs", 0))
        return chosen[offset : offset + PAGE], len(chosen)

    # --- orders ------------------------------------------------------------------------------

    def _add_order(self, account: Account, given: Parameters, now_ns: int) -> Json:
        listing = self._public.listing_named(given.get("pair", ""))
        parameters = parsing.from_rest(given)
        instrument = listing.instrument
        request = parsing.order_request(self._exchange, instrument, parameters, now_ns)
        ticks = request.trigger.ticks or request.price_ticks
        price = instrument.format_price(ticks) if ticks else "0"
        kind = given["ordertype"]
        order_text = sentence(instrument, request.side, request.quantity_lots, price, kind)
        if _is_true(given.get("validate", "")):
            self._exchange.check(account, request)
            return {"descr": {"order": order_text}}
        if not self.limits.allows_order(account.number, request.symbol, now_ns):
            raise KrakenError(ORDER_RATE_LIMIT)
        order = self._exchange.place(account, request, now_ns)
        return {"descr": {"order": order_text}, "txid": [order.txid]}

    def amend(self, account: Account, given: Parameters, now_ns: int) -> tuple[Order, str]:
        """Amend the order that `given` names; return it and the amend id."""
        order = self._one_order(account, given)
        instrument = self._engine.listings[order.symbol].instrument
        parsing.check_deadline(given.get("deadline", ""), now_ns)
        price, quantity = given.get("limit_price", ""), given.get("order_qty", "")
        ticks = parsing.price_ticks(instrument, price) if price else order.price_ticks
        lots = parsing.quantity_lots(instrument, quantity) if quantity else order.quantity_lots
        cost = amend_cost(now_ns - order.opened_ns)
        self.limits.count(account.number, order.symbol, cost, now_ns)
        post_only = _is_true(given.get("post_only", ""))
        self._exchange.amend(order, ticks, lots, now_ns, post_only=post_only)
        return order, self._records.new_txid("T", "amend")

    def _amend_order(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {"amend_id": self.amend(account, given, now_ns)[1]}

    def _one_order(self, account: Account, given: Parameters) -> Order:
        client_id = given.get("cl_ord_id", "")
        txid = given.get("txid", "") or given.get("order_id", "")
        for order in self._records.open_orders_of(account.number):
            if (client_id and order.client_order_id == client_id) or order.txid == txid:
                return order
        raise KrakenError(UNKNOWN_ORDER)

    def cancel_orders(self, account: Account, names: Iterable[str], now_ns: int) -> list[Order]:
        """Cancel every open order that a name (txid, cl_ord_id or userref) means.

        Raises `KrakenError` when they mean none.
        """
        wanted = {name for name in names if name}
        if not wanted:
            raise invalid("txid")
        orders = [
            order
            for order in self._records.open_orders_of(account.number)
            if wanted & {order.txid, order.client_order_id, str(order.user_reference or "-")}
        ]
        if not orders:
            raise KrakenError(UNKNOWN_ORDER)
        for order in orders:
            cost = cancel_cost(now_ns - order.opened_ns)
            self.limits.count(account.number, order.symbol, cost, now_ns)
            self._exchange.cancel(order, now_ns)
        return orders

    def _cancel_order(self, account: Account, given: Parameters, now_ns: int) -> Json:
        names = (given.get("txid", ""), given.get("cl_ord_id", ""))
        return {"count": len(self.cancel_orders(account, names, now_ns))}

    def _cancel_order_batch(self, account: Account, given: Parameters, now_ns: int) -> Json:
        names = f"{given.get('orders', '')},{given.get('cl_ord_ids', '')}".split(",")
        return {"count": len(self.cancel_orders(account, names, now_ns))}

    def _cancel_all(self, account: Account, given: Parameters, now_ns: int) -> Json:
        return {"count": self._exchange.cancel_all(account, now_ns)}

    def cancel_after(self, account: Account, given: Parameters, now_ns: int) -> Json:
        """Set, move or (with zero) switch off the dead man's switch of `account`."""
        timeout_s = whole_number(given, "timeout", -1)
        if not 0 <= timeout_s <= CANCEL_AFTER_S_MAX:
            raise invalid("timeout")
        account.cancel_after_ns = now_ns + timeout_s * 1_000_000_000 if timeout_s else 0
        self._records.touch_account(account)
        trigger = f"{timestamp(account.cancel_after_ns)[:19]}Z" if timeout_s else "0"
        return {"currentTime": f"{timestamp(now_ns)[:19]}Z", "triggerTime": trigger}

    def _key_info(self, account: Account, given: Parameters, now_ns: int) -> Json:
        trades = ["modify-trades", "close-trades"] if account.may_trade else []
        withdraws = ["withdraw-funds"] if account.may_withdraw else []
        reads = ["query-funds", "query-open-trades", "query-closed-trades", "query-ledger"]
        return {
            "api_key_name": account.name,
            "permissions": [*reads, *trades, *withdraws, "create-ws-token"],
        }

    def _token(self, account: Account, given: Parameters, now_ns: int) -> Json:
        issued = token(self._records.next_number("token"), self._engine.config.seed)
        self._tokens.issue(issued, account.number, now_ns)
        return {"token": issued, "expires": self._tokens.lifetime_s}


def _is_true(text: str) -> bool:
    return text.lower() in ("true", "1")


def _ids(given: Parameters, name: str) -> list[str]:
    ids = [part for part in given.get(name, "").split(",") if part]
    if not 1 <= len(ids) <= QUERY_IDS_MAX:
        raise invalid(name)
    return ids


def _bound_ns(given: Parameters, name: str, default_ns: int) -> int:
    text = given.get(name, "")
    if not text:
        return default_ns
    if not _SECONDS.fullmatch(text):
        raise invalid(name)
    whole, _, fraction = text.partition(".")
    return int(whole + fraction[:9].ljust(9, "0"))
