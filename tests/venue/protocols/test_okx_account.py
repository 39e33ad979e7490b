"""Balances, positions, leverage, modes, funding, bills: one account for pairs and perpetuals."""

import pytest
from msgspec.structs import replace

from tests.venue.okx_client import SWAP, config, running
from venue.config import PerpetualConfig

LEVERAGE = {"instId": SWAP, "lever": "5", "mgnMode": "cross"}


async def test_a_position_from_opening_to_closing() -> None:
    async with running() as alice:
        assert await alice.get("account/positions") == []
        await alice.post("account/set-leverage", LEVERAGE)
        await alice.swap("sell", "2")
        (position,) = await alice.get("account/positions", instType="SWAP", instId=SWAP)
        assert (position["pos"], position["posSide"], position["lever"]) == ("-2", "net", "5")
        assert float(position["imr"]) > 0
        assert float(position["liqPx"]) > float(position["avgPx"])
        (account,) = await alice.get("account/balance", ccy="USDT")
        (usdt,) = account["details"]
        assert float(usdt["frozenBal"]) > 0
        assert float(usdt["eq"]) < 10_000
        order = {"instId": SWAP, "tdMode": "cross", "side": "sell", "ordType": "market", "sz": "1"}
        more = {**order, "reduceOnly": "true"}
        assert (await alice.error("POST", "trade/order", more))[0] == "51169"
        await alice.swap("buy", "2", reduceOnly="true")
        assert await alice.get("account/positions") == []
        assert (await alice.get("account/leverage-info", instId=SWAP, mgnMode="cross"))[0][
            "lever"
        ] == "5"


@pytest.mark.check
async def test_settings_are_refused_in_the_venues_words() -> None:
    async with running() as alice:
        for changes, code in (
            ({"lever": "126"}, "59102"),
            ({"lever": "x"}, "51000"),
            ({"mgnMode": ""}, "50014"),
            ({"posSide": "long"}, "51000"),
            ({"instId": "ETH-USDT"}, "51000"),
        ):
            found = await alice.error("POST", "account/set-leverage", LEVERAGE | changes)
            assert (changes, found[0]) == (changes, code)
        mode = "account/set-position-mode"
        assert (await alice.post(mode, {"posMode": "net_mode"}))[0] == {"posMode": "net_mode"}
        assert (await alice.error("POST", mode, {"posMode": "long_short_mode"}))[0] == "51010"
        await alice.swap("buy")
        isolated = LEVERAGE | {"mgnMode": "isolated"}
        assert (await alice.error("POST", "account/set-leverage", isolated))[0] == "59000"
        lower = LEVERAGE | {"lever": "1"}
        assert (await alice.post("account/set-leverage", lower))[0]["lever"] == "1"


@pytest.mark.check
async def test_isolated_margin_comes_with_the_order() -> None:
    async with running() as alice:
        await alice.swap("buy", tdMode="isolated")
        (position,) = await alice.get("account/positions")
        assert (position["mgnMode"], position["imr"]) == ("isolated", "")
        added = {"instId": SWAP, "posSide": "net", "type": "add", "amt": "10"}
        await alice.post("account/position/margin-balance", added)
        (later,) = await alice.get("account/positions")
        assert round(float(later["margin"]) - float(position["margin"]), 6) == 10
        cross = {"instId": SWAP, "tdMode": "cross", "side": "buy", "ordType": "market", "sz": "1"}
        assert (await alice.error("POST", "trade/order", cross))[0] == "59000"


async def test_funding_is_paid_and_told() -> None:
    settings = config()
    spot, swap = settings.markets
    hourly = replace(swap, perpetual=PerpetualConfig(funding_interval_s=60))
    async with running(replace(settings, markets=(spot, hourly))) as alice:
        await alice.swap("buy", "10")
        (coming,) = await alice.get("public/funding-rate", instId=SWAP)
        assert float(coming["fundingRate"]) > 0
        alice.clock.advance(int(coming["fundingTime"]) * 10**6 - alice.clock.now_ns())
        (settled, *_) = await alice.get("public/funding-rate-history", instId=SWAP)
        assert settled["realizedRate"] == coming["fundingRate"]
        (bill,) = await alice.get("account/bills", type="8")
        assert (bill["subType"], bill["instId"], bill["balChg"][0]) == ("173", SWAP, "-")
        later = coming["fundingTime"]
        assert await alice.get("public/funding-rate-history", instId=SWAP, before=later) == []
        (mark,) = await alice.get("public/mark-price", instType="SWAP")
        assert float(mark["markPx"]) > 0


@pytest.mark.check
async def test_bills_tell_every_change() -> None:
    async with running() as alice:
        await alice.market("buy")
        bills = await alice.get("account/bills", instType="SPOT")
        assert {bill["ccy"] for bill in bills} == {"ETH", "USDT"}
        assert {bill["type"] for bill in bills} == {"2"}
        opening = await alice.get("account/bills-archive", type="1")
        assert {(bill["ccy"], bill["subType"]) for bill in opening} == {
            ("ETH", "11"),
            ("USDT", "11"),
        }
        (fee,) = await alice.get("account/trade-fee", instType="SPOT")
        assert (fee["maker"], fee["taker"]) == ("-0.0008", "-0.001")
