"""The public streams of one category: who has which, and what each tick of the market sends them.

A topic is `orderbook.50.ETHUSDT`, `publicTrade.ETHUSDT`, `tickers.ETHUSDT`, `kline.1.ETHUSDT` or
`allLiquidation.ETHUSDT`. A book's first frame is a snapshot; its differences count up `u` by one. A
snapshot in between, with `u` 1, means that the venue's service began anew: what was known is void.
"""

from typing import NamedTuple

import msgspec

from venue.candles import Candle
from venue.commits import Outgoing
from venue.engine import Engine
from venue.listing import Listing
from venue.market_data import Level, MarketData, MarketTick
from venue.orders import Report, ReportKind
from venue.protocols.bybit_names import (
    INTERVALS,
    LINEAR,
    MS_NS,
    SPOT,
    milliseconds,
    side_name,
    symbol_id,
    venue_id,
)
from venue.protocols.bybit_public import PublicEndpoints
from venue.streams import Streams
from venue.websocket import WebSocketSession

Json = dict[str, object]

MINUTE_NS = 60 * 1_000_000_000
# How often a book of so many levels is sent, in ms.
BOOK_MS = {1: 10, 50: 20, 200: 100, 1_000: 200}
TICKER_MS = {SPOT: 50, LINEAR: 100}
KLINE_MS = 1_000
TRADES_PER_FRAME_MAX = 1_024
_TOP = ("bid1Price", "bid1Size", "ask1Price", "ask1Size")


class Topic(NamedTuple):
    """A stream, under the name by which clients know it."""

    category: str
    name: str


class Parsed(NamedTuple):
    """What a topic means."""

    channel: str
    symbol: str
    option: str
    """Levels of a book, or a candle's interval."""
    interval_ms: int


class _Book:
    """What the subscribers of one topic know."""

    def __init__(self, update_id: int) -> None:
        self.update_id = update_id
        self.sides: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.is_anew = False


class PublicStreams:
    """For one engine, both categories."""

    def __init__(self, engine: Engine, public: PublicEndpoints, data: MarketData) -> None:
        self._engine = engine
        self._public = public
        self._data = data
        self.subscriptions: Streams[Topic] = Streams()
        self._books: dict[Topic, _Book] = {}
        self._tickers: dict[Topic, Json] = {}
        self._sent_ns: dict[Topic, int] = {}
        self._opened_ns: dict[Topic, int] = {}
        self._dirty: set[Topic] = set()
        self._trades: dict[Topic, list[Json]] = {}

    def parse(self, topic: Topic) -> Parsed | None:
        """Return what a topic means, None when this venue has none of its name."""
        channel, _, rest = topic.name.partition(".")
        option, dot, symbol = rest.rpartition(".")
        listing = self._public.listing_named(topic.category, symbol)
        if listing is None or bool(dot) != (channel in ("orderbook", "kline")):
            return None
        if channel == "orderbook" and option.isdigit() and int(option) in BOOK_MS:
            return Parsed(channel, listing.symbol, option, BOOK_MS[int(option)])
        if channel == "kline" and option in INTERVALS:
            return Parsed(channel, listing.symbol, option, KLINE_MS)
        if channel == "tickers":
            return Parsed(channel, listing.symbol, "", TICKER_MS[topic.category])
        is_liquidation = channel == "allLiquidation" and topic.category == LINEAR
        if channel == "publicTrade" or is_liquidation:
            return Parsed(channel, listing.symbol, "", 0)
        return None

    def subscribe(self, session: WebSocketSession, topic: Topic, now_ns: int) -> list[Outgoing]:
        """Add a stream that parses; return what its subscriber begins with."""
        parsed = self.parse(topic)
        assert parsed is not None, "only topics that parse are subscribed"
        self.subscriptions.subscribe(session, topic)
        listing = self._engine.listings[parsed.symbol]
        if parsed.channel == "orderbook":
            if topic not in self._books:
                self._books[topic] = self._begun(parsed, listing, now_ns)
            frame = self._book_frame(topic, listing, self._books[topic], now_ns)
        elif parsed.channel == "tickers":
            row = self._ticker(topic, listing, now_ns)
            self._tickers.setdefault(topic, row)
            frame = self._frame(topic, "snapshot", row, now_ns)
        else:
            return []
        return [Outgoing(session, msgspec.json.encode(frame), parsed.channel)]

    def reset_books(self) -> None:
        """Let every book begin anew, as after a restart of the service that makes them."""
        for book in self._books.values():
            book.is_anew = True

    # --- frames --------------------------------------------------------------------------------

    def frames(self, now_ns: int) -> list[Outgoing]:
        """Return what changed since the last call, for whom it concerns."""
        ticks = self._data.tick(now_ns)
        topics = self.subscriptions.keys()
        self._forget_all_but(set(topics))
        outgoing: list[Outgoing] = []
        for topic in topics:
            parsed = self.parse(topic)
            assert parsed is not None, "only topics that parse are subscribed"
            self._note(topic, parsed, ticks[parsed.symbol])
            due_ns = self._sent_ns.get(topic, 0) + parsed.interval_ms * MS_NS
            if topic not in self._dirty or now_ns < due_ns:
                continue
            self._dirty.discard(topic)
            self._sent_ns[topic] = now_ns
            for message in self._messages(topic, parsed, now_ns):
                frame = msgspec.json.encode(message)
                outgoing += self.subscriptions.to(topic, frame, parsed.channel)
        return outgoing

    def liquidations(self, reports: list[Report], now_ns: int) -> list[Outgoing]:
        """Return the frames that tell of positions that were taken away."""
        outgoing: list[Outgoing] = []
        for report in reports:
            order, fill = report.order, report.fill
            listing = self._engine.listings[order.symbol]
            taken = order.by_hand and order.reduce_only and report.kind is ReportKind.TRADE
            if not taken or fill is None or listing.instrument.contract is None:
                continue
            symbol, numbers = symbol_id(listing.instrument), self._public.numbers[listing.symbol]
            topic = Topic(LINEAR, f"allLiquidation.{symbol}")
            row = {
                "T": int(milliseconds(fill.at_ns)),
                "s": symbol,
                # The side of the position, not of the order that closes it.
                "S": side_name(-fill.side),
                "v": numbers.quantity(fill.quantity_lots),
                "p": numbers.price(fill.price_ticks),
            }
            frame = msgspec.json.encode(self._frame(topic, "snapshot", [row], now_ns))
            outgoing += self.subscriptions.to(topic, frame, "allLiquidation")
        return outgoing

    def _forget_all_but(self, topics: set[Topic]) -> None:
        for known in (self._books, self._tickers, self._sent_ns, self._opened_ns, self._trades):
            for topic in [topic for topic in known if topic not in topics]:
                del known[topic]
        self._dirty &= topics

    def _note(self, topic: Topic, parsed: Parsed, tick: MarketTick) -> None:
        """Remember that a stream has something to tell."""
        if parsed.channel == "orderbook":
            changed = bool(tick.diffs) or self._books[topic].is_anew
        elif parsed.channel == "publicTrade":
            changed = bool(tick.trades)
            self._trades.setdefault(topic, []).extend(self._trade_rows(topic, tick))
        elif parsed.channel == "allLiquidation":
            changed = False
        else:
            changed = bool(tick.trades) or (parsed.channel == "tickers" and tick.top_changed)
        if changed:
            self._dirty.add(topic)

    def _messages(self, topic: Topic, parsed: Parsed, now_ns: int) -> list[Json]:
        listing = self._engine.listings[parsed.symbol]
        if parsed.channel == "orderbook":
            return self._book_messages(topic, parsed, listing, now_ns)
        if parsed.channel == "tickers":
            return self._ticker_messages(topic, listing, now_ns)
        if parsed.channel == "kline":
            return [
                self._frame(topic, "snapshot", [self._kline(listing, parsed, each, now_ns)], now_ns)
                for each in self._candles(topic, listing, INTERVALS[parsed.option])
            ]
        rows = self._trades.pop(topic, [])
        return [
            self._frame(topic, "snapshot", rows[at : at + TRADES_PER_FRAME_MAX], now_ns)
            for at in range(0, len(rows), TRADES_PER_FRAME_MAX)
        ]

    @staticmethod
    def _frame(topic: Topic, kind: str, data: object, now_ns: int) -> Json:
        return {"topic": topic.name, "type": kind, "ts": now_ns // MS_NS, "data": data}

    # --- books ---------------------------------------------------------------------------------

    def _begun(self, parsed: Parsed, listing: Listing, now_ns: int) -> _Book:
        book = _Book(self._data.snapshot(listing.symbol, 1, now_ns).last_id)
        book.sides = self._levels(parsed, listing, now_ns)
        return book

    def _levels(
        self, parsed: Parsed, listing: Listing, now_ns: int
    ) -> tuple[dict[int, int], dict[int, int]]:
        snapshot = self._data.snapshot(listing.symbol, int(parsed.option), now_ns)
        return dict(snapshot.bids), dict(snapshot.asks)

    def _book_messages(
        self, topic: Topic, parsed: Parsed, listing: Listing, now_ns: int
    ) -> list[Json]:
        book = self._books[topic]
        now = self._levels(parsed, listing, now_ns)
        if book.is_anew:
            book.is_anew, book.update_id, book.sides = False, 1, now
            return [self._book_frame(topic, listing, book, now_ns)]
        bids, asks = (_changed(old, new) for old, new in zip(book.sides, now, strict=True))
        book.sides = now
        if not (bids or asks):
            return []
        book.update_id += 1
        data = self._book_data(listing, bids, asks, book.update_id, now_ns)
        return [self._frame(topic, "delta", data, now_ns) | {"cts": now_ns // MS_NS}]

    def _book_frame(self, topic: Topic, listing: Listing, book: _Book, now_ns: int) -> Json:
        bids, asks = (list(side.items()) for side in book.sides)
        data = self._book_data(listing, bids, asks, book.update_id, now_ns)
        return self._frame(topic, "snapshot", data, now_ns) | {"cts": now_ns // MS_NS}

    def _book_data(
        self, listing: Listing, bids: list[Level], asks: list[Level], update_id: int, now_ns: int
    ) -> Json:
        numbers = self._public.numbers[listing.symbol]
        return {
            "s": symbol_id(listing.instrument),
            "b": [[numbers.price(ticks), numbers.quantity(lots)] for ticks, lots in bids],
            "a": [[numbers.price(ticks), numbers.quantity(lots)] for ticks, lots in asks],
            "u": update_id,
            "seq": self._data.snapshot(listing.symbol, 1, now_ns).last_id,
        }

    # --- trades, tickers, candles --------------------------------------------------------------

    def _trade_rows(self, topic: Topic, tick: MarketTick) -> list[Json]:
        numbers = self._public.numbers[tick.listing.symbol]
        symbol = symbol_id(tick.listing.instrument)
        return [
            {
                "T": int(milliseconds(trade.at_ns)),
                "s": symbol,
                "S": side_name(trade.side),
                "v": numbers.quantity(trade.quantity_lots),
                "p": numbers.price(trade.price_ticks),
                **({"L": "ZeroPlusTick"} if topic.category == LINEAR else {}),
                "i": venue_id(topic.category, "trade", trade.trade_id),
                "BT": False,
                "RPI": False,
                "seq": trade.trade_id,
            }
            for trade in tick.trades
        ]

    def _ticker(self, topic: Topic, listing: Listing, now_ns: int) -> Json:
        row = self._public.ticker(listing, now_ns)
        if topic.category == LINEAR:
            return row
        # On the spot socket a ticker has no best prices: those are `orderbook.1`.
        return {name: text for name, text in row.items() if name not in _TOP}

    def _ticker_messages(self, topic: Topic, listing: Listing, now_ns: int) -> list[Json]:
        """Return the ticker whole for spot, what changed of it for linear."""
        row = self._ticker(topic, listing, now_ns)
        if topic.category == SPOT:
            return [self._frame(topic, "snapshot", row, now_ns)]
        known, self._tickers[topic] = self._tickers.get(topic, {}), row
        changed: Json = {name: text for name, text in row.items() if known.get(name) != text}
        if not changed:
            return []
        return [self._frame(topic, "delta", {"symbol": row["symbol"], **changed}, now_ns)]

    def _candles(self, topic: Topic, listing: Listing, minutes: int) -> list[Candle]:
        """Return the open candle, behind the one that closed since the last frame if one did."""
        current = listing.current_candle(minutes)
        if current is None:
            return []
        last_ns = self._opened_ns.get(topic, current.open_ns)
        self._opened_ns[topic] = current.open_ns
        if last_ns == current.open_ns:
            return [current]
        return [
            each for each in listing.candles(minutes, last_ns - 1) if each.open_ns <= last_ns
        ] + [current]

    def _kline(self, listing: Listing, parsed: Parsed, candle: Candle, now_ns: int) -> Json:
        numbers, minutes = self._public.numbers[listing.symbol], INTERVALS[parsed.option]
        end_ns = candle.open_ns + minutes * MINUTE_NS
        return {
            "start": candle.open_ns // MS_NS,
            "end": end_ns // MS_NS - 1,
            "interval": parsed.option,
            "open": numbers.price(candle.open_ticks),
            "close": numbers.price(candle.close_ticks),
            "high": numbers.price(candle.high_ticks),
            "low": numbers.price(candle.low_ticks),
            "volume": numbers.quantity(candle.volume_lots),
            "turnover": numbers.turnover(candle.turnover),
            "confirm": end_ns <= now_ns and candle != listing.current_candle(minutes),
            "timestamp": now_ns // MS_NS,
        }


def _changed(old: dict[int, int], new: dict[int, int]) -> list[Level]:
    """Return the levels that make `new` of `old`; quantity 0 removes one."""
    gone = [(ticks, 0) for ticks in old if ticks not in new]
    return gone + [(ticks, lots) for ticks, lots in new.items() if old.get(ticks) != lots]
