"""HTTP over httpcore2, whose sockets come from `supervisor.net` and from nowhere else.

The URL goes out byte for byte (it is often part of a signature). A request is never sent twice and
a redirect is never followed: both could place a second order. Before the first byte of a request is
handed to the socket the running call's `Flight.sent` is set; what fails earlier was not sent.
"""

import ssl
import zlib
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

import httpcore2
import trio

from exchanges.flight import current_flight
from exchanges.json_text import Json
from exchanges.tunnel import Stream, open_stream, secure
from supervisor.buggify import buggify

# Far above what a venue's rate limit lets fly at once, far below what it would call an attack.
CONNECTIONS_MAX = 20
# The largest answer we take (Kraken's AssetPairs is 1.5 MB); more is an error or an attack.
BODY_BYTES_MAX = 64 * 1024 * 1024


class TransportError(Exception):
    """The request failed on its way; `Flight.sent` of the call says whether it had left."""


class Answer(NamedTuple):
    """What came back; header names keep their case, because ccxt looks for 'Content-Type'."""

    status: int
    reason: str
    headers: list[tuple[str, str]]
    body: bytes


class _Stream(httpcore2.AsyncNetworkStream):
    """A trio stream as httpcore2 sees it."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    async def read(  # type: ignore[override]  # the caller's cancel scope is the time-out
        self, max_bytes: int, **_: float | None
    ) -> bytes:
        try:
            return bytes(await self._stream.receive_some(max_bytes))
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore2.ReadError(str(error)) from error

    async def write(  # type: ignore[override]  # as above: no time-out of its own
        self, buffer: bytes, **_: float | None
    ) -> None:
        if not buffer:
            return
        current_flight().sent = True
        try:
            await self._stream.send_all(buffer)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise httpcore2.WriteError(str(error)) from error

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(  # type: ignore[override]  # as above: no time-out of its own
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, **_: float | None
    ) -> "_Stream":
        try:
            return _Stream(await secure(self._stream, ssl_context, server_hostname or ""))
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error

    def get_extra_info(self, info: str) -> Json:
        stream: trio.abc.Stream = self._stream
        while isinstance(stream, trio.SSLStream):
            stream = stream.transport_stream
        if info == "is_readable":
            if buggify("http.stale-connection"):
                return True
            # An idle connection that can be read from was closed by the venue: do not use it again.
            if isinstance(stream, trio.SocketStream):
                return stream.socket.is_readable()
            return bool(getattr(stream, "is_readable", False))  # a simulated one says so itself
        return None


class _Backend(httpcore2.AsyncNetworkBackend):
    """Opens connections through the network in force, and through a proxy if there is one."""

    def __init__(self, proxy_url: str | None, ssl_context: ssl.SSLContext) -> None:
        self._proxy_url = proxy_url
        self._ssl_context = ssl_context

    async def connect_tcp(  # type: ignore[override]  # the other options are never given
        self, host: str, port: int, **_: object
    ) -> _Stream:
        try:
            return _Stream(await open_stream(host, port, self._proxy_url, self._ssl_context))
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error

    async def sleep(self, seconds: float) -> None:
        await trio.sleep(seconds)


class Transport:
    """A pool of connections, one per proxy. Safe for many tasks; `aclose` when done."""

    def __init__(self, ssl_context: ssl.SSLContext) -> None:
        self._ssl_context = ssl_context
        self._pools: dict[str | None, httpcore2.AsyncConnectionPool] = {}

    def _pool(self, proxy: str | None) -> httpcore2.AsyncConnectionPool:
        pool = self._pools.get(proxy)
        if pool is None:
            pool = httpcore2.AsyncConnectionPool(
                ssl_context=self._ssl_context,
                max_connections=CONNECTIONS_MAX,
                max_keepalive_connections=CONNECTIONS_MAX,
                retries=0,
                network_backend=_Backend(proxy, self._ssl_context),
            )
            self._pools[proxy] = pool
        return pool

    async def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        proxy: str | None = None,
    ) -> Answer:
        """Send one request and return its whole answer. Raises `TransportError`.

        There is no time-out here: the caller's cancel scope is one.
        """
        flight = current_flight()
        flight.begin()
        try:
            async with self._pool(proxy).stream(
                method, _url(url), headers=wire_headers(method, url, headers, body), content=body
            ) as response:
                content = await _read_all(response)
        except (
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
            httpcore2.ProxyError,
            httpcore2.TimeoutException,
            httpcore2.UnsupportedProtocol,
            OSError,
        ) as error:
            raise TransportError(f"{type(error).__name__}: {error}") from error
        raw = [(k.decode("latin-1"), v.decode("latin-1")) for k, v in response.headers]
        reason = response.extensions.get("reason_phrase", b"").decode("latin-1")
        content = _decompressed(raw, content)
        flight.status = response.status
        flight.retry_after_ms = _retry_after_ms(raw)
        return Answer(response.status, reason, raw, content)

    async def aclose(self) -> None:
        """Close every connection."""
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            await pool.aclose()


async def _read_all(response: httpcore2.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    async for part in response.aiter_stream():
        size += len(part)
        if size > BODY_BYTES_MAX:
            raise TransportError(f"the answer is larger than {BODY_BYTES_MAX} bytes")
        parts.append(part)
    return b"".join(parts)


def request_target(url: str) -> bytes:
    """Return the target of an already encoded URL, as it goes on the wire."""
    rest = url.split("://", 1)[1].split("#", 1)[0]
    starts = [at for at in (rest.find("/"), rest.find("?")) if at >= 0]
    target = rest[min(starts) :] if starts else "/"
    if target.startswith("?"):
        target = "/" + target
    if target.endswith("?") and target.count("?") == 1:
        # aiohttp's URL class drops a lone question mark; venues' signatures were made for that.
        target = target[:-1]
    return target.encode("utf-8")


def _url(url: str) -> httpcore2.URL:
    parts = urlsplit(url)
    return httpcore2.URL(
        scheme=parts.scheme, host=parts.hostname or "", port=parts.port, target=request_target(url)
    )


def wire_headers(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None
) -> list[tuple[str, str]]:
    """Return the headers as they go out: ccxt's own, and those that aiohttp adds by itself."""
    names = {name.lower() for name in headers}
    wire = [(name, str(value)) for name, value in headers.items()]
    has_body_method = method in ("POST", "PUT", "PATCH")
    if "host" not in names:
        wire.insert(0, ("Host", urlsplit(url).netloc.rsplit("@")[-1]))
    if "accept" not in names:
        wire.append(("Accept", "*/*"))
    if "content-type" not in names and (body is not None or has_body_method):
        wire.append(("Content-Type", "application/octet-stream"))
    if "content-length" not in names and (
        body is not None or has_body_method or method == "DELETE"
    ):
        wire.append(("Content-Length", str(len(body or b""))))
    return wire


def _decompressed(headers: list[tuple[str, str]], body: bytes) -> bytes:
    encoding = next((v.lower() for k, v in headers if k.lower() == "content-encoding"), "")
    if encoding not in ("gzip", "deflate"):
        return body
    # 32 is zlib's "tell gzip from zlib yourself"; some servers send raw deflate without a header.
    is_raw = encoding == "deflate" and body[:1] != b"\x78"
    inflater = zlib.decompressobj(-zlib.MAX_WBITS if is_raw else zlib.MAX_WBITS | 32)
    try:
        content = inflater.decompress(body, BODY_BYTES_MAX)
    except zlib.error as error:
        raise TransportError(f"the answer's {encoding} data is damaged: {error}") from error
    if not inflater.eof:
        raise TransportError(f"the answer's {encoding} data is cut off or too large")
    return content


def _retry_after_ms(headers: list[tuple[str, str]]) -> int | None:
    text = next((v for k, v in headers if k.lower() == "retry-after"), None)
    try:
        return int(float(text) * 1000) if text is not None else None
    except ValueError:
        # The HTTP-date form: no venue we know sends it, and it is only advice.
        return None
