"""A capture through the feed once more: the same port, the same client, in virtual time.

Silence takes no time, deadlines pass as they did. What comes out is what would have been published.
"""

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.execution.translate import Scales
from actors.feeds.segments import Frame, Head, SegmentError, read
from actors.feeds.stream import MarketFeed
from exchanges.offline import OfflineVenue
from exchanges.venue_client import VenueClient
from messages.base import Message
from messages.market import StreamTrust
from messages.money import Alert
from supervisor.clock import Clock, trio_monotonic_ns
from supervisor.port import Command

NANOSECONDS_PER_SECOND = 1_000_000_000
# Changes of trust that are kept: a person reads the first ones.
CHANGES_MAX = 1_000


class TrustChange(msgspec.Struct, frozen=True, kw_only=True):
    """A symbol was trusted, or not, from here on."""

    at_ns: int
    symbol: str
    trusted: bool
    reason: str


class Played(msgspec.Struct, frozen=True, kw_only=True):
    """What a capture led to. `published` counts messages by topic, `malformed` frames by kind."""

    venue: str
    began_ns: int
    seconds: float
    frames: int
    lost: int
    published: dict[str, int]
    malformed: dict[str, int]
    trust: tuple[TrustChange, ...]
    alerts: tuple[str, ...]


class _PlayedClock(Clock):
    """The recording's clock."""

    def __init__(self, began_ns: int) -> None:
        self._began_ns = began_ns
        self._zero_ns = trio_monotonic_ns()

    def now_ns(self) -> int:
        return self._began_ns + trio_monotonic_ns() - self._zero_ns


class _Listener:
    """The `PortContext` of the feed: it counts."""

    address = "/playback"

    def __init__(self, clock: Clock, nursery: trio.Nursery) -> None:
        self.nursery = nursery
        self._clock = clock
        self.published: Counter[str] = Counter()
        self.trust: dict[str, TrustChange] = {}
        self.changes: list[TrustChange] = []
        self.alerts: list[str] = []

    def now_ns(self) -> int:
        return self._clock.now_ns()

    def random(self) -> float:
        return 0.5

    def new_id(self) -> str:
        raise AssertionError("a feed makes no ids")

    def started(self) -> None:
        """Nobody waits."""

    def send(self, address: str, message: Message) -> None:
        if isinstance(message, Alert):
            self.alerts.append(message.text)

    def publish(self, topic: str, message: Message) -> None:
        if not isinstance(message, StreamTrust):
            self.published[topic] += 1
            return
        before = self.trust.get(message.symbol)
        if before is None or (before.trusted, before.reason) != (message.trusted, message.reason):
            change = TrustChange(
                at_ns=self.now_ns(),
                symbol=message.symbol,
                trusted=message.trusted,
                reason=message.reason,
            )
            self.trust[message.symbol] = change
            if len(self.changes) < CHANGES_MAX:
                self.changes.append(change)

    async def receive(self) -> Command:
        raise AssertionError("a feed takes no commands")

    def conclude(self, command: Command, outcome: Message | None) -> bool:
        raise AssertionError("a feed takes no commands")

    async def ready(self) -> None:
        await trio.lowlevel.checkpoint()

    async def committed(self) -> None:
        await trio.lowlevel.checkpoint()


class _Player:
    """Plays frames to whichever client is open."""

    def __init__(self, head: Head, frames: list[Frame], clock: Clock) -> None:
        self._head = head
        self._frames = frames
        self._clock = clock
        self._answers: list[list[Frame]] = []
        self._venue: OfflineVenue | None = None
        self._opened = trio.Event()
        self._taken = 0
        self.malformed: Counter[str] = Counter()
        self.lost = 0
        for frame in frames:
            if frame.what == "open":
                self._answers.append([])
            elif frame.what == "http":
                self._answers[-1].append(frame)
        self._now = -1

    @asynccontextmanager
    async def open(self) -> AsyncIterator[VenueClient]:
        """Return the client that was opened next."""
        while self._taken > self._now:
            await self._opened.wait()
        self._taken = self._now + 1
        venue = self._venue = OfflineVenue(self._head.protocol, self._clock)
        for answer in self._answers[self._now]:
            venue.answer(answer.place, answer.text)
        async with venue.client:
            try:
                yield venue.client
            finally:
                self._venue = None
                self.malformed.update(venue.client.statistics().malformed)

    async def play(self) -> None:
        for frame in self._frames:
            wait_ns = frame.at_ns - self._clock.now_ns()
            await trio.sleep(max(0, wait_ns) / NANOSECONDS_PER_SECOND)
            if frame.what == "open":
                self._now += 1
                self._opened.set()
                self._opened = trio.Event()
            elif self._venue is not None:
                self._give(self._venue, frame)
            # As real frames do: what was read is handled before the next read.
            await wait_all_tasks_blocked()

    def _give(self, venue: OfflineVenue, frame: Frame) -> None:
        if frame.what == "out":
            venue.sent(frame.text)
        elif frame.what == "in":
            venue.received(frame.text)
        elif frame.what == "closed":
            venue.broken(frame.text)
        elif frame.what == "lost":
            self.lost += int(frame.text)


def play(paths: Sequence[Path], *, after_s: float = 0.0) -> Played:
    """Play segments of one venue, in order; then let `after_s` pass. Raises `SegmentError`."""
    head, frames = load(paths)
    return trio.run(_play, head, frames, after_s, clock=MockClock(autojump_threshold=0))


def load(paths: Sequence[Path]) -> tuple[Head, list[Frame]]:
    """Return the first segment's head and all frames from the first opened client on."""
    assert paths, "there is something to play"
    frames: list[Frame] = []
    head, _ = read(paths[0])
    for path in paths:
        frames += read(path)[1]
    first = next((at for at, frame in enumerate(frames) if frame.what == "open"), None)
    if first is None:
        raise SegmentError(
            f"{paths[0]} begins in the middle of a connection: name the segments from an earlier "
            "one on, in order"
        )
    return head, frames[first:]


async def _play(head: Head, frames: list[Frame], after_s: float) -> Played:
    began_ns = frames[0].at_ns
    clock = _PlayedClock(began_ns)
    player = _Player(head, frames, clock)
    feed = MarketFeed(head.venue, head.symbols, player.open, Scales({}), (), "/alerts")
    async with trio.open_nursery() as nursery:
        listener = _Listener(clock, nursery)
        nursery.start_soon(feed.run, listener)
        await player.play()
        await trio.sleep(after_s)
        nursery.cancel_scope.cancel()
    return Played(
        venue=head.venue,
        began_ns=began_ns,
        seconds=(frames[-1].at_ns - began_ns) / NANOSECONDS_PER_SECOND,
        frames=sum(frame.what == "in" for frame in frames),
        lost=player.lost,
        published=dict(sorted(listener.published.items())),
        malformed=dict(player.malformed),
        trust=tuple(listener.changes),
        alerts=tuple(listener.alerts),
    )
