"""The private streams: listen keys, subscriptions of the WebSocket API, and what they are told.

Futures and older spot clients open `/ws/<listenKey>`; a key lives an hour unless it is kept alive.
Newer spot clients subscribe on the WebSocket API; their events come in an envelope.
"""

from copy import copy
from dataclasses import dataclass

import msgspec

from venue.accounts import Account
from venue.changes import Changes
from venue.commits import Outgoing
from venue.engine import Engine
from venue.ids import token
from venue.orders import Order, OrderStatus, Report, ReportKind
from venue.protocols.binance_errors import BinanceError
from venue.protocols.binance_events import Events
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_names import milliseconds
from venue.websocket import WebSocketSession

Json = dict[str, object]
LISTEN_KEY_NS = 3_600 * 1_000_000_000
KEYS_MAX = 10_000
CHANNEL = "user"


@dataclass(slots=True)
class _ListenKey:
    account: int
    until_ns: int


@dataclass(slots=True)
class _Listener:
    """A connection that hears about an account."""

    account: int
    key: str = ""
    subscription: int | None = None
    """The id of a subscription of the WebSocket API; None on a listen key."""


class UserStreams:
    """Every private listener."""

    def __init__(self, engine: Engine, flavor: Flavor) -> None:
        self._engine = engine
        self._flavor = flavor
        self._events = Events(engine, flavor)
        self._keys: dict[str, _ListenKey] = {}
        self._listeners: dict[WebSocketSession, _Listener] = {}
        self._subscriptions = 0

    # --- listen keys ---------------------------------------------------------------------------

    def listen_key(self, account: Account, now_ns: int) -> str:
        """Return the account's key, a new one if it has none; either lives an hour from now."""
        for key, known in self._keys.items():
            if known.account == account.number and known.until_ns > now_ns:
                known.until_ns = now_ns + LISTEN_KEY_NS
                return key
        key = token(self._engine.records.next_number("token"), self._engine.config.seed).lower()
        self._keys[key] = _ListenKey(account.number, now_ns + LISTEN_KEY_NS)
        if len(self._keys) > KEYS_MAX:
            del self._keys[next(iter(self._keys))]
        return key

    def keep_alive(self, account: Account, key: str, now_ns: int) -> None:
        """Let a key live another hour; without one, the account's. Raises `BinanceError`."""
        for known_key, known in self._keys.items():
            is_meant = known_key == key if key else known.account == account.number
            if is_meant and known.account == account.number and known.until_ns > now_ns:
                known.until_ns = now_ns + LISTEN_KEY_NS
                return
        raise BinanceError(-1125, "This listenKey does not exist.")

    def close(self, account: Account, key: str) -> None:
        """Forget a key; without one, the account's."""
        for known_key, known in list(self._keys.items()):
            if known.account == account.number and key in ("", known_key):
                del self._keys[known_key]

    def expire(self, now_ns: int) -> list[Outgoing]:
        """Forget keys that nobody kept alive, and tell whoever listened on them."""
        gone = [key for key, known in self._keys.items() if known.until_ns <= now_ns]
        for key in gone:
            del self._keys[key]
        return self._end(gone, now_ns)

    def revoke_all(self) -> None:
        """Forget every key and every subscription."""
        self._keys.clear()
        self._listeners.clear()

    def _end(self, keys: list[str], now_ns: int) -> list[Outgoing]:
        outgoing: list[Outgoing] = []
        for session, listener in list(self._listeners.items()):
            if listener.key in keys and listener.key:
                event = {"e": "listenKeyExpired", "E": milliseconds(now_ns)}
                frame = msgspec.json.encode({**event, "listenKey": listener.key})
                outgoing.append(Outgoing(session, frame, CHANNEL))
                del self._listeners[session]
        return outgoing

    # --- listeners -----------------------------------------------------------------------------

    def listen(self, session: WebSocketSession, key: str, now_ns: int) -> bool:
        """Let a connection hear a key's account; False for a key that is not valid."""
        known = self._keys.get(key)
        if known is None or known.until_ns <= now_ns:
            return False
        self._listeners[session] = _Listener(known.account, key)
        return True

    def subscribe(self, session: WebSocketSession, account: Account) -> int:
        """Let a connection of the WebSocket API hear its account; return the subscription's id."""
        known = self._listeners.get(session)
        if known is not None and known.subscription is not None:
            raise BinanceError(-2035, "User Data Stream subscription already active.")
        self._listeners[session] = _Listener(account.number, subscription=self._subscriptions)
        self._subscriptions += 1
        return self._subscriptions - 1

    def unsubscribe(self, session: WebSocketSession) -> None:
        """Let a connection hear nothing any more."""
        self._listeners.pop(session, None)

    # --- events --------------------------------------------------------------------------------

    def format_reports(self, changes: Changes, now_ns: int) -> list[Outgoing]:
        """Return the frames that tell accounts what a turn did to them."""
        outgoing: list[Outgoing] = []
        events: dict[int, list[Json]] = {}
        for session, listener in self._listeners.items():
            if listener.account not in events:
                events[listener.account] = self._of_account(listener.account, changes, now_ns)
            for event in events[listener.account]:
                frame = event if listener.subscription is None else self._wrapped(listener, event)
                outgoing.append(Outgoing(session, msgspec.json.encode(frame), CHANNEL))
        return outgoing

    @staticmethod
    def _wrapped(listener: _Listener, event: Json) -> Json:
        return {"subscriptionId": listener.subscription, "event": event}

    def _of_account(self, number: int, changes: Changes, now_ns: int) -> list[Json]:
        reports = [
            each
            for each in changes.reports
            if each.order.account == number and each.kind is not ReportKind.PENDING_NEW
        ]
        events: list[Json] = []
        for report in reports:
            if report.kind is ReportKind.FILLED:
                # The trade that completed the order has told it.
                continue
            events += self._events.of_report(_completed(report), now_ns)
        return events + self._events.of_account(number, changes, now_ns)


def _completed(report: Report) -> Report:
    """Return a report whose order says FILLED when this trade was its last, as Binance does."""
    order: Order = report.order
    if report.kind is not ReportKind.TRADE or order.remaining_lots or not order.is_open:
        return report
    done = copy(order)
    done.status = OrderStatus.CLOSED
    return report._replace(order=done)
