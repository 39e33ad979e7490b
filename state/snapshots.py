"""Snapshots, each with a digest, so that a damaged one is not folded.

Two are kept per actor for recovery: the journal is retired behind the older one. Beside them one is
kept of every half hour, while it lasts, for replay to begin with.
"""

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

import apsw
import msgspec

from state.sql import delete_many, fetch_all, insert_many
from supervisor import limits
from supervisor.journal import Snapshot

# The newest, and one to fall back to when the newest is damaged.
SNAPSHOTS_KEPT = 2
# Replay of a moment folds half an hour at most before it, and reaches back a day, as the journal
# does by default.
ANCHOR_NS = 1_800 * 1_000_000_000
ANCHORS_MAX = 48
# Of a larger state only the two are kept: a day of all actors' is then 3 MB each at most.
ANCHOR_BYTES_MAX = 65_536
# A snapshot is due when the log grew by this since: what a recovery has to read through at most.
SNAPSHOT_LAG_BYTES = 256_000_000
DIGEST_BYTES = 8

_COLUMNS = ("id", "actor", "seq", "hour", "at_ns", "digest", "body")
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Snapshot)


class Kept(NamedTuple):
    """A snapshot in the database."""

    id: int
    seq: int
    hour: int
    at_ns: int
    log_bytes: int
    """How much this process had committed when it was taken."""
    size: int
    """Bytes of its body."""


def retained(kept: tuple[Kept, ...]) -> tuple[Kept, ...]:
    """Return what stays of an actor's snapshots, oldest first."""
    anchors: dict[int, Kept] = {}
    for one in kept[:-SNAPSHOTS_KEPT]:
        if one.size <= ANCHOR_BYTES_MAX:
            anchors.setdefault(one.at_ns // ANCHOR_NS, one)
    return (*list(anchors.values())[-ANCHORS_MAX:], *kept[-SNAPSHOTS_KEPT:])


class Shelf:
    """What is kept of each actor; changed by `add` once the transaction is safe (`accept`)."""

    def __init__(self, connection: apsw.Connection) -> None:
        self.kept: dict[int, tuple[Kept, ...]] = {}
        self._id = 0
        rows = fetch_all(
            connection,
            "SELECT id, actor, seq, hour, at_ns, length(body) FROM snapshots ORDER BY id",
        )
        for number, actor, seq, hour, at_ns, size in rows:
            self.kept[actor] = (*self.kept.get(actor, ()), Kept(number, seq, hour, at_ns, 0, size))
            self._id = number

    def add(
        self, connection: apsw.Connection, snapshots: Iterable[Snapshot], hour: int, log_bytes: int
    ) -> dict[int, tuple[Kept, ...]]:
        """Insert `snapshots`, delete what they supersede; return what is kept of their actors."""
        changed: dict[int, tuple[Kept, ...]] = {}
        rows: dict[int, tuple[int, int, int, int, int, bytes, bytes]] = {}
        number = self._id
        superseded: list[int] = []
        for snapshot in snapshots:
            number += 1
            body = _encoder.encode(snapshot)
            kept = changed.get(snapshot.actor) or self.kept.get(snapshot.actor, ())
            new = Kept(number, snapshot.seq, hour, snapshot.now_ns, log_bytes, len(body))
            stay = retained((*kept, new))
            superseded += [old.id for old in kept if old not in stay]
            changed[snapshot.actor] = stay
            rows[number] = (
                number,
                snapshot.actor,
                snapshot.seq,
                hour,
                snapshot.now_ns,
                digest(body),
                body,
            )
        gone = set(superseded)
        insert_many(
            connection, "snapshots", _COLUMNS, [row for id_, row in rows.items() if id_ not in gone]
        )
        stored = [id_ for id_ in superseded if id_ not in rows]
        delete_many(connection, "snapshots", "id", stored)
        return changed

    def accept(self, changed: dict[int, tuple[Kept, ...]]) -> None:
        """Take over what `add` returned, now that it is committed."""
        self.kept.update(changed)
        newest = (kept[-1].id for kept in changed.values())
        self._id = max(self._id, *newest) if changed else self._id

    def due(self, now_ns: int, log_bytes: int, actors: Iterable[int]) -> list[int]:
        """Return which of `actors` need a snapshot, for the journal to be retired behind them."""
        due = []
        for actor in actors:
            kept = self.kept.get(actor)
            newest = kept[-1] if kept else Kept(0, 0, 0, 0, 0, 0)
            late = now_ns - newest.at_ns >= limits.SNAPSHOT_INTERVAL_NS
            if late or log_bytes - newest.log_bytes >= SNAPSHOT_LAG_BYTES:
                due.append(actor)
        return due


def digest(body: bytes) -> bytes:
    """Return what tells a damaged snapshot."""
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()


def load(
    connection: apsw.Connection, actor: int, newest: int = ANCHORS_MAX + SNAPSHOTS_KEPT
) -> list[tuple[int, Snapshot]]:
    """Return (hour, snapshot) of the newest of `actor` that are undamaged, newest first."""
    found: list[tuple[int, Snapshot]] = []
    query = "SELECT hour, digest, body FROM snapshots WHERE actor = ? ORDER BY id DESC LIMIT ?"
    for hour, known, body in fetch_all(connection, query, (actor, newest)):
        if digest(body) == known:
            found.append((hour, _decoder.decode(body)))
    return found
