"""The verbs' side of the control socket: connect, ask one thing, print, leave."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio
from trio.abc import HalfCloseableStream

from bot.errors import NotRunningError, TimedOutError, VerbError
from messages.control import (
    PING_EVERY_S,
    Answer,
    FromClient,
    Goodbye,
    GoodbyeReason,
    Hello,
    Ping,
    Request,
    ServerFrame,
    Welcome,
)
from messages.framing import encode_frame
from messages.readers import client_reader
from supervisor.net import network

Result = TypeVar("Result")

CONNECT_WAIT_S = 2.0
# Above the daemon's own limit for a request, so that its word comes first.
GRACE_S = 3.0
RECEIVE_BYTES = 65_536


class Link:
    """One connection to the daemon."""

    def __init__(self, stream: HalfCloseableStream, folder: Path) -> None:
        self._stream = stream
        self._folder = folder
        self._reader = client_reader()
        self._frames: list[ServerFrame] = []
        # Pings and requests are sent by two tasks.
        self._turn = trio.Lock()
        self.welcome: Welcome | None = None

    async def send(self, frame: FromClient) -> None:
        """Send one frame."""
        async with self._turn:
            try:
                await self._stream.send_all(encode_frame(frame))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise NotRunningError(self._folder) from None

    async def receive(self) -> ServerFrame:
        """Wait for the next frame. Raises `NotRunningError` when the daemon has left."""
        while not self._frames:
            try:
                data = await self._stream.receive_some(RECEIVE_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            if not data:
                raise NotRunningError(self._folder)
            self._frames += self._reader.feed(bytes(data))
        frame = self._frames.pop(0)
        if isinstance(frame, Goodbye):
            if frame.reason is GoodbyeReason.STOPPING:
                raise NotRunningError(self._folder)
            raise VerbError(f"the bot closed the connection: {frame.text}")
        return frame

    async def ask(self, request: Request) -> Answer:
        """Send a request and wait for its answer."""
        await self.send(request)
        wait_s = request.timeout_ms / 1_000 + GRACE_S
        with trio.move_on_after(wait_s):
            while True:
                frame = await self.receive()
                if isinstance(frame, Answer) and frame.request_id == request.request_id:
                    return frame
        raise TimedOutError("the bot did not answer", wait_s)

    async def keep_alive(self) -> None:
        """Ping until cancelled: a client that says nothing is cut."""
        number = 0
        while True:
            await trio.sleep(PING_EVERY_S)
            number += 1
            await self.send(Ping(number=number, sent_ns=0))


@asynccontextmanager
async def connected(folder: Path, name: str) -> AsyncIterator[Link]:
    """Connect to the daemon that keeps its data in `folder`. Raises `NotRunningError`."""
    stream = await _open(folder)
    async with stream:
        link = Link(stream, folder)
        with trio.move_on_after(CONNECT_WAIT_S) as waiting:
            await link.send(Hello(client=name))
            frame = await link.receive()
            assert isinstance(frame, Welcome), "the daemon's first frame is Welcome"
            link.welcome = frame
        if waiting.cancelled_caught:
            raise TimedOutError("the bot did not say welcome", CONNECT_WAIT_S)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(link.keep_alive)
            yield link
            nursery.cancel_scope.cancel()


async def _open(folder: Path) -> HalfCloseableStream:
    try:
        name = (folder / "socket").read_text().strip()
        with trio.move_on_after(CONNECT_WAIT_S):
            return await network().open_unix_stream(Path(name))
    except (OSError, UnicodeDecodeError):
        raise NotRunningError(folder) from None
    raise TimedOutError("the bot did not accept the connection", CONNECT_WAIT_S)


def run(main: Callable[[], Awaitable[Result]]) -> Result:
    """Run `main` to its end; of several errors at once, raise the verb's own."""
    try:
        return trio.run(main, strict_exception_groups=True)
    except BaseExceptionGroup as group:
        raise _plain(group) from group


def _plain(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        own = [inner for inner in error.exceptions if isinstance(inner, VerbError)]
        error = own[0] if own else error.exceptions[0]
    return error


def ask(folder: Path, request: Request, name: str) -> Answer:
    """Ask the daemon of `folder` one thing and return its answer."""

    async def main() -> Answer:
        async with connected(folder, name) as link:
            return await link.ask(request)

    return run(main)
