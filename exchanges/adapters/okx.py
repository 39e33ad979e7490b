"""OKX v5, pairs of the trading account: REST, orders and error codes; streams: `okx_streams`.

Sources: okx.com/docs-v5 (trading account, order book trading, overview), ccxt 4.5.90's class.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from exchanges.adapters import okx_ids as ids
from exchanges.adapters.base import Adapter, Decoded, Refused, Subscription, Topic
from exchanges.adapters.numbers import decimals, ns_of_ms, plain
from exchanges.adapters.okx_streams import STATUS, OkxStreams, balance_of
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

SPOT = "SPOT"
# The most rows of one answer, and how many answers are asked for: weeks of trading.
PAGE_ROWS = 100
PAGES_MAX = 200
CANCELS_MAX = 20
# Candles and trades that a new subscriber starts from.
START_ROWS = 100
# Submitted orders whose instrument is remembered; the venue keeps fewer open.
REMEMBERED_MAX = 1_000
_TRANSFER = "1"


def _rules() -> tuple[Rule, ...]:
    # Codes as they stand in the answer's JSON. The order matters: the first match decides.
    codes: list[tuple[str, Code, Reason]] = [
        (r"51400|51401|51402|51503|51509|51510|51603", Code.NOT_FOUND, ""),
        (r"50036|50037", Code.REJECTED, "deadline_elapsed"),
        (r"50102", Code.UNAVAILABLE, "nonce"),
        (r"51008|51119|51127|51131|51502|59200", Code.INSUFFICIENT_FUNDS, ""),
        (r"51016|51065|50071", Code.REJECTED, "duplicate_client_order_id"),
        (r"51511", Code.REJECTED, "post_only_would_take"),
        (r"51020|51100|51118|51120|50122", Code.REJECTED, "minimum"),
        (r"51025|51102|51103|51117|51174|51261", Code.REJECTED, "limit_of_orders"),
        (r"51005|51006|51121|51122|51137|51138", Code.REJECTED, "off_grid"),
        (r"51009|5102[1-9]|51030", Code.REJECTED, "market_mode"),
        (r"50011|50013|50040|50061", Code.RATE_LIMITED, ""),
        (r"5010[013456]|5010[789]|5011[0-49]|50120", Code.AUTHENTICATION, ""),
        (r"50004|50026|51054|51149", Code.AMBIGUOUS, ""),
        (r"50002|50014|50015|50016|51000|51001|5150[06]|51204|51205", Code.INVALID, ""),
    ]
    return tuple(
        Rule(pattern=re.compile(rf'[cC]ode":\s*"({pattern})"'), code=code, reason=reason)
        for pattern, code, reason in codes
    )


def sign(
    self: "TrioExchange",
    path: str,
    api: object = "public",
    method: str = "GET",
    params: Any = None,  # noqa: ANN401 - what ccxt passes on
) -> dict[str, Any]:
    """Sign as ccxt does, with the request's deadline in a header, which ccxt has no way for."""
    given = dict(params) if isinstance(params, dict) else params
    deadline = given.pop("expTime", None) if isinstance(given, dict) else None
    signed: dict[str, Any] = super(type(self), self).sign(path, api, method, given or {})
    if deadline is not None:
        signed["headers"]["expTime"] = deadline
    return signed


class OkxAdapter(Adapter):
    """One client of OKX's pairs."""

    venue: ClassVar[str] = "okx"
    error_rules = _rules()
    exchange_overrides: ClassVar[Mapping[str, Callable[..., Any]]] = {"sign": sign}

    def __init__(self) -> None:
        super().__init__()
        self._streams = OkxStreams(self.instruments)
        self._instrument_ids: dict[str, str] = {}
        """Of the orders submitted here, by our id."""

    def config(self, endpoints: Endpoints | None) -> dict[str, Any]:
        options: dict[str, Any] = {
            # Only pairs, and nothing about coins: neither is needed.
            "options": {"fetchMarkets": {"types": ["spot"]}},
            "has": {"fetchCurrencies": False},
        }
        if endpoints is None:
            return options
        sockets = endpoints.websocket_public.removesuffix("/public")
        return {
            **options,
            "urls": {"api": {"rest": endpoints.rest.rstrip("/"), "ws": sockets}},
        }

    # -- reference data

    def instrument(self, market: Mapping[str, Any]) -> Instrument | None:
        if not market.get("spot"):
            return None
        info = market["info"]
        tick, lot = Decimal(info["tickSz"]), Decimal(info["lotSz"])
        return Instrument(
            symbol=market["symbol"],
            venue_symbol=market["id"],
            base=market["base"],
            quote=market["quote"],
            tick_size=plain(tick),
            lot_size=plain(lot),
            price_decimals=decimals(tick),
            quantity_decimals=decimals(lot),
            min_quantity_lots=-int(-Decimal(info["minSz"]) // lot),
            min_notional="0",
            maker_fee=plain(market.get("maker") or "0.0008"),
            taker_fee=plain(market.get("taker") or "0.001"),
            active=info.get("state", "live") == "live",
        )

    async def fetch_time_ns(self, exchange: "TrioExchange") -> int:
        answer = await exchange.publicGetPublicTime()
        return ns_of_ms(answer["data"][0]["ts"])

    # -- account

    async def fetch_balances(self, exchange: "TrioExchange") -> tuple[Balance, ...]:
        answer = await exchange.privateGetAccountBalance()
        return tuple(balance_of(row) for row in answer["data"][0]["details"])

    async def fetch_fees(
        self, exchange: "TrioExchange", instruments: Sequence[Instrument]
    ) -> tuple[AccountFee, ...]:
        answer = await exchange.privateGetAccountTradeFee({"instType": SPOT})
        row = answer["data"][0]
        # OKX writes what it takes as a negative number.
        maker, taker = plain(-Decimal(row["maker"])), plain(-Decimal(row["taker"]))
        return tuple(
            AccountFee(symbol=each.symbol, maker=maker, taker=taker) for each in instruments
        )

    async def fetch_open_orders(
        self, exchange: "TrioExchange", client_order_id: str | None
    ) -> list[OrderReport]:
        rows = await _all_rows(exchange.privateGetTradeOrdersPending, {"instType": SPOT}, "ordId")
        return self._reports(rows, client_order_id)

    async def fetch_closed_orders(
        self, exchange: "TrioExchange", since_ns: int, client_order_id: str | None
    ) -> list[OrderReport]:
        rows = await _all_rows(
            exchange.privateGetTradeOrdersHistory, {"instType": SPOT}, "ordId", since_ns
        )
        return self._reports(rows, client_order_id)

    async def fetch_my_trades(self, exchange: "TrioExchange", since_ns: int) -> list[FillReport]:
        given: dict[str, Any] = {"instType": SPOT}
        if since_ns:
            given["begin"] = since_ns // NANOSECONDS_PER_MILLISECOND
        rows = await _all_rows(exchange.privateGetTradeFillsHistory, given, "billId")
        by_id = self._by_id()
        fills = [_fill_report(by_id[row["instId"]], row) for row in rows if row["instId"] in by_id]
        return sorted(fills, key=lambda fill: (fill.at_ns, fill.exec_id))

    async def fetch_transfers(
        self, exchange: "TrioExchange", since_ns: int
    ) -> list[TransferReport]:
        given: dict[str, Any] = {"type": _TRANSFER}
        if since_ns:
            given["begin"] = since_ns // NANOSECONDS_PER_MILLISECOND
        rows = await _all_rows(exchange.privateGetAccountBillsArchive, given, "billId")
        transfers = [_transfer(exchange, row) for row in rows]
        found = [each for each in transfers if each.at_ns >= since_ns]
        return sorted(found, key=lambda each: (each.at_ns, each.reference))

    def _by_id(self) -> dict[str, Instrument]:
        return {each.venue_symbol: each for each in self.instruments.values()}

    def _reports(
        self, rows: Iterable[Mapping[str, Any]], client_order_id: str | None
    ) -> list[OrderReport]:
        by_id = self._by_id()
        found = {
            report.venue_order_id: report
            for report in (
                _order_report(by_id[row["instId"]], row) for row in rows if row["instId"] in by_id
            )
        }
        return [each for each in found.values() if client_order_id in (None, each.client_order_id)]

    # -- orders

    async def submit(
        self, exchange: "TrioExchange", ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> str:
        params = self._order_params(ticket, instrument)
        self._remember(ticket.client_order_id, instrument)
        answer = await exchange.privatePostTradeOrder(
            params | self._deadline(ticket.expires_at_ns, now_ns)
        )
        number = answer["data"][0].get("ordId")
        if not number:
            raise VenueError(Code.AMBIGUOUS, self.venue, "an order was answered without its id")
        return ids.with_instrument(instrument.venue_symbol, number)

    def _order_params(self, ticket: OrderTicket, instrument: Instrument) -> dict[str, Any]:
        assert not ticket.trigger, "guard holds the levels: a venue of emulated triggers gets none"
        name = ids.to_venue(ticket.client_order_id)
        if not ids.CLIENT_ID.fullmatch(name):
            raise VenueError(Code.INVALID, self.venue, f"{name!r} is no client order id here")
        params: dict[str, Any] = {
            "instId": instrument.venue_symbol,
            "tdMode": "cash",
            "side": ticket.side,
            "ordType": "market",
            "sz": instrument.quantity_text(ticket.quantity_lots),
            "clOrdId": name,
        }
        if ticket.type == "market":
            return params | {"tgtCcy": "base_ccy"}
        assert ticket.price_ticks is not None, "a limit order has a price"
        kind = "post_only" if ticket.post_only else _TYPES[ticket.time_in_force]
        return params | {"px": instrument.price_text(ticket.price_ticks), "ordType": kind}

    def _deadline(self, expires_at_ns: int, now_ns: int) -> dict[str, str]:
        """Return the moment after which OKX does not look at a request any more."""
        if not expires_at_ns:
            return {}
        if expires_at_ns <= now_ns:
            raise VenueError(Code.INVALID, self.venue, "the request's bound has passed")
        return {"expTime": str(expires_at_ns // NANOSECONDS_PER_MILLISECOND)}

    def _remember(self, client_order_id: str, instrument: Instrument) -> None:
        self._instrument_ids[client_order_id] = instrument.venue_symbol
        if len(self._instrument_ids) > REMEMBERED_MAX:
            del self._instrument_ids[next(iter(self._instrument_ids))]

    async def amend(
        self,
        exchange: "TrioExchange",
        change: OrderChange,
        instrument: Instrument,
        now_ns: int,
    ) -> None:
        _, number = ids.parted(change.venue_order_id)
        await exchange.privatePostTradeAmendOrder(
            {
                "instId": instrument.venue_symbol,
                "ordId": number,
                "newSz": instrument.quantity_text(change.quantity_lots),
                "newPx": instrument.price_text(change.price_ticks),
                **self._deadline(change.expires_at_ns, now_ns),
            }
        )

    async def cancel(
        self, exchange: "TrioExchange", client_order_id: str | None, venue_order_id: str | None
    ) -> int:
        if venue_order_id is not None:
            instrument_id, number = ids.parted(venue_order_id)
            params = {"instId": instrument_id, "ordId": number}
        else:
            assert client_order_id is not None, "one of the two ids is given"
            instrument_id = await self._instrument_id_of(exchange, client_order_id)
            params = {"instId": instrument_id, "clOrdId": ids.to_venue(client_order_id)}
        await exchange.privatePostTradeCancelOrder(params)
        return 1

    async def _instrument_id_of(self, exchange: "TrioExchange", client_order_id: str) -> str:
        known = self._instrument_ids.get(client_order_id)
        if known is not None:
            return known
        open_orders = await self.fetch_open_orders(exchange, client_order_id)
        if not open_orders:
            raise VenueError(Code.NOT_FOUND, self.venue, f"no open order has id {client_order_id}")
        return self.instruments[open_orders[0].symbol].venue_symbol

    async def cancel_all(self, exchange: "TrioExchange") -> int:
        rows = await _all_rows(exchange.privateGetTradeOrdersPending, {"instType": SPOT}, "ordId")
        named = [{"instId": row["instId"], "ordId": row["ordId"]} for row in rows]
        for at in range(0, len(named), CANCELS_MAX):
            await exchange.privatePostTradeCancelBatchOrders(named[at : at + CANCELS_MAX])
        return len(named)

    # -- streams

    async def subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        base = exchange.urls["api"]["ws"]
        if topic.channel in ("executions", "balances"):
            await exchange.authenticate({"access": "private"})
            return self._streams.subscription(f"{base}/private", topic)
        await self._prepare(exchange, topic)
        end = "business" if topic.channel == "candles" else "public"
        return self._streams.subscription(f"{base}/{end}", topic)

    async def _prepare(self, exchange: "TrioExchange", topic: Topic) -> None:
        """Read what a new subscriber starts from, which OKX's channels do not send."""
        given = {"instId": self.instruments[topic.symbol].venue_symbol, "limit": START_ROWS}
        if topic.channel == "candles":
            given["bar"] = self._streams.interval_of(topic)
            answer = await exchange.publicGetMarketCandles(given)
        elif topic.channel == "trades":
            answer = await exchange.publicGetMarketTrades(given)
        else:
            return
        self._streams.start(topic, reversed(answer["data"]))

    def is_private(self, exchange: "TrioExchange", url: str) -> bool:
        return url.rstrip("/").endswith("/private")

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        return self._streams.decode(message, now_ns)


_TYPES = {"GTC": "limit", "IOC": "ioc", "FOK": "fok"}


async def _all_rows(
    request: Any,  # noqa: ANN401 - one of ccxt's generated methods
    given: Mapping[str, Any],
    key: str,
    since_ns: int = 0,
) -> list[Mapping[str, Any]]:
    """Read every row, newest first, page by page, back to what was last changed before a time."""
    params = {**given, "limit": PAGE_ROWS}
    rows: list[Mapping[str, Any]] = []
    for _ in range(PAGES_MAX):
        found = (await request(params))["data"]
        rows += found
        if len(found) < PAGE_ROWS or ns_of_ms(found[-1].get("cTime") or found[-1]["ts"]) < since_ns:
            return [row for row in rows if ns_of_ms(row.get("uTime") or row["ts"]) >= since_ns]
        params["after"] = found[-1][key]
    raise VenueError(
        Code.INVALID, "okx", f"more than {PAGES_MAX * PAGE_ROWS} rows: ask for a later time"
    )


def _order_report(instrument: Instrument, row: Mapping[str, Any]) -> OrderReport:
    filled, average = str(row["accFillSz"] or 0), str(row["avgPx"] or "")
    cost = Decimal(filled) * Decimal(average or 0)
    fee = -Decimal(str(row["fee"] or 0))
    return OrderReport(
        venue_order_id=ids.with_instrument(row["instId"], row["ordId"]),
        client_order_id=ids.from_venue(row["clOrdId"]),
        symbol=instrument.symbol,
        side="buy" if row["side"] == "buy" else "sell",
        type="market" if row["ordType"] == "market" else "limit",
        status=STATUS.get(row["state"], "unknown"),
        quantity=str(row["sz"]),
        filled=filled,
        price=str(row["px"]) or None,
        average_price=average or None,
        cost=plain(cost),
        fees=(Fee(asset=row["feeCcy"], amount=plain(fee)),) if fee else (),
        created_ns=ns_of_ms(row["cTime"]),
        updated_ns=ns_of_ms(row["uTime"]),
        reason=str(row.get("cancelSourceReason") or ""),
    )


def _fill_report(instrument: Instrument, row: Mapping[str, Any]) -> FillReport:
    cost = Decimal(str(row["fillPx"])) * Decimal(str(row["fillSz"]))
    return FillReport(
        exec_id=ids.with_instrument(row["instId"], row["tradeId"]),
        venue_order_id=ids.with_instrument(row["instId"], row["ordId"]),
        client_order_id=ids.from_venue(row.get("clOrdId")),
        symbol=instrument.symbol,
        side="buy" if row["side"] == "buy" else "sell",
        price=str(row["fillPx"]),
        quantity=str(row["fillSz"]),
        cost=plain(cost),
        fees=(Fee(asset=row["feeCcy"], amount=plain(-Decimal(str(row["fee"] or 0)))),),
        liquidity="maker" if row["execType"] == "M" else "taker",
        at_ns=ns_of_ms(row["ts"]),
    )


def _transfer(exchange: "TrioExchange", row: Mapping[str, Any]) -> TransferReport:
    amount = Decimal(str(row["balChg"]))
    return TransferReport(
        asset=exchange.safe_currency_code(row["ccy"]),
        amount=plain(amount),
        kind="deposit" if amount > 0 else "withdrawal",
        reference=str(row["billId"]),
        at_ns=ns_of_ms(row["ts"]),
    )
