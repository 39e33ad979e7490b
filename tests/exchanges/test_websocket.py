import ssl
from functools import partial

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import (
    ClientPerMessageDeflateFactory,
    PerMessageDeflate,
)
from websockets.protocol import State
from websockets.trio.server import ServerConnection, serve
from websockets.uri import parse_uri

from exchanges.websocket import (
    ABNORMAL_CLOSURE,
    MESSAGE_BYTES_MAX,
    BrokenConnectionError,
    DialError,
    Kind,
    Received,
    WebSocket,
    dial,
)
from tests.exchanges.conftest import endpoints_of
from tests.exchanges.fake_kraken import FakeKraken


async def test_an_end_that_only_the_protocol_knows_of_yet(fake: FakeKraken) -> None:
    connection = await dial(endpoints_of(fake).websocket_public, ssl.create_default_context())
    connection._feed(b"")
    assert not connection.closed
    with pytest.raises(BrokenConnectionError):
        await connection.send_text("{}")
    with pytest.raises(BrokenConnectionError):
        await connection.send_ping()
    await connection.aclose()
    assert connection.closed


async def test_half_a_frame_ends_the_connection(nursery: trio.Nursery) -> None:
    """Nobody reads: the sender is cancelled in the middle of a frame."""

    async def shake_only(_: ServerConnection) -> None:
        await trio.sleep_forever()

    server = await nursery.start(partial(serve, shake_only, 0, host="127.0.0.1", max_queue=1))
    port = server.listeners[0].socket.getsockname()[1]
    tls = ssl.create_default_context()
    connection = await dial(f"ws://127.0.0.1:{port}", tls, compress=False)
    with trio.move_on_after(0.2) as scope:
        while True:
            await connection.send_text("x" * 1_000_000)
    assert scope.cancelled_caught
    with pytest.raises(BrokenConnectionError):
        await connection.send_text("more")
    assert await connection.receive() == [Received(Kind.CLOSE, ABNORMAL_CLOSURE)]
    await connection.aclose()


@pytest.mark.parametrize("url", ["https://127.0.0.1:1", "ws://127.0.0.1:port", "ws://"])
async def test_what_is_no_address_is_a_failed_dial(url: str) -> None:
    with pytest.raises(DialError):
        await dial(url, ssl.create_default_context())


PIECES = st.one_of(
    st.binary(max_size=40),
    st.sampled_from(
        [
            b"\x81\x02{}",  # a text
            b"\x82\x01\x00",  # bytes
            b"\x01\x01a",  # the beginning of a text
            b"\x80\x01b",  # its end, or a stray one
            b"\x81\x02\xff\xfe",  # a text that is no UTF-8
            b"\x89\x00",  # a ping
            b"\x88\x02\x03\xe8",  # goodbye
            b"\x88\x01\x03",  # half a goodbye
            b"\xc1\x05hello",  # said to be compressed, and is not
            b"\x81\x7f" + b"\x7f" * 8,  # the beginning of eight exabytes
            b"\xf1\x00",  # bits that mean nothing
        ]
    ),
)


@given(st.lists(PIECES, max_size=12), st.integers(1, 50))
async def test_whatever_is_received_ends_in_messages_or_a_close(
    pieces: list[bytes], step: int
) -> None:
    mine, peer = trio.testing.memory_stream_pair()
    protocol = ClientProtocol(
        parse_uri("ws://venue"),
        extensions=[ClientPerMessageDeflateFactory()],
        max_size=MESSAGE_BYTES_MAX,
        state=State.OPEN,
    )
    protocol.extensions = [PerMessageDeflate(False, False, 15, 15)]
    connection = WebSocket(mine, protocol)
    data = b"".join(pieces)
    kinds = []
    async with trio.open_nursery() as nursery:

        async def send() -> None:
            for at in range(0, len(data), step):
                await peer.send_all(data[at : at + step])
            await peer.send_eof()

        nursery.start_soon(send)
        with trio.fail_after(5):
            while Kind.CLOSE not in kinds:
                kinds += [message.kind for message in await connection.receive()]
    assert kinds.index(Kind.CLOSE) == len(kinds) - 1
    assert connection.closed
    await connection.aclose()
    await peer.aclose()


@given(st.binary(max_size=200))
async def test_whatever_answers_the_handshake_is_a_failed_dial(answer: bytes) -> None:
    mine, peer = trio.testing.memory_stream_pair()
    connection = WebSocket(mine, ClientProtocol(parse_uri("ws://venue")))
    await peer.send_all(answer)
    await peer.send_eof()
    with trio.fail_after(5), pytest.raises(DialError):
        await connection.shake_hands({})
    await connection.aclose()
    await peer.aclose()
