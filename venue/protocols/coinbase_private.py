"""What needs a key: wallets, fees, orders and their history."""

from collections.abc import Callable, Iterator

from venue.accounts import Account
from venue.engine import Engine
from venue.ids import transaction_id
from venue.instruments import MalformedNumberError, format_units
from venue.orders import Fill, LedgerEntry, Order
from venue.protocols import coinbase_orders as parsing
from venue.protocols.coinbase_errors import (
    REFUSALS,
    OrderError,
    Words,
    invalid,
    not_found,
)
from venue.protocols.coinbase_names import (
    account_id,
    order_id,
    order_number,
    order_type,
    product_id,
    side_name,
    status_name,
    time_ns,
    time_text,
)
from venue.protocols.coinbase_public import Asked, Json, PublicEndpoints
from venue.protocols.coinbase_views import Views, client_id, older_wallet, wallet
from venue.refusals import Refusal, RefusedError

Method = Callable[[Account, Asked, int], Json]

ROWS_DEFAULT = 100
ROWS_MAX = 1_000
CANCELS_MAX = 100
PPM_DECIMALS = 6
_NO_SUCH_ORDER = "order with this orderID was not found"


class PrivateEndpoints:
    """By method and endpoint. The caller has authenticated and advanced the market."""

    def __init__(self, engine: Engine, public: PublicEndpoints) -> None:
        self._engine = engine
        self._exchange = engine.exchange
        self._records = engine.records
        self._public = public
        self.views = {symbol: Views(each) for symbol, each in engine.listings.items()}
        self.methods: dict[tuple[str, str], Method] = {
            ("GET", "brokerage/accounts"): self._wallets,
            ("GET", "brokerage/accounts/{account_uuid}"): self._wallet,
            ("GET", "brokerage/transaction_summary"): self._summary,
            ("GET", "brokerage/key_permissions"): self._permissions,
            ("GET", "brokerage/portfolios"): self._portfolios,
            ("POST", "brokerage/orders"): self._place,
            ("POST", "brokerage/orders/preview"): self._preview,
            ("POST", "brokerage/orders/edit"): self._edit,
            ("POST", "brokerage/orders/edit_preview"): self._edit_preview,
            ("POST", "brokerage/orders/batch_cancel"): self._cancel,
            ("GET", "brokerage/orders/historical/batch"): self._orders,
            ("GET", "brokerage/orders/historical/fills"): self._fills,
            ("GET", "brokerage/orders/historical/{order_id}"): self._order,
            ("GET", "accounts"): self._older_wallets,
            ("GET", "accounts/{account_id}/transactions"): self._transactions,
        }

    # --- the account ---------------------------------------------------------------------------

    def _wallets(self, account: Account, asked: Asked, now_ns: int) -> Json:
        rows = [
            wallet(account, asset, at, self._engine.started_ns)
            for at, (name, asset) in enumerate(self._engine.assets.items())
            if name in account.balances
        ]
        return {"accounts": rows, "has_next": False, "cursor": "", "size": len(rows)}

    def _wallet(self, account: Account, asked: Asked, now_ns: int) -> Json:
        at, name = self._asset_of(account, asked.path["account_uuid"])
        asset = self._engine.assets[name]
        return {"account": wallet(account, asset, at, self._engine.started_ns)}

    def _older_wallets(self, account: Account, asked: Asked, now_ns: int) -> Json:
        rows = [
            older_wallet(account, asset, at, self._engine.started_ns)
            for at, (name, asset) in enumerate(self._engine.assets.items())
            if name in account.balances
        ]
        return {"pagination": {"limit": 250, "next_uri": None}, "data": rows}

    def _asset_of(self, account: Account, uuid: str) -> tuple[int, str]:
        for at, name in enumerate(self._engine.assets):
            if account_id(account.number, at) == uuid:
                return at, name
        raise not_found("account was not found")

    def _transactions(self, account: Account, asked: Asked, now_ns: int) -> Json:
        """Return deposits and withdrawals of one wallet, newest first."""
        _, name = self._asset_of(account, asked.path["account_id"])
        rows = [
            self._transaction(entry)
            for entry in reversed(self._records.ledger.values())
            if (entry.account, entry.asset) == (account.number, name)
            and entry.kind in ("deposit", "withdrawal")
        ]
        return {"pagination": {"limit": ROWS_DEFAULT, "next_uri": None}, "data": rows}

    def _transaction(self, entry: LedgerEntry) -> Json:
        asset = self._engine.assets[entry.asset]
        amount = {"amount": asset.format(entry.amount_units), "currency": entry.asset}
        return {
            "id": entry.txid,
            "type": "send" if entry.kind == "deposit" else "pro_withdrawal",
            "status": "completed",
            "amount": amount,
            "native_amount": amount,
            "description": None,
            "created_at": time_text(entry.at_ns),
            "updated_at": time_text(entry.at_ns),
            "resource": "transaction",
        }

    def _summary(self, account: Account, asked: Asked, now_ns: int) -> Json:
        return {
            "total_volume": 0,
            "total_fees": 0,
            "fee_tier": {
                "pricing_tier": "Advanced 1",
                "usd_from": "0",
                "usd_to": "10000",
                "taker_fee_rate": format_units(account.taker_ppm, PPM_DECIMALS),
                "maker_fee_rate": format_units(account.maker_ppm, PPM_DECIMALS),
                "aop_from": "",
                "aop_to": "",
            },
            "margin_rate": None,
            "goods_and_services_tax": None,
            "advanced_trade_only_volume": 0,
            "advanced_trade_only_fees": 0,
            "coinbase_pro_volume": 0,
            "coinbase_pro_fees": 0,
            "total_balance": "",
            "has_promo_fee": False,
        }

    def _permissions(self, account: Account, asked: Asked, now_ns: int) -> Json:
        return {
            "can_view": True,
            "can_trade": account.may_trade,
            "can_transfer": False,
            "portfolio_uuid": f"box-{account.number}",
            "portfolio_type": "DEFAULT",
        }

    def _portfolios(self, account: Account, asked: Asked, now_ns: int) -> Json:
        row = {"name": account.name, "uuid": f"box-{account.number}", "type": "DEFAULT"}
        return {"portfolios": [{**row, "deleted": False}]}

    # --- placing and cancelling ----------------------------------------------------------------

    def _place(self, account: Account, asked: Asked, now_ns: int) -> Json:
        """Place an order; a `client_order_id` used before gets the order that has it."""
        listing = self._public.listing_of(str(asked.body.get("product_id", "")))
        name = parsing.client_order_id(asked.body)
        if not name:
            raise invalid("client_order_id is missing")
        try:
            order = next(self._named(account, name), None)
            if order is None:
                request = parsing.order_request(self._exchange, listing, asked.body, now_ns)
                order = self._exchange.place(account, request, now_ns)
        except (OrderError, RefusedError) as error:
            return self._failure(words_of(error), asked)
        return {
            "success": True,
            "failure_reason": "UNKNOWN_FAILURE_REASON",
            "order_id": order_id(order.number),
            "success_response": {
                "order_id": order_id(order.number),
                "product_id": product_id(listing.instrument),
                "side": side_name(order.side),
                "client_order_id": client_id(order),
            },
            "order_configuration": asked.body.get("order_configuration"),
        }

    @staticmethod
    def _failure(words: Words, asked: Asked) -> Json:
        return {
            "success": False,
            "failure_reason": "UNKNOWN_FAILURE_REASON",
            "order_id": "",
            "error_response": {
                "error": words.failure,
                "message": words.message,
                "error_details": "",
                "preview_failure_reason": words.preview,
                "new_order_failure_reason": words.failure,
            },
            "order_configuration": asked.body.get("order_configuration"),
        }

    def _preview(self, account: Account, asked: Asked, now_ns: int) -> Json:
        """Say what an order would cost, or why it would be refused; do nothing."""
        listing = self._public.listing_of(str(asked.body.get("product_id", "")))
        numbers, errors = self._public.numbers[listing.symbol], []
        lots, held_units = 0, 0
        try:
            request = parsing.order_request(self._exchange, listing, asked.body, now_ns)
            lots = request.quantity_lots
            held_units = self._exchange.check(account, request)
        except (OrderError, RefusedError) as error:
            errors.append(words_of(error).preview)
        return {
            "order_total": numbers.quote(held_units if asked.body.get("side") == "BUY" else 0),
            "commission_total": "0",
            "errs": errors,
            "warning": [],
            "quote_size": "0",
            "base_size": numbers.quantity(lots),
            "best_bid": numbers.price(listing.book.best_bid_ticks()),
            "best_ask": numbers.price(listing.book.best_ask_ticks()),
            "is_max": False,
            "slippage": "0",
            "preview_id": "",
        }

    def _cancel(self, account: Account, asked: Asked, now_ns: int) -> Json:
        names = asked.body.get("order_ids")
        if not isinstance(names, list) or not 1 <= len(names) <= CANCELS_MAX:
            raise invalid(f"order_ids needs 1 to {CANCELS_MAX} ids")
        return {"results": [self._cancelled(account, str(name), now_ns) for name in names]}

    def _cancelled(self, account: Account, name: str, now_ns: int) -> Json:
        order = self._find(account, name)
        row: Json = {"success": True, "failure_reason": "UNKNOWN_CANCEL_FAILURE_REASON"}
        if order is None:
            row = {"success": False, "failure_reason": "UNKNOWN_CANCEL_ORDER"}
        elif not order.is_open:
            row = {"success": False, "failure_reason": "INVALID_CANCEL_REQUEST"}
        else:
            self._exchange.cancel(order, now_ns)
        return {**row, "order_id": name}

    # --- editing -------------------------------------------------------------------------------

    def _edit(self, account: Account, asked: Asked, now_ns: int) -> Json:
        """Change price or size of an open GTC order."""
        try:
            order, ticks, lots = self._edited(account, asked)
            self._exchange.amend(order, ticks, lots, now_ns)
        except (OrderError, RefusedError) as error:
            return {"success": False, "errors": [self._edit_failure(error)]}
        return {"success": True, "errors": []}

    def _edit_preview(self, account: Account, asked: Asked, now_ns: int) -> Json:
        try:
            order, ticks, lots = self._edited(account, asked)
        except (OrderError, RefusedError) as error:
            return {"errors": [self._edit_failure(error)]}
        numbers, listing = self._public.numbers[order.symbol], self._engine.listings[order.symbol]
        return {
            "errors": [],
            "slippage": "0",
            "order_total": numbers.quote(listing.instrument.cost_units(ticks, lots)),
            "commission_total": "0",
            "quote_size": "0",
            "base_size": numbers.quantity(lots),
            "best_bid": numbers.price(listing.book.best_bid_ticks()),
            "best_ask": numbers.price(listing.book.best_ask_ticks()),
            "average_filled_price": numbers.average(order.cost_units, order.filled_lots),
        }

    def _edited(self, account: Account, asked: Asked) -> tuple[Order, int, int]:
        order = self._find(account, str(asked.body.get("order_id", "")))
        if order is None or not order.is_open:
            raise RefusedError(Refusal.UNKNOWN_ORDER)
        if order.is_waiting or order.expire_ns:
            raise OrderError(_ONLY_GTC)
        instrument = self._engine.listings[order.symbol].instrument
        try:
            price, size = str(asked.body.get("price", "")), str(asked.body.get("size", ""))
            ticks = instrument.parse_price(price) if price else order.price_ticks
            lots = instrument.parse_quantity(size) if size else order.quantity_lots
        except MalformedNumberError as error:
            raise OrderError(_PRECISION) from error
        return order, ticks, lots

    @staticmethod
    def _edit_failure(error: OrderError | RefusedError) -> Json:
        words = words_of(error)
        edit = "ORDER_NOT_FOUND" if _is_unknown(error) else words.failure
        return {"edit_failure_reason": edit, "preview_failure_reason": words.preview}

    # --- asking --------------------------------------------------------------------------------

    def _order(self, account: Account, asked: Asked, now_ns: int) -> Json:
        order = self._find(account, asked.path["order_id"])
        if order is None or not self._engine.is_visible(order.opened_ns, now_ns):
            raise not_found(_NO_SUCH_ORDER)
        return {"order": self.views[order.symbol].order(order)}

    def _orders(self, account: Account, asked: Asked, now_ns: int) -> Json:
        """Return orders, newest first; a page's `cursor` asks for the next."""
        states = asked.query.get("order_status", [])
        if "OPEN" in states and len(states) > 1:
            raise invalid("OPEN cannot be asked for together with other states")
        limit = max(1, min(asked.whole("limit", ROWS_DEFAULT), ROWS_MAX))
        found = self._asked_orders(account, asked, now_ns)
        page = [order for order, _ in zip(found, range(limit + 1), strict=False)]
        more, page = len(page) > limit, page[:limit]
        return {
            "orders": [self.views[order.symbol].order(order) for order in page],
            "sequence": "0",
            "has_next": more,
            "cursor": str(page[-1].number) if more else "",
        }

    def _asked_orders(self, account: Account, asked: Asked, now_ns: int) -> Iterator[Order]:
        states, kinds = (asked.query.get(n, []) for n in ("order_status", "order_types"))
        products = asked.query.get("product_ids", []) + asked.query.get("product_id", [])
        ids = asked.query.get("order_ids", [])
        before, side = asked.whole("cursor", 1 << 62), asked.one("order_side")
        start_ns, end_ns = _span(asked, "start_date", "end_date")
        for order in reversed(self._records.orders.values()):
            if (
                order.account == account.number
                and order.number < before
                and start_ns <= order.opened_ns < end_ns
                and (not products or self.views[order.symbol].id in products)
                and (not ids or order_id(order.number) in ids)
                and side in ("", side_name(order.side))
                and (not states or status_name(order) in states)
                and (not kinds or order_type(order) in kinds)
                and self._engine.is_visible(order.opened_ns, now_ns)
            ):
                yield order

    def _fills(self, account: Account, asked: Asked, now_ns: int) -> Json:
        """Return fills, newest first; a page's `cursor` asks for the next."""
        limit = max(1, min(asked.whole("limit", ROWS_DEFAULT), ROWS_MAX))
        found = self._asked_fills(account, asked, now_ns)
        page = [fill for fill, _ in zip(found, range(limit + 1), strict=False)]
        more, page = len(page) > limit, page[:limit]
        return {
            "fills": [self.views[fill.symbol].fill(fill) for fill in page],
            "cursor": str(page[-1].number) if more else "",
        }

    def _asked_fills(self, account: Account, asked: Asked, now_ns: int) -> Iterator[Fill]:
        products = asked.query.get("product_ids", []) + asked.query.get("product_id", [])
        ids = asked.query.get("order_ids", []) + asked.query.get("order_id", [])
        before = asked.whole("cursor", 1 << 62)
        start_ns, end_ns = _span(asked, "start_sequence_timestamp", "end_sequence_timestamp")
        for fill in reversed(self._records.fills.values()):
            if (
                fill.account == account.number
                and fill.number < before
                and start_ns <= fill.at_ns < end_ns
                and (not products or self.views[fill.symbol].id in products)
                and (not ids or order_id(fill.order_number) in ids)
                and self._engine.is_visible(fill.at_ns, now_ns)
            ):
                yield fill

    # --- finding -------------------------------------------------------------------------------

    def _find(self, account: Account, name: str) -> Order | None:
        number = order_number(name)
        txid = transaction_id("O", number, self._engine.config.seed)
        return self._records.order_of(account.number, txid) if number else None

    def _named(self, account: Account, name: str) -> Iterator[Order]:
        for order in reversed(self._records.orders.values()):
            if order.account == account.number and order.client_order_id == name:
                yield order


def words_of(error: OrderError | RefusedError) -> Words:
    """Return what the venue says to a refused order."""
    return error.words if isinstance(error, OrderError) else REFUSALS[error.refusal]


def _is_unknown(error: OrderError | RefusedError) -> bool:
    return isinstance(error, RefusedError) and error.refusal is Refusal.UNKNOWN_ORDER


def _span(asked: Asked, start: str, end: str) -> tuple[int, int]:
    """Return from when to before when a history is asked for, in ns. Raises `CoinbaseError`."""
    since, until = asked.one(start), asked.one(end)
    try:
        return time_ns(since) if since else 0, time_ns(until) + 1 if until else 1 << 62
    except ValueError as error:
        raise invalid(f"{start} or {end} is not a time as RFC 3339 has it") from error


_ONLY_GTC = Words(
    "ONLY_LIMIT_ORDER_EDITS_SUPPORTED", "PREVIEW_INVALID_ORDER_CONFIG", "Only GTC limit orders"
)
_PRECISION = Words(
    "INVALID_PRICE_PRECISION", "PREVIEW_INVALID_PRICE_PRECISION", "Too many decimals"
)
