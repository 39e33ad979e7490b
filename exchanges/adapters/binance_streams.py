"""Binance's stream frames as typed events: pure, fed by `BinanceAdapter.decode`.

Books come as whole snapshots of the best 5, 10 or 20 levels, so that a lost frame is made good by
the next one. Trades are numbered per symbol: a gap in the numbers ends the stream, which begins
anew. The account's events have no numbers: what is lost there only a comparison finds.
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
from exchanges.adapters.numbers import plain
from exchanges.grid import grid
from exchanges.json_text import Json
from exchanges.timestamps import NANOSECONDS_PER_MILLISECOND
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
    Subscribed,
    Ticker,
)

BOOK_DEPTHS = (5, 10, 20)
# The numbers of our requests start above those that ccxt gives to its own on the same socket.
FIRST_REQUEST_ID = 1_000_000
# "subscription already active": the other of the account's two topics has brought it about.
ALREADY_SUBSCRIBED = -2035
_INTERVALS = {
    60: "1m", 180: "3m", 300: "5m", 900: "15m", 1_800: "30m", 3_600: "1h", 7_200: "2h",
    14_400: "4h", 21_600: "6h", 28_800: "8h", 43_200: "12h", 86_400: "1d", 259_200: "3d",
}  # fmt: skip
STATUS: dict[str, OrderStatus] = {
    "NEW": "open",
    "PENDING_NEW": "pending",
    "PENDING_CANCEL": "open",
    "PARTIALLY_FILLED": "partially_filled",
    "FILLED": "filled",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "EXPIRED_IN_MATCH": "expired",
    "REJECTED": "rejected",
}
_KIND: dict[str, ExecutionKind] = {
    "NEW": "accepted",
    "TRADE": "fill",
    "CANCELED": "canceled",
    "EXPIRED": "expired",
    "REPLACED": "amended",
}

Row = Mapping[str, Any]


class BinanceStreams:
    """The state of one client's streams: numbers of trades, subscriptions in flight."""

    trade_stream = "trade"

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._requests: dict[str, Topic] = {}
        self._topics: dict[str, Topic] = {}
        """Of the streams subscribed, by their name."""
        self._fresh: set[Topic] = set()
        """Books whose first frame is still to come."""
        self._starts: dict[Topic, list[Row]] = {}
        self._last_trades: dict[str, int] = {}
        self._next_request_id = FIRST_REQUEST_ID
        self._decoders: dict[Channel, Callable[[Topic, Row, int], list[StreamEvent]]] = {
            "book": self._book,
            "trades": self._trade,
            "ticker": self._ticker,
            "candles": self._candle,
        }

    # -- subscribing

    def interval_of(self, topic: Topic) -> str:
        """Return Binance's word for a topic's interval. Raises `ValueError`."""
        interval = _INTERVALS.get(topic.detail)
        if interval is None:
            known = ", ".join(map(str, _INTERVALS))
            raise ValueError(f"Binance has no candles of {topic.detail} s: choose of {known}")
        return interval

    def start_candles(self, topic: Topic, rows: Iterable[Row]) -> None:
        """Keep what is sent as the snapshot once the subscription is taken."""
        self._starts[topic] = list(rows)

    def start_trades(self, topic: Topic, rows: Iterable[Row]) -> None:
        """Keep the last trades as the snapshot."""
        self._starts[topic] = list(rows)

    def subscription(self, url: str, topic: Topic) -> Subscription:
        """Return the messages for a public topic, and forget what was known of it."""
        name = self._stream_name(topic)
        self._topics[name] = topic
        self._last_trades.pop(topic.symbol, None)
        self._fresh.add(topic)
        request_id = self._request(topic)
        return Subscription(
            url,
            {"method": "SUBSCRIBE", "params": [name], "id": int(request_id)},
            {"method": "UNSUBSCRIBE", "params": [name], "id": 0},
        )

    def account_subscription(self, url: str, topic: Topic, signed: Row) -> Subscription:
        """Return the message for the account's stream, whose events serve both its topics."""
        request_id = self._request(topic)
        subscribe = {"method": "userDataStream.subscribe.signature", "params": dict(signed)}
        undo = {"id": "0", "method": "userDataStream.unsubscribe"}
        return Subscription(url, {"id": request_id, **subscribe}, undo)

    def listening(self, url: str, topic: Topic) -> Subscription:
        """Return what is asked on a listen key's address, where events come by themselves.

        The answer says that the connection stands.
        """
        request_id = self._request(topic)
        return Subscription(url, {"method": "LIST_SUBSCRIPTIONS", "id": int(request_id)}, None)

    def _request(self, topic: Topic) -> str:
        request_id = str(self._next_request_id)
        self._next_request_id += 1
        self._requests = {i: t for i, t in self._requests.items() if t != topic}
        self._requests[request_id] = topic
        return request_id

    def _stream_name(self, topic: Topic) -> str:
        symbol = self._instruments[topic.symbol].venue_symbol.lower()
        if topic.channel == "book":
            return f"{symbol}@depth{_offered_depth(topic.detail)}@100ms"
        if topic.channel == "candles":
            return f"{symbol}@kline_{self.interval_of(topic)}"
        return f"{symbol}@{self.trade_stream if topic.channel == 'trades' else 'ticker'}"

    # -- frames

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        """See `Adapter.decode`."""
        if not isinstance(message, dict):
            raise MalformedFrameError("not_an_object", repr(message)[:100])
        if "stream" in message:
            return self._public(message, now_ns)
        if "event" in message:
            return self._account(message["event"], now_ns)
        if "e" in message:
            # On a listen key's own address events come bare.
            return self._account(message, now_ns)
        if "id" in message:
            return self._answer(message, now_ns)
        return None

    def _answer(self, message: Row, now_ns: int) -> list[Decoded] | Refused | None:
        topic = self._requests.pop(str(message.get("id")), None)
        if topic is None:
            return None
        error = message.get("error")
        if error is not None and str(error.get("code")) != str(ALREADY_SUBSCRIBED):
            return Refused(topic, f"{error.get('code')}: {error.get('msg')}")
        events: list[StreamEvent] = [Subscribed(stream=str(topic), received_ns=now_ns)]
        try:
            events += self._snapshot(topic, now_ns)
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise MalformedFrameError(topic.channel, f"{type(error).__name__}: {error}") from error
        return [Decoded(topic, event) for event in events]

    def _snapshot(self, topic: Topic, now_ns: int) -> list[StreamEvent]:
        rows = self._starts.pop(topic, [])
        if topic.channel == "candles":
            return [self._kline(topic, row, now_ns) for row in rows]
        trades = [self._past_trade(topic, row, now_ns) for row in rows]
        if trades:
            self._last_trades[topic.symbol] = int(trades[-1].trade_id)
        return [*trades]

    def _public(self, message: Row, now_ns: int) -> list[Decoded] | None:
        topic = self._topics.get(message["stream"])
        if topic is None:
            return []
        try:
            events = self._decoders[topic.channel](topic, message["data"], now_ns)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            detail = f"{type(error).__name__}: {error}"
            raise MalformedFrameError(topic.channel, detail, topic) from error
        return [Decoded(topic, event) for event in events]

    def _book(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        instrument = self._instruments[topic.symbol]
        bids, asks = levels(row["bids"], instrument), levels(row["asks"], instrument)
        if bids and asks and bids[0][0] >= asks[0][0]:
            raise StreamError(topic, "crossed", "the best bid is not below the best ask")
        book = Book(
            symbol=topic.symbol,
            bids=bids[: topic.detail],
            asks=asks[: topic.detail],
            snapshot=topic in self._fresh,
            at_ns=0,
            received_ns=now_ns,
        )
        self._fresh.discard(topic)
        return [book]

    def _trade(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        instrument = self._instruments[topic.symbol]
        number = int(row["t"])
        last = self._last_trades.get(topic.symbol)
        if last is not None and number <= last:
            return []
        self._last_trades[topic.symbol] = number
        if last is not None and number != last + 1:
            raise StreamError(topic, "sequence", f"trade {last} was followed by {number}")
        trade = PublicTrade(
            symbol=topic.symbol,
            trade_id=str(number),
            side="sell" if row["m"] else "buy",
            price_ticks=instrument.ticks(str(row["p"])),
            quantity_lots=instrument.lots(str(row["q"])),
            snapshot=False,
            at_ns=nanoseconds(row["T"]),
            received_ns=now_ns,
        )
        return [trade]

    def _past_trade(self, topic: Topic, row: Row, now_ns: int) -> PublicTrade:
        instrument = self._instruments[topic.symbol]
        return PublicTrade(
            symbol=topic.symbol,
            trade_id=str(row["id"]),
            side="sell" if row["isBuyerMaker"] else "buy",
            price_ticks=instrument.ticks(str(row["price"])),
            quantity_lots=instrument.lots(str(row["qty"])),
            snapshot=True,
            at_ns=nanoseconds(row["time"]),
            received_ns=now_ns,
        )

    def _ticker(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        instrument = self._instruments[topic.symbol]
        ticker = Ticker(
            symbol=topic.symbol,
            bid_ticks=instrument.ticks(str(row["b"])),
            bid_lots=instrument.lots(str(row["B"])),
            ask_ticks=instrument.ticks(str(row["a"])),
            ask_lots=instrument.lots(str(row["A"])),
            last_ticks=instrument.ticks(str(row["c"])),
            volume_24h=str(row["v"]),
            received_ns=now_ns,
        )
        return [ticker]

    def _candle(self, topic: Topic, row: Row, now_ns: int) -> list[StreamEvent]:
        k = row["k"]
        values = [k["t"], k["o"], k["h"], k["l"], k["c"], k["v"], k["T"], k["q"], k["n"]]
        return [self._kline(topic, values, now_ns, snapshot=False)]

    def _kline(self, topic: Topic, row: Json, now_ns: int, *, snapshot: bool = True) -> Candle:
        instrument = self._instruments[topic.symbol]
        opened, high, low, close = (instrument.ticks(str(text)) for text in row[1:5])
        return Candle(
            symbol=topic.symbol,
            interval_s=topic.detail,
            open_at_ns=nanoseconds(row[0]),
            open_ticks=opened,
            high_ticks=high,
            low_ticks=low,
            close_ticks=close,
            volume=str(row[5]),
            trades=int(row[8]),
            snapshot=snapshot,
            received_ns=now_ns,
        )

    # -- the account

    def _account(self, event: Row, now_ns: int) -> list[Decoded] | None:
        kind = event.get("e")
        try:
            if kind == "executionReport":
                return [Decoded(Topic("executions"), self._execution(event, now_ns))]
            if kind == "outboundAccountPosition":
                return [Decoded(Topic("balances"), _balances(event, now_ns))]
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            detail = f"{type(error).__name__}: {error}"
            raise MalformedFrameError(str(kind), detail) from error
        return []

    def _execution(self, row: Row, now_ns: int) -> Execution:
        kind = _KIND.get(row["x"], "status")
        is_fill = kind == "fill"
        by_id = {each.venue_symbol: each.symbol for each in self._instruments.values()}
        price = str(row["p"])
        return Execution(
            kind=kind,
            venue_order_id=f"{row['s']}-{row['i']}",
            # A cancellation carries an id of its own; the order's is then beside it.
            client_order_id=row.get("C") or row["c"],
            symbol=by_id.get(row["s"], ""),
            side="buy" if row["S"] == "BUY" else "sell",
            status=STATUS.get(row["X"], "unknown"),
            at_ns=nanoseconds(row["T"]),
            received_ns=now_ns,
            snapshot=False,
            quantity=str(row["q"]),
            price=price if price.strip("0.") else None,
            filled=str(row["z"]),
            exec_id=f"{row['s']}-{row['t']}" if is_fill else "",
            last_price=str(row["L"]) if is_fill else "",
            last_quantity=str(row["l"]) if is_fill else "",
            fees=(Fee(asset=row["N"], amount=str(row["n"])),) if is_fill and row["N"] else (),
            liquidity="maker" if row["m"] else "taker",
            reason="" if row.get("r") in (None, "NONE") else str(row["r"]),
        )


def _balances(event: Row, now_ns: int) -> Balances:
    rows = [(row["a"], str(row["f"]), str(row["l"])) for row in event["B"]]
    return Balances(
        balances=tuple(
            Balance(
                asset=asset,
                total=plain(Decimal(free) + Decimal(locked)),
                free=free,
                used=locked,
            )
            for asset, free, locked in rows
        ),
        snapshot=False,
        received_ns=now_ns,
        at_ns=nanoseconds(event["u"]),
    )


def is_expiry(message: object) -> bool:
    """Return whether a frame says that the connection's listen key is no longer valid."""
    return isinstance(message, dict) and message.get("e") == "listenKeyExpired"


def _offered_depth(wanted: int) -> int:
    for depth in BOOK_DEPTHS:
        if depth >= wanted:
            return depth
    raise ValueError(f"Binance's partial books have at most 20 levels, {wanted} were asked for")


def levels(rows: Iterable[Any], instrument: Instrument) -> tuple[tuple[int, int], ...]:
    """Return the levels of a book's side in ticks and lots."""
    prices, quantities = grid(instrument.tick_size), grid(instrument.lot_size)
    # Orders that rest since the step was finer have a rest below it, which nobody can trade.
    levels = ((prices.units(str(row[0])), quantities.whole(str(row[1]))) for row in rows)
    return tuple(level for level in levels if level[1])


def nanoseconds(milliseconds: object) -> int:
    """Return a venue's time."""
    return int(str(milliseconds)) * NANOSECONDS_PER_MILLISECOND
