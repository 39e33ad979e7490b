"""Segments of captured frames on disk: written line by line, read back, deleted when too old.

A segment is gzip'd JSON lines. The first is a `Head`, the others are `Frame`s. The one being
written ends in `.part`; one that a crash left is read as far as it goes.
"""

import gzip
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

FORMAT = 1
PART = ".part"
SUFFIX = ".jsonl.gz"
# Level 1 packs frames to a tenth as well as any, at a third of the time.
COMPRESSION = 1
NANOSECONDS_PER_HOUR = 3_600 * 1_000_000_000
# No frame is larger (exchanges.websocket); what is longer is no segment of ours.
LINE_BYTES_MAX = 32 * 1024 * 1024

What = Literal["open", "http", "out", "in", "closed", "lost"]


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of a segment."""

    format: int
    venue: str
    protocol: str
    symbols: tuple[str, ...]
    began_ns: int


class Frame(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something that went over the wire, at our clock.

    `open`: a client was made, nothing before it counts any more. `http`: an answer, `place` is its
    URL. `out`, `in`: a message of the connection `place`; `closed`: its end. `lost`: so many frames
    were not kept, as a number in `text`.
    """

    at_ns: int
    what: What
    place: str
    text: str = ""


class SegmentError(Exception):
    """A file is no segment; the text says why."""


_encode = msgspec.json.Encoder().encode
_head = msgspec.json.Decoder(Head)
_frame = msgspec.json.Decoder(Frame)


class Segment:
    """The segment that is being written. Every method may raise `OSError`."""

    def __init__(self, folder: Path, head: Head, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._final = folder / f"{name}{SUFFIX}"
        self._path = folder / f"{name}{SUFFIX}{PART}"
        self._file = gzip.GzipFile(self._path, "wb", compresslevel=COMPRESSION)
        self._file.write(_encode(head) + b"\n")

    def write(self, frames: Sequence[Frame]) -> None:
        """Write frames, so that a crash loses none of them."""
        self._file.write(b"".join(_encode(frame) + b"\n" for frame in frames))
        self._file.flush(zlib.Z_SYNC_FLUSH)

    def close(self) -> None:
        """Finish the segment."""
        self._file.close()
        self._path.rename(self._final)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A segment on disk."""

    path: str
    venue: str
    began_ns: int
    size_bytes: int
    complete: bool


def finish_left(folder: Path) -> None:
    """Rename what a crash left half-written: it is read as far as it goes."""
    for left in folder.glob(f"*{SUFFIX}{PART}"):
        left.rename(left.with_name(left.name.removesuffix(PART)))


def kept(folder: Path) -> list[Kept]:
    """Return the segments in a venue's folder, oldest first."""
    return [
        Kept(
            path=str(path),
            venue=folder.name,
            began_ns=_began_ns(path),
            size_bytes=path.stat().st_size,
            complete=not path.name.endswith(PART),
        )
        for path in sorted(folder.glob(f"*{SUFFIX}*"), key=_began_ns)
    ]


def _began_ns(path: Path) -> int:
    return int(path.name.partition(".")[0])


def retire(folder: Path, bytes_max: int, age_ns_max: int, now_ns: int) -> int:
    """Delete the oldest complete segments beyond the bounds; return how many."""
    segments = [each for each in kept(folder) if each.complete]
    total, retired = sum(each.size_bytes for each in segments), 0
    for each in segments:
        if total <= bytes_max and now_ns - each.began_ns <= age_ns_max:
            break
        Path(each.path).unlink()
        total -= each.size_bytes
        retired += 1
    return retired


def read(path: Path) -> tuple[Head, Iterator[Frame]]:
    """Return a segment's head and its frames. Raises `SegmentError`."""
    lines = _lines(path)
    try:
        head = _head.decode(next(lines))
    except (StopIteration, msgspec.MsgspecError) as error:
        raise SegmentError(f"{path} is no segment of a capture: {error}") from error
    if head.format != FORMAT:
        raise SegmentError(f"{path} has format {head.format}, this version reads {FORMAT}")
    return head, _frames(path, lines)


def _frames(path: Path, lines: Iterable[bytes]) -> Iterator[Frame]:
    for number, line in enumerate(lines, 2):
        try:
            yield _frame.decode(line)
        except msgspec.MsgspecError as error:
            raise SegmentError(f"{path}, line {number}: {error}") from error


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with gzip.open(path, "rb") as file:
            while line := file.readline(LINE_BYTES_MAX):
                if not line.endswith(b"\n"):
                    return  # cut off by a crash
                yield line
    except EOFError:
        return  # likewise, in the middle of a block
    except (OSError, zlib.error) as error:
        raise SegmentError(f"{path} cannot be read: {error}") from error
