"""A mailbox: one memory channel, drained at each wake-up into lanes.

What enters is counted, and every message counted in is counted out again:
sent = handled + dead + dropped + conflated + queued. A durable message is never refused; a stream
message is dropped when too many wait, and the drop is announced before the next one.
"""

import math
from collections.abc import Callable
from itertools import islice
from typing import cast

import msgspec
import trio

from supervisor import limits
from supervisor.journal import STREAMED, Envelope

_WAKE: list[Envelope] = []
# Stands in the place of the key by which market data is conflated, which no such message has: what
# is put back goes to the lane from which it came.
_SYSTEM_LANE = "//system"


class MailboxStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """What went through a mailbox since the process started."""

    sent: int
    handled: int
    dead: int
    dropped: int
    """Stream messages that found too many waiting."""
    conflated: int
    """Stream messages replaced unread by a newer value."""
    queued: int
    queued_max: int

    @property
    def conserved(self) -> bool:
        """Whether no message was lost or made up."""
        out = self.handled + self.dead + self.dropped + self.conflated
        return self.sent == out + self.queued


class MailboxOverflowError(Exception):
    """A mailbox reached its hard limit: its actor is dead to the world. Halts the process."""


class Mailbox:
    """The lanes of one actor; it outlives the actor's incarnations.

    `crowded` is called with +1 when more messages wait than the soft limit, and -1 when fewer do
    again.
    """

    # There is one for each of ten thousand idle actors.
    __slots__ = (
        "_address", "_at_once", "_bury", "_crowded", "_gaps", "_is_crowded", "_marked",
        "_marked_taken", "_normal", "_receive", "_send", "_slots", "_stream_queued", "_system",
        "_undrained", "conflated", "dead", "dropped", "handled", "queued", "queued_max", "sent",
    )  # fmt: skip

    def __init__(self, address: str, crowded: Callable[[int], None]) -> None:
        self._address = address
        self._crowded = crowded
        self._is_crowded = False
        self._send, self._receive = trio.open_memory_channel[list[Envelope]](math.inf)
        # Lists, and emptied by slices: an idle deque holds ten times the memory of one.
        self._system: list[Envelope] = []
        self._normal: list[Envelope | str] = []
        self._slots: dict[str, Envelope] = {}
        self._undrained = 0
        self._stream_queued = 0
        self._at_once = False
        self._gaps: dict[int, int] = {}
        self._marked: dict[int, None] = {}
        self._marked_taken = 0
        self._bury: Callable[[Envelope], None] | None = None
        self.sent = self.handled = self.dead = self.dropped = self.conflated = 0
        self.queued = 0
        self.queued_max = 0

    def put(self, batch: list[Envelope]) -> None:
        """Take durable messages; never refused. Raises `MailboxOverflowError` at the hard limit."""
        self.sent += len(batch)
        self._grow(len(batch))
        self._enter(batch)

    def put_stream(self, envelope: Envelope) -> bool:
        """Take a stream message, or count it as dropped and return False."""
        self.sent += 1
        most = limits.STREAM_QUEUE_MAX if self._bury is None else limits.STASH_MAX
        if self._stream_queued >= most and envelope[5] not in self._slots:
            self._gaps[envelope[2]] = self._gaps.get(envelope[2], 0) + 1
            if self._bury is None:
                self.dropped += 1
            else:
                self.dead += 1
                self._bury(envelope)
            return False
        self._stream_queued += 1
        self._grow(1)
        self._enter([envelope])
        return True

    def gap(self, topic: int) -> int:
        """Return how many of `topic` were dropped since the last one taken, once there is room."""
        most = limits.STREAM_QUEUE_MAX if self._bury is None else limits.STASH_MAX
        if not self._gaps or self._stream_queued + 2 > most:
            return 0
        return self._gaps.pop(topic, 0)

    def put_system(self, envelope: Envelope) -> None:
        """Take a message of the runtime's, to be handled before others."""
        self.sent += 1
        self._grow(1)
        self._system.append((*envelope[:5], _SYSTEM_LANE, envelope[6]))
        self._enter(_WAKE)

    def stash(self, bury: Callable[[Envelope], None] | None) -> None:
        """Keep fewer stream messages while nobody handles them: the others are dead letters."""
        self._bury = bury

    def mark(self, position: int) -> None:
        """Have the message at `position`, which was put, begin the turn in which it is handled."""
        self._marked[position] = None

    def recall(self, position: int) -> bool:
        """Take back a marked message, if it was not taken yet; it counts as dead."""
        if position not in self._marked:
            return False
        self._drain()
        del self._marked[position]
        for at, entry in enumerate(self._normal):
            if entry[0] == position:
                del self._normal[at]
                self.dead += 1
                self._shrink(1)
                return True
        return False

    def put_back(self, envelopes: list[Envelope], *, at_once: bool = False) -> None:
        """Return messages that were taken and not handled to the heads of their lanes.

        `at_once`: whoever waits for them next lets no other task go first.
        """
        self._at_once = at_once
        if self._marked_taken and envelopes and envelopes[0][0] == self._marked_taken:
            self._marked[self._marked_taken] = None
        self._stream_queued += sum(1 for envelope in envelopes if envelope[6] == STREAMED)
        # The runtime's come first in what is taken.
        system = sum(1 for envelope in envelopes if envelope[5] is _SYSTEM_LANE)
        self._system[:0] = envelopes[:system]
        self._normal[:0] = envelopes[system:]
        self._grow(len(envelopes))

    def wake(self) -> None:
        """Have whoever waits look again."""
        self._enter(_WAKE)

    async def wait(self, *, system_only: bool = False) -> None:
        """Wait until there is something to take; a checkpoint, but for what is taken up again."""
        waiting = self._system if system_only else self._system or self._normal
        if waiting and self._at_once:
            self._at_once = False
            await trio.lowlevel.checkpoint_if_cancelled()
        elif waiting:
            await trio.lowlevel.checkpoint()
        else:
            self._file(await self._receive.receive())
            self._undrained -= 1
        self._drain()

    def take(self, *, system_only: bool = False) -> list[Envelope]:
        """Return the next turn's messages: system first, bounded so that normal ones get a turn."""
        batch: list[Envelope] = []
        system, normal = self._system, self._normal
        if system:
            batch += system[: limits.SYSTEM_BURST_MAX]
            del system[: limits.SYSTEM_BURST_MAX]
        if not system_only:
            room = limits.TURN_MESSAGES_MAX - len(batch)
            if self._slots or self._stream_queued or self._marked:
                self._take_mixed(batch, room)
            else:
                # No slot is filled, so no entry is a key.
                plain = cast(list[Envelope], normal)
                if len(plain) <= room:
                    batch += plain
                    plain.clear()
                else:
                    batch += plain[:room]
                    del plain[:room]
        self._shrink(len(batch))
        return batch

    def peek(self, count: int) -> tuple[list[Envelope], list[Envelope]]:
        """Return the first `count` that wait in the system lane and in the normal one."""
        self._drain()
        entries = islice(self._normal, count)
        normal = [self._slots[entry] if isinstance(entry, str) else entry for entry in entries]
        return list(islice(self._system, count)), normal

    def discard(self) -> list[Envelope]:
        """Empty the mailbox, counting what was in it as dead; return what that was."""
        self._drain()
        held = [self._slots[e] if isinstance(e, str) else e for e in self._normal]
        dead = [*self._system, *held]
        self._system.clear()
        self._normal.clear()
        self._slots.clear()
        self._marked.clear()
        self._stream_queued = 0
        self.dead += self.queued
        self._shrink(self.queued)
        return dead

    def statistics(self) -> MailboxStatistics:
        """Return the counters."""
        return MailboxStatistics(
            sent=self.sent,
            handled=self.handled,
            dead=self.dead,
            dropped=self.dropped,
            conflated=self.conflated,
            queued=self.queued,
            queued_max=self.queued_max,
        )

    def _enter(self, batch: list[Envelope]) -> None:
        self._undrained += 1
        self._send.send_nowait(batch)

    def _drain(self) -> None:
        # Counted, because asking an empty channel for more raises, which costs a message's time.
        while self._undrained:
            self._undrained -= 1
            self._file(self._receive.receive_nowait())

    def _file(self, batch: list[Envelope]) -> None:
        if len(batch) == 1 and batch[0][5]:
            key = batch[0][5]
            if key in self._slots:
                self.conflated += 1
                self._stream_queued -= 1
                self._shrink(1)
            else:
                self._normal.append(key)
            self._slots[key] = batch[0]
        else:
            self._normal.extend(batch)

    def _take_mixed(self, batch: list[Envelope], room: int) -> None:
        taken = 0
        for entry in self._normal[:room]:
            if entry[0] in self._marked:
                if batch:
                    break
                self._marked_taken = entry[0]
                del self._marked[self._marked_taken]
            taken += 1
            envelope = self._slots.pop(entry) if isinstance(entry, str) else entry
            if envelope[6] == STREAMED:
                self._stream_queued -= 1
            batch.append(envelope)
        del self._normal[:taken]

    def _grow(self, by: int) -> None:
        self.queued += by
        if self.queued > self.queued_max:
            self.queued_max = self.queued
            if self.queued > limits.MAILBOX_HARD:
                raise MailboxOverflowError(
                    f"{self._address} has {self.queued} messages waiting, the hard limit is "
                    f"{limits.MAILBOX_HARD}: it no longer handles; see `bot tree`, restart the bot"
                )
        if self.queued > limits.MAILBOX_SOFT and not self._is_crowded:
            self._is_crowded = True
            self._crowded(1)

    def _shrink(self, by: int) -> None:
        self.queued -= by
        assert self.queued >= 0, "more was taken than put"
        if self._is_crowded and self.queued <= limits.MAILBOX_SOFT:
            self._is_crowded = False
            self._crowded(-1)
