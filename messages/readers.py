"""The readers of the control protocol: from the bytes of a connection to its frames."""

from typing import cast

import msgspec

from messages.control import REQUEST_BYTES_MAX, ClientFrame, ServerFrame
from messages.framing import FRAME_BYTES_MAX, FrameReader

# A union has no static type of its own that mypy would accept here, hence the casts.
_client_decoder = cast(
    msgspec.msgpack.Decoder[ClientFrame], msgspec.msgpack.Decoder(type=ClientFrame)
)
_server_decoder = cast(
    msgspec.msgpack.Decoder[ServerFrame], msgspec.msgpack.Decoder(type=ServerFrame)
)
_KNOWN_TAGS = frozenset(
    str(kind.__struct_config__.tag) for kind in (*ClientFrame.__args__, *ServerFrame.__args__)
)


def server_reader() -> FrameReader[ClientFrame]:
    """Return the reader for the daemon's side of one connection."""
    return FrameReader(_client_decoder, _KNOWN_TAGS, bytes_max=REQUEST_BYTES_MAX)


def client_reader() -> FrameReader[ServerFrame]:
    """Return the reader for a client's side of one connection."""
    return FrameReader(
        _server_decoder, _KNOWN_TAGS, bytes_max=FRAME_BYTES_MAX, skip_unknown_tags=True
    )
