"""Market data of one venue: from its public streams to topics.

Each symbol's streams decide whether it may be traded on (`StreamTrust`). It is untrusted from a
gap, a fault or silence until good data comes again; `session` says what silence leads to.
"""

import contextlib
import difflib
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio

from actors.execution.translate import Scales, instrument_of
from actors.feeds.clock import TimeClient, VenueClock
from actors.feeds.health import BOOK, Health
from actors.feeds.merging import Merging
from actors.feeds.readers import BookReader, CandleReader, Publish, Reader, TradeReader
from actors.feeds.readers import PublicClient as Streams
from actors.feeds.session import Channel, ReconnectError, Session
from actors.feeds.standing import Measured, feed_view
from actors.feeds.telling import Telling
from actors.feeds.timing import Ways
from actors.feeds.watch import Watch
from exchanges.errors import VenueError
from exchanges.grid import OffGridError
from exchanges.streams import StreamStatistics
from exchanges.types import Instrument
from messages import market
from messages.market import InstrumentListed
from messages.market_views import FeedView
from supervisor.port import Port, PortContext

RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# Subscribers that came late or were restarted learn the trust of a symbol within this.
REPEAT_TRUST_S = 5.0
# Fees, minimums and ticks change a few times a year.
RELOAD_S = 3_600.0
# A market that takes no orders when the bot starts (maintenance) is to be traded soon after.
RELIST_S = 30.0
# How long each stream may be silent. A book that is traded changes every second; trades and candles
# of a quiet pair come minutes apart, and asking anew brings the last ones.
SILENCE_S: Mapping[str, float] = {BOOK: 30.0, "trades": 300.0, "candles": 300.0}


class PublicClient(Streams, TimeClient, Protocol):
    """What the port needs of a venue's client."""

    def statistics(self) -> StreamStatistics: ...

    async def load_instruments(self, *, reload: bool = False) -> list[Instrument]: ...


OpenPublic = Callable[[], AbstractAsyncContextManager[PublicClient]]


class MarketFeed(Port):
    """The public streams of some symbols of one venue; it takes no commands.

    `listeners` are told of each instrument at every start and when its figures change: name risk
    last, so that nobody is sent an order for an instrument that it does not know yet. `silence_s`
    is how long each of a symbol's streams may stay silent. `merged`: books and trades are also
    published on one topic, in order of the venue's stamps.
    """

    def __init__(
        self,
        venue: str,
        symbols: tuple[str, ...],
        open_public: OpenPublic,
        scales: Scales,
        listeners: tuple[str, ...],
        alerts: str,
        silence_s: Mapping[str, float] = SILENCE_S,
        *,
        merged: bool = False,
    ) -> None:
        self._venue = venue
        self._symbols = symbols
        self._open = open_public
        self._scales = scales
        self._listeners = listeners
        self._alerts = alerts
        self._listed: dict[str, market.Instrument] = {}
        self._health = {each: Health(venue, each) for each in symbols}
        self._watches = {
            (symbol, stream): Watch(allowed_s)
            for symbol in symbols
            for stream, allowed_s in silence_s.items()
        }
        self._clock = VenueClock()
        self._ways = Ways()
        self._books: dict[str, BookReader] = {}
        self._merging = Merging(venue, symbols if merged else ())
        self._is_merged = merged
        self._client: PublicClient | None = None
        self._ctx: PortContext | None = None
        self._connections = 0

    async def run(self, ctx: PortContext) -> None:
        telling = Telling(self._venue, self._alerts, ctx)
        failures = 0
        for number in itertools.count():
            try:
                async with self._open() as client:
                    self._client, self._ctx = client, ctx
                    self._connections += 1
                    await self._list(client, telling, ctx, reload=bool(number))
                    failures = 0
                    await self._stream(client, telling, ctx)
            except* (VenueError, ReconnectError) as errors:
                self._distrust_all(_first(errors), telling)
            await trio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)] * (0.8 + 0.4 * ctx.random()))
            failures += 1

    async def _stream(self, client: PublicClient, telling: Telling, ctx: PortContext) -> None:
        session = Session(client, list(self._channels(ctx)), telling, ctx)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_listed, client, telling, ctx)
            nursery.start_soon(self._repeat_trust, telling)
            nursery.start_soon(self._clock.follow, client, telling, ctx)
            if self._is_merged:
                nursery.start_soon(self._merging.run, ctx.publish, ctx.now_ns)
            await session.run()

    def _channels(self, ctx: PortContext) -> Iterator[Channel]:
        publish: Publish = ctx.publish
        if self._is_merged:
            publish = self._merging.through(ctx.publish, ctx.now_ns)
        for symbol, instrument in self._listed.items():
            if symbol not in self._books:
                # Kept over connections: it knows how the book was left.
                self._books[symbol] = BookReader(self._venue, symbol, publish, self._ways)
            readers: tuple[Reader, ...] = (
                self._books[symbol],
                TradeReader(self._venue, symbol, publish, self._ways),
                CandleReader(self._venue, instrument, ctx.publish),
            )
            for reader in readers:
                watch = self._watches[symbol, reader.stream]
                yield Channel(reader, watch, self._health[symbol])

    def standing(self) -> FeedView | None:
        if self._client is None or self._ctx is None:
            return None
        measured = Measured(
            self._clock.measured.offset,
            self._ways,
            self._client.statistics(),
            self._connections - 1,
            self._merging.late,
        )
        return feed_view(self._venue, self._ctx, self._watches, self._health, measured)

    # --- instruments

    async def _keep_listed(self, client: PublicClient, telling: Telling, ctx: PortContext) -> None:
        while True:
            missing = [symbol for symbol in self._symbols if symbol not in self._listed]
            await trio.sleep(RELIST_S if missing else RELOAD_S)
            # Nothing is lost if the venue does not answer: the figures are read again later.
            with contextlib.suppress(VenueError):
                await self._list(client, telling, ctx, reload=True)
            for symbol in missing:
                if symbol in self._listed:
                    raise ReconnectError(f"{self._venue} lists {symbol} now")

    async def _list(
        self, client: PublicClient, telling: Telling, ctx: PortContext, *, reload: bool
    ) -> None:
        found = {each.symbol: each for each in await client.load_instruments(reload=reload)}
        for symbol in self._symbols:
            if symbol in found and not found[symbol].active:
                text = f"{self._venue} takes no orders for {symbol} now: it is looked at again"
                self._alert_once(symbol, text, telling)
                continue
            if symbol not in found:
                text = f"{self._venue} does not list {symbol}: {_instead(symbol, found)}"
                self._alert_once(symbol, text, telling)
                continue
            try:
                instrument = instrument_of(found[symbol], self._scales)
            except OffGridError as error:
                self._alert_once(symbol, str(error), telling)
                continue
            if self._listed.get(symbol) != instrument:
                self._listed[symbol] = instrument
                for address in self._listeners:
                    ctx.send(address, InstrumentListed(venue=self._venue, instrument=instrument))

    # --- trust

    async def _repeat_trust(self, telling: Telling) -> None:
        while True:
            telling.trust(health.standing() for health in self._health.values())
            await trio.sleep(REPEAT_TRUST_S)
            for watch in self._watches.values():
                watch.measure(REPEAT_TRUST_S)

    def _distrust_all(self, reason: str, telling: Telling) -> None:
        for health in self._health.values():
            telling.trust(health.distrust(BOOK, reason))

    def _alert_once(self, symbol: str, text: str, telling: Telling) -> None:
        if self._health[symbol].first_alert(text):
            telling.alert(text)


def _first(errors: BaseExceptionGroup[Exception]) -> str:
    """Return what the first error of a group, however deep, says."""
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error)


def _instead(symbol: str, listed: Iterable[str]) -> str:
    """Return what a person might have meant."""
    near = difflib.get_close_matches(symbol, list(listed), n=3, cutoff=0.5)
    if not near:
        return "correct the symbols in bot.toml; the venue's own list is on its page"
    return f"correct the symbols in bot.toml; the nearest that it lists are {', '.join(near)}"
