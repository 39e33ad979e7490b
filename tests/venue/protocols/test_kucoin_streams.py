"""KuCoin's sockets: tokens, sequences that fit the snapshot, topics, what accounts are told."""

import json

import pytest
import trio
from msgspec.structs import replace
from websockets.exceptions import ConnectionClosed
from websockets.trio.client import ClientConnection, connect

from tests.venue.kucoin_client import SYMBOL, Client, Untyped, config, hear, running, subscribe

STEP_NS = 300_000_000
PUBLIC = (
    f"/market/level2:{SYMBOL}",
    f"/spotMarket/level2Depth5:{SYMBOL}",
    f"/spotMarket/level2Depth50:{SYMBOL}",
    f"/spotMarket/level1:{SYMBOL}",
    f"/market/match:{SYMBOL}",
    f"/market/candles:{SYMBOL}_1min",
    f"/market/ticker:{SYMBOL}",
    "/market/ticker:all",
    f"/market/snapshot:{SYMBOL}",
)


async def ping(socket: ClientConnection) -> None:
    """Say that somebody is there: the box cuts whoever is silent for too long."""
    await socket.send(json.dumps({"id": "1", "type": "ping"}))


async def moved(alice: Client) -> None:
    """Let the market act and a tick of the box pass."""
    alice.clock.advance(STEP_NS)
    await trio.sleep(0.03)


async def test_changes_follow_the_snapshot_without_a_gap() -> None:
    async with running() as alice, alice.socket() as socket:
        await subscribe(socket, f"/market/level2:{SYMBOL}")
        await moved(alice)
        snapshot = await alice.ok("GET", "market/orderbook/level2", symbol=SYMBOL)
        sides = {side: dict(snapshot[side]) for side in ("bids", "asks")}
        last, target, now = int(snapshot["sequence"]), 0, snapshot
        while last != target:
            await moved(alice)
            now = await alice.ok("GET", "market/orderbook/level2", symbol=SYMBOL)
            target = int(now["sequence"])
            with trio.move_on_after(0.2):
                while last < target:
                    data = (await hear(socket, subject="trade.l2update"))["data"]
                    if data["sequenceEnd"] > last:
                        assert data["sequenceStart"] == last + 1
                        last = follow(sides, data)
        assert sides == {side: dict(now[side]) for side in ("bids", "asks")}


def follow(sides: dict[str, dict[str, str]], data: Untyped) -> int:
    """Apply a frame, whose changes are numbered one by one, and return its last number."""
    numbers = []
    for side, changes in data["changes"].items():
        for price, size, number in changes:
            numbers.append(int(number))
            if size == "0":
                del sides[side][price]
            else:
                sides[side][price] = size
    assert sorted(numbers) == list(range(data["sequenceStart"], data["sequenceEnd"] + 1))
    best_bid, best_ask = max(map(float, sides["bids"])), min(map(float, sides["asks"]))
    assert best_bid < best_ask
    return max(numbers)


async def test_every_public_topic_says_something() -> None:
    missing = set(PUBLIC)
    async with running() as alice, alice.socket() as socket:
        for topic in PUBLIC:
            assert (await subscribe(socket, topic))["type"] == "ack"
        with trio.fail_after(10):
            while missing:
                await moved(alice)
                with trio.move_on_after(0.03):
                    while True:
                        message = json.loads(await socket.recv())
                        missing.discard(message["topic"])
                        assert message["data"]
        for topic in PUBLIC:
            assert (await subscribe(socket, topic, "unsubscribe"))["type"] == "ack"
        await moved(alice)
        await socket.send(json.dumps({"id": "1", "type": "ping"}))
        while (message := json.loads(await socket.recv()))["type"] == "message":
            pass
        assert message == {"id": "1", "type": "pong"}


@pytest.mark.check
async def test_a_candle_that_closes_is_told_once_more() -> None:
    async with running() as alice, alice.socket() as socket:
        await subscribe(socket, f"/market/candles:{SYMBOL}_1min")
        opened: list[str] = []
        while len(set(opened)) < 2:
            alice.clock.advance(10 * 10**9)
            await ping(socket)
            opened.append((await hear(socket, type="message"))["data"]["candles"][0])
        assert opened[-3] == opened[-2] != opened[-1]


async def test_what_is_no_topic_is_refused() -> None:
    async with running() as alice, alice.socket() as socket:
        for topic in ("/market/level2:NOPE-USDT", "/market/nothing:ETH-USDT", "/market/match"):
            answer = await subscribe(socket, topic)
            assert (answer["type"], answer["code"]) == ("error", 404)
        assert (await subscribe(socket, "/account/balance"))["code"] == 403
        await socket.send("not json")
        assert (await hear(socket, type="error"))["code"] == 400
        await socket.send(json.dumps({"id": "7", "type": "dance"}))
        assert (await hear(socket, id="7"))["code"] == 415


@pytest.mark.check
async def test_tokens_are_needed_and_end() -> None:
    settings = config()
    slow = replace(settings.markets[0].spec, events_per_second=1)
    market = replace(settings.markets[0], spec=slow)
    async with running(replace(settings, markets=(market,))) as alice:
        bullet = await alice.bullet()
        (server,) = bullet["instanceServers"]
        assert (server["pingInterval"], server["pingTimeout"]) == (18_000, 10_000)
        address = f"{server['endpoint']}?token={bullet['token']}"
        async with connect(address) as socket:
            assert (await hear(socket))["type"] == "welcome"
        await alice.admin("tokens/revoke", {})
        for _ in range(2):
            async with connect(address, close_timeout=1) as socket:
                refused = await hear(socket)
                assert (refused["code"], refused["data"]) == (401, "token is expired")
            bullet = await alice.bullet()
            address = f"{server['endpoint']}?token={bullet['token']}"
            alice.clock.advance(24 * 3_600 * 10**9)


@pytest.mark.check
async def test_who_sends_no_ping_is_cut() -> None:
    async with running() as alice, alice.socket() as socket:
        alice.clock.advance(29 * 10**9)
        with trio.fail_after(5), pytest.raises(ConnectionClosed):
            await socket.recv()


async def test_an_account_hears_its_orders_and_balances() -> None:
    async with running() as alice, alice.socket("private") as socket:
        for topic in ("/spotMarket/tradeOrdersV2", "/account/balance"):
            assert (await subscribe(socket, topic))["type"] == "ack"
        placed = await alice.limit("buy", "2400.00", clientOid="mine")
        told = await orders(socket, 2)
        assert [each["type"] for each in told] == ["received", "open"]
        assert {(each["orderId"], each["clientOid"]) for each in told} == {(placed, "mine")}
        balance = (await hear(socket, topic="/account/balance"))["data"]
        while balance["currency"] != "USDT":
            balance = (await hear(socket, topic="/account/balance"))["data"]
        assert (balance["available"], balance["hold"]) == ("9759.76000000", "240.24000000")
        assert balance["relationEvent"] == "trade_hf.hold"
        await alice.ok("DELETE", f"hf/orders/{placed}", symbol=SYMBOL)
        (ended,) = await orders(socket, 1)
        assert (ended["type"], ended["status"], ended["canceledSize"]) == (
            "canceled",
            "done",
            "0.10000",
        )
        await alice.market("buy")
        told = [(await orders(socket, 1))[0]]
        while told[-1]["type"] != "filled":
            told += await orders(socket, 1)
        assert {each["type"] for each in told[1:-1]} == {"match"}
        matched = sum(float(each["matchSize"]) for each in told[1:-1])
        assert told[0]["type"] == "received"
        assert matched == pytest.approx(0.1)
        fills = (await alice.ok("GET", "hf/fills", symbol=SYMBOL))["items"]
        assert {each["tradeId"] for each in told[1:-1]} == {fill["tradeId"] for fill in fills}


async def orders(socket: ClientConnection, count: int) -> list[Untyped]:
    return [(await hear(socket, subject="orderChange"))["data"] for _ in range(count)]


@pytest.mark.check
async def test_an_order_that_waits_is_told_of_apart() -> None:
    stop = {"symbol": SYMBOL, "side": "sell", "type": "market", "size": "0.1"}
    async with running() as alice, alice.socket("private") as socket:
        for topic in ("/spotMarket/tradeOrders", "/spotMarket/advancedOrders"):
            await subscribe(socket, topic)
        ticker = await alice.public("market/stats", symbol=SYMBOL)
        near = f"{float(ticker['last']) - 0.5:.2f}"
        placed = (await alice.ok("POST", "stop-order", **stop, stopPrice=near))["orderId"]
        said = await hear(socket, type="message")
        assert (said["subject"], said["data"]["type"]) == ("stopOrder", "open")
        kinds: list[str] = []
        with trio.fail_after(20):
            while "filled" not in kinds:
                alice.clock.advance(5 * 10**9)
                with trio.move_on_after(0.05):
                    while True:
                        data = (await hear(socket, type="message"))["data"]
                        assert data["orderId"] == placed
                        kinds.append(data["type"])
                await ping(socket)
        assert (kinds[0], set(kinds[1:])) == ("triggered", {"match", "filled"})
