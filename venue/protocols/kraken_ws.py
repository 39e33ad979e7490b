"""Kraken's WebSocket v2: methods, subscriptions, private streams. Both hosts in one.

Every request is one turn: what it changes is committed before its answer leaves, and answers leave
in the order of the requests.
"""

import json
from dataclasses import dataclass, field
from decimal import Decimal

import trio

from venue.accounts import Account
from venue.changes import Changes
from venue.commits import Outgoing
from venue.engine import Engine
from venue.faults import Decision, Fault
from venue.orders import Report
from venue.protocols import kraken_orders as parsing
from venue.protocols.kraken_book import DEPTHS
from venue.protocols.kraken_errors import (
    INVALID_SESSION,
    ORDER_RATE_LIMIT,
    REFUSALS,
    UNAVAILABLE,
    KrakenError,
)
from venue.protocols.kraken_executions import (
    balance_snapshot,
    balance_update,
    execution_data,
    order_snapshot,
    trade_data,
)
from venue.protocols.kraken_feeds import (
    SNAPSHOT_TRADES,
    encode,
    instrument_frame,
    ohlc_frame,
    ticker_frame,
    trade_frame,
)
from venue.protocols.kraken_names import timestamp
from venue.protocols.kraken_private import PrivateEndpoints
from venue.protocols.kraken_public import INTERVALS_MIN
from venue.protocols.kraken_publisher import Publisher, Topic
from venue.protocols.kraken_tokens import Tokens
from venue.protocols.kraken_views import Json
from venue.refusals import RefusedError
from venue.websocket import WebSocketSession

PUBLIC_CHANNELS = ("book", "trade", "ohlc", "ticker", "instrument")
PRIVATE_CHANNELS = ("executions", "balances")
TRADING_METHODS = (
    "add_order",
    "amend_order",
    "cancel_order",
    "cancel_all",
    "cancel_all_orders_after",
)
_REFUSED_AFTERWARDS = (Fault.HTTP_429, Fault.HTTP_5XX)
_UNANSWERED = (Fault.LOSE_ACK, Fault.HANG)


@dataclass(slots=True)
class _Client:
    """What the protocol knows of a connection."""

    token: str = ""
    account: int = 0
    sequences: dict[str, int] = field(default_factory=dict)
    """Private channels subscribed, and the sequence number of the last message of each."""


def _text(value: object) -> str:
    """Return a JSON value as text, numbers exactly."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, list):
        return ",".join(_text(item) for item in value)
    return "" if value is None else str(value)


class KrakenWebSocket:
    """Serves every WebSocket client of the box."""

    def __init__(self, engine: Engine, private: PrivateEndpoints, tokens: Tokens) -> None:
        self._engine = engine
        self._private = private
        self._tokens = tokens
        self._clients: dict[WebSocketSession, _Client] = {}
        self.publisher = Publisher(engine)

    @property
    def sessions(self) -> list[WebSocketSession]:
        """The clients that are connected."""
        return list(self._clients)

    def opened(self, session: WebSocketSession) -> None:
        self._clients[session] = _Client()
        data = {
            "api_version": "v2",
            "connection_id": 10_000_000_000_000_000_000 + session.number,
            "system": "online",
            "version": "2.0.10",
        }
        session.send(encode({"channel": "status", "type": "update", "data": [data]}), "status")

    def closed(self, session: WebSocketSession) -> None:
        self._clients.pop(session, None)
        self.publisher.forget(session)

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        """Handle one message of a client and answer it."""
        now_ns = self._engine.advance()
        try:
            request = json.loads(message, parse_float=Decimal)
            method = request["method"]
            given = request.get("params") or {}
            parameters = {name: _text(value) for name, value in given.items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            session.send(encode(_failure("Malformed request")), "answer")
            return
        decision = None
        if method in TRADING_METHODS:
            decision = self._engine.faults.for_request(method)
        if decision is not None and decision.fault is Fault.DELAY:
            await trio.sleep(decision.duration_ms / 1_000)
            now_ns = self._engine.advance()
        answers, snapshots = self._handle(session, method, given, parameters, now_ns, decision)
        if decision is not None and decision.fault in _REFUSED_AFTERWARDS:
            answers = [_failure(UNAVAILABLE)]
        ids = {"req_id": request["req_id"]} if "req_id" in request else {}
        times = {"time_in": timestamp(now_ns), "time_out": timestamp(self._engine.now_ns())}
        named = [{"method": _answered(method), **ids, **answer, **times} for answer in answers]
        outgoing = [Outgoing(session, encode(answer), "answer") for answer in named]
        outgoing += [Outgoing(session, frame, "snapshot") for frame in snapshots]
        if decision is None:
            await self._engine.settle(outgoing)
        else:
            await self._engine.settle()
            await self._answer_badly(outgoing, decision)

    async def _answer_badly(self, outgoing: list[Outgoing], decision: Decision) -> None:
        if decision.fault in _UNANSWERED:
            return
        if decision.fault is Fault.SLOW_REPLY:
            await trio.sleep(decision.duration_ms / 1_000)
        for receiver, frame, channel in outgoing:
            cut = decision.fault in (Fault.TRUNCATE, Fault.GARBAGE)
            receiver.send(frame[: len(frame) // 2] if cut else frame, channel)

    def _handle(
        self,
        session: WebSocketSession,
        method: str,
        given: Json,
        parameters: dict[str, str],
        now_ns: int,
        decision: Decision | None,
    ) -> tuple[list[Json], list[bytes]]:
        """Return the answers to a request, and the snapshots that follow them."""
        if decision is not None and decision.fault is Fault.REFUSE:
            return [_failure(UNAVAILABLE)], []
        try:
            if method == "ping":
                return [{}], []
            if method in ("subscribe", "unsubscribe"):
                return self._subscription(session, method, given, parameters, now_ns)
            if method in TRADING_METHODS:
                account = self._authorised(session, parameters, now_ns)
                return self._trade(method, account, given, parameters, now_ns), []
        except KrakenError as error:
            return [_failure(error.text)], []
        except RefusedError as error:
            return [_failure(REFUSALS[error.refusal])], []
        return [_failure("Unsupported method")], []

    # --- subscriptions -------------------------------------------------------------------------

    def _authorised(
        self, session: WebSocketSession, parameters: dict[str, str], now_ns: int
    ) -> Account:
        """Return the account of the request's token; one used in time lives with its socket."""
        client = self._clients[session]
        token = parameters.get("token", "")
        if not token or token != client.token:
            account = self._tokens.account_of(token, now_ns)
            if account is None:
                raise KrakenError(INVALID_SESSION)
            client.token, client.account = token, account
        return self._engine.exchange.accounts[client.account]

    def _subscription(
        self,
        session: WebSocketSession,
        method: str,
        given: Json,
        parameters: dict[str, str],
        now_ns: int,
    ) -> tuple[list[Json], list[bytes]]:
        channel = parameters.get("channel", "")
        if channel in PRIVATE_CHANNELS:
            return self._private_subscription(session, method, channel, parameters, now_ns)
        if channel not in PUBLIC_CHANNELS:
            raise KrakenError("Subscription name invalid")
        if channel == "instrument":
            answer = _success({"channel": channel, "snapshot": True})
            return [answer], [instrument_frame(self._engine)] if method == "subscribe" else []
        answers: list[Json] = []
        frames: list[bytes] = []
        for symbol in parameters.get("symbol", "").split(","):
            try:
                topic, result = self._topic(channel, symbol, parameters)
                frames += self._switch(session, method, topic, parameters, now_ns)
                answers.append(_success(result))
            except KrakenError as error:
                answers.append({**_failure(error.text), "symbol": symbol})
        return answers, frames

    def _topic(self, channel: str, symbol: str, parameters: dict[str, str]) -> tuple[Topic, Json]:
        if symbol not in self._engine.listings:
            raise KrakenError(f"Currency pair not supported {symbol}")
        result: Json = {"channel": channel, "snapshot": True, "symbol": symbol}
        option = 0
        if channel == "book":
            option = _choice(
                parameters.get("depth", "10"), DEPTHS, "Subscription depth not supported"
            )
            result["depth"] = option
        elif channel == "ohlc":
            error = "Subscription ohlc interval not supported"
            option = _choice(parameters.get("interval", "1"), INTERVALS_MIN, error)
            result["interval"] = option
        elif channel == "ticker":
            option = int(parameters.get("event_trigger") == "bbo")
            result["event_trigger"] = "bbo" if option else "trades"
        return Topic(channel, symbol, option), result

    def _switch(
        self,
        session: WebSocketSession,
        method: str,
        topic: Topic,
        parameters: dict[str, str],
        now_ns: int,
    ) -> list[bytes]:
        if method == "unsubscribe":
            if not self.publisher.unsubscribe(session, topic):
                raise KrakenError("Subscription Not Found")
            return []
        if not self.publisher.subscribe(session, topic):
            raise KrakenError("Already subscribed")
        if parameters.get("snapshot") == "false":
            return []
        return self._public_snapshot(topic, now_ns)

    def _public_snapshot(self, topic: Topic, now_ns: int) -> list[bytes]:
        listing = self._engine.listings[topic.symbol]
        instrument = listing.instrument
        if topic.channel == "book":
            return [self.publisher.book_snapshot(topic, now_ns)]
        if topic.channel == "trade":
            trades = self.publisher.published_trades(topic.symbol, SNAPSHOT_TRADES)
            return [trade_frame(instrument, "snapshot", trades)]
        if topic.channel == "ticker":
            return [ticker_frame(listing, "snapshot", now_ns)]
        candles = listing.candles(topic.option, 0)
        return [ohlc_frame(instrument, topic.option, "snapshot", candles, now_ns)]

    def _private_subscription(
        self,
        session: WebSocketSession,
        method: str,
        channel: str,
        parameters: dict[str, str],
        now_ns: int,
    ) -> tuple[list[Json], list[bytes]]:
        account = self._authorised(session, parameters, now_ns)
        client = self._clients[session]
        if method == "unsubscribe":
            if client.sequences.pop(channel, None) is None:
                raise KrakenError("Subscription Not Found")
            return [_success({"channel": channel})], []
        if channel in client.sequences:
            raise KrakenError("Already subscribed")
        client.sequences[channel] = 0
        if channel == "balances":
            result: Json = {"channel": channel, "snapshot": True}
            data = balance_snapshot(self._engine.assets.values(), account)
            return [_success(result)], [self._private_frame(client, channel, "snapshot", data)]
        wants_trades = parameters.get("snap_trades") == "true"
        wants_orders = parameters.get("snap_orders", "true") == "true"
        result = {"channel": channel, "snap_orders": wants_orders, "snap_trades": wants_trades}
        frames = []
        if wants_trades:
            data = self._recent_fills(account)
            frames.append(self._private_frame(client, channel, "snapshot", data))
        if wants_orders:
            orders = self._engine.records.open_orders_of(account.number)
            listings = self._engine.listings
            data = [order_snapshot(listings[order.symbol], order) for order in orders]
            frames.append(self._private_frame(client, channel, "snapshot", data))
        return [_success(result)], frames

    def _recent_fills(self, account: Account) -> list[Json]:
        records = self._engine.records
        mine = [fill for fill in records.fills.values() if fill.account == account.number]
        return [
            trade_data(self._engine.listings[fill.symbol], None, fill)
            for fill in mine[-SNAPSHOT_TRADES:]
        ]

    def _private_frame(self, client: _Client, channel: str, kind: str, data: list[Json]) -> bytes:
        client.sequences[channel] += 1
        sequence = client.sequences[channel]
        return encode({"channel": channel, "type": kind, "data": data, "sequence": sequence})

    # --- private streams -----------------------------------------------------------------------

    def format_reports(self, changes: Changes) -> list[Outgoing]:
        """Return the frames that tell accounts what a turn did to them."""
        outgoing: list[Outgoing] = []
        for session, client in self._clients.items():
            if "executions" in client.sequences:
                for report in changes.reports:
                    if report.order.account == client.account:
                        outgoing.append(self._execution(session, client, report))
            if "balances" in client.sequences:
                for entry in changes.ledger:
                    if entry.account == client.account:
                        data = [balance_update(self._engine.assets[entry.asset], entry)]
                        frame = self._private_frame(client, "balances", "update", data)
                        outgoing.append(Outgoing(session, frame, "balances"))
        return outgoing

    def _execution(self, session: WebSocketSession, client: _Client, report: Report) -> Outgoing:
        data = [execution_data(self._engine.listings[report.order.symbol], report)]
        frame = self._private_frame(client, "executions", "update", data)
        return Outgoing(session, frame, "executions")

    # --- trading -------------------------------------------------------------------------------

    def _trade(
        self,
        method: str,
        account: Account,
        given: Json,
        parameters: dict[str, str],
        now_ns: int,
    ) -> list[Json]:
        if method == "add_order":
            return [_success(self._add_order(account, parameters, now_ns))]
        if method == "amend_order":
            order, amend_id = self._private.amend(account, parameters, now_ns)
            return [_success({"amend_id": amend_id, "order_id": order.txid})]
        if method == "cancel_all":
            return [_success({"count": self._engine.exchange.cancel_all(account, now_ns)})]
        if method == "cancel_all_orders_after":
            return [_success(self._private.cancel_after(account, parameters, now_ns))]
        names = [
            (key, name)
            for key in ("order_id", "cl_ord_id", "order_userref")
            for name in parameters.get(key, "").split(",")
            if name
        ]
        return [self._cancel(account, key, name, now_ns) for key, name in names] or [
            _failure("EGeneral:Invalid arguments:order_id")
        ]

    def _add_order(self, account: Account, parameters: dict[str, str], now_ns: int) -> Json:
        symbol = parameters.get("symbol", "")
        listing = self._engine.listings.get(symbol)
        if listing is None:
            raise KrakenError(f"Currency pair not supported {symbol}")
        order_parameters = parsing.from_websocket(parameters)
        exchange = self._engine.exchange
        request = parsing.order_request(exchange, listing.instrument, order_parameters, now_ns)
        if parameters.get("validate") == "true":
            exchange.check(account, request)
            return {}
        if not self._private.limits.allows_order(account.number, symbol, now_ns):
            raise KrakenError(ORDER_RATE_LIMIT)
        order = exchange.place(account, request, now_ns)
        result: Json = {"order_id": order.txid}
        if order.client_order_id:
            result["cl_ord_id"] = order.client_order_id
        if order.user_reference:
            result["order_userref"] = order.user_reference
        return result

    def _cancel(self, account: Account, key: str, name: str, now_ns: int) -> Json:
        try:
            self._private.cancel_orders(account, [name], now_ns)
        except KrakenError as error:
            return {**_failure(error.text), key: name}
        return _success({key: name})


def _answered(method: str) -> str:
    return "pong" if method == "ping" else method


def _success(result: Json) -> Json:
    return {"result": result, "success": True}


def _failure(text: str) -> Json:
    return {"error": text, "success": False}


def _choice(text: str, allowed: tuple[int, ...], error: str) -> int:
    if not text.isdigit() or int(text) not in allowed:
        raise KrakenError(error)
    return int(text)
