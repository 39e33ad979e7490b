import ssl
from collections.abc import Callable

import pytest
import trio
import trustme

from exchanges.ccxt_names import ExchangeNotAvailable, InvalidProxySettings, NetworkError
from exchanges.exchange import TrioExchange
from exchanges.flight import Flight, flying
from exchanges.json_text import Json
from exchanges.tunnel import ProxyError, open_stream, parse_proxy
from supervisor.clock import ManualClock
from tests.exchanges.conftest import SYMBOL, client_of, make_kraken
from tests.exchanges.fake_kraken import FakeKraken
from tests.exchanges.proxies import FakeProxy

MakeExchange = Callable[..., TrioExchange]
LOGIN = ("user", "pass:word@")
SETTINGS = [("http", "httpsProxy", "wsProxy"), ("socks5", "socksProxy", "wsSocksProxy")]
NAMES = [(*each, login) for each in SETTINGS for login in (None, LOGIN)]


def proxy_url(proxy: FakeProxy) -> str:
    return proxy.url.replace("pass:word@@", "pass%3Aword%40@")


def authority() -> tuple[trustme.CA, ssl.SSLContext]:
    made = trustme.CA()
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    made.issue_cert("127.0.0.1").configure_cert(server)
    return made, server


@pytest.mark.parametrize(("scheme", "rest", "socket", "login"), NAMES)
async def test_rest_and_sockets_go_through_the_proxy(
    fake: FakeKraken,
    make_exchange: MakeExchange,
    nursery: trio.Nursery,
    scheme: str,
    rest: str,
    socket: str,
    login: tuple[str, str] | None,
) -> None:
    proxy = FakeProxy(login)
    await nursery.start(proxy.run, scheme)
    async with make_exchange(**{rest: proxy_url(proxy), socket: proxy_url(proxy)}) as exchange:
        assert await exchange.fetch_time()
        assert await exchange.watch_order_book(SYMBOL)
    rest_port, socket_port = (int(url.rsplit(":")[2][:5]) for url in (fake.rest, fake.public))
    assert {port for _, port in proxy.asked} == {rest_port, socket_port}


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_the_bots_own_client_goes_through_it(
    fake: FakeKraken, clock: ManualClock, nursery: trio.Nursery, scheme: str
) -> None:
    proxy = FakeProxy()
    await nursery.start(proxy.run, scheme)
    async with client_of(fake, clock, proxy_url=proxy.url) as venue:
        await venue.load_instruments()
        asked = len(proxy.asked)
        async with venue.watch_book(SYMBOL) as feed:
            with trio.fail_after(5):
                await feed.receive()
    assert 0 < asked < len(proxy.asked)


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_refusing_proxy_has_sent_nothing(
    make_exchange: MakeExchange, nursery: trio.Nursery, scheme: str
) -> None:
    proxy = FakeProxy(refuse=True)
    await nursery.start(proxy.run, scheme)
    flight = Flight(is_order=True)
    async with make_exchange(socksProxy=proxy.url, wsSocksProxy=proxy.url) as exchange:
        with flying(flight), pytest.raises(ExchangeNotAvailable, match=r"refused|rules"):
            await exchange.fetch_time()
        exchange.set_markets([])
        with pytest.raises(NetworkError, match=r"refused|rules"):
            await exchange.watch("ws://127.0.0.1:9/", "hash", {})
    assert not flight.sent


@pytest.mark.parametrize("scheme", ["http", "socks5"])
@pytest.mark.parametrize("given", ["", "user:wrong@"])
async def test_a_wrong_login_is_told(nursery: trio.Nursery, scheme: str, given: str) -> None:
    proxy = FakeProxy(LOGIN)
    await nursery.start(proxy.run, scheme)
    where = f"{scheme}://{given}{proxy.url.rsplit('@')[-1]}"
    with pytest.raises(ProxyError, match=r"407|user") as raised:
        await open_stream("127.0.0.1", 9, where)
    assert "wrong" not in str(raised.value)


@pytest.mark.parametrize("scheme", ["http", "socks5h"])
async def test_the_proxy_resolves_names(nursery: trio.Nursery, scheme: str) -> None:
    proxy = FakeProxy()
    await nursery.start(proxy.run, scheme)
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    stream = await open_stream("venue.invalid", port, proxy.url)
    await stream.aclose()
    await listeners[0].aclose()
    assert proxy.asked == [("venue.invalid", port)]


@pytest.mark.parametrize("said", [b"", b"nonsense", b"\x05", b"HTTP/1.1 200 OK\r\n\r\nearly"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_what_a_broken_proxy_says_is_an_error(
    nursery: trio.Nursery, scheme: str, said: bytes
) -> None:
    async def serve(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(said)
        await stream.aclose()

    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    nursery.start_soon(trio.serve_listeners, serve, listeners)
    port = listeners[0].socket.getsockname()[1]
    with trio.fail_after(5), pytest.raises(ProxyError):
        await open_stream("127.0.0.1", 9, f"{scheme}://127.0.0.1:{port}")


@pytest.mark.parametrize("url", ["socks4://127.0.0.1:1", "127.0.0.1:8080", "http://"])
def test_unknown_kinds_of_proxy_are_refused_with_those_there_are(url: str) -> None:
    with pytest.raises(ProxyError, match="socks5"):
        parse_proxy(url)


async def test_conflicting_settings_are_refused(make_exchange: MakeExchange) -> None:
    async with make_exchange(httpProxy="http://a", socksProxy="socks5://b") as exchange:
        with pytest.raises(InvalidProxySettings):
            await exchange.fetch_time()


@pytest.mark.parametrize("scheme", [None, "http", "socks5", "https"])
async def test_a_private_authority_and_no_verification(
    nursery: trio.Nursery, clock: ManualClock, scheme: str | None
) -> None:
    made, server = authority()
    fake = FakeKraken(server)
    await nursery.start(fake.run)
    proxied: dict[str, Json] = {}
    if scheme is not None:
        proxy = FakeProxy(tls=server if scheme == "https" else None)
        await nursery.start(proxy.run, scheme)
        proxied = {"socksProxy": proxy.url, "wsSocksProxy": proxy.url}
    with made.cert_pem.tempfile() as pem:
        async with make_kraken(fake, clock, cafile=pem, **proxied) as exchange:
            assert await exchange.fetch_time()
            assert await exchange.watch_order_book(SYMBOL)
    async with make_kraken(fake, clock, verify=False, **proxied) as exchange:
        assert await exchange.fetch_time()
        assert await exchange.watch_order_book(SYMBOL)
    async with make_kraken(fake, clock, **proxied) as exchange:
        with pytest.raises(ExchangeNotAvailable, match="certificate"):
            await exchange.fetch_time()
