"""The sockets: books with their numbers, tickers, candles, an account's streams, orders."""

import itertools
import json

import pytest
import trio
from msgspec.structs import replace

from tests.venue.binance_client import hear
from tests.venue.bybit_client import LINEAR, SPOT, Client, Untyped, config, running, subscribe
from venue.config import PerpetualConfig

# `make test` has no room for more than Bybit's REST and orders.
pytestmark = pytest.mark.check
STEP_NS = 300_000_000
NUMBERS = itertools.count(1)


async def moved(alice: Client) -> None:
    """Let the market act and a tick of the box pass."""
    alice.clock.advance(STEP_NS)
    await trio.sleep(0.03)


class Known:
    """A book as a client keeps it."""

    def __init__(self) -> None:
        self.sides: list[dict[str, str]] = [{}, {}]
        self.update_id = 0

    def apply(self, message: Untyped) -> None:
        data = message["data"]
        if message["type"] == "snapshot":
            self.sides = [{}, {}]
        else:
            assert data["u"] == self.update_id + 1
        self.update_id = data["u"]
        for side, levels in zip(self.sides, (data["b"], data["a"]), strict=True):
            for price, size in levels:
                if float(size):
                    side[price] = size
                else:
                    del side[price]

    def is_like(self, book: Untyped) -> bool:
        return self.sides == [dict(book["b"]), dict(book["a"])]


@pytest.mark.parametrize(("category", "levels"), [("spot", 1), ("linear", 50)])
async def test_differences_follow_the_snapshot_one_by_one(category: str, levels: int) -> None:
    topic = f"orderbook.{levels}.ETHUSDT"
    async with running() as alice, alice.websocket(f"public/{category}") as socket:
        await socket.send(json.dumps({"op": "subscribe", "args": [topic]}))
        known = Known()
        # Linear sends the snapshot before its answer, spot behind it.
        first = [json.loads(await socket.recv()) for _ in range(2)]
        assert [each.get("type") == "snapshot" for each in first] == [
            category == "linear",
            category == "spot",
        ]
        known.apply(first[0 if category == "linear" else 1])
        for _ in range(4):
            await moved(alice)
            known.apply(await hear(socket, topic=topic, type="delta"))
        await moved(alice)
        asked = {"category": category, "symbol": "ETHUSDT", "limit": str(levels)}
        book = (await alice.public("market/orderbook", **asked))["result"]
        with trio.fail_after(10):
            while not known.is_like(book):
                known.apply(await hear(socket, topic=topic))
        assert 1 <= len(known.sides[0]) <= levels
        # After a restart of the venue's service the book begins anew, from one.
        await alice.admin("tokens/revoke", {})
        await moved(alice)
        again = await hear(socket, topic=topic, type="snapshot")
        assert again["data"]["u"] == 1
        known.apply(again)
        await moved(alice)
        known.apply(await hear(socket, topic=topic, type="delta"))


async def test_every_public_topic_says_something() -> None:
    topics = ["orderbook.1.ETHUSDT", "publicTrade.ETHUSDT", "tickers.ETHUSDT", "kline.1.ETHUSDT"]
    for category in ("spot", "linear"):
        async with running() as alice, alice.websocket(f"public/{category}") as socket:
            assert (await subscribe(socket, *topics))["success"]
            missing = set(topics)
            with trio.fail_after(10):
                while missing:
                    await moved(alice)
                    with trio.move_on_after(0.03):
                        while True:
                            message = json.loads(await socket.recv())
                            missing.discard(message["topic"])
                            assert message["data"]


async def test_a_linear_ticker_tells_what_changed_only() -> None:
    async with running() as alice, alice.websocket("public/linear") as socket:
        await socket.send(json.dumps({"op": "subscribe", "args": ["tickers.ETHUSDT"]}))
        whole = await hear(socket, topic="tickers.ETHUSDT")
        assert (whole["type"], "fundingRate" in whole["data"]) == ("snapshot", True)
        await moved(alice)
        part = await hear(socket, topic="tickers.ETHUSDT", type="delta")
        assert part["data"]["symbol"] == "ETHUSDT"
        assert 1 < len(part["data"]) < len(whole["data"])


async def test_a_candle_that_closes_is_confirmed() -> None:
    async with running() as alice, alice.websocket("public/spot") as socket:
        await subscribe(socket, "kline.1.ETHUSDT")
        confirmed: list[int] = []
        opened: list[int] = []
        while not confirmed or opened[-1] == confirmed[-1]:
            alice.clock.advance(10 * 10**9)
            await trio.sleep(0.03)
            (kline,) = (await hear(socket, topic="kline.1.ETHUSDT"))["data"]
            opened.append(kline["start"])
            if kline["confirm"]:
                confirmed.append(kline["start"])
        assert confirmed == [opened[0]]


async def test_what_is_no_topic_is_refused() -> None:
    async with running() as alice, alice.websocket("public/spot") as socket:
        for topic in ("orderbook.7.ETHUSDT", "tickers.NOPE", "kline.2.ETHUSDT", "publicTrade"):
            answer = await subscribe(socket, topic)
            assert answer["success"] is False
            assert answer["ret_msg"] == f"error:handler not found,topic:{topic}"
        many = [f"kline.{n}.ETHUSDT" for n in (1, 3, 5, 15, 30, 60, 120, 240, 360, 720, "D")]
        assert (await subscribe(socket, *many))["ret_msg"] == "args size >10"
        assert (await subscribe(socket, "tickers.ETHUSDT"))["ret_msg"] == "subscribe"
        twice = await subscribe(socket, "tickers.ETHUSDT")
        assert twice["ret_msg"] == "error:already subscribed,topic:tickers.ETHUSDT"
        for nonsense in ("not json", '{"op": 7}', "[]"):
            await socket.send(nonsense)
            assert (await hear(socket, success=False))["ret_msg"] == "error:invalid op"
        await socket.send(json.dumps({"op": "ping", "req_id": "5"}))
        pong = await hear(socket, op="ping")
        assert (pong["ret_msg"], pong["req_id"]) == ("pong", "5")


async def test_an_account_hears_orders_executions_and_its_wallet() -> None:
    async with running() as alice, alice.websocket("private") as socket:
        assert (await subscribe(socket, "order"))["ret_msg"] == "Request not authorized"
        right, alice.secret = alice.secret, "0" * 32
        assert (await alice.log_on(socket))["success"] is False
        alice.secret = right
        assert (await alice.log_on(socket, expires_ms=alice.now_ms))["success"] is False
        assert (await alice.log_on(socket))["success"] is True
        assert (await subscribe(socket, "nothing"))["success"] is False
        assert (await subscribe(socket, "order", "execution.spot", "wallet"))["success"]
        number = await alice.place(SPOT, orderLinkId="mine")
        (order,) = (await hear(socket, topic="order"))["data"]
        assert (order["orderId"], order["orderStatus"], order["category"]) == (
            number,
            "New",
            "spot",
        )
        (account,) = (await hear(socket, topic="wallet"))["data"]
        (usdt,) = account["coin"]
        assert (usdt["coin"], usdt["locked"], usdt["walletBalance"]) == ("USDT", "240", "10000")
        number = await alice.market(SPOT, "Buy")
        filled = 0.0
        while filled < 0.0999:
            (fill,) = (await hear(socket, topic="execution.spot"))["data"]
            filled += float(fill["execQty"])
            assert (fill["orderId"], fill["feeCurrency"]) == (number, "ETH")
        (order,) = (await hear(socket, topic="order"))["data"]
        assert (order["orderStatus"], order["leavesQty"]) == ("Filled", "0")
        await socket.send(json.dumps({"op": "ping", "req_id": "6"}))
        assert (await hear(socket, op="pong"))["req_id"] == "6"


async def test_an_account_hears_of_its_position() -> None:
    async with running() as alice, alice.websocket("private") as socket:
        await alice.log_on(socket)
        await subscribe(socket, "position", "execution", "wallet")
        await alice.market(LINEAR, "Sell", "1")
        (fill,) = (await hear(socket, topic="execution"))["data"]
        assert (fill["category"], fill["side"]) == ("linear", "Sell")
        (position,) = (await hear(socket, topic="position"))["data"]
        assert (position["side"], position["size"]) == ("Sell", "1.00000")
        (account,) = (await hear(socket, topic="wallet"))["data"]
        assert float(account["totalInitialMargin"]) > 100


async def test_a_liquidation_is_told_to_everybody() -> None:
    settings = config()
    thin = replace(settings.accounts[0], balances={"USDT": "900"})
    spot, perpetual = settings.markets
    # It is taken away almost as soon as the price moves against it.
    strict = replace(perpetual, perpetual=PerpetualConfig(maintenance_ppm=19_000))
    settings = replace(settings, accounts=(thin,), markets=(spot, strict))
    async with running(settings) as alice:
        lever = {"category": "linear", "symbol": "ETHUSDT", "buyLeverage": "50"}
        await alice.post("position/set-leverage", {**lever, "sellLeverage": "50"})
        async with alice.websocket("public/linear") as socket:
            await subscribe(socket, "allLiquidation.ETHUSDT")
            await alice.market(LINEAR, "Buy", "17")
            told: list[Untyped] = []
            with trio.fail_after(10):
                while not told:
                    await moved(alice)
                    with trio.move_on_after(0.01):
                        told = (await hear(socket, topic="allLiquidation.ETHUSDT"))["data"]
            assert {row["S"] for row in told} == {"Buy"}


async def trade(
    socket: Untyped, alice: Client, op: str, order: Untyped, **more: Untyped
) -> Untyped:
    header = {"X-BAPI-TIMESTAMP": str(alice.now_ms), "X-BAPI-RECV-WINDOW": "5000"}
    number = str(next(NUMBERS))
    message = {"op": op, "reqId": number, "header": header, "args": [order], **more}
    await socket.send(json.dumps(message))
    return await hear(socket, reqId=message["reqId"])


async def test_orders_go_over_the_trade_socket_too() -> None:
    named = {"category": "spot", "symbol": "ETHUSDT", "orderLinkId": "mine"}
    async with running() as alice, alice.websocket("trade") as socket:
        assert (await trade(socket, alice, "order.create", SPOT))["retCode"] == 10003
        assert (await alice.log_on(socket))["retCode"] == 0
        assert (await alice.log_on(socket))["retCode"] == 20001
        placed = await trade(socket, alice, "order.create", {**SPOT, "orderLinkId": "mine"})
        assert (placed["retCode"], placed["data"]["orderLinkId"]) == (0, "mine")
        assert placed["header"]["X-Bapi-Limit-Status"] == "19"
        changed = {**named, "price": "2390.00"}
        assert (await trade(socket, alice, "order.amend", changed))["retCode"] == 0
        assert (await alice.order("spot", orderLinkId="mine"))["price"] == "2390.00"
        assert (await trade(socket, alice, "order.cancel", named))["retCode"] == 0
        assert (await trade(socket, alice, "order.cancel", named))["retCode"] == 170213
        poor = {**LINEAR, "qty": "1000"}
        assert (await trade(socket, alice, "order.create", poor))["retCode"] == 110007
        assert (await trade(socket, alice, "order.think", named))["retCode"] == 10404
        for code in (170213, 20006):
            again = await trade(socket, alice, "order.cancel", named, reqId="mine")
            assert again["retCode"] == code
        stale = {"X-BAPI-TIMESTAMP": str(alice.now_ms - 5_001)}
        assert (await trade(socket, alice, "order.create", SPOT, header=stale))["retCode"] == 10002
        await alice.admin("faults/arm", {"fault": "lose_ack", "target": "order.create"})
        with trio.move_on_after(0.2) as patience:
            await trade(socket, alice, "order.create", {**SPOT, "orderLinkId": "lost"})
        assert patience.cancelled_caught
        assert (await alice.order("spot", orderLinkId="lost"))["orderStatus"] == "New"
