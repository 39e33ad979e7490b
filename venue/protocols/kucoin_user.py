"""The private topics: what an account is told about its orders and balances.

Orders: received, match, open, update, filled, canceled. Only `tradeOrdersV2` tells of `received`,
that an order has come to the matching; `open` is told once an order rests in the book.
"""

from collections import deque
from collections.abc import Iterable

import msgspec

from venue.changes import Changes
from venue.commits import Outgoing
from venue.engine import Engine
from venue.orders import Order, Report, ReportKind
from venue.protocols.kucoin_account import account_id
from venue.protocols.kucoin_names import (
    milliseconds,
    order_id,
    order_type,
    side_name,
    stop_name,
)
from venue.protocols.kucoin_public import Json
from venue.protocols.kucoin_views import Views, client_id, trade_id
from venue.websocket import WebSocketSession

ORDERS, ORDERS_V2 = "/spotMarket/tradeOrders", "/spotMarket/tradeOrdersV2"
STOPS, BALANCES = "/spotMarket/advancedOrders", "/account/balance"
TOPICS = (ORDERS, ORDERS_V2, STOPS, BALANCES)
_TYPES = {
    ReportKind.NEW: "received",
    ReportKind.TRIGGERED: "received",
    ReportKind.TRADE: "match",
    ReportKind.FILLED: "filled",
    ReportKind.CANCELED: "canceled",
    ReportKind.EXPIRED: "canceled",
    ReportKind.AMENDED: "update",
}
_STOP_TYPES = {
    ReportKind.NEW: "open",
    ReportKind.TRIGGERED: "triggered",
    ReportKind.CANCELED: "cancel",
    ReportKind.EXPIRED: "cancel",
}
_STATUS = {"received": "new", "match": "match", "filled": "done", "canceled": "done"}


class UserTopics:
    """Every private listener."""

    def __init__(self, engine: Engine, views: dict[str, Views]) -> None:
        self._engine = engine
        self._views = views
        self._accounts: dict[WebSocketSession, int] = {}
        self._topics: dict[WebSocketSession, dict[str, None]] = {}
        self._known: dict[tuple[int, str], tuple[int, int]] = {}
        """Available and held units as told last, by account and asset."""

    def opened(self, session: WebSocketSession, account: int) -> None:
        """Note whose connection it is."""
        self._accounts[session] = account
        self._topics[session] = {}

    def subscribe(self, session: WebSocketSession, topic: str) -> bool:
        """Add a topic; False for a connection with a public token."""
        if session not in self._accounts:
            return False
        self._topics[session][topic] = None
        return True

    def unsubscribe(self, session: WebSocketSession, topic: str) -> None:
        """Remove a topic."""
        self._topics.get(session, {}).pop(topic, None)

    def closed(self, session: WebSocketSession) -> None:
        """Forget a client that is gone."""
        self._accounts.pop(session, None)
        self._topics.pop(session, None)

    def format_reports(self, changes: Changes, now_ns: int) -> list[Outgoing]:
        """Return the frames that tell accounts what a turn did to them."""
        told: dict[int, list[tuple[str, bytes]]] = {}
        outgoing: list[Outgoing] = []
        for session, account in self._accounts.items():
            if account not in told:
                told[account] = list(self._of_account(account, changes, now_ns))
            topics = self._topics[session]
            outgoing += [
                Outgoing(session, frame, topic) for topic, frame in told[account] if topic in topics
            ]
        return outgoing

    def _of_account(
        self, number: int, changes: Changes, now_ns: int
    ) -> Iterable[tuple[str, bytes]]:
        reports = [each for each in changes.reports if each.order.account == number]
        last = {report.order.number: at for at, report in enumerate(reports)}
        fresh: set[int] = set()
        for at, report in enumerate(reports):
            order = report.order
            if report.kind in (ReportKind.NEW, ReportKind.TRIGGERED):
                fresh.add(order.number)
            waits = bool(order.trigger_ticks) and not order.triggered_ns
            if report.kind in _STOP_TYPES and (waits or report.kind is ReportKind.TRIGGERED):
                yield STOPS, self._frame(number, STOPS, "stopOrder", self._stop(report))
            if report.kind in _TYPES and not waits:
                yield from self._order_frames(number, report, _TYPES[report.kind])
            if order.number in fresh and last[order.number] == at and _rests(order):
                yield from self._order_frames(number, report._replace(fill=None), "open")
        for data in self._balances(number, changes, reports, now_ns):
            yield BALANCES, self._frame(number, BALANCES, "account.balance", data)

    def _order_frames(self, number: int, report: Report, kind: str) -> Iterable[tuple[str, bytes]]:
        data = self._order(report, kind)
        if kind != "received":
            yield ORDERS, self._frame(number, ORDERS, "orderChange", data)
        yield ORDERS_V2, self._frame(number, ORDERS_V2, "orderChange", data)

    @staticmethod
    def _frame(number: int, topic: str, subject: str, data: Json) -> bytes:
        head: Json = {"topic": topic, "type": "message", "subject": subject}
        head |= {"userId": f"box{number}", "channelType": "private"}
        return msgspec.json.encode({**head, "data": data})

    # --- orders --------------------------------------------------------------------------------

    def _order(self, report: Report, kind: str) -> Json:
        order, fill, views = report.order, report.fill, self._views[report.order.symbol]
        numbers = views.numbers
        ended_lots = order.remaining_lots if kind == "canceled" else 0
        data: Json = {
            "symbol": views.id,
            "orderId": order_id(order.number),
            "clientOid": client_id(order),
            "orderType": order_type(order),
            "side": side_name(order.side),
            "type": kind,
            "status": _STATUS.get(kind, "open"),
            "price": numbers.price(order.price_ticks),
            "size": numbers.quantity(order.quantity_lots),
            "originSize": numbers.quantity(order.quantity_lots),
            "filledSize": numbers.quantity(order.filled_lots),
            "remainSize": numbers.quantity(order.remaining_lots - ended_lots),
            "canceledSize": numbers.quantity(ended_lots),
            "orderTime": milliseconds(order.opened_ns),
            "ts": report.at_ns,
        }
        if fill is None:
            return data
        liquidity = "maker" if fill.is_maker else "taker"
        return data | {
            "matchPrice": numbers.price(fill.price_ticks),
            "matchSize": numbers.quantity(fill.quantity_lots),
            "tradeId": trade_id(fill.trade_number),
            "liquidity": liquidity,
            "feeType": f"{liquidity}Fee",
        }

    def _stop(self, report: Report) -> Json:
        order, views = report.order, self._views[report.order.symbol]
        price = order.trigger_ticks if order.is_market else order.price_ticks
        return {
            "createdAt": milliseconds(order.opened_ns),
            "orderId": order_id(order.number),
            "clientOid": client_id(order),
            "orderPrice": views.numbers.price(price),
            "orderType": "stop",
            "side": side_name(order.side),
            "size": views.numbers.quantity(order.quantity_lots),
            "stop": stop_name(order),
            "stopPrice": views.numbers.price(order.trigger_ticks),
            "symbol": views.id,
            "tradeType": "TRADE",
            "triggerSuccess": True,
            "ts": report.at_ns,
            "type": _STOP_TYPES[report.kind],
        }

    # --- balances ------------------------------------------------------------------------------

    def _balances(
        self, number: int, changes: Changes, reports: list[Report], now_ns: int
    ) -> Iterable[Json]:
        """Return every balance that orders or ledger entries of this turn have changed."""
        events = {entry.asset: entry.kind for entry in changes.ledger if entry.account == number}
        for report in reports:
            instrument = self._engine.listings[report.order.symbol].instrument
            for name in (instrument.base.name, instrument.quote.name):
                events.setdefault(name, "hold")
        account = self._engine.exchange.accounts[number]
        for name, event in sorted(events.items()):
            asset = self._engine.assets[name]
            free, held = account.available_units(name), account.holds.get(name, 0)
            known_free, known_held = self._known.get((number, name), (free, held))
            self._known[number, name] = (free, held)
            yield {
                "accountId": account_id(account, name),
                "currency": name,
                "total": asset.format(free + held),
                "available": asset.format(free),
                "availableChange": asset.format(free - known_free),
                "hold": asset.format(held),
                "holdChange": asset.format(held - known_held),
                "relationEvent": f"trade_hf.{_EVENTS.get(event, 'other')}",
                "relationEventId": f"{number}-{name}-{now_ns}",
                "relationContext": _context(reports, self._views),
                "time": str(milliseconds(now_ns)),
            }


_EVENTS = {"hold": "hold", "trade": "setted", "deposit": "transfer", "withdrawal": "transfer"}


def _rests(order: Order) -> bool:
    return order.is_open and not order.is_waiting and order.remaining_lots > 0


def _context(reports: list[Report], views: dict[str, Views]) -> Json:
    if not reports:
        return {}
    (report,) = deque(reports, 1)
    context: Json = {"symbol": views[report.order.symbol].id}
    context["orderId"] = order_id(report.order.number)
    if report.fill is not None:
        context["tradeId"] = trade_id(report.fill.trade_number)
    return context
