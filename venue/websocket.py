"""One WebSocket connection of a client: sans-I/O frames, a bounded outbox, faults on demand.

A client that does not read is cut: its outbox is finite, and nobody waits for it.
"""

import math
from collections.abc import Awaitable, Callable
from typing import cast

import trio
from trio.abc import HalfCloseableStream
from websockets.exceptions import InvalidState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from venue.faults import Decision, Fault, FaultPlan
from venue.http import HttpRequest

# A second of a busy market with a thousand changes each at the widest depth; then the peer is slow.
OUTBOX_FRAMES_MAX = 1_000
MESSAGE_BYTES_MAX = 65_536  # what a client may send: a batch of orders is a few kB
RECEIVE_BYTES = 65_536
SEND_S = 10.0  # a peer whose window stays shut this long is gone

# What wakes the writer when there is only an answer of the WebSocket protocol itself to send.
_NOTHING = b""

OnMessage = Callable[["WebSocketSession", bytes], Awaitable[None]]


class WebSocketSession:
    """A connected client. `send` never blocks; frames leave in the order of the calls."""

    def __init__(
        self, number: int, request: HttpRequest, stream: HalfCloseableStream, faults: FaultPlan
    ) -> None:
        self.number = number
        self.path = request.path
        self.query = request.query
        self.peer = request.peer
        self.last_sent_s = -math.inf
        """When the last frame was queued, in trio's time: heartbeats fill longer silences."""
        self.is_open = True
        self._stream = stream
        self._faults = faults
        self._protocol = ServerProtocol(max_size=MESSAGE_BYTES_MAX)
        self._outbox_in, self._outbox_out = trio.open_memory_channel[bytes](OUTBOX_FRAMES_MAX)
        self._scope = trio.CancelScope()
        self._sending = trio.Lock()
        self._text = bytearray()

    def send(self, frame: bytes, channel: str) -> None:
        """Queue a text frame; faults may turn it into something else. Cuts a slow client."""
        if not self.is_open:
            return
        self.last_sent_s = trio.current_time()
        decision = self._faults.for_frame(channel)
        for data in [frame] if decision is None else self._faulty(frame, decision):
            self._queue(data)

    def abort(self) -> None:
        """Drop the connection without a close frame."""
        self.is_open = False
        self._scope.cancel()

    async def handshake(self, received: bytes) -> bool:
        """Answer the upgrade request that is in `received`; False when it was refused."""
        self._protocol.receive_data(received)
        events = self._protocol.events_received()
        if not events:
            return False
        response = self._protocol.accept(cast(Request, events[0]))
        self._protocol.send_response(response)
        await self._flush()
        return self._protocol.state is State.OPEN

    async def run(self, on_message: OnMessage) -> None:
        """Serve the connection until either side ends it."""
        with self._scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._write)
                await self._read(on_message)
                nursery.cancel_scope.cancel()
        self.is_open = False

    def _queue(self, data: bytes) -> None:
        try:
            self._outbox_in.send_nowait(data)
        except trio.WouldBlock:
            self.abort()

    def _faulty(self, frame: bytes, decision: Decision) -> list[bytes]:
        if decision.fault is Fault.DROP_SOCKET:
            self.abort()
            return []
        return {
            Fault.GAP: [],
            Fault.DUPLICATE: [frame, frame],
            Fault.TRUNCATE_FRAME: [frame[: len(frame) // 2]],
            Fault.GARBAGE_FRAME: [b'{"channel":"b\x1f?', frame],
        }[decision.fault]

    async def _read(self, on_message: OnMessage) -> None:
        while True:
            for event in self._protocol.events_received():
                assert isinstance(event, Frame), "only frames follow the handshake"
                message = self._assembled(event)
                if message is not None:
                    await on_message(self, message)
            if self._protocol.close_expected():
                await self._flush()
                return
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data:
                return
            self._protocol.receive_data(data)

    def _assembled(self, frame: Frame) -> bytes | None:
        if frame.opcode not in (Opcode.TEXT, Opcode.BINARY, Opcode.CONT):
            # The protocol object has made the answer (a pong); the writer carries it away.
            self._queue(_NOTHING)
            return None
        self._text += frame.data
        if len(self._text) > MESSAGE_BYTES_MAX:
            self._protocol.fail(1009, "message too big")
            return None
        if not frame.fin:
            return None
        message = bytes(self._text)
        self._text.clear()
        return message

    async def _write(self) -> None:
        async for data in self._outbox_out:
            try:
                self._encode(data)
                while True:
                    self._encode(self._outbox_out.receive_nowait())
            except trio.WouldBlock:
                pass
            except InvalidState:
                return
            await self._flush()

    def _encode(self, data: bytes) -> None:
        if data is not _NOTHING:
            self._protocol.send_text(data)

    async def _flush(self) -> None:
        # Reader and writer both flush; whoever holds the lock takes all there is, in order.
        async with self._sending:
            data = b"".join(self._protocol.data_to_send())
            if data:
                with trio.fail_after(SEND_S):
                    await self._stream.send_all(data)
