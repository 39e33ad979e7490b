"""OKX's WebSocket frames as typed events: pure, fed by `OkxAdapter.decode`.

Books follow a chain: each update names the one before by `prevSeqId`, and a gap ends the stream,
which begins anew with a snapshot. A `checksum` that is not 0 is compared, too: OKX sends 0 since
June 2026. Trades have ids, which count up but may be aggregated: only one that was seen is left
out. The account's events have no numbers: what is lost there only a comparison finds.
"""

import zlib
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from exchanges.adapters import okx_ids as ids
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

# The levels of `books`, and how many of each side its checksum covers.
BOOK_LEVELS = 400
CHECKSUM_LEVELS = 25
_CHANNELS: dict[Channel, str] = {
    "book": "books",
    "trades": "trades",
    "ticker": "tickers",
    "executions": "orders",
    "balances": "account",
}
_CANDLE = "candle"
_INTERVALS = {
    60: "1m", 180: "3m", 300: "5m", 900: "15m", 1_800: "30m", 3_600: "1H", 7_200: "2H",
    14_400: "4H", 21_600: "6Hutc", 43_200: "12Hutc", 86_400: "1Dutc", 172_800: "2Dutc",
    259_200: "3Dutc",
}  # fmt: skip
STATUS: dict[str, OrderStatus] = {
    "live": "open",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "canceled": "canceled",
    "mmp_canceled": "canceled",
}
# What the venue says when a socket asks for what it must log in for: it is asked again.
_NOT_LOGGED_IN = "60011"

Row = Mapping[str, Any]
Key = tuple[str, str]
"""Channel and instrument."""


class OkxStreams:
    """The state of one client's streams: books, the last trades, what was subscribed."""

    def __init__(self, instruments: Mapping[str, Instrument]) -> None:
        self._instruments = instruments
        self._topics: dict[Key, Topic] = {}
        self._books: dict[str, LevelBook] = {}
        self._sequences: dict[str, int] = {}
        self._last_trades: dict[str, int] = {}
        self._starts: dict[Topic, list[Any]] = {}
        self._statuses: dict[str, Row] = {}
        self._decoders: dict[Channel, Callable[[Topic, Row, int], list[StreamEvent]]] = {
            "book": self._book,
            "trades": self._trades,
            "ticker": self._ticker,
            "candles": self._candles,
            "executions": self._executions,
            "balances": self._balances,
        }

    # -- subscribing

    def interval_of(self, topic: Topic) -> str:
        """Return OKX's word for a topic's interval. Raises `ValueError`."""
        interval = _INTERVALS.get(topic.detail)
        if interval is None:
            known = ", ".join(map(str, _INTERVALS))
            raise ValueError(f"OKX has no candles of {topic.detail} s: choose of {known}")
        return interval

    def start(self, topic: Topic, rows: Iterable[Any]) -> None:
        """Keep what is sent as the snapshot once the subscription is taken, oldest first."""
        self._starts[topic] = list(rows)

    def subscription(self, url: str, topic: Topic) -> Subscription:
        """Return the messages for a topic, and forget what was known of it."""
        arg = self._arg(topic)
        self._topics[_key(arg)] = topic
        self._books.pop(topic.symbol, None)
        self._last_trades.pop(topic.symbol, None)
        return Subscription(
            url, {"op": "subscribe", "args": [arg]}, {"op": "unsubscribe", "args": [arg]}
        )

    def _arg(self, topic: Topic) -> dict[str, str]:
        channel = _CHANNELS.get(topic.channel) or f"{_CANDLE}{self.interval_of(topic)}"
        if topic.channel == "executions":
            return {"channel": channel, "instType": "SPOT"}
        if topic.channel == "balances":
            return {"channel": channel}
        return {"channel": channel, "instId": self._instruments[topic.symbol].venue_symbol}

    # -- frames

    def decode(self, message: object, now_ns: int) -> list[Decoded] | Refused | None:
        """See `Adapter.decode`."""
        if message == "pong":
            return None
        if not isinstance(message, dict):
            raise MalformedFrameError("not_an_object", repr(message)[:100])
        event = message.get("event")
        if event is not None:
            return self._answer(str(event), message, now_ns)
        if "op" in message or "arg" not in message:
            return None
        return self._told(message, now_ns)

    def _answer(self, event: str, message: Row, now_ns: int) -> list[Decoded] | Refused | None:
        if event == "error":
            return self._refusal(message)
        topic = self._topics.get(_key(message.get("arg")))
        if event != "subscribe" or topic is None:
            return None if event != "unsubscribe" else []
        events: list[StreamEvent] = [Subscribed(stream=str(topic), received_ns=now_ns)]
        rows = self._starts.pop(topic, [])
        if rows:
            events += self._decoded(topic, {"data": rows, "action": "snapshot"}, now_ns)
        return [Decoded(topic, event) for event in events]

    def _refusal(self, message: Row) -> Refused | None:
        """Return whose subscription was refused, where the text says it; else ccxt is told."""
        text = str(message.get("msg", ""))
        for (channel, instrument_id), topic in self._topics.items():
            if f"channel:{channel}" in text and instrument_id in text:
                return Refused(topic, f"{message.get('code')}: {text}")
        if str(message.get("code")) == _NOT_LOGGED_IN:
            private = [t for t in self._topics.values() if t.channel in ("executions", "balances")]
            return Refused(private[0], f"{_NOT_LOGGED_IN}: {text}") if private else None
        return None

    def _told(self, message: Row, now_ns: int) -> list[Decoded]:
        topic = self._topics.get(_key(message["arg"]))
        if topic is None:
            return []
        return [Decoded(topic, event) for event in self._decoded(topic, message, now_ns)]

    def _decoded(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        try:
            return self._decoders[topic.channel](topic, message, now_ns)
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            self._books.pop(topic.symbol, None)
            detail = f"{type(error).__name__}: {error}"
            raise MalformedFrameError(topic.channel, detail, topic) from error
        except ArithmeticError as error:
            raise MalformedFrameError(topic.channel, type(error).__name__, topic) from error

    # -- the market

    def _book(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        (row,) = message["data"]
        symbol, is_snapshot = topic.symbol, message["action"] == "snapshot"
        instrument = self._instruments[symbol]
        if is_snapshot:
            self._books[symbol] = LevelBook(BOOK_LEVELS)
        book = self._books.get(symbol)
        if book is None:
            # Left over from a subscription that was ended; the snapshot is on its way.
            return []
        try:
            self._follow(topic, row, is_snapshot=is_snapshot)
            book.apply(_levels(row["bids"], instrument), _levels(row["asks"], instrument))
            _check(topic, book, int(row.get("checksum") or 0))
        except StreamError:
            del self._books[symbol]
            raise
        event = Book(
            symbol=symbol,
            bids=book.bid_pairs(topic.detail),
            asks=book.ask_pairs(topic.detail),
            snapshot=is_snapshot,
            at_ns=ns_of_ms(row["ts"]),
            received_ns=now_ns,
        )
        return [event]

    def _follow(self, topic: Topic, row: Row, *, is_snapshot: bool) -> None:
        previous, known = int(row["prevSeqId"]), self._sequences.get(topic.symbol)
        self._sequences[topic.symbol] = int(row["seqId"])
        if not is_snapshot and previous != known:
            raise StreamError(
                topic, "sequence", f"{known} was followed by what is behind {previous}"
            )

    def _trades(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        instrument = self._instruments[topic.symbol]
        trades: list[StreamEvent] = []
        for row in message["data"]:
            number = int(row["tradeId"])
            if number <= self._last_trades.get(topic.symbol, 0):
                continue
            self._last_trades[topic.symbol] = number
            trade = PublicTrade(
                symbol=topic.symbol,
                trade_id=str(number),
                side="buy" if row["side"] == "buy" else "sell",
                price_ticks=_positive(instrument.ticks(str(row["px"]))),
                quantity_lots=_positive(instrument.lots(str(row["sz"]))),
                snapshot=message.get("action") == "snapshot",
                at_ns=ns_of_ms(row["ts"]),
                received_ns=now_ns,
            )
            trades.append(trade)
        return trades

    def _ticker(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        instrument = self._instruments[topic.symbol]
        (row,) = message["data"]
        ticker = Ticker(
            symbol=topic.symbol,
            bid_ticks=_not_negative(instrument.ticks(str(row["bidPx"] or 0))),
            bid_lots=_not_negative(instrument.lots(str(row["bidSz"] or 0))),
            ask_ticks=_not_negative(instrument.ticks(str(row["askPx"] or 0))),
            ask_lots=_not_negative(instrument.lots(str(row["askSz"] or 0))),
            last_ticks=_positive(instrument.ticks(str(row["last"]))),
            volume_24h=plain(row["vol24h"]),
            received_ns=now_ns,
        )
        return [ticker]

    def _candles(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        instrument = self._instruments[topic.symbol]
        candles: list[StreamEvent] = []
        for row in message["data"]:
            prices = [_positive(instrument.ticks(str(text))) for text in row[1:5]]
            opened, high, low, close = prices
            if not low <= min(opened, close) <= max(opened, close) <= high:
                raise ValueError(f"a candle from {low} to {high} holds {opened} and {close}")
            candle = Candle(
                symbol=topic.symbol,
                interval_s=topic.detail,
                open_at_ns=ns_of_ms(row[0]),
                open_ticks=opened,
                high_ticks=high,
                low_ticks=low,
                close_ticks=close,
                volume=plain(row[5]),
                # OKX does not count them.
                trades=0,
                snapshot=message.get("action") == "snapshot",
                received_ns=now_ns,
            )
            candles.append(candle)
        return candles

    # -- the account

    def _executions(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        return [self._execution(row, now_ns) for row in message["data"]]

    def _execution(self, row: Row, now_ns: int) -> Execution:
        by_id = {each.venue_symbol: each.symbol for each in self._instruments.values()}
        status = STATUS.get(row["state"], "unknown")
        kind = _kind_of(row, status)
        is_fill = kind == "fill"
        fee = Fee(asset=row["fillFeeCcy"], amount=plain(-Decimal(str(row["fillFee"] or 0))))
        return Execution(
            kind=kind,
            venue_order_id=ids.with_instrument(row["instId"], row["ordId"]),
            client_order_id=ids.from_venue(row["clOrdId"]),
            symbol=by_id.get(row["instId"], ""),
            side="buy" if row["side"] == "buy" else "sell",
            status=status,
            at_ns=ns_of_ms(row["fillTime"] if is_fill else row["uTime"]),
            received_ns=now_ns,
            snapshot=False,
            quantity=str(row["sz"]),
            price=str(row["px"]) or None,
            filled=str(row["accFillSz"] or 0),
            average_price=str(row["avgPx"]) or None,
            exec_id=ids.with_instrument(row["instId"], row["tradeId"]) if is_fill else "",
            last_price=str(row["fillPx"]) if is_fill else "",
            last_quantity=str(row["fillSz"]) if is_fill else "",
            fees=(fee,) if is_fill and fee.asset else (),
            liquidity="maker" if row["execType"] == "M" else "taker",
            reason=str(row.get("cancelSourceReason") or ""),
        )

    def _balances(self, topic: Topic, message: Row, now_ns: int) -> list[StreamEvent]:
        (row,) = message["data"]
        balances = Balances(
            balances=tuple(balance_of(each) for each in row["details"]),
            snapshot=message.get("eventType") == "snapshot",
            received_ns=now_ns,
            at_ns=ns_of_ms(row["uTime"]),
        )
        return [balances]


def balance_of(row: Row) -> Balance:
    """Return one asset of the trading account."""
    total, free = Decimal(str(row["cashBal"])), Decimal(str(row["availBal"]))
    return Balance(
        asset=str(row["ccy"]), total=plain(total), free=plain(free), used=plain(total - free)
    )


def _kind_of(row: Row, status: OrderStatus) -> ExecutionKind:
    if row["tradeId"] and Decimal(str(row["fillSz"] or 0)):
        return "fill"
    if status == "canceled":
        return "canceled"
    if row["amendResult"]:
        return "amended"
    return "accepted" if status == "open" else "status"


def _key(arg: object) -> Key:
    row = arg if isinstance(arg, dict) else {}
    return str(row.get("channel", "")), str(row.get("instId", ""))


def _levels(rows: Iterable[Any], instrument: Instrument) -> list[Level]:
    prices, quantities = grid(instrument.tick_size), grid(instrument.lot_size)
    return [
        Level(
            _positive(prices.units(str(row[0]))),
            _not_negative(quantities.units(str(row[1]))),
            f"{row[0]}:{row[1]}",
        )
        for row in rows
    ]


def _positive(units: int) -> int:
    if units <= 0:
        raise ValueError(f"{units} is no price and no quantity")
    return units


def _not_negative(units: int) -> int:
    if units < 0:
        raise ValueError(f"{units} is below zero")
    return units


def _check(topic: Topic, book: LevelBook, claimed: int) -> None:
    """Raise `StreamError` for a book that is not the venue's."""
    if claimed:
        bids, asks = book.bids(CHECKSUM_LEVELS), book.asks(CHECKSUM_LEVELS)
        tokens = [
            side[at].token
            for at in range(CHECKSUM_LEVELS)
            for side in (bids, asks)
            if at < len(side)
        ]
        computed = zlib.crc32(":".join(tokens).encode())
        if computed != claimed % (1 << 32):
            raise StreamError(topic, "checksum", f"ours is {computed}, the venue's {claimed}")
    if book.crossed():
        raise StreamError(topic, "crossed", "the best bid is not below the best ask")
