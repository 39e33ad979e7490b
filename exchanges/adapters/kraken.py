"""Kraken spot: REST, orders and error words. `kraken_streams` has the streams.

Sources: docs.kraken.com/api (REST and WebSocket v2), and ccxt 4.5.90's own class.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, ClassVar

from exchanges.adapters.base import Adapter, Decoded, Refused, Subscription, Topic
from exchanges.adapters.kraken_ccxt import OVERRIDES
from exchanges.adapters.kraken_orders import KrakenOrders, deadline_text, refuse_fill_or_kill
from exchanges.adapters.kraken_streams import KrakenStreams
from exchanges.adapters.wires import OrderWire
from exchanges.errors import Code, Reason, Rule, VenueError
from exchanges.timestamps import NANOSECONDS_PER_SECOND, unix_seconds_ns
from exchanges.turns import Turn
from exchanges.types import (
    AccountFee,
    Balance,
    Endpoints,
    Fee,
    FillReport,
    Instrument,
    KeyRights,
    OrderChange,
    OrderReport,
    OrderStatus,
    OrderTicket,
    TransferReport,
)

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

# What a WebSocket message costs of ccxt's REST budget of one per second: 50 subscriptions a second.
SUBSCRIPTION_COST = 0.02
# ClosedOrders and TradesHistory answer at most this many rows at once.
PAGE_ROWS = 50
# 10 000 rows: more than a day of our trading; a range that holds more is asked for in parts.
PAGES_MAX = 200
# Kraken wants every nonce of a key above the last; these need not wait behind reads.
_TURNS = {
    "CancelOrder": Turn.CANCEL,
    "CancelOrderBatch": Turn.CANCEL,
    "CancelAll": Turn.CANCEL,
    "AddOrder": Turn.ORDER,
    "AmendOrder": Turn.ORDER,
}

_TRIGGERED_LIMITS = frozenset({"stop-loss-limit", "take-profit-limit"})
_STATUS: dict[str, OrderStatus] = {
    "pending": "pending",
    "open": "open",
    "closed": "filled",
    "canceled": "canceled",
    "expired": "expired",
}


def _rules() -> tuple[Rule, ...]:
    # Kraken's error strings. The order matters: the first match decides.
    words: list[tuple[str, Code, Reason]] = [
        (r"EOrder:Unknown order", Code.NOT_FOUND, ""),
        (r"EService:Deadline elapsed", Code.REJECTED, "deadline_elapsed"),
        (r"EOrder:Insufficient (funds|margin)", Code.INSUFFICIENT_FUNDS, ""),
        (r"EOrder:Post only", Code.REJECTED, "post_only_would_take"),
        (r"E\w+:.*minimum not met", Code.REJECTED, "minimum"),
        (
            r"EOrder:Tick size|:Invalid price|Invalid arguments:(price|volume)",
            Code.REJECTED,
            "off_grid",
        ),
        (
            r"(?i)duplicate.*cl_ord_id|cl_ord_id.*(duplicate|unique|exist|use)",
            Code.REJECTED,
            "duplicate_client_order_id",
        ),
        (
            r"EOrder:(Orders|Positions|Scheduled orders) limit exceeded",
            Code.REJECTED,
            "limit_of_orders",
        ),
        (
            r"Rate limit exceeded|Too many requests|Temporary lockout|EService:Throttled",
            Code.RATE_LIMITED,
            "",
        ),
        (r"EService:Market in", Code.REJECTED, "market_mode"),
        (r"EAPI:Invalid nonce", Code.UNAVAILABLE, "nonce"),
        (r"EAPI:Invalid (key|signature)|Permission denied|User Locked", Code.AUTHENTICATION, ""),
        (r"EAuth:|ESession:|EAccount:", Code.AUTHENTICATION, ""),
        (r"EService:(Unavailable|Busy|Timeout)|Internal error", Code.AMBIGUOUS, ""),
        (r"EQuery:|EGeneral:(Invalid arguments|Unknown)|EAPI:(Bad|Feature)", Code.INVALID, ""),
    ]
    return tuple(
        Rule(pattern=re.compile(pattern), code=code, reason=reason)
        for pattern, code, reason in words
    )


class KrakenAdapter(Adapter):
    """One client of Kraken spot."""

    venue: ClassVar[str] = "kraken"
    time_step_ns = NANOSECONDS_PER_SECOND
    error_rules = _rules()
    exchange_overrides = OVERRIDES

    def __init__(self) -> None:
        super().__init__()
        self._streams = KrakenStreams(self.instruments)

    def config(self, endpoints: Endpoints | None) -> dict[str, Any]:
        options: dict[str, Any] = {
            "options": {"watchOrderBook": {"checksum": True}, "ws": {"cost": SUBSCRIPTION_COST}}
        }
        if endpoints is None:
            return options
        websocket = {
            "public": endpoints.websocket_public,
            "publicV2": endpoints.websocket_public,
            "private": endpoints.websocket_private,
            "privateV2": endpoints.websocket_private,
        }
        rest = endpoints.rest.rstrip("/")
        return {
            **options,
            "urls": {"api": {"public": rest, "private": rest, "ws": websocket}},
        }

    def turn_of(self, api: str, path: str) -> Turn | None:
        return None if api == "public" else _TURNS.get(path, Turn.OTHER)

    def order_wire(self) -> OrderWire | None:
        return KrakenOrders()

    # -- reference data

    def instrument(self, market: Mapping[str, Any]) -> Instrument | None:
        if not market.get("spot"):
            return None
        info = market["info"]
        price_decimals = int(info["pair_decimals"])
        quantity_decimals = int(info["lot_decimals"])
        lot = Decimal(1).scaleb(-quantity_decimals)
        return Instrument(
            symbol=market["symbol"],
            venue_symbol=market["id"],
            base=market["base"],
            quote=market["quote"],
            tick_size=_plain(info.get("tick_size") or Decimal(1).scaleb(-price_decimals)),
            lot_size=_plain(lot),
            price_decimals=price_decimals,
            quantity_decimals=quantity_decimals,
            min_quantity_lots=-int(-Decimal(str(info.get("ordermin") or lot)) // lot),
            min_notional=_plain(info.get("costmin") or 0),
            maker_fee=_fee_fraction(info.get("fees_maker") or info["fees"]),
            taker_fee=_fee_fraction(info["fees"]),
            active=info.get("status", "online") == "online",
        )

    async def fetch_time_ns(self, exchange: "TrioExchange") -> int:
        answer = await exchange.publicGetTime()
        return int(answer["result"]["unixtime"]) * NANOSECONDS_PER_SECOND

    # -- account

    async def fetch_balances(self, exchange: "TrioExchange") -> tuple[Balance, ...]:
        answer = await exchange.privatePostBalanceEx()
        balances = []
        for asset, row in answer["result"].items():
            total, used = str(row["balance"]), str(row.get("hold_trade") or "0")
            free = _plain(Decimal(total) - Decimal(used))
            code = exchange.safe_currency_code(asset)
            balances.append(Balance(asset=code, total=total, free=free, used=used))
        return tuple(balances)

    async def fetch_fees(
        self, exchange: "TrioExchange", instruments: Sequence[Instrument]
    ) -> tuple[AccountFee, ...]:
        pairs = ",".join(instrument.venue_symbol for instrument in instruments)
        answer = await exchange.privatePostTradeVolume({"pair": pairs})
        taker, maker = answer["result"]["fees"], answer["result"].get("fees_maker") or {}
        found = []
        for instrument in instruments:
            name = instrument.venue_symbol
            if name in taker:
                # A pair without maker's fees of its own charges the one fee to both.
                row = maker.get(name) or taker[name]
                found.append(
                    AccountFee(
                        symbol=instrument.symbol,
                        maker=_percent(row["fee"]),
                        taker=_percent(taker[name]["fee"]),
                    )
                )
        return tuple(found)

    async def fetch_key_rights(self, exchange: "TrioExchange") -> KeyRights:
        answer = await exchange.privatePostGetApiKeyInfo()
        rights = [str(each) for each in answer["result"]["permissions"]]
        return KeyRights(
            may_trade=any("modify" in each for each in rights),
            may_withdraw=any("withdraw" in each for each in rights),
        )

    async def fetch_open_orders(
        self, exchange: "TrioExchange", client_order_id: str | None
    ) -> list[OrderReport]:
        params = {} if client_order_id is None else {"cl_ord_id": client_order_id}
        answer = await exchange.privatePostOpenOrders({**params, "trades": "true"})
        rows = answer["result"]["open"]
        reports = [_order_report(exchange, order_id, row) for order_id, row in rows.items()]
        return _with_our_id(reports, client_order_id)

    async def fetch_closed_orders(
        self, exchange: "TrioExchange", since_ns: int, client_order_id: str | None
    ) -> list[OrderReport]:
        params = {"trades": "true", "closetime": "close"}
        if client_order_id is not None:
            params["cl_ord_id"] = client_order_id
        rows = await _all_pages(
            exchange.privatePostClosedOrders, "closed", params, since_ns, exchange.id
        )
        reports = [_order_report(exchange, order_id, row) for order_id, row in rows.items()]
        return _with_our_id(reports, client_order_id)

    async def fetch_my_trades(self, exchange: "TrioExchange", since_ns: int) -> list[FillReport]:
        rows = await _all_pages(
            exchange.privatePostTradesHistory, "trades", {}, since_ns, exchange.id
        )
        fills = [_fill_report(exchange, exec_id, row) for exec_id, row in rows.items()]
        return sorted(fills, key=lambda fill: (fill.at_ns, fill.exec_id))

    async def fetch_transfers(
        self, exchange: "TrioExchange", since_ns: int
    ) -> list[TransferReport]:
        # All kinds are read: whatever is no trade (staking, credits, a purchase by card) moves
        # balances too.
        rows = await _all_pages(exchange.privatePostLedgers, "ledger", {}, since_ns, exchange.id)
        transfers = [
            _transfer(exchange, entry_id, row)
            for entry_id, row in rows.items()
            if row["type"] != "trade"
        ]
        return sorted(transfers, key=lambda each: (each.at_ns, each.reference))

    # -- orders

    async def submit(
        self, exchange: "TrioExchange", ticket: OrderTicket, instrument: Instrument, now_ns: int
    ) -> str:
        params = self._order_params(ticket, instrument.price_text, now_ns)
        price = None
        if ticket.type == "limit":
            assert ticket.price_ticks is not None, "a limit order has a price"
            price = instrument.price_text(ticket.price_ticks)
        order = await exchange.create_order(
            ticket.symbol,
            ticket.type,
            ticket.side,
            instrument.quantity_text(ticket.quantity_lots),
            price,
            params,
        )
        order_id = order["id"]
        if not isinstance(order_id, str) or not order_id:
            raise VenueError(Code.AMBIGUOUS, self.venue, "AddOrder was answered without a txid")
        return order_id

    def _order_params(
        self, ticket: OrderTicket, price_text: Callable[[int], str], now_ns: int
    ) -> dict[str, Any]:
        refuse_fill_or_kill(ticket)
        params: dict[str, Any] = {"clientOrderId": ticket.client_order_id}
        if ticket.type == "limit":
            params["timeInForce"] = ticket.time_in_force
        if ticket.post_only:
            params["postOnly"] = True
        if ticket.trigger:
            name = "stopLossPrice" if ticket.trigger == "stop" else "takeProfitPrice"
            params[name] = price_text(ticket.trigger_ticks)
        if ticket.expires_at_ns:
            params["deadline"] = deadline_text(ticket.expires_at_ns, now_ns)
        return params

    async def amend(
        self,
        exchange: "TrioExchange",
        change: OrderChange,
        instrument: Instrument,
        now_ns: int,
    ) -> None:
        params = {
            "txid": change.venue_order_id,
            "order_qty": instrument.quantity_text(change.quantity_lots),
            "limit_price": instrument.price_text(change.price_ticks),
        }
        if change.post_only:
            params["post_only"] = "true"
        if change.expires_at_ns:
            params["deadline"] = deadline_text(change.expires_at_ns, now_ns)
        await exchange.privatePostAmendOrder(params)

    async def cancel(
        self, exchange: "TrioExchange", client_order_id: str | None, venue_order_id: str | None
    ) -> int:
        params = {} if client_order_id is None else {"clientOrderId": client_order_id}
        order = await exchange.cancel_order(venue_order_id or "", None, params)
        return int(order["info"]["result"]["count"])

    async def cancel_all(self, exchange: "TrioExchange") -> int:
        answer = await exchange.privatePostCancelAll()
        return int(answer["result"]["count"])

    # -- streams

    async def subscription(self, exchange: "TrioExchange", topic: Topic) -> Subscription:
        urls = exchange.urls["api"]["ws"]
        if topic.channel not in ("executions", "balances"):
            return self._streams.subscription(urls["publicV2"], topic, token=None)
        if self._streams.take_refusal():
            # The token may have run out: ccxt would go on using it.
            exchange.client(urls["private"]).subscriptions.pop("authenticated", None)
        token = await exchange.authenticate()
        return self._streams.subscription(urls["privateV2"], topic, token=token)

    def is_private(self, exchange: "TrioExchange", url: str) -> bool:
        urls = exchange.urls["api"]["ws"]
        return url in (urls["private"], urls["privateV2"])

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        return self._streams.decode(message, now_ns)


def _plain(number: Decimal | str | int) -> str:
    value = Decimal(str(number))
    return format(value.normalize(), "f") if value else "0"


def _fee_fraction(schedule: list[list[Any]]) -> str:
    return _percent(schedule[0][1]) if schedule else "0"


def _percent(value: object) -> str:
    return _plain(Decimal(str(value)) / 100)


def _with_our_id(reports: list[OrderReport], client_order_id: str | None) -> list[OrderReport]:
    # Filtered here too: whether the venue knows the parameter must not decide about money.
    if client_order_id is None:
        return reports
    return [each for each in reports if each.client_order_id == client_order_id]


async def _all_pages(
    request: Any,  # noqa: ANN401 - one of ccxt's generated methods
    key: str,
    params: Mapping[str, str],
    since_ns: int,
    venue: str,
) -> dict[str, dict[str, Any]]:
    """Read every page. Rows that arrive meanwhile push older ones back, so none is missed."""
    # `start` is exclusive and in seconds.
    start = max(0, since_ns // NANOSECONDS_PER_SECOND - 1)
    rows: dict[str, dict[str, Any]] = {}
    for page in range(PAGES_MAX):
        answer = await request({**params, "start": str(start), "ofs": str(page * PAGE_ROWS)})
        found = answer["result"][key]
        rows.update(found)
        if not found or (page + 1) * PAGE_ROWS >= int(answer["result"].get("count", 0)):
            return rows
    raise VenueError(
        Code.INVALID, venue, f"more than {PAGES_MAX * PAGE_ROWS} {key} rows: ask for a later time"
    )


def _order_report(exchange: "TrioExchange", order_id: str, row: Mapping[str, Any]) -> OrderReport:
    description = row["descr"]
    order = exchange.parse_order({"id": order_id, **row})
    status = _STATUS.get(row["status"], "unknown")
    filled = str(row["vol_exec"])
    if status == "open" and Decimal(filled):
        status = "partially_filled"
    has_price = "limit" in description["ordertype"]
    # Of an order with a trigger the first price is that, the second its limit.
    limit = description["price2" if description["ordertype"] in _TRIGGERED_LIMITS else "price"]
    average = str(row.get("price") or "0")
    created_ns = unix_seconds_ns(str(row["opentm"]))
    return OrderReport(
        venue_order_id=order_id,
        client_order_id=row.get("cl_ord_id"),
        symbol=order["symbol"] or "",
        side=description["type"],
        type=description["ordertype"],
        status=status,
        quantity=str(row["vol"]),
        filled=filled,
        price=str(limit) if has_price else None,
        average_price=average if Decimal(average) else None,
        cost=str(row["cost"]),
        fees=_fees(exchange, order["symbol"], str(row["fee"]), row.get("oflags") or ""),
        created_ns=created_ns,
        updated_ns=unix_seconds_ns(str(row["closetm"])) if "closetm" in row else created_ns,
        expires_at_ns=unix_seconds_ns(str(row.get("expiretm") or 0)),
        reason=row.get("reason") or "",
        exec_ids=tuple(row.get("trades") or ()),
    )


def _fill_report(exchange: "TrioExchange", exec_id: str, row: Mapping[str, Any]) -> FillReport:
    trade = exchange.parse_trade({"id": exec_id, **row})
    maker = row.get("maker")
    return FillReport(
        exec_id=exec_id,
        venue_order_id=row["ordertxid"],
        client_order_id=row.get("cl_ord_id"),
        symbol=trade["symbol"] or "",
        side=row["type"],
        price=str(row["price"]),
        quantity=str(row["vol"]),
        cost=str(row["cost"]),
        fees=_fees(exchange, trade["symbol"], str(row["fee"]), "fciq"),
        liquidity="unknown" if maker is None else ("maker" if maker else "taker"),
        at_ns=unix_seconds_ns(str(row["time"])),
    )


def _transfer(exchange: "TrioExchange", entry_id: str, row: Mapping[str, Any]) -> TransferReport:
    # The balance changes by the amount less the fee.
    return TransferReport(
        asset=exchange.safe_currency_code(row["asset"]),
        amount=_plain(Decimal(str(row["amount"])) - Decimal(str(row["fee"]))),
        kind=row["type"],
        reference=entry_id,
        at_ns=unix_seconds_ns(str(row["time"])),
    )


def _fees(exchange: "TrioExchange", symbol: str | None, amount: str, flags: str) -> tuple[Fee, ...]:
    if symbol is None or not Decimal(amount):
        return ()
    market = exchange.market(symbol)
    return (Fee(asset=market["base" if "fcib" in flags else "quote"], amount=amount),)
