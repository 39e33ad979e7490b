"""A stream of typed events, as its reader sees it: bounded, never raising because of the venue."""

from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import trio

T = TypeVar("T")

# Trades and executions that may wait for a slow reader: two minutes of a wild market. When more
# come the stream is marked untrusted, since a lost execution must never go unnoticed.
EVENTS_WAITING_MAX = 10_000


class FeedClosedError(Exception):
    """The feed or its client was closed; there will be no more events."""


class Bell:
    """Lets one task read many feeds: it is woken once for all of them that have something.

    A task for each would be woken and put to sleep at every event, which costs more than reading.
    """

    def __init__(self) -> None:
        self._rung: list[Feed[Any]] = []
        self._lot = trio.lowlevel.ParkingLot()

    def ring(self, feed: "Feed[Any]") -> None:
        """Note that `feed` has something."""
        self._rung.append(feed)
        if self._lot:
            self._lot.unpark()

    async def rung(self) -> "list[Feed[Any]]":
        """Wait until there is something to read; return the feeds, in order of their first event.

        Each is to be read until it is empty: it rings again only when it was.
        """
        await trio.lowlevel.checkpoint()
        while not self._rung:
            await self._lot.park()
        rung, self._rung = self._rung, []
        return rung


class Feed(Generic[T]):
    """Read with `receive()`, `receive_nowait()` or `async for`, by one task; leaving it closes it.

    A conflating feed (books, tickers) keeps only the newest event for a slow reader, but never
    drops an `Untrusted` nor a snapshot mark. Cancelling a receive loses nothing.
    """

    def __init__(self, topic: str, *, conflated: bool, on_close: Callable[[], None]) -> None:
        self.topic = topic
        self.conflated = conflated
        self.dropped = 0
        self._on_close = on_close
        self._events: deque[T] = deque()
        self._lot = trio.lowlevel.ParkingLot()
        self._closed = False
        self._bell: Bell | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        try:
            return await self.receive()
        except FeedClosedError:
            raise StopAsyncIteration from None

    async def receive(self) -> T:
        """Wait for the next event. Raises `FeedClosedError` after `close`, nothing else."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while not self._events:
            if self._closed:
                raise FeedClosedError(f"{self.topic}: the feed is closed")
            await self._lot.park()
        return self._events.popleft()

    @property
    def waiting(self) -> int:
        """How many events can be read at once."""
        return len(self._events)

    def receive_nowait(self) -> T:
        """Return the next event. Raises `trio.WouldBlock` when none waits, or `FeedClosedError`."""
        if self._events:
            return self._events.popleft()
        if self._closed:
            raise FeedClosedError(f"{self.topic}: the feed is closed")
        raise trio.WouldBlock

    def attach(self, bell: Bell) -> None:
        """Have `bell` rung whenever the feed was empty and is not any more."""
        self._bell = bell
        if self._events:
            bell.ring(self)

    def close(self) -> None:
        """End the subscription; events that already wait can still be read. Idempotent."""
        if not self._closed:
            self._closed = True
            self._on_close()
            self._lot.unpark_all()

    # -- for Streams

    def put(self, event: T) -> bool:
        """Add an event; False when the feed is full and the event was not taken."""
        if self._closed:
            return True
        if len(self._events) >= EVENTS_WAITING_MAX:
            return False
        if self._bell is not None and not self._events:
            self._bell.ring(self)
        self._events.append(event)
        if self._lot:
            self._lot.unpark()
        return True

    def newest(self) -> T | None:
        """Return the event that was added last, if it still waits."""
        return self._events[-1] if self._events else None

    def replace_newest(self, event: T) -> None:
        """Put `event` in the place of the one that was added last."""
        self._events[-1] = event
        self.dropped += 1

    def clear(self) -> None:
        """Throw away what waits: it lies behind a loss."""
        self.dropped += len(self._events)
        self._events.clear()
