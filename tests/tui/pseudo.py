"""A terminal for tests: the program in a process of its own behind a pty, its bytes counted."""

import asyncio
import contextlib
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pyte

ROOT = Path(__file__).parents[2]
_SYNC_QUERY, _SYNC_ANSWER = b"\x1b[?2026$p", b"\x1b[?2026;2$y"
_FRAME = b"\x1b[?2026h"
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Pseudo:
    """One program behind a pty; reads `rate` bytes a second of it, nothing while it is None."""

    def __init__(self, pid: int, master: int, size: tuple[int, int]) -> None:
        self.pid = pid
        self.master = master
        self.bytes = 0
        self.frames = 0
        self.squeezed = 0
        self.rate: float | None = float("inf")
        self.exit_code: int | None = None
        self._zip = zlib.compressobj(6)
        self._screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self._screen)
        self._reading: asyncio.Task[None] | None = None

    async def read(self) -> None:
        while self.exit_code is None:
            await asyncio.sleep(0.01)
            if self.rate is None:
                continue
            room = min(self.rate * 0.01, 1 << 20)
            with contextlib.suppress(BlockingIOError, OSError):
                self._take(os.read(self.master, max(1, int(room))))
            self._reap()

    def _take(self, data: bytes) -> None:
        self.bytes += len(data)
        self.frames += data.count(_FRAME)
        self.squeezed += len(self._zip.compress(data) + self._zip.flush(zlib.Z_SYNC_FLUSH))
        if _SYNC_QUERY in data:
            os.write(self.master, _SYNC_ANSWER)
        # The emulator knows no keyboard protocol and would print its parameters.
        self._stream.feed(data.replace(b"\x1b[>11u", b"").replace(b"\x1b[<u", b""))

    def _reap(self) -> None:
        if self.exit_code is None:
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.exit_code = os.waitstatus_to_exitcode(status)

    def type(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def shows(self, text: str) -> bool:
        return any(text in line for line in self._screen.display)

    async def until(self, text: str, within_s: float = 10.0) -> float:
        """Wait until the screen shows `text`; return how long it took."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        while not self.shows(text):
            if loop.time() - start_s > within_s:
                screen = "\n".join(self._screen.display)
                raise AssertionError(f"{text!r} was not shown within {within_s} s:\n{screen}")
            await asyncio.sleep(0.01)
        return loop.time() - start_s

    async def bytes_in(self, seconds: float) -> tuple[int, int]:
        """Return how many bytes, plain and squeezed, come in so many seconds."""
        before = self.bytes, self.squeezed
        await asyncio.sleep(seconds)
        return self.bytes - before[0], self.squeezed - before[1]

    async def ended(self, within_s: float) -> float:
        """Wait for the end of the process; return how long it took."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        while self.exit_code is None:
            self._reap()
            assert loop.time() - start_s < within_s, f"still running after {within_s} s"
            await asyncio.sleep(0.01)
        return loop.time() - start_s

    def hang_up(self) -> None:
        """Take the terminal away."""
        self.rate = None
        os.close(self.master)
        self.master = -1

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S

    def rss_mb(self) -> float:
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * _PAGE / 1e6


@asynccontextmanager
async def terminal(
    *arguments: str, size: tuple[int, int] = (120, 40), ignore_hangup: bool = False
) -> AsyncIterator[Pseudo]:
    """Run `python -m tui ARGUMENTS` behind a pty."""
    pid, master = pty.fork()
    if pid == 0:
        if ignore_hangup:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
        environment = {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"),
            "TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8",
        }  # fmt: skip
        os.chdir(ROOT)
        os.execve(  # noqa: S606 - the program under test, without a shell
            sys.executable, [sys.executable, "-m", "tui", *arguments], environment
        )
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    os.set_blocking(master, False)
    pseudo = Pseudo(pid, master, size)
    reading = asyncio.create_task(pseudo.read())
    try:
        yield pseudo
    finally:
        reading.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reading
        if pseudo.exit_code is None:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)  # noqa: ASYNC222 - it was killed: this returns at once
        if pseudo.master >= 0:
            os.close(pseudo.master)
