"""The public channels: who has which, and what each tick of the market sends them."""

from collections.abc import Callable
from typing import NamedTuple

import msgspec

from venue.commits import Outgoing
from venue.engine import Engine
from venue.listing import Listing
from venue.market_data import MarketData, MarketTick
from venue.protocols.okx_book import BookFeed
from venue.protocols.okx_errors import OkxError
from venue.protocols.okx_names import INTERVALS, MS_NS, family, inst_id, milliseconds
from venue.protocols.okx_public import PublicEndpoints, levels
from venue.streams import Streams
from venue.websocket import WebSocketSession

Json = dict[str, object]

_CANDLE = "candle"
# Channels that OKX keeps for its best customers.
_FOR_FEW = {
    "books-l2-tbt": ("60029", "Only users who are VIP5 and above may subscribe to books-l2-tbt."),
    "books50-l2-tbt": ("60030", "Only users who are VIP4 and above may subscribe to it."),
}


class Arg(NamedTuple):
    """What a client subscribes to; what it did not name is empty."""

    channel: str
    inst_type: str = ""
    family: str = ""
    inst_id: str = ""
    ccy: str = ""

    def json(self) -> Json:
        """Return the argument as it was sent."""
        names = ("channel", "instType", "instFamily", "instId", "ccy")
        return {name: text for name, text in zip(names, self, strict=True) if text}


def parse_arg(given: dict[str, str]) -> Arg:
    """Return the argument of a subscription."""
    names = ("channel", "instType", "instFamily", "instId", "ccy")
    return Arg(*(given.get(name, "") for name in names))


def no_channel(arg: Arg) -> OkxError:
    """Return the error for a channel that is not there, or not at this address."""
    what = ",".join(f"{name}:{text}" for name, text in arg.json().items())
    text = f"Wrong URL or {what} doesn't exist. Please use the correct URL, channel and parameters"
    return OkxError("60018", f"{text} referring to API document.")


class Channel(NamedTuple):
    """How one kind of channel is told."""

    interval_ms: int
    path: str
    has_news: Callable[[MarketTick], bool]


def _always(tick: MarketTick) -> bool:
    return True


def _is_traded(tick: MarketTick) -> bool:
    return bool(tick.trades)


def _is_moved(tick: MarketTick) -> bool:
    return bool(tick.trades) or tick.top_changed


def _is_changed(tick: MarketTick) -> bool:
    return bool(tick.diffs)


CHANNELS: dict[str, Channel] = {
    "books": Channel(100, "public", _always),
    "books5": Channel(100, "public", _is_changed),
    "bbo-tbt": Channel(10, "public", lambda tick: tick.top_changed),
    "trades": Channel(0, "public", _is_traded),
    "trades-all": Channel(0, "business", _is_traded),
    "tickers": Channel(100, "public", _is_moved),
    "index-tickers": Channel(100, "public", _is_moved),
    "mark-price": Channel(200, "public", _is_moved),
    "funding-rate": Channel(60_000, "public", _always),
    _CANDLE: Channel(1_000, "business", _is_traded),
}
_OF_PERPETUALS = ("mark-price", "funding-rate", "index-tickers")
_DEPTHS = {"books5": 5, "bbo-tbt": 1}


class PublicStreams:
    """Subscriptions, and what they have been told so far."""

    def __init__(self, engine: Engine, public: PublicEndpoints, data: MarketData) -> None:
        self._engine = engine
        self._public = public
        self._data = data
        self.subscriptions: Streams[Arg] = Streams()
        self._books: dict[str, BookFeed] = {}
        self._sent_ns: dict[Arg, int] = {}
        self._dirty: set[Arg] = set()
        self._opened_ns: dict[Arg, int] = {}
        """When the candle began that a channel told last."""
        self._makers: dict[str, Callable[[Arg, Listing, int], list[object]]] = {
            "books": self._book,
            "index-tickers": self._index,
            _CANDLE: self._candles,
            "tickers": lambda _, listing, now_ns: [public.ticker(listing, now_ns)],
            "mark-price": lambda _, listing, now_ns: [public.mark_price(listing, now_ns)],
            "funding-rate": lambda _, listing, now_ns: [public.funding_rate(listing, now_ns)],
        }

    # --- subscribing ---------------------------------------------------------------------------

    def check(self, arg: Arg, path: str) -> None:
        """Raise `OkxError` unless the channel is there, at this address."""
        if arg.channel in _FOR_FEW:
            raise OkxError(*_FOR_FEW[arg.channel])
        channel = CHANNELS.get(_kind(arg))
        if channel is None or channel.path != path:
            raise no_channel(arg)
        if _kind(arg) == _CANDLE and arg.channel.removeprefix(_CANDLE) not in INTERVALS:
            raise no_channel(arg)
        self._listing(arg)

    def subscribe(self, session: WebSocketSession, arg: Arg, now_ns: int) -> list[Outgoing]:
        """Add a subscription that was checked; return what it starts with."""
        self.subscriptions.subscribe(session, arg)
        listing = self._listing(arg)
        if arg.channel == "books":
            feed = self._books.get(listing.symbol)
            if feed is None:
                numbers = self._public.numbers[listing.symbol]
                feed = self._books[listing.symbol] = BookFeed(self._data, numbers, now_ns)
            frame = _frame(arg, [feed.snapshot()], action="snapshot")
            return [Outgoing(session, frame, arg.channel)]
        if arg.channel in ("trades", "trades-all"):
            return []
        frames = [_frame(arg, [row]) for row in self._rows(arg, listing, None, now_ns)]
        return [Outgoing(session, frame, arg.channel) for frame in frames]

    def _listing(self, arg: Arg) -> Listing:
        """Return what a channel is about. Raises `OkxError`."""
        for listing in self._engine.listings.values():
            instrument = listing.instrument
            name = family(instrument) if arg.channel == "index-tickers" else inst_id(instrument)
            is_perpetual = instrument.contract is not None
            if name == arg.inst_id and (is_perpetual or arg.channel not in _OF_PERPETUALS):
                return listing
        raise no_channel(arg)

    # --- ticks ---------------------------------------------------------------------------------

    def frames(self, now_ns: int) -> list[Outgoing]:
        """Return what changed since the last call, for whom it concerns."""
        ticks = self._data.tick(now_ns)
        args = self.subscriptions.keys()
        self._forget_all_but(args)
        outgoing: list[Outgoing] = []
        for arg in args:
            listing, channel = self._listing(arg), CHANNELS[_kind(arg)]
            tick = ticks[listing.symbol]
            if channel.has_news(tick):
                self._dirty.add(arg)
            due_ns = self._sent_ns.get(arg, 0) + channel.interval_ms * MS_NS
            if arg not in self._dirty or now_ns < due_ns:
                continue
            self._dirty.discard(arg)
            self._sent_ns[arg] = now_ns
            action = "update" if arg.channel == "books" else ""
            for row in self._rows(arg, listing, tick, now_ns):
                frame = _frame(arg, [row], action=action)
                outgoing += self.subscriptions.to(arg, frame, arg.channel)
        return outgoing

    def _forget_all_but(self, args: list[Arg]) -> None:
        wanted = set(args)
        for arg in [arg for arg in self._sent_ns if arg not in wanted]:
            del self._sent_ns[arg]
            self._opened_ns.pop(arg, None)
        self._dirty &= wanted
        books = {self._listing(arg).symbol for arg in args if arg.channel == "books"}
        for symbol in [symbol for symbol in self._books if symbol not in books]:
            del self._books[symbol]

    def _rows(
        self, arg: Arg, listing: Listing, tick: MarketTick | None, now_ns: int
    ) -> list[object]:
        public, kind = self._public, _kind(arg)
        if kind in ("trades", "trades-all"):
            trades = tick.trades if tick is not None else []
            return [{**public.trade(listing, each), "count": "1"} for each in trades]
        if kind in _DEPTHS:
            return [self._top(listing, _DEPTHS[kind], now_ns)]
        return self._makers[kind](arg, listing, now_ns)

    def _book(self, arg: Arg, listing: Listing, now_ns: int) -> list[object]:
        row = self._books[listing.symbol].update(now_ns)
        return [] if row is None else [row]

    def _index(self, arg: Arg, listing: Listing, now_ns: int) -> list[object]:
        return [*self._public.methods["market/index-tickers"]({"instId": arg.inst_id}, now_ns)]

    def _top(self, listing: Listing, depth: int, now_ns: int) -> Json:
        snapshot = self._data.snapshot(listing.symbol, depth, now_ns)
        numbers = self._public.numbers[listing.symbol]
        return {
            "asks": levels(numbers, snapshot.asks),
            "bids": levels(numbers, snapshot.bids),
            "instId": inst_id(listing.instrument),
            "ts": milliseconds(now_ns),
            "seqId": snapshot.last_id,
        }

    def _candles(self, arg: Arg, listing: Listing, now_ns: int) -> list[object]:
        """Return the open candle, behind the one that closed since the last frame if one did."""
        minutes = INTERVALS[arg.channel.removeprefix(_CANDLE)]
        current = listing.current_candle(minutes)
        if current is None:
            return []
        last_ns = self._opened_ns.get(arg, current.open_ns)
        self._opened_ns[arg] = current.open_ns
        closed = [
            each
            for each in listing.candles(minutes, last_ns - 1)
            if last_ns <= each.open_ns < current.open_ns
        ]
        return [self._public.candle(listing, minutes, each, now_ns) for each in [*closed, current]]


def _kind(arg: Arg) -> str:
    return _CANDLE if arg.channel.startswith(_CANDLE) else arg.channel


def _frame(arg: Arg, rows: list[object], *, action: str = "") -> bytes:
    head: Json = {"arg": arg.json()}
    if action:
        head["action"] = action
    return msgspec.json.encode({**head, "data": rows})
