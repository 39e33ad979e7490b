"""One client of the control socket, from its `Hello` to the end of the connection."""

from contextlib import suppress
from typing import Protocol

import trio
from trio.abc import HalfCloseableStream

from messages.control import (
    HELLO_WAIT_S,
    IDLE_MAX_S,
    REQUESTS_MAX,
    Answer,
    ClientFrame,
    Goodbye,
    GoodbyeReason,
    Hello,
    Outcome,
    Ping,
    Pong,
    Request,
    Subscribe,
    Unsubscribe,
    View,
    Welcome,
)
from messages.framing import ProtocolError, encode_frame
from messages.readers import server_reader
from supervisor.outbox import Outbox, StalledError
from supervisor.watching import Views, Watch

RECEIVE_BYTES = 65_536
# The client that is being told why reads now or never.
GOODBYE_WAIT_S = 1.0


class Server(Protocol):
    """What a session needs of the port."""

    loop_lag_ns: int

    @property
    def answers(self) -> Views:
        """Where rows come from."""

    def welcome(self, hello: Hello, stream: HalfCloseableStream) -> Welcome:
        """Return the answer to a client's first frame."""

    def operator(self, hello: Hello, stream: HalfCloseableStream) -> str:
        """Return who is at the other end, for the audit."""

    async def answer(self, request: Request, operator: str, read_only_reason: str) -> Answer:
        """Return the one answer to a request."""

    def refuse(self, kind: str, detail: str) -> None:
        """Count a connection that was closed for what its client did."""

    def now_ns(self) -> int:
        """Return the process clock."""


class _EndedError(Exception):
    """The connection ends, with these last words."""

    def __init__(self, goodbye: Goodbye) -> None:
        super().__init__(goodbye.text)
        self.goodbye = goodbye


class Session:
    """One client's connection."""

    def __init__(self, server: Server, stream: HalfCloseableStream) -> None:
        self._server = server
        self._stream = stream
        self._outbox = Outbox()
        self._reader = server_reader()
        self._requests = trio.Semaphore(REQUESTS_MAX)
        self._watches: dict[View, trio.CancelScope] = {}
        self._early: list[ClientFrame] = []
        self._read_only_reason = ""
        self._operator = ""

    async def refuse(self, goodbye: Goodbye) -> None:
        """Say goodbye instead of serving."""
        await self._end(goodbye)

    async def run(self) -> None:
        """Serve the client until either side ends the connection."""
        last: Goodbye | None = Goodbye(reason=GoodbyeReason.STOPPING, text="the bot stops")
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._outbox.write_to, self._stream)
                await self._greet()
                await self._converse(nursery)
                nursery.cancel_scope.cancel()
        except* _EndedError as ended:
            last = _first(ended).goodbye
        except* ProtocolError as fault:
            error = _first_fault(fault)
            self._server.refuse(error.fault.value, error.detail)
            last = Goodbye(reason=GoodbyeReason.PROTOCOL, text=str(error))
        except* StalledError:
            self._server.refuse("stalled", "a client stopped reading")
            last = None
        except* (trio.BrokenResourceError, trio.ClosedResourceError):
            last = None
        finally:
            await self._end(last)

    async def _end(self, goodbye: Goodbye | None) -> None:
        with trio.CancelScope(shield=True):
            if goodbye is not None:
                # The client may be gone already: then nobody is there to be told.
                with (
                    trio.move_on_after(GOODBYE_WAIT_S),
                    suppress(trio.BrokenResourceError, trio.ClosedResourceError),
                ):
                    await self._outbox.flush(self._stream, encode_frame(goodbye))
            await trio.aclose_forcefully(self._stream)

    # --- what the client says

    async def _greet(self) -> None:
        with trio.move_on_after(HELLO_WAIT_S) as waiting:
            frames: list[ClientFrame] = []
            while not frames:
                frames = await self._receive()
        if waiting.cancelled_caught:
            text = f"no hello within {HELLO_WAIT_S} s"
            self._server.refuse("silent", text)
            raise _EndedError(Goodbye(reason=GoodbyeReason.PROTOCOL, text=text))
        hello, *self._early = frames
        if not isinstance(hello, Hello):
            text = f"the first frame was {type(hello).__name__}, it must be Hello"
            self._server.refuse("no hello", text)
            raise _EndedError(Goodbye(reason=GoodbyeReason.PROTOCOL, text=text))
        welcome = self._server.welcome(hello, self._stream)
        self._read_only_reason = welcome.read_only_reason
        self._operator = self._server.operator(hello, self._stream)
        await self._outbox.put(encode_frame(welcome))

    async def _converse(self, nursery: trio.Nursery) -> None:
        frames = self._early
        while True:
            for frame in frames:
                await self._take(frame, nursery)
            with trio.move_on_after(IDLE_MAX_S) as waiting:
                frames = await self._receive()
            if waiting.cancelled_caught:
                text = f"nothing was heard for {IDLE_MAX_S} s: send a Ping every second"
                raise _EndedError(Goodbye(reason=GoodbyeReason.IDLE, text=text))

    async def _receive(self) -> list[ClientFrame]:
        data = await self._stream.receive_some(RECEIVE_BYTES)
        if not data:
            self._reader.close()
            raise trio.ClosedResourceError
        return self._reader.feed(bytes(data))

    async def _take(self, frame: ClientFrame, nursery: trio.Nursery) -> None:
        if isinstance(frame, Ping):
            pong = Pong(
                number=frame.number,
                sent_ns=frame.sent_ns,
                now_ns=self._server.now_ns(),
                loop_lag_ns=self._server.loop_lag_ns,
            )
            self._outbox.put_urgent(encode_frame(pong))
        elif isinstance(frame, Subscribe):
            self._unsubscribe(frame.view)
            scope = self._watches[frame.view] = trio.CancelScope()
            nursery.start_soon(self._watch, frame, scope)
        elif isinstance(frame, Unsubscribe):
            self._unsubscribe(frame.view)
        elif isinstance(frame, Request):
            # A client with so many questions open is not read until one is answered.
            await self._requests.acquire()
            nursery.start_soon(self._answer, frame)
        else:
            text = f"{type(frame).__name__} is sent once, at first"
            self._server.refuse("second hello", text)
            raise _EndedError(Goodbye(reason=GoodbyeReason.PROTOCOL, text=text))

    # --- what it is told

    def _unsubscribe(self, view: View) -> None:
        scope = self._watches.pop(view, None)
        if scope is not None:
            scope.cancel()

    async def _watch(self, wish: Subscribe, scope: trio.CancelScope) -> None:
        with scope:
            await Watch(wish, self._server.answers, self._outbox).run()

    async def _answer(self, request: Request) -> None:
        try:
            answer = await self._server.answer(request, self._operator, self._read_only_reason)
            await self._outbox.put(_answer_frame(answer))
        finally:
            self._requests.release()


def _answer_frame(answer: Answer) -> bytes:
    try:
        return encode_frame(answer)
    except ProtocolError as error:
        failed = Answer(request_id=answer.request_id, outcome=Outcome.ERROR, text=str(error))
        return encode_frame(failed)


def _first(group: BaseExceptionGroup[_EndedError]) -> _EndedError:
    error = group.exceptions[0]
    return error if isinstance(error, _EndedError) else _first(error)


def _first_fault(group: BaseExceptionGroup[ProtocolError]) -> ProtocolError:
    error = group.exceptions[0]
    return error if isinstance(error, ProtocolError) else _first_fault(error)
