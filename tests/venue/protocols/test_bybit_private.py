"""Orders, executions, balances, positions: what an account does and is told by REST."""

from typing import Any

import httpx2
import pytest
import trio

from tests.venue.bybit_client import LINEAR, SPOT, config, running

MINE = {"category": "spot", "symbol": "ETHUSDT", "orderLinkId": "mine"}


async def test_an_order_from_placing_to_its_end() -> None:
    async with running() as alice:
        number = await alice.place(SPOT, orderLinkId="mine")
        order = await alice.order("spot", orderLinkId="mine")
        assert (order["orderId"], order["orderStatus"], order["price"]) == (
            number,
            "New",
            "2400.00",
        )
        assert await alice.order("spot", orderId=number) == order
        assert (await alice.error("order/create", {**SPOT, "orderLinkId": "mine"}))[0] == 170141
        assert (await alice.get("order/history", category="spot"))["list"] == []
        assert await alice.post("order/cancel", MINE) == {"orderId": number, "orderLinkId": "mine"}
        assert await alice.error("order/cancel", MINE) == (170213, "Order does not exist.")
        ended = await alice.order("spot", orderId=number)
        assert (ended["orderStatus"], ended["cancelType"], ended["rejectReason"]) == (
            "Cancelled",
            "CancelByUser",
            "EC_PerCancelRequest",
        )
        assert (await alice.get("order/realtime", category="spot"))["list"] == []
        assert (await alice.get("order/history", category="spot"))["list"] == [ended]
        # An id names one order for good.
        assert (await alice.error("order/create", {**SPOT, "orderLinkId": "mine"}))[0] == 170141
        assert (await alice.error("order/cancel", {"category": "spot", "symbol": "ETHUSDT"}))[
            0
        ] == 10001


async def test_what_cannot_be_done_at_once_is_cancelled_with_its_reason() -> None:
    wanted = [
        ({"timeInForce": "IOC"}, "EC_NoImmediateQtyToFill"),
        ({"timeInForce": "FOK"}, "EC_CancelForNoFullFill"),
        ({"timeInForce": "PostOnly", "price": "2590.00"}, "EC_PostOnlyWillTakeLiquidity"),
    ]
    async with running() as alice:
        for order in (SPOT, LINEAR):
            for changes, reason in wanted:
                number = await alice.place({**order, **changes})
                found = await alice.order(order["category"], orderId=number)
                assert (found["orderStatus"], found["rejectReason"]) == ("Cancelled", reason)
        assert (await alice.get("execution/list", category="spot"))["list"] == []


async def test_an_order_shows_only_after_the_lag() -> None:
    async with running(config(visibility_lag_ms=500)) as alice:
        await alice.place(SPOT, orderLinkId="mine")
        bought = await alice.market(SPOT, "Buy")
        asked: list[tuple[str, dict[str, str]]] = [
            ("order/realtime", {"orderLinkId": "mine"}),
            ("order/realtime", {}),
            ("order/history", {}),
            ("execution/list", {"orderId": bought}),
        ]
        for endpoint, query in asked:
            assert (await alice.get(endpoint, category="spot", **query))["list"] == []
        alice.clock.advance(500 * 10**6)
        for endpoint, query in asked:
            assert (await alice.get(endpoint, category="spot", **query))["list"] != []


async def test_a_buys_fee_is_taken_from_what_it_brings() -> None:
    async with running() as alice:
        await alice.market(SPOT, "Buy")
        await alice.market(SPOT, "Sell")
        fills = (await alice.get("execution/list", category="spot"))["list"]
        assert {(each["side"], each["feeCurrency"]) for each in fills} == {
            ("Buy", "ETH"),
            ("Sell", "USDT"),
        }
        assert all(each["feeRate"] == "0.001000" and not each["isMaker"] for each in fills)
        (account,) = (await alice.get("account/wallet-balance", accountType="UNIFIED"))["list"]
        coins = {coin["coin"]: coin for coin in account["coin"]}
        assert (coins["ETH"]["walletBalance"], coins["ETH"]["locked"]) == ("4.9999", "0")
        books = await alice.admin("books")
        assert set(books["totals"].values()) == {"0.00000000"}


async def test_a_market_buy_names_what_it_spends_unless_it_says_otherwise() -> None:
    async with running() as alice:
        number = await alice.market(SPOT, "Buy", "250", marketUnit="")
        spent = float((await alice.order("spot", orderId=number))["cumExecValue"])
        assert 249 < spent <= 250
        number = await alice.market(SPOT, "Sell", "0.1", marketUnit="")
        assert (await alice.order("spot", orderId=number))["cumExecQty"] == "0.10000"


async def test_amending_keeps_the_order() -> None:
    async with running() as alice:
        for order in (SPOT, LINEAR):
            link = f"mine-{order['category']}"
            number = await alice.place(order, orderLinkId=link)
            named = {"category": order["category"], "symbol": "ETHUSDT", "orderLinkId": link}
            done = await alice.post("order/amend", {**named, "price": "2410.00", "qty": "0.2"})
            assert done["orderId"] == number
            changed = await alice.order(order["category"], orderId=number)
            assert (changed["price"], changed["qty"]) == ("2410.00", "0.20000")
            same = await alice.error("order/amend", {**named, "price": "2410.00"})
            assert (same[0], "unchanged" in same[1]) == (10001, True)
            assert (await alice.error("order/amend", {**named, "orderLinkId": "other"}))[0] in (
                170213,
                110001,
            )


async def test_batches_do_what_they_can() -> None:
    item = {name: value for name, value in SPOT.items() if name != "category"}
    async with running() as alice:
        items = [{**item, "orderLinkId": f"n{n}"} for n in range(3)]
        items[1]["qty"] = "1000"
        payload = {"category": "spot", "request": items}
        body = (await alice.raw("POST", "order/create-batch", payload)).json()
        assert [each["code"] for each in body["retExtInfo"]["list"]] == [0, 170131, 0]
        placed = body["result"]["list"]
        assert [bool(each["orderId"]) for each in placed] == [True, False, True]
        cancels = [{"symbol": "ETHUSDT", "orderId": placed[0]["orderId"]}, {"symbol": "ETHUSDT"}]
        payload = {"category": "spot", "request": cancels}
        body = (await alice.raw("POST", "order/cancel-batch", payload)).json()
        assert [each["code"] for each in body["retExtInfo"]["list"]] == [0, 10001]
        amend = {"symbol": "ETHUSDT", "orderLinkId": "n2", "price": "2405.00"}
        await alice.post("order/amend-batch", {"category": "spot", "request": [amend]})
        assert (await alice.order("spot", orderLinkId="n2"))["price"] == "2405.00"
        too_many = {"category": "spot", "request": items * 4}
        assert (await alice.error("order/create-batch", too_many))[0] == 10001


async def test_cancelling_all_of_a_category() -> None:
    async with running() as alice:
        await alice.place(SPOT)
        await alice.place(LINEAR)
        await alice.place({**SPOT, "orderFilter": "StopOrder", "triggerPrice": "2300.00"})
        assert (await alice.error("order/cancel-all", {"category": "linear"}))[0] == 10001
        gone = await alice.post("order/cancel-all", {"category": "linear", "settleCoin": "USDT"})
        assert (len(gone["list"]), gone["success"]) == (1, "1")
        gone = await alice.post("order/cancel-all", {"category": "spot", "orderFilter": "Order"})
        assert len(gone["list"]) == 1
        (left,) = (await alice.get("order/realtime", category="spot"))["list"]
        assert left["stopOrderType"] == "Stop"


async def test_histories_are_read_page_by_page() -> None:
    async with running() as alice:
        for _ in range(5):
            await alice.market(SPOT, "Buy", "0.01")
            alice.clock.advance(10**9)
        for endpoint, name in (("execution/list", "execId"), ("order/history", "orderId")):
            whole = (await alice.get(endpoint, category="spot", limit=50))["list"]
            ids: list[str] = []
            cursor = ""
            while not ids or cursor:
                more = {"cursor": cursor} if cursor else {}
                page = await alice.get(endpoint, category="spot", limit=2, **more)
                ids += [row[name] for row in page["list"]]
                cursor = page["nextPageCursor"]
            assert ids == [row[name] for row in whole]
            assert ids == sorted(ids, reverse=True)
        span = {"startTime": 1, "endTime": 8 * 86_400_000}
        query = {"category": "spot", **span}
        assert (await alice.error("order/history", query, "GET"))[0] == 10001


async def test_a_lost_answer_leaves_an_accepted_order() -> None:
    async with running() as alice:
        await alice.admin("faults/arm", {"fault": "lose_ack", "target": "order/create"})
        with pytest.raises(httpx2.TransportError):
            await alice.place(SPOT, orderLinkId="mine")
        assert (await alice.order("spot", orderLinkId="mine"))["orderStatus"] == "New"
        await alice.admin("faults/arm", {"fault": "refuse", "target": "order/cancel"})
        assert (await alice.error("order/cancel", MINE))[0] == 10016
        assert (await alice.order("spot", orderLinkId="mine"))["orderStatus"] == "New"


async def test_conditional_orders_wait_and_fire() -> None:
    async with running() as alice:
        (ticker,) = (await alice.public("market/tickers", category="spot"))["result"]["list"]
        last = float(ticker["lastPrice"])
        stop = {**SPOT, "side": "Sell", "orderType": "Market", "orderFilter": "StopOrder"}
        stop |= {"triggerPrice": f"{last * 0.9998:.2f}", "qty": "0.05"}
        number = await alice.place(stop)
        waiting = await alice.order("spot", orderId=number)
        assert (waiting["orderStatus"], waiting["stopOrderType"]) == ("Untriggered", "Stop")
        # It counts as no plain order: whoever cancels must know what it is.
        named: dict[str, Any] = {"category": "spot", "symbol": "ETHUSDT", "orderId": number}
        assert (await alice.error("order/cancel", named))[0] == 170213
        with trio.fail_after(10):
            while (await alice.order("spot", orderId=number))["orderStatus"] != "Filled":
                alice.clock.advance(10**9)
        assert (await alice.error("order/create", {**SPOT, "orderFilter": "tpslOrder"}))[0] == (
            170203
        )
        assert (await alice.error("order/create", {**SPOT, "triggerPrice": "2300"}))[0] == 170202
        take = await alice.place({**stop, "orderFilter": "tpslOrder", "triggerPrice": "2900.00"})
        named["orderId"] = take
        assert (await alice.error("order/cancel", {**named, "orderFilter": "StopOrder"}))[0] == (
            170213
        )
        await alice.post("order/cancel", {**named, "orderFilter": "tpslOrder"})
        assert (await alice.order("spot", orderId=take))["orderStatus"] == "Deactivated"
