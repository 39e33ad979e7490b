"""Coinbase's sockets: subscriptions, the numbers of frames, heartbeats, the user channel.

Every frame of a connection has the next number, whatever it is about: who misses one has missed
something. So the number is put in when the frame leaves, not when it is made.
"""

from dataclasses import dataclass, field

import msgspec

from venue.changes import Changes
from venue.commits import Outgoing
from venue.engine import Engine
from venue.listing import Listing
from venue.market_data import MarketData, MarketTick
from venue.orders import Order, Report, ReportKind
from venue.protocols.coinbase_auth import Tokens
from venue.protocols.coinbase_channels import (
    BOOK,
    CANDLE_MINUTES,
    CANDLES,
    INTERVALS_MS,
    PUBLIC,
    TICKER,
    TICKERS,
    TRADES,
    Channels,
)
from venue.protocols.coinbase_errors import UnauthorizedError
from venue.protocols.coinbase_names import SECOND_NS, product_id, time_text
from venue.protocols.coinbase_public import Json, PublicEndpoints
from venue.protocols.coinbase_views import Views
from venue.websocket import WebSocketSession

HEARTBEATS, USER = "heartbeats", "user"
_MS_NS = 1_000_000
# What faults and clients know the frames of a channel by.
_WIRE = {BOOK: "l2_data"}
# Orders of one frame of the user channel's snapshot.
ORDERS_PER_FRAME = 50


@dataclass(eq=False)
class _Client:
    """One connection; numbers its frames."""

    session: WebSocketSession
    channels: dict[str, dict[str, None]] = field(default_factory=dict)
    """Symbols by channel."""
    account: int = 0
    """Whose orders it hears, of all products or of some."""
    sequence: int = 0
    book_ids: dict[str, int] = field(default_factory=dict)
    """The last change of a book that its snapshot had, by symbol."""

    def send(self, frame: bytes, channel: str) -> None:
        """Send a JSON object with its number in it."""
        self.session.send(b'{"sequence_num":%d,' % self.sequence + frame[1:], channel)
        self.sequence += 1


class _Subscription(msgspec.Struct, frozen=True):
    """What a client asks for, or asks to have no more."""

    type: str
    channel: str = ""
    product_ids: tuple[str, ...] = ()
    jwt: str = ""

    @property
    def is_on(self) -> bool:
        return self.type == "subscribe"


class _MistakenError(Exception):
    """A request that is none."""


class Sockets:
    """Every connected client."""

    def __init__(
        self,
        engine: Engine,
        public: PublicEndpoints,
        data: MarketData,
        tokens: Tokens,
        views: dict[str, Views],
    ) -> None:
        self._engine = engine
        self._public = public
        self._data = data
        self._tokens = tokens
        self._views = views
        self._channels = Channels(engine, public, data)
        self._clients: dict[WebSocketSession, _Client] = {}
        self._sent_ns: dict[tuple[str, str], int] = {}
        self._waiting_trades: dict[str, int] = {}
        self._dirty: set[tuple[str, str]] = set()
        self._candle_ns: dict[str, int] = {}
        self._beats = 0
        self._beat_ns = 0

    @property
    def sessions(self) -> list[WebSocketSession]:
        """The connected clients."""
        return list(self._clients)

    def opened(self, session: WebSocketSession) -> None:
        """Note a client."""
        self._clients[session] = _Client(session)

    def closed(self, session: WebSocketSession) -> None:
        """Forget a client that is gone."""
        self._clients.pop(session, None)

    def log_off_all(self) -> None:
        """Tell nobody any more about an account."""
        for client in self._clients.values():
            client.account = 0
            client.channels.pop(USER, None)

    # --- requests ------------------------------------------------------------------------------

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        """Handle one message and answer it."""
        now_ns = self._engine.now_ns()
        client = self._clients[session]
        await self._engine.settle(self._answers(client, message, now_ns))

    def _answers(self, client: _Client, message: bytes, now_ns: int) -> list[Outgoing]:
        try:
            asked = self._parsed(message)
            if not asked.is_on:
                return self._left(client, asked, now_ns)
            return self._joined(client, asked, now_ns)
        except UnauthorizedError as error:
            return [_error(client, f"authentication failure: {error}")]
        except _MistakenError as error:
            return [_error(client, str(error))]

    def _parsed(self, message: bytes) -> _Subscription:
        try:
            found = msgspec.json.decode(message, type=_Subscription)
        except msgspec.MsgspecError as error:
            raise _MistakenError(f"failed to parse request: {error}") from error
        if found.type not in ("subscribe", "unsubscribe"):
            raise _MistakenError(f"unknown type {found.type!r}")
        if found.channel not in (*PUBLIC, HEARTBEATS, USER):
            raise _MistakenError(f"channel {found.channel!r} is not supported")
        if found.channel in PUBLIC and not found.product_ids:
            raise _MistakenError("product_ids are needed")
        return found

    def _listings(self, asked: _Subscription) -> list[Listing]:
        listings: list[Listing] = []
        for name in asked.product_ids:
            listing = self._public.listing_named(name)
            if listing is None:
                raise _MistakenError(f"product {name!r} is not known")
            listings.append(listing)
        return listings

    def _joined(self, client: _Client, asked: _Subscription, now_ns: int) -> list[Outgoing]:
        channel, listings = asked.channel, self._listings(asked)
        if asked.jwt or channel == USER:
            account = self._tokens.of_socket(asked.jwt, now_ns).number
            client.account = account if channel == USER else client.account
        symbols = client.channels.setdefault(channel, {})
        symbols.update(dict.fromkeys(listing.symbol for listing in listings))
        frames: list[Outgoing] = []
        if channel == USER:
            frames = self._user_snapshot(client, now_ns)
        elif channel in PUBLIC:
            for listing in listings:
                event = self._channels.snapshot(channel, listing, now_ns)
                if channel == BOOK:
                    client.book_ids[listing.symbol] = self._channels.book_id(listing, now_ns)
                frames.append(_message(client, channel, [event], now_ns))
        return [*frames, self._subscriptions(client, now_ns)]

    def _left(self, client: _Client, asked: _Subscription, now_ns: int) -> list[Outgoing]:
        channel, listings = asked.channel, self._listings(asked)
        symbols = client.channels.get(channel, {})
        for listing in listings:
            symbols.pop(listing.symbol, None)
        if not symbols or not listings:
            client.channels.pop(channel, None)
        if channel not in client.channels and channel == USER:
            client.account = 0
        return [self._subscriptions(client, now_ns)]

    def _subscriptions(self, client: _Client, now_ns: int) -> Outgoing:
        names: Json = {}
        for channel, symbols in client.channels.items():
            own = [product_id(self._engine.listings[each].instrument) for each in symbols]
            names[channel] = own or [channel]
        return _message(client, "subscriptions", [{"subscriptions": names}], now_ns)

    # --- the public channels -------------------------------------------------------------------

    def frames(self, now_ns: int) -> list[Outgoing]:
        """Return what changed since the last call, for whom it concerns."""
        frames: list[Outgoing] = []
        for symbol, tick in self._data.tick(now_ns).items():
            for channel in PUBLIC:
                clients = [
                    client
                    for client in self._clients.values()
                    if symbol in client.channels.get(channel, ())
                ]
                self._note(channel, symbol, tick, is_heard=bool(clients))
                if clients and channel == BOOK:
                    frames += self._book_frames(clients, tick, now_ns)
                elif clients and self._is_due(channel, symbol, now_ns):
                    event = self._event(channel, tick)
                    frames += [_message(client, channel, [event], now_ns) for client in clients]
        return frames + self._heartbeats(now_ns)

    def _note(self, channel: str, symbol: str, tick: MarketTick, *, is_heard: bool) -> None:
        """Remember what a channel has to tell of a product."""
        if channel == TRADES:
            before = self._waiting_trades.get(symbol, 0) if is_heard else 0
            self._waiting_trades[symbol] = before + len(tick.trades)
        if channel == BOOK or not is_heard:
            self._dirty.discard((channel, symbol))
            return
        by_top = channel in (TICKER, TICKERS) and tick.top_changed
        if tick.trades or by_top:
            self._dirty.add((channel, symbol))

    def _is_due(self, channel: str, symbol: str, now_ns: int) -> bool:
        key = (channel, symbol)
        due_ns = self._sent_ns.get(key, 0) + INTERVALS_MS.get(channel, 0) * _MS_NS
        if key not in self._dirty or now_ns < due_ns:
            return False
        self._dirty.discard(key)
        self._sent_ns[key] = now_ns
        return True

    def _event(self, channel: str, tick: MarketTick) -> Json:
        listing, symbol = tick.listing, tick.listing.symbol
        if channel == TRADES:
            return self._channels.trades(listing, self._waiting_trades.pop(symbol, 0))
        if channel != CANDLES:
            return self._channels.ticker(listing)
        event = self._channels.candles(listing, self._candle_ns.get(symbol, 0))
        current = listing.current_candle(CANDLE_MINUTES)
        self._candle_ns[symbol] = 0 if current is None else current.open_ns
        return event

    def _book_frames(self, clients: list[_Client], tick: MarketTick, now_ns: int) -> list[Outgoing]:
        """Return the differences; who has just got a snapshot has the older ones in it."""
        symbol = tick.listing.symbol
        return [
            _message(client, BOOK, [event], now_ns)
            for diff in tick.diffs
            for event in (self._channels.book_update(tick.listing, diff),)
            for client in clients
            if diff.last_id > client.book_ids.get(symbol, 0)
        ]

    def _heartbeats(self, now_ns: int) -> list[Outgoing]:
        if now_ns - self._beat_ns < SECOND_NS:
            return []
        self._beat_ns = now_ns
        self._beats += 1
        event: Json = {"current_time": time_text(now_ns), "heartbeat_counter": self._beats}
        return [
            _message(client, HEARTBEATS, [event], now_ns)
            for client in self._clients.values()
            if HEARTBEATS in client.channels
        ]

    # --- the user channel ----------------------------------------------------------------------

    def _user_snapshot(self, client: _Client, now_ns: int) -> list[Outgoing]:
        orders = [
            self._views[order.symbol].told(order)
            for order in self._engine.records.open_orders_of(client.account)
            if _concerns(client, order)
        ]
        pages = range(0, max(1, len(orders)), ORDERS_PER_FRAME)
        return [
            _message(
                client, USER, [_orders("snapshot", orders[at : at + ORDERS_PER_FRAME])], now_ns
            )
            for at in pages
        ]

    def format_reports(self, changes: Changes, now_ns: int) -> list[Outgoing]:
        """Return the frames that tell accounts what a turn did to their orders."""
        frames: list[Outgoing] = []
        for client in self._clients.values():
            if not client.account:
                continue
            for report in changes.reports:
                if _is_told(client, report):
                    row = self._views[report.order.symbol].told(report.order)
                    frames.append(_message(client, USER, [_orders("update", [row])], now_ns))
        return frames


def _is_told(client: _Client, report: Report) -> bool:
    # The end of an order is told by what follows the last trade.
    return (
        report.order.account == client.account
        and _concerns(client, report.order)
        and report.kind is not ReportKind.PENDING_NEW
    )


def _concerns(client: _Client, order: Order) -> bool:
    symbols = client.channels.get(USER, {})
    return not symbols or order.symbol in symbols


def _orders(kind: str, rows: list[Json]) -> Json:
    return {"type": kind, "orders": rows, "positions": {}}


def _message(client: _Client, channel: str, events: list[Json], now_ns: int) -> Outgoing:
    name = _WIRE.get(channel, channel)
    body = {"channel": name, "client_id": "", "timestamp": time_text(now_ns), "events": events}
    return Outgoing(client, msgspec.json.encode(body), name)


def _error(client: _Client, text: str) -> Outgoing:
    body = msgspec.json.encode({"type": "error", "message": text})
    # An error has no number.
    return Outgoing(client.session, body, "answer")
