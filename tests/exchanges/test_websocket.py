import ssl

import pytest

from exchanges.websocket import BrokenConnectionError, dial
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
