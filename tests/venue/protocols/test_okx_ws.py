"""Sockets: ping, errors, logging in, channels of the market and of the account, orders."""

import pytest
import trio
from websockets.exceptions import ConnectionClosedError

from tests.venue.okx_client import SPOT, SWAP, Untyped, config, hear, running, say, subscribe

ORDER = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.1"}


async def test_ping_is_text_and_nonsense_gets_its_code() -> None:
    async with running() as alice, alice.socket("public") as socket:
        await socket.send("ping")
        assert await socket.recv() == "pong"
        for text, code in (
            ("garbage", "60012"),
            ('{"op":"subscribe","args":[1]}', "60012"),
            ('{"op":"dance","args":[]}', "60019"),
            ('{"op":"login","args":[]}', "60013"),
            ('{"op":"subscribe","args":[{"channel":"nope","instId":"ETH-USDT"}]}', "60018"),
            ('{"op":"subscribe","args":[{"channel":"trades","instId":"NO-PE"}]}', "60018"),
            ('{"op":"subscribe","args":[{"channel":"candle1m","instId":"ETH-USDT"}]}', "60018"),
            ('{"op":"subscribe","args":[{"channel":"mark-price","instId":"ETH-USDT"}]}', "60018"),
            ('{"op":"subscribe","args":[{"channel":"books-l2-tbt","instId":"X"}]}', "60029"),
            ('{"op":"subscribe","args":[{"channel":"orders","instType":"ANY"}]}', "60011"),
        ):
            await socket.send(text)
            answer = await hear(socket)
            assert (text, answer["event"], answer["code"]) == (text, "error", code)


async def test_a_wrong_login_is_refused() -> None:
    async with running() as alice, alice.socket("private") as socket:
        for changes, code in (
            ({"apiKey": ""}, "60001"),
            ({"sign": ""}, "60002"),
            ({"passphrase": ""}, "60003"),
            ({"timestamp": "soon"}, "60004"),
            ({"apiKey": "mallory"}, "60005"),
            ({"timestamp": "1749999960"}, "60006"),
            ({"sign": "AAAA"}, "60007"),
            ({"passphrase": "wrong"}, "60024"),
        ):
            answer = await alice.log_in(socket, **changes)
            assert (changes, answer["code"]) == (changes, code)
        assert (await alice.log_in(socket))["event"] == "login"


async def test_what_the_public_is_told() -> None:
    async with running() as alice, alice.socket("public") as socket:
        await subscribe(socket, "tickers", instId=SPOT)
        assert (await hear(socket, "tickers"))["data"][0]["instId"] == SPOT
        await subscribe(socket, "books5", instId=SPOT)
        assert len((await hear(socket, "books5"))["data"][0]["bids"]) == 5
        await subscribe(socket, "bbo-tbt", instId=SWAP)
        assert len((await hear(socket, "bbo-tbt"))["data"][0]["asks"]) == 1
        await subscribe(socket, "mark-price", instId=SWAP)
        assert float((await hear(socket, "mark-price"))["data"][0]["markPx"]) > 0
        await subscribe(socket, "funding-rate", instId=SWAP)
        assert float((await hear(socket, "funding-rate"))["data"][0]["fundingRate"]) > 0
        await subscribe(socket, "index-tickers", instId=SPOT)
        assert (await hear(socket, "index-tickers"))["data"][0]["instId"] == SPOT
        await subscribe(socket, "trades", instId=SPOT)
        alice.clock.advance(2 * 10**9)
        traded = (await hear(socket, "trades"))["data"][0]
        known = await alice.get("market/trades", instId=SPOT, limit=500)
        assert traded["tradeId"] in {each["tradeId"] for each in known}
        await say(socket, "unsubscribe", {"channel": "trades", "instId": SPOT})
        while (await hear(socket)).get("event") != "unsubscribe":
            pass


@pytest.mark.check
async def test_candles_are_for_business() -> None:
    async with running() as alice, alice.socket("business") as socket:
        await subscribe(socket, "candle1m", instId=SPOT)
        opened = (await hear(socket, "candle1m"))["data"][0]
        alice.clock.advance(61 * 10**9)
        closed = (await hear(socket, "candle1m"))["data"][0]
        assert (closed[0], closed[8]) == (opened[0], "1")
        current = (await hear(socket, "candle1m"))["data"][0]
        assert (int(current[0]) - int(closed[0]), current[8]) == (60_000, "0")
        (newest, before, *_) = await alice.get("market/candles", instId=SPOT, bar="1m")
        assert (newest[0], before) == (current[0], closed)


async def logged_in(alice: Untyped, socket: Untyped, *channels: str) -> None:
    assert (await alice.log_in(socket))["event"] == "login"
    for channel in channels:
        more = {"instType": "ANY"} if channel in ("orders", "positions", "orders-algo") else {}
        await subscribe(socket, channel, **more)


async def test_an_account_hears_of_its_orders_and_money() -> None:
    async with running() as alice, alice.socket("private") as socket:
        await logged_in(alice, socket, "orders", "account")
        snapshot = await hear(socket, "account")
        assert snapshot["eventType"] == "snapshot"
        assert {row["ccy"] for row in snapshot["data"][0]["details"]} == {"USDT", "ETH"}
        await alice.limit("buy", "2400", clOrdId="mine")
        order = (await hear(socket, "orders"))["data"][0]
        assert (order["clOrdId"], order["state"], order["tradeId"]) == ("mine", "live", "")
        held = (await hear(socket, "account"))["data"][0]["details"][0]
        assert (held["ccy"], held["ordFrozen"], held["availBal"]) == ("USDT", "240", "9760")
        named = {"instId": SPOT, "clOrdId": "mine"}
        await alice.post("trade/amend-order", {**named, "newSz": "0.2"})
        order = (await hear(socket, "orders"))["data"][0]
        assert (order["sz"], order["amendResult"]) == ("0.2", "0")
        await alice.post("trade/cancel-order", named)
        order = (await hear(socket, "orders"))["data"][0]
        assert (order["state"], order["cancelSource"]) == ("canceled", "1")
        await alice.market("buy")
        assert (await hear(socket, "orders"))["data"][0]["state"] == "live"
        told = (await hear(socket, "orders"))["data"][0]
        while told["state"] != "filled":
            assert (told["state"], told["execType"]) == ("partially_filled", "T")
            told = (await hear(socket, "orders"))["data"][0]
        assert told["accFillSz"] == "0.1"
        assert (told["state"], told["fillFeeCcy"]) == ("filled", "ETH")


async def test_a_perpetuals_account_hears_of_its_position() -> None:
    async with running() as alice, alice.socket("private") as socket:
        await logged_in(alice, socket, "positions", "balance_and_position")
        assert (await hear(socket, "positions"))["data"] == []
        first = (await hear(socket, "balance_and_position"))["data"][0]
        assert (first["eventType"], first["posData"]) == ("snapshot", [])
        await alice.swap("buy")
        assert (await hear(socket, "positions"))["data"][0]["pos"] == "1"
        told = (await hear(socket, "balance_and_position"))["data"][0]
        assert (told["eventType"], told["posData"][0]["pos"]) == ("filled", "1")
        assert told["trades"]
        await alice.swap("sell")
        assert (await hear(socket, "positions"))["data"][0]["pos"] == "0"


@pytest.mark.check
async def test_algo_orders_are_told_apart() -> None:
    stop = {**ORDER, "side": "sell", "ordType": "trigger", "triggerPx": "2000", "orderPx": "-1"}
    async with running() as alice, alice.socket("business") as socket:
        await logged_in(alice, socket, "orders-algo")
        (placed,) = await alice.post("trade/order-algo", stop)
        told = (await hear(socket, "orders-algo"))["data"][0]
        assert (told["algoId"], told["state"]) == (placed["algoId"], "live")
        await alice.post("trade/cancel-algos", [{"instId": SPOT, "algoId": placed["algoId"]}])
        assert (await hear(socket, "orders-algo"))["data"][0]["state"] == "canceled"


async def test_orders_over_a_socket() -> None:
    async with running() as alice, alice.socket("private") as socket:
        await say(socket, "order", {**ORDER, "px": "2400"}, request_id="1")
        assert (await hear(socket))["code"] == "60011"
        await logged_in(alice, socket)
        await say(socket, "order", {**ORDER, "px": "2400"}, request_id="2")
        answer = await hear(socket)
        assert (answer["id"], answer["op"], answer["code"]) == ("2", "order", "0")
        (code,) = [
            each["instIdCode"] for each in await alice.get("public/instruments", instType="SPOT")
        ]
        named = {"instIdCode": code, "ordId": answer["data"][0]["ordId"]}
        await say(socket, "amend-order", {**named, "newSz": "0.2"}, request_id="3")
        assert (await hear(socket))["data"][0]["sCode"] == "0"
        await say(socket, "cancel-order", named, request_id="4")
        assert (await hear(socket))["code"] == "0"
        await say(socket, "batch-cancel-orders", named, named, request_id="5")
        answer = await hear(socket)
        assert (answer["code"], [row["sCode"] for row in answer["data"]]) == ("1", ["51400"] * 2)
        await alice.admin("faults/arm", {"fault": "http_5xx", "target": "order"})
        await say(socket, "order", {**ORDER, "px": "2400", "clOrdId": "lost"}, request_id="6")
        assert (await hear(socket))["code"] == "50026"
        assert (await alice.get("trade/order", instId=SPOT, clOrdId="lost"))[0]["state"] == "live"


@pytest.mark.check
async def test_a_key_that_is_revoked_is_cut_off() -> None:
    async with running() as alice, alice.socket("private") as socket:
        await logged_in(alice, socket, "orders")
        await alice.admin("tokens/revoke", {})
        assert (await hear(socket))["event"] == "subscribe"
        with trio.fail_after(5), pytest.raises(ConnectionClosedError):
            await socket.recv()


@pytest.mark.check
async def test_who_is_silent_for_half_a_minute_is_cut(autojump_clock: trio.abc.Clock) -> None:
    async with running(config(tick_interval_ms=1_000)) as alice:
        with trio.fail_after(120):
            async with alice.socket("public") as socket:
                await trio.sleep(20)
                await socket.send("ping")
                assert await socket.recv() == "pong"
                at = trio.current_time()
                with pytest.raises(ConnectionClosedError):
                    await socket.recv()
                assert 30 <= trio.current_time() - at <= 33
