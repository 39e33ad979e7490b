"""Frames on a byte stream, without I/O: a length (u32, big endian), then so much msgpack.

The codec under the control protocol (`messages/control.py`). Bytes from a stranger can do no more
than raise a `ProtocolError`: a length is checked before anything is kept for it, and a reader never
holds more than one frame and what was fed with it.
"""

from enum import Enum
from typing import Generic, TypeVar

import msgspec

from messages.base import encode, tag_in

LENGTH_BYTES = 4
# A thousand rows of the largest kind in use (a vault of a few sleeves, 4 kB; an order is 500
# bytes).
FRAME_BYTES_MAX = 4_194_304


class Fault(Enum):
    """What is wrong with bytes that are not a frame."""

    OVERSIZED = "oversized"
    """The announced length is more than the reader accepts; nothing of the body was kept."""
    EMPTY = "empty"
    """A frame of no bytes."""
    MALFORMED = "malformed"
    """Not msgpack, or a field is missing, unknown, of another type or out of range."""
    UNKNOWN_TAG = "unknown_tag"
    """A struct that this side of the protocol does not have."""
    TRUNCATED = "truncated"
    """The connection ended inside a frame."""


class ProtocolError(ValueError):
    """The peer does not speak this protocol: say goodbye if possible, and close the connection."""

    def __init__(self, fault: Fault, detail: str) -> None:
        super().__init__(f"{fault.value} frame: {detail}")
        self.fault = fault
        self.detail = detail


def encode_frame(frame: msgspec.Struct) -> bytes:
    """Return the bytes of one frame; raise `ProtocolError` if no reader would accept its size."""
    body = encode(frame)
    if len(body) > FRAME_BYTES_MAX:
        raise ProtocolError(
            Fault.OVERSIZED, f"{len(body)} bytes, at most {FRAME_BYTES_MAX}: ask for fewer rows"
        )
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


# A stranger's bytes can also hold text that is no UTF-8, and nesting deeper than the stack.
_NOT_A_FRAME = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def _tag_in(body: bytes) -> str:
    try:
        return tag_in(body)
    except _NOT_A_FRAME:
        return "?"


FrameT = TypeVar("FrameT")


class FrameReader(Generic[FrameT]):
    """Turns received bytes into frames. After a `ProtocolError` it is of no more use."""

    def __init__(
        self,
        decoder: msgspec.msgpack.Decoder[FrameT],
        known_tags: frozenset[str],
        *,
        bytes_max: int,
        skip_unknown_tags: bool = False,
    ) -> None:
        self._decoder = decoder
        self._known_tags = known_tags
        self._bytes_max = bytes_max
        self._skip_unknown_tags = skip_unknown_tags
        self._buffer = bytearray()
        self.skipped = 0
        """Frames with an unknown tag that were passed over."""

    def feed(self, data: bytes) -> list[FrameT]:
        """Take received bytes and return the frames that are now complete; raise `ProtocolError`.

        Frames before a faulty one in the same `data` are lost with it: the connection is closed
        anyway.
        """
        self._buffer += data
        frames: list[FrameT] = []
        start = 0
        while len(self._buffer) - start >= LENGTH_BYTES:
            body_at = start + LENGTH_BYTES
            length = self._length(start)
            if len(self._buffer) - body_at < length:
                break
            start = body_at + length
            self._decode(bytes(memoryview(self._buffer)[body_at:start]), frames)
        del self._buffer[:start]
        return frames

    def close(self) -> None:
        """Tell the reader that the connection ended; raise `ProtocolError` if inside a frame."""
        if self._buffer:
            raise ProtocolError(Fault.TRUNCATED, f"{len(self._buffer)} bytes and then the end")

    def _length(self, start: int) -> int:
        length = int.from_bytes(self._buffer[start : start + LENGTH_BYTES], "big")
        if length > self._bytes_max:
            raise ProtocolError(
                Fault.OVERSIZED, f"{length} bytes announced, at most {self._bytes_max}"
            )
        if length == 0:
            raise ProtocolError(Fault.EMPTY, "a frame has at least one byte")
        return length

    def _decode(self, body: bytes, frames: list[FrameT]) -> None:
        try:
            frames.append(self._decoder.decode(body))
        except _NOT_A_FRAME as error:
            tag = _tag_in(body)
            if tag == "?" or tag in self._known_tags:
                raise ProtocolError(Fault.MALFORMED, f"{error}") from error
            if not self._skip_unknown_tags:
                raise ProtocolError(Fault.UNKNOWN_TAG, f"{tag[:64]!r}") from error
            self.skipped += 1
