"""Perpetuals: positions, leverage, margin mode, funding, conditional orders with a direction."""

from typing import Any

import pytest
from msgspec.structs import replace

from tests.venue.bybit_client import LINEAR, config, running
from venue.config import PerpetualConfig

# `make test` has no room for more than Bybit's REST and orders.
pytestmark = pytest.mark.check
NAMED = {"category": "linear", "symbol": "ETHUSDT"}


async def test_a_position_from_opening_to_flat() -> None:
    async with running() as alice:
        lever = {**NAMED, "buyLeverage": "10", "sellLeverage": "10"}
        assert await alice.post("position/set-leverage", lever) == {}
        assert (await alice.error("position/set-leverage", lever))[0] == 110043
        lever = {**NAMED, "buyLeverage": "51", "sellLeverage": "51"}
        assert (await alice.error("position/set-leverage", lever))[0] == 110013
        lever = {**NAMED, "buyLeverage": "5", "sellLeverage": "6"}
        assert (await alice.error("position/set-leverage", lever))[0] == 10001
        settled = {"category": "linear", "settleCoin": "USDT"}
        assert (await alice.get("position/list", **settled))["list"] == []
        await alice.market(LINEAR, "Buy", "10")
        (position,) = (await alice.get("position/list", **settled))["list"]
        assert (position["side"], position["size"], position["leverage"]) == (
            "Buy",
            "10.00000",
            "10",
        )
        assert 0 < float(position["liqPrice"]) < float(position["avgPrice"])
        (account,) = (await alice.get("account/wallet-balance", accountType="UNIFIED"))["list"]
        margin = float(account["totalInitialMargin"])
        assert margin == float(position["positionIM"]) > 2_000
        assert float(account["totalAvailableBalance"]) < 10_000 - margin
        close: dict[str, Any] = {"qty": "20", "reduceOnly": True}
        opens = {**LINEAR, **close, "orderType": "Market"}
        assert (await alice.error("order/create", opens))[0] == 110017
        await alice.market(LINEAR, "Sell", **close)
        assert (await alice.get("position/list", **settled))["list"] == []
        (flat,) = (await alice.get("position/list", **NAMED))["list"]
        assert (flat["side"], flat["size"]) == ("", "0")
        fills = (await alice.get("execution/list", category="linear"))["list"]
        assert {(fill["feeCurrency"], fill["feeRate"]) for fill in fills} == {("USDT", "0.000550")}
        paid, value = (sum(float(f[name]) for f in fills) for name in ("execFee", "execValue"))
        assert paid == pytest.approx(value * 0.00055, abs=1e-6)
        rates = {
            category: (await alice.get("account/fee-rate", category=category))["list"][0]
            for category in ("spot", "linear")
        }
        assert [rates[each]["takerFeeRate"] for each in rates] == ["0.001000", "0.000550"]
        assert rates["linear"]["makerFeeRate"] == "0.000200"
        assert (await alice.get("execution/list", category="spot"))["list"] == []


async def test_what_is_so_already_or_cannot_be() -> None:
    async with running() as alice:
        assert (await alice.error("position/switch-mode", {**NAMED, "mode": 0}))[0] == 110025
        assert (await alice.error("position/switch-mode", {**NAMED, "mode": 3}))[0] == 110029
        isolated = {**NAMED, "tradeMode": 1, "buyLeverage": "5", "sellLeverage": "5"}
        assert (await alice.error("position/switch-isolated", isolated))[0] == 100028
        mode = {"setMarginMode": "REGULAR_MARGIN"}
        assert (await alice.error("account/set-margin-mode", mode))[0] == 110026
        mode = {"setMarginMode": "PORTFOLIO_MARGIN"}
        assert (await alice.error("account/set-margin-mode", mode))[0] == 3400045
        mode = {"setMarginMode": "ISOLATED_MARGIN"}
        await alice.post("account/set-margin-mode", mode)
        assert (await alice.get("account/info"))["marginMode"] == "ISOLATED_MARGIN"
        await alice.market(LINEAR, "Buy", "1")
        mode = {"setMarginMode": "REGULAR_MARGIN"}
        assert (await alice.error("account/set-margin-mode", mode))[0] == 110073
        added = await alice.post("position/add-margin", {**NAMED, "margin": "100"})
        assert float(added["positionBalance"]) > float(added["positionValue"]) / 20 + 99


async def test_a_trigger_has_a_direction_and_a_price() -> None:
    async with running() as alice:
        (ticker,) = (await alice.public("market/tickers", **NAMED))["result"]["list"]
        assert float(ticker["markPrice"]) > 0
        last = float(ticker["lastPrice"])
        stop = {**LINEAR, "side": "Sell", "orderType": "Market", "qty": "0.1", "reduceOnly": True}
        below = {"triggerPrice": f"{last * 0.95:.2f}"}
        assert (await alice.error("order/create", {**stop, **below}))[0] == 10001
        wrong = {**stop, **below, "triggerDirection": 1}
        assert (await alice.error("order/create", wrong))[0] == 110092
        index = {**stop, **below, "triggerDirection": 2, "triggerBy": "IndexPrice"}
        assert (await alice.error("order/create", index))[0] == 10001
        number = await alice.place({**index, "triggerBy": "MarkPrice"})
        (found,) = (await alice.get("order/realtime", **NAMED, orderFilter="StopOrder"))["list"]
        assert (found["orderId"], found["orderStatus"], found["triggerDirection"]) == (
            number,
            "Untriggered",
            2,
        )
        assert (found["triggerBy"], found["reduceOnly"]) == ("MarkPrice", True)
        assert (await alice.get("order/realtime", **NAMED, orderFilter="Order"))["list"] == []
        amend = {**NAMED, "orderId": number, "triggerPrice": f"{last * 0.94:.2f}"}
        await alice.post("order/amend", amend)
        assert (await alice.order("linear", orderId=number))["triggerPrice"] == (
            f"{last * 0.94:.2f}"
        )
        # Unlike spot, linear cancels it like any other.
        await alice.post("order/cancel", {**NAMED, "orderId": number})


async def test_funding_is_paid_when_it_is_due() -> None:
    settings = config()
    terms = PerpetualConfig(funding_interval_s=3_600)
    spot, perpetual = (
        replace(each, spec=replace(each.spec, events_per_second=1)) for each in settings.markets
    )
    markets = (spot, replace(perpetual, perpetual=terms))
    async with running(replace(settings, markets=markets)) as alice:
        await alice.market(LINEAR, "Buy", "2")
        (ticker,) = (await alice.public("market/tickers", **NAMED))["result"]["list"]
        due_ms = int(ticker["nextFundingTime"])
        alice.clock.advance((due_ms - alice.now_ms + 1) * 10**6)
        rates = (await alice.public("market/funding/history", **NAMED))["result"]["list"]
        assert int(rates[0]["fundingRateTimestamp"]) == due_ms
        assert float(rates[0]["fundingRate"]) == float(ticker["fundingRate"]) > 0
        query = {**NAMED, "execType": "Funding"}
        (paid,) = (await alice.get("execution/list", **query))["list"]
        assert paid["symbol"] == "ETHUSDT"
        assert 0 < float(paid["execFee"]) < 1
