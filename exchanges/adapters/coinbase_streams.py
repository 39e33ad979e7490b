"""Coinbase's frames as typed events: pure, fed by `CoinbaseAdapter.decode`.

All frames of a connection are numbered together: a gap means that something was missed, nobody
knows of what, so every stream of the connection begins anew. A subscription is answered by a
snapshot. The user channel tells of orders with sums, no single fills: these are read by REST.
"""

from collections.abc import Callable, Iterable, Mapping
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
from exchanges.adapters.coinbase_candles import TradeCandles
from exchanges.adapters.known_book import GapError, KnownBook
from exchanges.adapters.numbers import is_zero, whole_lots
from exchanges.timestamps import rfc3339_ns
from exchanges.types import (
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

# Of tens of thousands of levels that a snapshot has: what a market goes through in hours.
KNOWN_LEVELS = 2_000
GRANULARITIES = {
    60: "ONE_MINUTE", 300: "FIVE_MINUTE", 900: "FIFTEEN_MINUTE", 1_800: "THIRTY_MINUTE",
    3_600: "ONE_HOUR", 7_200: "TWO_HOUR", 14_400: "FOUR_HOUR", 21_600: "SIX_HOUR",
    86_400: "ONE_DAY",
}  # fmt: skip
_CHANNELS: dict[Channel, str] = {
    "book": "level2",
    "trades": "market_trades",
    "ticker": "ticker",
    # Built from trades: see `coinbase_candles`.
    "candles": "market_trades",
    "executions": "user",
    "balances": "user",
}
HEARTBEATS = {"type": "subscribe", "channel": "heartbeats", "product_ids": []}
STATUS: dict[str, OrderStatus] = {
    "PENDING": "pending",
    "QUEUED": "pending",
    "OPEN": "open",
    "CANCEL_QUEUED": "open",
    "EDIT_QUEUED": "open",
    "FILLED": "filled",
    "CANCELLED": "canceled",
    "EXPIRED": "expired",
    "FAILED": "rejected",
}
_KIND: dict[str, ExecutionKind] = {"CANCELLED": "canceled", "EXPIRED": "expired"}

Row = Mapping[str, Any]


class CoinbaseStreams:
    """The state of one client's streams."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._waiting: dict[Topic, None] = {}
        """Topics that are subscribed and whose snapshot is still to come."""
        self._heard: dict[Topic, None] = {}
        """Topics whose snapshot has come."""
        self._books: dict[str, KnownBook] = {}
        self._candles: dict[Topic, TradeCandles] = {}
        self._starts: dict[Topic, list[Candle]] = {}
        self._last_trades: dict[str, int] = {}
        self._last_number: int | None = None
        self._readers: dict[str, Callable[[Row, Row, int], list[Decoded]]] = {
            "l2_data": self._book_event,
            "market_trades": self._trades_event,
            "ticker": self._ticker_event,
            "user": self._user_event,
        }

    # -- subscribing

    def granularity_of(self, topic: Topic) -> str:
        """Return Coinbase's word for a topic's interval. Raises `ValueError`."""
        found = GRANULARITIES.get(topic.detail)
        if found is None:
            known = ", ".join(map(str, GRANULARITIES))
            raise ValueError(f"Coinbase has no candles of {topic.detail} s: choose of {known}")
        return found

    def start_candles(
        self, topic: Topic, candles: Iterable[Row], trades: Iterable[Row], now_ns: int
    ) -> None:
        """Keep what is told as the snapshot once the subscription is answered."""
        made = TradeCandles(self._instruments[topic.symbol], topic.detail)
        self._starts[topic] = made.start(candles, trades, now_ns)
        self._candles[topic] = made

    def subscription(self, url: str, topic: Topic, jwt: str) -> Subscription:
        """Return the messages for a topic, and forget what was known of it."""
        self._heard.pop(topic, None)
        self._waiting[topic] = None
        if topic.channel == "book":
            self._books.pop(topic.symbol, None)
        elif topic.channel == "trades":
            self._last_trades.pop(topic.symbol, None)
        symbols = [topic.symbol] if topic.symbol else []
        asked: dict[str, Any] = {
            "channel": _CHANNELS[topic.channel],
            "product_ids": [self._instruments[symbol].venue_symbol for symbol in symbols],
        }
        if jwt:
            asked["jwt"] = jwt
        undo = {**asked, "type": "unsubscribe"}
        if topic.channel not in ("book", "ticker"):
            # Another topic may live on the same channel: what nobody reads is not told.
            undo = HEARTBEATS
        return Subscription(url, {**asked, "type": "subscribe"}, undo)

    def disconnected(self) -> None:
        """Note that the next frame is the first of a connection."""
        self._last_number = None

    # -- frames

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        """See `Adapter.decode`."""
        if not isinstance(message, dict):
            raise MalformedFrameError("not_an_object", repr(message)[:100])
        if message.get("type") == "error":
            return self._refused(message)
        if "sequence_num" not in message:
            return None
        if not self._is_next(message):
            return []
        reader = self._readers.get(str(message.get("channel")))
        if reader is None:
            return []
        try:
            return [
                decoded for event in message["events"] for decoded in reader(message, event, now_ns)
            ]
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            detail = f"{type(error).__name__}: {error}"
            raise MalformedFrameError(str(message["channel"]), detail) from error

    def _is_next(self, message: Row) -> bool:
        """Whether a frame is new. Raises `MalformedFrameError` when one before it was missed."""
        number, last = int(message["sequence_num"]), self._last_number
        if number == last:
            return False
        self._last_number = number
        if number and last is not None and number != last + 1:
            raise MalformedFrameError("sequence", f"frame {last} was followed by {number}")
        return True

    def _refused(self, message: Row) -> list[Decoded] | Refused:
        """Say which topic was refused: it is not told, so the oldest that waits is."""
        detail = str(message.get("message"))
        private = "authentication" in detail
        for topic in self._waiting:
            if private == (_CHANNELS[topic.channel] == "user"):
                return Refused(topic, detail)
        raise MalformedFrameError("error", detail)

    def _answered(self, topic: Topic, now_ns: int) -> list[Decoded]:
        """Note the snapshot of a topic that waits for it; return that it is subscribed."""
        if topic not in self._waiting:
            return []
        del self._waiting[topic]
        self._heard[topic] = None
        return [Decoded(topic, Subscribed(stream=str(topic), received_ns=now_ns))]

    def _topics(self, channel: Channel, symbol: str) -> list[Topic]:
        """Return the topics of a channel that are subscribed."""
        return [
            topic
            for topic in (*self._waiting, *self._heard)
            if (topic.channel, topic.symbol) == (channel, symbol)
        ]

    def _symbol(self, product: str) -> str:
        for symbol, instrument in self._instruments.items():
            if instrument.venue_symbol == product:
                return symbol
        raise ValueError(f"{product!r} is not listed")

    # -- books

    def _book_event(self, message: Row, event: Row, now_ns: int) -> list[Decoded]:
        symbol = self._symbol(event["product_id"])
        told: list[Decoded] = []
        for topic in self._topics("book", symbol):
            is_snapshot = event["type"] == "snapshot"
            if is_snapshot:
                told += self._answered(topic, now_ns)
            if topic in self._heard:
                told.append(self._book(topic, message, event, now_ns, is_snapshot=is_snapshot))
        return told

    def _book(
        self, topic: Topic, message: Row, event: Row, now_ns: int, *, is_snapshot: bool
    ) -> Decoded:
        bids, asks = (
            [
                (row["price_level"], row["new_quantity"])
                for row in event["updates"]
                if row["side"] == s
            ]
            for s in ("bid", "offer")
        )
        try:
            if is_snapshot:
                book = self._books[topic.symbol] = KnownBook(
                    self._instruments[topic.symbol], topic.detail
                )
                book.begin(bids, asks, KNOWN_LEVELS)
            else:
                book = self._books[topic.symbol]
                book.change(bids, asks)
            if book.crossed():
                raise StreamError(topic, "crossed", "the best bid is not below the best ask")
            best_bids, best_asks = book.sides()
        except GapError as error:
            raise StreamError(topic, "sequence", str(error)) from error
        told = Book(
            symbol=topic.symbol,
            bids=best_bids,
            asks=best_asks,
            snapshot=is_snapshot,
            at_ns=rfc3339_ns(message["timestamp"]),
            received_ns=now_ns,
        )
        return Decoded(topic, told)

    # -- trades and candles

    def _trades_event(self, message: Row, event: Row, now_ns: int) -> list[Decoded]:
        # Newest first.
        rows = event["trades"][::-1]
        symbols = dict.fromkeys(self._symbol(row["product_id"]) for row in rows)
        told: list[Decoded] = []
        for symbol in symbols:
            own = [row for row in rows if self._symbol(row["product_id"]) == symbol]
            is_snapshot = event["type"] == "snapshot"
            for topic in self._topics("trades", symbol):
                told += self._answered(topic, now_ns) if is_snapshot else []
                told += self._trades(topic, own, now_ns, is_snapshot=is_snapshot)
            for topic in self._topics("candles", symbol):
                told += self._candle_events(topic, own, now_ns, is_snapshot=is_snapshot)
        return told

    def _trades(
        self, topic: Topic, rows: list[Row], now_ns: int, *, is_snapshot: bool
    ) -> list[Decoded]:
        if topic not in self._heard:
            return []
        events: list[Decoded] = []
        for row in rows:
            number, last = int(row["trade_id"]), self._last_trades.get(topic.symbol)
            if last is not None and number <= last:
                continue
            if last is not None and number != last + 1:
                raise StreamError(topic, "sequence", f"trade {last} was followed by {number}")
            self._last_trades[topic.symbol] = number
            trade = self._trade(topic, row, now_ns, is_snapshot=is_snapshot)
            events.append(Decoded(topic, trade))
        return events

    def _trade(self, topic: Topic, row: Row, now_ns: int, *, is_snapshot: bool) -> PublicTrade:
        instrument = self._instruments[topic.symbol]
        return PublicTrade(
            symbol=topic.symbol,
            trade_id=str(row["trade_id"]),
            # Coinbase tells the side of the order that rested.
            side="sell" if row["side"] == "BUY" else "buy",
            price_ticks=instrument.ticks(str(row["price"])),
            quantity_lots=whole_lots(instrument.lot_size, str(row["size"])),
            snapshot=is_snapshot,
            at_ns=rfc3339_ns(row["time"]),
            received_ns=now_ns,
        )

    def _candle_events(
        self, topic: Topic, rows: list[Row], now_ns: int, *, is_snapshot: bool
    ) -> list[Decoded]:
        told: list[Decoded] = []
        if is_snapshot and topic in self._waiting:
            told += self._answered(topic, now_ns)
            told += [Decoded(topic, candle) for candle in self._starts.pop(topic, [])]
        if topic not in self._heard:
            return []
        try:
            candles = self._candles[topic].add(rows, now_ns)
        except GapError as error:
            raise StreamError(topic, "sequence", str(error)) from error
        return told + [Decoded(topic, candle) for candle in candles]

    # -- tickers

    def _ticker_event(self, message: Row, event: Row, now_ns: int) -> list[Decoded]:
        told: list[Decoded] = []
        for row in event["tickers"]:
            for topic in self._topics("ticker", self._symbol(row["product_id"])):
                told += self._answered(topic, now_ns)
                told.append(Decoded(topic, self._ticker(topic, row, now_ns)))
        return told

    def _ticker(self, topic: Topic, row: Row, now_ns: int) -> StreamEvent:
        instrument = self._instruments[topic.symbol]
        lot = instrument.lot_size
        return Ticker(
            symbol=topic.symbol,
            bid_ticks=instrument.ticks(str(row["best_bid"])),
            bid_lots=whole_lots(lot, str(row["best_bid_quantity"])),
            ask_ticks=instrument.ticks(str(row["best_ask"])),
            ask_lots=whole_lots(lot, str(row["best_ask_quantity"])),
            last_ticks=instrument.ticks(str(row["price"])),
            volume_24h=str(row["volume_24_h"]),
            received_ns=now_ns,
        )

    # -- the account

    def _user_event(self, message: Row, event: Row, now_ns: int) -> list[Decoded]:
        is_snapshot = event["type"] == "snapshot"
        told: list[Decoded] = []
        for topic in (Topic("executions"), Topic("balances")):
            told += self._answered(topic, now_ns) if is_snapshot else []
        at_ns = rfc3339_ns(message["timestamp"])
        if Topic("executions") in self._heard:
            told += [
                Decoded(
                    Topic("executions"),
                    self._execution(row, at_ns, now_ns, is_snapshot=is_snapshot),
                )
                for row in event.get("orders") or []
            ]
        return told

    def _execution(self, row: Row, at_ns: int, now_ns: int, *, is_snapshot: bool) -> Execution:
        status, filled = STATUS.get(row["status"], "unknown"), str(row["cumulative_quantity"])
        kind = _KIND.get(row["status"], "status")
        if status == "open" and is_zero(filled):
            kind = "accepted"
        elif status == "open":
            status = "partially_filled"
        return Execution(
            kind=kind,
            venue_order_id=str(row["order_id"]),
            client_order_id=row.get("client_order_id") or None,
            symbol=self._symbol(row["product_id"]),
            side="buy" if row["order_side"] == "BUY" else "sell",
            status=status,
            at_ns=at_ns,
            received_ns=now_ns,
            snapshot=is_snapshot,
            price=str(row.get("limit_price") or "") or None,
            filled=filled,
            reason=str(row.get("cancel_reason") or row.get("reject_reason") or ""),
        )
