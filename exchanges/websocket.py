"""A WebSocket client connection: websockets' protocol without its I/O, on a stream of ours.

The stream comes from `supervisor.net`. Everything one read of the socket brings is handed over at
once, so that a burst of frames costs one wake-up. Pings of the venue are answered here.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple
from urllib.parse import urlsplit

import trio
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus, InvalidURI
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame, Opcode
from websockets.protocol import State
from websockets.speedups import apply_mask
from websockets.uri import parse_uri

from exchanges.tunnel import Stream, open_stream, or_close, secure

# The largest message taken; ccxt has the same bound, a full book snapshot is 0.2 MB.
MESSAGE_BYTES_MAX = 10 * 1024 * 1024
# One read of the socket: enough for a burst of some hundred book frames.
READ_BYTES_MAX = 256 * 1024
# How long the peer may take to send its close frame after ours; closing must not hold anybody up.
CLOSE_TIMEOUT_S = 1.0
# The close code of a connection that broke without one (RFC 6455, section 7.4.1).
ABNORMAL_CLOSURE = 1006
NO_STATUS = 1005
# RFC 6455, section 5.2: a whole text message, the mask's bit, and lengths that take more bytes.
_TEXT_FRAME, _MASKED, _LENGTH_BYTES = b"\x81", 0x80, {126: 2, 127: 8}
HTTPS_PORT = 443
HTTP_PORT = 80


class Kind(Enum):
    """What a received message is."""

    TEXT = "text"
    BINARY = "binary"
    PONG = "pong"
    CLOSE = "close"


class Received(NamedTuple):
    """One message: text, bytes, or for CLOSE the close code."""

    kind: Kind
    data: str | bytes | int


class DialError(Exception):
    """No WebSocket connection came about. `retry_after_s`: what the venue asked for, if it did."""

    def __init__(self, detail: str, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(detail)


class BrokenConnectionError(Exception):
    """The connection is gone, or the peer broke the protocol."""


@dataclass
class _Fragments:
    """A message that has not ended yet."""

    opcode: Opcode
    parts: list[bytes] = field(default_factory=list)


async def dial(
    url: str,
    ssl_context: ssl.SSLContext,
    headers: Mapping[str, str] | None = None,
    *,
    compress: bool = True,
    proxy_url: str | None = None,
) -> "WebSocket":
    """Connect and shake hands. Raises `DialError`; there is no time-out but the caller's scope."""
    try:
        uri = parse_uri(url)
        stream = await _open_stream(url, ssl_context, proxy_url)
    except (InvalidURI, OSError, ValueError) as error:
        raise DialError(f"{type(error).__name__}: {error.__cause__ or error}") from error
    extensions = [ClientPerMessageDeflateFactory(client_max_window_bits=True)] if compress else None
    protocol = ClientProtocol(uri, extensions=extensions, max_size=MESSAGE_BYTES_MAX)
    connection = WebSocket(stream, protocol)
    await or_close(connection.shake_hands(headers or {}), stream)
    return connection


async def _open_stream(url: str, ssl_context: ssl.SSLContext, proxy_url: str | None) -> Stream:
    parts = urlsplit(url)
    is_secure = parts.scheme == "wss"
    host = parts.hostname or ""
    port = parts.port or (HTTPS_PORT if is_secure else HTTP_PORT)
    plain = await open_stream(host, port, proxy_url, ssl_context)
    return await secure(plain, ssl_context, host) if is_secure else plain


class WebSocket:
    """An open connection. One task receives; any task may send."""

    def __init__(self, stream: Stream, protocol: ClientProtocol) -> None:
        self._stream = stream
        self._protocol = protocol
        self._send_lock = trio.Lock()
        self._early: list[Received] = []
        self._fragments: _Fragments | None = None
        self.closed = False

    async def shake_hands(self, headers: Mapping[str, str]) -> None:
        """Send the upgrade request and wait for the answer. Raises `DialError`."""
        request = self._protocol.connect()
        for name, value in {"User-Agent": "canopy", **headers}.items():
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        self._protocol.send_request(request)
        try:
            await self._flush()
            events = await self._first_events()
        except (trio.BrokenResourceError, trio.ClosedResourceError, OSError) as error:
            raise DialError(f"{type(error).__name__}: {error}") from error
        refusal = self._protocol.handshake_exc
        if refusal is not None:
            raise DialError(f"{type(refusal).__name__}: {refusal}", _retry_after_s(refusal))
        for event in events[1:]:
            self._take(event, self._early)

    async def _first_events(self) -> list[object]:
        while True:
            data = await self._stream.receive_some(READ_BYTES_MAX)
            self._feed(bytes(data))
            events: list[object] = list(self._protocol.events_received())
            if events or self._protocol.handshake_exc is not None:
                return events
            if not data:
                raise DialError("the connection was closed during the WebSocket handshake")

    async def send_text(self, text: str | bytes) -> None:
        """Send one message. Raises `BrokenConnectionError`."""
        if not self.may_send:
            raise BrokenConnectionError("the connection is closed")
        self._protocol.send_text(text.encode() if isinstance(text, str) else text)
        await self._write()

    async def send_ping(self) -> None:
        """Send a ping; its pong arrives as `Kind.PONG`. Raises `BrokenConnectionError`."""
        if not self.may_send:
            raise BrokenConnectionError("the connection is closed")
        self._protocol.send_ping(b"")
        await self._write()

    async def receive(self) -> list[Received]:
        """Return what the next read brings, at least one message, in order.

        The last one is a CLOSE when the connection has ended, however it did; then stop reading.
        """
        out, self._early = self._early, []
        while not out:
            try:
                data = bytes(await self._stream.receive_some(READ_BYTES_MAX))
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                data = b""
            self._feed(data)
            for event in self._protocol.events_received():
                self._take(event, out)
            await self._answer_control_frames()
            failure = self._protocol.parser_exc
            if (failure is not None or not data) and not self.closed:
                self.closed = True
                out.append(Received(Kind.CLOSE, self._protocol.close_code or ABNORMAL_CLOSURE))
        return out

    @property
    def may_send(self) -> bool:
        """Whether neither side has ended the connection, as far as is known."""
        # The protocol learns of an end before the message that tells of it has been read.
        return not self.closed and self._protocol.state is State.OPEN

    def _feed(self, data: bytes) -> None:
        if data:
            self._protocol.receive_data(data)
        else:
            self._protocol.receive_eof()

    def _take(self, frame: object, out: list[Received]) -> None:
        assert isinstance(frame, Frame), "only frames follow the handshake"
        match frame.opcode:
            case Opcode.TEXT | Opcode.BINARY if frame.fin:
                out.append(_message(frame.opcode, bytes(frame.data)))
            case Opcode.TEXT | Opcode.BINARY:
                self._fragments = _Fragments(frame.opcode, [bytes(frame.data)])
            case Opcode.CONT:
                assert self._fragments is not None, "the protocol refuses stray continuations"
                self._fragments.parts.append(bytes(frame.data))
                if frame.fin:
                    out.append(_message(self._fragments.opcode, b"".join(self._fragments.parts)))
                    self._fragments = None
            case Opcode.PONG:
                out.append(Received(Kind.PONG, bytes(frame.data)))
            case Opcode.CLOSE:
                self.closed = True
                code = int.from_bytes(frame.data[:2], "big") if len(frame.data) > 1 else NO_STATUS
                out.append(Received(Kind.CLOSE, code))

    async def _answer_control_frames(self) -> None:
        try:
            await self._flush()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            # The peer is gone; the next read says so.
            return

    async def _write(self) -> None:
        try:
            await self._flush()
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise BrokenConnectionError(str(error) or type(error).__name__) from error

    async def _flush(self) -> None:
        # Where nobody else sends, the first byte leaves before any other task runs.
        try:
            self._send_lock.acquire_nowait()
        except trio.WouldBlock:
            await self._send_lock.acquire()
        try:
            for data in self._protocol.data_to_send():
                if data:
                    # Half a frame would make nonsense of what follows it.
                    await or_close(self._stream.send_all(data), self._stream)
                elif not isinstance(self._stream, trio.SSLStream):
                    await self._stream.send_eof()
        finally:
            self._send_lock.release()

    async def aclose(self, code: int = 1000) -> None:
        """Say goodbye if the peer still listens, then close. Never raises, shielded."""
        with trio.CancelScope(shield=True):
            with trio.move_on_after(CLOSE_TIMEOUT_S):
                is_open, self.closed = self.may_send, True
                if is_open:
                    self._protocol.send_close(code)
                    await self._answer_control_frames()
            await trio.aclose_forcefully(self._stream)


def unmasked(data: bytes) -> bytes:
    """Return what one written text frame of a client carries; anything else as it is.

    For who looks at what leaves: a client masks what it sends.
    """
    if data[:1] != _TEXT_FRAME or not data[1] & _MASKED:
        return data
    at = 2 + _LENGTH_BYTES.get(data[1] & ~_MASKED, 0)
    return apply_mask(data[at + 4 :], data[at : at + 4])


def _message(opcode: Opcode, data: bytes) -> Received:
    if opcode is Opcode.BINARY:
        return Received(Kind.BINARY, data)
    # Undecodable text is not worth a reconnection of its own: the feed will call it malformed.
    return Received(Kind.TEXT, data.decode("utf-8", errors="replace"))


def _retry_after_s(refusal: Exception) -> float | None:
    if not isinstance(refusal, InvalidStatus):
        return None
    headers: Headers = refusal.response.headers
    try:
        return float(headers["Retry-After"]) if "Retry-After" in headers else None
    except ValueError:
        return None
