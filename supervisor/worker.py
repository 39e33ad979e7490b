"""A process that runs one actor's handlers, as its cell holds it: a socket and a process id."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from typing import TypeVar

import msgspec
import trio

from supervisor import limits, process_frames
from supervisor.clock import NANOSECONDS_PER_SECOND
from supervisor.net import socket_pair
from supervisor.process_child import MEMORY_EXIT
from supervisor.process_frames import LENGTH, Question, Reply
from supervisor.spec import ChildSpec, Ended, ExitReason, SpecError
from supervisor.stuck import StruckError

RECEIVE_BYTES = 65_536
SomeReply = TypeVar("SomeReply", bound=Reply)


class DiedError(Exception):
    """The process ended, or was ended, while it was asked something."""

    def __init__(self, reason: ExitReason) -> None:
        super().__init__(str(reason))
        self.reason = reason


class HandlerError(Exception):
    """A handler raised, in the process; its traceback there is a note."""


class Made(msgspec.Struct, frozen=True):
    """How to make an actor in another process."""

    module: str
    name: str
    arguments: bytes


def made(spec: ChildSpec) -> Made:
    """Return how the actor of `spec` is made elsewhere; raise `SpecError` if it cannot be."""
    start: object = spec.start
    kind = start
    arguments: tuple[object, ...] = ()
    keywords: dict[str, object] = {}
    if isinstance(start, partial):
        kind, arguments, keywords = start.func, start.args, start.keywords
    module, name = getattr(kind, "__module__", ""), getattr(kind, "__qualname__", "")
    if not isinstance(kind, type) or getattr(sys.modules.get(module), name, None) is not kind:
        raise SpecError(
            f"{spec.name}: to run in a process of its own, `start` must be the actor's class, "
            "defined in a module, or a functools.partial of it"
        )
    plain = [list(arguments), keywords]
    try:
        encoded = msgspec.msgpack.encode(plain)
    except TypeError as error:
        raise SpecError(f"{spec.name}: what `start` is made with must be plain: {error}") from error
    if msgspec.msgpack.decode(encoded) != plain:
        raise SpecError(f"{spec.name}: what `start` is made with must be plain values")
    return Made(module, name, encoded)


class Worker:
    """One process. Whoever starts it closes it."""

    def __init__(self, spec: ChildSpec) -> None:
        self._limits = spec.process
        self._stream, theirs = socket_pair()
        command = [
            sys.executable, "-P", "-m", "supervisor.process_child",
            str(theirs.fileno()), str(spec.process.memory_bytes),
        ]  # fmt: skip
        with theirs:
            # Without our environment: there may be secrets in it. Started from this thread, whose
            # end is what the process takes for the end of the bot.
            self._process = subprocess.Popen(  # noqa: S603 - our own module
                command, pass_fds=(theirs.fileno(),), env={}, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )  # fmt: skip
        self._pid_file = os.pidfd_open(self._process.pid)
        self._buffer = bytearray()

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def ask(
        self, question: Question, kind: type[SomeReply], messages: int | None = None
    ) -> SomeReply:
        """Return the reply; raise `DiedError` if there is none, in time if `messages` are asked."""
        seconds = self._limits.step_ns / NANOSECONDS_PER_SECOND * (messages or 0)
        with trio.move_on_after(seconds) if messages else trio.CancelScope() as waiting:
            try:
                await self._stream.send_all(process_frames.frame(question))
                reply = await self._receive()
            except (trio.BrokenResourceError, trio.ClosedResourceError, EOFError):
                raise DiedError(await self._how_it_ended()) from None
        if waiting.cancelled_caught:
            self.kill()
            used_ns = int(seconds * NANOSECONDS_PER_SECOND)
            error = StruckError(used_ns, used_ns, "time")
            raise DiedError(ExitReason(Ended.STUCK, str(error), error))
        assert isinstance(reply, kind), f"the answer to {type(question).__name__}"
        return reply

    def kill(self) -> None:
        """End the process now."""
        self._process.kill()

    async def aclose(self) -> None:
        """End the process and wait until it is gone."""
        with trio.CancelScope(shield=True):
            await trio.aclose_forcefully(self._stream)
            await self._wait()
        os.close(self._pid_file)

    async def _receive(self) -> Reply:
        while True:
            if len(self._buffer) >= LENGTH.size:
                end = LENGTH.size + LENGTH.unpack_from(self._buffer)[0]
                if len(self._buffer) >= end:
                    body = bytes(self._buffer[LENGTH.size : end])
                    del self._buffer[:end]
                    reply: Reply = process_frames.reply_decoder.decode(body)
                    return reply
            data = await self._stream.receive_some(RECEIVE_BYTES)
            if not data:
                raise EOFError
            self._buffer += data

    async def _wait(self) -> int:
        """Wait until the process is gone, and kill it if that takes long; return its exit code."""
        with trio.move_on_after(limits.PROCESS_GRACE_NS / NANOSECONDS_PER_SECOND):
            await trio.lowlevel.wait_readable(self._pid_file)
        if self._process.poll() is None:
            self.kill()
            await trio.lowlevel.wait_readable(self._pid_file)
        return self._process.wait()

    async def _how_it_ended(self) -> ExitReason:
        code = await self._wait()
        pid = self._process.pid
        if code == MEMORY_EXIT:
            text = f"process {pid} needed more than its {self._limits.memory_bytes} bytes"
            return ExitReason(Ended.CRASH, f"MemoryError: {text}")
        if code < 0:
            name = str(-code)
            with suppress(ValueError):
                name = signal.Signals(-code).name
            return ExitReason(Ended.KILLED, f"process {pid} was ended by {name}")
        text = f"process {pid} ended with {code}: its traceback is on standard error"
        return ExitReason(Ended.CRASH, text)
