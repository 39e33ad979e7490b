"""The streams of one connection: read by one task, and watched over by another.

Silence has consequences, one after the other: resubscribe, open a new connection, alert; then
resubscribe more and more slowly. Meanwhile the symbol is untrusted.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import trio

from actors.feeds.health import BOOK, Health
from actors.feeds.readers import DATA, PublicClient, Reader, Sign, Verdict
from actors.feeds.telling import Telling
from actors.feeds.watch import NANOSECONDS_PER_SECOND, Watch
from exchanges.feed import Bell, Feed
from messages.money import Severity
from supervisor.port import PortContext

# Of one stream at a time: a burst of trades must not keep books waiting.
EVENTS_AT_ONCE_MAX = 64
# Deadlines are kept to this; a look at some hundred streams takes a tenth of a millisecond.
LOOK_S_MIN = 0.05
# New deadlines are seen within this.
LOOK_S_MAX = 1.0
# A reader that was held up longer by a full tree has not heard what came meanwhile.
HELD_NS = NANOSECONDS_PER_SECOND


class ReconnectError(Exception):
    """The connection is given up: a symbol stayed silent after a resubscription, or came back."""


class Channel(NamedTuple):
    """One stream: who reads it, how it fares, and the symbol that it speaks for."""

    reader: Reader
    watch: Watch
    health: Health


class Session:
    """Runs `channels` on one connection until that is given up."""

    def __init__(
        self, client: PublicClient, channels: Iterable[Channel], telling: Telling, ctx: PortContext
    ) -> None:
        self._client = client
        self._channels = tuple(channels)
        self._telling = telling
        self._ctx = ctx
        self._bell = Bell()
        self._open: dict[Feed[Any], Channel] = {}
        self._is_held = False

    async def run(self) -> None:
        """Read until cancelled. Raises `ReconnectError`."""
        for channel in self._channels:
            self._subscribe(channel)
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read)
                nursery.start_soon(self._watch_over)
        finally:
            for channel in self._channels:
                channel.watch.close()

    # --- reading

    async def _read(self) -> None:
        while True:
            await self._ready()
            for feed in await self._bell.rung():
                self._drain(feed)

    async def _ready(self) -> None:
        before_ns = self._ctx.now_ns()
        self._is_held = True
        await self._ctx.ready()
        self._is_held = False
        now_ns = self._ctx.now_ns()
        if now_ns - before_ns > HELD_NS:
            for channel in self._channels:
                channel.watch.heard_ns = now_ns

    def _drain(self, feed: Feed[Any]) -> None:
        channel = self._open.get(feed)
        if channel is None:
            return
        reader, watch, health = channel
        now_ns = self._ctx.now_ns()
        for _ in range(EVENTS_AT_ONCE_MAX):
            if not feed.waiting:
                return
            verdict = reader.take(feed.receive_nowait(), now_ns)
            if verdict is DATA:
                watch.alive(now_ns)
                self._telling.trust(health.heard(reader.stream))
            elif not self._judge(channel, verdict, now_ns):
                return
        self._bell.ring(feed)

    def _judge(self, channel: Channel, verdict: Verdict, now_ns: int) -> bool:
        """Take the consequence of a mark; return whether the subscription stands."""
        reader, watch, health = channel
        if verdict.sign is Sign.TAKEN:
            watch.heard_ns = now_ns
            if reader.stream != BOOK:
                # A market without trades says nothing more, and from here nothing is missed.
                self._telling.trust(health.heard(reader.stream))
            return True
        if verdict.sign is Sign.STATE:
            watch.heard_ns = watch.data_ns = now_ns
            if not watch.strikes:
                self._telling.trust(health.heard(reader.stream))
            return True
        watch.gaps += 1
        if verdict.sign is Sign.FAULT:
            self._resubscribe(channel, verdict.reason, now_ns)
            return False
        self._telling.trust(health.distrust(reader.stream, verdict.reason))
        text = f"{reader.symbol} is {verdict.reason}"
        if verdict.sign is Sign.REFUSED and health.first_alert(text):
            self._telling.alert(text)
        return True

    def _subscribe(self, channel: Channel) -> None:
        feed = channel.watch.open(channel.reader, self._client, self._ctx.now_ns())
        self._open[feed] = channel
        feed.attach(self._bell)

    def _resubscribe(self, channel: Channel, reason: str, now_ns: int) -> None:
        closed = channel.watch.close()
        if closed is not None:
            del self._open[closed]
        stream = channel.reader.stream
        channel.watch.resubscribe(now_ns, patiently=channel.health.distrusted(stream))
        self._telling.trust(channel.health.distrust(stream, reason))

    # --- watching over

    async def _watch_over(self) -> None:
        while True:
            now_ns = self._ctx.now_ns()
            if not self._is_held:
                for channel in self._channels:
                    if channel.watch.due_ns <= now_ns:
                        self._act(channel, now_ns)
            next_ns = (
                min((channel.watch.due_ns for channel in self._channels), default=now_ns) - now_ns
            )
            wait_s = next_ns / NANOSECONDS_PER_SECOND
            await trio.sleep(min(max(wait_s, LOOK_S_MIN), LOOK_S_MAX))

    def _act(self, channel: Channel, now_ns: int) -> None:
        if channel.watch.feed is None:
            self._subscribe(channel)
        else:
            self._silent(channel, now_ns)

    def _silent(self, channel: Channel, now_ns: int) -> None:
        """Take the next consequence of silence."""
        reader, watch, health = channel
        reason = f"no {reader.stream} for {watch.silence_s:g} s"
        watch.strikes += 1
        # Trades and candles have a book beside them, which proves the connection or gives it up.
        if watch.strikes == Watch.RECONNECT and reader.stream == BOOK:
            raise ReconnectError(f"{reader.symbol}: {reason}")
        if watch.strikes == Watch.ALERT:
            self._alert_silence(reader, health)
        self._resubscribe(channel, reason, now_ns)

    def _alert_silence(self, reader: Reader, health: Health) -> None:
        venue, symbol = self._telling.venue, reader.symbol
        tried = "although it was subscribed and connected anew"
        if reader.stream == BOOK:
            self._telling.alert(
                f"{symbol} at {venue} is silent {tried}: nobody trades on it until it comes back; "
                "see the venue's status page",
                Severity.PAGE,
            )
        elif not health.distrusted(BOOK):
            # While the book is silent too, that is what a person has to know.
            self._telling.alert(
                f"{symbol} at {venue} has had no {reader.stream} for long {tried}: if others "
                "trade it now, see the venue's status page",
                Severity.NOTICE,
            )
