"""The private streams: order, execution, position and wallet, of one account per connection."""

from dataclasses import dataclass, field

import msgspec

from venue.accounts import Account
from venue.changes import Changes
from venue.commits import Outgoing
from venue.engine import Engine
from venue.ids import token
from venue.orders import ReportKind
from venue.positions import position_of
from venue.protocols.bybit_names import CATEGORIES, LINEAR, MS_NS
from venue.protocols.bybit_views import Views, Wallet
from venue.websocket import WebSocketSession

Json = dict[str, object]

_SPLIT = ("order", "execution", "position")
# Streams that Bybit has and the box is silent on.
_SILENT = ("greeks", "dcp", "execution.fast", "execution.fast.spot", "execution.fast.linear")


@dataclass(slots=True)
class _Listener:
    """A connection that has said who it is."""

    account: int
    topics: dict[str, None] = field(default_factory=dict)


class UserStreams:
    """Every private listener."""

    def __init__(self, engine: Engine, views: dict[str, Views], wallet: Wallet) -> None:
        self._engine = engine
        self._views = views
        self._wallet = wallet
        self._listeners: dict[WebSocketSession, _Listener] = {}

    def listen(self, session: WebSocketSession, account: Account) -> None:
        """Let a connection that has authenticated subscribe."""
        self._listeners[session] = _Listener(account.number)

    def is_known(self, session: WebSocketSession) -> bool:
        """Whether a connection has said who it is."""
        return session in self._listeners

    def subscribe(self, session: WebSocketSession, topic: str) -> bool:
        """Add a topic; False for what is none."""
        channel, dot, category = topic.partition(".")
        is_split = channel in _SPLIT and (not dot or category in CATEGORIES)
        if not (is_split or topic == "wallet" or topic in _SILENT):
            return False
        self._listeners[session].topics[topic] = None
        return True

    def unsubscribe(self, session: WebSocketSession, topic: str) -> None:
        """Remove a topic."""
        self._listeners[session].topics.pop(topic, None)

    def forget(self, session: WebSocketSession) -> None:
        """Forget a connection that is gone."""
        self._listeners.pop(session, None)

    def revoke_all(self) -> list[WebSocketSession]:
        """Forget everybody; return whom."""
        sessions = list(self._listeners)
        self._listeners.clear()
        return sessions

    # --- frames --------------------------------------------------------------------------------

    def format_reports(self, changes: Changes, now_ns: int) -> list[Outgoing]:
        """Return the frames that tell accounts what a turn did to them."""
        outgoing: list[Outgoing] = []
        told: dict[int, list[tuple[str, str, Json]]] = {}
        for session, listener in self._listeners.items():
            if listener.account not in told:
                told[listener.account] = self._of_account(listener.account, changes)
            for channel, category, row in told[listener.account]:
                for topic in (channel, f"{channel}.{category}"):
                    if topic in listener.topics:
                        frame = self._frame(topic, row, now_ns)
                        outgoing.append(Outgoing(session, frame, channel))
        return outgoing

    def _frame(self, topic: str, row: Json, now_ns: int) -> bytes:
        number = self._engine.records.counters["ledger"]
        name = token(number, self._engine.config.seed)[:20].lower()
        head: Json = {"id": name, "topic": topic, "creationTime": now_ns // MS_NS}
        return msgspec.json.encode({**head, "data": [row]})

    def _of_account(self, number: int, changes: Changes) -> list[tuple[str, str, Json]]:
        """Return channel, category and row of everything that one account is told, in order."""
        rows: list[tuple[str, str, Json]] = []
        for report in changes.reports:
            if report.order.account != number or report.kind is ReportKind.PENDING_NEW:
                continue
            views = self._views[report.order.symbol]
            if report.fill is not None:
                row = {"category": views.category, **views.fill(report.fill, report.order)}
                rows.append(("execution", views.category, row))
            is_last = report.kind is ReportKind.TRADE and not report.order.remaining_lots
            if not is_last:
                # What the last trade made of the order, the report that it is filled tells.
                row = {"category": views.category, **views.order(report.order)}
                rows.append(("order", views.category, row))
        account = self._engine.exchange.accounts[number]
        for changed in changes.positions:
            if changed.account == number:
                row = self._views[changed.symbol].position(account, position_of(changed))
                row["entryPrice"] = row["avgPrice"]
                rows.append(("position", LINEAR, {"category": LINEAR, **row}))
        names = self._touched(number, changes)
        if names:
            rows.append(("wallet", "", self._wallet.row(account, names)))
        return rows

    def _touched(self, number: int, changes: Changes) -> list[str]:
        """Return the coins whose balance or hold a turn may have changed."""
        names = {entry.asset for entry in changes.ledger if entry.account == number}
        for report in changes.reports:
            if report.order.account == number:
                instrument = self._engine.listings[report.order.symbol].instrument
                names.add(instrument.held_asset(report.order.side).name)
        return sorted(names)
