"""HTTP/1.1 requests and replies, bounded, over h11."""

from typing import NamedTuple
from urllib.parse import parse_qsl

import h11
import trio
from trio.abc import HalfCloseableStream

HEAD_BYTES_MAX = 16_384  # Kraken's clients send under 1 kB of headers
BODY_BYTES_MAX = 1_048_576  # the largest batch of orders is a few kB
RECEIVE_BYTES = 65_536
IDLE_S = 75.0  # a keep-alive connection without a request is closed, as reverse proxies do


class HttpRequest(NamedTuple):
    """One request; header names in lower case."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes
    is_local: bool = False
    """Whether it came over the loopback interface."""
    peer: str = ""
    """The address it came from, by which venues count weights; empty for a simulated peer."""

    @property
    def is_websocket(self) -> bool:
        """Whether the client wants to go on in WebSocket frames."""
        return self.headers.get("upgrade", "").lower() == "websocket"

    def head(self) -> bytes:
        """Return the request without its body as it may have been sent."""
        query = f"?{self.query}" if self.query else ""
        lines = [f"{self.method} {self.path}{query} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def query_parameters(self) -> dict[str, str]:
        """Return the parameters behind the question mark; the last of equal names wins."""
        return dict(parse_qsl(self.query, keep_blank_values=True))


class HttpReply(NamedTuple):
    """One reply. `cut` sends only half of the body and closes."""

    status: int
    body: bytes
    content_type: str = "application/json; charset=utf-8"
    cut: bool = False
    headers: tuple[tuple[str, str], ...] = ()


class BadRequestError(Exception):
    """The peer does not speak HTTP, or too much of it."""


class HttpConnection:
    """The server's side of one connection that may carry several requests."""

    def __init__(self, stream: HalfCloseableStream) -> None:
        self._stream = stream
        self._connection = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_BYTES_MAX)

    async def next_request(self) -> HttpRequest | None:
        """Return the next request, None when there will be none.

        The one before must have been answered.
        """
        if self._connection.our_state is not h11.IDLE:
            if self._connection.our_state is not h11.DONE:
                return None
            if self._connection.their_state is not h11.DONE:
                return None
            self._connection.start_next_cycle()
        with trio.move_on_after(IDLE_S):
            return await self._read_request()
        return None

    def unread(self) -> bytes:
        """Return what arrived behind the request that was returned last."""
        return bytes(self._connection.trailing_data[0])

    async def reply(self, reply: HttpReply) -> None:
        """Answer the request that was returned last."""
        headers = [
            ("Content-Type", reply.content_type),
            ("Content-Length", str(len(reply.body))),
            *reply.headers,
        ]
        reason = {429: b"Too Many Requests", 502: b"Bad Gateway"}.get(reply.status, b"")
        head = h11.Response(status_code=reply.status, headers=headers, reason=reason)
        data = self._connection.send(head) or b""
        if reply.cut:
            await self._stream.send_all(data + reply.body[: len(reply.body) // 2])
            return
        data += self._connection.send(h11.Data(data=reply.body)) or b""
        data += self._connection.send(h11.EndOfMessage()) or b""
        await self._stream.send_all(data)

    async def _read_request(self) -> HttpRequest | None:
        request: h11.Request | None = None
        body = bytearray()
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > BODY_BYTES_MAX:
                    raise BadRequestError("the body is too long")
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None, "h11 ends only what it began"
                return _request(request, bytes(body))
            else:
                return None

    async def _next_event(self) -> h11.Event | type[h11.PAUSED] | None:
        while True:
            try:
                event = self._connection.next_event()
            except h11.RemoteProtocolError as error:
                raise BadRequestError(str(error)) from error
            if event is h11.NEED_DATA:
                if self._connection.they_are_waiting_for_100_continue:
                    informational = h11.InformationalResponse(status_code=100, headers=[])
                    await self._stream.send_all(self._connection.send(informational) or b"")
                data = await self._stream.receive_some(RECEIVE_BYTES)
                self._connection.receive_data(bytes(data))
                continue
            return event  # type: ignore[return-value] # NEED_DATA was handled above


def _request(request: h11.Request, body: bytes) -> HttpRequest:
    path, _, query = request.target.decode("latin-1").partition("?")
    headers = {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.headers
    }
    return HttpRequest(request.method.decode("latin-1"), path, query, headers, body)
