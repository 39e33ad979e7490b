"""Binance USD-M perpetuals: REST, orders, positions, funding. Streams: `binanceusdm_streams`.

Positions are one-way and told among the balances, as contracts named by their symbol: Binance
answers wallet and positions in one piece, so the two fit each other. Orders that wait for a trigger
are algo orders with ids of their own, written `ETHUSDT-a12` here.
Sources: developers.binance.com (USD-M futures: trade, account, user data streams, errors), ccxt
4.5.90's class.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from exchanges.adapters.base import Decoded, Refused, Subscription, Topic
from exchanges.adapters.binance import (
    PAGE_ROWS,
    PAGES_MAX,
    BinanceAdapter,
    all_rows,
)
from exchanges.adapters.binance_listen import ListenKeys
from exchanges.adapters.binance_streams import is_expiry
from exchanges.adapters.binanceusdm_reports import algo_report, order_report, usdm_rules
from exchanges.adapters.binanceusdm_streams import ALGO_STATUS, UsdmStreams, is_forced
from exchanges.adapters.numbers import decimals, ns_of_ms, plain
from exchanges.adapters.wires import OrderWire
from exchanges.errors import CCXT_RAISES, Code, VenueError
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND
from exchanges.types import (
    AccountFee,
    Balance,
    DerivativeTerms,
    Endpoints,
    Fee,
    FillReport,
    FundingReport,
    Instrument,
    OrderReport,
    OrderTicket,
    TransferReport,
)

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

Row = Mapping[str, Any]
# Income that is no movement of its own: it came with a trade, or is funding.
_TRADED = ("REALIZED_PNL", "COMMISSION")
FUNDING, INSURANCE = "FUNDING_FEE", "INSURANCE_CLEAR"
# Orders that are not this client's are asked for one by one, to learn whose they are.
UNKNOWN_ORDERS_MAX = 20
# The ids of this many orders are remembered: of more than a minute of trading.
ORDERS_REMEMBERED = 1_000
_MARGIN = {"cross": "CROSSED", "isolated": "ISOLATED"}
# "No need to change": it is as wanted already.
_AS_WANTED = ("-4046", "-4059")


class BinanceUsdmAdapter(BinanceAdapter):
    """One client of Binance USD-M."""

    venue: ClassVar[str] = "binanceusdm"
    error_rules = usdm_rules()

    def __init__(self) -> None:
        super().__init__()
        self._usdm = UsdmStreams(self.instruments)
        self._streams = self._usdm
        self._keys = ListenKeys(self.venue, self._streams)
        self._terms = DerivativeTerms()
        self._client_ids: dict[str, str] = {}
        """Of orders seen, by the venue's id."""

    def config(self, endpoints: Endpoints | None) -> dict[str, Any]:
        options: dict[str, Any] = {
            "options": {
                "fetchMarkets": {"types": ["linear"]},
                "fetchCurrencies": False,
                "fetchMargins": False,
            }
        }
        if endpoints is None:
            return options
        rest = f"{endpoints.rest.rstrip('/')}/fapi"
        kinds = ("fapiPublic", "fapiPrivate")
        versions = {"": "v1", "V2": "v2", "V3": "v3"}
        api: dict[str, Any] = {
            f"{kind}{name}": f"{rest}/{path}" for kind in kinds for name, path in versions.items()
        }
        return {**options, "urls": {"api": {**api, "ws": {"linear": endpoints.websocket_public}}}}

    def order_wire(self) -> OrderWire | None:
        # Its socket for orders is another one, which is not spoken here.
        return None

    # -- reference data

    def instrument(self, market: Row) -> Instrument | None:
        if not (market.get("swap") and market.get("linear")):
            return None
        filters = {row["filterType"]: row for row in market["info"]["filters"]}
        price, lot = filters["PRICE_FILTER"], filters["LOT_SIZE"]
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
            min_notional=plain(filters.get("MIN_NOTIONAL", {}).get("notional") or "0"),
            maker_fee=plain(market.get("maker") or "0.0002"),
            taker_fee=plain(market.get("taker") or "0.0005"),
            active=market["info"].get("status", "TRADING") == "TRADING",
        )

    async def fetch_time_ns(self, exchange: "TrioExchange") -> int:
        answer = await exchange.fapiPublicGetTime()
        return int(answer["serverTime"]) * NANOSECONDS_PER_MILLISECOND

    # -- account

    async def prepare(
        self, exchange: "TrioExchange", instruments: Sequence[Instrument], terms: DerivativeTerms
    ) -> None:
        """Set one-way positions, margin mode and leverage, where they are not as configured."""
        self._terms = terms
        mode = await exchange.fapiPrivateGetPositionSideDual()
        if _is_true(mode["dualSidePosition"]):
            await exchange.fapiPrivatePostPositionSideDual({"dualSidePosition": "false"})
        assets = await exchange.fapiPrivateGetMultiAssetsMargin()
        if _is_true(assets["multiAssetsMargin"]):
            text = "it is in multi-assets mode: switch it to single-asset mode at the venue"
            raise VenueError(Code.REJECTED, self.venue, text, reason="other")
        for instrument in instruments:
            await self._prepare_symbol(exchange, instrument.venue_symbol, terms)

    async def _prepare_symbol(
        self, exchange: "TrioExchange", symbol: str, terms: DerivativeTerms
    ) -> None:
        found = await exchange.fapiPrivateGetSymbolConfig({"symbol": symbol})
        (config,) = [row for row in found if row["symbol"] == symbol]
        margin = _MARGIN[terms.margin]
        if config["marginType"] != margin:
            await _settled(
                exchange.fapiPrivatePostMarginType, {"symbol": symbol, "marginType": margin}
            )
        if int(config["leverage"]) != terms.leverage:
            await exchange.fapiPrivatePostLeverage({"symbol": symbol, "leverage": terms.leverage})

    async def fetch_balances(self, exchange: "TrioExchange") -> tuple[Balance, ...]:
        answer = await exchange.fapiPrivateV3GetAccount()
        wallet = [
            Balance(
                asset=exchange.safe_currency_code(row["asset"]),
                total=str(row["walletBalance"]),
                free=str(row["availableBalance"]),
            )
            for row in answer["assets"]
            if Decimal(row["walletBalance"])
        ]
        by_id = {each.venue_symbol: each.symbol for each in self.instruments.values()}
        positions = [
            Balance(asset=by_id[row["symbol"]], total=str(row["positionAmt"]))
            for row in answer["positions"]
            if row["symbol"] in by_id and Decimal(row["positionAmt"])
        ]
        return (*wallet, *positions)

    async def fetch_fees(
        self, exchange: "TrioExchange", instruments: Sequence[Instrument]
    ) -> tuple[AccountFee, ...]:
        found = []
        for each in instruments:
            rate = await exchange.fapiPrivateGetCommissionRate({"symbol": each.venue_symbol})
            maker, taker = rate["makerCommissionRate"], rate["takerCommissionRate"]
            found.append(AccountFee(symbol=each.symbol, maker=plain(maker), taker=plain(taker)))
        return tuple(found)

    async def fetch_open_orders(
        self, exchange: "TrioExchange", client_order_id: str | None
    ) -> list[OrderReport]:
        rows = await exchange.fapiPrivateGetOpenOrders()
        waiting = await exchange.fapiPrivateGetOpenAlgoOrders()
        return self._told([*self._orders(rows), *self._algos(waiting)], client_order_id)

    async def fetch_closed_orders(
        self, exchange: "TrioExchange", since_ns: int, client_order_id: str | None
    ) -> list[OrderReport]:
        reports: list[OrderReport] = []
        for instrument in self._traded(client_order_id):
            symbol = instrument.venue_symbol
            rows = await all_rows(exchange.fapiPrivateGetAllOrders, symbol, since_ns, "orderId")
            reports += self._orders(rows)
            algos = await exchange.fapiPrivateGetAllAlgoOrders(
                {"symbol": symbol, "startTime": _ms(since_ns)}
            )
            reports += self._algos(algos)
        ended = [each for each in reports if each.status not in ("open", "partially_filled")]
        return self._told(ended, client_order_id)

    async def fetch_my_trades(self, exchange: "TrioExchange", since_ns: int) -> list[FillReport]:
        fills: list[FillReport] = []
        for instrument in self._traded(None):
            rows = await all_rows(
                exchange.fapiPrivateGetUserTrades, instrument.venue_symbol, since_ns, "id"
            )
            await self._learn_ids(exchange, rows)
            fills += [self._fill(instrument, row) for row in rows]
        return sorted(fills, key=lambda fill: (fill.at_ns, fill.exec_id))

    async def fetch_transfers(
        self, exchange: "TrioExchange", since_ns: int
    ) -> list[TransferReport]:
        rows = await self._income(exchange, since_ns, "")
        return [
            TransferReport(
                asset=exchange.safe_currency_code(row["asset"]),
                amount=plain(row["income"]),
                kind=str(row["incomeType"]).lower(),
                reference=f"{row['incomeType']}-{row['tranId']}",
                at_ns=ns_of_ms(row["time"]),
            )
            for row in rows
            if row["incomeType"] not in (*_TRADED, FUNDING, INSURANCE)
        ]

    async def fetch_funding(self, exchange: "TrioExchange", since_ns: int) -> list[FundingReport]:
        rows = [
            *await self._income(exchange, since_ns, FUNDING),
            *await self._income(exchange, since_ns, INSURANCE),
        ]
        by_id = {each.venue_symbol: each.symbol for each in self.instruments.values()}
        return [
            FundingReport(
                symbol=by_id.get(str(row["symbol"]), str(row["symbol"])),
                asset=exchange.safe_currency_code(row["asset"]),
                amount=plain(row["income"]),
                reference=f"{row['symbol']}-{row['tranId']}",
                at_ns=ns_of_ms(row["time"]),
                insurance=row["incomeType"] == INSURANCE,
            )
            for row in rows
        ]

    async def _income(self, exchange: "TrioExchange", since_ns: int, kind: str) -> list[Row]:
        """Read the history of income since a time, oldest first."""
        params: dict[str, Any] = {"limit": PAGE_ROWS, "startTime": max(1, _ms(since_ns))}
        if kind:
            params["incomeType"] = kind
        rows: dict[tuple[str, str, str], Row] = {}
        for _ in range(PAGES_MAX):
            found = await exchange.fapiPrivateGetIncome(params)
            for row in found:
                rows[row["incomeType"], row["symbol"], str(row["tranId"])] = row
            if len(found) < PAGE_ROWS:
                return sorted(rows.values(), key=lambda row: int(row["time"]))
            params["startTime"] = max(int(row["time"]) for row in found)
        text = f"more than {PAGES_MAX * PAGE_ROWS} rows: ask for a later time"
        raise VenueError(Code.INVALID, self.venue, text)

    # -- orders

    async def submit(
        self, exchange: "TrioExchange", ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> str:
        params = self._params(ticket, instrument, now_ns)
        if ticket.trigger:
            answer = await exchange.fapiPrivatePostAlgoOrder(params)
            order_id = f"a{answer.get('algoId') or ''}"
        else:
            answer = await exchange.fapiPrivatePostOrder(params)
            order_id = str(answer.get("orderId") or "")
        if order_id in ("", "a"):
            raise VenueError(Code.AMBIGUOUS, self.venue, "an order was answered without its id")
        venue_order_id = f"{instrument.venue_symbol}-{order_id}"
        self._know(venue_order_id, ticket.client_order_id)
        return venue_order_id

    def _params(self, ticket: OrderTicket, instrument: Instrument, now_ns: int) -> dict[str, Any]:
        params = self._remembered_params(ticket, instrument, now_ns)
        if ticket.reduces:
            params["reduceOnly"] = "true"
        if params["type"] == "LIMIT_MAKER":
            params |= {"type": "LIMIT", "timeInForce": "GTX"}
        if ticket.trigger:
            # Of the two kinds that spot calls otherwise.
            params["type"] = "STOP_MARKET" if ticket.trigger == "stop" else "TAKE_PROFIT_MARKET"
            params["algoType"] = "CONDITIONAL"
            params["triggerPrice"] = params.pop("stopPrice")
            params["clientAlgoId"] = params.pop("newClientOrderId")
            params["workingType"] = (
                "MARK_PRICE" if self._terms.trigger_by == "mark" else "CONTRACT_PRICE"
            )
            del params["newOrderRespType"]
        return params

    async def cancel(
        self, exchange: "TrioExchange", client_order_id: str | None, venue_order_id: str | None
    ) -> int:
        if venue_order_id is None:
            assert client_order_id is not None, "one of the two ids is given"
            found = await self.fetch_open_orders(exchange, client_order_id)
            if not found:
                text = f"no open order has id {client_order_id}"
                raise VenueError(Code.NOT_FOUND, self.venue, text)
            venue_order_id = found[0].venue_order_id
        symbol, _, number = venue_order_id.rpartition("-")
        if number.startswith("a"):
            await exchange.fapiPrivateDeleteAlgoOrder({"symbol": symbol, "algoId": number[1:]})
        else:
            await exchange.fapiPrivateDeleteOrder({"symbol": symbol, "orderId": number})
        return 1

    async def cancel_all(self, exchange: "TrioExchange") -> int:
        found = await self.fetch_open_orders(exchange, None)
        for symbol in dict.fromkeys(each.symbol for each in found):
            params = {"symbol": self.instruments[symbol].venue_symbol}
            await exchange.fapiPrivateDeleteAllOpenOrders(params)
            await exchange.fapiPrivateDeleteAlgoOpenOrders(params)
        return len(found)

    # -- streams

    async def subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        if topic.channel in ("executions", "balances"):
            return await self.account_subscription(exchange, topic)
        await self._prepare(exchange, topic)
        category = "market" if topic.channel in ("trades", "candles", "ticker") else "public"
        url = exchange.get_ws_url("linear", category)
        return self._streams.subscription(url.removesuffix("/ws") + "/stream", topic)

    async def account_subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        return await self._keys.subscription(
            exchange,
            topic,
            f"{exchange.get_ws_url('linear', 'private')}?listenKey=",
            exchange.fapiPrivatePostListenKey,
            exchange.fapiPrivatePutListenKey,
        )

    async def _prepare(self, exchange: "TrioExchange", topic: Topic) -> None:
        symbol_id = self.instruments[topic.symbol].venue_symbol
        if topic.channel == "candles":
            interval = self._streams.interval_of(topic)
            rows = await exchange.fapiPublicGetKlines({"symbol": symbol_id, "interval": interval})
            self._streams.start_candles(topic, rows)
        elif topic.channel == "trades":
            rows = await exchange.fapiPublicGetAggTrades({"symbol": symbol_id, "limit": 50})
            self._streams.start_trades(topic, rows)

    def is_private(self, exchange: "TrioExchange", url: str) -> bool:
        return "listenKey=" in url

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        if is_expiry(message):
            self._keys.give_up("its listen key has expired")
            return []
        return self._streams.decode(message, now_ns)

    # -- inside

    def _know(self, venue_order_id: str, client_order_id: str) -> None:
        self._client_ids[venue_order_id] = client_order_id
        if len(self._client_ids) > ORDERS_REMEMBERED:
            del self._client_ids[next(iter(self._client_ids))]

    async def _learn_ids(self, exchange: "TrioExchange", rows: Sequence[Row]) -> None:
        """Learn whose the orders of these trades are: the venue's own say so by their ids."""
        orders = dict.fromkeys((str(row["symbol"]), str(row["orderId"])) for row in rows)
        unknown = [each for each in orders if f"{each[0]}-{each[1]}" not in self._client_ids]
        for symbol, number in unknown[:UNKNOWN_ORDERS_MAX]:
            try:
                row = await exchange.fapiPrivateGetOrder({"symbol": symbol, "orderId": number})
            except CCXT_RAISES:
                # It is told without: who placed it only matters for the words.
                continue
            self._know(f"{symbol}-{number}", str(row.get("clientOrderId") or ""))

    def _told(self, reports: list[OrderReport], client_order_id: str | None) -> list[OrderReport]:
        for each in reports:
            self._know(each.venue_order_id, each.client_order_id or "")
        if client_order_id is None:
            return reports
        return [each for each in reports if each.client_order_id == client_order_id]

    def _orders(self, rows: Iterable[Row]) -> list[OrderReport]:
        by_id = {each.venue_symbol: each for each in self.instruments.values()}
        return [order_report(by_id[row["symbol"]], row) for row in rows if row["symbol"] in by_id]

    def _algos(self, rows: Iterable[Row]) -> list[OrderReport]:
        """Return orders that wait, or ended without their trigger; others are orders by now."""
        by_id = {each.venue_symbol: each for each in self.instruments.values()}
        return [
            algo_report(by_id[row["symbol"]], row)
            for row in rows
            if row["symbol"] in by_id and row["algoStatus"] in ALGO_STATUS
        ]

    def _fill(self, instrument: Instrument, row: Row) -> FillReport:
        venue_order_id = f"{row['symbol']}-{row['orderId']}"
        client_order_id = self._client_ids.get(venue_order_id, "")
        return FillReport(
            exec_id=f"{row['symbol']}-{row['id']}",
            venue_order_id=venue_order_id,
            client_order_id=client_order_id or None,
            symbol=instrument.symbol,
            side="buy" if row["side"] == "BUY" else "sell",
            price=str(row["price"]),
            quantity=str(row["qty"]),
            cost=str(row["quoteQty"]),
            fees=(Fee(asset=row["commissionAsset"], amount=str(row["commission"])),),
            liquidity="maker" if row["maker"] else "taker",
            at_ns=ns_of_ms(row["time"]),
            realised=str(row["realizedPnl"]),
            forced=is_forced(client_order_id),
        )


async def _settled(
    request: Any,  # noqa: ANN401 - one of ccxt's generated methods
    params: dict[str, Any],
) -> None:
    """Ask for a setting; that it is so already is no refusal."""
    try:
        await request(params)
    except CCXT_RAISES as error:
        if not any(code in str(error) for code in _AS_WANTED):
            raise


def _is_true(value: object) -> bool:
    return str(value).lower() == "true"


def _ms(at_ns: int) -> int:
    return at_ns // NANOSECONDS_PER_MILLISECOND
