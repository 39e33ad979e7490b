"""Binance spot: REST, orders and error codes. The streams are in `binance_streams`.

Binance's order ids are unique per symbol only, so ours carry it: `ETHUSDT-123`; so do fills'.
Sources: developers.binance.com (spot: REST, WebSocket API, streams, errors), ccxt 4.5.90's class.
"""

import re
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from exchanges.adapters.base import Adapter, Decoded, Refused, Subscription, Topic
from exchanges.adapters.binance_orders import BinanceOrders
from exchanges.adapters.binance_streams import STATUS, BinanceStreams
from exchanges.adapters.numbers import decimals, ns_of_ms, plain
from exchanges.adapters.wires import OrderWire
from exchanges.errors import Code, Reason, Rule, VenueError
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND
from exchanges.types import (
    Balance,
    Endpoints,
    Fee,
    FillReport,
    Instrument,
    KeyRights,
    OrderReport,
    OrderTicket,
    TransferReport,
)

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

# recvWindow's own bound; a submit that is given longer is cut: earlier is always safe.
RECEIVE_WINDOW_MS_MAX = 60_000
# The most rows of one answer, and how many answers are asked for: weeks of trading.
PAGE_ROWS = 1_000
PAGES_MAX = 200
SYMBOLS_MAX = 64
"""Orders and fills are asked for symbol by symbol; more would use up a minute's weight at once."""


def spot_rules() -> tuple[Rule, ...]:
    """Return the table of errors."""
    # Codes and texts. The order matters: the first match decides.
    words: list[tuple[str, Code, Reason]] = [
        (r"Unknown order sent|Order does not exist|-2011|-2013", Code.NOT_FOUND, ""),
        (r"outside of the recvWindow", Code.REJECTED, "deadline_elapsed"),
        (r"ahead of the server's time", Code.UNAVAILABLE, "nonce"),
        (r"insufficient balance", Code.INSUFFICIENT_FUNDS, ""),
        (r"Duplicate order sent", Code.REJECTED, "duplicate_client_order_id"),
        (r"immediately match and take", Code.REJECTED, "post_only_would_take"),
        (r"NOTIONAL", Code.REJECTED, "minimum"),
        (r"MAX_NUM_|MAX_POSITION", Code.REJECTED, "limit_of_orders"),
        (r"LOT_SIZE|PRICE_FILTER|PERCENT_PRICE|too much precision", Code.REJECTED, "off_grid"),
        (r"Market is closed", Code.REJECTED, "market_mode"),
        (r"-1003|-1015|Too m(any|uch)|banned until", Code.RATE_LIMITED, ""),
        (r"-1002|-1022|-2014|-2015|API-key|Signature for this", Code.AUTHENTICATION, ""),
        (r"-1000|-1001|-1006|-1007|-1008|-1016", Code.AMBIGUOUS, ""),
        (r"-1(1\d\d|013|020)|Illegal characters|Mandatory param|Invalid", Code.INVALID, ""),
    ]
    return tuple(
        Rule(pattern=re.compile(pattern), code=code, reason=reason)
        for pattern, code, reason in words
    )


class BinanceAdapter(Adapter):
    """One client of Binance spot."""

    venue: ClassVar[str] = "binance"
    error_rules = spot_rules()

    def __init__(self) -> None:
        super().__init__()
        self._streams = BinanceStreams(self.instruments)
        self._symbols: dict[str, str] = {}
        """Of the orders submitted here, by our id."""

    def config(self, endpoints: Endpoints | None) -> dict[str, Any]:
        # Only spot pairs, and nothing about coins: neither is needed, both cost weight.
        options: dict[str, Any] = {
            "options": {
                "fetchMarkets": {"types": ["spot"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
            }
        }
        if endpoints is None:
            return options
        rest = endpoints.rest.rstrip("/")
        return {
            **options,
            "urls": {
                "api": {
                    "public": f"{rest}/api/v3",
                    "private": f"{rest}/api/v3",
                    "sapi": f"{rest}/sapi/v1",
                    "ws": {
                        "spot": endpoints.websocket_public,
                        "ws-api": {"spot": endpoints.websocket_private},
                    },
                }
            },
        }

    def order_wire(self) -> OrderWire | None:
        return BinanceOrders(self._remembered_params, self._remembered_symbol_id)

    # -- reference data

    def instrument(self, market: Mapping[str, Any]) -> Instrument | None:
        if not market.get("spot"):
            return None
        filters = {row["filterType"]: row for row in market["info"]["filters"]}
        price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
        notional = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL") or {}
        tick, step = Decimal(price["tickSize"]), Decimal(lot["stepSize"])
        return Instrument(
            symbol=market["symbol"],
            venue_symbol=market["id"],
            base=market["base"],
            quote=market["quote"],
            tick_size=plain(tick),
            lot_size=plain(step),
            price_decimals=decimals(tick),
            quantity_decimals=decimals(step),
            min_quantity_lots=-int(-Decimal(lot["minQty"]) // step),
            min_notional=plain(notional.get("minNotional") or "0"),
            maker_fee=plain(market.get("maker") or "0.001"),
            taker_fee=plain(market.get("taker") or "0.001"),
            active=market["info"].get("status", "TRADING") == "TRADING",
        )

    async def fetch_time_ns(self, exchange: "TrioExchange") -> int:
        answer = await exchange.publicGetTime()
        return int(answer["serverTime"]) * NANOSECONDS_PER_MILLISECOND

    # -- account

    async def fetch_balances(self, exchange: "TrioExchange") -> tuple[Balance, ...]:
        answer = await exchange.privateGetAccount({"omitZeroBalances": "true"})
        return tuple(
            Balance(
                asset=exchange.safe_currency_code(row["asset"]),
                total=plain(Decimal(row["free"]) + Decimal(row["locked"])),
                free=str(row["free"]),
                used=str(row["locked"]),
            )
            for row in answer["balances"]
        )

    async def fetch_key_rights(self, exchange: "TrioExchange") -> KeyRights:
        answer = await exchange.sapiGetAccountApiRestrictions()
        return KeyRights(
            may_trade=bool(answer["enableSpotAndMarginTrading"]),
            may_withdraw=bool(answer["enableWithdrawals"]),
        )

    async def fetch_open_orders(
        self, exchange: "TrioExchange", client_order_id: str | None
    ) -> list[OrderReport]:
        rows = await exchange.privateGetOpenOrders()
        return self._reports(rows, client_order_id)

    async def fetch_closed_orders(
        self, exchange: "TrioExchange", since_ns: int, client_order_id: str | None
    ) -> list[OrderReport]:
        reports: list[OrderReport] = []
        for instrument in self._traded(client_order_id):
            rows = await all_rows(
                exchange.privateGetAllOrders, instrument.venue_symbol, since_ns, "orderId"
            )
            reports += self._reports(rows, client_order_id)
        return [each for each in reports if each.status not in ("open", "partially_filled")]

    async def fetch_my_trades(self, exchange: "TrioExchange", since_ns: int) -> list[FillReport]:
        fills: list[FillReport] = []
        for instrument in self._traded(None):
            rows = await all_rows(
                exchange.privateGetMyTrades, instrument.venue_symbol, since_ns, "id"
            )
            fills += [_fill_report(instrument, row) for row in rows]
        return sorted(fills, key=lambda fill: (fill.at_ns, fill.exec_id))

    async def fetch_transfers(
        self, exchange: "TrioExchange", since_ns: int
    ) -> list[TransferReport]:
        params = {"limit": PAGE_ROWS}
        if since_ns:
            params["startTime"] = since_ns // NANOSECONDS_PER_MILLISECOND
        deposits = await exchange.sapiGetCapitalDepositHisrec(params)
        withdrawals = await exchange.sapiGetCapitalWithdrawHistory(params)
        transfers = [_deposit(exchange, row) for row in deposits]
        transfers += [_withdrawal(exchange, row) for row in withdrawals]
        found = [each for each in transfers if each.at_ns >= since_ns]
        return sorted(found, key=lambda each: (each.at_ns, each.reference))

    def _traded(self, client_order_id: str | None) -> list[Instrument]:
        """Return the instruments whose orders are asked for. Raises `VenueError` for too many."""
        known = self._symbols.get(client_order_id or "")
        wanted = (known,) if known else self.traded or tuple(self.instruments)
        if len(wanted) > SYMBOLS_MAX:
            raise VenueError(
                Code.INVALID,
                self.venue,
                f"orders are asked for per symbol, {len(wanted)} are too many: name those traded",
            )
        return [self.instruments[symbol] for symbol in wanted if symbol in self.instruments]

    def _reports(
        self, rows: Iterable[Mapping[str, Any]], client_order_id: str | None
    ) -> list[OrderReport]:
        by_id = {each.venue_symbol: each for each in self.instruments.values()}
        reports = [
            _order_report(by_id[row["symbol"]], row) for row in rows if row["symbol"] in by_id
        ]
        if client_order_id is None:
            return reports
        return [each for each in reports if each.client_order_id == client_order_id]

    # -- orders

    async def submit(
        self, exchange: "TrioExchange", ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> str:
        params = self._remembered_params(ticket, instrument, now_ns)
        answer = await exchange.privatePostOrder(params)
        order_id = answer.get("orderId")
        if not order_id:
            raise VenueError(Code.AMBIGUOUS, self.venue, "an order was answered without its id")
        return f"{instrument.venue_symbol}-{order_id}"

    def _remembered_params(
        self, ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> dict[str, Any]:
        """Return the order's parameters, and remember its symbol for who knows only its id."""
        self._symbols[ticket.client_order_id] = ticket.symbol
        if len(self._symbols) > PAGE_ROWS:
            del self._symbols[next(iter(self._symbols))]
        return self._order_params(ticket, instrument, now_ns)

    def _remembered_symbol_id(self, client_order_id: str) -> str | None:
        symbol = self._symbols.get(client_order_id)
        return None if symbol is None else self.instruments[symbol].venue_symbol

    def _order_params(
        self, ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> dict[str, Any]:
        params: dict[str, Any] = {
            "symbol": instrument.venue_symbol,
            "side": ticket.side.upper(),
            "type": "MARKET",
            "quantity": instrument.quantity_text(ticket.quantity_lots),
            "newClientOrderId": ticket.client_order_id,
            "newOrderRespType": "ACK",
        }
        if ticket.type == "limit":
            assert ticket.price_ticks is not None, "a limit order has a price"
            params["price"] = instrument.price_text(ticket.price_ticks)
            params["type"] = "LIMIT_MAKER" if ticket.post_only else "LIMIT"
            if not ticket.post_only:
                params["timeInForce"] = ticket.time_in_force
        if ticket.trigger:
            name = "STOP_LOSS" if ticket.trigger == "stop" else "TAKE_PROFIT"
            params["type"] = name if ticket.type == "market" else f"{name}_LIMIT"
            params["stopPrice"] = instrument.price_text(ticket.trigger_ticks)
        if ticket.expires_at_ns:
            # Binance refuses what arrives later than this after the request's own timestamp.
            ahead_ms = (ticket.expires_at_ns - now_ns) // NANOSECONDS_PER_MILLISECOND
            if ahead_ms < 1:
                raise VenueError(Code.INVALID, self.venue, "the submit's bound has passed")
            params["recvWindow"] = min(ahead_ms, RECEIVE_WINDOW_MS_MAX)
        return params

    async def cancel(
        self, exchange: "TrioExchange", client_order_id: str | None, venue_order_id: str | None
    ) -> int:
        params: dict[str, Any] = {}
        if venue_order_id is not None:
            params["symbol"], _, params["orderId"] = venue_order_id.rpartition("-")
        else:
            assert client_order_id is not None, "one of the two ids is given"
            params["symbol"] = await self._symbol_id_of(exchange, client_order_id)
            params["origClientOrderId"] = client_order_id
        await exchange.privateDeleteOrder(params)
        return 1

    async def _symbol_id_of(self, exchange: "TrioExchange", client_order_id: str) -> str:
        symbol = self._symbols.get(client_order_id)
        if symbol is None:
            open_orders = await self.fetch_open_orders(exchange, client_order_id)
            symbol = open_orders[0].symbol if open_orders else None
        if symbol is None:
            raise VenueError(Code.NOT_FOUND, self.venue, f"no open order has id {client_order_id}")
        return self.instruments[symbol].venue_symbol

    async def cancel_all(self, exchange: "TrioExchange") -> int:
        rows = await exchange.privateGetOpenOrders()
        symbols = dict.fromkeys(row["symbol"] for row in rows)
        count = 0
        for symbol in symbols:
            count += len(await exchange.privateDeleteOpenOrders({"symbol": symbol}))
        return count

    # -- streams

    async def subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        if topic.channel in ("executions", "balances"):
            return await self.account_subscription(exchange, topic)
        await self._prepare(exchange, topic)
        # Where frames say which stream they belong to.
        combined = exchange.urls["api"]["ws"]["spot"].removesuffix("/ws") + "/stream"
        return self._streams.subscription(combined, topic)

    async def account_subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        """Return how to listen to the account: on the WebSocket API, with a signature."""
        url = exchange.urls["api"]["ws"]["ws-api"]["spot"]
        return self._streams.account_subscription(url, topic, exchange.sign_params({}))

    async def _prepare(self, exchange: "TrioExchange", topic: Topic) -> None:
        """Read what a new subscriber starts from, which Binance's streams do not send."""
        symbol_id = self.instruments[topic.symbol].venue_symbol
        if topic.channel == "candles":
            interval = self._streams.interval_of(topic)
            rows = await exchange.publicGetKlines({"symbol": symbol_id, "interval": interval})
            self._streams.start_candles(topic, rows)
        elif topic.channel == "trades":
            rows = await exchange.publicGetTrades({"symbol": symbol_id, "limit": 50})
            self._streams.start_trades(topic, rows)

    def is_private(self, exchange: "TrioExchange", url: str) -> bool:
        return bool(url == exchange.urls["api"]["ws"]["ws-api"]["spot"])

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        return self._streams.decode(message, now_ns)


async def all_rows(
    request: Any,  # noqa: ANN401 - one of ccxt's generated methods
    symbol_id: str,
    since_ns: int,
    key: str,
) -> list[Mapping[str, Any]]:
    """Read every row since a time, page by page: the first by time, the others by id."""
    from_id = "fromId" if key == "id" else key
    since_ms = since_ns // NANOSECONDS_PER_MILLISECOND
    start = {"startTime": since_ms} if since_ms else {from_id: 1}
    params: dict[str, Any] = {"symbol": symbol_id, "limit": PAGE_ROWS, **start}
    rows: list[Mapping[str, Any]] = []
    for _ in range(PAGES_MAX):
        found = await request(params)
        rows += found
        if len(found) < PAGE_ROWS:
            return rows
        params = {"symbol": symbol_id, "limit": PAGE_ROWS, from_id: int(found[-1][key]) + 1}
    raise VenueError(
        Code.INVALID, "binance", f"more than {PAGES_MAX * PAGE_ROWS} rows: ask for a later time"
    )


def _order_report(instrument: Instrument, row: Mapping[str, Any]) -> OrderReport:
    filled, cost = str(row["executedQty"]), str(row["cummulativeQuoteQty"])
    is_market = Decimal(row["price"]) == 0
    return OrderReport(
        venue_order_id=f"{row['symbol']}-{row['orderId']}",
        client_order_id=row.get("clientOrderId") or None,
        symbol=instrument.symbol,
        side="buy" if row["side"] == "BUY" else "sell",
        type="market" if is_market else "limit",
        status=STATUS.get(row["status"], "unknown"),
        quantity=str(row["origQty"]),
        filled=filled,
        price=None if is_market else str(row["price"]),
        average_price=plain(Decimal(cost) / Decimal(filled)) if Decimal(filled) else None,
        cost=cost,
        fees=(),
        created_ns=ns_of_ms(row["time"]),
        updated_ns=ns_of_ms(row["updateTime"]),
    )


def _fill_report(instrument: Instrument, row: Mapping[str, Any]) -> FillReport:
    return FillReport(
        exec_id=f"{row['symbol']}-{row['id']}",
        venue_order_id=f"{row['symbol']}-{row['orderId']}",
        client_order_id=None,
        symbol=instrument.symbol,
        side="buy" if row["isBuyer"] else "sell",
        price=str(row["price"]),
        quantity=str(row["qty"]),
        cost=str(row["quoteQty"]),
        fees=(Fee(asset=row["commissionAsset"], amount=str(row["commission"])),),
        liquidity="maker" if row["isMaker"] else "taker",
        at_ns=ns_of_ms(row["time"]),
    )


def _deposit(exchange: "TrioExchange", row: Mapping[str, Any]) -> TransferReport:
    return TransferReport(
        asset=exchange.safe_currency_code(row["coin"]),
        amount=plain(row["amount"]),
        kind="deposit",
        reference=str(row["id"]),
        at_ns=ns_of_ms(row.get("completeTime") or row["insertTime"]),
    )


def _withdrawal(exchange: "TrioExchange", row: Mapping[str, Any]) -> TransferReport:
    return TransferReport(
        asset=exchange.safe_currency_code(row["coin"]),
        amount=plain(-Decimal(str(row["amount"])) - Decimal(str(row["transactionFee"]))),
        kind="withdrawal",
        reference=str(row["id"]),
        at_ns=ns_of_ms(exchange.parse8601(row.get("completeTime") or row["applyTime"])),
    )
