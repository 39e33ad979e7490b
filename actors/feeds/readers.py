"""What is made of a venue's events: validated, and published as messages of ours.

A reader takes the events of one stream in order. It answers with a verdict: whether the event shows
that the stream lives, why it cannot be believed, and whether it must be subscribed anew.
"""

from collections.abc import Callable
from enum import Enum
from typing import Any, NamedTuple, Protocol

from actors.feeds.candles import CandleCloser
from actors.feeds.health import BOOK
from actors.feeds.timing import Ways
from actors.feeds.validate import BookCheck, Top, TradeCheck, top_of
from exchanges.book import Pairs
from exchanges.feed import Feed
from exchanges.types import Book, Candle, PublicTrade, Subscribed, Untrusted
from messages.base import Message
from messages.market import BookTop, Instrument, Trade, topic

BOOK_DEPTH = 10
CANDLE_S = 60
# A top that has not changed is published again after this, so that its age tells the feed's.
REPEAT_TOP_NS = 1_000_000_000

Publish = Callable[[str, Message], None]
Event = Book | PublicTrade | Candle | Subscribed | Untrusted


class Sign(Enum):
    """What an event says of its stream."""

    DATA = "data"
    """It lives and can be believed."""
    STATE = "state"
    """How things are now, but not as the stream had left them: it proves no life."""
    TAKEN = "taken"
    """The venue has answered the subscription; what follows is continuous."""
    DOUBT = "doubt"
    """It cannot be believed until it is good again; the client sees to that."""
    FAULT = "fault"
    """It has to be subscribed anew."""
    REFUSED = "refused"
    """The venue does not offer it; a person must know."""


class Verdict(NamedTuple):
    """What an event says, and why if nothing good."""

    sign: Sign
    reason: str = ""


DATA = Verdict(Sign.DATA)
STATE = Verdict(Sign.STATE)
TAKEN = Verdict(Sign.TAKEN)


class PublicClient(Protocol):
    """The streams of a venue's client."""

    def watch_book(self, symbol: str, depth: int = 10) -> Feed[Any]: ...

    def watch_trades(self, symbol: str) -> Feed[Any]: ...

    def watch_candles(self, symbol: str, interval_s: int = 60) -> Feed[Any]: ...


class Reader(Protocol):
    """One stream of one symbol."""

    stream: str
    symbol: str

    def open(self, client: PublicClient) -> Feed[Any]:
        """Subscribe; what was known of the order of events is forgotten."""

    def take(self, event: Event, now_ns: int) -> Verdict:
        """Publish what an event is worth."""


class BookReader:
    """Publishes the best prices when they change, and at least every second."""

    stream = BOOK

    def __init__(self, venue: str, symbol: str, publish: Publish, ways: Ways) -> None:
        self.symbol = symbol
        self._venue = venue
        self._publish = publish
        self._ways = ways
        self._topic = topic(venue, symbol, "top")
        self._check = BookCheck()
        self._shown: Top | None = None
        self._shown_ns = 0
        self._seen: tuple[Pairs, Pairs] | None = None

    def open(self, client: PublicClient) -> Feed[Any]:
        self._check.resync()
        self._shown = None
        return client.watch_book(self.symbol, BOOK_DEPTH)

    def take(self, event: Event, now_ns: int) -> Verdict:
        if not isinstance(event, Book):
            verdict = _other(event)
            if verdict.sign is Sign.DOUBT:
                self._check.resync()
            return verdict
        top = top_of(event.bids, event.asks, event.at_ns)
        if top is None:
            return Verdict(Sign.DOUBT, "a side of the book is empty")
        fault = self._check.fault(top)
        if fault:
            return Verdict(Sign.FAULT, fault)
        shown = self._shown
        if shown is None or top[:4] != shown[:4] or now_ns - self._shown_ns >= REPEAT_TOP_NS:
            self._shown, self._shown_ns = top, now_ns
            self._publish(self._topic, self._message(top))
        if event.at_ns and not event.snapshot:
            self._ways.note(event.at_ns, event.received_ns)
        before, self._seen = self._seen, (event.bids, event.asks)
        # A quiet book is found as it was left; one that has moved meanwhile was not told of.
        is_proof = not event.snapshot or before in (None, self._seen)
        return DATA if is_proof else STATE

    def _message(self, top: Top) -> BookTop:
        return BookTop(
            venue=self._venue,
            symbol=self.symbol,
            bid_ticks=top.bid_ticks,
            bid_lots=top.bid_lots,
            ask_ticks=top.ask_ticks,
            ask_lots=top.ask_lots,
            venue_ns=top.at_ns,
        )


class TradeReader:
    """Publishes everybody's trades, each once."""

    stream = "trades"

    def __init__(self, venue: str, symbol: str, publish: Publish, ways: Ways) -> None:
        self.symbol = symbol
        self._venue = venue
        self._publish = publish
        self._ways = ways
        self._topic = topic(venue, symbol, "trades")
        self._check = TradeCheck()

    def open(self, client: PublicClient) -> Feed[Any]:
        return client.watch_trades(self.symbol)

    def take(self, event: Event, now_ns: int) -> Verdict:
        if not isinstance(event, PublicTrade):
            return _other(event)
        if not self._check.is_new(
            event.trade_id, event.at_ns, event.price_ticks, event.quantity_lots
        ):
            return DATA
        trade = Trade(
            venue=self._venue,
            symbol=self.symbol,
            trade_id=event.trade_id,
            side=event.side,
            price_ticks=event.price_ticks,
            quantity_lots=event.quantity_lots,
            venue_ns=event.at_ns,
        )
        self._publish(self._topic, trade)
        if event.at_ns and not event.snapshot:
            self._ways.note(event.at_ns, event.received_ns)
        return DATA


class CandleReader:
    """Publishes candles as they run, and once more when they are closed."""

    stream = "candles"

    def __init__(self, venue: str, instrument: Instrument, publish: Publish) -> None:
        self.symbol = instrument.symbol
        self._publish = publish
        self._topic = topic(venue, instrument.symbol, "candles")
        self._closer = CandleCloser(venue, instrument)

    def open(self, client: PublicClient) -> Feed[Any]:
        return client.watch_candles(self.symbol, CANDLE_S)

    def take(self, event: Event, now_ns: int) -> Verdict:
        if not isinstance(event, Candle):
            return _other(event)
        for candle in self._closer.take(event):
            self._publish(self._topic, candle)
        return DATA


def _other(event: Event) -> Verdict:
    if isinstance(event, Subscribed):
        return TAKEN
    assert isinstance(event, Untrusted), "what is no data is a mark"
    reason = f"{event.kind}: {event.detail}"
    return Verdict(Sign.REFUSED if event.kind == "refused" else Sign.DOUBT, reason)
