"""Bybit's stream frames as typed events: pure, fed by `BybitAdapter.decode`.

A book is a snapshot and then differences, numbered one by one; a snapshot in between replaces it.
Trades have no dense numbers: what is lost within a connection nobody can see. A spot ticker lacks
the best prices, which are those of `orderbook.1`: one topic of ours is both. The account's frames
have no numbers either: what is lost there only a comparison finds.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
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
from exchanges.adapters.numbers import ns_of_ms, plain
from exchanges.book import Level, LevelBook
from exchanges.grid import grid
from exchanges.json_text import Json
from exchanges.types import (
    Balance,
    Balances,
    Book,
    Candle,
    Execution,
    ExecutionKind,
    Fee,
    Instrument,
    OrderStatus,
    PublicTrade,
    Side,
    Subscribed,
    Ticker,
)

BOOK_DEPTHS = (50, 200, 1_000)
# The numbers of our requests start above those that ccxt gives to its own on the same socket.
FIRST_REQUEST_ID = 1_000_000
_INTERVALS = {
    60: "1", 180: "3", 300: "5", 900: "15", 1_800: "30", 3_600: "60", 7_200: "120",
    14_400: "240", 21_600: "360", 43_200: "720", 86_400: "D",
}  # fmt: skip
STATUS: dict[str, OrderStatus] = {
    "Created": "pending",
    "New": "open",
    "Untriggered": "open",
    "Triggered": "open",
    "Active": "open",
    "PartiallyFilled": "partially_filled",
    "Filled": "filled",
    "Cancelled": "canceled",
    "PartiallyFilledCanceled": "canceled",
    "Deactivated": "canceled",
    "Rejected": "rejected",
}
_KIND: dict[OrderStatus, ExecutionKind] = {
    "open": "accepted",
    "canceled": "canceled",
    "rejected": "canceled",
}
_PRIVATE: dict[Channel, tuple[str, ...]] = {
    "executions": ("order.spot", "execution.spot"),
    "balances": ("wallet",),
}

Row = Mapping[str, Any]
_UNREADABLE = (LookupError, TypeError, AttributeError, ValueError, ArithmeticError)


@dataclass(slots=True)
class _Book:
    """A book as it is known, and the number of the frame that it includes."""

    levels: LevelBook
    update_id: int


class BybitStreams:
    """The state of one client's streams: books, tickers, subscriptions in flight."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._requests: dict[str, Topic] = {}
        self._topics: dict[str, Topic] = {}
        """Of the streams subscribed, by their name."""
        self._told: set[Topic] = set()
        """Topics of whose subscription the reader knows."""
        self._books: dict[Topic, _Book] = {}
        self._tops: dict[Topic, _Book] = {}
        self._tickers: dict[Topic, dict[str, Any]] = {}
        self._starts: dict[Topic, list[Row]] = {}
        self._next_request_id = FIRST_REQUEST_ID
        self._decoders: dict[str, Callable[[Topic, Row, int], list[StreamEvent]]] = {
            "orderbook": self._orderbook,
            "publicTrade": self._trades,
            "tickers": self._ticker,
            "kline": self._candles,
        }

    # -- subscribing

    def interval_of(self, topic: Topic) -> str:
        """Return Bybit's word for a topic's interval. Raises `ValueError`."""
        interval = _INTERVALS.get(topic.detail)
        if interval is None:
            known = ", ".join(map(str, _INTERVALS))
            raise ValueError(f"Bybit has no candles of {topic.detail} s: choose of {known}")
        return interval

    def start_candles(self, topic: Topic, rows: Iterable[Row]) -> None:
        """Keep what is sent as the snapshot once the subscription is taken, newest first."""
        self._starts[topic] = list(rows)

    def subscription(self, url: str, topic: Topic) -> Subscription:
        """Return the messages for a topic, and forget what was known of it."""
        names = self._names(topic)
        self._topics.update(dict.fromkeys(names, topic))
        self._told.discard(topic)
        for known in (self._books, self._tops, self._tickers):
            known.pop(topic, None)
        request_id = str(self._next_request_id)
        self._next_request_id += 1
        self._requests = {i: t for i, t in self._requests.items() if t != topic}
        self._requests[request_id] = topic
        return Subscription(
            url,
            {"op": "subscribe", "req_id": request_id, "args": names},
            {"op": "unsubscribe", "args": names},
        )

    def _names(self, topic: Topic) -> list[str]:
        if topic.channel in _PRIVATE:
            return list(_PRIVATE[topic.channel])
        symbol = self._instruments[topic.symbol].venue_symbol
        if topic.channel == "book":
            return [f"orderbook.{_offered_depth(topic.detail)}.{symbol}"]
        if topic.channel == "candles":
            return [f"kline.{self.interval_of(topic)}.{symbol}"]
        if topic.channel == "trades":
            return [f"publicTrade.{symbol}"]
        return [f"tickers.{symbol}", f"orderbook.1.{symbol}"]

    # -- frames

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        """See `Adapter.decode`."""
        if not isinstance(message, dict):
            raise MalformedFrameError("not_an_object", repr(message)[:100])
        name = message.get("topic")
        if name is None:
            return self._answer(message, now_ns) if message.get("op") == "subscribe" else None
        topic = self._topics.get(name) if isinstance(name, str) else None
        if topic is None:
            return []
        channel = name.partition(".")[0]
        try:
            if topic.channel in _PRIVATE:
                return self._account(channel, message, now_ns)
            events = self._decoders[channel](topic, message, now_ns)
        except _UNREADABLE as error:
            self._forget(topic)
            detail = f"{type(error).__name__}: {error}"
            raise MalformedFrameError(topic.channel, detail, topic) from error
        except StreamError:
            self._forget(topic)
            raise
        if not events:
            return []
        return [Decoded(topic, event) for event in (*self._begun(topic, now_ns), *events)]

    def _forget(self, topic: Topic) -> None:
        """Drop what was built upon differences, one of which was not understood."""
        self._books.pop(topic, None)
        self._tops.pop(topic, None)

    def _answer(self, message: Row, now_ns: int) -> list[Decoded] | Refused | None:
        topic = self._requests.pop(str(message.get("req_id")), None)
        if topic is None:
            return None
        if message.get("success") is not True:
            return Refused(topic, str(message.get("ret_msg") or "no reason was given"))
        events = self._begun(topic, now_ns)
        try:
            rows = reversed(self._starts.pop(topic, []))
            events += [self._candle(topic, _named(row), now_ns, snapshot=True) for row in rows]
        except _UNREADABLE as error:
            raise MalformedFrameError(topic.channel, f"{type(error).__name__}: {error}") from error
        return [Decoded(topic, event) for event in events]

    def _begun(self, topic: Topic, now_ns: int) -> list[StreamEvent]:
        """Return that the subscription was taken, once: linear says so after the snapshot."""
        if topic in self._told:
            return []
        self._told.add(topic)
        return [Subscribed(stream=str(topic), received_ns=now_ns)]

    # -- books

    def _orderbook(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        books = self._books if topic.channel == "book" else self._tops
        depth = _offered_depth(topic.detail) if topic.channel == "book" else 1
        book = self._applied(books, topic, depth, message)
        if book is None:
            return []
        if topic.channel == "ticker":
            return self._ticker_event(topic, now_ns)
        event = Book(
            symbol=topic.symbol,
            bids=book.levels.bid_pairs(topic.detail),
            asks=book.levels.ask_pairs(topic.detail),
            snapshot=message["type"] == "snapshot",
            at_ns=ns_of_ms(message.get("cts") or message["ts"]),
            received_ns=now_ns,
        )
        return [event]

    def _applied(
        self, books: dict[Topic, _Book], topic: Topic, depth: int, message: Row
    ) -> _Book | None:
        """Return the book after a frame; None where the frame changes nothing that is known."""
        data, instrument = message["data"], self._instruments[topic.symbol]
        update_id = int(data["u"])
        if message["type"] == "snapshot":
            book = books[topic] = _Book(LevelBook(depth), update_id)
        else:
            known = books.get(topic)
            if known is None or update_id == known.update_id:
                # Left over from a subscription that was ended, or sent twice.
                return None
            if update_id != known.update_id + 1:
                detail = f"update {known.update_id} was followed by {update_id}"
                raise StreamError(topic, "sequence", detail)
            book = known
            book.update_id = update_id
        book.levels.apply(_levels(data["b"], instrument), _levels(data["a"], instrument))
        if book.levels.crossed():
            raise StreamError(topic, "crossed", "the best bid is not below the best ask")
        return book

    # -- trades, tickers, candles

    def _trades(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        if topic not in self._told:
            # Of an earlier subscription: between it and this one trades may be missing.
            return []
        instrument = self._instruments[topic.symbol]
        return [
            PublicTrade(
                symbol=topic.symbol,
                trade_id=str(row["i"]),
                side=_side(row["S"]),
                price_ticks=_ticks(instrument, row["p"]),
                quantity_lots=_lots(instrument, row["v"]),
                snapshot=False,
                at_ns=ns_of_ms(row["T"]),
                received_ns=now_ns,
            )
            for row in message["data"]
        ]

    def _ticker(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        if message["type"] == "snapshot":
            self._tickers[topic] = {}
        elif topic not in self._tickers:
            return []
        self._tickers[topic].update(message["data"])
        return self._ticker_event(topic, now_ns)

    def _ticker_event(self, topic: Topic, now_ns: int) -> list[StreamEvent]:
        """Return the ticker, once both of what it is made of are known."""
        row, top = self._tickers.get(topic), self._tops.get(topic)
        if row is None or (top is None and "bid1Price" not in row):
            return []
        instrument = self._instruments[topic.symbol]
        if top is not None:
            bids, asks = top.levels.bid_pairs(1), top.levels.ask_pairs(1)
        else:
            bids = _levels_of([row["bid1Price"], row["bid1Size"]], instrument)
            asks = _levels_of([row["ask1Price"], row["ask1Size"]], instrument)
        (bid_ticks, bid_lots), *_ = bids or ((0, 0),)
        (ask_ticks, ask_lots), *_ = asks or ((0, 0),)
        ticker = Ticker(
            symbol=topic.symbol,
            bid_ticks=bid_ticks,
            bid_lots=bid_lots,
            ask_ticks=ask_ticks,
            ask_lots=ask_lots,
            last_ticks=_ticks(instrument, row["lastPrice"]),
            volume_24h=plain(row["volume24h"]),
            received_ns=now_ns,
        )
        return [ticker]

    def _candles(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        if topic not in self._told:
            return []
        rows = message["data"]
        return [self._candle(topic, row, now_ns, snapshot=False) for row in rows]

    def _candle(self, topic: Topic, row: Row, now_ns: int, *, snapshot: bool) -> Candle:
        instrument = self._instruments[topic.symbol]
        return Candle(
            symbol=topic.symbol,
            interval_s=topic.detail,
            open_at_ns=ns_of_ms(row["start"]),
            open_ticks=_ticks(instrument, row["open"]),
            high_ticks=_ticks(instrument, row["high"]),
            low_ticks=_ticks(instrument, row["low"]),
            close_ticks=_ticks(instrument, row["close"]),
            volume=plain(row["volume"]),
            # Bybit does not count them.
            trades=0,
            snapshot=snapshot,
            received_ns=now_ns,
        )

    # -- the account

    def _account(self, channel: str, message: Row, now_ns: int) -> list[Decoded]:
        if channel == "wallet":
            rows = message["data"]
            return [Decoded(Topic("balances"), _balances(row, message, now_ns)) for row in rows]
        read = self._fill if channel == "execution" else self._order
        events = [read(row, now_ns) for row in message["data"]]
        return [Decoded(Topic("executions"), event) for event in events if event is not None]

    def _symbol(self, row: Row) -> str:
        by_id = {each.venue_symbol: each.symbol for each in self._instruments.values()}
        return by_id.get(row["symbol"], "")

    def _order(self, row: Row, now_ns: int) -> Execution:
        status = STATUS.get(row["orderStatus"], "unknown")
        kind = _KIND.get(status, "status")
        if kind == "accepted" and row["createdTime"] != row["updatedTime"]:
            kind = "amended"
        reason = str(row.get("rejectReason", ""))
        price = str(row["price"])
        return Execution(
            kind=kind,
            venue_order_id=f"{row['symbol']}-{row['orderId']}",
            client_order_id=row["orderLinkId"] or None,
            symbol=self._symbol(row),
            side=_side(row["side"]),
            status=status,
            at_ns=ns_of_ms(row["updatedTime"]),
            received_ns=now_ns,
            snapshot=False,
            quantity=str(row["qty"]),
            price=price if price.strip("0.") else None,
            filled=str(row["cumExecQty"]),
            average_price=str(row["avgPrice"]) or None,
            reason="" if reason in ("", "EC_NoError") else reason,
        )

    def _fill(self, row: Row, now_ns: int) -> Execution | None:
        if row["execType"] != "Trade":
            return None
        left, quantity = Decimal(str(row["leavesQty"])), Decimal(str(row["orderQty"]))
        return Execution(
            kind="fill",
            venue_order_id=f"{row['symbol']}-{row['orderId']}",
            client_order_id=row["orderLinkId"] or None,
            symbol=self._symbol(row),
            side=_side(row["side"]),
            status="partially_filled" if left else "filled",
            at_ns=ns_of_ms(row["execTime"]),
            received_ns=now_ns,
            snapshot=False,
            quantity=plain(quantity),
            filled=plain(quantity - left),
            exec_id=str(row["execId"]),
            last_price=str(row["execPrice"]),
            last_quantity=str(row["execQty"]),
            fees=(fill_fee(row),),
            liquidity="maker" if row["isMaker"] else "taker",
        )


def fill_fee(row: Row) -> Fee:
    """Return the fee of an execution; a rebate is negative at Bybit, too."""
    return Fee(asset=str(row["feeCurrency"]), amount=str(row["execFee"]))


def balance_of(row: Row) -> Balance:
    """Return one coin of a unified account: orders lock some, positions and their orders margin."""
    names = ("locked", "totalOrderIM", "totalPositionIM")
    used = sum((Decimal(str(row.get(name) or "0")) for name in names), Decimal(0))
    total = Decimal(str(row["walletBalance"] or "0"))
    return Balance(
        asset=str(row["coin"]), total=plain(total), free=plain(total - used), used=plain(used)
    )


def _balances(row: Row, message: Row, now_ns: int) -> Balances:
    return Balances(
        balances=tuple(balance_of(coin) for coin in row["coin"]),
        snapshot=False,
        received_ns=now_ns,
        at_ns=ns_of_ms(message["creationTime"]),
    )


def _named(row: Json) -> dict[str, Any]:
    """Return a candle of REST as the stream would send it."""
    names = ("start", "open", "high", "low", "close", "volume")
    return dict(zip(names, row, strict=False))


def _offered_depth(wanted: int) -> int:
    for depth in BOOK_DEPTHS:
        if depth >= wanted:
            return depth
    raise ValueError(f"Bybit's books have at most 1000 levels, {wanted} were asked for")


def _levels(rows: Iterable[Any], instrument: Instrument) -> list[Level]:
    prices, quantities = grid(instrument.tick_size), grid(instrument.lot_size)
    # Orders of others may be older than the step of quantities: what is below a lot is cut off.
    levels = [Level(prices.units(str(row[0])), quantities.whole(str(row[1])), "") for row in rows]
    if any(ticks <= 0 or lots < 0 for ticks, lots, _ in levels):
        raise ValueError("a level has a price or a quantity below zero")
    return levels


def _levels_of(pair: list[Any], instrument: Instrument) -> tuple[tuple[int, int], ...]:
    if not pair[0]:
        return ()
    ticks, lots = _ticks(instrument, pair[0]), _lots(instrument, pair[1])
    return ((ticks, lots),) if lots else ()


def _ticks(instrument: Instrument, price: object) -> int:
    ticks = instrument.ticks(str(price))
    if ticks <= 0:
        raise ValueError(f"a price was {price}")
    return ticks


def _lots(instrument: Instrument, quantity: object) -> int:
    lots = instrument.lots(str(quantity))
    if lots < 0:
        raise ValueError(f"a quantity was {quantity}")
    return lots


def _side(word: object) -> Side:
    if word not in ("Buy", "Sell"):
        raise ValueError(f"a side was {word!r}")
    return "buy" if word == "Buy" else "sell"
