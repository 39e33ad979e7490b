"""Processes that a benchmark starts, and ends."""

import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import trio

# The folder that holds the package `bot`.
_ROOT = Path(__file__).resolve().parents[2]


class ChildEndedError(Exception):
    """A process that the benchmark needs ended before it said what it should."""


class Lines:
    """What a process writes, line by line."""

    def __init__(self, process: trio.Process) -> None:
        self.process = process
        self._rest = b""

    async def next(self) -> str:
        """Wait for the next line. Raises `ChildEndedError` when there is none."""
        assert self.process.stdout is not None, "its output is a pipe"
        while b"\n" not in self._rest:
            read = await self.process.stdout.receive_some()
            if not read:
                raise ChildEndedError(f"{self.process.args!r} ended: see what it wrote above")
            self._rest += read
        line, _, self._rest = self._rest.partition(b"\n")
        return line.decode()

    async def until(self, words: str) -> None:
        """Wait for a line with `words` in it. Raises `ChildEndedError` when there is none."""
        while words not in await self.next():
            pass

    async def drain(self) -> None:
        """Read what else is written, so that the process is not held up by it."""
        assert self.process.stdout is not None, "its output is a pipe"
        async for _ in self.process.stdout:
            pass


@asynccontextmanager
async def child(
    module: str, arguments: Sequence[str], cache: Path | None = None
) -> AsyncIterator[Lines]:
    """Run `python -m module` for the length of a block; SIGKILL ends it.

    With `cache` it has its bytecode there, whatever the environment says about that.
    """
    cached = ("-E", "-X", f"pycache_prefix={cache}") if cache is not None else ()
    command = [sys.executable, *cached, "-m", module, *arguments]
    process = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE, cwd=_ROOT)
    try:
        yield Lines(process)
    finally:
        process.kill()
        with trio.CancelScope(shield=True):
            await process.wait()


@asynccontextmanager
async def bot_start(folder: Path) -> AsyncIterator[Lines]:
    """Run `bot start` in `folder` for the length of a block, once it runs; SIGTERM ends it."""
    command = [sys.executable, "-m", "bot.cli", "start", "--data-dir", str(folder)]
    process = await trio.lowlevel.open_process(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=_ROOT
    )
    try:
        lines = Lines(process)
        await lines.until("the bot runs")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lines.drain)
            yield lines
            nursery.cancel_scope.cancel()
    finally:
        process.terminate()
        with trio.CancelScope(shield=True):
            await process.wait()
