"""Spot orders over REST: ids, visibility, histories, replacing, fees, lost answers."""

import httpx2
import pytest

from tests.venue.binance_client import config, running

NAMED = {"symbol": "ETHUSDT", "origClientOrderId": "mine"}


async def test_an_order_and_its_ids() -> None:
    async with running() as alice:
        placed = await alice.limit("BUY", "2400.00", newClientOrderId="mine")
        assert (placed["status"], placed["fills"]) == ("NEW", [])
        twice = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
        again = await alice.error(
            "POST", "order", **twice, price="2400.00", quantity="0.1", newClientOrderId="mine"
        )
        assert again == (-2010, "Duplicate order sent.")
        assert (await alice.ok("GET", "order", **NAMED))["orderId"] == placed["orderId"]
        cancelled = await alice.ok("DELETE", "order", **NAMED)
        assert (cancelled["origClientOrderId"], cancelled["status"]) == ("mine", "CANCELED")
        assert await alice.error("DELETE", "order", **NAMED) == (-2011, "Unknown order sent.")
        # Free again once its order has ended; a query then means the newest.
        renewed = await alice.limit("BUY", "2401.00", newClientOrderId="mine")
        assert (await alice.ok("GET", "order", **NAMED))["orderId"] == renewed["orderId"]
        assert (await alice.error("GET", "order", symbol="ETHUSDT", orderId=99))[0] == -2013
        assert (await alice.error("GET", "order", symbol="ETHUSDT"))[0] == -1102


async def test_an_order_shows_only_after_the_lag() -> None:
    async with running(config(visibility_lag_ms=500)) as alice:
        await alice.limit("BUY", "2400.00", newClientOrderId="mine")
        await alice.market("BUY")
        assert (await alice.error("GET", "order", **NAMED))[0] == -2013
        assert await alice.ok("GET", "openOrders") == []
        assert await alice.ok("GET", "allOrders", symbol="ETHUSDT") == []
        assert await alice.ok("GET", "myTrades", symbol="ETHUSDT") == []
        alice.clock.advance(500 * 10**6)
        assert (await alice.ok("GET", "order", **NAMED))["status"] == "NEW"
        assert len(await alice.ok("GET", "openOrders")) == 1
        assert len(await alice.ok("GET", "allOrders", symbol="ETHUSDT")) == 2
        assert len(await alice.ok("GET", "myTrades", symbol="ETHUSDT")) >= 1


async def test_a_buys_fee_is_taken_from_what_it_brings() -> None:
    async with running() as alice:
        bought = await alice.market("BUY")
        assert bought["status"] == "FILLED"
        assert {part["commissionAsset"] for part in bought["fills"]} == {"ETH"}
        balances = {b["asset"]: b for b in (await alice.ok("GET", "account"))["balances"]}
        assert balances["ETH"]["free"] == "5.09990000"
        sold = await alice.market("SELL")
        assert {part["commissionAsset"] for part in sold["fills"]} == {"USDT"}
        books = await alice.admin("books")
        assert set(books["totals"].values()) == {"0.00000000"}


async def test_a_market_order_may_name_what_it_spends() -> None:
    async with running() as alice:
        order = {"symbol": "ETHUSDT", "side": "BUY", "type": "MARKET", "quoteOrderQty": "250"}
        bought = await alice.ok("POST", "order", **order)
        assert 249 < float(bought["cummulativeQuoteQty"]) <= 250


async def test_replacing_is_one_request() -> None:
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    wanted = {**order, "price": "2401.00", "quantity": "0.2", "newClientOrderId": "new"}
    async with running() as alice:
        placed = await alice.limit("BUY", "2400.00", newClientOrderId="mine")
        stops = {**wanted, "cancelReplaceMode": "STOP_ON_FAILURE"}
        done = await alice.ok(
            "POST", "order/cancelReplace", **stops, cancelOrderId=placed["orderId"]
        )
        assert (done["cancelResult"], done["newOrderResult"]) == ("SUCCESS", "SUCCESS")
        response = await alice.raw("POST", "order/cancelReplace", **stops, cancelOrderId=1)
        failed = response.json()
        assert (failed["code"], failed["data"]["newOrderResult"]) == (-2022, "NOT_ATTEMPTED")
        goes_on = {**wanted, "cancelReplaceMode": "ALLOW_FAILURE", "newClientOrderId": "newer"}
        response = await alice.raw("POST", "order/cancelReplace", **goes_on, cancelOrderId=1)
        assert response.json()["data"]["newOrderResult"] == "SUCCESS"
        names = [each["clientOrderId"] for each in await alice.ok("GET", "openOrders")]
        assert names == ["new", "newer"]
        assert len(await alice.ok("DELETE", "openOrders", symbol="ETHUSDT")) == 2


async def test_waiting_orders_and_their_bound() -> None:
    stop = {"symbol": "ETHUSDT", "side": "SELL", "type": "STOP_LOSS", "stopPrice": "2000.00"}
    async with running() as alice:
        for _ in range(4):
            await alice.ok("POST", "order", **stop, quantity="0.1")
        placed = await alice.ok("POST", "order", **stop, quantity="0.1")
        assert "fills" not in placed
        found = await alice.ok("GET", "order", symbol="ETHUSDT", orderId=placed["orderId"])
        assert (found["isWorking"], found["stopPrice"]) == (False, "2000.00000000")
        code, text = await alice.error("POST", "order", **stop, quantity="0.1")
        assert (code, text) == (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS")


async def test_a_lost_answer_leaves_an_accepted_order() -> None:
    async with running() as alice:
        await alice.admin("faults/arm", {"fault": "lose_ack", "target": "order"})
        with pytest.raises(httpx2.TransportError):
            await alice.limit("BUY", "2400.00", newClientOrderId="mine")
        assert (await alice.ok("GET", "order", **NAMED))["status"] == "NEW"
        await alice.admin("faults/arm", {"fault": "refuse", "target": "order"})
        response = await alice.raw("DELETE", "order", **NAMED)
        assert (response.status_code, response.json()["code"]) == (503, -1008)
        assert (await alice.ok("GET", "order", **NAMED))["status"] == "NEW"


async def test_histories_are_read_page_by_page() -> None:
    async with running() as alice:
        for _ in range(5):
            await alice.market("BUY", "0.01")
            alice.clock.advance(10**9)
        trades = await alice.ok("GET", "myTrades", symbol="ETHUSDT")
        ids = [trade["id"] for trade in trades]
        assert ids == sorted(ids)
        page = await alice.ok("GET", "myTrades", symbol="ETHUSDT", fromId=ids[1], limit=2)
        assert [trade["id"] for trade in page] == ids[1:3]
        later = await alice.ok(
            "GET", "myTrades", symbol="ETHUSDT", startTime=trades[-1]["time"], limit=1_000
        )
        assert later[-1]["id"] == ids[-1]
        assert all(trade["time"] >= trades[-1]["time"] for trade in later)
        orders = await alice.ok("GET", "allOrders", symbol="ETHUSDT", orderId=2, limit=2)
        assert [order["orderId"] for order in orders] == [2, 3]
