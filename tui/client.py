"""The attached side of the control socket: connects, keeps the store filled, asks and answers.

One asyncio task. It reconnects for ever, with jitter. An act is sent once: when the connection is
lost before its answer, the next connection asks for its `Fate`; nothing is ever sent again by
itself.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from messages import control
from messages.control import Answer, Outcome, View
from messages.framing import ProtocolError, encode_frame
from messages.readers import client_reader
from tui.store import Store

CONNECT_WAIT_S = 2.0
RETRY_S_MIN = 0.2
RETRY_S_MAX = 5.0
# Two screens late; a person begins to wonder.
SLOW_AFTER_S = 1.0
# Two pings lost: what is on the screen may no longer be true.
STALE_AFTER_S = 3.0
# Above the daemon's own time limit of a request, so that its word comes first.
GRACE_S = 5.0
READ_BYTES = 65_536
ROUND_TRIPS = 5
# We send tens of bytes a second: a full buffer of this size means that nobody reads at the other
# end.
UNSENT_BYTES_MAX = 65_536


class Link(Enum):
    """How well we are connected."""

    CONNECTING = "connecting"
    LIVE = "live"
    SLOW = "slow"
    STALE = "stale"
    DOWN = "down"


@dataclass
class _Pending:
    request: control.Request
    answer: "asyncio.Future[Answer]"
    sent_s: float
    in_doubt: bool = False
    """The connection was lost after it was sent."""


@dataclass
class _Line:
    """One connection."""

    writer: asyncio.StreamWriter
    greeted: bool = False
    heard_s: float = 0.0
    pings: dict[int, float] = field(default_factory=dict)
    number: int = 0


class Client:
    """A connection to the daemon that is always being kept up. All methods belong to its loop."""

    def __init__(
        self,
        path: Path,
        store: Store,
        *,
        read_only: bool,
        name: str,
        session: str,
        jitter: Callable[[], float],
    ) -> None:
        """Prepare; `run` connects.

        `session` makes request ids unique among clients; `jitter` returns numbers in [0, 1).
        """
        self._path = path
        self._store = store
        self._read_only = read_only
        self._name = name
        self._session = session
        self._jitter = jitter
        self._line: _Line | None = None
        self._wishes: dict[View, control.Subscribe] = {}
        self._pending: dict[str, _Pending] = {}
        self._fates: dict[str, str] = {}
        self._numbers = 0
        self._ever_up = False
        self.down_reason = ""
        self._round_trips_s: deque[float] = deque(maxlen=ROUND_TRIPS)
        self.round_trip_s = 0.0
        """The median of the last few: one late answer is no slow line."""
        self.on_restart: Callable[[control.Welcome, control.Welcome], None] = _nothing
        """Called with the former and the new `Welcome` when the daemon turns out to be another."""

    # --- what the screens ask

    def link(self) -> Link:
        """Say how well we are connected now."""
        line = self._line
        if line is None or not line.greeted:
            return Link.DOWN if self._ever_up or self.down_reason else Link.CONNECTING
        now_s = self._now_s()
        if now_s - line.heard_s > STALE_AFTER_S:
            return Link.STALE
        late_s = max((now_s - sent_s for sent_s in line.pings.values()), default=0.0)
        if max(self.round_trip_s, late_s) > SLOW_AFTER_S:
            return Link.SLOW
        return Link.LIVE

    def silence_s(self) -> float:
        """Return the age of the last word from the daemon in seconds."""
        return self._now_s() - self._line.heard_s if self._line else 0.0

    def doubts(self) -> int:
        """Return how many acts were sent of which we do not know what became of them."""
        return sum(pending.in_doubt for pending in self._pending.values())

    def show(self, wishes: Iterable[control.Subscribe]) -> None:
        """Say which views are wanted; the daemon is told what changed, now or when it is back."""
        wanted = {wish.view: wish for wish in wishes}
        for view in self._wishes.keys() - wanted.keys():
            self._store.forget_sequence(view)
            self._send(control.Unsubscribe(view=view))
        for view, wish in wanted.items():
            if self._wishes.get(view) != wish:
                self._store.forget_sequence(view)
                self._send(wish)
        self._wishes = wanted

    def refresh(self, view: View) -> None:
        """Ask for a fresh snapshot of a wanted view."""
        if view in self._wishes:
            self._store.forget_sequence(view)
            self._send(self._wishes[view])

    def new_id(self) -> str:
        """Return a request id that no other client uses."""
        self._numbers += 1
        return f"{self._session}-{self._numbers}"

    async def ask(self, request: control.Request) -> Answer:
        """Send `request` once and return what became of it; never raises for a lost connection."""
        if self._line is None or not self._line.greeted:
            return _own_answer(request, Outcome.DENIED, "not connected: nothing was sent")
        if len(self._pending) >= control.REQUESTS_MAX:
            return _own_answer(request, Outcome.DENIED, "too many requests wait for their answers")
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._pending[request.request_id] = _Pending(request, future, self._now_s())
        self._send(request)
        return await future

    # --- the connection

    async def run(self) -> None:
        """Keep connected until cancelled."""
        attempt = 0
        while True:
            if await self._attend():
                attempt = 0
            self._lose()
            delay_s = min(RETRY_S_MAX, RETRY_S_MIN * 2**attempt)
            attempt = min(attempt + 1, 10)
            await asyncio.sleep(delay_s * (0.5 + self._jitter() / 2))

    async def _attend(self) -> bool:
        """Connect and talk until the connection ends; say whether the daemon greeted us."""
        try:
            async with asyncio.timeout(CONNECT_WAIT_S):
                reader, writer = await asyncio.open_unix_connection(self._path)
        except (OSError, TimeoutError) as error:
            self.down_reason = _reason(error, self._path)
            return False
        line = _Line(writer, heard_s=self._now_s())
        self._line = line
        self._send(control.Hello(client=self._name, read_only=self._read_only))
        pinger = asyncio.create_task(self._ping(line))
        try:
            self.down_reason = await self._listen(reader, line)
        except OSError as error:
            self.down_reason = _reason(error, self._path)
        except ProtocolError as error:
            self.down_reason = f"the daemon sent a {error}; are its version and ours the same?"
        finally:
            pinger.cancel()
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await pinger
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        return line.greeted

    async def _listen(self, reader: asyncio.StreamReader, line: _Line) -> str:
        frames = client_reader()
        farewell = "the daemon closed the connection"
        while data := await reader.read(READ_BYTES):
            line.heard_s = self._now_s()
            for frame in frames.feed(data):
                if isinstance(frame, control.Goodbye):
                    farewell = f"the daemon said goodbye: {frame.text or frame.reason.value}"
                else:
                    self._take(frame, line)
        return farewell

    def _take(self, frame: control.ServerFrame, line: _Line) -> None:
        match frame:
            case control.Snapshot():
                self._store.apply(frame)
            case control.Delta():
                if self._store.expects(frame.view) and not self._store.apply(frame):
                    self.refresh(frame.view)
            case control.Pong():
                self._store.pong = frame
                self._measure(frame, line)
            case control.Answer():
                self._answered(frame)
            case control.Welcome():
                self._greeted(frame, line)
            case control.Goodbye():
                pass

    def _measure(self, pong: control.Pong, line: _Line) -> None:
        sent_s = line.pings.get(pong.number)
        if sent_s is not None:
            self._round_trips_s.append(self._now_s() - sent_s)
            self.round_trip_s = sorted(self._round_trips_s)[len(self._round_trips_s) // 2]
        # Answers come in order: an earlier ping that has none by now will never have one.
        line.pings = {number: at_s for number, at_s in line.pings.items() if number > pong.number}

    def _greeted(self, welcome: control.Welcome, line: _Line) -> None:
        line.greeted = True
        self._ever_up = True
        self._round_trips_s.clear()
        self.round_trip_s = 0.0
        former = self._store.greet(welcome)
        if former is not None:
            self.on_restart(former, welcome)
        self._ping_once(line)
        for wish in self._wishes.values():
            self._send(wish)
        for request_id, pending in self._pending.items():
            if pending.in_doubt:
                fate = control.Fate(request_id=self.new_id(), of=request_id)
                self._fates[fate.request_id] = request_id
                self._send(fate)

    def _answered(self, answer: Answer) -> None:
        about = self._fates.pop(answer.request_id, answer.request_id)
        pending = self._pending.pop(about, None)
        if pending is None or pending.answer.done():
            return
        if about != answer.request_id and answer.outcome is Outcome.UNKNOWN:
            answer = _own_answer(
                pending.request,
                Outcome.UNKNOWN,
                "the daemon has no record of it: look at the state before you do it again",
            )
        pending.answer.set_result(answer)

    async def _ping(self, line: _Line) -> None:
        while True:
            await asyncio.sleep(control.PING_EVERY_S)
            if line.greeted:
                self._ping_once(line)
            self._expire()

    def _ping_once(self, line: _Line) -> None:
        line.number += 1
        now_s = self._now_s()
        # Unanswered pings are few by nature; when the daemon hangs, the oldest ones tell enough.
        if len(line.pings) < control.IDLE_MAX_S:
            line.pings[line.number] = now_s
        self._send(control.Ping(number=line.number, sent_ns=int(now_s * 1e9)))

    def _expire(self) -> None:
        now_s = self._now_s()
        for request_id, pending in list(self._pending.items()):
            limit_s = pending.request.timeout_ms / 1_000 + GRACE_S
            if not pending.in_doubt and now_s - pending.sent_s > limit_s:
                self._pending.pop(request_id)
                pending.answer.set_result(
                    _own_answer(pending.request, Outcome.UNKNOWN, "the daemon gave no answer")
                )

    def _lose(self) -> None:
        self._line = None
        self._fates.clear()
        for request_id, pending in list(self._pending.items()):
            if isinstance(pending.request, control.Act):
                pending.in_doubt = True
            else:
                self._pending.pop(request_id)
                pending.answer.set_result(
                    _own_answer(pending.request, Outcome.ERROR, "the connection was lost")
                )

    def _send(self, frame: control.ClientFrame | control.Request) -> None:
        line = self._line
        if line is None or not (line.greeted or isinstance(frame, control.Hello)):
            return
        if line.writer.transport.get_write_buffer_size() > UNSENT_BYTES_MAX:
            line.writer.transport.abort()
            return
        line.writer.write(encode_frame(frame))

    def _now_s(self) -> float:
        return asyncio.get_running_loop().time()


def _nothing(former: control.Welcome, welcome: control.Welcome) -> None:
    pass


def _own_answer(request: control.Request, outcome: Outcome, text: str) -> Answer:
    return Answer(request_id=request.request_id, outcome=outcome, text=text)


def _reason(error: OSError, path: Path) -> str:
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return f"nothing listens at {path}: is the bot running?"
    if isinstance(error, PermissionError):
        return f"{path} belongs to another user: ask its owner"
    if isinstance(error, TimeoutError):
        return f"{path} does not answer"
    return f"{path}: {error.strerror or error}"
