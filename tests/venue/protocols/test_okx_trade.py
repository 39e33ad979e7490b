"""Plain orders over REST: ids, batches, visibility, amendments, histories, fees, lost answers."""

import httpx2
import pytest

from tests.venue.okx_client import SPOT, SWAP, config, running

MINE = {"instId": SPOT, "clOrdId": "mine"}
ORDER = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "limit", "sz": "0.1"}


async def test_an_order_and_its_ids() -> None:
    async with running() as alice:
        placed = await alice.limit("buy", "2400", clOrdId="mine")
        assert (placed["sCode"], placed["clOrdId"]) == ("0", "mine")
        again = {**ORDER, "px": "2400", "clOrdId": "mine"}
        assert (await alice.error("POST", "trade/order", again))[0] == "51016"
        (found,) = await alice.get("trade/order", **MINE)
        assert (found["ordId"], found["state"], found["px"]) == (placed["ordId"], "live", "2400")
        await alice.post("trade/cancel-order", MINE)
        found = await alice.order(placed["ordId"])
        assert (found["state"], found["cancelSource"]) == ("canceled", "1")
        assert (await alice.error("POST", "trade/cancel-order", MINE))[0] == "51400"
        # Free again once its order has ended; a query then means the newest.
        renewed = await alice.limit("buy", "2401", clOrdId="mine")
        assert (await alice.get("trade/order", **MINE))[0]["ordId"] == renewed["ordId"]
        nobodys = {"instId": SPOT, "ordId": 99}
        assert (await alice.error("GET", "trade/order", nobodys))[0] == "51603"
        assert (await alice.error("GET", "trade/order", {"instId": SPOT}))[0] == "51003"
        assert (await alice.error("POST", "trade/cancel-order", {"instId": SPOT}))[0] == "51407"


async def test_an_order_shows_only_after_the_lag() -> None:
    async with running(config(visibility_lag_ms=500)) as alice:
        await alice.limit("buy", "2400", clOrdId="mine")
        await alice.market("buy")
        history = {"instType": "SPOT"}
        assert (await alice.error("GET", "trade/order", MINE))[0] == "51603"
        assert await alice.get("trade/orders-pending") == []
        assert await alice.get("trade/orders-history", **history) == []
        assert await alice.get("trade/fills") == []
        assert await alice.get("account/bills", type="2") == []
        stop = {**ORDER, "side": "sell", "ordType": "trigger", "triggerPx": "2000"}
        await alice.post("trade/order-algo", {**stop, "orderPx": "-1"})
        assert await alice.get("trade/orders-algo-pending", ordType="trigger") == []
        alice.clock.advance(500 * 10**6)
        assert (await alice.get("trade/order", **MINE))[0]["state"] == "live"
        assert len(await alice.get("trade/orders-pending")) == 1
        assert len(await alice.get("trade/orders-history", **history)) == 1
        assert len(await alice.get("trade/fills")) >= 1
        assert len(await alice.get("account/bills", type="2")) >= 2
        assert len(await alice.get("trade/orders-algo-pending", ordType="trigger")) == 1


async def test_some_of_a_batch_may_fail() -> None:
    async with running() as alice:
        rows = [
            {**ORDER, "px": "2400", "clOrdId": "a"},
            {**ORDER, "px": "nothing", "clOrdId": "b"},
            {**ORDER, "px": "2401", "clOrdId": "c"},
        ]
        answer = (await alice.raw("POST", "trade/batch-orders", rows)).json()
        assert answer["code"] == "2"
        assert [row["sCode"] for row in answer["data"]] == ["0", "51000", "0"]
        named = [{"instId": SPOT, "clOrdId": name} for name in "ac"]
        amended = [{**each, "newSz": "0.2"} for each in named]
        assert len(await alice.post("trade/amend-batch-orders", amended)) == 2
        assert {row["sz"] for row in await alice.get("trade/orders-pending")} == {"0.2"}
        await alice.post("trade/cancel-batch-orders", named)
        answer = (await alice.raw("POST", "trade/cancel-batch-orders", named)).json()
        assert (answer["code"], answer["msg"]) == ("1", "All operations failed")


@pytest.mark.check
async def test_amending_keeps_the_ids() -> None:
    async with running() as alice:
        placed = await alice.limit("buy", "2400", clOrdId="mine")
        (done,) = await alice.post(
            "trade/amend-order", {**MINE, "newPx": "2401", "newSz": "0.2", "reqId": "r1"}
        )
        assert (done["ordId"], done["reqId"]) == (placed["ordId"], "r1")
        found = await alice.order(placed["ordId"])
        assert (found["px"], found["sz"], found["clOrdId"]) == ("2401", "0.2", "mine")
        refused = [({}, "51500"), ({"newSz": "100"}, "51502"), ({"newPx": "x"}, "51000")]
        for changes, code in refused:
            assert (await alice.error("POST", "trade/amend-order", MINE | changes))[0] == code
        other = {"instId": SPOT, "ordId": "99", "newSz": "1"}
        assert (await alice.error("POST", "trade/amend-order", other))[0] == "51503"


async def test_what_would_not_fill_or_would_take_is_cancelled() -> None:
    async with running() as alice:
        sources = {}
        for kind, price in (("ioc", "2400"), ("fok", "2400"), ("post_only", "2600")):
            placed = await alice.limit("buy", price, ordType=kind)
            found = await alice.order(placed["ordId"])
            assert (found["ordType"], found["state"], found["accFillSz"]) == (kind, "canceled", "0")
            sources[kind] = found["cancelSource"]
        assert sources == {"ioc": "14", "fok": "13", "post_only": "31"}


async def test_a_buys_fee_is_taken_from_what_it_brings() -> None:
    async with running() as alice:
        bought = await alice.order((await alice.market("buy"))["ordId"])
        assert (bought["state"], bought["feeCcy"], bought["fee"]) == ("filled", "ETH", "-0.0001")
        (account,) = await alice.get("account/balance")
        cash = {row["ccy"]: row["cashBal"] for row in account["details"]}
        assert cash["ETH"] == "5.0999"
        sold = await alice.order((await alice.market("sell"))["ordId"])
        assert (sold["feeCcy"], sold["fee"][0]) == ("USDT", "-")
        books = await alice.admin("books")
        assert set(books["totals"].values()) == {"0.00000000"}


async def test_a_market_buy_names_what_it_spends_unless_told() -> None:
    order = {"instId": SPOT, "tdMode": "cash", "side": "buy", "ordType": "market", "sz": "250"}
    async with running() as alice:
        (bought,) = await alice.post("trade/order", order)
        found = await alice.order(bought["ordId"])
        assert 249 < float(found["accFillSz"]) * float(found["avgPx"]) <= 250


async def test_contracts_are_counted_in_tenths_of_an_ether() -> None:
    async with running() as alice:
        bought = await alice.order((await alice.swap("buy", "1.5"))["ordId"], SWAP)
        assert (bought["sz"], bought["accFillSz"]) == ("1.5", "1.5")
        fills = await alice.get("trade/fills", instType="SWAP")
        cost = sum(float(each["fillSz"]) * 0.1 * float(each["fillPx"]) for each in fills)
        fee = -sum(float(each["fee"]) for each in fills)
        assert fee == pytest.approx(cost / 1_000, rel=1e-6)
        assert (await alice.get("account/positions"))[0]["pos"] == "1.5"
        fine = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "market"}
        refused = await alice.error("POST", "trade/order", {**fine, "sz": "0.00001"})
        assert refused[0] == "51121"


@pytest.mark.check
async def test_a_lost_answer_leaves_an_accepted_order() -> None:
    async with running() as alice:
        await alice.admin("faults/arm", {"fault": "lose_ack", "target": "trade/order"})
        with pytest.raises(httpx2.TransportError):
            await alice.limit("buy", "2400", clOrdId="mine")
        assert (await alice.get("trade/order", **MINE))[0]["state"] == "live"
        await alice.admin("faults/arm", {"fault": "refuse", "target": "trade/cancel-order"})
        response = await alice.raw("POST", "trade/cancel-order", MINE)
        assert (response.status_code, response.json()["code"]) == (503, "50001")
        assert (await alice.get("trade/order", **MINE))[0]["state"] == "live"


@pytest.mark.check
async def test_histories_are_read_page_by_page() -> None:
    async with running() as alice:
        for _ in range(5):
            await alice.market("buy", "0.01")
            alice.clock.advance(10**9)
        fills = await alice.get("trade/fills-history", instType="SPOT")
        bills = [int(fill["billId"]) for fill in fills]
        assert bills == sorted(bills, reverse=True)
        older = await alice.get("trade/fills-history", instType="SPOT", after=bills[1], limit=2)
        assert [int(fill["billId"]) for fill in older] == bills[2:4]
        newer = await alice.get("trade/fills-history", instType="SPOT", before=bills[-1], limit=2)
        assert [int(fill["billId"]) for fill in newer] == bills[-3:-1]
        late = await alice.get("trade/fills-history", instType="SPOT", begin=fills[0]["ts"])
        assert {fill["ts"] for fill in late} == {fills[0]["ts"]}
        orders = await alice.get("trade/orders-history", instType="SPOT", state="filled", limit=2)
        assert [order["ordId"] for order in orders] == ["5", "4"]
        assert await alice.get("trade/orders-history", instType="SWAP") == []
        assert (await alice.error("GET", "trade/orders-history", {}))[0] == "50014"


@pytest.mark.check
async def test_a_request_that_comes_after_its_deadline_is_not_looked_at() -> None:
    async with running() as alice:
        alice.extra = {"expTime": str(alice.now_ms - 1)}
        order = {**ORDER, "px": "2400"}
        assert (await alice.error("POST", "trade/order", order))[0] == "50036"
        alice.extra = {"expTime": "soon"}
        assert (await alice.error("POST", "trade/order", order))[0] == "51000"
        alice.extra = {"expTime": str(alice.now_ms)}
        placed = await alice.limit("buy", "2400")
        alice.extra = {"expTime": str(alice.now_ms - 1)}
        amend = {"instId": SPOT, "ordId": placed["ordId"], "newSz": "0.2"}
        assert (await alice.error("POST", "trade/amend-order", amend))[0] == "50036"
        # A cancel has none.
        await alice.post("trade/cancel-order", {"instId": SPOT, "ordId": placed["ordId"]})


@pytest.mark.check
async def test_the_dead_mans_switch() -> None:
    async with running() as alice:
        await alice.limit("buy", "2400")
        await alice.post("trade/cancel-all-after", {"timeOut": "10"})
        alice.clock.advance(9 * 10**9)
        assert len(await alice.get("trade/orders-pending")) == 1
        alice.clock.advance(2 * 10**9)
        assert await alice.get("trade/orders-pending") == []
        (ended,) = await alice.get("trade/orders-history", instType="SPOT")
        assert ended["cancelSource"] == "20"
        assert (await alice.error("POST", "trade/cancel-all-after", {"timeOut": "5"}))[0] == "51000"
