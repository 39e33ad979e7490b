"""USD-M: leverage, margin, positions, conditional orders, funding."""

from msgspec.structs import replace

from tests.venue.binance_client import config, hear, running
from venue.config import PerpetualConfig

BOX = config("binanceusdm")
STOP = {
    "symbol": "ETHUSDT",
    "side": "SELL",
    "type": "STOP_MARKET",
    "algoType": "CONDITIONAL",
    "quantity": "0.1",
    "reduceOnly": "true",
}


async def test_a_position_from_opening_to_flat() -> None:
    async with running(BOX) as alice:
        assert (await alice.ok("POST", "leverage", symbol="ETHUSDT", leverage=10))["leverage"] == 10
        assert (await alice.error("POST", "leverage", symbol="ETHUSDT", leverage=51))[0] == -4028
        assert await alice.ok("GET", "/fapi/v3/positionRisk") == []
        await alice.market("BUY", "10")
        (position,) = await alice.ok("GET", "/fapi/v3/positionRisk", symbol="ETHUSDT")
        assert (position["positionAmt"], position["leverage"]) == ("10.00000", "10")
        assert 0 < float(position["liquidationPrice"]) < float(position["entryPrice"])
        account = await alice.ok("GET", "/fapi/v3/account")
        margin = float(account["totalInitialMargin"])
        assert abs(margin - float(position["notional"]) / 10) < 0.01
        assert float(account["availableBalance"]) < 10_000 - margin
        code, _ = await alice.error("POST", "marginType", symbol="ETHUSDT", marginType="ISOLATED")
        assert code == -4048
        order = {"symbol": "ETHUSDT", "type": "MARKET", "quantity": "20", "reduceOnly": "true"}
        assert (await alice.error("POST", "order", **order, side="BUY"))[0] == -2022
        await alice.ok("POST", "order", **order, side="SELL")
        assert await alice.ok("GET", "/fapi/v3/positionRisk") == []
        assert (await alice.error("POST", "order", **order, side="SELL"))[0] == -2022
        kinds = {row["incomeType"] for row in await alice.ok("GET", "income")}
        assert kinds == {"TRANSFER", "COMMISSION", "REALIZED_PNL"}
        trades = await alice.ok("GET", "userTrades", symbol="ETHUSDT")
        assert {trade["commissionAsset"] for trade in trades} == {"USDT"}


async def test_settings_that_are_so_already_or_cannot_be() -> None:
    async with running(BOX) as alice:
        margin = {"symbol": "ETHUSDT", "marginType": "CROSSED"}
        assert (await alice.error("POST", "marginType", **margin))[0] == -4046
        margin["marginType"] = "ISOLATED"
        assert (await alice.ok("POST", "marginType", **margin))["code"] == 200
        assert await alice.ok("GET", "positionSide/dual") == {"dualSidePosition": False}
        assert (await alice.error("POST", "positionSide/dual", dualSidePosition="false"))[
            0
        ] == -4059
        assert (await alice.error("POST", "positionSide/dual", dualSidePosition="true"))[0] == -4067
        await alice.market("BUY", "1")
        more = {"symbol": "ETHUSDT", "amount": "100", "type": "1"}
        assert (await alice.ok("POST", "positionMargin", **more))["code"] == 200
        (position,) = await alice.ok("GET", "/fapi/v3/positionRisk")
        assert position["marginType"] == "isolated"
        assert float(position["isolatedMargin"]) > float(position["notional"]) / 20 + 99


async def test_orders_beyond_the_margin_or_the_price_band_are_refused() -> None:
    order = {"symbol": "ETHUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
    async with running(BOX) as alice:
        price = round(float((await alice.public("ticker/price", symbol="ETHUSDT"))["price"]), 1)
        low, high = f"{price * 0.99:.2f}", f"{price * 1.01:.2f}"
        assert (await alice.error("POST", "order", **order, price=low, quantity="500"))[0] == -2019
        far = {**order, "price": f"{price * 1.2:.2f}", "quantity": "0.1"}
        assert (await alice.error("POST", "order", **far))[0] == -4016
        post = {**order, "timeInForce": "GTX", "price": high, "quantity": "0.1"}
        assert (await alice.error("POST", "order", **post))[0] == -5022
        await alice.limit("BUY", low, newClientOrderId="mine")
        twice = {**order, "price": low, "quantity": "0.1", "newClientOrderId": "mine"}
        assert (await alice.error("POST", "order", **twice))[0] == -4116
        named = {"symbol": "ETHUSDT", "origClientOrderId": "mine", "side": "BUY"}
        changed = await alice.ok("PUT", "order", **named, price=low, quantity="0.3")
        assert changed["origQty"] == "0.30000"
        waiting = {**order, "type": "STOP_MARKET", "stopPrice": high, "quantity": "0.1"}
        waiting["triggerPrice"] = high
        assert (await alice.error("POST", "order", **waiting))[0] == -4120


async def test_a_conditional_order_and_what_its_account_hears() -> None:
    async with running(BOX) as alice:
        key = (await alice.unsigned("POST", "listenKey")).json()["listenKey"]
        async with alice.websocket(f"/private/ws?listenKey={key}") as socket:
            await alice.market("BUY")
            update = await hear(socket, e="ACCOUNT_UPDATE")
            assert update["a"]["m"] == "ORDER"
            assert update["a"]["P"][-1]["pa"] == "0.10000"
            mark = float((await alice.public("premiumIndex", symbol="ETHUSDT"))["markPrice"])
            above = {**STOP, "triggerPrice": f"{mark * 1.01:.2f}"}
            assert (await alice.error("POST", "algoOrder", **above))[0] == -2021
            near = {**STOP, "triggerPrice": f"{mark * 0.9999:.2f}", "workingType": "MARK_PRICE"}
            placed = await alice.ok("POST", "algoOrder", **near, clientAlgoId="stop")
            assert placed["algoStatus"] == "NEW"
            assert (await hear(socket, e="ALGO_UPDATE"))["o"]["caid"] == "stop"
            assert await alice.ok("GET", "openOrders") == []
            (found,) = await alice.ok("GET", "openAlgoOrders")
            assert found["algoId"] == placed["algoId"]
            while found["algoStatus"] == "NEW":
                alice.clock.advance(10**9)
                found = await alice.ok("GET", "algoOrder", algoId=placed["algoId"])
            assert found["algoStatus"] == "FINISHED"
            while True:
                event = await hear(socket)
                if event["e"] == "ORDER_TRADE_UPDATE" and event["o"]["X"] == "FILLED":
                    break
            assert (event["o"]["ot"], event["o"]["R"]) == ("STOP_MARKET", True)
            assert await alice.ok("GET", "/fapi/v3/positionRisk") == []


async def test_a_waiting_order_is_cancelled_by_either_id() -> None:
    async with running(BOX) as alice:
        waiting = {**STOP, "triggerPrice": "2000.00"}
        await alice.ok("POST", "algoOrder", **waiting, clientAlgoId="stop")
        assert (await alice.ok("DELETE", "algoOrder", clientAlgoId="stop"))["code"] == "200"
        assert (await alice.error("DELETE", "algoOrder", clientAlgoId="stop"))[0] == -2011
        await alice.ok("POST", "algoOrder", **waiting)
        await alice.ok("DELETE", "algoOpenOrders", symbol="ETHUSDT")
        assert await alice.ok("GET", "openAlgoOrders") == []
        history = await alice.ok("GET", "allAlgoOrders", symbol="ETHUSDT")
        assert [order["algoStatus"] for order in history] == ["CANCELED", "CANCELED"]


async def test_funding_is_paid_at_its_time() -> None:
    often = PerpetualConfig(funding_interval_s=60)
    market = replace(BOX.markets[0], perpetual=often)
    async with running(replace(BOX, markets=(market,))) as alice:
        await alice.market("BUY", "1")
        index = await alice.public("premiumIndex", symbol="ETHUSDT")
        alice.clock.advance((index["nextFundingTime"] - alice.now_ms) * 1_000_000)
        (paid,) = await alice.ok("GET", "income", incomeType="FUNDING_FEE")
        rates = await alice.public("fundingRate", symbol="ETHUSDT")
        assert rates[-1]["fundingRate"] == index["lastFundingRate"]
        expected = float(rates[-1]["fundingRate"]) * float(rates[-1]["markPrice"])
        assert abs(float(paid["income"]) + expected) < 0.000_01
