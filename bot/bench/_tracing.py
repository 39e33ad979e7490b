"""When an order passed each place on its way, seen from the journal and from the sockets."""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import msgspec
import trio
from trio.abc import HalfCloseableStream, Listener

from exchanges.websocket import unmasked
from messages.base import tag_of
from messages.market import BookTop
from messages.orders import Submit
from state.database import Database
from state.store import Store
from supervisor.clock import Clock
from supervisor.journal import Post
from supervisor.net import Network

# Every frame about a symbol names it so; the order's own id stands in the body that carries it.
_SYMBOL = re.compile(rb'"symbol":\s*"([A-Z0-9]+/[A-Z0-9]+)"')
_BOOK = b'"channel":"book"'
_ORDER_ID = re.compile(rb"cl_ord_id[\"=:\s]+([0-9a-f-]{36})")
_TOP, _SUBMIT = tag_of(BookTop).encode(), tag_of(Submit).encode()
# An order takes a few thousand such steps: what is older belongs to no order any more.
TOPS_KEPT = 50_000
STAGES = ("decode", "sleeve", "ledger", "risk", "orders", "commit", "write")


class Way(msgspec.Struct):
    """One order's way, in nanoseconds of the process clock; 0 for a place not passed."""

    frame_ns: int = 0
    top_ns: int = 0
    ledger_ns: int = 0
    risk_ns: int = 0
    orders_ns: int = 0
    line_ns: int = 0
    durable_ns: int = 0
    written_ns: int = 0

    def stages_ns(self) -> list[int]:
        """Return how long each of `STAGES` took."""
        at = msgspec.structs.astuple(self)
        return [after - before for before, after in pairwise(at)]

    @property
    def total_ns(self) -> int:
        """From the frame's receipt to the order's bytes being with the kernel."""
        return self.written_ns - self.frame_ns

    @property
    def is_whole(self) -> bool:
        """Whether it was seen everywhere: made by a tick, and sent."""
        return all(msgspec.structs.astuple(self))


class Tracer:
    """Collects ways. A tick's time of publication travels with all that follows from it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.frames = 0
        self._frame_ns: dict[str, int] = {}
        self._ways: dict[int, Way] = {}
        self._of_order: dict[str, Way] = {}
        self.not_durable: list[Way] = []
        self.done: list[Way] = []
        self._another = trio.Event()

    async def wait_done(self, count: int) -> None:
        """Wait until so many orders have left."""
        while len(self.done) < count:
            self._another = trio.Event()
            await self._another.wait()

    def received(self, data: bytes) -> None:
        """Note which symbols what a socket gave is about; of frames, the books' are counted."""
        now_ns = self._clock.now_ns()
        self.frames += data.count(_BOOK)
        for symbol in _SYMBOL.findall(data):
            self._frame_ns[symbol.decode()] = now_ns

    def published(self, post: Post) -> None:
        """Note a top of book that enters the tree."""
        if _TOP in post[4]:
            top = msgspec.msgpack.decode(post[4], type=BookTop)
            way = Way(frame_ns=self._frame_ns.get(top.symbol, 0), top_ns=self._clock.now_ns())
            self._ways[post[3]] = way
            if len(self._ways) > TOPS_KEPT:
                del self._ways[next(iter(self._ways))]

    def sent(self, posts: Sequence[Post], name: Callable[[int], str]) -> None:
        """Note what a turn sent on because of a tick; the first of a kind counts."""
        for post in posts:
            way = self._ways.get(post[3])
            if way is None:
                continue
            now_ns, place = self._clock.now_ns(), name(post[2]).rpartition("/")[2]
            if place == "ledger":
                way.ledger_ns = way.ledger_ns or now_ns
            elif place == "risk":
                way.risk_ns = way.risk_ns or now_ns
            elif place == "orders":
                way.orders_ns = way.orders_ns or now_ns
            elif place == "line" and _SUBMIT in post[4] and not way.line_ns:
                way.line_ns = now_ns
                submit = msgspec.msgpack.decode(post[4], type=Submit)
                self._of_order[submit.terms.client_order_id] = way
                self.not_durable.append(way)

    def durable(self, ways: Sequence[Way]) -> None:
        """Note that orders may leave."""
        for way in ways:
            way.durable_ns = self._clock.now_ns()

    def wrote(self, data: bytes) -> None:
        """Note an order whose bytes the kernel has."""
        now_ns = self._clock.now_ns()
        for found in _ORDER_ID.findall(unmasked(data)):
            way = self._of_order.pop(found.decode(), None)
            if way is not None:
                way.written_ns = now_ns
                if way.is_whole:
                    self.done.append(way)
                    self._another.set()


class TracedStore(Store):
    """A store that tells a tracer what passes."""

    def __init__(self, database: Database, tracer: Tracer) -> None:
        super().__init__(database)
        self._tracer = tracer
        self._known: dict[int, str] = {}

    def durables(self, posts: Sequence[Post]) -> None:
        """Trace, and append."""
        self._tracer.sent(posts, self._name)
        super().durables(posts)

    def stream(self, post: Post) -> None:
        """Trace, and append."""
        self._tracer.published(post)
        super().stream(post)

    def after_commit(self, call: Callable[[], None]) -> None:
        """Trace those that wait for this commit."""
        tracer = self._tracer
        waiting, tracer.not_durable = tracer.not_durable, []

        def traced() -> None:
            tracer.durable(waiting)
            call()

        super().after_commit(traced)

    def _name(self, number: int) -> str:
        if number not in self._known:
            self._known = {known: name for name, known in self.names().items()}
        return self._known[number]


class TracedNetwork:
    """A network whose streams tell a tracer what they carry."""

    def __init__(self, under: Network, tracer: Tracer) -> None:
        self._under = under
        self._tracer = tracer

    async def open_tcp_stream(self, host: str, port: int) -> HalfCloseableStream:
        """Connect."""
        return _TracedStream(await self._under.open_tcp_stream(host, port), self._tracer)

    async def open_tcp_listeners(
        self, host: str, port: int
    ) -> Sequence[Listener[HalfCloseableStream]]:
        """Listen."""
        return await self._under.open_tcp_listeners(host, port)

    async def open_unix_stream(self, path: Path) -> HalfCloseableStream:
        """Connect."""
        return await self._under.open_unix_stream(path)

    async def open_unix_listener(self, path: Path) -> Listener[HalfCloseableStream]:
        """Listen."""
        return await self._under.open_unix_listener(path)


class _TracedStream(HalfCloseableStream):
    def __init__(self, under: HalfCloseableStream, tracer: Tracer) -> None:
        self._under = under
        self._tracer = tracer

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._under.send_all(data)
        self._tracer.wrote(bytes(data))

    async def wait_send_all_might_not_block(self) -> None:
        await self._under.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        data = await self._under.receive_some(max_bytes)
        self._tracer.received(bytes(data))
        return data

    async def send_eof(self) -> None:
        await self._under.send_eof()

    async def aclose(self) -> None:
        await self._under.aclose()
