"""What a cell and the process that runs its actor's handlers say to each other.

Both run the same code of the same release: there are no versions. A frame is a length (u32, big
endian) and that many bytes of msgpack. The cell asks, the process answers each question once.
"""

import struct
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from supervisor.actor import Effect
from supervisor.fold import Divergence
from supervisor.journal import RecordedTurn, Snapshot, StoredEffect

# The largest states have 4 MB, the largest turns some megabytes more; beyond it something leaks.
FRAME_BYTES_MAX = 64_000_000
LENGTH = struct.Struct(">I")

Item = tuple[int, int, int, int, bytes]
"""A message: position, sender, target, at_ns, body; the beginning of an `Envelope` or `Input`."""


class Begin(msgspec.Struct, frozen=True, kw_only=True, tag="begin"):
    """Make the actor, and go to a snapshot; answered by `Reached`."""

    module: str
    name: str
    """Of the actor's class in that module."""
    arguments: bytes
    """What it is made with, as msgpack: a list and a map."""
    lineage: bytes
    actor_id: int
    address: str
    paranoid: bool
    snapshot: Snapshot | None


class PastTurn(msgspec.Struct, frozen=True, array_like=True):
    """A `RecordedTurn`."""

    first_seq: int
    now_ns: int
    inputs: list[Item]
    counts: list[int]
    effects: list[StoredEffect]
    chain: bytes


class Past(msgspec.Struct, frozen=True, kw_only=True, tag="past"):
    """Handle turns again, or, if the code may be another, `follow` them; answered by `Reached`."""

    turns: list[PastTurn]
    follow: bool
    names: dict[int, str]
    """Of what the effects name."""


class Continue(msgspec.Struct, frozen=True, kw_only=True, tag="continue"):
    """Make ids and random numbers of another lineage from here on; answered by `Reached`."""

    lineage: bytes


class Handle(msgspec.Struct, frozen=True, kw_only=True, tag="handle"):
    """Handle messages as one turn; answered by `Handled`."""

    batch: list[Item]
    now_ns: int


class Save(msgspec.Struct, frozen=True, kw_only=True, tag="save"):
    """Take a snapshot; answered by `Saved`."""

    now_ns: int


class Reached(msgspec.Struct, frozen=True, kw_only=True, tag="reached"):
    """Where the fold is, and whether it acted as recorded."""

    seq: int
    chain: bytes
    timers: dict[str, tuple[int, int]]
    divergence: Divergence | None = None


class Handled(msgspec.Struct, frozen=True, kw_only=True, tag="handled"):
    """What became of a turn; with an `error`, the process is of no more use."""

    counts: list[int]
    effects: list[Effect]
    seq: int
    timers: dict[str, tuple[int, int]] | None
    """If they may have changed."""
    error: str = ""
    traceback: str = ""


class Saved(msgspec.Struct, frozen=True, kw_only=True, tag="saved"):
    """The state."""

    snapshot: Snapshot


Question = Begin | Past | Continue | Handle | Save
Reply = Reached | Handled | Saved

_encode = msgspec.msgpack.Encoder().encode
question_decoder: Any = msgspec.msgpack.Decoder(Question)
reply_decoder: Any = msgspec.msgpack.Decoder(Reply)


def frame(what: Question | Reply) -> bytes:
    """Encode one frame."""
    body = _encode(what)
    assert len(body) <= FRAME_BYTES_MAX, "a state, a turn or a message is larger than it may be"
    return LENGTH.pack(len(body)) + body


def past(turns: Sequence[RecordedTurn], names: Mapping[int, str], *, follow: bool) -> Past:
    """Return recorded turns as they travel."""
    return Past(
        turns=[
            PastTurn(t.first_seq, t.now_ns, items(t.inputs), t.counts, t.effects, t.chain)
            for t in turns
        ],
        follow=follow,
        names={e[1]: names[e[1]] for turn in turns for e in turn.effects if e[1] in names},
    )


def items(inputs: Sequence[Any]) -> list[Item]:
    """Return what travels of envelopes or inputs."""
    return [(i[0], i[1], i[2], i[3], i[4]) for i in inputs]
