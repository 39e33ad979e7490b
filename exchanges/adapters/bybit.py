"""Bybit spot, unified account: REST, orders and error codes. The streams are in `bybit_streams`.

Orders are named by their symbol and Bybit's id, `ETHUSDT-123`, since a cancellation wants both.
Sources: bybit-exchange.github.io/docs/v5, ccxt 4.5.90's class.
"""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from exchanges.adapters.base import Adapter, Decoded, Refused, Subscription, Topic
from exchanges.adapters.bybit_orders import BybitOrders
from exchanges.adapters.bybit_streams import STATUS, BybitStreams, balance_of, fill_fee
from exchanges.adapters.numbers import decimals, ns_of_ms, plain
from exchanges.adapters.wires import OrderWire
from exchanges.ccxt_names import errors as ccxt_errors
from exchanges.errors import Code, Reason, Rule, VenueError
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND
from exchanges.types import (
    AccountFee,
    Balance,
    Endpoints,
    Fee,
    FillReport,
    Instrument,
    OrderChange,
    OrderReport,
    OrderTicket,
    TransferReport,
)

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

SPOT = "spot"
# A submit that is given longer is cut: earlier is always safe.
RECEIVE_WINDOW_MS_MAX = 60_000
# The most rows of one answer, and how many answers one span is asked for.
ORDER_ROWS, FILL_ROWS, LOG_ROWS = 50, 100, 50
PAGES_MAX = 200
# A history is asked for week by week, as far back as Bybit keeps one.
SPAN_MS = 7 * 86_400_000
HISTORY_MS_MAX = 730 * 86_400_000
# Symbols of submitted orders that are remembered for cancellations by our id.
REMEMBERED_MAX = 1_000

Row = Mapping[str, Any]
Ask = Callable[[dict[str, Any]], Awaitable[Any]]


def _rules() -> tuple[Rule, ...]:
    # Codes. The order matters: the first match decides.
    words: list[tuple[str, Code, Reason]] = [
        ("170213|110001|170139|170142|170143|170190|110008|110010", Code.NOT_FOUND, ""),
        ("10002", Code.REJECTED, "deadline_elapsed"),
        ("170131|170033|110004|110006|110007|110012|110045", Code.INSUFFICIENT_FUNDS, ""),
        ("170141|110072|12141", Code.REJECTED, "duplicate_client_order_id"),
        ("170218", Code.REJECTED, "post_only_would_take"),
        ("170136|170140|110094", Code.REJECTED, "minimum"),
        ("170810|110009|110020|170005", Code.REJECTED, "limit_of_orders"),
        (
            "170132|170133|170134|170135|170137|170148|170193|170194|110003|170124",
            Code.REJECTED,
            "off_grid",
        ),
        ("170151|170157|110066|110063|170031", Code.REJECTED, "market_mode"),
        ("10006|10018|170222|10429", Code.RATE_LIMITED, ""),
        ("10003|10004|10005|10007|10009|10010|10024|10027|10028", Code.AUTHENTICATION, ""),
        # What says that the answer was not in time, or that something within Bybit broke.
        ("10000|10016|10019|170001|170007|170032|170146|170147|170234", Code.AMBIGUOUS, ""),
        (r"10001|10014|10017|1701\d\d|1702\d\d", Code.INVALID, ""),
    ]
    unchanged = Rule(re.compile("order remains unchanged"), Code.REJECTED, "other")
    return (
        unchanged,
        *(
            Rule(pattern=re.compile(rf'"retCode":\s*"?({codes})\b'), code=code, reason=reason)
            for codes, code, reason in words
        ),
    )


def _sign(
    self: "TrioExchange",
    path: str,
    api: Any,  # noqa: ANN401 - ccxt's
    method: str,
    params: dict[str, Any],
) -> dict[str, Any]:
    """Sign with the receive window that the request names: ccxt has one for all."""
    wanted = dict(params)
    window = wanted.pop("recvWindow", None)
    usual = self.options["recvWindow"]
    if window is not None:
        self.options["recvWindow"] = window
    try:
        signed: dict[str, Any] = super(type(self), self).sign(path, api, method, wanted)
    finally:
        self.options["recvWindow"] = usual
    return signed


class BybitAdapter(Adapter):
    """One client of Bybit spot."""

    venue: ClassVar[str] = "bybit"
    error_rules = _rules()
    exchange_overrides: ClassVar[Mapping[str, Callable[..., Any]]] = {"sign": _sign}

    def __init__(self) -> None:
        super().__init__()
        self._streams = BybitStreams(self.instruments)
        self._symbols: dict[str, str] = {}
        """Of the orders submitted here, by our id."""

    def config(self, endpoints: Endpoints | None) -> dict[str, Any]:
        # Only spot pairs, nothing about coins, and no question whether the account is a unified
        # one: Bybit has made all of them so.
        options: dict[str, Any] = {
            "has": {"fetchCurrencies": False},
            "options": {
                "defaultType": SPOT,
                "fetchMarkets": {"types": [SPOT]},
                "enableUnifiedMargin": False,
                "enableUnifiedAccount": True,
                "unifiedMarginStatus": 6,
            },
        }
        if endpoints is None:
            return options
        rest = endpoints.rest.rstrip("/")
        private = endpoints.websocket_private
        # Orders have a socket of their own, beside the account's.
        trade = private.removesuffix("/private") + "/trade"
        sockets = {
            "public": {SPOT: endpoints.websocket_public},
            "private": {SPOT: {"unified": private}, "contract": private, "trade": trade},
        }
        return {**options, "urls": {"api": {"public": rest, "private": rest, "ws": sockets}}}

    # -- reference data

    def instrument(self, market: Mapping[str, Any]) -> Instrument | None:
        if not market.get("spot"):
            return None
        maker, taker = plain(market.get("maker") or "0.001"), plain(market.get("taker") or "0.001")
        return spot_instrument(market["symbol"], market["info"], maker=maker, taker=taker)

    async def fetch_time_ns(self, exchange: "TrioExchange") -> int:
        answer = await exchange.publicGetV5MarketTime()
        return int(answer["result"]["timeNano"])

    # -- account

    async def fetch_balances(self, exchange: "TrioExchange") -> tuple[Balance, ...]:
        answer = await exchange.privateGetV5AccountWalletBalance({"accountType": "UNIFIED"})
        (account,) = answer["result"]["list"]
        return tuple(balance_of(row) for row in account["coin"])

    async def fetch_fees(
        self, exchange: "TrioExchange", instruments: Sequence[Instrument]
    ) -> tuple[AccountFee, ...]:
        answer = await exchange.privateGetV5AccountFeeRate({"category": SPOT})
        rates = {row["symbol"]: row for row in answer["result"]["list"]}
        return tuple(
            AccountFee(
                symbol=each.symbol,
                maker=plain(rates[each.venue_symbol]["makerFeeRate"]),
                taker=plain(rates[each.venue_symbol]["takerFeeRate"]),
            )
            for each in instruments
            if each.venue_symbol in rates
        )

    async def fetch_open_orders(
        self, exchange: "TrioExchange", client_order_id: str | None
    ) -> list[OrderReport]:
        params = {} if client_order_id is None else {"orderLinkId": client_order_id}
        rows = await _rows(exchange.privateGetV5OrderRealtime, ORDER_ROWS, params)
        # By id Bybit tells of orders that have ended lately, too.
        return [each for each in self._reports(rows) if each.status in _OPEN]

    async def fetch_closed_orders(
        self, exchange: "TrioExchange", since_ns: int, client_order_id: str | None
    ) -> list[OrderReport]:
        params = {} if client_order_id is None else {"orderLinkId": client_order_id}
        ask = exchange.privateGetV5OrderHistory
        rows = await _history(exchange, ask, ORDER_ROWS, since_ns, params)
        if client_order_id is not None:
            # What ended just now is here before it is in the history.
            recent = exchange.privateGetV5OrderRealtime
            rows += await _rows(recent, ORDER_ROWS, params)
        ended = {row["orderId"]: row for row in rows}
        reports = [each for each in self._reports(ended.values()) if each.status not in _OPEN]
        return sorted(reports, key=lambda each: (each.created_ns, each.venue_order_id))

    async def fetch_my_trades(self, exchange: "TrioExchange", since_ns: int) -> list[FillReport]:
        ask, params = exchange.privateGetV5ExecutionList, {"execType": "Trade"}
        rows = await _history(exchange, ask, FILL_ROWS, since_ns, params)
        by_id = self._by_id()
        fills = [_fill_report(by_id[r["symbol"]], r) for r in rows if r["symbol"] in by_id]
        return sorted(fills, key=lambda fill: (fill.at_ns, fill.exec_id))

    async def fetch_transfers(
        self, exchange: "TrioExchange", since_ns: int
    ) -> list[TransferReport]:
        """Read the account's log: deposits reach it as transfers from the funding account."""
        ask, params = exchange.privateGetV5AccountTransactionLog, {"accountType": "UNIFIED"}
        rows = await _history(exchange, ask, LOG_ROWS, since_ns, params)
        found = [_transfer(exchange, row) for row in rows if row["type"] != "TRADE"]
        return sorted(found, key=lambda each: (each.at_ns, each.reference))

    def _by_id(self) -> dict[str, Instrument]:
        return {each.venue_symbol: each for each in self.instruments.values()}

    def _reports(self, rows: Iterable[Row]) -> list[OrderReport]:
        by_id = self._by_id()
        return [_order_report(by_id[row["symbol"]], row) for row in rows if row["symbol"] in by_id]

    # -- orders

    async def submit(
        self, exchange: "TrioExchange", ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> str:
        self._remember(ticket)
        params = self._order_params(ticket, instrument)
        params |= self._window(ticket.expires_at_ns, now_ns)
        answer = await exchange.privatePostV5OrderCreate(params)
        order_id = answer["result"].get("orderId")
        if not order_id:
            raise VenueError(Code.AMBIGUOUS, self.venue, "an order was answered without its id")
        return f"{instrument.venue_symbol}-{order_id}"

    def _remember(self, ticket: OrderTicket) -> None:
        self._symbols[ticket.client_order_id] = ticket.symbol
        if len(self._symbols) > REMEMBERED_MAX:
            del self._symbols[next(iter(self._symbols))]

    def _order_params(self, ticket: OrderTicket, instrument: Instrument) -> dict[str, Any]:
        params: dict[str, Any] = {
            "category": SPOT,
            "symbol": instrument.venue_symbol,
            "side": ticket.side.capitalize(),
            "orderType": ticket.type.capitalize(),
            "qty": instrument.quantity_text(ticket.quantity_lots),
            "orderLinkId": ticket.client_order_id,
        }
        if ticket.type == "limit":
            assert ticket.price_ticks is not None, "a limit order has a price"
            params["price"] = instrument.price_text(ticket.price_ticks)
            params["timeInForce"] = "PostOnly" if ticket.post_only else ticket.time_in_force
        else:
            params["marketUnit"] = "baseCoin"
        if ticket.trigger:
            params["orderFilter"] = "StopOrder" if ticket.trigger == "stop" else "tpslOrder"
            params["triggerPrice"] = instrument.price_text(ticket.trigger_ticks)
        return params

    def _window(self, expires_at_ns: int, now_ns: int) -> dict[str, Any]:
        window_ms = self._window_ms(expires_at_ns, now_ns)
        return {} if window_ms is None else {"recvWindow": window_ms}

    def _window_ms(self, expires_at_ns: int, now_ns: int) -> int | None:
        """Return the receive window that makes Bybit refuse what comes after the bound."""
        if not expires_at_ns:
            return None
        ahead_ms = (expires_at_ns - now_ns) // NANOSECONDS_PER_MILLISECOND
        if ahead_ms < 1:
            raise VenueError(Code.INVALID, self.venue, "the submit's bound has passed")
        return min(ahead_ms, RECEIVE_WINDOW_MS_MAX)

    def order_wire(self) -> OrderWire | None:
        return BybitOrders(self._wire_params, _change_params, self._window_ms)

    def _wire_params(self, ticket: OrderTicket, instrument: Instrument) -> dict[str, Any]:
        self._remember(ticket)
        return self._order_params(ticket, instrument)

    async def amend(
        self,
        exchange: "TrioExchange",
        change: OrderChange,
        instrument: Instrument,
        now_ns: int,
    ) -> None:
        params = _change_params(change, instrument)
        await exchange.privatePostV5OrderAmend(params | self._window(change.expires_at_ns, now_ns))

    async def cancel(
        self, exchange: "TrioExchange", client_order_id: str | None, venue_order_id: str | None
    ) -> int:
        params: dict[str, Any] = {"category": SPOT}
        if venue_order_id is not None:
            params["symbol"], _, params["orderId"] = venue_order_id.rpartition("-")
        else:
            assert client_order_id is not None, "one of the two ids is given"
            params["symbol"] = await self._symbol_id_of(exchange, client_order_id)
            params["orderLinkId"] = client_order_id
        try:
            await exchange.privatePostV5OrderCancel(params)
        except ccxt_errors.OrderNotFound:
            # An order that waits is cancelled as what it is; the kinds know nothing of each other.
            waiting = await self._waiting_filter(exchange, params)
            if waiting is None:
                raise
            await exchange.privatePostV5OrderCancel({**params, "orderFilter": waiting})
        return 1

    async def _waiting_filter(
        self, exchange: "TrioExchange", params: Mapping[str, Any]
    ) -> str | None:
        """Return by which filter an order that waits for its price is cancelled."""
        named = {name: params[name] for name in ("orderId", "orderLinkId") if name in params}
        for row in await _rows(exchange.privateGetV5OrderRealtime, ORDER_ROWS, named):
            if row["orderStatus"] == "Untriggered":
                return "tpslOrder" if row["stopOrderType"] == "tpslOrder" else "StopOrder"
        return None

    async def _symbol_id_of(self, exchange: "TrioExchange", client_order_id: str) -> str:
        symbol = self._symbols.get(client_order_id)
        if symbol is None:
            open_orders = await self.fetch_open_orders(exchange, client_order_id)
            symbol = open_orders[0].symbol if open_orders else None
        if symbol is None:
            raise VenueError(Code.NOT_FOUND, self.venue, f"no open order has id {client_order_id}")
        return self.instruments[symbol].venue_symbol

    async def cancel_all(self, exchange: "TrioExchange") -> int:
        # Without a filter: what waits for a price is cancelled, too.
        answer = await exchange.privatePostV5OrderCancelAll({"category": SPOT})
        return len(answer["result"].get("list") or [])

    # -- streams

    async def subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        urls = exchange.urls["api"]["ws"]
        if topic.channel in ("executions", "balances"):
            url = exchange.implode_hostname(urls["private"]["contract"])
            await exchange.authenticate(url)
            return self._streams.subscription(url, topic)
        if topic.channel == "candles":
            # What a new subscriber starts from, which Bybit's streams do not send.
            symbol_id = self.instruments[topic.symbol].venue_symbol
            interval = self._streams.interval_of(topic)
            query = {"category": SPOT, "symbol": symbol_id, "interval": interval}
            answer = await exchange.publicGetV5MarketKline(query)
            self._streams.start_candles(topic, answer["result"]["list"])
        return self._streams.subscription(exchange.implode_hostname(urls["public"][SPOT]), topic)

    def is_private(self, exchange: "TrioExchange", url: str) -> bool:
        private = exchange.urls["api"]["ws"]["private"]["contract"]
        return bool(url == exchange.implode_hostname(private))

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        return self._streams.decode(message, now_ns)


_OPEN = ("pending", "open", "partially_filled")


def _change_params(change: OrderChange, instrument: Instrument) -> dict[str, Any]:
    return {
        "category": SPOT,
        "symbol": instrument.venue_symbol,
        "orderId": change.venue_order_id.rpartition("-")[2],
        "qty": instrument.quantity_text(change.quantity_lots),
        "price": instrument.price_text(change.price_ticks),
    }


def spot_instrument(symbol: str, row: Row, *, maker: str, taker: str) -> Instrument:
    """Return the instrument of a row of instruments-info."""
    lot_filter = row["lotSizeFilter"]
    tick = Decimal(str(row["priceFilter"]["tickSize"]))
    step = Decimal(str(lot_filter.get("basePrecision") or lot_filter["qtyStep"]))
    least = lot_filter.get("minOrderAmt") or lot_filter.get("minNotionalValue") or "0"
    return Instrument(
        symbol=symbol,
        venue_symbol=row["symbol"],
        base=row["baseCoin"],
        quote=row["quoteCoin"],
        tick_size=plain(tick),
        lot_size=plain(step),
        price_decimals=decimals(tick),
        quantity_decimals=decimals(step),
        min_quantity_lots=-int(-Decimal(str(lot_filter["minOrderQty"])) // step),
        min_notional=plain(least),
        maker_fee=maker,
        taker_fee=taker,
        active=row.get("status", "Trading") == "Trading",
    )


async def _history(
    exchange: "TrioExchange", ask: Ask, limit: int, since_ns: int, params: dict[str, Any]
) -> list[Row]:
    """Read every row since a time, week by week."""
    now_ms = int(exchange.milliseconds())
    start_ms = max(since_ns // NANOSECONDS_PER_MILLISECOND, now_ms - HISTORY_MS_MAX)
    rows: list[Row] = []
    while start_ms <= now_ms:
        span = {"startTime": start_ms, "endTime": start_ms + SPAN_MS - 1}
        rows += await _rows(ask, limit, {**params, **span})
        start_ms += SPAN_MS
    return rows


async def _rows(ask: Ask, limit: int, params: dict[str, Any]) -> list[Row]:
    """Read every row of a list, page by page. Raises `VenueError` for one without an end."""
    rows: list[Row] = []
    cursor: dict[str, str] = {}
    for _ in range(PAGES_MAX):
        answer = await ask({"category": SPOT, "limit": limit, **params, **cursor})
        rows += answer["result"]["list"]
        following = answer["result"].get("nextPageCursor")
        if not following:
            return rows
        cursor = {"cursor": following}
    raise VenueError(
        Code.INVALID, "bybit", f"more than {PAGES_MAX} pages in a week: ask for a later time"
    )


def _order_report(instrument: Instrument, row: Row) -> OrderReport:
    price, reason = str(row["price"]), str(row.get("rejectReason") or "")
    fees = (row.get("cumFeeDetail") or {}).items()
    return OrderReport(
        venue_order_id=f"{row['symbol']}-{row['orderId']}",
        client_order_id=row["orderLinkId"] or None,
        symbol=instrument.symbol,
        side="buy" if row["side"] == "Buy" else "sell",
        type=str(row["orderType"]).lower(),
        status=STATUS.get(row["orderStatus"], "unknown"),
        quantity=str(row["qty"]),
        filled=str(row["cumExecQty"]),
        price=price if price.strip("0.") else None,
        average_price=str(row["avgPrice"]) or None,
        cost=str(row["cumExecValue"]),
        fees=tuple(Fee(asset=asset, amount=str(amount)) for asset, amount in fees),
        created_ns=ns_of_ms(row["createdTime"]),
        updated_ns=ns_of_ms(row["updatedTime"]),
        reason="" if reason in ("", "EC_NoError") else reason,
    )


def _fill_report(instrument: Instrument, row: Row) -> FillReport:
    return FillReport(
        exec_id=str(row["execId"]),
        venue_order_id=f"{row['symbol']}-{row['orderId']}",
        client_order_id=row["orderLinkId"] or None,
        symbol=instrument.symbol,
        side="buy" if row["side"] == "Buy" else "sell",
        price=str(row["execPrice"]),
        quantity=str(row["execQty"]),
        cost=str(row["execValue"]),
        fees=(fill_fee(row),),
        liquidity="maker" if row["isMaker"] else "taker",
        at_ns=ns_of_ms(row["execTime"]),
    )


def _transfer(exchange: "TrioExchange", row: Row) -> TransferReport:
    return TransferReport(
        asset=exchange.safe_currency_code(row["currency"]),
        amount=plain(row["change"]),
        kind=str(row["type"]).lower(),
        reference=str(row["id"]),
        at_ns=ns_of_ms(row["transactionTime"]),
    )
