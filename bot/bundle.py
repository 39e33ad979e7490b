"""A bundle: one file with all that it takes to run a moment of one actor again elsewhere.

A file is `MAGIC`, the version of the format (one line of digits), a digest of what follows, and
that: a `Bundle` in msgpack, compressed with zlib. It is read without trusting it: the digest is
compared first, and no more is unpacked than a bundle may hold.
"""

import hashlib
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from messages.settings import TreeSettings
from state.errors import HistoryRetiredError
from state.lineages import PastLineage
from supervisor.journal import RecordedTurn, SetAside, Snapshot

MAGIC = b"Canopy bundle "
FORMAT = 1
DIGEST_BYTES = 32
# Unpacked: an hour of a busy actor. A bundle is mailed around, and unpacked in memory.
UNPACKED_BYTES_MAX = 128_000_000
# A moment's first line: the magic and a number.
_HEAD_BYTES_MAX = 64
_COMPRESSION = 6


class BundleError(Exception):
    """A file is no bundle that this Canopy can read, or none can be written; the text says why."""


class Noted(msgspec.Struct, frozen=True, array_like=True):
    """A line of what people were told around the moment: an alert, or a sleeve's own word."""

    at_ns: int
    subject: str
    text: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """By what and when a bundle was made."""

    at_ns: int
    canopy: str
    commit: str
    """Of the working tree that ran, "" where it is none."""
    python: str
    libraries: dict[str, str]


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """A moment of one actor."""

    made: Made
    address: str
    number: int
    around_ns: int
    class_name: str
    class_version: int
    lineage: bytes
    names: dict[int, str]
    settings: TreeSettings
    """What the tree was built from, with the roster in force and no secrets."""
    snapshot: Snapshot | None
    """The state before the first of `turns`; none if that is the actor's first."""
    turns: list[RecordedTurn]
    set_aside: list[SetAside]
    """Its messages in quarantine."""
    told: list[Noted]
    is_cut: bool
    """Whether turns at the end were left out, for the size."""
    lineages_before: tuple[PastLineage, ...] = ()
    """Those before restores of backups, oldest first."""


class BundleSource:
    """The past in a bundle, as `bot.past.Source` wants it."""

    def __init__(self, bundle: Bundle) -> None:
        self._bundle = bundle

    def turns(self, actor: int, from_seq: int, to_seq: int) -> Iterator[RecordedTurn]:
        """Yield the turns that hold messages `from_seq` to `to_seq`, both included."""
        assert actor == self._bundle.number, "a bundle is about one actor"
        if from_seq < self.horizon(actor):
            raise HistoryRetiredError(f"message {from_seq} of this bundle", self.horizon(actor))
        for turn in self._bundle.turns:
            if turn.first_seq > to_seq:
                return
            if turn.first_seq + len(turn.inputs) > from_seq:
                yield turn

    def turns_since(self, actor: int, at_ns: int) -> Iterator[RecordedTurn]:
        """Yield the turns from `at_ns` on, and some before perhaps."""
        assert actor == self._bundle.number, "a bundle is about one actor"
        yield from self._bundle.turns

    def snapshot_before(self, actor: int, seq: int) -> Snapshot | None:
        """Return the state that the turns begin with. Raises `HistoryRetiredError`."""
        if seq < self.horizon(actor):
            raise HistoryRetiredError(f"message {seq} of this bundle", self.horizon(actor))
        return self._bundle.snapshot

    def horizon(self, actor: int) -> int:
        """Return the first message that the bundle holds."""
        assert actor == self._bundle.number, "a bundle is about one actor"
        return self._bundle.snapshot.seq + 1 if self._bundle.snapshot else 1

    def quarantined(self) -> list[SetAside]:
        """Return the actor's messages in quarantine."""
        return self._bundle.set_aside


def pack(bundle: Bundle) -> bytes:
    """Return the file of a bundle."""
    body = zlib.compress(encoded(bundle), _COMPRESSION)
    return MAGIC + b"%d\n" % FORMAT + _digest(body) + body


def encoded(bundle: Bundle) -> bytes:
    """Return what is compressed in the file: where secrets would be, if any were."""
    return msgspec.msgpack.encode(bundle)


def write(path: Path, document: bytes) -> None:
    """Write a file whole or not at all, readable for its owner only. Raises `BundleError`."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.unlink(missing_ok=True)
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(document)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise BundleError(f"{path}: {error.strerror}; choose another --out") from error


def read(path: Path) -> Bundle:
    """Return the bundle in a file. Raises `BundleError`."""
    try:
        if path.stat().st_size > UNPACKED_BYTES_MAX:
            raise BundleError(f"{path} is larger than any bundle: it is not one of ours")
        document = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path} cannot be read: {error.strerror}") from error
    return _unpack(document, str(path))


def _unpack(document: bytes, name: str) -> Bundle:
    head, newline, rest = document[:_HEAD_BYTES_MAX].partition(b"\n")
    number = head.removeprefix(MAGIC)
    if not newline or number == head or not number.isdigit():
        raise BundleError(f"{name} is no bundle: `bot bundle` makes them")
    if int(number) > FORMAT:
        raise BundleError(
            f"{name} was made by a newer Canopy (format {int(number)}, this one reads {FORMAT}): "
            "replay it with that version"
        )
    rest = document[len(head) + 1 :]
    known, body = rest[:DIGEST_BYTES], rest[DIGEST_BYTES:]
    if _digest(body) != known:
        raise BundleError(f"{name} is damaged or cut short: fetch it again")
    try:
        unpacking = zlib.decompressobj()
        plain = unpacking.decompress(body, UNPACKED_BYTES_MAX)
        if not unpacking.eof:
            raise BundleError(
                f"{name} unpacks to more than any bundle holds: it is not one of ours"
            )
        return msgspec.msgpack.decode(plain, type=Bundle)
    except (zlib.error, msgspec.DecodeError) as error:
        raise BundleError(f"{name} does not hold what a bundle holds: {error}") from error


def _digest(body: bytes) -> bytes:
    return hashlib.blake2b(body, digest_size=DIGEST_BYTES).digest()
