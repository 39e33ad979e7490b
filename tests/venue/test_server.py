"""The port itself: what peers that do not behave get, and that nobody else notices."""

import httpx2
import msgspec
import pytest
import trio

from supervisor.clock import ManualClock
from tests.venue.boxes import ALICE, RestClient, config, hear, running_box
from venue.box import serve_venue
from venue.config import VenueConfig, VenueConfigError
from venue.server import is_loopback


async def sent(alice: RestClient, data: bytes) -> bytes:
    """Send bytes on a new connection and return all that comes back until it closes."""
    stream = await trio.open_tcp_stream("127.0.0.1", alice.port)
    received = b""
    with trio.fail_after(10):
        try:
            await stream.send_all(data)
            while chunk := await stream.receive_some(65_536):
                received += chunk
        except trio.BrokenResourceError:
            pass
    await stream.aclose()
    return received


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 50,
        b"BREW /pot HTCPCP/1.0\r\n\r\n",
        b"GET /" + b"a" * 50_000,
        b"POST /0/private/Balance HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n"
        + b"x" * 2_000_000,
    ],
    ids=["tls", "version", "long-head", "long-body"],
)
async def test_nonsense_ends_only_its_own_connection(data: bytes) -> None:
    async with running_box() as alice, alice.websocket() as socket:
        assert b"200" not in await sent(alice, data)
        await hear(socket)
        await alice.result("Balance")


async def test_an_upgrade_that_is_none_is_refused() -> None:
    async with running_box() as alice:
        head = b"GET /v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: close\r\n\r\n"
        assert b" 101 " not in await sent(alice, head)
        await alice.result("Balance")


async def test_requests_may_come_in_one_packet() -> None:
    async with running_box() as alice:
        request = b"GET /0/public/Time HTTP/1.1\r\nHost: x\r\n\r\n"
        last = b"GET /0/public/Time HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        assert (await sent(alice, request * 2 + last)).count(b"unixtime") == 3


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (config(protocol="fax"), "the box speaks: "),
        (config(tick_interval_ms=1), "tick_interval_ms"),
        (config(markets=()), "list at least one"),
        (config(accounts=(ALICE, ALICE)), "two have the same name"),
        (config(accounts=(msgspec.structs.replace(ALICE, api_secret="%"),)), "base64"),
        (config(accounts=(msgspec.structs.replace(ALICE, fee_tier=10),)), "0 to 9"),
        (config(accounts=(msgspec.structs.replace(ALICE, balances={"ETH": "-1"}),)), "ETH"),
    ],
)
async def test_a_wrong_configuration_is_named(settings: VenueConfig, text: str) -> None:
    with pytest.raises(VenueConfigError, match=text):
        await serve_venue(settings, ManualClock(10**18))


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("192.0.2.7", False),
        ("2001:db8::1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_who_is_on_this_machine(host: str, is_local: bool) -> None:
    assert is_loopback(host) is is_local


async def test_administration_is_refused_to_other_machines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running_box() as alice:
        assert "protocol" in await alice.admin("status")
        monkeypatch.setattr("venue.server.is_loopback", lambda host: False)
        async with httpx2.AsyncClient(timeout=10, trust_env=False) as http:
            remote = RestClient(alice.port, http)
            assert "this machine" in (await remote.admin("status"))["error"]
            assert "this machine" in (await remote.admin("tokens/revoke", {}))["error"]
            await remote.result("Balance")
