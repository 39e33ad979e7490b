"""What waits to be written to one client of the control socket: bounded, and never waited for.

Whoever can do without a frame being sent (a delta) asks `try_put`; whoever owes the frame (an
answer, a snapshot) waits in `put`, which only tasks of that client do.
"""

from collections import deque

import trio
from trio.abc import HalfCloseableStream

from messages.control import OUTBOX_BYTES_MAX, OUTBOX_FRAMES_MAX, STALL_MAX_S

# Pings come once a second: more answers than this wait only for a client that does not read.
URGENT_FRAMES_MAX = 16
# Each chunk has STALL_MAX_S to be accepted: small against a socket's buffer, so that a client which
# reads slowly but reads is not taken for one that stalls.
CHUNK_BYTES = 16_384


class StalledError(Exception):
    """The client accepted nothing for too long."""


class Outbox:
    """Frames on their way to one client, in order, urgent ones first."""

    def __init__(
        self, frames_max: int = OUTBOX_FRAMES_MAX, bytes_max: int = OUTBOX_BYTES_MAX
    ) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._urgent: deque[bytes] = deque()
        self._frames: deque[bytes] = deque()
        self._bytes = 0
        self._filled = trio.Event()
        self._emptied = trio.Event()
        self.mid_frame = False
        """Part of a frame is written: nothing else may be until it is whole."""
        self.dropped = 0

    def try_put(self, frame: bytes) -> bool:
        """Queue `frame` if there is room; return whether there was."""
        is_full = len(self._frames) >= self._frames_max
        if is_full or self._bytes + len(frame) > self._bytes_max:
            self.dropped += 1
            return False
        self._frames.append(frame)
        self._bytes += len(frame)
        self._filled.set()
        return True

    def has_room(self) -> bool:
        """Return whether at least half of the outbox is free."""
        return len(self._frames) < self._frames_max // 2 and self._bytes < self._bytes_max // 2

    def put_urgent(self, frame: bytes) -> None:
        """Queue a small frame ahead of the others; the oldest of too many is dropped."""
        if len(self._urgent) >= URGENT_FRAMES_MAX:
            self._urgent.popleft()
            self.dropped += 1
        self._urgent.append(frame)
        self._filled.set()

    async def put(self, frame: bytes) -> None:
        """Queue `frame`, waiting for room if need be."""
        await trio.lowlevel.checkpoint()
        while not self.try_put(frame):
            self._emptied = trio.Event()
            await self._emptied.wait()

    async def write_to(self, stream: HalfCloseableStream) -> None:
        """Write what is queued until cancelled; raise `StalledError` if it reads nothing."""
        while True:
            while not (self._urgent or self._frames):
                self._filled = trio.Event()
                await self._filled.wait()
            if self._urgent:
                frame = self._urgent.popleft()
            else:
                frame = self._frames.popleft()
                self._bytes -= len(frame)
            await self._write(stream, frame)
            self._emptied.set()

    async def flush(self, stream: HalfCloseableStream, last: bytes) -> None:
        """Write `last` at the end of a connection, unless it would land inside another frame."""
        if not self.mid_frame:
            await stream.send_all(last)

    async def _write(self, stream: HalfCloseableStream, frame: bytes) -> None:
        self.mid_frame = True
        view = memoryview(frame)
        for start in range(0, len(frame), CHUNK_BYTES):
            with trio.move_on_after(STALL_MAX_S) as waiting:
                await stream.send_all(view[start : start + CHUNK_BYTES])
            if waiting.cancelled_caught:
                raise StalledError
        self.mid_frame = False
