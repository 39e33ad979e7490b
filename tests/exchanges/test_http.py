import gzip
import ssl
import zlib
from collections.abc import AsyncIterator

import pytest
import trio
import trustme

from exchanges.flight import Flight, flying
from exchanges.http import Transport, TransportError, request_target, wire_headers
from supervisor import net


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("https://a.b", b"/"),
        ("https://a.b?x=1", b"/?x=1"),
        ("https://a.b/p?", b"/p"),
        ("https://a.b/p/./q/../r", b"/p/./q/../r"),
        ('https://a.b/p?q="<>%20|é', 'https://a.b/p?q="<>%20|é'[11:].encode()),
        ("https://a.b/p#fragment", b"/p"),
    ],
)
def test_target_goes_out_byte_for_byte(url: str, target: bytes) -> None:
    assert request_target(url) == target


def test_headers_that_aiohttp_adds_are_added() -> None:
    post = dict(wire_headers("POST", "https://a.b/", {"API-Key": "k"}, None))
    assert post["Content-Type"] == "application/octet-stream"
    assert post["Content-Length"] == "0"
    delete = dict(wire_headers("DELETE", "https://a.b/", {}, None))
    assert delete["Content-Length"] == "0"
    assert "Content-Type" not in delete
    get = dict(wire_headers("GET", "https://u:p@a.b:1/", {}, None))
    assert get == {"Host": "a.b:1", "Accept": "*/*"}


class Server:
    """Answers every request with the same bytes."""

    def __init__(self, answer: bytes, tls: ssl.SSLContext | None = None) -> None:
        self.answer = answer
        self.tls = tls
        self.heads: list[bytes] = []

    async def run(self, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        task_status.started(listeners[0].socket.getsockname()[1])
        await trio.serve_listeners(self._serve, listeners)

    async def _serve(self, plain: trio.SocketStream) -> None:
        stream = trio.SSLStream(plain, self.tls, server_side=True) if self.tls else plain
        try:
            buffer = b""
            while data := await stream.receive_some():
                buffer += data
                if b"\r\n\r\n" in buffer:
                    self.heads.append(buffer)
                    buffer = b""
                    await stream.send_all(self.answer)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            return


def answer(body: bytes, headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    made = Transport(ssl.create_default_context())
    yield made
    await made.aclose()


def _raw_deflate(data: bytes) -> bytes:
    compressor = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return compressor.compress(data) + compressor.flush()


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", gzip.compress(b"{}" * 50)),
        ("deflate", zlib.compress(b"{}" * 50)),
        ("deflate", _raw_deflate(b"{}" * 50)),
    ],
)
async def test_compressed_answers(
    nursery: trio.Nursery, transport: Transport, encoding: str, body: bytes
) -> None:
    server = Server(answer(body, f"Content-Encoding: {encoding}\r\n"))
    port = await nursery.start(server.run)
    got = await transport.request("GET", f"http://127.0.0.1:{port}/", {}, None)
    assert got.body == b"{}" * 50


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"{}" * 50)[:-9]])
async def test_damaged_compression_is_an_error_after_sending(
    nursery: trio.Nursery, transport: Transport, body: bytes
) -> None:
    server = Server(answer(body, "Content-Encoding: gzip\r\n"))
    port = await nursery.start(server.run)
    flight = Flight()
    with flying(flight), pytest.raises(TransportError):
        await transport.request("GET", f"http://127.0.0.1:{port}/", {}, None)
    assert flight.sent
    assert flight.status is None


async def test_connections_are_reused_and_header_case_is_kept(
    nursery: trio.Nursery, transport: Transport
) -> None:
    server = Server(answer(b"{}", "X-KeepS-Case: Yes\r\n"))
    port = await nursery.start(server.run)
    opened = 0

    class Counting(net.SystemNetwork):
        async def open_tcp_stream(self, host: str, port: int) -> trio.SocketStream:
            nonlocal opened
            opened += 1
            stream = await super().open_tcp_stream(host, port)
            assert isinstance(stream, trio.SocketStream)
            return stream

    got = None
    with net.use(Counting()):
        for _ in range(3):
            got = await transport.request("GET", f"http://127.0.0.1:{port}/x?a=1", {}, None)
    assert opened == 1, "every socket comes from supervisor.net, and is kept"
    assert got is not None
    assert ("X-KeepS-Case", "Yes") in got.headers
    assert server.heads[0].startswith(b"GET /x?a=1 HTTP/1.1\r\n")


async def test_https_with_a_private_authority(nursery: trio.Nursery) -> None:
    authority = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(server_tls)
    port = await nursery.start(Server(answer(b"{}"), server_tls).run)
    client_tls = ssl.create_default_context()
    authority.configure_trust(client_tls)
    trusting, doubting = Transport(client_tls), Transport(ssl.create_default_context())
    got = await trusting.request("GET", f"https://127.0.0.1:{port}/", {}, None)
    assert got.body == b"{}"
    flight = Flight()
    with flying(flight), pytest.raises(TransportError, match="certificate"):
        await doubting.request("GET", f"https://127.0.0.1:{port}/", {}, None)
    assert not flight.sent
    await trusting.aclose()
    await doubting.aclose()
