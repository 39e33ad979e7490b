"""A group: what was appended since the last one was closed, to be committed whole."""

from collections.abc import Callable
from itertools import accumulate, chain
from typing import NamedTuple

import msgspec
import trio

from supervisor.journal import Post, SetAside, Snapshot, Turn

# What a post costs in the file beside its body, and an effect or input beside its inline body.
POST_BYTES = 40
TURN_BYTES = 32
NUMBER_BYTES = 12
# What the mailboxes of a busy tree hold.
WITHHELD_MAX = 8_192


class Named(NamedTuple):
    """A name was given out."""

    number: int
    name: str


class Concluded(NamedTuple):
    """A port's command left its inbox."""

    position: int


class Released(NamedTuple):
    """A message left quarantine."""

    item: SetAside
    discard: bool
    operator: str
    reason: str


class Configured(NamedTuple):
    """An actor's newest configuration."""

    actor: int
    configuration: bytes


class Audited(NamedTuple):
    """An operator's act."""

    at_ns: int
    operator: str
    act: str
    subject: str
    detail: str


class Adopted(NamedTuple):
    """Every actor was folded and snapshotted: the lineage before a restore is needed no more."""


Act = Adopted | Named | Concluded | Released | Configured | Audited | Snapshot | SetAside


class Mark(NamedTuple):
    """How much of the rest of its group lies before a turn."""

    position: int
    """The newest position by then."""
    acts: int


class Group:
    """Appended on the trio thread, then handed to the writer, which does not change it."""

    __slots__ = (
        "acts",
        "calls",
        "concludes",
        "durables",
        "marks",
        "opened_ns",
        "put_off",
        "size",
        "streams",
        "turns",
        "waiters",
    )

    def __init__(self) -> None:
        self.durables: list[Post] = []
        self.streams: list[Post] = []
        self.concludes: dict[int, int] = {}
        self.turns: list[Turn] = []
        self.marks: list[Mark] = []
        self.acts: list[Act] = []
        self.calls: list[Callable[[], None]] = []
        self.waiters: list[trio.Event] = []
        self.put_off = 0
        """How many of `acts`, from the first, are snapshots of the group before."""
        self.size = 0
        self.opened_ns = 0

    def empty(self) -> bool:
        """Return whether there is nothing to commit."""
        return not (self.turns or self.durables or self.streams or self.acts)

    @property
    def awaited(self) -> bool:
        """Whether somebody does nothing before this is durable."""
        return bool(self.calls or self.waiters)

    def put_off_snapshots(self, following: "Group") -> list[Snapshot]:
        """Take the snapshots out that were not put off before, for the `following` group.

        Where a restore's lineage is adopted they stay: it is, because every actor has one.
        """
        later = [
            isinstance(act, Snapshot) and number >= self.put_off
            for number, act in enumerate(self.acts)
        ]
        if not any(later) or any(isinstance(act, Adopted) for act in self.acts):
            return []
        left_out = list(accumulate(later, initial=0))
        self.marks = [Mark(mark.position, mark.acts - left_out[mark.acts]) for mark in self.marks]
        acts, self.acts = self.acts, []
        snapshots: list[Snapshot] = []
        for act, is_later in zip(acts, later, strict=True):
            if is_later and isinstance(act, Snapshot):
                snapshots.append(act)
            else:
                self.acts.append(act)
        following.put_off = len(snapshots)
        return snapshots

    def before(self, index: int) -> "Group":
        """Return what this group holds before turn `index`, without what that turn emitted.

        What a turn emits is appended just before it.
        """
        turn = self.turns[index]
        mark = self.marks[index]
        emitted = {effect[2] for effect in turn.effects}
        part = Group()
        part.durables = [
            post for post in self.durables if post[0] <= mark.position and post[0] not in emitted
        ]
        part.streams = [
            post for post in self.streams if post[0] <= mark.position and post[0] not in emitted
        ]
        part.concludes = self.concludes
        part.turns = self.turns[:index]
        part.marks = self.marks[:index]
        part.acts = self.acts[: mark.acts]
        return part


class Withheld:
    """Streams not stored while the disk is in need, in case a turn has still to handle them.

    What a turn handled must be in the journal, or its actor could not be rebuilt.
    """

    def __init__(self) -> None:
        self._posts: dict[int, Post] = {}
        self.dropped = 0
        """Streams given up; a turn that handles one of them after all cannot be folded again."""

    def __len__(self) -> int:
        return len(self._posts)

    def sift(self, group: Group, *, keep_back: bool) -> None:
        """Put what the turns of `group` handled into it; with `keep_back`, take the rest out."""
        if not keep_back and not self._posts:
            return
        handled = set(chain.from_iterable(turn.inputs for turn in group.turns))
        streams = group.streams
        if keep_back:
            self._posts.update((post[0], post) for post in streams if post[0] not in handled)
            streams = [post for post in streams if post[0] in handled]
        late = [self._posts.pop(position) for position in handled & self._posts.keys()]
        group.streams = sorted(late) + streams
        while len(self._posts) > WITHHELD_MAX:
            del self._posts[next(iter(self._posts))]
            self.dropped += 1


class StoreStatistics(msgspec.Struct, frozen=True):
    """What the store has done since its start."""

    groups: int
    """Transactions committed."""
    bytes: int
    """Committed, by our own reckoning."""
    backlog_bytes: int
    inbox: int
    quarantined: int
    degraded: str
    """Why streams are not stored, "" if they are."""
    withheld: int
    """Streams kept in memory instead, in case a turn handles them."""
    dropped: int
    """Streams given up so."""
