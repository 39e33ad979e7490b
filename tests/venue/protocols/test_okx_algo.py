"""Stops, take-profits and plain triggers: placed, amended, cancelled, fired."""

import pytest

from tests.venue.okx_client import SPOT, SWAP, Client, Untyped, config, running

STOP = {"instId": SPOT, "tdMode": "cash", "side": "sell", "ordType": "trigger", "sz": "0.1"}
BUY = {**STOP, "side": "buy", "tgtCcy": "base_ccy", "orderPx": "-1"}
TAKE = {**STOP, "ordType": "conditional", "tpTriggerPx": "2600", "tpOrdPx": "-1"}


async def algo(alice: Client, given: dict[str, str]) -> Untyped:
    (placed,) = await alice.post("trade/order-algo", given)
    return (await alice.get("trade/order-algo", algoId=placed["algoId"]))[0]


async def test_each_kind_is_shown_as_it_was_asked_for() -> None:
    async with running() as alice:
        stop = await algo(alice, {**STOP, "triggerPx": "2300", "orderPx": "2290", "clOrdId": "s1"})
        assert (stop["ordType"], stop["triggerPx"], stop["ordPx"]) == ("trigger", "2300", "2290")
        assert (stop["state"], stop["algoClOrdId"], stop["ordId"]) == ("live", "s1", "")
        take = await algo(alice, TAKE)
        assert (take["tpTriggerPx"], take["tpOrdPx"], take["slTriggerPx"]) == ("2600", "-1", "")
        # Of both levels in one conditional order only the stop counts.
        both = await algo(alice, {**TAKE, "slTriggerPx": "2300", "slOrdPx": "-1"})
        assert (both["slTriggerPx"], both["tpTriggerPx"]) == ("2300", "")
        pending = await alice.get("trade/orders-algo-pending", ordType="conditional")
        assert [row["algoId"] for row in pending] == [both["algoId"], take["algoId"]]
        assert await alice.get("trade/orders-pending") == []
        named = {"instId": SPOT, "algoClOrdId": "s1"}
        await alice.post("trade/amend-algos", {**named, "newTriggerPx": "2310", "newSz": "0.2"})
        stop = (await alice.get("trade/order-algo", algoClOrdId="s1"))[0]
        assert (stop["triggerPx"], stop["sz"], stop["ordPx"]) == ("2310", "0.2", "2290")
        rows = [named, {"instId": SPOT, "algoId": take["algoId"]}]
        assert len(await alice.post("trade/cancel-algos", rows)) == 2
        assert (await alice.error("POST", "trade/cancel-algos", [named]))[0] == "51400"
        given = {"ordType": "trigger", "state": "canceled"}
        (gone,) = await alice.get("trade/orders-algo-history", **given)
        assert gone["algoId"] == stop["algoId"]


@pytest.mark.check
async def test_a_stop_fires_and_becomes_an_order() -> None:
    async with running() as alice:
        last = float((await alice.get("market/ticker", instId=SPOT))[0]["last"])
        near = f"{last * 1.0002:.2f}"
        stop = await algo(alice, {**BUY, "triggerPx": near})
        nobody = {"instId": SPOT, "ordId": stop["algoId"]}
        assert (await alice.error("GET", "trade/order", nobody))[0] == "51603"
        for _ in range(200):
            alice.clock.advance(10**9)
            stop = (await alice.get("trade/order-algo", algoId=stop["algoId"]))[0]
            if stop["state"] != "live":
                break
        assert stop["state"] == "effective"
        order = await alice.order(stop["ordId"])
        assert (order["state"], order["source"], order["algoId"]) == ("filled", "7", stop["algoId"])
        (found,) = await alice.get(
            "trade/orders-algo-history", ordType="trigger", state="effective"
        )
        assert found["actualSz"] == "0.1"


async def test_levels_that_were_reached_are_refused() -> None:
    async with running() as alice:
        wrong = [
            ({**TAKE, "tpTriggerPx": "2000"}, "51279"),
            ({**TAKE, **BUY, "ordType": "conditional", "tpTriggerPx": "3000"}, "51277"),
            ({**TAKE, "slTriggerPx": "3000", "slOrdPx": "-1"}, "51280"),
            (
                {**TAKE, **BUY, "ordType": "conditional", "slTriggerPx": "2000", "slOrdPx": "-1"},
                "51278",
            ),
            ({**STOP, "orderPx": "-1"}, "50014"),
            ({**STOP, "triggerPx": "2300"}, "50014"),
            ({**STOP, "ordType": "oco"}, "51000"),
            ({**TAKE, "closeFraction": "1"}, "51000"),
            ({**STOP, "triggerPx": "2300", "orderPx": "-1", "triggerPxType": "mark"}, "51000"),
        ]
        for given, code in wrong:
            assert (given, (await alice.error("POST", "trade/order-algo", given))[0]) == (
                given,
                code,
            )


@pytest.mark.check
async def test_a_stop_of_a_perpetual_may_look_at_the_mark() -> None:
    async with running(config()) as alice:
        await alice.swap("buy")
        given = {"instId": SWAP, "tdMode": "cross", "side": "sell", "ordType": "conditional"}
        given |= {"sz": "1", "slTriggerPx": "2000", "slOrdPx": "-1", "reduceOnly": "true"}
        stop = await algo(alice, {**given, "slTriggerPxType": "mark"})
        assert (stop["slTriggerPxType"], stop["reduceOnly"], stop["sz"]) == ("mark", "true", "1")
