"""The public topics: who has which, and what each tick of the market sends them.

A topic is `/market/level2:ETH-USDT`, `/market/candles:ETH-USDT_1min` and so on; several symbols in
one request are several topics. Each change of the book has a number of its own: a frame says from
which to which it goes, and a snapshot by REST says the last one that it includes.
"""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from venue.candles import Candle, PublicTrade
from venue.commits import Outgoing
from venue.engine import Engine
from venue.listing import Listing
from venue.market_data import BookDiff, Level, MarketData, MarketTick
from venue.protocols.kucoin_names import (
    INTERVALS,
    MS_NS,
    milliseconds,
    side_name,
    symbol_id,
)
from venue.protocols.kucoin_public import Json, PublicEndpoints, change_rate
from venue.protocols.kucoin_views import counter_id, trade_id
from venue.streams import Streams

# What one frame tells of the book; KuCoin's are as short.
CHANGES_PER_FRAME = 5
_DEPTHS = {"/spotMarket/level2Depth5": 5, "/spotMarket/level2Depth50": 50}
# How often a topic speaks at most. KuCoin sends snapshots every 2 s.
_INTERVALS_MS = {
    "/market/snapshot": 1_000,
    "/market/ticker": 100,
    "/spotMarket/level2Depth5": 100,
    "/spotMarket/level2Depth50": 100,
}


class Topic(NamedTuple):
    """One public topic: its channel and a symbol, `all` symbols, or a symbol and an interval."""

    channel: str
    option: str

    def __str__(self) -> str:
        return f"{self.channel}:{self.option}"


class Frame(NamedTuple):
    """What one message says."""

    subject: str
    data: object


class PublicTopics:
    """Subscriptions, and what they have been told so far."""

    def __init__(self, engine: Engine, public: PublicEndpoints, data: MarketData) -> None:
        self._engine = engine
        self._public = public
        self._data = data
        self.subscriptions: Streams[Topic] = Streams()
        self._sent_ns: dict[Topic, int] = {}
        self._dirty: set[Topic] = set()
        self._opened_ns: dict[Topic, int] = {}
        """When the candle began that a topic told last."""
        self._makers: dict[str, Callable[[Topic, Listing, MarketTick, int], list[Frame]]] = {
            "/market/level2": self._level2,
            "/spotMarket/level2Depth5": self._depth,
            "/spotMarket/level2Depth50": self._depth,
            "/spotMarket/level1": self._level1,
            "/market/match": self._matches,
            "/market/candles": self._candles,
            "/market/ticker": self._ticker,
            "/market/snapshot": self._snapshot,
        }

    def parse(self, text: str) -> list[Topic] | None:
        """Return the topics that a request names, None if one of them is not there."""
        channel, _, options = text.partition(":")
        if channel not in self._makers or not options:
            return None
        topics = [Topic(channel, option) for option in options.split(",")]
        return topics if all(self._is_one(topic) for topic in topics) else None

    def _is_one(self, topic: Topic) -> bool:
        if topic == Topic("/market/ticker", "all"):
            return True
        if topic.channel == "/market/candles" and self._interval(topic) is None:
            return False
        return self._public.listing_named(_symbol(topic)) is not None

    @staticmethod
    def _interval(topic: Topic) -> int | None:
        return INTERVALS.get(topic.option.partition("_")[2])

    def frames(self, now_ns: int) -> list[Outgoing]:
        """Return what changed since the last call, for whom it concerns."""
        ticks = self._data.tick(now_ns)
        topics = self.subscriptions.keys()
        self._forget_all_but(topics)
        outgoing: list[Outgoing] = []
        for topic in topics:
            for symbol in self._symbols(topic):
                outgoing += self._of_topic(topic, ticks[symbol], now_ns)
        return outgoing

    def _symbols(self, topic: Topic) -> list[str]:
        if topic.option == "all":
            return list(self._engine.listings)
        listing = self._public.listing_named(_symbol(topic))
        assert listing is not None, "only topics that parse are subscribed"
        return [listing.symbol]

    def _of_topic(self, topic: Topic, tick: MarketTick, now_ns: int) -> list[Outgoing]:
        # Of the topic of all symbols each has its own turn.
        turn = topic if topic.option != "all" else Topic("all", tick.listing.symbol)
        if self._has_news(topic, tick):
            self._dirty.add(turn)
        due_ns = self._sent_ns.get(turn, 0) + _INTERVALS_MS.get(topic.channel, 0) * MS_NS
        if turn not in self._dirty or now_ns < due_ns:
            return []
        self._dirty.discard(turn)
        self._sent_ns[turn] = now_ns
        outgoing: list[Outgoing] = []
        for frame in self._makers[topic.channel](topic, tick.listing, tick, now_ns):
            encoded = msgspec.json.encode(
                {
                    "topic": str(topic),
                    "type": "message",
                    "subject": frame.subject,
                    "data": frame.data,
                }
            )
            outgoing += self.subscriptions.to(topic, encoded, topic.channel)
        return outgoing

    @staticmethod
    def _has_news(topic: Topic, tick: MarketTick) -> bool:
        if topic.channel == "/market/level2" or topic.channel in _DEPTHS:
            return bool(tick.diffs)
        if topic.channel == "/spotMarket/level1":
            return tick.top_changed
        if topic.channel == "/market/ticker":
            return tick.top_changed or bool(tick.trades)
        return bool(tick.trades)

    def _forget_all_but(self, topics: list[Topic]) -> None:
        kept = {topic for topic in topics if topic.option != "all"}
        if len(kept) < len(topics):
            kept |= {Topic("all", symbol) for symbol in self._engine.listings}
        self._dirty &= kept
        for table in (self._sent_ns, self._opened_ns):
            for topic in [each for each in table if each not in kept]:
                del table[topic]

    # --- frames --------------------------------------------------------------------------------

    def _level2(self, topic: Topic, listing: Listing, tick: MarketTick, now_ns: int) -> list[Frame]:
        return [
            Frame("trade.l2update", data)
            for diff in tick.diffs
            for data in self._changes(listing, diff)
        ]

    def _changes(self, listing: Listing, diff: BookDiff) -> list[Json]:
        """Return a difference in short pieces, what goes before what comes.

        So no piece leaves a book whose best bid is above its best ask.
        """
        numbers = self._public.numbers[listing.symbol]
        changes = [("bids", level) for level in diff.bids] + [("asks", each) for each in diff.asks]
        changes.sort(key=lambda change: change[1][1] > 0)
        pieces: list[Json] = []
        for at in range(0, len(changes), CHANGES_PER_FRAME):
            sides: dict[str, list[list[str]]] = {"asks": [], "bids": []}
            piece = changes[at : at + CHANGES_PER_FRAME]
            for number, (side, (ticks, lots)) in enumerate(piece, diff.first_id + at):
                row = [numbers.price(ticks), numbers.quantity(lots) if lots else "0", str(number)]
                sides[side].append(row)
            pieces.append(
                {
                    "changes": sides,
                    "sequenceStart": diff.first_id + at,
                    "sequenceEnd": diff.first_id + at + len(piece) - 1,
                    "symbol": symbol_id(listing.instrument),
                    "time": milliseconds(diff.at_ns),
                }
            )
        return pieces

    def _depth(self, topic: Topic, listing: Listing, tick: MarketTick, now_ns: int) -> list[Frame]:
        levels = _DEPTHS[topic.channel]
        snapshot = self._data.snapshot(listing.symbol, levels, now_ns)
        sides = {"asks": snapshot.asks, "bids": snapshot.bids}
        rows: Json = {name: self._rows(listing, found) for name, found in sides.items()}
        return [Frame("level2", {**rows, "timestamp": milliseconds(now_ns)})]

    def _level1(self, topic: Topic, listing: Listing, tick: MarketTick, now_ns: int) -> list[Frame]:
        top = tick.top
        (bid,) = self._rows(listing, [(top.bid_ticks, top.bid_lots)])
        (ask,) = self._rows(listing, [(top.ask_ticks, top.ask_lots)])
        return [Frame("level1", {"asks": ask, "bids": bid, "timestamp": milliseconds(now_ns)})]

    def _rows(self, listing: Listing, levels: list[Level]) -> list[list[str]]:
        numbers = self._public.numbers[listing.symbol]
        return [[numbers.price(ticks), numbers.quantity(lots)] for ticks, lots in levels]

    def _matches(
        self, topic: Topic, listing: Listing, tick: MarketTick, now_ns: int
    ) -> list[Frame]:
        return [Frame("trade.l3match", self._match(listing, trade)) for trade in tick.trades]

    def _match(self, listing: Listing, trade: PublicTrade) -> Json:
        numbers = self._public.numbers[listing.symbol]
        return {
            "symbol": symbol_id(listing.instrument),
            "sequence": str(trade.trade_id),
            "side": side_name(trade.side),
            "size": numbers.quantity(trade.quantity_lots),
            "price": numbers.price(trade.price_ticks),
            "takerOrderId": counter_id(2 * trade.trade_id),
            "makerOrderId": counter_id(2 * trade.trade_id + 1),
            "time": str(trade.at_ns),
            "type": "match",
            "tradeId": trade_id(trade.trade_id),
        }

    def _candles(
        self, topic: Topic, listing: Listing, tick: MarketTick, now_ns: int
    ) -> list[Frame]:
        """Return the open candle, behind the one that closed since the last frame if one did."""
        minutes = self._interval(topic)
        assert minutes is not None, "only topics that parse are subscribed"
        current = listing.current_candle(minutes)
        if current is None:
            return []
        last_ns = self._opened_ns.get(topic, current.open_ns)
        self._opened_ns[topic] = current.open_ns
        told = [current]
        if last_ns != current.open_ns:
            told = [c for c in listing.candles(minutes, last_ns - 1) if c.open_ns <= last_ns] + told
        return [Frame("trade.candles.update", self._candle(listing, c, now_ns)) for c in told]

    def _candle(self, listing: Listing, candle: Candle, now_ns: int) -> Json:
        return {
            "symbol": symbol_id(listing.instrument),
            "candles": self._public.candle(listing, candle),
            "time": now_ns,
        }

    def _ticker(self, topic: Topic, listing: Listing, tick: MarketTick, now_ns: int) -> list[Frame]:
        subject = symbol_id(listing.instrument) if topic.option == "all" else "trade.ticker"
        return [Frame(subject, self._public.top(listing, now_ns))]

    def _snapshot(
        self, topic: Topic, listing: Listing, tick: MarketTick, now_ns: int
    ) -> list[Frame]:
        day, name = self._public.day(listing), symbol_id(listing.instrument)
        data: Json = {
            "trading": not listing.is_halted,
            "symbol": name,
            "symbolCode": name,
            "baseCurrency": listing.instrument.base.name,
            "quoteCurrency": listing.instrument.quote.name,
            "market": listing.instrument.quote.name,
            "lastTradedPrice": float(str(day["last"])),
            "changeRate": float(change_rate(listing)),
            "datetime": milliseconds(now_ns),
            "board": 0,
            "mark": 0,
            "sort": 100,
        }
        for key in ("buy", "sell", "high", "low", "vol", "volValue", "changePrice"):
            data[key] = float(str(day[key]))
        sequence = str(listing.tape.next_id - 1)
        return [Frame("trade.snapshot", {"sequence": sequence, "data": data})]


def _symbol(topic: Topic) -> str:
    return topic.option.partition("_")[0] if topic.channel == "/market/candles" else topic.option
