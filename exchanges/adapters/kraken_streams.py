"""Kraken's WebSocket v2 frames as typed events: pure, fed by `KrakenAdapter.decode`.

ccxt's own handlers are passed over for these frames because they lose what we need: `cl_ord_id`,
all fees but the first, the order of mixed reports, and every intermediate update.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

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
from exchanges.book import Level, LevelBook
from exchanges.grid import grid
from exchanges.timestamps import rfc3339_ns
from exchanges.types import (
    Balance,
    Balances,
    Book,
    Candle,
    Execution,
    ExecutionKind,
    Fee,
    Instrument,
    Liquidity,
    OrderStatus,
    PublicTrade,
    Side,
    Subscribed,
    Ticker,
)

# The depths Kraken offers, and how many levels of each side its checksum covers.
BOOK_DEPTHS = (10, 25, 100, 500, 1000)
CHECKSUM_LEVELS = 10
SECONDS_PER_MINUTE = 60
# The numbers of our subscriptions start above those that ccxt gives to its own on the same socket.
FIRST_REQUEST_ID = 1_000_000
# Orders whose symbol, side and client id are remembered for reports that leave them out. More are
# never open at once (Kraken allows 225 per pair); the oldest goes first.
REMEMBERED_ORDERS_MAX = 5_000

_KRAKEN_CHANNEL: dict[Channel, str] = {
    "book": "book",
    "trades": "trade",
    "ticker": "ticker",
    "candles": "ohlc",
    "executions": "executions",
    "balances": "balances",
}
_EXECUTION_KIND: dict[str, ExecutionKind] = {
    "new": "accepted",
    "trade": "fill",
    "canceled": "canceled",
    "expired": "expired",
    "amended": "amended",
    "restated": "amended",
    "pending_new": "status",
    "filled": "status",
    "iceberg_refill": "status",
    "status": "status",
}
_ORDER_STATUS: dict[str, OrderStatus] = {
    "pending_new": "pending",
    "new": "open",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
    "expired": "expired",
}
_ENDED: frozenset[OrderStatus] = frozenset({"filled", "canceled", "expired", "rejected"})
_LIQUIDITY: dict[str, Liquidity] = {"m": "maker", "t": "taker"}

Row = Mapping[str, Any]


class _Order(NamedTuple):
    symbol: str
    side: Side | None
    client_order_id: str | None


class KrakenStreams:
    """The state of one client's streams: books, sequence numbers, subscriptions in flight."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._books: dict[str, LevelBook] = {}
        self._depths: dict[str, int] = {}
        self._sequences: dict[str, int] = {}
        self._requests: dict[int, Topic] = {}
        self._next_request_id = FIRST_REQUEST_ID
        self._orders: dict[str, _Order] = {}
        self._private_refused = False
        self._decoders: dict[str, Callable[[Row, int], list[Decoded]]] = {
            "book": self._book,
            "trade": self._trades,
            "ticker": self._ticker,
            "ohlc": self._candles,
            "executions": self._executions,
            "balances": self._balances,
        }

    def take_refusal(self) -> bool:
        """Return whether a private subscription was refused since the last call."""
        refused, self._private_refused = self._private_refused, False
        return refused

    def subscription(self, url: str, topic: Topic, token: str | None) -> Subscription:
        """Return the messages for `topic` and forget what an earlier subscription left behind."""
        channel = _KRAKEN_CHANNEL[topic.channel]
        params: dict[str, Any] = {"channel": channel}
        if token is not None:
            params["token"] = token
            self._sequences.pop(channel, None)
        if topic.symbol:
            params["symbol"] = [topic.symbol]
        undo = dict(params)
        params["snapshot"] = True
        if topic.channel == "book":
            self._books.pop(topic.symbol, None)
            self._depths[topic.symbol] = topic.detail
            params["depth"] = undo["depth"] = _offered_depth(topic.detail)
        elif topic.channel == "candles":
            params["interval"] = undo["interval"] = topic.detail // SECONDS_PER_MINUTE
        elif topic.channel == "executions":
            del params["snapshot"]
            params |= {"snap_orders": True, "snap_trades": True, "order_status": True}
        request_id = self._next_request_id
        self._next_request_id += 1
        self._requests = {i: t for i, t in self._requests.items() if t != topic}
        self._requests[request_id] = topic
        return Subscription(
            url,
            {"method": "subscribe", "params": params, "req_id": request_id},
            {"method": "unsubscribe", "params": undo},
        )

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        """See `Adapter.decode`."""
        if not isinstance(message, dict):
            raise MalformedFrameError("not_an_object", repr(message)[:100])
        channel = message.get("channel")
        if channel is None:
            return self._answer(message, now_ns) if message.get("method") == "subscribe" else None
        decoder = self._decoders.get(channel)
        if decoder is None:
            return None
        try:
            return decoder(message, now_ns)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise MalformedFrameError(channel, f"{type(error).__name__}: {error}") from error

    def _answer(self, message: Row, now_ns: int) -> list[Decoded] | Refused | None:
        topic = self._requests.pop(message.get("req_id", -1), None)
        if topic is None:
            return None
        if message.get("success") is True:
            return [Decoded(topic, Subscribed(stream=str(topic), received_ns=now_ns))]
        if not topic.symbol:
            self._private_refused = True
        return Refused(topic, str(message.get("error", "no reason was given")))

    # -- public channels

    def _book(self, message: Row, now_ns: int) -> list[Decoded]:
        row = message["data"][0]
        symbol = row["symbol"]
        depth = self._depths.get(symbol)
        instrument = self._instruments.get(symbol)
        if depth is None or instrument is None:
            return []
        topic = Topic("book", symbol, depth)
        snapshot = message["type"] == "snapshot"
        if snapshot:
            self._books[symbol] = LevelBook(_offered_depth(depth))
        book = self._books.get(symbol)
        if book is None:
            # Left over from a subscription that was ended; the snapshot is on its way.
            return []
        try:
            book.apply(_levels(row["bids"], instrument), _levels(row["asks"], instrument))
            self._check(book, row["checksum"], topic)
        except (StreamError, LookupError, TypeError, AttributeError, ValueError):
            self._books.pop(symbol, None)
            raise
        event = Book(
            symbol=symbol,
            bids=book.bid_pairs(depth),
            asks=book.ask_pairs(depth),
            snapshot=snapshot,
            at_ns=rfc3339_ns(row["timestamp"]) if "timestamp" in row else 0,
            received_ns=now_ns,
        )
        return [Decoded(topic, event)]

    def _check(self, book: LevelBook, claimed: int, topic: Topic) -> None:
        text = book.ask_text(CHECKSUM_LEVELS) + book.bid_text(CHECKSUM_LEVELS)
        computed = zlib.crc32(text.encode())
        if computed != claimed:
            raise StreamError(topic, "checksum", f"ours is {computed}, the venue's {claimed}")
        if book.crossed():
            raise StreamError(topic, "crossed", "the best bid is not below the best ask")

    def _trades(self, message: Row, now_ns: int) -> list[Decoded]:
        snapshot = message["type"] == "snapshot"
        decoded = []
        for row in message["data"]:
            instrument = self._instruments[row["symbol"]]
            trade = PublicTrade(
                symbol=row["symbol"],
                trade_id=str(row["trade_id"]),
                side=_side(row["side"]),
                price_ticks=instrument.ticks(str(row["price"])),
                quantity_lots=instrument.lots(str(row["qty"])),
                snapshot=snapshot,
                at_ns=rfc3339_ns(row["timestamp"]),
                received_ns=now_ns,
            )
            decoded.append(Decoded(Topic("trades", row["symbol"]), trade))
        return decoded

    def _ticker(self, message: Row, now_ns: int) -> list[Decoded]:
        row = message["data"][0]
        instrument = self._instruments[row["symbol"]]
        ticker = Ticker(
            symbol=row["symbol"],
            bid_ticks=instrument.ticks(str(row["bid"])),
            bid_lots=instrument.lots(str(row["bid_qty"])),
            ask_ticks=instrument.ticks(str(row["ask"])),
            ask_lots=instrument.lots(str(row["ask_qty"])),
            last_ticks=instrument.ticks(str(row["last"])),
            volume_24h=str(row["volume"]),
            received_ns=now_ns,
        )
        return [Decoded(Topic("ticker", row["symbol"]), ticker)]

    def _candles(self, message: Row, now_ns: int) -> list[Decoded]:
        decoded = []
        for row in message["data"]:
            instrument = self._instruments[row["symbol"]]
            interval_s = int(row["interval"]) * SECONDS_PER_MINUTE
            candle = Candle(
                symbol=row["symbol"],
                interval_s=interval_s,
                open_at_ns=rfc3339_ns(row["interval_begin"]),
                open_ticks=instrument.ticks(str(row["open"])),
                high_ticks=instrument.ticks(str(row["high"])),
                low_ticks=instrument.ticks(str(row["low"])),
                close_ticks=instrument.ticks(str(row["close"])),
                volume=str(row["volume"]),
                trades=int(row["trades"]),
                snapshot=message["type"] == "snapshot",
                received_ns=now_ns,
            )
            decoded.append(Decoded(Topic("candles", row["symbol"], interval_s), candle))
        return decoded

    # -- private channels

    def _executions(self, message: Row, now_ns: int) -> list[Decoded]:
        topic = Topic("executions")
        sequence = self._next_sequence(message, topic)
        if sequence is None:
            return []
        snapshot = message["type"] == "snapshot"
        return [
            Decoded(topic, self._execution(row, sequence, now_ns, snapshot=snapshot))
            for row in message["data"]
        ]

    def _next_sequence(self, message: Row, topic: Topic) -> int | None:
        """Return the frame's number, None for one that came before. Raises on a gap."""
        channel = _KRAKEN_CHANNEL[topic.channel]
        if "sequence" not in message:
            # Its documentation does not promise the number: without one nothing can be checked.
            return 0
        sequence = int(message["sequence"])
        last = self._sequences.get(channel)
        if last is not None and sequence <= last:
            return None
        self._sequences[channel] = sequence
        if last is not None and sequence != last + 1:
            raise StreamError(topic, "sequence", f"{last} was followed by {sequence}")
        return sequence

    def _execution(self, row: Row, sequence: int, now_ns: int, *, snapshot: bool) -> Execution:
        order_id = row["order_id"]
        status = _ORDER_STATUS.get(row["order_status"], "unknown")
        order = self._remembered(order_id, row, ended=status in _ENDED)
        kind = _EXECUTION_KIND.get(row["exec_type"], "status")
        is_fill = kind == "fill"
        return Execution(
            kind=kind,
            venue_order_id=order_id,
            client_order_id=order.client_order_id,
            symbol=order.symbol,
            side=order.side,
            status=status,
            at_ns=rfc3339_ns(row["timestamp"]),
            received_ns=now_ns,
            snapshot=snapshot,
            sequence=sequence,
            quantity=_text_or_none(row, "order_qty"),
            price=_text_or_none(row, "limit_price"),
            filled=_text_or_none(row, "cum_qty"),
            average_price=_text_or_none(row, "avg_price"),
            exec_id=row["exec_id"] if is_fill else "",
            last_price=str(row["last_price"]) if is_fill else "",
            last_quantity=str(row["last_qty"]) if is_fill else "",
            fees=tuple(Fee(asset=fee["asset"], amount=str(fee["qty"])) for fee in row["fees"])
            if is_fill
            else (),
            liquidity=_LIQUIDITY.get(row.get("liquidity_ind", ""), "unknown"),
            reason=row.get("reason") or row.get("cancel_reason") or "",
        )

    def _remembered(self, order_id: str, row: Row, *, ended: bool) -> _Order:
        known = self._orders.pop(order_id, _Order("", None, None))
        order = _Order(
            symbol=row.get("symbol") or known.symbol,
            side=_side(row["side"]) if "side" in row else known.side,
            client_order_id=row.get("cl_ord_id") or known.client_order_id,
        )
        # Kept for a while after the end too: `filled` may follow the last `trade`.
        self._orders[order_id] = order
        if len(self._orders) > REMEMBERED_ORDERS_MAX:
            del self._orders[next(iter(self._orders))]
        return order

    def _balances(self, message: Row, now_ns: int) -> list[Decoded]:
        topic = Topic("balances")
        if self._next_sequence(message, topic) is None:
            return []
        rows = message["data"]
        times = [rfc3339_ns(row["timestamp"]) for row in rows if "timestamp" in row]
        event = Balances(
            balances=tuple(Balance(asset=row["asset"], total=str(row["balance"])) for row in rows),
            snapshot=message["type"] == "snapshot",
            received_ns=now_ns,
            at_ns=max(times, default=0),
        )
        return [Decoded(topic, event)]


def _offered_depth(wanted: int) -> int:
    for depth in BOOK_DEPTHS:
        if depth >= wanted:
            return depth
    raise ValueError(
        f"Kraken's books have at most {BOOK_DEPTHS[-1]} levels, {wanted} were asked for"
    )


def _levels(rows: Iterable[Row], instrument: Instrument) -> list[Level]:
    prices = grid(instrument.tick_size)
    quantities = grid(instrument.lot_size)
    levels = []
    for row in rows:
        price, quantity = str(row["price"]), str(row["qty"])
        token = price.replace(".", "").lstrip("0") + quantity.replace(".", "").lstrip("0")
        levels.append(Level(prices.units(price), quantities.units(quantity), token))
    return levels


def _side(text: str) -> Side:
    if text == "buy":
        return "buy"
    if text == "sell":
        return "sell"
    raise ValueError(f"side {text!r}")


def _text_or_none(row: Row, key: str) -> str | None:
    return str(row[key]) if key in row else None


__all__ = ["KrakenStreams", "StreamEvent"]
