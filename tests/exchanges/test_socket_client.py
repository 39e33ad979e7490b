"""The six faults of ccxt's asyncio base (ccxt-on-trio, section 4): none of them exists here."""

import gzip
import zlib
from collections.abc import Callable

import pytest
import trio
import trio.testing

from exchanges import socket_client
from exchanges.ccxt_names import ChecksumError, ExchangeError, errors
from exchanges.exchange import TrioExchange
from exchanges.factory import trio_class
from exchanges.socket_client import GZIP_WINDOW_BITS, decompressed, is_call
from exchanges.throttle import Throttler
from exchanges.websocket import Kind, Received
from supervisor.clock import ManualClock
from tests.exchanges.fake_kraken import ASKS, BIDS, FakeKraken, held

MakeExchange = Callable[..., TrioExchange]


async def test_cancelled_leader_of_a_login_does_not_deafen_later_watchers(
    fake: FakeKraken, make_exchange: MakeExchange
) -> None:
    release = trio.Event()
    async with make_exchange() as exchange:
        await exchange.load_markets()
        fake.faults["GetWebSocketsToken"].append(held(release))
        async with trio.open_nursery() as nursery:
            leader = trio.CancelScope()

            async def lead() -> None:
                with leader:
                    await exchange.watch_balance()

            nursery.start_soon(lead)
            await fake.until(lambda: fake.seen("GetWebSocketsToken"))
            leader.cancel()
            release.set()
        with trio.fail_after(2):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exchange.watch_balance)
                frame = {
                    "channel": "balances",
                    "type": "snapshot",
                    "sequence": 1,
                    "data": [{"asset": "BTC", "balance": 2.5}],
                }
                await fake.push("balances", frame)
        assert len(fake.seen("GetWebSocketsToken")) == 1


async def test_cancelled_watcher_does_not_cancel_the_other(
    fake: FakeKraken, make_exchange: MakeExchange
) -> None:
    prices: list[float] = []
    async with make_exchange() as exchange:
        await exchange.load_markets()

        async def watch() -> None:
            candles = await exchange.watch_ohlcv("ETH/USDT", "1m")
            prices.append(candles[-1][4])

        async with trio.open_nursery() as nursery:
            first = trio.CancelScope()

            async def cancelled() -> None:
                with first:
                    await watch()

            nursery.start_soon(cancelled)
            nursery.start_soon(watch)
            await fake.until(lambda: fake.sockets and fake.sockets[0].subscriptions)
            first.cancel()
            await trio.testing.wait_all_tasks_blocked()
            await fake.push("ohlc", _candle_frame(), "ETH/USDT")
    assert prices == [3000.5]


def _candle_frame() -> dict[str, object]:
    row = {
        "symbol": "ETH/USDT",
        "open": 3000.0,
        "high": 3001.0,
        "low": 2999.0,
        "close": 3000.5,
        "trades": 3,
        "volume": 1.5,
        "vwap": 3000.1,
        "interval": 1,
        "interval_begin": "2024-07-18T12:00:00.000000000Z",
        "timestamp": "2024-07-18T12:01:00.000000Z",
    }
    return {"channel": "ohlc", "type": "update", "data": [row]}


async def test_cancelled_negotiation_does_not_poison_the_instance(clock: ManualClock) -> None:
    release = trio.Event()

    async def negotiate_helper(*_args: object) -> str:
        await release.wait()
        return "wss://somewhere"

    async with trio_class("kucoin")({"enableRateLimit": False}, clock=clock) as exchange:
        exchange.negotiate_helper = negotiate_helper
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange.negotiate, False)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        release.set()
        with trio.fail_after(2):
            assert await exchange.negotiate(False) == "wss://somewhere"


async def test_cancelled_leader_of_load_markets_is_succeeded(
    fake: FakeKraken, make_exchange: MakeExchange
) -> None:
    fake.faults["AssetPairs"].append(held(trio.Event()))
    loaded: list[int] = []
    async with make_exchange() as exchange, trio.open_nursery() as nursery:
        leader = trio.CancelScope()

        async def lead() -> None:
            with leader:
                await exchange.load_markets()

        async def follow() -> None:
            loaded.append(len(await exchange.load_markets()))

        nursery.start_soon(lead)
        await fake.until(lambda: fake.seen("AssetPairs"))
        for _ in range(3):
            nursery.start_soon(follow)
        await trio.testing.wait_all_tasks_blocked()
        leader.cancel()
    assert loaded == [2, 2, 2]
    assert len(fake.seen("AssetPairs")) == 2


async def test_book_checksum_is_computed_from_the_texts(
    fake: FakeKraken, make_exchange: MakeExchange
) -> None:
    options = {"watchOrderBook": {"checksum": True}}
    async with make_exchange(options=options) as exchange:
        book = await exchange.watch_order_book("ETH/USDT")
        assert book["bids"][0] == [2999.99, 1.5]
        bids = [("2999.99", "7.00000000"), *BIDS[1:]]
        frame = fake.book_frame("ETH/USDT", "update", bids[:1], [], (bids, ASKS))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(exchange.watch_order_book, "ETH/USDT")
            await fake.push("book", frame, "ETH/USDT")
        assert book["bids"][0] == [2999.99, 7.0]
        fake.book_checksum_error = 1
        wrong = fake.book_frame("ETH/USDT", "update", bids[:1], [], (bids, ASKS))
        with pytest.RaisesGroup(ChecksumError):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exchange.watch_order_book, "ETH/USDT")
                await fake.push("book", wrong, "ETH/USDT")
        fake.book_checksum_error = 0
        with trio.fail_after(2):
            assert (await exchange.watch_order_book("ETH/USDT"))["bids"][0] == [2999.99, 1.5]


async def test_error_in_a_handler_reaches_the_watcher(
    fake: FakeKraken, make_exchange: MakeExchange
) -> None:
    async with make_exchange() as exchange:
        await exchange.load_markets()
        with trio.fail_after(2), pytest.RaisesGroup(errors.BadSymbol):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(exchange.watch_trades, "ETH/USDT")
                broken = {"channel": "trade", "type": "update", "data": [{"symbol": 5}, 5]}
                await fake.push("trade", broken, "ETH/USDT")
        with trio.fail_after(2):
            assert await exchange.watch_order_book("ETH/USDT")


async def test_throttler_credits_idle_time(autojump_clock: trio.testing.MockClock) -> None:
    throttle = Throttler({"refillRate": 0.001, "capacity": 1, "cost": 1, "tokens": 0})
    await throttle()
    await trio.sleep(1.5)
    before = trio.current_time()
    await throttle()
    assert trio.current_time() - before == pytest.approx(0.0, abs=0.001)
    await throttle()
    assert trio.current_time() - before == pytest.approx(0.5, abs=0.01)


class Told:
    """Takes what ccxt's handler of a message would."""

    def __init__(self, exchange: TrioExchange, **streaming: object) -> None:
        self.messages: list[object] = []
        exchange.streaming = {**exchange.streaming, **streaming}
        exchange.handle_message = lambda _client, message: self.messages.append(message)
        self.client = exchange.client("wss://somewhere")


def deflated(data: bytes, window_bits: int) -> bytes:
    compressor = zlib.compressobj(wbits=window_bits)
    return compressor.compress(data) + compressor.flush()


TEXT = b'{"a":1.50}'
COMPRESSED = [
    pytest.param({}, TEXT, id="plain"),
    pytest.param({"gunzip": True}, gzip.compress(TEXT), id="gzip"),
    pytest.param({"inflate": True}, deflated(TEXT, -zlib.MAX_WBITS), id="deflate"),
]


@pytest.mark.parametrize(("streaming", "data"), COMPRESSED)
async def test_binary_frames_are_read_as_the_venue_packs_them(
    make_exchange: MakeExchange, streaming: dict[str, bool], data: bytes
) -> None:
    async with make_exchange() as exchange:
        told = Told(exchange, **streaming)
        assert told.client._handle(Received(Kind.BINARY, data))
    assert told.messages == [{"a": "1.50"}]


async def test_without_an_adapter_ccxt_gets_the_numbers_it_expects(
    make_exchange: MakeExchange,
) -> None:
    async with make_exchange(numbers_as_text=False) as exchange:
        told = Told(exchange)
        assert told.client._handle(Received(Kind.TEXT, '{"a":1.50}'))
    assert told.messages == [{"a": 1.5}]


async def test_protocol_buffers_reach_ccxt_as_bytes(make_exchange: MakeExchange) -> None:
    async with make_exchange(options={"decompressBinary": False}) as exchange:
        told = Told(exchange)
        assert told.client._handle(Received(Kind.BINARY, b"\x08\x01"))
        assert told.client._handle(Received(Kind.TEXT, "pong"))
    assert told.messages == [b"\x08\x01", "pong"]


@pytest.mark.parametrize("data", [b"not gzip", gzip.compress(TEXT)[:-9], gzip.compress(TEXT)[:5]])
async def test_damaged_compression_is_told_to_every_watcher(
    make_exchange: MakeExchange, data: bytes
) -> None:
    async with make_exchange() as exchange:
        told = Told(exchange, gunzip=True)
        waiting = told.client.future("hash")
        assert not told.client._handle(Received(Kind.BINARY, data))
        with pytest.raises(ExchangeError, match="compressed"):
            await waiting
    assert told.messages == []


async def test_a_huge_frame_is_not_unpacked(
    make_exchange: MakeExchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket_client, "MESSAGE_BYTES_MAX", 1_000)
    with pytest.raises(ExchangeError, match="too large"):
        decompressed(gzip.compress(b" " * 1_001), GZIP_WINDOW_BITS)


async def test_cookies_of_the_socket_are_sent(
    fake: FakeKraken, make_exchange: MakeExchange
) -> None:
    async with make_exchange(options={"ws": {"cookies": {"a": "1", "b": "2"}}}) as exchange:
        assert await exchange.watch_order_book("ETH/USDT")
        request = fake.sockets[0].connection.request
    assert request is not None
    assert request.headers["Cookie"] == "a=1; b=2"


async def test_a_failing_handler_of_the_connection_is_told_too(
    fake: FakeKraken, make_exchange: MakeExchange
) -> None:
    def fails(*_args: object) -> None:
        raise NameError("a name that ccxt's translation forgot")

    async with make_exchange() as exchange:
        await exchange.load_markets()
        exchange.on_connected = fails
        with trio.fail_after(2), pytest.raises(ExchangeError, match="forgot"):
            await exchange.watch_order_book("ETH/USDT")


ORDER = ("ETH/USDT", "limit", "buy", 0.01, 3000)


async def test_orders_through_the_socket_leave_nothing_behind(
    fake: FakeKraken, make_exchange: MakeExchange
) -> None:
    async with make_exchange() as exchange:
        for _ in range(20):
            assert (await exchange.create_order_ws(*ORDER))["id"] == "O-WS"
        (client,) = exchange.clients.values()
        assert list(client.subscriptions) == ["authenticated", "20"]
        assert len(client.futures) == 0
        fake.mute = True
        for _ in range(20):
            with trio.move_on_after(0.001):
                await exchange.create_order_ws(*ORDER)
        assert list(client.subscriptions) == ["authenticated", "40"]
        assert list(client.futures) == ["40"]


async def test_calls_that_go_on_are_kept(fake: FakeKraken, make_exchange: MakeExchange) -> None:
    placed: list[str] = []
    async with make_exchange() as exchange:
        await exchange.create_order_ws(*ORDER)

        async def place() -> None:
            placed.append((await exchange.create_order_ws(*ORDER))["id"])

        async with trio.open_nursery() as nursery:
            for _ in range(10):
                nursery.start_soon(place)
    assert placed == ["O-WS"] * 10


@pytest.mark.parametrize(
    ("message", "message_hash", "subscribe_hash", "expected"),
    [
        ({"id": "7"}, "7", "7", True),
        ({"req_id": 7}, "7", "7", True),
        ({"payload": {"req_id": "7"}}, "7", "7", True),
        ({"id": 8, "method": "SUBSCRIBE"}, "btcusdt@trade", "btcusdt@trade", False),
        ({"channel": "balance"}, "balance", "balance", False),
        ({"id": "ticker"}, "ticker", "ticker", False),
        ({"id": "7"}, "7", "other", False),
        ("ping", "7", "7", False),
    ],
)
def test_a_call_is_told_from_a_subscription(
    message: object, message_hash: str, subscribe_hash: str, expected: bool
) -> None:
    assert is_call(message, message_hash, subscribe_hash) == expected
