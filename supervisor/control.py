"""The server of the control socket: a port that people's programs talk to (`messages/control.py`).

It knows the protocol and nothing of what is asked: queries, acts and rows are an `Answers`
object's. No client can hold anything up but itself: each has tasks and an outbox of its own, both
bounded, and one that stalls, idles or sends what the protocol does not have is cut.
"""

import logging
import os
import pwd
import socket
import struct
from collections import Counter, OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import trio
from trio.abc import HalfCloseableStream, Listener

from messages.base import Message
from messages.control import (
    CLIENTS_MAX,
    FATES_KEPT,
    PROTOCOL_VERSION,
    Act,
    Answer,
    Fate,
    Goodbye,
    GoodbyeReason,
    Hello,
    Outcome,
    Request,
    Welcome,
)
from messages.framing import encode_frame
from supervisor.clock import NANOSECONDS_PER_SECOND
from supervisor.net import network
from supervisor.port import Command, Port, PortContext
from supervisor.session import Session
from supervisor.watching import Views

logger = logging.getLogger("control")

# How often the event loop's lateness is looked at: twice within what a person notices.
LAG_EVERY_NS = 500_000_000
# A person reads a goodbye only if the client is there to take it at once.
GOODBYE_WAIT_S = 1.0
# One reply belongs to one id; what comes after it has nobody to go to.
_REPLIES_PER_ID = 1
_CREDENTIALS = struct.Struct("3i")  # struct ucred: pid, uid, gid


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who the daemon is, for `Welcome`."""

    version: str
    boot_id: str
    pid: int
    started_ns: int
    config_hash: str
    environment: str


class Desk(Protocol):
    """What the server does for its `Answers`: the way into the tree, and back."""

    address: str
    loop_lag_ns: int

    def now_ns(self) -> int:
        """Return the process clock."""

    def new_id(self) -> str:
        """Return a new id, for a message that is to be acknowledged."""

    async def ask(self, address: str, message: Message, reply_id: str) -> Message:
        """Send a durable message to an actor; return its reply, which arrives after its commit."""

    async def committed(self) -> None:
        """Wait until all sent so far is durable."""


class Answers(Views, Protocol):
    """What the daemon has to say. A raised exception becomes an `Answer` of ERROR."""

    identity: Identity

    async def prepare(self) -> None:
        """Get ready to be asked; called before the first client is let in."""

    async def query(self, request: Request, desk: Desk) -> Answer:
        """Answer a query."""

    async def act(self, request: Act, operator: str, desk: Desk) -> Answer:
        """Do an act, durably, and say what was done."""

    def reply_id(self, message: Message) -> str:
        """Return the id that a message to the control port replies to."""


class ControlPort(Port):
    """Serves the control socket at `path`; its name is written to `pointer`.

    Subclasses say in `commands` which messages may be sent to it: replies to what it sent.
    """

    announces_start = True

    def __init__(self, path: Path, pointer: Path, answers: Answers) -> None:
        self._path = path
        self._pointer = pointer
        self.answers = answers
        self._sessions: set[Session] = set()
        self._replies: dict[str, trio.MemorySendChannel[Message]] = {}
        self._fates: OrderedDict[str, Answer | None] = OrderedDict()
        self.refused: Counter[str] = Counter()
        """Connections closed for what the client sent, by kind of fault."""
        self.loop_lag_ns = 0
        self.address = ""
        self._ctx: PortContext | None = None

    async def recover(self, pending: Sequence[Command], ctx: PortContext) -> None:
        """Let go of replies to requests whose clients went with the earlier incarnation."""
        for command in pending:
            ctx.conclude(command, None)
        await ctx.committed()

    async def run(self, ctx: PortContext) -> None:
        self._ctx = ctx
        self.address = ctx.address
        await self.answers.prepare()
        listener = await network().open_unix_listener(self._path)
        try:
            _write_pointer(self._pointer, self._path)
            ctx.started()
            ctx.nursery.start_soon(self._take_replies, ctx)
            ctx.nursery.start_soon(self._measure_lag, ctx)
            await self._accept(listener, ctx)
        finally:
            self._path.unlink(missing_ok=True)
            self._pointer.unlink(missing_ok=True)
            with trio.CancelScope(shield=True):
                await listener.aclose()

    # --- clients

    async def _accept(self, listener: Listener[HalfCloseableStream], ctx: PortContext) -> None:
        while True:
            try:
                stream = await listener.accept()
            except OSError as error:
                # Out of file descriptors, or the client was gone again: neither is lasting.
                self._note("accept", str(error))
                await trio.sleep(GOODBYE_WAIT_S)
                continue
            ctx.nursery.start_soon(self._serve, stream)

    async def _serve(self, stream: HalfCloseableStream) -> None:
        """Serve one client; whatever goes wrong, only this connection ends."""
        session = Session(self, stream)
        if len(self._sessions) >= CLIENTS_MAX:
            self._note("crowded", f"{CLIENTS_MAX} clients are connected")
            text = f"{CLIENTS_MAX} clients are connected: close one, then try again"
            await session.refuse(Goodbye(reason=GoodbyeReason.CROWDED, text=text))
            return
        self._sessions.add(session)
        try:
            await session.run()
        except Exception:
            logger.exception("a client's connection ended by an error of ours")
        finally:
            self._sessions.discard(session)

    def _note(self, kind: str, detail: str) -> None:
        self.refused[kind] += 1
        if self.refused[kind] == 1:
            logger.warning("control socket: %s: %s (said once, counted from now on)", kind, detail)

    def refuse(self, kind: str, detail: str) -> None:
        """Count a connection that was closed for what its client sent or did not do."""
        self._note(kind, detail)

    @property
    def clients(self) -> int:
        """How many clients are connected."""
        return len(self._sessions)

    def welcome(self, hello: Hello, stream: HalfCloseableStream) -> Welcome:
        """Return the answer to a client's first frame."""
        reason = _read_only_reason(hello, peer_uid(stream))
        identity = self.answers.identity
        return Welcome(
            protocol=PROTOCOL_VERSION,
            daemon_version=identity.version,
            boot_id=identity.boot_id,
            pid=identity.pid,
            started_ns=identity.started_ns,
            now_ns=self.now_ns(),
            config_hash=identity.config_hash,
            environment=identity.environment,
            read_only=bool(reason),
            read_only_reason=reason,
        )

    def operator(self, hello: Hello, stream: HalfCloseableStream) -> str:
        """Return who is at the other end, for the audit: the user, and what they use."""
        uid = peer_uid(stream)
        try:
            user = pwd.getpwuid(uid).pw_name
        except KeyError:
            user = f"user {uid}"
        return f"{user} ({hello.client})" if hello.client else user

    # --- requests

    async def answer(self, request: Request, operator: str, read_only_reason: str) -> Answer:
        """Return the one answer to a request, in time."""
        if isinstance(request, Fate):
            return self._fate(request)
        if isinstance(request, Act):
            if read_only_reason:
                text = f"this connection may only read ({read_only_reason})"
                return _answer(request, Outcome.DENIED, text)
            return await self._act_once(request, operator)
        answer = await self._in_time(request, operator)
        return answer or _answer(
            request, Outcome.ERROR, f"no answer within {request.timeout_ms} ms: ask again, for less"
        )

    async def _act_once(self, request: Act, operator: str) -> Answer:
        if request.request_id in self._fates:
            return self._fate(Fate(request_id=request.request_id, of=request.request_id))
        self._fates[request.request_id] = None
        while len(self._fates) > FATES_KEPT:
            self._fates.popitem(last=False)
        answer = None
        try:
            answer = await self._in_time(request, operator)
        finally:
            if answer is None:
                text = f"not confirmed within {request.timeout_ms} ms: look with `bot status`"
                answer = _answer(request, Outcome.UNKNOWN, text)
            self._fates[request.request_id] = answer
        return answer

    async def _in_time(self, request: Request, operator: str) -> Answer | None:
        """Have the request answered; return None when its time is over."""
        with trio.move_on_after(request.timeout_ms / 1_000):
            try:
                if isinstance(request, Act):
                    return await self.answers.act(request, operator, self)
                return await self.answers.query(request, self)
            except Exception as error:
                logger.exception("%s failed", type(request).__name__)
                text = f"{type(error).__name__}: {error}: `bot log` has the details"
                return _answer(request, Outcome.ERROR, text)
        return None

    def _fate(self, request: Fate) -> Answer:
        if request.of not in self._fates:
            text = "no act with this id since the daemon started: look before you do it again"
            return _answer(request, Outcome.UNKNOWN, text)
        known = self._fates[request.of]
        if known is None:
            return _answer(request, Outcome.UNKNOWN, "it is still being done: ask again")
        return msgspec.structs.replace(known, request_id=request.request_id)

    # --- Desk

    def now_ns(self) -> int:
        assert self._ctx is not None, "the port runs"
        return self._ctx.now_ns()

    def new_id(self) -> str:
        assert self._ctx is not None, "the port runs"
        return self._ctx.new_id()

    async def ask(self, address: str, message: Message, reply_id: str) -> Message:
        assert self._ctx is not None, "the port runs"
        send, receive = trio.open_memory_channel[Message](_REPLIES_PER_ID)
        self._replies[reply_id] = send
        try:
            self._ctx.send(address, message)
            return await receive.receive()
        finally:
            del self._replies[reply_id]

    async def committed(self) -> None:
        assert self._ctx is not None, "the port runs"
        await self._ctx.committed()

    async def _take_replies(self, ctx: PortContext) -> None:
        while True:
            command = await ctx.receive()
            ctx.conclude(command, None)
            waiting = self._replies.get(self.answers.reply_id(command.message))
            if waiting is not None:
                try:
                    waiting.send_nowait(command.message)
                except trio.WouldBlock:
                    self._note("second reply", type(command.message).__name__)
            elif self.answers.reply_id(command.message):
                # To a client that is gone, or to an incarnation of ours that is.
                self._note("late reply", type(command.message).__name__)

    async def _measure_lag(self, ctx: PortContext) -> None:
        while True:
            asleep_ns = ctx.now_ns()
            await trio.sleep(LAG_EVERY_NS / NANOSECONDS_PER_SECOND)
            self.loop_lag_ns = max(0, ctx.now_ns() - asleep_ns - LAG_EVERY_NS)


def _answer(request: Request, outcome: Outcome, text: str) -> Answer:
    return Answer(request_id=request.request_id, outcome=outcome, text=text)


def peer_uid(stream: HalfCloseableStream) -> int:
    """Return the user id of who connected; our own where a network has no such thing."""
    connected = getattr(stream, "socket", None)
    if connected is None:
        return os.getuid()
    data = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(data)
    return int(uid)


def _read_only_reason(hello: Hello, uid: int) -> str:
    if uid not in (os.getuid(), 0):
        return f"it comes from user {uid}; the bot runs as user {os.getuid()}"
    if hello.protocol != PROTOCOL_VERSION:
        return (
            f"the client speaks version {hello.protocol} of the protocol, the daemon "
            f"{PROTOCOL_VERSION}: start both from the same installation"
        )
    return "the client asked for it" if hello.read_only else ""


def _write_pointer(pointer: Path, path: Path) -> None:
    """Write the socket's name to a file, whole or not at all."""
    scratch = pointer.with_suffix(".new")
    scratch.write_text(f"{path}\n")
    scratch.replace(pointer)


def goodbye_frame(reason: GoodbyeReason, text: str) -> bytes:
    """Encode the last frame of a connection."""
    return encode_frame(Goodbye(reason=reason, text=text))
