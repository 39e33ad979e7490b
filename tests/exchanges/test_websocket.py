import ssl
from functools import partial

import pytest
import trio
from websockets.trio.server import ServerConnection, serve

from exchanges.websocket import (
    ABNORMAL_CLOSURE,
    BrokenConnectionError,
    DialError,
    Kind,
    Received,
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
