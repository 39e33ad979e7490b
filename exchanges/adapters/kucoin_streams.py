"""KuCoin's frames as typed events: pure, fed by `KucoinAdapter.decode`.

Books of up to 50 levels come as whole snapshots, so that a lost frame is made good by the next one;
deeper ones by numbered changes (`kucoin_book`). Trades have numbers, too, but share them with what
else happens in the book: a gap says nothing. The account's orders come without fees, so fills are
not taken from here: the sum that has filled is told, and its fills are then read by REST.
"""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from exchanges.adapters.base import (
    Channel,
    Decoded,
    MalformedFrameError,
    Refused,
    StreamError,
    StreamEvent,
    Subscription,
    Topic,
)
from exchanges.adapters.known_book import GapError
from exchanges.adapters.kucoin_book import NumberedBook
from exchanges.adapters.numbers import (
    is_zero,
    ns_of_ms,
    plain,
    whole_lots,
)
from exchanges.grid import grid
from exchanges.json_text import Json
from exchanges.timestamps import NANOSECONDS_PER_SECOND
from exchanges.types import (
    Balance,
    Balances,
    Book,
    Candle,
    Execution,
    ExecutionKind,
    Instrument,
    OrderStatus,
    PublicTrade,
    Subscribed,
    Ticker,
)

WHOLE_DEPTHS = (5, 50)
DEPTH_MAX = 100
# The ids of our requests are told from ccxt's own on the same socket by this.
REQUEST_PREFIX = "canopy-"
ORDERS, BALANCES = "/spotMarket/tradeOrdersV2", "/account/balance"
NUMBERED = "/market/level2"
# What the adapter says to itself when the snapshot of a numbered book has come, or does not.
SNAPSHOT = "canopy snapshot"
_INTERVALS = {
    60: "1min", 180: "3min", 300: "5min", 900: "15min", 1_800: "30min", 3_600: "1hour",
    7_200: "2hour", 14_400: "4hour", 21_600: "6hour", 28_800: "8hour", 43_200: "12hour",
    86_400: "1day",
}  # fmt: skip
_KIND: dict[str, ExecutionKind] = {
    "received": "accepted",
    "canceled": "canceled",
    "update": "amended",
}
_STATUS: dict[str, OrderStatus] = {
    "received": "open",
    "open": "open",
    "update": "open",
    "match": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
}

Row = Mapping[str, Any]


class KucoinStreams:
    """The state of one client's streams."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._requests: dict[str, Topic] = {}
        self._topics: dict[str, Topic] = {}
        """Of what is subscribed, by KuCoin's name."""
        self._fresh: set[Topic] = set()
        """Books whose first frame is still to come."""
        self._starts: dict[Topic, list[Row]] = {}
        self._books: dict[str, NumberedBook] = {}
        self._next_request = 1
        self._decoders: dict[Channel, Callable[[Topic, Row, int], list[StreamEvent]]] = {
            "book": self._book,
            "trades": self._trade,
            "ticker": self._ticker,
            "candles": self._candle,
            "executions": self._execution,
            "balances": self._balance,
        }

    # -- subscribing

    def interval_of(self, topic: Topic) -> str:
        """Return KuCoin's word for a topic's interval. Raises `ValueError`."""
        interval = _INTERVALS.get(topic.detail)
        if interval is None:
            known = ", ".join(map(str, _INTERVALS))
            raise ValueError(f"KuCoin has no candles of {topic.detail} s: choose of {known}")
        return interval

    def start(self, topic: Topic, rows: Iterable[Row]) -> None:
        """Keep rows of REST that are told as the snapshot once the subscription is taken."""
        self._starts[topic] = list(rows)

    def is_numbered(self, topic: Topic) -> bool:
        """Whether a topic is a book by numbered changes, which needs a snapshot."""
        return topic.channel == "book" and topic.detail > WHOLE_DEPTHS[-1]

    def subscription(self, url: str, topic: Topic) -> Subscription:
        """Return the messages for a topic, and forget what was known of it."""
        name = self._name(topic)
        self._topics[name] = topic
        self._fresh.add(topic)
        if self.is_numbered(topic):
            instrument = self._instruments[topic.symbol]
            self._books[topic.symbol] = NumberedBook(instrument, topic.detail)
        request_id = f"{REQUEST_PREFIX}{self._next_request}"
        self._next_request += 1
        self._requests = {i: t for i, t in self._requests.items() if t != topic}
        self._requests[request_id] = topic
        asked = {"topic": name, "response": True}
        if topic.channel in ("executions", "balances"):
            asked["privateChannel"] = True
        return Subscription(
            url,
            {"id": request_id, "type": "subscribe", **asked},
            {"id": f"{REQUEST_PREFIX}0", "type": "unsubscribe", **asked},
        )

    def _name(self, topic: Topic) -> str:
        if topic.channel == "executions":
            return ORDERS
        if topic.channel == "balances":
            return BALANCES
        symbol = self._instruments[topic.symbol].venue_symbol
        if topic.channel == "book":
            return f"{_book_channel(topic.detail)}:{symbol}"
        if topic.channel == "candles":
            return f"/market/candles:{symbol}_{self.interval_of(topic)}"
        return f"/market/{'match' if topic.channel == 'trades' else 'ticker'}:{symbol}"

    # -- frames

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        """See `Adapter.decode`."""
        if not isinstance(message, dict):
            raise MalformedFrameError("not_an_object", repr(message)[:100])
        kind = message.get("type")
        if kind == "message":
            return self._message(message, now_ns)
        if kind in ("ack", "error"):
            return self._answer(message, now_ns)
        if kind == SNAPSHOT:
            return self._snapshot(message, now_ns)
        return None

    def _answer(self, message: Row, now_ns: int) -> list[Decoded] | Refused | None:
        number = str(message.get("id", ""))
        topic = self._requests.pop(number, None)
        if topic is None:
            return [] if number.startswith(REQUEST_PREFIX) else None
        if message["type"] == "error":
            return Refused(topic, f"{message.get('code')}: {message.get('data')}")
        events: list[StreamEvent] = [Subscribed(stream=str(topic), received_ns=now_ns)]
        try:
            events += self._started(topic, now_ns)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise MalformedFrameError(topic.channel, f"{type(error).__name__}: {error}") from error
        return [Decoded(topic, event) for event in events]

    def _started(self, topic: Topic, now_ns: int) -> list[StreamEvent]:
        rows = self._starts.pop(topic, [])
        if topic.channel == "candles":
            return [self._bar(topic, row, now_ns, snapshot=True) for row in rows]
        return [self._public_trade(topic, row, now_ns, snapshot=True) for row in rows]

    def _message(self, message: Row, now_ns: int) -> list[Decoded]:
        topic = self._topics.get(str(message.get("topic")))
        if topic is None:
            return []
        try:
            events = self._decoders[topic.channel](topic, message["data"], now_ns)
        except GapError as error:
            raise StreamError(topic, "sequence", str(error)) from error
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            detail = f"{type(error).__name__}: {error}"
            raise MalformedFrameError(topic.channel, detail, topic) from error
        return [Decoded(topic, event) for event in events]

    # -- books

    def _snapshot(self, message: Row, now_ns: int) -> list[Decoded]:
        """Take a numbered book's snapshot, or that there is none."""
        topic = self._topics.get(str(message["topic"]))
        book = self._books.get(topic.symbol) if topic is not None else None
        if topic is None or book is None or book.has_begun:
            return []
        data = message.get("data")
        if data is None:
            raise StreamError(topic, "sequence", f"no snapshot: {message.get('detail')}")
        try:
            book.begin(data, is_whole=message.get("is_whole") is True)
            return [Decoded(topic, event) for event in self._shown(topic, book, now_ns)]
        except GapError as error:
            raise StreamError(topic, "sequence", str(error)) from error
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise MalformedFrameError("book", f"{type(error).__name__}: {error}", topic) from error

    def _book(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        if self.is_numbered(topic):
            book = self._books[topic.symbol]
            return self._shown(topic, book, now_ns) if book.change(row) else []
        instrument = self._instruments[topic.symbol]
        bids, asks = _levels(row["bids"], instrument), _levels(row["asks"], instrument)
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise StreamError(topic, "crossed", "the best bid is not below the best ask")
        at_ns = ns_of_ms(row["timestamp"])
        return [self._told(topic, bids[: topic.detail], asks[: topic.detail], at_ns, now_ns)]

    def _shown(self, topic: Topic, book: NumberedBook, now_ns: int) -> list[StreamEvent]:
        if book.crossed():
            raise StreamError(topic, "crossed", "the best bid is not below the best ask")
        return [self._told(topic, *book.sides(), 0, now_ns)]

    def _told(
        self,
        topic: Topic,
        bids: tuple[tuple[int, int], ...],
        asks: tuple[tuple[int, int], ...],
        at_ns: int,
        now_ns: int,
    ) -> Book:
        book = Book(
            symbol=topic.symbol,
            bids=bids,
            asks=asks,
            snapshot=topic in self._fresh,
            at_ns=at_ns,
            received_ns=now_ns,
        )
        self._fresh.discard(topic)
        return book

    # -- trades, tickers, candles

    def _trade(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        return [self._public_trade(topic, row, now_ns, snapshot=False)]

    def _public_trade(self, topic: Topic, row: Row, now_ns: int, *, snapshot: bool) -> PublicTrade:
        instrument = self._instruments[topic.symbol]
        return PublicTrade(
            symbol=topic.symbol,
            # REST knows a trade by this number only.
            trade_id=str(row["sequence"]),
            side="sell" if row["side"] == "sell" else "buy",
            price_ticks=instrument.ticks(str(row["price"])),
            quantity_lots=whole_lots(instrument.lot_size, str(row["size"])),
            snapshot=snapshot,
            at_ns=int(row["time"]),
            received_ns=now_ns,
        )

    def _ticker(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        instrument = self._instruments[topic.symbol]
        ticker = Ticker(
            symbol=topic.symbol,
            bid_ticks=instrument.ticks(str(row["bestBid"])),
            bid_lots=whole_lots(instrument.lot_size, str(row["bestBidSize"])),
            ask_ticks=instrument.ticks(str(row["bestAsk"])),
            ask_lots=whole_lots(instrument.lot_size, str(row["bestAskSize"])),
            last_ticks=instrument.ticks(str(row["price"])),
            # This channel does not tell it.
            volume_24h="",
            received_ns=now_ns,
        )
        return [ticker]

    def _candle(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        return [self._bar(topic, row["candles"], now_ns, snapshot=False)]

    def _bar(self, topic: Topic, row: Json, now_ns: int, *, snapshot: bool) -> Candle:
        instrument = self._instruments[topic.symbol]
        opened, close, high, low = (instrument.ticks(str(text)) for text in row[1:5])
        return Candle(
            symbol=topic.symbol,
            interval_s=topic.detail,
            open_at_ns=int(row[0]) * NANOSECONDS_PER_SECOND,
            open_ticks=opened,
            high_ticks=high,
            low_ticks=low,
            close_ticks=close,
            volume=str(row[5]),
            # KuCoin does not count them.
            trades=0,
            snapshot=snapshot,
            received_ns=now_ns,
        )

    # -- the account

    def _execution(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        by_id = {each.venue_symbol: each.symbol for each in self._instruments.values()}
        price = str(row.get("price") or "0")
        execution = Execution(
            kind=_KIND.get(row["type"], "status"),
            venue_order_id=f"{row['symbol']}-{row['orderId']}",
            client_order_id=row.get("clientOid") or None,
            symbol=by_id.get(row["symbol"], ""),
            side="buy" if row["side"] == "buy" else "sell",
            status=_STATUS.get(row["type"], "unknown"),
            at_ns=int(row["ts"]),
            received_ns=now_ns,
            snapshot=False,
            quantity=str(row.get("originSize") or row["size"]),
            price=None if is_zero(price) else price,
            filled=str(row["filledSize"]),
        )
        return [execution]

    def _balance(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        free, used = str(row["available"]), str(row["hold"])
        balance = Balance(
            asset=row["currency"],
            total=plain(Decimal(free) + Decimal(used)),
            free=free,
            used=used,
        )
        balances = Balances(
            balances=(balance,),
            snapshot=False,
            received_ns=now_ns,
            at_ns=ns_of_ms(row["time"]),
        )
        return [balances]


def _book_channel(depth: int) -> str:
    for whole in WHOLE_DEPTHS:
        if whole >= depth:
            return f"/spotMarket/level2Depth{whole}"
    if depth <= DEPTH_MAX:
        return NUMBERED
    raise ValueError(
        f"KuCoin's books without a key have {DEPTH_MAX} levels, {depth} were asked for"
    )


def _levels(rows: Iterable[Any], instrument: Instrument) -> tuple[tuple[int, int], ...]:
    prices, lot = grid(instrument.tick_size), instrument.lot_size
    return tuple((prices.units(str(row[0])), whole_lots(lot, str(row[1]))) for row in rows)
