"""A stream to a venue, directly or through a proxy: HTTP CONNECT, or SOCKS5 (RFC 1928 and 1929).

The proxy only ever sees where to connect to: it resolves the venue's name, and TLS to the venue
runs inside. A proxy that refuses is an `OSError` like any other failure to connect, so nothing of a
request has left when it is raised.
"""

import base64
import ipaddress
import ssl
from collections.abc import Awaitable
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

import trio
from trio.abc import HalfCloseableStream

from supervisor.net import network

Stream = HalfCloseableStream | trio.SSLStream[HalfCloseableStream]

# A proxy's answer to CONNECT; more is not an answer but somebody's page.
ANSWER_BYTES_MAX = 16 * 1024
DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
# RFC 1929 gives each of the two one byte for its length.
CREDENTIAL_BYTES_MAX = 255
SOCKS5 = 5
NO_AUTHENTICATION = 0
USER_AND_PASSWORD = 2
CONNECT = 1
IPV4, NAME, IPV6 = 1, 3, 4
IPV4_BYTES, IPV6_BYTES, PORT_BYTES = 4, 16, 2
_REPLIES = {
    1: "it failed",
    2: "its rules do not allow it",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "it took too long",
    7: "it does not know the command",
    8: "it does not know this kind of address",
}


class ProxyError(OSError):
    """The proxy did not connect us; nothing was sent to the venue."""


class Proxy(NamedTuple):
    """Where a proxy is and how it is spoken to."""

    scheme: str
    host: str
    port: int
    user: str | None
    password: str | None

    def __str__(self) -> str:
        # Without the credentials: this goes into errors and logs.
        return f"{self.scheme}://{self.host}:{self.port}"


def parse_proxy(url: str) -> Proxy:
    """Return the proxy of a URL like ``socks5://user:password@host:1080``. Raises `ProxyError`."""
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ProxyError(
            f"{parts.scheme or 'no'}:// is no kind of proxy known here: "
            "give http://, https://, socks5:// or socks5h:// with a host"
        )
    return Proxy(
        scheme=parts.scheme,
        host=parts.hostname,
        port=parts.port or DEFAULT_PORTS[parts.scheme],
        user=unquote(parts.username) if parts.username is not None else None,
        password=unquote(parts.password or "") if parts.username is not None else None,
    )


async def open_stream(
    host: str, port: int, proxy_url: str | None = None, ssl_context: ssl.SSLContext | None = None
) -> Stream:
    """Connect to `host`:`port`, through the proxy if one is given. Raises `OSError`.

    `ssl_context` is for the way to an https:// proxy, not for the venue.
    """
    if not proxy_url:
        return await network().open_tcp_stream(host, port)
    proxy = parse_proxy(proxy_url)
    stream: Stream = await network().open_tcp_stream(proxy.host, proxy.port)
    if proxy.scheme == "https":
        assert ssl_context is not None, "the way to an https:// proxy needs a context"
        stream = await secure(stream, ssl_context, proxy.host)
    shake = _connect if proxy.scheme in ("http", "https") else _socks5
    try:
        await or_close(shake(stream, proxy, host, port), stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise ProxyError(f"{proxy} broke the connection") from error
    return stream


async def secure(stream: Stream, ssl_context: ssl.SSLContext, host: str) -> Stream:
    """Put TLS over `stream`, which is closed if that fails. Raises `OSError`."""
    secured = trio.SSLStream(stream, ssl_context, server_hostname=host, https_compatible=True)
    try:
        await or_close(secured.do_handshake(), stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
        raise OSError(str(error.__cause__ or error)) from error
    return secured  # type: ignore[return-value]  # TLS over TLS, to an https:// proxy, is one too


async def or_close(step: Awaitable[None], stream: Stream) -> None:
    """Run a step that must be done whole; if it fails or is cancelled, close the stream."""
    done = False
    try:
        await step
        done = True
    finally:
        if not done:
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)


async def _connect(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.user is not None:
        login = base64.b64encode(f"{proxy.user}:{proxy.password}".encode()).decode()
        lines.append(f"Proxy-Authorization: Basic {login}")
    await stream.send_all("".join(f"{line}\r\n" for line in (*lines, "")).encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        part = bytes(await stream.receive_some(ANSWER_BYTES_MAX))
        answer += part
        if not part or len(answer) > ANSWER_BYTES_MAX:
            raise ProxyError(f"{proxy} gave no answer that is HTTP")
    status, rest = answer.split(b"\r\n", 1)[0].decode("latin-1"), answer.split(b"\r\n\r\n", 1)[1]
    if status.split(" ")[1:2] != ["200"]:
        raise ProxyError(f"{proxy} refused {place}: {status[:80]}")
    if rest:
        raise ProxyError(f"{proxy} sent data before the venue could")


async def _socks5(stream: Stream, proxy: Proxy, host: str, port: int) -> None:
    methods = [NO_AUTHENTICATION, *([USER_AND_PASSWORD] if proxy.user is not None else [])]
    await stream.send_all(bytes([SOCKS5, len(methods), *methods]))
    version, method = await _exactly(stream, proxy, 2)
    if version != SOCKS5 or method not in methods:
        needs = "a user and a password" if proxy.user is None else "another way to log in"
        raise ProxyError(f"{proxy} wants {needs}, or does not speak SOCKS5")
    if method == USER_AND_PASSWORD:
        await stream.send_all(_login(proxy))
        _, refused = await _exactly(stream, proxy, 2)
        if refused:
            raise ProxyError(f"{proxy} does not take this user and password")
    await stream.send_all(bytes([SOCKS5, CONNECT, 0]) + _address(host) + port.to_bytes(2, "big"))
    _, reply, _, kind = await _exactly(stream, proxy, 4)
    if reply:
        raise ProxyError(f"{proxy} did not connect to {host}:{port}: {_REPLIES.get(reply, reply)}")
    sizes = {IPV4: IPV4_BYTES, IPV6: IPV6_BYTES}
    size = sizes[kind] if kind in sizes else (await _exactly(stream, proxy, 1))[0]
    await _exactly(stream, proxy, size + PORT_BYTES)


def _login(proxy: Proxy) -> bytes:
    user, password = (proxy.user or "").encode(), (proxy.password or "").encode()
    if max(len(user), len(password)) > CREDENTIAL_BYTES_MAX:
        raise ProxyError(f"{proxy}: a user or password is longer than SOCKS5 can carry")
    return bytes([1, len(user)]) + user + bytes([len(password)]) + password


def _address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return bytes([NAME, len(name)]) + name
    return bytes([IPV4 if address.version == IPV4_BYTES else IPV6]) + address.packed


async def _exactly(stream: Stream, proxy: Proxy, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = bytes(await stream.receive_some(size - len(data)))
        if not part:
            raise ProxyError(f"{proxy} closed the connection instead of answering")
        data += part
    return data
