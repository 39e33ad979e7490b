"""The rule that nobody is told anything before it is durable.

Each turn of the box hands over what it changed and what it wants to send. A single writer commits
turns in groups, in order, and only then sends their frames and wakes whoever waits. A turn without
changes still waits for the turns before it: an answer never shows what a crash could take back.
"""

from collections import deque
from typing import NamedTuple, Protocol

import trio

from supervisor.threads import threads
from venue.changes import Changes
from venue.storage import Storage

# Turns waiting for the disk: each belongs to a connection that waits or to the one tick loop, so
# more than a few hundred means that something submits without waiting.
TURNS_WAITING_MAX = 10_000


class Receiver(Protocol):
    """Whoever frames are sent to."""

    def send(self, frame: bytes, channel: str) -> None:
        """Queue `frame`; never blocks."""


class Outgoing(NamedTuple):
    """A frame that goes out once its turn is durable."""

    receiver: Receiver
    frame: bytes
    channel: str


class _Turn(NamedTuple):
    changes: Changes
    outgoing: list[Outgoing]
    done: trio.Event


class CommitQueue:
    """Turns on their way to the disk. `run` must be running for `submit` to finish."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._waiting: deque[_Turn] = deque()
        self._wake = trio.Event()
        self._is_writing = False
        self._draining = trio.Lock()
        self.commits = 0

    async def submit(self, changes: Changes, outgoing: list[Outgoing]) -> None:
        """Commit `changes`, then send `outgoing`; return after both.

        The turn is queued before the first checkpoint: a caller that is cancelled loses only
        the waiting, never the change.
        """
        if changes.is_empty and not self._waiting and not self._is_writing:
            _send(outgoing)
            return
        assert len(self._waiting) < TURNS_WAITING_MAX, "turns are submitted faster than committed"
        turn = _Turn(changes, outgoing, trio.Event())
        self._waiting.append(turn)
        self._wake.set()
        await turn.done.wait()

    async def run(self) -> None:
        """Commit what is submitted, for ever."""
        while True:
            await self._wake.wait()
            self._wake = trio.Event()
            await self._drain()

    async def flush(self) -> None:
        """Commit everything that was submitted; used when the box stops."""
        with trio.CancelScope(shield=True):
            await self._drain()

    async def _drain(self) -> None:
        async with self._draining:
            while self._waiting:
                turns = list(self._waiting)
                self._waiting.clear()
                await self._finish(turns)

    async def _finish(self, turns: list[_Turn]) -> None:
        self._is_writing = True
        try:
            with trio.CancelScope(shield=True):
                await self._write([turn.changes for turn in turns if not turn.changes.is_empty])
        finally:
            self._is_writing = False
        for turn in turns:
            _send(turn.outgoing)
            turn.done.set()

    async def _write(self, changes: list[Changes]) -> None:
        if not changes:
            return
        self.commits += 1
        if self._storage.path is None:
            self._storage.commit(changes)
        else:
            await threads().run(lambda: self._storage.commit(changes))


def _send(outgoing: list[Outgoing]) -> None:
    for receiver, frame, channel in outgoing:
        receiver.send(frame, channel)
