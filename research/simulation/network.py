"""The simulated twin of `supervisor.net`: streams in memory, with weather.

A connection keeps the order of its bytes, as TCP does, and nothing else: they come late, in other
pieces, or never again. A half-open connection takes bytes and delivers none, and nobody is told.
"""

import errno
import random
import socket
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import trio
from trio.abc import HalfCloseableStream, Listener

PPM = 1_000_000
# What a sender may have under way before it waits: a socket's buffers on Linux.
BUFFER_BYTES_MAX = 262_144
RECEIVE_BYTES = 65_536
# Connections waiting for accept; the venue and the control socket accept at once.
BACKLOG_MAX = 64
FIRST_PORT = 20_000
# Who talks over the network that `open_tcp_stream` is called in: the bot.
Tap = Callable[[bytes], None]


@dataclass(frozen=True, kw_only=True)
class Weather:
    """How bad the network is; rates are per connection attempt or per send, in ppm."""

    delay_s_min: float = 0.0
    delay_s_max: float = 0.0
    no_name_ppm: int = 0
    refuse_ppm: int = 0
    reset_ppm: int = 0
    half_open_ppm: int = 0
    stall_ppm: int = 0
    stall_s_max: float = 0.0
    chop_ppm: int = 0


CALM = Weather()


class _Pipe:
    """One direction of a connection."""

    def __init__(self) -> None:
        self.chunks: deque[tuple[float, bytes]] = deque()
        self.size = 0
        self.due_s = 0.0
        self.is_lost = False
        self.has_ended = False
        self.is_broken = False
        self.moved = trio.Event()

    def wake(self) -> None:
        self.moved.set()
        self.moved = trio.Event()

    def end(self) -> None:
        if not self.is_lost:
            self.has_ended = True
        self.wake()

    def break_off(self) -> None:
        self.is_broken = True
        self.chunks.clear()
        self.size = 0
        self.wake()


class SimulatedStream(HalfCloseableStream):
    """One end of a connection."""

    def __init__(self, network: "SimulatedNetwork", incoming: _Pipe, outgoing: _Pipe) -> None:
        self._network = network
        self._in = incoming
        self._out = outgoing
        self._is_closed = False
        self.tap: Tap | None = None
        """Sees what is sent at this end, before the network does anything to it."""

    @property
    def is_readable(self) -> bool:
        """Whether a read would return at once: of an idle connection, that it was closed."""
        pipe = self._in
        arrived = bool(pipe.chunks) and pipe.chunks[0][0] <= trio.current_time()
        return arrived or pipe.is_broken or (pipe.has_ended and not pipe.chunks)

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await trio.lowlevel.checkpoint()
        self._check(self._out)
        if self._out.has_ended:
            raise trio.ClosedResourceError("this end was closed")
        if self.tap is not None:
            self.tap(bytes(data))
        self._network.carry(self, self._out, bytes(data))
        while self._out.size > BUFFER_BYTES_MAX and not self._out.is_broken:
            await self._out.moved.wait()
        self._check(self._out)

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.checkpoint()

    async def send_eof(self) -> None:
        await trio.lowlevel.checkpoint()
        self._check(self._out)
        self._out.end()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        await trio.lowlevel.checkpoint()
        pipe = self._in
        while True:
            self._check(pipe)
            if pipe.chunks:
                wait_s = pipe.chunks[0][0] - trio.current_time()
                if wait_s <= 0:
                    return self._take(pipe, max_bytes or RECEIVE_BYTES)
                with trio.move_on_after(wait_s):
                    await pipe.moved.wait()
            elif pipe.has_ended:
                return b""
            else:
                await pipe.moved.wait()

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            self._out.end()
            # Nobody reads here any more: who goes on writing is told so.
            if not self._in.is_lost:
                self._in.break_off()
            self._in.wake()
            self._network.forget(self)
        await trio.lowlevel.checkpoint()

    def break_off(self) -> None:
        """Reset the connection at both ends, now."""
        self._in.break_off()
        self._out.break_off()
        self._network.forget(self)

    def lose(self) -> None:
        """Make the connection half-open: from now on nothing arrives, and nobody is told."""
        self._in.is_lost = self._out.is_lost = True

    def _take(self, pipe: _Pipe, max_bytes: int) -> bytes:
        now_s, parts, room = trio.current_time(), [], max_bytes
        while pipe.chunks and room > 0 and pipe.chunks[0][0] <= now_s:
            due_s, data = pipe.chunks.popleft()
            if len(data) > room:
                pipe.chunks.appendleft((due_s, data[room:]))
                data = data[:room]
            parts.append(data)
            room -= len(data)
            pipe.size -= len(data)
        pipe.wake()
        return b"".join(parts)

    def _check(self, pipe: _Pipe) -> None:
        if self._is_closed:
            raise trio.ClosedResourceError("this end was closed")
        if pipe.is_broken:
            raise trio.BrokenResourceError("the connection was reset")


class SimulatedListener(Listener[HalfCloseableStream]):
    """Where connections arrive."""

    def __init__(self, network: "SimulatedNetwork", place: tuple[str, int], port: int) -> None:
        self.port = port
        self._network = network
        self._place = place
        self.send, self._receive = trio.open_memory_channel[SimulatedStream](BACKLOG_MAX)

    async def accept(self) -> HalfCloseableStream:
        return await self._receive.receive()

    async def aclose(self) -> None:
        self._network.close(self._place)
        self._receive.close()
        await trio.lowlevel.checkpoint()


class SimulatedNetwork:
    """All hosts, their listeners and their connections. Fulfils `supervisor.net.Network`."""

    def __init__(self, draws: random.Random, note: Callable[[str], None]) -> None:
        self.weather = CALM
        self.counts: Counter[str] = Counter()
        self.is_cut = False
        """Whether nothing new gets through: a partition."""
        self.has_no_files = False
        """Whether the process may open no more connections: its limit of files is met."""
        self.is_down = False
        """Whether the host whose clients connect here is off."""
        self.tap: Tap | None = None
        """Given to every connection's client end."""
        self._draws = draws
        self._note = note
        self._listeners: dict[tuple[str, int], SimulatedListener] = {}
        self._clients: dict[SimulatedStream, None] = {}
        self._next_port = FIRST_PORT

    # --- the network of supervisor.net

    async def open_tcp_stream(self, host: str, port: int) -> HalfCloseableStream:
        return await self._connect((host, port))

    async def open_tcp_listeners(
        self, host: str, port: int
    ) -> Sequence[Listener[HalfCloseableStream]]:
        await trio.lowlevel.checkpoint()
        if not port:
            self._next_port += 1
            port = self._next_port
        return [self._listen((host, port), port)]

    async def open_unix_stream(self, path: Path) -> HalfCloseableStream:
        return await self._connect((str(path), 0))

    async def open_unix_listener(self, path: Path) -> Listener[HalfCloseableStream]:
        await trio.lowlevel.checkpoint()
        return self._listen((str(path), 0), 0)

    def _listen(self, place: tuple[str, int], port: int) -> SimulatedListener:
        if place in self._listeners:
            raise OSError(errno.EADDRINUSE, f"{place} is taken")
        listener = self._listeners[place] = SimulatedListener(self, place, port)
        return listener

    async def connect_quietly(self, place: tuple[str, int]) -> SimulatedStream:
        """Connect as somebody who is not part of the bot: no tap, and never refused."""
        await trio.lowlevel.checkpoint()
        return self._join(place)

    async def _connect(self, place: tuple[str, int]) -> SimulatedStream:
        await trio.sleep(self._delay_s())
        if self.has_no_files:
            raise OSError(errno.EMFILE, "too many open files")
        if self._happens("no-name", self.weather.no_name_ppm):
            raise socket.gaierror(socket.EAI_AGAIN, "temporary failure in name resolution")
        if self.is_cut:
            await trio.sleep_forever()  # a lost SYN: whoever dials has a time-out
        if self.is_down or self._happens("refuse", self.weather.refuse_ppm):
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{place} refuses")
        client = self._join(place)
        client.tap = self.tap
        self._clients[client] = None
        return client

    def _join(self, place: tuple[str, int]) -> SimulatedStream:
        listener = self._listeners.get(place)
        if listener is None:
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nobody listens at {place}")
        there, here = _Pipe(), _Pipe()
        client = SimulatedStream(self, here, there)
        try:
            listener.send.send_nowait(SimulatedStream(self, there, here))
        except (trio.WouldBlock, trio.BrokenResourceError):
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{place} is busy") from None
        return client

    # --- what streams and worlds ask

    def close(self, place: tuple[str, int]) -> None:
        """Listen no more at `place`."""
        self._listeners.pop(place, None)

    def forget(self, stream: SimulatedStream) -> None:
        """Let go of a connection that has ended."""
        self._clients.pop(stream, None)

    def ports(self) -> list[tuple[str, int]]:
        """Return where TCP is listened."""
        return [place for place in self._listeners if place[1]]

    def sever(self) -> None:
        """Reset every connection."""
        for stream in list(self._clients):
            stream.break_off()

    def lose_all(self) -> None:
        """Make every connection half-open, as when a router dies."""
        for stream in list(self._clients):
            stream.lose()

    def carry(self, stream: SimulatedStream, pipe: _Pipe, data: bytes) -> None:
        """Take bytes on their way, or not."""
        weather = self.weather
        if weather.reset_ppm and self._happens("reset", weather.reset_ppm):
            stream.break_off()
            return
        if weather.half_open_ppm and self._happens("half-open", weather.half_open_ppm):
            stream.lose()
        if pipe.is_lost:
            return
        due_s = trio.current_time() + self._delay_s()
        if weather.stall_ppm and self._happens("stall", weather.stall_ppm):
            due_s += self._draws.random() * weather.stall_s_max
        pipe.due_s = due_s = max(due_s, pipe.due_s)
        if len(data) > 1 and weather.chop_ppm and self._happens("chop", weather.chop_ppm):
            at = 1 + int(self._draws.random() * (len(data) - 1))
            pipe.chunks.append((due_s, data[:at]))
            pipe.due_s = due_s = due_s + self._delay_s()
            data_left = data[at:]
        else:
            data_left = data
        pipe.chunks.append((due_s, data_left))
        pipe.size += len(data)
        pipe.wake()

    def _delay_s(self) -> float:
        weather = self.weather
        if not weather.delay_s_max:
            return 0.0
        spread_s = weather.delay_s_max - weather.delay_s_min
        return weather.delay_s_min + self._draws.random() * spread_s

    def _happens(self, fault: str, ppm: int) -> bool:
        if not ppm or self._draws.random() * PPM >= ppm:
            return False
        self.counts[fault] += 1
        self._note(f"network: {fault}")
        return True
