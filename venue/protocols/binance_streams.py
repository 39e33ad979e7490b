"""The public streams: who has which, and what each tick of the market sends them.

A stream is `ethusdt@depth@100ms`, `ethusdt@trade`, `ethusdt@kline_1m`, `!ticker@arr` and so on. On
`/ws` its frames come bare, on `/stream` wrapped with the stream's name.
"""

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from venue.candles import MINUTE_NS, Candle, PublicTrade
from venue.commits import Outgoing
from venue.engine import Engine
from venue.instruments import format_units
from venue.listing import Listing
from venue.market_data import BookDiff, Level, MarketData, MarketTick
from venue.orders import BUY
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_names import INTERVALS, MS_NS, Numbers, milliseconds, symbol_id
from venue.protocols.binance_public import PublicEndpoints
from venue.streams import Streams
from venue.websocket import WebSocketSession

Json = dict[str, object]
Payload = Json | list[Json]

_DEPTH = re.compile(r"depth(5|10|20)?(@(100|250|500|1000)ms)?")
_KLINE = re.compile(r"kline_(\w+)")
_WHOLE_MARKET = {
    "!ticker@arr": "ticker",
    "!miniTicker@arr": "miniTicker",
    "!bookTicker": "bookTicker",
}
_SLOW_MS = 1_000
_KLINE_MS = 250


class Stream(NamedTuple):
    """One stream of one connection kind."""

    name: str
    is_wrapped: bool


class Parsed(NamedTuple):
    """What a stream's name says; `symbol` empty: all of them."""

    channel: str
    symbol: str
    option: int
    interval_ms: int


class PublicStreams:
    """Subscriptions, and what they have been told so far."""

    def __init__(
        self,
        engine: Engine,
        flavor: Flavor,
        public: PublicEndpoints,
        data: MarketData,
        premium: Callable[[Listing, int], Json] | None,
    ) -> None:
        self._engine = engine
        self._flavor = flavor
        self._public = public
        self._data = data
        self._premium = premium
        self.subscriptions: Streams[Stream] = Streams()
        self._sent_ns: dict[str, int] = {}
        self._diffs: dict[str, list[BookDiff]] = {}
        self._opened_ns: dict[str, int] = {}
        """When the candle began that a stream told last."""
        self._dirty: set[str] = set()
        """Streams with something to tell once their interval has passed."""
        self._numbers = {
            symbol: Numbers(each.instrument, is_futures=flavor.is_futures)
            for symbol, each in engine.listings.items()
        }

    def parse(self, name: str) -> Parsed | None:
        """Return what a name means, None when it is no stream of this venue."""
        if name in _WHOLE_MARKET:
            return Parsed(_WHOLE_MARKET[name], "", 0, _SLOW_MS)
        if name.startswith("!markPrice@arr") and self._flavor.is_futures:
            return Parsed("markPrice", "", 0, _SLOW_MS if name.endswith("@1s") else 3_000)
        symbol, _, channel = name.partition("@")
        listing = self._public.listing_named(symbol)
        if listing is None or symbol != symbol.lower():
            return None
        return self._parse_channel(listing.symbol, channel)

    def _parse_channel(self, symbol: str, channel: str) -> Parsed | None:
        if match := _DEPTH.fullmatch(channel):
            default_ms = 250 if self._flavor.is_futures else _SLOW_MS
            return Parsed("depth", symbol, int(match[1] or 0), int(match[3] or default_ms))
        if (match := _KLINE.fullmatch(channel)) and match[1] in INTERVALS:
            return Parsed("kline", symbol, INTERVALS[match[1]], _KLINE_MS)
        if channel in ("markPrice", "markPrice@1s") and self._flavor.is_futures:
            return Parsed("markPrice", symbol, 0, _SLOW_MS if channel.endswith("s") else 3_000)
        if channel in ("ticker", "miniTicker"):
            return Parsed(channel, symbol, 0, _SLOW_MS)
        if channel in ("trade", "aggTrade", "bookTicker"):
            return Parsed(channel, symbol, 0, 0)
        return None

    def frames(self, now_ns: int) -> list[Outgoing]:
        """Return what changed since the last call, for whom it concerns."""
        ticks = self._data.tick(now_ns)
        streams = self.subscriptions.keys()
        names = dict.fromkeys(stream.name for stream in streams)
        self._forget_all_but(names)
        outgoing: list[Outgoing] = []
        for name in names:
            parsed = self.parse(name)
            assert parsed is not None, "only names that parse are subscribed"
            self._note(name, parsed, ticks)
            due_ns = self._sent_ns.get(name, 0) + parsed.interval_ms * MS_NS
            if name not in self._dirty or now_ns < due_ns:
                continue
            self._dirty.discard(name)
            self._sent_ns[name] = now_ns
            for payload in self._payloads(name, parsed, ticks, now_ns):
                outgoing += self._addressed(name, parsed.channel, payload)
        return outgoing

    def _forget_all_but(self, names: dict[str, None]) -> None:
        for name in [name for name in self._sent_ns if name not in names]:
            del self._sent_ns[name]
            self._opened_ns.pop(name, None)
        for name in [name for name in self._diffs if name not in names]:
            del self._diffs[name]
        self._dirty &= names.keys()

    def _note(self, name: str, parsed: Parsed, ticks: dict[str, MarketTick]) -> None:
        """Remember that a stream has something to tell."""
        if parsed.channel == "markPrice":
            self._dirty.add(name)
            return
        own = [ticks[parsed.symbol]] if parsed.symbol else list(ticks.values())
        if parsed.channel == "depth":
            self._diffs.setdefault(name, []).extend(own[0].diffs)
            changed = bool(own[0].diffs)
        elif parsed.channel == "bookTicker":
            changed = any(tick.top_changed for tick in own)
        else:
            changed = any(tick.trades for tick in own)
        if changed:
            self._dirty.add(name)

    def _addressed(self, name: str, channel: str, payload: Payload) -> list[Outgoing]:
        subscriptions = self.subscriptions
        bare = subscriptions.to(Stream(name, False), b"", channel)
        wrapped = subscriptions.to(Stream(name, True), b"", channel)
        outgoing: list[Outgoing] = []
        if bare:
            frame = msgspec.json.encode(payload)
            outgoing += [each._replace(frame=frame) for each in bare]
        if wrapped:
            frame = msgspec.json.encode({"stream": name, "data": payload})
            outgoing += [each._replace(frame=frame) for each in wrapped]
        return outgoing

    def _payloads(
        self, name: str, parsed: Parsed, ticks: dict[str, MarketTick], now_ns: int
    ) -> list[Payload]:
        if not parsed.symbol:
            return self._whole_market(parsed.channel, now_ns)
        listing = self._engine.listings[parsed.symbol]
        if parsed.channel == "depth":
            return [self._depth(name, listing, parsed.option, now_ns)]
        if parsed.channel == "kline":
            return [
                self._kline(listing, parsed, candle, now_ns)
                for candle in self._candles(name, listing, parsed.option)
            ]
        if parsed.channel in ("trade", "aggTrade"):
            trades = ticks[parsed.symbol].trades
            return [self._trade(listing, each, parsed.channel, now_ns) for each in trades]
        return [self._summary(parsed.channel, listing, now_ns)]

    def _candles(self, name: str, listing: Listing, minutes: int) -> list[Candle]:
        """Return the open candle, behind the one that closed since the last frame if one did."""
        current = listing.current_candle(minutes)
        if current is None:
            return []
        last_ns = self._opened_ns.get(name, current.open_ns)
        self._opened_ns[name] = current.open_ns
        if last_ns == current.open_ns:
            return [current]
        return [
            each for each in listing.candles(minutes, last_ns - 1) if each.open_ns <= last_ns
        ] + [current]

    def _whole_market(self, channel: str, now_ns: int) -> list[Payload]:
        rows = [self._summary(channel, each, now_ns) for each in self._engine.listings.values()]
        return [*rows] if channel == "bookTicker" else [rows]

    # --- payloads ------------------------------------------------------------------------------

    def _summary(self, channel: str, listing: Listing, now_ns: int) -> Json:
        if channel == "bookTicker":
            return self._book_ticker(listing, now_ns)
        if channel == "markPrice":
            return self._mark_price(listing, now_ns)
        return self._ticker(listing, channel, now_ns)

    def _event(self, kind: str, listing: Listing, now_ns: int) -> Json:
        return {"e": kind, "E": milliseconds(now_ns), "s": symbol_id(listing.instrument)}

    def _depth(self, name: str, listing: Listing, levels: int, now_ns: int) -> Json:
        diffs, self._diffs[name] = self._diffs[name], []
        numbers = self._numbers[listing.symbol]
        event: Json = self._event("depthUpdate", listing, now_ns)
        if levels:
            snapshot = self._data.snapshot(listing.symbol, levels, now_ns)
            bids, asks = _texts(numbers, snapshot.bids), _texts(numbers, snapshot.asks)
            if not self._flavor.is_futures:
                return {"lastUpdateId": snapshot.last_id, "bids": bids, "asks": asks}
        else:
            bids = _texts(numbers, _merged([each.bids for each in diffs]))
            asks = _texts(numbers, _merged([each.asks for each in diffs]))
        if self._flavor.is_futures:
            event["T"] = milliseconds(diffs[-1].at_ns)
        event |= {"U": diffs[0].first_id, "u": diffs[-1].last_id}
        if self._flavor.is_futures:
            event["pu"] = diffs[0].previous_id
        return event | {"b": bids, "a": asks}

    def _trade(self, listing: Listing, trade: PublicTrade, channel: str, now_ns: int) -> Json:
        numbers = self._numbers[listing.symbol]
        event = self._event(channel, listing, now_ns)
        ids: Json = {"t": trade.trade_id}
        if channel == "aggTrade":
            ids = {"a": trade.trade_id, "f": trade.trade_id, "l": trade.trade_id}
        extra: Json = {"X": "MARKET"} if self._flavor.is_futures else {"M": True}
        return {
            **event,
            **ids,
            "p": numbers.price(trade.price_ticks),
            "q": numbers.quantity(trade.quantity_lots),
            "T": milliseconds(trade.at_ns),
            "m": trade.side != BUY,
            **extra,
        }

    def _kline(self, listing: Listing, parsed: Parsed, candle: Candle, now_ns: int) -> Json:
        numbers = self._numbers[listing.symbol]
        (interval,) = (name for name, minutes in INTERVALS.items() if minutes == parsed.option)
        end_ns = candle.open_ns + parsed.option * MINUTE_NS
        last_id = listing.tape.next_id - 1
        return {
            **self._event("kline", listing, now_ns),
            "k": {
                "t": milliseconds(candle.open_ns),
                "T": milliseconds(end_ns) - 1,
                "s": symbol_id(listing.instrument),
                "i": interval,
                "f": max(1, last_id - candle.trades + 1),
                "L": last_id,
                "o": numbers.price(candle.open_ticks),
                "c": numbers.price(candle.close_ticks),
                "h": numbers.price(candle.high_ticks),
                "l": numbers.price(candle.low_ticks),
                "v": numbers.quantity(candle.volume_lots),
                "n": candle.trades,
                "x": end_ns <= now_ns and candle != listing.current_candle(parsed.option),
                "q": numbers.turnover(candle.turnover),
                "V": numbers.quantity(candle.volume_lots // 2),
                "Q": numbers.turnover(candle.turnover // 2),
                "B": "0",
            },
        }

    def _ticker(self, listing: Listing, channel: str, now_ns: int) -> Json:
        numbers, day = self._numbers[listing.symbol], listing.day()
        kind = "24hrTicker" if channel == "ticker" else "24hrMiniTicker"
        row: Json = {
            **self._event(kind, listing, now_ns),
            "c": numbers.price(listing.last_ticks),
            "o": numbers.price(day.open_ticks),
            "h": numbers.price(day.high_ticks),
            "l": numbers.price(day.low_ticks),
            "v": numbers.quantity(day.volume_lots),
            "q": numbers.turnover(day.turnover),
        }
        if channel == "miniTicker":
            return row
        change = listing.last_ticks - day.open_ticks
        percent = 100_000 * change // day.open_ticks if day.open_ticks else 0
        last = listing.tape.last(1)
        row |= {
            "p": numbers.price(change),
            "P": format_units(percent, 3),
            "w": numbers.price(day.turnover // day.volume_lots if day.volume_lots else 0),
            "Q": numbers.quantity(last[0].quantity_lots if last else 0),
            "O": milliseconds(now_ns) - 86_400_000,
            "C": milliseconds(now_ns),
            "F": max(0, listing.tape.next_id - day.trades),
            "L": listing.tape.next_id - 1,
            "n": day.trades,
        }
        if self._flavor.is_futures:
            return row
        return row | {"x": numbers.price(day.open_ticks)} | self._best(listing)

    def _best(self, listing: Listing) -> Json:
        numbers = self._numbers[listing.symbol]
        bids, asks = listing.book.depth(1)
        (bid, bid_lots), *_ = bids.tolist() or [[0, 0]]
        (ask, ask_lots), *_ = asks.tolist() or [[0, 0]]
        return {
            "b": numbers.price(bid),
            "B": numbers.quantity(bid_lots),
            "a": numbers.price(ask),
            "A": numbers.quantity(ask_lots),
        }

    def _book_ticker(self, listing: Listing, now_ns: int) -> Json:
        last_id = self._data.snapshot(listing.symbol, 1, now_ns).last_id
        row: Json = {"u": last_id, "s": symbol_id(listing.instrument), **self._best(listing)}
        if self._flavor.is_futures:
            row = {"e": "bookTicker", **row, "E": milliseconds(now_ns), "T": milliseconds(now_ns)}
        return row

    def _mark_price(self, listing: Listing, now_ns: int) -> Json:
        assert self._premium is not None, "only futures have a mark price"
        premium = self._premium(listing, now_ns)
        return {
            **self._event("markPriceUpdate", listing, now_ns),
            "p": premium["markPrice"],
            "i": premium["indexPrice"],
            "P": premium["estimatedSettlePrice"],
            "r": premium["lastFundingRate"],
            "T": premium["nextFundingTime"],
        }


class Control(NamedTuple):
    """A request on a stream connection."""

    method: str
    names: list[str]
    request_id: object


def parse_control(message: bytes) -> Control | None:
    """Return the request in `message`, None when it is not one."""
    try:
        found = msgspec.json.decode(message)
        names = found.get("params", [])
        control = Control(str(found["method"]), [str(name) for name in names], found.get("id"))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        return None
    return control


def answer_control(
    streams: PublicStreams, session: WebSocketSession, control: Control | None, *, is_wrapped: bool
) -> bytes:
    """Subscribe, unsubscribe or list, and return the answer."""
    if control is None:
        return _failure(3, "Invalid JSON: expected value at line 1 column 1", None)
    if control.method == "LIST_SUBSCRIPTIONS":
        names = [key.name for key in streams.subscriptions.of(session)]
        return msgspec.json.encode({"result": names, "id": control.request_id})
    if control.method not in ("SUBSCRIBE", "UNSUBSCRIBE"):
        text = f"Invalid request: unknown variant `{control.method}`"
        return _failure(2, text, control.request_id)
    if any(streams.parse(name) is None for name in control.names):
        return _failure(2, "Invalid request: invalid stream", control.request_id)
    for name in control.names:
        stream = Stream(name, is_wrapped)
        if control.method == "SUBSCRIBE":
            streams.subscriptions.subscribe(session, stream)
        else:
            streams.subscriptions.unsubscribe(session, stream)
    return msgspec.json.encode({"result": None, "id": control.request_id})


def _failure(code: int, text: str, request_id: object) -> bytes:
    return msgspec.json.encode({"error": {"code": code, "msg": text}, "id": request_id})


def _merged(parts: list[list[Level]]) -> list[Level]:
    levels: dict[int, int] = {}
    for part in parts:
        levels.update(part)
    return list(levels.items())


def _texts(numbers: Numbers, levels: list[Level]) -> list[list[str]]:
    return [[numbers.price(ticks), numbers.quantity(lots)] for ticks, lots in levels]
