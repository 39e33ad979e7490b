"""Who listens to what on WebSocket v2: subscriptions, tokens, and the private streams."""

from dataclasses import dataclass, field

from venue.accounts import Account
from venue.changes import Changes
from venue.commits import Outgoing
from venue.engine import Engine
from venue.orders import LedgerEntry, Report
from venue.protocols.kraken_book import DEPTHS
from venue.protocols.kraken_errors import INVALID_SESSION, KrakenError
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
from venue.protocols.kraken_public import INTERVALS_MIN
from venue.protocols.kraken_publisher import Publisher, Topic
from venue.protocols.kraken_tokens import Tokens
from venue.protocols.kraken_views import Json
from venue.websocket import WebSocketSession

PUBLIC_CHANNELS = ("book", "trade", "ohlc", "ticker", "instrument")
PRIVATE_CHANNELS = ("executions", "balances")


@dataclass(slots=True)
class _Client:
    """What the protocol knows of a connection."""

    token: str = ""
    account: int = 0
    sequences: dict[str, int] = field(default_factory=dict)
    """Private channels subscribed, and the sequence number of the last message of each."""


class Subscriptions:
    """Every WebSocket client and what it hears."""

    def __init__(self, engine: Engine, tokens: Tokens) -> None:
        self._engine = engine
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

    def authorised(
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

    def switch(
        self,
        session: WebSocketSession,
        method: str,
        parameters: dict[str, str],
        now_ns: int,
    ) -> tuple[list[Json], list[bytes]]:
        """Subscribe or unsubscribe; return the answers, and the snapshots that follow them."""
        channel = parameters.get("channel", "")
        if channel in PRIVATE_CHANNELS:
            return self._private_subscription(session, method, channel, parameters, now_ns)
        if channel not in PUBLIC_CHANNELS:
            raise KrakenError("Subscription name invalid")
        if channel == "instrument":
            answer = success({"channel": channel, "snapshot": True})
            return [answer], [instrument_frame(self._engine)] if method == "subscribe" else []
        answers: list[Json] = []
        frames: list[bytes] = []
        for symbol in parameters.get("symbol", "").split(","):
            try:
                topic, result = self._topic(channel, symbol, parameters)
                frames += self._switch_topic(session, method, topic, parameters, now_ns)
                answers.append(success(result))
            except KrakenError as error:
                answers.append({**failure(error.text), "symbol": symbol})
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

    def _switch_topic(
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
        account = self.authorised(session, parameters, now_ns)
        client = self._clients[session]
        if method == "unsubscribe":
            if client.sequences.pop(channel, None) is None:
                raise KrakenError("Subscription Not Found")
            return [success({"channel": channel})], []
        if channel in client.sequences:
            raise KrakenError("Already subscribed")
        client.sequences[channel] = 0
        if channel == "balances":
            result: Json = {"channel": channel, "snapshot": True}
            data = balance_snapshot(self._engine.assets.values(), account)
            return [success(result)], [self._private_frame(client, channel, "snapshot", data)]
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
        return [success(result)], frames

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
                outgoing += [
                    self._execution(session, client, report)
                    for report in changes.reports
                    if report.order.account == client.account
                ]
            if "balances" in client.sequences:
                outgoing += [
                    self._balance(session, client, entry)
                    for entry in changes.ledger
                    if entry.account == client.account
                ]
        return outgoing

    def _execution(self, session: WebSocketSession, client: _Client, report: Report) -> Outgoing:
        data = [execution_data(self._engine.listings[report.order.symbol], report)]
        frame = self._private_frame(client, "executions", "update", data)
        return Outgoing(session, frame, "executions")

    def _balance(self, session: WebSocketSession, client: _Client, entry: LedgerEntry) -> Outgoing:
        data = [balance_update(self._engine.assets[entry.asset], entry)]
        frame = self._private_frame(client, "balances", "update", data)
        return Outgoing(session, frame, "balances")


def success(result: Json) -> Json:
    """Return the answer to a request that worked."""
    return {"result": result, "success": True}


def failure(text: str) -> Json:
    """Return the answer to a request that did not."""
    return {"error": text, "success": False}


def _choice(text: str, allowed: tuple[int, ...], error: str) -> int:
    for value in allowed:
        if text == str(value):
            return value
    raise KrakenError(error)
