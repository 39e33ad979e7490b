"""Market data of one venue: from its public streams to topics.

Each symbol's book decides whether the symbol may be traded on (`StreamTrust`). It is untrusted from
a gap, a fault or silence until a valid book comes again. Silence has consequences, one after the
other: resubscribe, open a new connection, alert; then resubscribe more and more slowly.
"""

import contextlib
import difflib
import itertools
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio

from actors.execution.translate import Scales, instrument_of
from actors.feeds.candles import CandleCloser
from actors.feeds.health import Health
from actors.feeds.validate import BookCheck, Top, TradeCheck, top_of
from exchanges.errors import VenueError
from exchanges.feed import Feed
from exchanges.grid import OffGridError
from exchanges.types import Book, Candle, Instrument, PublicTrade, Subscribed, Untrusted
from messages import market
from messages.market import BookTop, InstrumentListed, Trade, topic
from messages.money import Alert, Severity
from supervisor.port import Port, PortContext

RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
BOOK_DEPTH = 10
CANDLE_S = 60
# A top that has not changed is published again after this, so that its age tells the feed's.
REPEAT_TOP_NS = 1_000_000_000
# Subscribers that came late or were restarted learn the trust of a symbol within this.
REPEAT_TRUST_S = 5.0
# Fees, minimums and ticks change a few times a year.
RELOAD_S = 3_600.0
# A resubscription needs a round trip and a snapshot; a storm of them would earn a ban.
RESUBSCRIBE_S = 0.5
RESUBSCRIBE_S_MAX = 30.0


class PublicClient(Protocol):
    """What the port needs of a venue's client."""

    async def load_instruments(self, *, reload: bool = False) -> list[Instrument]: ...

    def instrument(self, symbol: str) -> Instrument: ...

    def watch_book(self, symbol: str, depth: int = 10) -> Feed[Book | Subscribed | Untrusted]: ...

    def watch_trades(self, symbol: str) -> Feed[PublicTrade | Subscribed | Untrusted]: ...

    def watch_candles(
        self, symbol: str, interval_s: int = 60
    ) -> Feed[Candle | Subscribed | Untrusted]: ...


OpenPublic = Callable[[], AbstractAsyncContextManager[PublicClient]]


class ReconnectError(Exception):
    """A symbol stayed silent after a resubscription: the connection is given up."""


class MarketFeed(Port):
    """The public streams of some symbols of one venue; it takes no commands.

    `listeners` are told of each instrument at every start and when its figures change: name risk
    last, so that nobody is sent an order for an instrument that it does not know yet. `silence_s`
    is how long a symbol's book may stay silent.
    """

    def __init__(
        self,
        venue: str,
        symbols: tuple[str, ...],
        open_public: OpenPublic,
        scales: Scales,
        listeners: tuple[str, ...],
        alerts: str,
        silence_s: float = 30.0,
    ) -> None:
        self._venue = venue
        self._symbols = symbols
        self._open = open_public
        self._scales = scales
        self._listeners = listeners
        self._alerts = alerts
        self._listed: dict[str, market.Instrument] = {}
        self._health = {each: Health(venue, each, silence_s) for each in symbols}

    async def run(self, ctx: PortContext) -> None:
        failures = 0
        for number in itertools.count():
            try:
                async with self._open() as client:
                    await self._list(client, ctx, reload=bool(number))
                    failures = 0
                    await self._stream(client, ctx)
            except* (VenueError, ReconnectError) as errors:
                self._distrust_all(str(errors.exceptions[0]), ctx)
            await trio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)] * (0.8 + 0.4 * ctx.random()))
            failures += 1

    async def _stream(self, client: PublicClient, ctx: PortContext) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_listed, client, ctx)
            nursery.start_soon(self._repeat_trust, ctx)
            for symbol in self._listed:
                nursery.start_soon(self._books, symbol, client, ctx)
                nursery.start_soon(self._trades, symbol, client, ctx)
                nursery.start_soon(self._candles, symbol, client, ctx)

    # --- instruments

    async def _keep_listed(self, client: PublicClient, ctx: PortContext) -> None:
        while True:
            await trio.sleep(RELOAD_S)
            # Nothing is lost if the venue does not answer: the figures are read again in an hour.
            with contextlib.suppress(VenueError):
                await self._list(client, ctx, reload=True)

    async def _list(self, client: PublicClient, ctx: PortContext, *, reload: bool) -> None:
        found = {each.symbol: each for each in await client.load_instruments(reload=reload)}
        for symbol in self._symbols:
            if symbol not in found or not found[symbol].active:
                text = f"{self._venue} does not list {symbol}: {_instead(symbol, found)}"
                self._alert_once(symbol, text, ctx)
                continue
            try:
                instrument = instrument_of(found[symbol], self._scales)
            except OffGridError as error:
                self._alert_once(symbol, str(error), ctx)
                continue
            if self._listed.get(symbol) != instrument:
                self._listed[symbol] = instrument
                for address in self._listeners:
                    ctx.send(address, InstrumentListed(venue=self._venue, instrument=instrument))

    # --- books

    async def _books(self, symbol: str, client: PublicClient, ctx: PortContext) -> None:
        health = self._health[symbol]
        check = BookCheck()
        wait_s = RESUBSCRIBE_S
        while True:
            async with client.watch_book(symbol, BOOK_DEPTH) as feed:
                reason = await self._read_books(symbol, feed, check, ctx)
            was_trusted = not health.reason
            wait_s = RESUBSCRIBE_S if was_trusted else min(2 * wait_s, RESUBSCRIBE_S_MAX)
            self._publish_trust(health.distrust(reason), ctx)
            check.resync()
            await trio.sleep(wait_s)

    async def _read_books(
        self,
        symbol: str,
        feed: Feed[Book | Subscribed | Untrusted],
        check: BookCheck,
        ctx: PortContext,
    ) -> str:
        """Publish tops until the stream is faulty or silent; return why to resubscribe."""
        health = self._health[symbol]
        shown: Top | None = None
        shown_ns = 0
        while True:
            await ctx.ready()
            with trio.move_on_after(health.silence_s) as waiting:
                event = await feed.receive()
            if waiting.cancelled_caught:
                return self._silent(symbol, ctx)
            if isinstance(event, Subscribed):
                continue
            if isinstance(event, Untrusted):
                self._publish_trust(health.distrust(f"{event.kind}: {event.detail}"), ctx)
                check.resync()
                if event.kind == "refused":
                    self._alert_once(symbol, f"{symbol} is refused: {event.detail}", ctx)
                continue
            top = top_of(event.bids, event.asks, event.at_ns)
            if top is None:
                self._publish_trust(health.distrust("a side of the book is empty"), ctx)
                continue
            fault = check.fault(top)
            if fault:
                return fault
            now_ns = ctx.now_ns()
            if shown is None or top[:4] != shown[:4] or now_ns - shown_ns >= REPEAT_TOP_NS:
                shown, shown_ns = top, now_ns
                ctx.publish(topic(self._venue, symbol, "top"), self._book_top(symbol, top))
            self._publish_trust(health.heard(), ctx)

    def _book_top(self, symbol: str, top: Top) -> BookTop:
        return BookTop(
            venue=self._venue,
            symbol=symbol,
            bid_ticks=top.bid_ticks,
            bid_lots=top.bid_lots,
            ask_ticks=top.ask_ticks,
            ask_lots=top.ask_lots,
            venue_ns=top.at_ns,
        )

    def _silent(self, symbol: str, ctx: PortContext) -> str:
        """Take the next consequence of silence; return the reason for the resubscription."""
        health = self._health[symbol]
        health.strike()
        reason = f"no book for {health.silence_s:g} s"
        if health.strikes == health.RECONNECT:
            raise ReconnectError(f"{symbol}: {reason}")
        if health.strikes == health.ALERT:
            text = (
                f"{symbol} at {self._venue} is silent although it was subscribed and connected "
                "anew: nobody trades on it until it comes back; see the venue's status page"
            )
            self._alert(text, ctx)
        return reason

    # --- trades and candles

    async def _trades(self, symbol: str, client: PublicClient, ctx: PortContext) -> None:
        check = TradeCheck()
        address = topic(self._venue, symbol, "trades")
        async with client.watch_trades(symbol) as feed:
            async for event in feed:
                await ctx.ready()
                if isinstance(event, Subscribed | Untrusted) or not check.is_new(
                    event.trade_id, event.at_ns, event.price_ticks, event.quantity_lots
                ):
                    continue
                trade = Trade(
                    venue=self._venue,
                    symbol=symbol,
                    trade_id=event.trade_id,
                    side=event.side,
                    price_ticks=event.price_ticks,
                    quantity_lots=event.quantity_lots,
                    venue_ns=event.at_ns,
                )
                ctx.publish(address, trade)

    async def _candles(self, symbol: str, client: PublicClient, ctx: PortContext) -> None:
        closer = CandleCloser(self._venue, self._listed[symbol])
        address = topic(self._venue, symbol, "candles")
        async with client.watch_candles(symbol, CANDLE_S) as feed:
            async for event in feed:
                await ctx.ready()
                if not isinstance(event, Subscribed | Untrusted):
                    for candle in closer.take(event):
                        ctx.publish(address, candle)

    # --- trust

    async def _repeat_trust(self, ctx: PortContext) -> None:
        while True:
            self._publish_trust((h.standing() for h in self._health.values()), ctx)
            await trio.sleep(REPEAT_TRUST_S)

    def _distrust_all(self, reason: str, ctx: PortContext) -> None:
        for health in self._health.values():
            self._publish_trust(health.distrust(reason), ctx)

    def _publish_trust(self, changes: Iterable[market.StreamTrust], ctx: PortContext) -> None:
        for change in changes:
            ctx.publish(topic(self._venue, change.symbol, "trust"), change)

    def _alert_once(self, symbol: str, text: str, ctx: PortContext) -> None:
        if self._health[symbol].first_alert(text):
            self._alert(text, ctx)

    def _alert(self, text: str, ctx: PortContext) -> None:
        alert = Alert(severity=Severity.PAGE, subject=ctx.address, text=text)
        ctx.send(self._alerts, alert)


def _instead(symbol: str, listed: Iterable[str]) -> str:
    """Return what a person might have meant."""
    near = difflib.get_close_matches(symbol, list(listed), n=3, cutoff=0.5)
    if not near:
        return "correct the symbols in bot.toml; the venue's own list is on its page"
    return f"correct the symbols in bot.toml; the nearest that it lists are {', '.join(near)}"
