"""Coinbase Advanced (v3), spot: REST, orders and words for errors. Streams: `coinbase_streams`.

Sources: docs.cdp.coinbase.com (Advanced Trade: REST, WebSocket, enums), ccxt 4.5.90's class.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from exchanges.adapters.base import Adapter, Decoded, Refused, Subscription, Topic
from exchanges.adapters.coinbase_ccxt import create_auth_token, ending_at
from exchanges.adapters.coinbase_streams import HEARTBEATS, STATUS, CoinbaseStreams
from exchanges.adapters.numbers import (
    decimals,
    is_zero,
    plain,
    text_of_ns,
)
from exchanges.errors import Code, Reason, Rule, VenueError
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND, NANOSECONDS_PER_SECOND, rfc3339_ns
from exchanges.types import (
    AccountFee,
    Balance,
    Endpoints,
    Fee,
    FillReport,
    Instrument,
    OrderReport,
    OrderTicket,
    TransferReport,
)

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

# The most rows of one answer, and how many answers are asked for: weeks of trading.
PAGE_ROWS = 250
PAGES_MAX = 200
CANCELS_MAX = 100
CANDLES_FIRST = 300
TRADES_FIRST = 1_000
# A purchase at the market is a limit order that must fill at once: as far above the best price.
SLIPPAGE = Decimal("1.02")
# What moves wallets and is told elsewhere: trading.
_TRADING = frozenset({"advanced_trade_fill"})
_NOT_OPEN = ("UNKNOWN_CANCEL_ORDER", "INVALID_CANCEL_REQUEST", "DUPLICATE_CANCEL_REQUEST")
_ENDED = ["FILLED", "CANCELLED", "EXPIRED", "FAILED"]

Request = Callable[..., Awaitable[Any]]
Row = Mapping[str, Any]


def _rules() -> tuple[Rule, ...]:
    # Words of refusals. The order matters: the first match decides.
    words: list[tuple[str, Code, Reason]] = [
        (r"was not found|ORDER_NOT_FOUND", Code.NOT_FOUND, ""),
        (r"INSUFFICIENT_FUND|Insufficient balance", Code.INSUFFICIENT_FUNDS, ""),
        (r"POST_ONLY", Code.REJECTED, "post_only_would_take"),
        (r"TOO_SMALL", Code.REJECTED, "minimum"),
        (r"PRECISION|TOO_LARGE|INVALID_LIMIT_PRICE", Code.REJECTED, "off_grid"),
        (r"Too many .*orders|COMMANDER_REJECTED", Code.REJECTED, "limit_of_orders"),
        (r"UNTRADABLE_PRODUCT|NO_LIQUIDITY", Code.REJECTED, "market_mode"),
        (r"rate_limit_exceeded|resource_exhausted|too many requests", Code.RATE_LIMITED, ""),
        (r"Unauthorized|PERMISSION_DENIED|ORDER_ENTRY_DISABLED", Code.AUTHENTICATION, ""),
        (r"UNSUPPORTED_|INVALID_(SIDE|ARGUMENT|REQUEST)|NOT_FOUND", Code.INVALID, ""),
        (r'"(UNAVAILABLE|INTERNAL|unknown)"', Code.AMBIGUOUS, ""),
    ]
    return tuple(
        Rule(pattern=re.compile(pattern), code=code, reason=reason)
        for pattern, code, reason in words
    )


class CoinbaseAdapter(Adapter):
    """One client of Coinbase's spot."""

    venue: ClassVar[str] = "coinbase"
    error_rules = _rules()
    exchange_overrides: ClassVar[Mapping[str, Callable[..., Any]]] = {
        "create_auth_token": create_auth_token
    }

    def __init__(self) -> None:
        super().__init__()
        self._streams = CoinbaseStreams(self.instruments)
        self._is_private = False

    def config(self, endpoints: Endpoints | None) -> dict[str, Any]:
        settings: dict[str, Any] = {"has": {"fetchCurrencies": False}}
        if endpoints is None:
            return settings
        api = {"rest": endpoints.rest.rstrip("/"), "ws": endpoints.websocket_public}
        return {**settings, "urls": {"api": api}}

    # -- reference data

    def instrument(self, market: Mapping[str, Any]) -> Instrument | None:
        if not market.get("spot"):
            return None
        info = market["info"]
        tick = Decimal(info.get("price_increment") or info["quote_increment"])
        step = Decimal(info["base_increment"])
        is_active = not (info.get("trading_disabled") or info.get("cancel_only"))
        return Instrument(
            symbol=market["symbol"],
            venue_symbol=market["id"],
            base=market["base"],
            quote=market["quote"],
            tick_size=plain(tick),
            lot_size=plain(step),
            price_decimals=decimals(tick),
            quantity_decimals=decimals(step),
            min_quantity_lots=-int(-Decimal(info["base_min_size"]) // step),
            min_notional=plain(info.get("quote_min_size") or "0"),
            maker_fee=plain(market.get("maker") or "0.004"),
            taker_fee=plain(market.get("taker") or "0.006"),
            active=is_active,
        )

    async def fetch_time_ns(self, exchange: "TrioExchange") -> int:
        answer = await exchange.v3PublicGetBrokerageTime()
        return int(answer["epochMillis"]) * NANOSECONDS_PER_MILLISECOND

    # -- account

    async def fetch_balances(self, exchange: "TrioExchange") -> tuple[Balance, ...]:
        return tuple(_balance(exchange, row) for row in await self._wallets(exchange))

    async def _wallets(self, exchange: "TrioExchange") -> list[Row]:
        return await _all_rows(exchange.v3PrivateGetBrokerageAccounts, "accounts", {})

    async def fetch_fees(
        self, exchange: "TrioExchange", instruments: Sequence[Instrument]
    ) -> tuple[AccountFee, ...]:
        # One tier for all pairs.
        answer = await exchange.v3PrivateGetBrokerageTransactionSummary()
        tier = answer["fee_tier"]
        maker, taker = plain(tier["maker_fee_rate"]), plain(tier["taker_fee_rate"])
        return tuple(AccountFee(symbol=i.symbol, maker=maker, taker=taker) for i in instruments)

    async def fetch_open_orders(
        self, exchange: "TrioExchange", client_order_id: str | None
    ) -> list[OrderReport]:
        return await self._orders(exchange, {"order_status": ["OPEN"]}, client_order_id)

    async def fetch_closed_orders(
        self, exchange: "TrioExchange", since_ns: int, client_order_id: str | None
    ) -> list[OrderReport]:
        asked: dict[str, Any] = {"order_status": _ENDED}
        if since_ns:
            asked["start_date"] = text_of_ns(since_ns)
        return await self._orders(exchange, asked, client_order_id)

    async def _orders(
        self, exchange: "TrioExchange", asked: dict[str, Any], client_order_id: str | None
    ) -> list[OrderReport]:
        request = exchange.v3PrivateGetBrokerageOrdersHistoricalBatch
        rows = await _all_rows(request, "orders", asked)
        by_id = {each.venue_symbol: each for each in self.instruments.values()}
        return [
            _order_report(by_id[row["product_id"]], row)
            for row in rows
            if row["product_id"] in by_id and client_order_id in (None, row["client_order_id"])
        ]

    async def fetch_my_trades(self, exchange: "TrioExchange", since_ns: int) -> list[FillReport]:
        asked = {"start_sequence_timestamp": text_of_ns(since_ns)} if since_ns else {}
        request = exchange.v3PrivateGetBrokerageOrdersHistoricalFills
        by_id = {each.venue_symbol: each for each in self.instruments.values()}
        fills = [
            _fill_report(by_id[row["product_id"]], row)
            for row in await _all_rows(request, "fills", asked)
            if row["product_id"] in by_id
        ]
        return sorted(fills, key=lambda fill: (fill.at_ns, fill.exec_id))

    async def fetch_transfers(
        self, exchange: "TrioExchange", since_ns: int
    ) -> list[TransferReport]:
        wanted = {
            asset
            for symbol in self.traded or tuple(self.instruments)
            if symbol in self.instruments
            for asset in (self.instruments[symbol].base, self.instruments[symbol].quote)
        }
        transfers: list[TransferReport] = []
        for wallet in await self._wallets(exchange):
            if exchange.safe_currency_code(wallet["currency"]) in wanted:
                transfers += await self._transfers_of(exchange, wallet["uuid"], since_ns)
        return sorted(transfers, key=lambda each: (each.at_ns, each.reference))

    async def _transfers_of(
        self, exchange: "TrioExchange", wallet: str, since_ns: int
    ) -> list[TransferReport]:
        asked: dict[str, Any] = {"account_id": wallet, "limit": CANCELS_MAX}
        found: list[TransferReport] = []
        for _ in range(PAGES_MAX):
            answer = await exchange.v2PrivateGetAccountsAccountIdTransactions(asked)
            rows = answer["data"]
            found += [
                _transfer(exchange, row)
                for row in rows
                if row["status"] == "completed" and row["type"] not in _TRADING
            ]
            more = (answer.get("pagination") or {}).get("next_starting_after")
            if not more or not rows or rfc3339_ns(rows[-1]["created_at"]) < since_ns:
                break
            asked = {**asked, "starting_after": more}
        return [each for each in found if each.at_ns >= since_ns]

    # -- orders

    async def submit(
        self, exchange: "TrioExchange", ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> str:
        if ticket.trigger:
            raise VenueError(
                Code.INVALID, self.venue, "stop orders do not rest here: guard holds the level"
            )
        ends_s = ticket.expires_at_ns // NANOSECONDS_PER_SECOND
        if ticket.expires_at_ns and ends_s * NANOSECONDS_PER_SECOND <= now_ns:
            raise VenueError(Code.INVALID, self.venue, "the submit's bound has passed")
        order = {
            # Used again it names the order that has it: it is never placed twice.
            "client_order_id": ticket.client_order_id,
            "product_id": instrument.venue_symbol,
            "side": ticket.side.upper(),
            "order_configuration": await self._configuration(exchange, ticket, instrument),
        }
        with ending_at(ends_s):
            answer = await exchange.v3PrivatePostBrokerageOrders(order)
        order_id = (answer.get("success_response") or {}).get("order_id")
        if not order_id:
            raise VenueError(Code.AMBIGUOUS, self.venue, "an order was answered without its id")
        return str(order_id)

    async def _configuration(
        self, exchange: "TrioExchange", ticket: OrderTicket, instrument: Instrument
    ) -> dict[str, Any]:
        size = {"base_size": instrument.quantity_text(ticket.quantity_lots)}
        if ticket.type == "market" and ticket.side == "sell":
            return {"market_market_ioc": size}
        if ticket.type == "market":
            # A purchase at the market names what it costs, never how much is bought.
            price = await self._far_above(exchange, instrument)
            return {"sor_limit_ioc": {**size, "limit_price": price}}
        assert ticket.price_ticks is not None, "a limit order has a price"
        limit = {**size, "limit_price": instrument.price_text(ticket.price_ticks)}
        if ticket.time_in_force == "IOC":
            return {"sor_limit_ioc": limit}
        if ticket.time_in_force == "FOK":
            return {"limit_limit_fok": limit}
        return {"limit_limit_gtc": {**limit, "post_only": ticket.post_only}}

    async def _far_above(self, exchange: "TrioExchange", instrument: Instrument) -> str:
        asked = {"product_id": instrument.venue_symbol, "limit": 1}
        answer = await exchange.v3PublicGetBrokerageMarketProductBook(asked)
        asks = answer["pricebook"]["asks"]
        if not asks:
            raise VenueError(Code.UNAVAILABLE, self.venue, "nobody offers anything to buy")
        tick = Decimal(instrument.tick_size)
        ticks = Decimal(str(asks[0]["price"])) * SLIPPAGE / tick
        return instrument.price_text(int(ticks.to_integral_value(ROUND_CEILING)))

    async def cancel(
        self, exchange: "TrioExchange", client_order_id: str | None, venue_order_id: str | None
    ) -> int:
        if venue_order_id is None:
            found = await self.fetch_open_orders(exchange, client_order_id)
            if not found:
                text = f"no open order has id {client_order_id}"
                raise VenueError(Code.NOT_FOUND, self.venue, text)
            venue_order_id = found[0].venue_order_id
        (row,) = await self._cancelled(exchange, [venue_order_id])
        if row["success"]:
            return 1
        reason = str(row["failure_reason"])
        code = Code.NOT_FOUND if reason in _NOT_OPEN else Code.REJECTED
        raise VenueError(code, self.venue, f"{venue_order_id}: {reason}")

    async def _cancelled(self, exchange: "TrioExchange", ids: list[str]) -> list[Row]:
        answer = await exchange.v3PrivatePostBrokerageOrdersBatchCancel({"order_ids": ids})
        rows: list[Row] = answer["results"]
        return rows

    async def cancel_all(self, exchange: "TrioExchange") -> int:
        ids = [each.venue_order_id for each in await self.fetch_open_orders(exchange, None)]
        count = 0
        for at in range(0, len(ids), CANCELS_MAX):
            rows = await self._cancelled(exchange, ids[at : at + CANCELS_MAX])
            count += sum(bool(row["success"]) for row in rows)
        return count

    # -- streams

    async def subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        if topic.channel == "candles":
            await self._prepare(exchange, topic)
        url = exchange.urls["api"]["ws"]
        if url not in exchange.clients:
            # A channel that is silent for a minute is closed, unless this one is open, too.
            self._streams.disconnected()
            exchange.client(url).queue_send(HEARTBEATS)
        jwt = ""
        if topic.channel in ("executions", "balances"):
            self._is_private = True
            jwt = exchange.create_auth_token(exchange.seconds())
        return self._streams.subscription(url, topic, jwt)

    async def _prepare(self, exchange: "TrioExchange", topic: Topic) -> None:
        """Read what candles start from: those before, and the trades of the open one."""
        product = self.instruments[topic.symbol].venue_symbol
        now_s = exchange.milliseconds() // 1_000
        asked = {
            "product_id": product,
            "granularity": self._streams.granularity_of(topic),
            "start": str(now_s - CANDLES_FIRST * topic.detail),
            "end": str(now_s),
        }
        candles = await exchange.v3PublicGetBrokerageMarketProductsProductIdCandles(asked)
        trades = await exchange.v3PublicGetBrokerageMarketProductsProductIdTicker(
            {"product_id": product, "limit": TRADES_FIRST}
        )
        now_ns = exchange.milliseconds() * NANOSECONDS_PER_MILLISECOND
        # Both are told newest first.
        self._streams.start_candles(topic, candles["candles"][::-1], trades["trades"][::-1], now_ns)

    def is_private(self, exchange: "TrioExchange", url: str) -> bool:
        # One connection carries everything that a client watches.
        return self._is_private

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        return self._streams.decode(message, now_ns)


async def _all_rows(request: Request, name: str, asked: dict[str, Any]) -> list[Row]:
    """Read every row, page by page from the newest. Raises `VenueError`."""
    params = {**asked, "limit": PAGE_ROWS}
    rows: list[Row] = []
    for _ in range(PAGES_MAX):
        answer = await request(params)
        rows += answer[name]
        cursor = answer.get("cursor")
        if not cursor or not answer[name]:
            return rows
        params = {**params, "cursor": cursor}
    raise VenueError(
        Code.INVALID, "coinbase", f"more than {PAGES_MAX * PAGE_ROWS} rows: ask for a later time"
    )


def _balance(exchange: "TrioExchange", row: Row) -> Balance:
    free, used = str(row["available_balance"]["value"]), str(row["hold"]["value"])
    return Balance(
        asset=exchange.safe_currency_code(row["currency"]),
        total=plain(Decimal(free) + Decimal(used)),
        free=free,
        used=used,
    )


def _order_report(instrument: Instrument, row: Row) -> OrderReport:
    ((_, terms),) = row["order_configuration"].items()
    filled = str(row["filled_size"])
    status = STATUS.get(row["status"], "unknown")
    if status == "open" and not is_zero(filled):
        status = "partially_filled"
    price = terms.get("limit_price")
    return OrderReport(
        venue_order_id=str(row["order_id"]),
        client_order_id=row.get("client_order_id") or None,
        symbol=instrument.symbol,
        side="buy" if row["side"] == "BUY" else "sell",
        type="market" if price is None else "limit",
        status=status,
        # A purchase by cost has no size of its own.
        quantity=str(terms.get("base_size") or filled),
        filled=filled,
        price=None if price is None else str(price),
        average_price=None if is_zero(filled) else str(row["average_filled_price"]),
        cost=str(row["filled_value"]),
        fees=(Fee(asset=instrument.quote, amount=str(row["total_fees"])),),
        created_ns=rfc3339_ns(row["created_time"]),
        updated_ns=rfc3339_ns(row.get("last_update_time") or row["created_time"]),
        reason=str(row.get("cancel_message") or row.get("reject_message") or ""),
    )


def _fill_report(instrument: Instrument, row: Row) -> FillReport:
    price, size = Decimal(str(row["price"])), Decimal(str(row["size"]))
    if row.get("size_in_quote"):
        size = size / price
    return FillReport(
        exec_id=str(row["trade_id"]),
        venue_order_id=str(row["order_id"]),
        client_order_id=None,
        symbol=instrument.symbol,
        side="buy" if row["side"] == "BUY" else "sell",
        price=str(row["price"]),
        quantity=plain(size),
        cost=plain(price * size),
        fees=(Fee(asset=instrument.quote, amount=str(row["commission"])),),
        liquidity="maker" if row["liquidity_indicator"] == "MAKER" else "taker",
        at_ns=rfc3339_ns(row["trade_time"]),
    )


def _transfer(exchange: "TrioExchange", row: Row) -> TransferReport:
    amount = row["amount"]
    return TransferReport(
        asset=exchange.safe_currency_code(amount["currency"]),
        amount=plain(amount["amount"]),
        kind=str(row["type"]),
        reference=str(row["id"]),
        at_ns=rfc3339_ns(row["created_at"]),
    )
