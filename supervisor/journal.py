"""What a journal must do; `state/` does it with SQLite, `MemoryJournal` for tests and benchmarks.

The log is one total order. What an actor emitted is appended before whoever handles it can append
that it did, so whatever prefix of the log is durable is consistent. Appending never blocks;
`committed` and `after_commit` are how ports wait for durability before they touch the outside.

Names (addresses and topics) are integers in the log: `enroll` gives one out for ever.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from messages.runtime import Booted
from supervisor import limits

RUNTIME = 0
"""The sender of messages that the runtime itself makes."""

Envelope = tuple[int, int, int, int, bytes, str, int]
"""position, sender, target, at_ns, body; the key under which it may be conflated ("" for never);
the position of the command that it concludes (0 for none, `STREAMED` for a stream message)."""
STREAMED = -1

Post = tuple[int, int, int, int, bytes] | Envelope
"""A message entering the log: position, sender, target (a name: address or topic), at_ns, body.

An envelope begins so: what a turn sent is journalled and delivered as the same objects.
"""

StoredEffect = tuple[int, int, int, int, bytes]
"""kind, target (a name id, 0 if none), position (of the post, 0 if none), number, inline body."""


class Turn(NamedTuple):
    """What one actor did in one turn: a run of messages and their effects, all of it or nothing."""

    actor: int
    first_seq: int
    now_ns: int
    inputs: list[int]
    """Positions of the messages handled, in order; their numbers are first_seq, first_seq + 1, …"""
    counts: list[int]
    """How many of `effects` each input had."""
    effects: list[StoredEffect]
    concluded: list[int]
    """Positions of port commands whose outcome is among the inputs."""
    chain: bytes
    """The effects' hash chain after this turn."""


class Snapshot(msgspec.Struct, frozen=True, array_like=True):
    """An actor's whole state after message `seq`."""

    actor: int
    seq: int
    version: int
    now_ns: int
    chain: bytes
    draws: int
    timers: dict[str, tuple[int, int]]
    """name → (due_ns, period_ns; 0 for once)."""
    state: bytes


class Input(NamedTuple):
    """One recorded message, as an actor handled it."""

    position: int
    sender: int
    target: int
    """The name it came under: the actor's own address, or the topic."""
    at_ns: int
    body: bytes


class RecordedTurn(NamedTuple):
    """A turn read back, its inputs and effects with the bodies that are still kept."""

    first_seq: int
    now_ns: int
    inputs: list[Input]
    counts: list[int]
    effects: list[StoredEffect]
    """Inline bodies are filled in for sends and publishes whose body is still kept."""
    chain: bytes


class Pending(NamedTuple):
    """A durable message that was emitted and not yet handled (or, to a port, not yet concluded)."""

    position: int
    sender: int
    target: int
    at_ns: int
    body: bytes
    concludes: int


class SetAside(NamedTuple):
    """A poison message in quarantine."""

    position: int
    actor: int
    sender: int
    at_ns: int
    body: bytes
    error: str
    """The traceback."""
    blocking: bool
    """Whether the actor waits for the operator (money) or went on without it."""
    concludes: int = 0
    """The position of the port command whose outcome it is, or 0: that command is concluded."""

    @property
    def key(self) -> tuple[int, int]:
        """Position and actor: one stream message may be more than its subscribers can take."""
        return self.position, self.actor


class Commit(NamedTuple):
    """Said after each commit to whoever listens."""

    position: int
    """The newest position that is durable."""
    rows: Sequence[tuple[str, int, int, bytes]]
    """Rows now durable: table, at_ns, actor, encoded row."""


class Journal(Protocol):
    """The durable log. Everything here is called on the trio thread."""

    lineage: bytes
    """128 random bits, drawn when the database was made, and again by a restore."""
    boot: int
    """The number of this start, from 1."""
    tail_lineage: bytes
    """Under which what `restore` returns was made: not `lineage` right after a backup's restore."""

    @property
    def degraded(self) -> str:
        """Why nothing can be written at present; "" while all is well."""

    # --- names
    def enroll(self, name: str) -> int:
        """Return the id of an address or topic, giving one out at the first call."""

    def names(self) -> dict[str, int]:
        """Return every name given out so far."""

    # --- appending; order matters, nothing blocks
    def durable(self, post: Post, concludes: int = 0) -> None:
        """Append a durable message; it is in the inbox of its target until a turn handles it.

        `concludes` is the position of the port command whose outcome this is: when a turn that
        handles this message commits, that command leaves the port's inbox too.
        """

    def durables(self, posts: Sequence[Post]) -> None:
        """Append what a turn sent, in order of position: a call per message costs as much as it."""

    def stream(self, post: Post) -> None:
        """Append a stream message that at least one actor will be given."""

    def turn(self, turn: Turn) -> None:
        """Append a turn."""

    def snapshot(self, snapshot: Snapshot) -> None:
        """Append a snapshot; at least two are kept per actor."""

    def conclude(self, position: int) -> None:
        """Take a command out of a port's inbox that needs no outcome message."""

    def set_aside(self, item: SetAside) -> None:
        """Move a message from the inbox to quarantine."""

    def release(self, position: int, *, discard: bool, operator: str, reason: str) -> None:
        """Take a message out of quarantine, to be handled again or never."""

    def configured(self, actor: int, configuration: bytes) -> None:
        """Remember the newest configuration sent to `actor`."""

    def adopt_lineage(self) -> None:
        """Say that every actor has a snapshot, so that nothing is folded under `tail_lineage`."""

    # --- durability
    def after_commit(self, call: Callable[[], None]) -> None:
        """Have `call` called once all appended so far is durable; closes the group now."""

    async def committed(self) -> None:
        """Wait until all appended so far is durable; closes the group now."""

    def backlog(self) -> tuple[int, int]:
        """Return (bytes, age in ns of the oldest) of what is appended and not yet durable."""

    def listen(self, call: Callable[[Commit], None]) -> None:
        """Have `call` called on the trio thread after each commit."""

    def due_snapshots(self, now_ns: int) -> list[int]:
        """Return the actors whose newest snapshot holds up retention: by minutes or by bytes."""

    # --- reading back, at start and after a crash
    def next_position(self) -> int:
        """Return the first position that no stored message has."""

    def newest_ns(self) -> int:
        """Return the newest time in the log: the floor of the process clock."""

    def restore(self, actor: int) -> tuple[Snapshot | None, Iterable[RecordedTurn]]:
        """Return the newest good snapshot of `actor` and its durable turns after it, in order."""

    def inbox(self) -> Iterable[Pending]:
        """Return what was emitted and not handled, in order of position."""

    def quarantined(self) -> Iterable[SetAside]:
        """Return what is in quarantine."""

    def configuration(self, actor: int) -> bytes | None:
        """Return the newest configuration sent to `actor`."""


def booted(journal: Journal) -> Booted:
    """Return what actors are told first after a start with `journal`."""
    restored = journal.tail_lineage != journal.lineage
    return Booted(boot=journal.boot, restored=restored)


class MemoryJournal:
    """A journal for tests and benchmarks of the runtime alone: it keeps names and nothing else.

    Everything is "durable" at once, and gone with the process. Cells keep their own tails in
    memory, so crashes of actors are recovered from as in production.
    """

    def __init__(self, lineage: bytes = bytes(16), boot: int = 1) -> None:
        self.lineage = self.tail_lineage = lineage
        self.boot = boot
        self._names: dict[str, int] = {}
        self._configurations: dict[int, bytes] = {}
        self._quarantine: dict[tuple[int, int], SetAside] = {}

    @property
    def degraded(self) -> str:
        return ""

    def enroll(self, name: str) -> int:
        return self._names.setdefault(name, len(self._names) + 1)

    def names(self) -> dict[str, int]:
        return dict(self._names)

    def durable(self, post: Post, concludes: int = 0) -> None:
        pass

    def durables(self, posts: Sequence[Post]) -> None:
        pass

    def stream(self, post: Post) -> None:
        pass

    def turn(self, turn: Turn) -> None:
        pass

    def snapshot(self, snapshot: Snapshot) -> None:
        assert len(snapshot.state) <= limits.STATE_BYTES_MAX, "the state of an actor leaks"

    def conclude(self, position: int) -> None:
        pass

    def set_aside(self, item: SetAside) -> None:
        self._quarantine[item.key] = item

    def release(self, position: int, *, discard: bool, operator: str, reason: str) -> None:
        assert operator, "a release names its operator"
        assert reason or not discard, "a discard has a reason"
        del self._quarantine[next(key for key in self._quarantine if key[0] == position)]

    def adopt_lineage(self) -> None:
        self.tail_lineage = self.lineage

    def configured(self, actor: int, configuration: bytes) -> None:
        self._configurations[actor] = configuration

    def after_commit(self, call: Callable[[], None]) -> None:
        call()

    async def committed(self) -> None:
        return

    def backlog(self) -> tuple[int, int]:
        return 0, 0

    def listen(self, call: Callable[[Commit], None]) -> None:
        pass

    def due_snapshots(self, now_ns: int) -> list[int]:
        return []

    def next_position(self) -> int:
        return 1

    def newest_ns(self) -> int:
        return 0

    def restore(self, actor: int) -> tuple[Snapshot | None, Iterable[RecordedTurn]]:
        assert actor > 0, "the runtime itself has no state"
        return None, ()

    def inbox(self) -> Iterable[Pending]:
        return ()

    def quarantined(self) -> Iterable[SetAside]:
        return list(self._quarantine.values())

    def configuration(self, actor: int) -> bytes | None:
        return self._configurations.get(actor)
