"""KuCoin spot: REST, orders and error codes. The streams are in `kucoin_streams`.

Of an upgraded account (`hf` endpoints), as new ones are. Most endpoints want an order's symbol
beside its id, so our ids of orders carry it: `ETH-USDT-6571…`.
Sources: kucoin.com/docs-new (spot trading, account info, WebSocket), ccxt 4.5.90's class.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlencode

import trio

from exchanges.adapters.base import Adapter, Decoded, Refused, Subscription, Topic
from exchanges.adapters.kucoin_streams import SNAPSHOT, KucoinStreams
from exchanges.adapters.numbers import decimals, is_zero, ns_of_ms, plain
from exchanges.ccxt_names import errors as ccxt_errors
from exchanges.errors import CCXT_RAISES, Code, Reason, Rule, VenueError
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND
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

ACCOUNT_TYPE = "trade_hf"
# The most rows of one answer, and how many answers are asked for: weeks of trading.
PAGE_ROWS = 100
PAGES_MAX = 200
SYMBOLS_MAX = 64
"""Orders and fills are asked for symbol by symbol; more would use up a pool of weights at once."""
FEE_SYMBOLS = 10
TRADES_FIRST = 50
CLIENT_IDS_MAX = 1_000
# A subscription is answered within a round trip.
SNAPSHOT_DELAY_S = 0.5

Request = Callable[..., Awaitable[Any]]
Row = Mapping[str, Any]


def _rules() -> tuple[Rule, ...]:
    # Codes and texts. The order matters: the first match decides.
    words: list[tuple[str, Code, Reason]] = [
        (r"order_not_exist|[Oo]rder not exist|order does not exist", Code.NOT_FOUND, ""),
        (r'"126041"|allowMaxTimeWindow', Code.REJECTED, "deadline_elapsed"),
        (r'"400002"|KC-API-TIMESTAMP', Code.UNAVAILABLE, "nonce"),
        (r'"(200004|126013|230003|210021)"|[Bb]alance insufficient', Code.INSUFFICIENT_FUNDS, ""),
        (r'"126044"|clientOid duplicate', Code.REJECTED, "duplicate_client_order_id"),
        (r"(?i)post.?only", Code.REJECTED, "post_only_would_take"),
        (r'minimum|"(600101|126003)"', Code.REJECTED, "minimum"),
        (r'increment invalid|"600100"', Code.REJECTED, "off_grid"),
        (r'"(126011|300004)"|too many orders', Code.REJECTED, "limit_of_orders"),
        (r'"(126004|126006|126007|126009|126015)"|suspended', Code.REJECTED, "market_mode"),
        (r'"429000"|Too many requests', Code.RATE_LIMITED, ""),
        (r'"(40000[134567]|411100)"|KC-API-', Code.AUTHENTICATION, ""),
        (r'"(500000|503000|408000)"', Code.AMBIGUOUS, ""),
        (r'"(400\d{3}|404000|415000)"', Code.INVALID, ""),
    ]
    return tuple(
        Rule(pattern=re.compile(pattern), code=code, reason=reason)
        for pattern, code, reason in words
    )


class KucoinAdapter(Adapter):
    """One client of KuCoin spot."""

    venue: ClassVar[str] = "kucoin"
    error_rules = _rules()

    def __init__(self) -> None:
        super().__init__()
        self._streams = KucoinStreams(self.instruments)
        self._symbols: dict[str, str] = {}
        """Of the orders submitted here, by our id."""
        self._urls: dict[str, str] = {}
        """Where the connection of each kind is, with its token."""
        self._negotiating = trio.Lock()

    def config(self, endpoints: Endpoints | None) -> dict[str, Any]:
        # Only spot pairs of an upgraded account, and nothing about coins: that costs weight.
        settings: dict[str, Any] = {
            "options": {"fetchMarkets": {"types": ["spot"]}, "hf": True, "uta": False},
            "has": {"fetchCurrencies": False},
        }
        if endpoints is None:
            return settings
        apis = ("public", "private", "uta", "utaPrivate")
        return {**settings, "urls": {"api": dict.fromkeys(apis, endpoints.rest.rstrip("/"))}}

    # -- reference data

    def instrument(self, market: Mapping[str, Any]) -> Instrument | None:
        if not market.get("spot"):
            return None
        info = market["info"]
        tick, step = Decimal(info["priceIncrement"]), Decimal(info["baseIncrement"])
        return Instrument(
            symbol=market["symbol"],
            venue_symbol=market["id"],
            base=market["base"],
            quote=market["quote"],
            tick_size=plain(tick),
            lot_size=plain(step),
            price_decimals=decimals(tick),
            quantity_decimals=decimals(step),
            min_quantity_lots=-int(-Decimal(info["baseMinSize"]) // step),
            min_notional=plain(info.get("minFunds") or info.get("quoteMinSize") or "0"),
            maker_fee=plain(market.get("maker") or "0.001"),
            taker_fee=plain(market.get("taker") or "0.001"),
            active=bool(info.get("enableTrading", True)),
        )

    async def fetch_time_ns(self, exchange: "TrioExchange") -> int:
        answer = await exchange.publicGetTimestamp()
        return int(answer["data"]) * NANOSECONDS_PER_MILLISECOND

    # -- account

    async def fetch_balances(self, exchange: "TrioExchange") -> tuple[Balance, ...]:
        answer = await exchange.privateGetAccounts({"type": ACCOUNT_TYPE})
        return tuple(
            Balance(
                asset=exchange.safe_currency_code(row["currency"]),
                total=str(row["balance"]),
                free=str(row["available"]),
                used=str(row["holds"]),
            )
            for row in answer["data"]
            if row["type"] == ACCOUNT_TYPE
        )

    async def fetch_fees(
        self, exchange: "TrioExchange", instruments: Sequence[Instrument]
    ) -> tuple[AccountFee, ...]:
        found: list[AccountFee] = []
        by_id = {each.venue_symbol: each.symbol for each in instruments}
        names = list(by_id)
        for at in range(0, len(names), FEE_SYMBOLS):
            asked = {"symbols": ",".join(names[at : at + FEE_SYMBOLS])}
            answer = await exchange.privateGetTradeFees(asked)
            found += [
                AccountFee(
                    symbol=by_id[row["symbol"]],
                    maker=plain(row["makerFeeRate"]),
                    taker=plain(row["takerFeeRate"]),
                )
                for row in answer["data"]
            ]
        return tuple(found)

    async def fetch_open_orders(
        self, exchange: "TrioExchange", client_order_id: str | None
    ) -> list[OrderReport]:
        if client_order_id is not None:
            named = await self._named(exchange, client_order_id)
            return [each for each in named if each.status in ("open", "partially_filled")]
        reports: list[OrderReport] = []
        for instrument in await self._with_open_orders(exchange):
            answer = await exchange.privateGetHfOrdersActive({"symbol": instrument.venue_symbol})
            reports += [_order_report(instrument, row) for row in answer["data"] or []]
        return reports

    async def _with_open_orders(self, exchange: "TrioExchange") -> list[Instrument]:
        answer = await exchange.privateGetHfOrdersActiveSymbols()
        names = (answer["data"] or {}).get("symbols") or []
        by_id = {each.venue_symbol: each for each in self.instruments.values()}
        return [by_id[name] for name in names if name in by_id]

    async def _named(self, exchange: "TrioExchange", client_order_id: str) -> list[OrderReport]:
        """Return the order that has our id: KuCoin gives an id to one order for good."""
        for instrument in self._traded(client_order_id):
            asked = {"symbol": instrument.venue_symbol, "clientOid": client_order_id}
            try:
                answer = await exchange.privateGetHfOrdersClientOrderClientOid(asked)
            except ccxt_errors.OrderNotFound:
                continue
            if answer["data"] and answer["data"].get("symbol") == instrument.venue_symbol:
                return [_order_report(instrument, answer["data"])]
        return []

    async def fetch_closed_orders(
        self, exchange: "TrioExchange", since_ns: int, client_order_id: str | None
    ) -> list[OrderReport]:
        if client_order_id is not None:
            found = await self._named(exchange, client_order_id)
        else:
            found = []
            for instrument in self._traded(None):
                rows = await _all_rows(exchange.privateGetHfOrdersDone, instrument, since_ns)
                found += [_order_report(instrument, row) for row in rows]
        return [each for each in found if each.status not in ("open", "partially_filled")]

    async def fetch_my_trades(self, exchange: "TrioExchange", since_ns: int) -> list[FillReport]:
        fills: list[FillReport] = []
        for instrument in self._traded(None):
            rows = await _all_rows(exchange.privateGetHfFills, instrument, since_ns)
            fills += [_fill_report(instrument, row) for row in rows]
        return sorted(fills, key=lambda fill: (fill.at_ns, fill.exec_id))

    async def fetch_transfers(
        self, exchange: "TrioExchange", since_ns: int
    ) -> list[TransferReport]:
        rows: list[Row] = []
        params: dict[str, Any] = {"bizType": "TRANSFER", "limit": PAGE_ROWS}
        for _ in range(PAGES_MAX):
            answer = await exchange.privateGetHfAccountsLedgers(params)
            found = answer["data"] or []
            rows += found
            if len(found) < PAGE_ROWS or ns_of_ms(found[-1]["createdAt"]) < since_ns:
                break
            params = {**params, "lastId": found[-1]["id"]}
        transfers = [_transfer(exchange, row) for row in rows]
        wanted = [each for each in transfers if each.at_ns >= since_ns]
        return sorted(wanted, key=lambda each: (each.at_ns, each.reference))

    def _traded(self, client_order_id: str | None) -> list[Instrument]:
        """Return the instruments whose orders are asked for. Raises `VenueError` for too many."""
        known = self._symbols.get(client_order_id or "")
        wanted = (known,) if known else self.traded or tuple(self.instruments)
        if len(wanted) > SYMBOLS_MAX:
            raise VenueError(
                Code.INVALID,
                self.venue,
                f"KuCoin is asked for orders symbol by symbol, and {len(wanted)} are too many: "
                f"name at most {SYMBOLS_MAX} in `symbols` of this venue in bot.toml",
            )
        return [self.instruments[symbol] for symbol in wanted if symbol in self.instruments]

    # -- orders

    async def submit(
        self, exchange: "TrioExchange", ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> str:
        self._remember(ticket)
        answer = await exchange.privatePostHfOrders(self._order(ticket, instrument, now_ns))
        order_id = (answer.get("data") or {}).get("orderId")
        if not order_id:
            raise VenueError(Code.AMBIGUOUS, self.venue, "an order was answered without its id")
        return f"{instrument.venue_symbol}-{order_id}"

    def _remember(self, ticket: OrderTicket) -> None:
        self._symbols[ticket.client_order_id] = ticket.symbol
        if len(self._symbols) > CLIENT_IDS_MAX:
            del self._symbols[next(iter(self._symbols))]

    def _order(self, ticket: OrderTicket, instrument: Instrument, now_ns: int) -> dict[str, Any]:
        if ticket.trigger:
            raise VenueError(
                Code.INVALID, self.venue, "stop orders do not rest here: guard holds the level"
            )
        params: dict[str, Any] = {
            "clientOid": ticket.client_order_id,
            "side": ticket.side,
            "symbol": instrument.venue_symbol,
            "type": ticket.type,
            "size": instrument.quantity_text(ticket.quantity_lots),
        }
        if ticket.type == "limit":
            assert ticket.price_ticks is not None, "a limit order has a price"
            params["price"] = instrument.price_text(ticket.price_ticks)
            params["timeInForce"] = ticket.time_in_force
            if ticket.post_only:
                params["postOnly"] = True
        if ticket.expires_at_ns:
            ahead_ms = (ticket.expires_at_ns - now_ns) // NANOSECONDS_PER_MILLISECOND
            if ahead_ms < 1:
                raise VenueError(Code.INVALID, self.venue, "the submit's bound has passed")
            params["clientTimestamp"] = now_ns // NANOSECONDS_PER_MILLISECOND
            params["allowMaxTimeWindow"] = ahead_ms
        return params

    async def cancel(
        self, exchange: "TrioExchange", client_order_id: str | None, venue_order_id: str | None
    ) -> int:
        if venue_order_id is not None:
            symbol, _, order_id = venue_order_id.rpartition("-")
            await exchange.privateDeleteHfOrdersOrderId({"orderId": order_id, "symbol": symbol})
            return 1
        assert client_order_id is not None, "one of the two ids is given"
        named = await self._named(exchange, client_order_id)
        if not named:
            raise VenueError(Code.NOT_FOUND, self.venue, f"no order has id {client_order_id}")
        symbol = self.instruments[named[0].symbol].venue_symbol
        asked = {"clientOid": client_order_id, "symbol": symbol}
        await exchange.privateDeleteHfOrdersClientOrderClientOid(asked)
        return 1

    async def cancel_all(self, exchange: "TrioExchange") -> int:
        count = len(await self.fetch_open_orders(exchange, None))
        await exchange.privateDeleteHfOrdersCancelAll()
        return count

    # -- streams

    async def subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        is_private = topic.channel in ("executions", "balances")
        await self._prepare(exchange, topic)
        url = await self._connection(exchange, "private" if is_private else "public")
        plan = self._streams.subscription(url, topic)
        if self._streams.is_numbered(topic):
            exchange.start_soon(
                self._begin_book, exchange, url, plan.subscribe["topic"], name=f"snapshot {topic}"
            )
        return plan

    async def _prepare(self, exchange: "TrioExchange", topic: Topic) -> None:
        """Read what a new subscriber starts from, which KuCoin's streams do not send."""
        if topic.channel == "candles":
            symbol = self.instruments[topic.symbol].venue_symbol
            asked = {"symbol": symbol, "type": self._streams.interval_of(topic)}
            answer = await exchange.publicGetMarketCandles(asked)
            self._streams.start(topic, reversed(answer["data"] or []))
        elif topic.channel == "trades":
            symbol = self.instruments[topic.symbol].venue_symbol
            answer = await exchange.publicGetMarketHistories({"symbol": symbol})
            rows = sorted(answer["data"] or [], key=lambda row: int(row["sequence"]))
            self._streams.start(topic, rows[-TRADES_FIRST:])

    async def _connection(self, exchange: "TrioExchange", kind: str) -> str:
        """Return where the one connection of a kind is; with a new token where there is none."""
        async with self._negotiating:
            url = self._urls.get(kind)
            if url is not None and url in exchange.clients:
                return url
            is_private = kind == "private"
            bullet = (
                exchange.privatePostBulletPrivate if is_private else exchange.publicPostBulletPublic
            )
            answer = await bullet()
            token, (server, *_) = answer["data"]["token"], answer["data"]["instanceServers"]
            if is_private:
                # So that no text that leaves here shows it.
                exchange.token = token
            query = urlencode({"token": token, "connectId": kind})
            url = self._urls[kind] = f"{server['endpoint']}?{query}"
            exchange.client(url).keepAlive = int(server["pingInterval"])
            return url

    async def _begin_book(self, exchange: "TrioExchange", url: str, name: str) -> None:
        """Read the snapshot of a numbered book once its changes are heard."""
        symbol = name.partition(":")[2]
        message: dict[str, Any] = {"type": SNAPSHOT, "topic": name}
        try:
            client = exchange.clients[url]
            await client.connected
            # What is subscribed is heard by now: the snapshot is younger than the first change.
            await trio.sleep(SNAPSHOT_DELAY_S)
            asked = {"level": 2, "limit": 100, "symbol": symbol}
            answer = await exchange.publicGetMarketOrderbookLevelLevelLimit(asked)
            message["data"] = answer["data"]
        except CCXT_RAISES as error:
            message["detail"] = f"{type(error).__name__}"
        known = exchange.clients.get(url)
        if known is not None:
            exchange.tapped(known, message)

    def is_private(self, exchange: "TrioExchange", url: str) -> bool:
        return "connectId=private" in url

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        return self._streams.decode(message, now_ns)


async def _all_rows(request: Request, instrument: Instrument, since_ns: int) -> list[Row]:
    """Read every row since a time, page by page from the newest."""
    params: dict[str, Any] = {"symbol": instrument.venue_symbol, "limit": PAGE_ROWS}
    rows: list[Row] = []
    for _ in range(PAGES_MAX):
        data = (await request(params))["data"] or {}
        found = data.get("items") or []
        rows += found
        if len(found) < PAGE_ROWS or ns_of_ms(found[-1]["createdAt"]) < since_ns:
            return [row for row in rows if ns_of_ms(row["createdAt"]) >= since_ns]
        params = {**params, "lastId": data["lastId"]}
    raise VenueError(
        Code.INVALID, "kucoin", f"more than {PAGES_MAX * PAGE_ROWS} rows: ask for a later time"
    )


def _order_report(instrument: Instrument, row: Row) -> OrderReport:
    filled, cost = str(row["dealSize"]), str(row["dealFunds"])
    price = str(row.get("price") or "0")
    is_market = row["type"] == "market"
    return OrderReport(
        venue_order_id=f"{row['symbol']}-{row['id']}",
        client_order_id=row.get("clientOid") or None,
        symbol=instrument.symbol,
        side="buy" if row["side"] == "buy" else "sell",
        type=str(row["type"]),
        status=_status(row),
        quantity=str(row["size"]),
        filled=filled,
        price=None if is_market or is_zero(price) else price,
        average_price=None if is_zero(filled) else plain(Decimal(cost) / Decimal(filled)),
        cost=cost,
        fees=(Fee(asset=row["feeCurrency"], amount=str(row["fee"])),),
        created_ns=ns_of_ms(row["createdAt"]),
        updated_ns=ns_of_ms(row.get("lastUpdatedAt") or row["createdAt"]),
    )


def _status(row: Row) -> Any:  # noqa: ANN401 - one of OrderStatus
    if row["active"]:
        return "open" if is_zero(str(row["dealSize"])) else "partially_filled"
    return "canceled" if row["cancelExist"] else "filled"


def _fill_report(instrument: Instrument, row: Row) -> FillReport:
    return FillReport(
        exec_id=f"{row['orderId']}-{row['tradeId']}",
        venue_order_id=f"{row['symbol']}-{row['orderId']}",
        client_order_id=None,
        symbol=instrument.symbol,
        side="buy" if row["side"] == "buy" else "sell",
        price=str(row["price"]),
        quantity=str(row["size"]),
        cost=str(row["funds"]),
        fees=(Fee(asset=row["feeCurrency"], amount=str(row["fee"])),),
        liquidity="maker" if row["liquidity"] == "maker" else "taker",
        at_ns=ns_of_ms(row["createdAt"]),
    )


def _transfer(exchange: "TrioExchange", row: Row) -> TransferReport:
    amount, fee = Decimal(str(row["amount"])), Decimal(str(row.get("fee") or "0"))
    signed = amount if row["direction"] == "in" else -amount - fee
    return TransferReport(
        asset=exchange.safe_currency_code(row["currency"]),
        amount=plain(signed),
        kind=str(row["bizType"]).lower(),
        reference=str(row["id"]),
        at_ns=ns_of_ms(row["createdAt"]),
    )
