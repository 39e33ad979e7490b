"""Who is subscribed to what on WebSocket v2, and the frames each tick of the market gives them."""

from collections.abc import Iterable
from typing import NamedTuple

import trio

from venue.candles import PublicTrade
from venue.commits import Outgoing
from venue.engine import Engine
from venue.protocols.kraken_book import BookFeed
from venue.protocols.kraken_feeds import ohlc_frame, ticker_frame, trade_frame
from venue.websocket import WebSocketSession

HEARTBEAT_S = 1.0
_HEARTBEAT = b'{"channel":"heartbeat"}'


class Topic(NamedTuple):
    """One public stream: `option` is the depth of a book, the minutes of a candle, else 0."""

    channel: str
    symbol: str
    option: int


class Publisher:
    """Public streams. Each frame is made once, however many clients get it."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._subscribers: dict[Topic, dict[WebSocketSession, None]] = {}
        self._books: dict[Topic, BookFeed] = {}
        self._next_trade_ids = {
            symbol: listing.tape.next_id for symbol, listing in engine.listings.items()
        }
        self._tops: dict[Topic, tuple[int, ...]] = {}

    def subscribe(self, session: WebSocketSession, topic: Topic) -> bool:
        """Add a subscriber; False when it is one already."""
        subscribers = self._subscribers.setdefault(topic, {})
        if session in subscribers:
            return False
        subscribers[session] = None
        if topic.channel == "book" and topic not in self._books:
            self._books[topic] = BookFeed(self._engine.listings[topic.symbol], topic.option)
        return True

    def unsubscribe(self, session: WebSocketSession, topic: Topic) -> bool:
        """Remove a subscriber; False when it was none."""
        subscribers = self._subscribers.get(topic, {})
        if session not in subscribers:
            return False
        del subscribers[session]
        if not subscribers:
            del self._subscribers[topic]
            self._books.pop(topic, None)
        return True

    def forget(self, session: WebSocketSession) -> None:
        """Remove a client that is gone from everything."""
        for topic in [topic for topic, who in self._subscribers.items() if session in who]:
            self.unsubscribe(session, topic)

    def book_snapshot(self, topic: Topic, now_ns: int) -> bytes:
        """Return what a new subscriber of a book starts from."""
        return self._books[topic].snapshot(now_ns)

    def published_trades(self, symbol: str, count: int) -> list[PublicTrade]:
        """Return the last trades that subscribers have been told: later ones come as updates."""
        trades = self._engine.listings[symbol].tape.last(count + self._new_trades(symbol))
        return [trade for trade in trades if trade.trade_id < self._next_trade_ids[symbol]]

    def frames(self, now_ns: int) -> list[Outgoing]:
        """Return what changed since the last call, for whom it concerns."""
        traded = {symbol: self._new_trades(symbol) for symbol in self._engine.listings}
        outgoing: list[Outgoing] = []
        for topic, sessions in self._subscribers.items():
            frame = self._frame(topic, traded[topic.symbol], now_ns)
            if frame is not None:
                outgoing += [Outgoing(session, frame, topic.channel) for session in sessions]
        for symbol, listing in self._engine.listings.items():
            self._next_trade_ids[symbol] = listing.tape.next_id
        return outgoing

    def heartbeats(self, sessions: Iterable[WebSocketSession]) -> None:
        """Send a heartbeat to every client that heard nothing for a second."""
        silent_since_s = trio.current_time() - HEARTBEAT_S
        for session in sessions:
            if session.last_sent_s <= silent_since_s:
                session.send(_HEARTBEAT, "heartbeat")

    def _new_trades(self, symbol: str) -> int:
        return self._engine.listings[symbol].tape.next_id - self._next_trade_ids[symbol]

    def _frame(self, topic: Topic, new_trades: int, now_ns: int) -> bytes | None:
        listing = self._engine.listings[topic.symbol]
        if topic.channel == "book":
            return self._books[topic].update(now_ns)
        if topic.channel == "ticker":
            best = (listing.book.best_bid_ticks(), listing.book.best_ask_ticks())
            top = (listing.tape.next_id, *(best if topic.option else ()))
            if self._tops.get(topic) == top:
                return None
            self._tops[topic] = top
            return ticker_frame(listing, "update", now_ns)
        if new_trades == 0:
            return None
        if topic.channel == "trade":
            return trade_frame(listing.instrument, "update", listing.tape.last(new_trades))
        candle = listing.current_candle(topic.option)
        candles = [] if candle is None else [candle]
        return ohlc_frame(listing.instrument, topic.option, "update", candles, now_ns)
