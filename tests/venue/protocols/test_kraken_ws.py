"""Kraken's WebSocket v2 as a client sees it, over a real socket, without ccxt."""

from contextlib import suppress
from decimal import Decimal
from typing import Any
from uuid import UUID

import trio

from tests.venue.boxes import SYMBOL, RestClient, Untyped, config, hear, running_box, say
from venue.config import RateTier

CLIENT_ID = str(UUID(int=9))


async def executions(socket: Untyped, count: int) -> list[dict[str, Any]]:
    """Return the next `count` execution reports; their sequence numbers have no gap."""
    frames = [await hear(socket, channel="executions", type="update") for _ in range(count)]
    sequences = [frame["sequence"] for frame in frames]
    assert sequences == list(range(sequences[0], sequences[0] + count))
    return [frame["data"][0] for frame in frames]


async def test_status_comes_first_and_ping_is_answered() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        status = await hear(socket)
        assert status["channel"] == "status"
        assert status["data"][0]["system"] == "online"
        await socket.send('{"method":"ping","req_id":101}')
        pong = await hear(socket, method="pong")
        assert pong["req_id"] == 101


async def test_public_channels_send_snapshots_then_updates() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        for channel in ("trade", "ticker", "ohlc"):
            await say(socket, "subscribe", channel=channel, symbol=[SYMBOL])
            ack = await hear(socket, method="subscribe")
            assert ack["success"] is True
            assert ack["result"]["channel"] == channel
            snapshot = await hear(socket, channel=channel)
            assert snapshot["type"] == "snapshot"
            update = await hear(socket, channel=channel, type="update")
            assert update["data"][0]["symbol"] == SYMBOL
        await say(socket, "subscribe", channel="instrument")
        pairs = (await hear(socket, channel="instrument"))["data"]["pairs"]
        assert pairs[0]["price_increment"] == Decimal("0.01")


async def test_trades_are_numbered_without_gap() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await say(socket, "subscribe", channel="trade", symbol=[SYMBOL])
        ids: list[int] = []
        while len(ids) < 80:
            frame = await hear(socket, channel="trade")
            ids += [trade["trade_id"] for trade in frame["data"]]
        assert ids == list(range(ids[0], ids[0] + len(ids)))


async def test_wrong_requests_are_answered_and_end_nothing() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        for text in ("}{", "[]", "7", '{"params":{}}', '{"method":"subscribe","params":[1]}'):
            await socket.send(text)
            assert (await hear(socket, success=False))["error"] == "Malformed request"
        await say(socket, "dance")
        assert (await hear(socket, method="dance"))["success"] is False
        await say(socket, "subscribe", channel="book", symbol=["X/Y"])
        assert (await hear(socket, success=False))["error"] == "Currency pair not supported X/Y"
        await say(socket, "subscribe", channel="book", symbol=[SYMBOL], depth=11)
        error = (await hear(socket, success=False))["error"]
        assert error == "Subscription depth not supported"
        await say(socket, "subscribe", channel="trade", symbol=[SYMBOL])
        await hear(socket, success=True)
        await say(socket, "subscribe", channel="trade", symbol=[SYMBOL])
        assert (await hear(socket, success=False))["error"] == "Already subscribed"


async def test_unsubscribing_stops_the_stream() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await say(socket, "subscribe", channel="trade", symbol=[SYMBOL])
        await hear(socket, channel="trade", type="update")
        await say(socket, "unsubscribe", channel="trade", symbol=[SYMBOL])
        await hear(socket, method="unsubscribe", success=True)
        await say(socket, "subscribe", channel="ticker", symbol=[SYMBOL])
        for _ in range(10):
            assert (await hear(socket)).get("channel") != "trade"


async def test_the_life_of_an_order_is_reported_in_krakens_words() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await alice.subscribe_private(socket, channel="executions", snap_trades=True)
        trades = await hear(socket, channel="executions", type="snapshot")
        orders = await hear(socket, channel="executions", type="snapshot")
        assert (trades["data"], trades["sequence"]) == ([], 1)
        assert (orders["data"], orders["sequence"]) == ([], 2)
        txid = await alice.limit("buy", "0.1", "1500.00", cl_ord_id=CLIENT_ID)
        pending, new = await executions(socket, 2)
        assert (pending["exec_type"], new["exec_type"]) == ("pending_new", "new")
        assert pending["order_id"] == txid
        assert pending["cl_ord_id"] == new["cl_ord_id"] == CLIENT_ID
        assert pending["limit_price"] == Decimal("1500.00")
        assert "symbol" not in new
        await alice.result("CancelOrder", txid=txid)
        (canceled,) = await executions(socket, 1)
        assert (canceled["exec_type"], canceled["reason"]) == ("canceled", "User requested")


async def test_fills_are_reported_with_fee_and_liquidity() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await alice.subscribe_private(socket, channel="executions")
        txid = await alice.market("buy", "0.01")
        reports = await executions(socket, 4)
        kinds = [report["exec_type"] for report in reports]
        assert kinds == ["pending_new", "new", "trade", "filled"]
        trade, filled = reports[2:]
        assert (trade["order_id"], trade["liquidity_ind"]) == (txid, "t")
        assert trade["cost"] == trade["last_price"] * trade["last_qty"]
        assert trade["fees"][0]["asset"] == "USDT"
        assert filled["cum_qty"] == Decimal("0.01000")
        known = await alice.result("QueryTrades", txid=trade["exec_id"])
        assert Decimal(known[trade["exec_id"]]["fee"]) == trade["fees"][0]["qty"]


async def test_snapshot_of_open_orders_after_reconnecting() -> None:
    async with running_box() as alice:
        txid = await alice.limit("buy", "0.1", "1500.00", cl_ord_id=CLIENT_ID)
        await alice.market("buy", "0.01")
        async with alice.websocket() as socket:
            await alice.subscribe_private(socket, channel="executions", snap_trades=True)
            trades = await hear(socket, channel="executions", type="snapshot")
            orders = await hear(socket, channel="executions", type="snapshot")
            assert [item["exec_type"] for item in trades["data"]] == ["trade"]
            assert [item["order_id"] for item in orders["data"]] == [txid]
            assert orders["data"][0]["order_status"] == "new"


async def test_balances_follow_every_movement() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await alice.subscribe_private(socket, channel="balances")
        snapshot = await hear(socket, channel="balances")
        assert {item["asset"]: item["balance"] for item in snapshot["data"]} == {
            "USDT": Decimal(10_000),
            "ETH": Decimal(5),
        }
        await alice.market("sell", "0.01")
        first = (await hear(socket, channel="balances"))["data"][0]
        second = (await hear(socket, channel="balances"))["data"][0]
        assert (first["asset"], first["balance"]) == ("ETH", Decimal("4.99"))
        balance = Decimal((await alice.result("Balance"))["USDT"])
        assert (second["asset"], second["balance"]) == ("USDT", balance)


async def test_nobody_hears_another_customers_orders() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await alice.subscribe_private(socket, channel="executions")
        await hear(socket, channel="executions", type="snapshot")
        alice.key = "BOB"
        await alice.limit("buy", "0.1", "1500.00")
        alice.key = "ALICE"
        mine = await alice.limit("buy", "0.1", "1400.00")
        (report, _) = await executions(socket, 2)
        assert report["order_id"] == mine


async def test_orders_over_the_socket() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        token = await alice.subscribe_private(socket, channel="executions")
        order = {
            "order_type": "limit",
            "side": "buy",
            "order_qty": 0.1,
            "symbol": SYMBOL,
            "limit_price": 1500.0,
            "cl_ord_id": CLIENT_ID,
            "post_only": True,
            "token": token,
        }
        await say(socket, "add_order", 7, **order)
        added = await hear(socket, method="add_order")
        assert (added["req_id"], added["result"]["cl_ord_id"]) == (7, CLIENT_ID)
        await say(socket, "add_order", 8, **order)
        again = await hear(socket, method="add_order")
        assert again["error"] == "EOrder:Duplicate cl_ord_id"
        txid = added["result"]["order_id"]
        amend = {"order_id": txid, "order_qty": 0.2, "limit_price": 1501, "token": token}
        await say(socket, "amend_order", 9, **amend)
        assert (await hear(socket, method="amend_order"))["result"]["order_id"] == txid
        await say(socket, "cancel_order", 10, order_id=[txid, "ONONE"], token=token)
        assert (await hear(socket, method="cancel_order"))["result"] == {"order_id": txid}
        missing = await hear(socket, method="cancel_order")
        assert (missing["error"], missing["order_id"]) == ("EOrder:Unknown order", "ONONE")
        await say(socket, "cancel_all", 11, token=token)
        assert (await hear(socket, method="cancel_all"))["result"] == {"count": 0}


async def test_tokens_are_needed_and_expire() -> None:
    async with running_box(config(token_lifetime_s=0)) as alice, alice.websocket() as socket:
        await say(socket, "subscribe", channel="executions", token="made-up")
        assert (await hear(socket, success=False))["error"] == "ESession:Invalid session"
        await alice.subscribe_private(socket, channel="balances")
        assert (await hear(socket, success=False))["error"] == "ESession:Invalid session"


async def test_a_silent_stream_has_heartbeats() -> None:
    async with running_box() as alice, alice.websocket() as socket:
        await hear(socket, channel="heartbeat")


async def test_a_client_that_does_not_read_is_cut_and_others_go_on() -> None:
    async with running_box(config(rate_tier=RateTier.NONE)) as alice:
        stream = await trio.open_tcp_stream("127.0.0.1", alice.port)
        key = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
        head = b"GET /v2 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        await stream.send_all(head + key + b"\r\n")
        # Each masked text frame asks for everything at once, again and again, and reads nothing.
        ask = b'{"method":"subscribe","params":{"channel":"instrument"}}'
        frame = bytes([0x81, 0x80 | len(ask), 0, 0, 0, 0]) + ask
        with trio.move_on_after(20):
            with suppress(trio.BrokenResourceError):
                while True:
                    await stream.send_all(frame * 200)
        assert await _sessions(alice) == 0
        await alice.result("Balance")
        await stream.aclose()


async def _sessions(alice: RestClient) -> int:
    return int((await alice.admin("status"))["sessions"])
