"""A golden journal: what one actor of a release handled and did, in one small file."""

import zlib
from pathlib import Path

import msgspec

from supervisor.journal import RecordedTurn, Snapshot

FOLDER = Path(__file__).parent
SUFFIX = ".journal"


class Golden(msgspec.Struct, frozen=True, kw_only=True):
    """The past of one actor."""

    address: str
    actor_id: int
    lineage: bytes
    names: dict[int, str]
    """Of whom it sent messages to, and on which topics."""
    snapshot: Snapshot
    """After some message in the middle, as that release encoded it."""
    turns: list[RecordedTurn]
    """From its first message."""


_decoder = msgspec.msgpack.Decoder(Golden)


def write(golden: Golden, path: Path) -> int:
    """Write a journal; return the size of the file."""
    return path.write_bytes(zlib.compress(msgspec.msgpack.encode(golden), 9))


def read(path: Path) -> Golden:
    """Read a journal."""
    return _decoder.decode(zlib.decompress(path.read_bytes()))


def paths() -> list[Path]:
    """Return the files of all releases."""
    return sorted(FOLDER.glob(f"*/*{SUFFIX}"))
