"""Small proxies on loopback: HTTP CONNECT and SOCKS5, with a login if one is given.

Every name is resolved to loopback, so that a test sees who resolved it.
"""

import base64
import contextlib
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import trio

Stream = trio.SocketStream | trio.SSLStream[trio.SocketStream]


@dataclass
class FakeProxy:
    """`await nursery.start(proxy.run, "http")`, then `proxy.url`."""

    login: tuple[str, str] | None = None
    refuse: bool = False
    tls: ssl.SSLContext | None = None
    # (host, port) of every connection asked for.
    asked: list[tuple[str, int]] = field(default_factory=list)
    url: str = ""

    async def run(
        self, scheme: str, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        login = f"{self.login[0]}:{self.login[1]}@" if self.login else ""
        self.url = f"{scheme}://{login}127.0.0.1:{port}"
        talk = self._socks5 if scheme.startswith("socks") else self._connect
        task_status.started()

        async def serve(plain: trio.SocketStream) -> None:
            stream = trio.SSLStream(plain, self.tls, server_side=True) if self.tls else plain
            await _quietly(talk, stream)

        await trio.serve_listeners(serve, listeners)

    async def _connect(self, stream: Stream) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += await stream.receive_some()
        host, port = head.split(b" ")[1].decode().rsplit(":", 1)
        self.asked.append((host, int(port)))
        if self.login:
            wanted = base64.b64encode(":".join(self.login).encode())
            if b"Proxy-Authorization: Basic " + wanted not in head:
                await stream.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
                return
        if self.refuse:
            await stream.send_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            return
        await _pipe_both(stream, int(port), b"HTTP/1.1 200 OK\r\n\r\n")

    async def _socks5(self, stream: Stream) -> None:
        _, count = await _exactly(stream, 2)
        methods = await _exactly(stream, count)
        wanted = 2 if self.login else 0
        if wanted not in methods:
            await stream.send_all(b"\x05\xff")
            return
        await stream.send_all(bytes([5, wanted]))
        if self.login and not await self._is_logged_in(stream):
            return
        *_, kind = await _exactly(stream, 4)
        size = {1: 4, 4: 16}[kind] if kind != 3 else (await _exactly(stream, 1))[0]
        address = await _exactly(stream, size)
        port = int.from_bytes(await _exactly(stream, 2), "big")
        host = address.decode() if kind == 3 else ".".join(str(each) for each in address)
        self.asked.append((host, port))
        if self.refuse:
            await stream.send_all(b"\x05\x02\x00\x01" + bytes(6))
            return
        await _pipe_both(stream, port, b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")

    async def _is_logged_in(self, stream: Stream) -> bool:
        assert self.login is not None
        _, size = await _exactly(stream, 2)
        user = await _exactly(stream, size)
        (size,) = await _exactly(stream, 1)
        password = await _exactly(stream, size)
        accepted = (user.decode(), password.decode()) == self.login
        await stream.send_all(bytes([1, 0 if accepted else 1]))
        return accepted


async def _quietly(talk: Callable[[Stream], Awaitable[None]], stream: Stream) -> None:
    try:
        await talk(stream)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return
    finally:
        await trio.aclose_forcefully(stream)


async def _exactly(stream: Stream, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = await stream.receive_some(size - len(data))
        if not part:
            raise trio.BrokenResourceError("gone")
        data += part
    return data


async def _pipe_both(stream: Stream, port: int, greeting: bytes) -> None:
    upstream = await trio.open_tcp_stream("127.0.0.1", port)
    async with upstream, trio.open_nursery() as nursery:
        await stream.send_all(greeting)

        async def pipe(source: Stream, target: Stream) -> None:
            with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
                while data := await source.receive_some():
                    await target.send_all(data)
            nursery.cancel_scope.cancel()

        nursery.start_soon(pipe, stream, upstream)
        await pipe(upstream, stream)
