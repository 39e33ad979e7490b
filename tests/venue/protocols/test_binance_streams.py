"""The streams: combined and single, sequences that fit the snapshot, listen keys, subscriptions."""

import json

import pytest
import trio
from msgspec.structs import replace

from tests.venue.binance_client import Client, Untyped, config, hear, running

STEP_NS = 300_000_000


async def moved(alice: Client) -> None:
    """Let the market act and a tick of the box pass."""
    alice.clock.advance(STEP_NS)
    await trio.sleep(0.03)


async def test_differences_follow_the_snapshot_without_a_gap() -> None:
    async with running() as alice, alice.websocket("/stream") as socket:
        names = ["ethusdt@depth@100ms", "ethusdt@trade"]
        await socket.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1}))
        assert await hear(socket, id=1) == {"result": None, "id": 1}
        await moved(alice)
        snapshot = await alice.public("depth", symbol="ETHUSDT", limit=1_000)
        sides = [dict(snapshot[side]) for side in ("bids", "asks")]
        last = snapshot["lastUpdateId"]
        for _ in range(5):
            await moved(alice)
        now: Untyped = {"lastUpdateId": 0}
        while last != now["lastUpdateId"]:
            # While the clock stands, what a tick tells catches up with what REST answers.
            await moved(alice)
            now = await alice.public("depth", symbol="ETHUSDT", limit=1_000)
            with trio.move_on_after(0.1):
                while last != now["lastUpdateId"]:
                    data = (await hear(socket, stream=names[0]))["data"]
                    if data["u"] > last:
                        assert data["U"] == last + 1
                        follow(sides, data)
                        last = data["u"]
        for side, name in zip(sides, ("bids", "asks"), strict=True):
            known = {price: size for price, size in side.items() if float(size)}
            assert known == dict(now[name])


def follow(sides: list[dict[str, str]], data: Untyped) -> None:
    for side, levels in zip(sides, (data["b"], data["a"]), strict=True):
        side.update(dict(levels))


async def test_futures_differences_name_the_one_before() -> None:
    path = "/public/ws/ethusdt@depth@100ms"
    async with running(config("binanceusdm")) as alice, alice.websocket(path) as socket:
        last = None
        for _ in range(4):
            await moved(alice)
            data = await hear(socket, e="depthUpdate")
            assert last is None or data["pu"] == last
            assert data["T"] <= data["E"]
            last = data["u"]


async def test_every_public_stream_says_something() -> None:
    names = [
        "ethusdt@depth5",
        "ethusdt@trade",
        "ethusdt@aggTrade",
        "ethusdt@kline_1m",
        "ethusdt@ticker",
        "ethusdt@miniTicker",
        "ethusdt@bookTicker",
        "!miniTicker@arr",
        "!ticker@arr",
    ]
    path = f"/stream?streams={'/'.join(names)}"
    missing = set(names)
    async with running() as alice, alice.websocket(path) as socket:
        with trio.fail_after(10):
            while missing:
                await moved(alice)
                with trio.move_on_after(0.03):
                    while True:
                        message = json.loads(await socket.recv())
                        missing.discard(message["stream"])
                        assert message["data"]


async def test_a_candle_that_closes_is_told_once_more() -> None:
    async with running() as alice, alice.websocket("/ws/ethusdt@kline_1m") as socket:
        closed: list[int] = []
        opened: list[int] = []
        while not closed or opened[-1] == closed[-1]:
            alice.clock.advance(10 * 10**9)
            await trio.sleep(0.03)
            kline = (await hear(socket, e="kline"))["k"]
            opened.append(kline["t"])
            if kline["x"]:
                closed.append(kline["t"])
        assert closed == [opened[0]]


async def test_what_is_no_stream_is_refused() -> None:
    async with running() as alice, alice.websocket("/ws") as socket:
        for names in (["nope@trade"], ["ethusdt@everything"], ["ethusdt@markPrice"]):
            await socket.send(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 2}))
            assert (await hear(socket, id=2))["error"]["code"] == 2
        await socket.send("not json")
        assert (await hear(socket, id=None))["error"]["code"] == 3
        ask = {"method": "SUBSCRIBE", "params": ["ethusdt@trade"], "id": 3}
        await socket.send(json.dumps(ask))
        await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 4}))
        assert (await hear(socket, id=4))["result"] == ["ethusdt@trade"]
        await socket.send(json.dumps({**ask, "method": "UNSUBSCRIBE", "id": 5}))
        await socket.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": 6}))
        assert (await hear(socket, id=6))["result"] == []


@pytest.mark.parametrize(
    ("protocol", "endpoint", "path"),
    [
        ("binanceus", "userDataStream", "/ws/{}"),
        ("binanceusdm", "listenKey", "/private/ws?listenKey={}"),
    ],
)
async def test_a_listen_key_lives_an_hour_unless_kept_alive(
    protocol: str, endpoint: str, path: str
) -> None:
    settings = config(protocol)
    slow = replace(settings.markets[0].spec, events_per_second=1)
    market = replace(settings.markets[0], spec=slow)
    async with running(replace(settings, markets=(market,))) as alice:
        key = (await alice.unsigned("POST", endpoint)).json()["listenKey"]
        again = (await alice.unsigned("POST", endpoint)).json()["listenKey"]
        assert again == key
        async with alice.websocket(path.format(key)) as socket:
            alice.clock.advance(50 * 60 * 10**9)
            kept = await alice.unsigned("PUT", endpoint, listenKey=key)
            assert kept.status_code == 200
            alice.clock.advance(50 * 60 * 10**9)
            await alice.market("BUY")
            kinds = ("ORDER_TRADE_UPDATE", "executionReport")
            while (await hear(socket))["e"] not in kinds:
                pass
            alice.clock.advance(61 * 60 * 10**9)
            assert (await hear(socket, e="listenKeyExpired"))["listenKey"] == key
            gone = await alice.unsigned("PUT", endpoint, listenKey=key)
            assert gone.json()["code"] == -1125


async def test_a_subscription_of_the_socket_api_hears_orders_and_balances() -> None:
    async with running() as alice, alice.websocket("/ws-api/v3") as socket:
        assert (await alice.ask(socket, "session.logon"))["error"]["code"] == -4056
        answer = await alice.ask(socket, "userDataStream.subscribe.signature")
        assert answer["result"] == {"subscriptionId": 0}
        again = await alice.ask(socket, "userDataStream.subscribe.signature")
        assert again["error"]["code"] == -2035
        placed = await alice.limit("BUY", "2400.00", newClientOrderId="mine")
        report = (await hear(socket, subscriptionId=0))["event"]
        assert (report["e"], report["x"], report["X"]) == ("executionReport", "NEW", "NEW")
        assert (report["i"], report["c"]) == (placed["orderId"], "mine")
        balances = (await hear(socket, subscriptionId=0))["event"]
        assert balances["e"] == "outboundAccountPosition"
        assert {"a": "USDT", "f": "9760.00000000", "l": "240.00000000"} in balances["B"]
        await alice.ok("DELETE", "order", symbol="ETHUSDT", orderId=placed["orderId"])
        report = (await hear(socket, subscriptionId=0))["event"]
        assert (report["x"], report["X"], report["C"]) == ("CANCELED", "CANCELED", "mine")


async def test_the_last_trade_of_an_order_says_that_it_is_filled() -> None:
    async with running() as alice, alice.websocket("/ws-api/v3") as socket:
        await alice.ask(socket, "userDataStream.subscribe.signature")
        await alice.market("BUY")
        seen: list[tuple[str, str]] = []
        while not seen or seen[-1][1] != "FILLED":
            event = (await hear(socket, subscriptionId=0))["event"]
            if event["e"] == "executionReport":
                seen.append((event["x"], event["X"]))
        assert seen[0] == ("NEW", "NEW")
        assert {kind for kind, _ in seen[1:]} == {"TRADE"}


async def test_orders_go_over_the_socket_too() -> None:
    order: dict[str, str | int] = {
        "symbol": "ETHUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "price": "2400.00",
        "quantity": "0.1",
        "newClientOrderId": "mine",
    }
    async with running() as alice, alice.websocket("/ws-api/v3") as socket:
        placed = await alice.ask(socket, "order.place", **order)
        assert (placed["status"], placed["result"]["status"]) == (200, "NEW")
        named = {"symbol": "ETHUSDT", "origClientOrderId": "mine"}
        assert (await alice.ask(socket, "order.status", **named))["result"]["price"] == (
            "2400.00000000"
        )
        assert (await alice.ask(socket, "order.cancel", **named))["result"]["status"] == "CANCELED"
        refused = await alice.ask(socket, "order.cancel", **named)
        assert (refused["status"], refused["error"]["code"]) == (400, -2011)
        assert (await alice.ask(socket, "no.such"))["error"]["code"] == -1000
        right, alice.secret = alice.secret, "0" * 32
        assert (await alice.ask(socket, "account.status"))["error"]["code"] == -1022
        alice.secret = right
        balances = (await alice.ask(socket, "account.status"))["result"]["balances"]
        assert {"asset": "USDT", "free": "10000.00000000", "locked": "0.00000000"} in balances


async def test_an_ack_over_the_socket_may_be_lost() -> None:
    async with running() as alice, alice.websocket("/ws-api/v3") as socket:
        await alice.admin("faults/arm", {"fault": "lose_ack", "target": "order.place"})
        params: Untyped = {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quantity": "0.1"}
        with trio.move_on_after(0.3) as patience:
            await alice.ask(socket, "order.place", **params)
        assert patience.cancelled_caught
        assert len(await alice.ok("GET", "myTrades", symbol="ETHUSDT")) >= 1


async def test_tokens_can_be_revoked_and_sockets_dropped() -> None:
    async with running(replace(config("binanceus"))) as alice:
        key = (await alice.unsigned("POST", "userDataStream")).json()["listenKey"]
        await alice.admin("tokens/revoke", {})
        gone = await alice.unsigned("PUT", "userDataStream", listenKey=key)
        assert gone.json()["code"] == -1125
        async with alice.websocket("/ws/ethusdt@trade"):
            assert (await alice.admin("sockets/drop", {}))["dropped"] == 1
