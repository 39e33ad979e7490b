"""Who may ask, how often, and how numbers must be written."""

import httpx2
import pytest

from tests.venue.binance_client import NOW_MS, Client, config, running
from venue.box import check_config
from venue.config import RateTier, VenueConfigError
from venue.protocols import PROTOCOLS, protocol_named
from venue.protocols.binance_flavor import SPOT, US, USDM
from venue.refusals import Refusal

ORDER: dict[str, str] = {
    "symbol": "ETHUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "price": "2400.00",
    "quantity": "0.1",
}


def test_every_refusal_has_a_code_everywhere() -> None:
    for flavor in (SPOT, US, USDM):
        assert set(flavor.refusals) == set(Refusal)
        assert all(code < -1000 and text for code, text in flavor.refusals.values())


async def test_signature_and_time_are_enforced() -> None:
    async with running() as alice:
        assert (await alice.ok("GET", "account"))["canTrade"] is True
        for key, code in (("", -2014), ("MALLORY", -2015)):
            alice.key = key
            response = await alice.raw("GET", "account")
            assert (response.status_code, response.json()["code"]) == (401, code)
        alice.key, right = "ALICE", alice.secret
        alice.secret = "0" * 32
        assert (await alice.error("GET", "account"))[0] == -1022
        alice.secret = right
        unsigned = await alice.unsigned("GET", "account", timestamp=alice.now_ms)
        assert unsigned.json()["code"] == -1102
        outside = [
            {"timestamp": NOW_MS - 5_001},
            {"timestamp": NOW_MS - 101, "recvWindow": 100},
            {"timestamp": NOW_MS + 1_000},
        ]
        for given in outside:
            assert (await alice.error("GET", "account", **given))[0] == -1021
        inside = {"timestamp": NOW_MS - 59_999, "recvWindow": 60_000}
        assert (await alice.ok("GET", "account", **inside))["accountType"] == "SPOT"
        assert (await alice.error("GET", "account", recvWindow=60_001))[0] == -1131
        assert (await alice.error("GET", "account", timestamp="soon"))[0] == -1102


WRONG: list[tuple[dict[str, str], int | None, str]] = [
    ({"symbol": "NOPE"}, -1121, "Invalid symbol."),
    ({"side": "HOLD"}, -1117, "Invalid side."),
    ({"type": "ICEBERG"}, -1116, "Invalid orderType."),
    ({"timeInForce": "GTX"}, -1115, "Invalid timeInForce."),
    ({"timeInForce": ""}, -1102, "timeInForce"),
    ({"price": ""}, -1102, "price"),
    ({"price": "12,5"}, -1100, "price"),
    ({"price": "1e3"}, -1100, "price"),
    ({"price": "2400.123456789"}, -1111, "too much precision"),
    ({"price": "2400.001"}, -1013, "PRICE_FILTER"),
    ({"price": "0.00"}, -1013, "PRICE_FILTER"),
    ({"quantity": "0.000001"}, -1013, "LOT_SIZE"),
    ({"quantity": "0.001"}, -1013, "LOT_SIZE"),
    ({"price": "450"}, -1013, "PERCENT_PRICE_BY_SIDE"),
    ({"price": "13000"}, -1013, "PERCENT_PRICE_BY_SIDE"),
    ({"price": "600", "quantity": "0.002", "newClientOrderId": "x"}, None, ""),
    ({"quantity": "100"}, -2010, "insufficient balance"),
    ({"newClientOrderId": "a b"}, -1100, "newClientOrderId"),
    ({"newClientOrderId": "a" * 37}, -1100, "newClientOrderId"),
    ({"type": "LIMIT_MAKER", "price": "2600.00"}, -2010, "immediately match"),
    ({"type": "STOP_LOSS", "stopPrice": "2300.00"}, -2010, "trigger immediately"),
    ({"reduceOnly": "true"}, -1106, "reduceOnly"),
]


async def test_orders_are_refused_in_the_venues_words() -> None:
    async with running() as alice:
        for changes, code, text in WRONG:
            body = (await alice.raw("POST", "order", **(ORDER | changes))).json()
            assert body.get("code") == code, (changes, body)
            assert text in body.get("msg", "")


async def test_minimal_cost_is_enforced() -> None:
    from msgspec.structs import replace

    settings = config()
    market = replace(settings.markets[0], cost_minimum="50")
    async with running(replace(settings, markets=(market,))) as alice:
        code, text = await alice.error("POST", "order", **(ORDER | {"quantity": "0.01"}))
        assert (code, text) == (-1013, "Filter failure: NOTIONAL")


async def test_weights_are_told_and_whoever_goes_on_is_banned() -> None:
    async with running(config(rate_tier=RateTier.PRO)) as alice:
        response = await depth(alice)
        assert response.headers["X-MBX-USED-WEIGHT-1M"] == "250"
        for _ in range(23):
            response = await depth(alice)
        assert (response.status_code, response.headers["X-MBX-USED-WEIGHT"]) == (200, "6000")
        refused = await depth(alice)
        assert (refused.status_code, refused.json()["code"]) == (429, -1003)
        alice.clock.advance(10 * 10**9)
        wait_s = 60 - (NOW_MS // 1_000 + 10) % 60
        assert int((await depth(alice)).headers["Retry-After"]) == wait_s
        for _ in range(9):
            response = await depth(alice)
        assert response.status_code == 418
        assert int(response.headers["Retry-After"]) == 120
        assert "banned until" in response.json()["msg"]
        alice.clock.advance(121 * 10**9)
        assert (await depth(alice)).status_code == 200


async def depth(alice: Client) -> httpx2.Response:
    return await alice.unsigned("GET", "depth", symbol="ETHUSDT", limit=5_000)


async def test_orders_are_counted() -> None:
    async with running(config(rate_tier=RateTier.PRO)) as alice:
        response = await alice.raw("POST", "order", **ORDER)
        assert response.headers["X-MBX-ORDER-COUNT-10S"] == "1"
        for _ in range(99):
            await alice.raw("POST", "order", **(ORDER | {"quantity": "0.00001"}))
        refused = await alice.raw("POST", "order", **ORDER)
        assert (refused.status_code, refused.json()["code"]) == (429, -1015)
        assert 1 <= int(refused.headers["Retry-After"]) <= 10


async def test_unknown_paths_are_said_to_be() -> None:
    async with running() as alice:
        response = await alice.unsigned("GET", "/api/v3/nothing")
        assert (response.status_code, response.json()["code"]) == (404, -5000)


def test_each_protocol_says_which_markets_it_lists() -> None:
    with pytest.raises(VenueConfigError, match="binance"):
        protocol_named("fax")
    assert {protocol_named(name).__name__ for name in PROTOCOLS if "binance" in name} == {
        "Binance",
        "BinanceUs",
        "BinanceUsdm",
    }


async def test_spot_lists_no_perpetuals() -> None:
    from msgspec.structs import replace

    futures = config("binanceusdm")
    check_config(futures)
    with pytest.RaisesGroup(pytest.RaisesExc(VenueConfigError, match="spot pairs only")):
        async with running(replace(futures, protocol="binance")):
            pass
