"""Keeps a client's subscriptions alive and brings their frames to the feeds.

Each open topic has a task that subscribes and waits. Whatever ends the subscription (a broken
connection, a frame that cannot be believed, a refusal) becomes one `Untrusted` event, and the task
subscribes again after a pause that doubles while nothing arrives in between. Nothing here raises
because of the venue.
"""

import logging
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from exchanges.adapters.base import (
    Adapter,
    Decoded,
    MalformedFrameError,
    Refused,
    StreamError,
    StreamEvent,
    Topic,
)
from exchanges.errors import CCXT_RAISES, VenueError
from exchanges.exchange import TrioExchange
from exchanges.feed import Feed
from exchanges.socket_client import SocketClient
from exchanges.types import Book, FrameHook, FrameKind, Ticker, Untrusted
from supervisor.clock import Clock

# What ends a subscription without being a statement about one stream.
STREAM_ENDS: tuple[type[Exception], ...] = (VenueError, *CCXT_RAISES)
CONFLATED = frozenset({"book", "ticker"})
# The first pause is short because most disconnections are a venue's restart of one front end; the
# last keeps a dead venue from being hammered (Kraken bans an address at 150 dials in 10 minutes).
RESUBSCRIBE_PAUSE_S_MIN = 0.1
RESUBSCRIBE_PAUSE_S_MAX = 10.0
# Kinds of malformed frames told apart in the counts: a venue gone mad must not fill memory.
MALFORMED_KINDS_MAX = 100
# What a person needs of a bad frame.
DETAIL_CHARACTERS_MAX = 200

logger = logging.getLogger("exchanges")


class StreamStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the client was built. `malformed` is per kind."""

    frames: int
    events: int
    malformed: dict[str, int]
    resubscriptions: int
    dropped: int


@dataclass(eq=False)
class _Stream:
    """One open topic."""

    topic: Topic
    feed: Feed[Any]
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    client: SocketClient | None = None
    heard: bool = False

    @property
    def message_hash(self) -> str:
        # Not a hash that ccxt's own handlers would resolve.
        return f"canopy {self.topic}"


class Streams:
    """The streams of one client."""

    def __init__(
        self, adapter: Adapter, exchange: TrioExchange, clock: Clock, on_frame: FrameHook | None
    ) -> None:
        self._adapter = adapter
        self._exchange = exchange
        self._clock = clock
        self._on_frame = on_frame
        self._has_key = bool(exchange.secret_texts())
        self._streams: dict[Topic, _Stream] = {}
        self._frames = 0
        self._events = 0
        self._resubscriptions = 0
        self._dropped = 0
        self._malformed: dict[str, int] = {}
        exchange.tap = self._tap
        exchange.text_hook = self._saw

    def open(self, topic: Topic) -> Feed[Any]:
        """Start a topic. Raises `ValueError` when it is open: share its feed instead."""
        if any(_same_stream(topic, other) for other in self._streams):
            raise ValueError(f"{topic} is already watched through this client: share its feed")
        feed: Feed[Any] = Feed(
            str(topic),
            conflated=topic.channel in CONFLATED,
            on_close=lambda: self._end(topic),
        )
        stream = self._streams[topic] = _Stream(topic, feed)
        self._exchange.start_soon(self._keep, stream, name=f"stream {topic}")
        return feed

    def close(self) -> None:
        """End every topic; their readers see the end of the feed."""
        for stream in list(self._streams.values()):
            stream.feed.close()

    def statistics(self) -> StreamStatistics:
        dropped = self._dropped + sum(each.feed.dropped for each in self._streams.values())
        return StreamStatistics(
            frames=self._frames,
            events=self._events,
            malformed=dict(self._malformed),
            resubscriptions=self._resubscriptions,
            dropped=dropped,
        )

    # -- one topic's task

    async def _keep(self, stream: _Stream) -> None:
        pause_s = RESUBSCRIBE_PAUSE_S_MIN
        with stream.scope:
            while True:
                stream.heard = False
                kind, detail = await self._subscribed(stream)
                self._resubscriptions += 1
                self._distrust(stream, kind, detail)
                pause_s = RESUBSCRIBE_PAUSE_S_MIN if stream.heard else pause_s
                await trio.sleep(pause_s)
                pause_s = min(pause_s * 2, RESUBSCRIBE_PAUSE_S_MAX)

    async def _subscribed(self, stream: _Stream) -> tuple[str, str]:
        """Subscribe and wait for the end; return why it ended."""
        unsubscribe: object = None
        try:
            plan = await self._adapter.subscription(self._exchange, stream.topic)
            unsubscribe = plan.unsubscribe
            key = stream.message_hash
            future = self._exchange.watch(plan.url, key, plan.subscribe, key)
            stream.client = self._exchange.clients[plan.url]
            stream.client.tapped = True
            await future
        except StreamError as error:
            self._unsubscribe(stream, unsubscribe)
            return error.kind, error.detail
        except STREAM_ENDS as error:
            return "disconnected", self._harmless(error)
        except trio.Cancelled:
            self._unsubscribe(stream, unsubscribe)
            raise
        raise AssertionError("nothing resolves a subscription's future")

    def _unsubscribe(self, stream: _Stream, message: object) -> None:
        client = stream.client
        if client is None:
            return
        client.subscriptions.pop(stream.message_hash, None)
        client.futures.pop(stream.message_hash, None)
        if not client.closed() and message is not None:
            client.queue_send(message)

    def _end(self, topic: Topic) -> None:
        stream = self._streams.pop(topic, None)
        if stream is not None:
            self._dropped += stream.feed.dropped
            stream.scope.cancel()

    # -- frames

    def _tap(self, client: SocketClient, message: object) -> bool:
        """Take one decoded frame; False leaves it to ccxt."""
        self._frames += 1
        if not client.tapped:
            return False
        try:
            decoded = self._decoded(message)
        except StreamError as error:
            self._fail(error)
        except MalformedFrameError as error:
            self._malformed_frame(client, error)
        else:
            if decoded is None:
                return False
            for each in decoded:
                self._deliver(each)
        return True

    def _decoded(self, message: object) -> list[Decoded] | None:
        if message is None:
            raise MalformedFrameError("not_json", "a frame is not JSON")
        try:
            decoded = self._adapter.decode(message, self._clock.now_ns())
        except CCXT_RAISES as error:
            raise MalformedFrameError("unreadable", f"{type(error).__name__}: {error}") from error
        if isinstance(decoded, Refused):
            raise StreamError(decoded.topic, "refused", decoded.detail)
        return decoded

    def _deliver(self, decoded: Decoded) -> None:
        stream = self._streams.get(decoded.topic)
        if stream is None:
            return
        stream.heard = True
        self._events += 1
        if stream.feed.conflated and _conflate(stream.feed, decoded.event):
            return
        if not stream.feed.put(decoded.event):
            stream.feed.clear()
            self._fail(StreamError(decoded.topic, "overflow", "the reader is too slow"))

    def _fail(self, error: StreamError) -> None:
        stream = self._streams.get(error.topic)
        client = stream.client if stream is not None else None
        # Only a future that waits: ccxt would keep the error for the next subscription.
        if stream is not None and client is not None and stream.message_hash in client.futures:
            client.reject(error, stream.message_hash)

    def _malformed_frame(self, client: SocketClient, error: MalformedFrameError) -> None:
        self._count_malformed(error)
        detail = f"{error.kind}: {error.detail}"[:DETAIL_CHARACTERS_MAX]
        for stream in list(self._streams.values()):
            if stream.client is client and error.topic in (None, stream.topic):
                self._fail(StreamError(stream.topic, "malformed", detail))

    def _count_malformed(self, error: MalformedFrameError) -> None:
        if error.kind in self._malformed:
            self._malformed[error.kind] += 1
        elif len(self._malformed) < MALFORMED_KINDS_MAX:
            self._malformed[error.kind] = 1
            logger.warning(
                "%s: malformed frame (%s): %s; the stream is resynchronised, further ones of this"
                " kind are only counted",
                self._adapter.venue,
                error.kind,
                error.detail[:DETAIL_CHARACTERS_MAX],
            )

    def _distrust(self, stream: _Stream, kind: str, detail: str) -> None:
        event = Untrusted(
            stream=str(stream.topic), kind=kind, detail=detail, received_ns=self._clock.now_ns()
        )
        if stream.feed.conflated:
            # What waits there describes a state that is no longer known to be true.
            stream.feed.clear()
        if not stream.feed.put(event):
            stream.feed.clear()
            stream.feed.put(event)

    def _harmless(self, error: BaseException) -> str:
        text = f"{type(error).__name__}: {error}"
        for secret in self._exchange.secret_texts():
            text = text.replace(secret, "***")
        return text[:DETAIL_CHARACTERS_MAX]

    # -- capture

    def _saw(self, kind: FrameKind, client: SocketClient, text: str) -> None:
        if self._on_frame is None:
            return
        # At some venues both kinds share one address; without a key nothing is anybody's.
        private = self._has_key and self._adapter.is_private(self._exchange, client.url)
        label = f"{self._adapter.venue}/{'private' if private else 'public'}"
        shown = f'{{"redacted_characters":{len(text)}}}' if private else text
        self._on_frame(kind, label, shown)


def _same_stream(one: Topic, other: Topic) -> bool:
    # One book per symbol: frames do not tell which depth they belong to.
    return one == other or (one.channel == other.channel == "book" and one.symbol == other.symbol)


def _conflate(feed: Feed[Any], event: StreamEvent) -> bool:
    """Replace the event that waits by a newer one, if that loses nothing but an older state."""
    waiting = feed.newest()
    if isinstance(waiting, Book) and isinstance(event, Book):
        if waiting.snapshot and not event.snapshot:
            event = msgspec.structs.replace(event, snapshot=True)
        feed.replace_newest(event)
        return True
    if isinstance(waiting, Ticker) and isinstance(event, Ticker):
        feed.replace_newest(event)
        return True
    return False
