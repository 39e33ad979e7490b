"""Who may ask, how often, and how numbers must be written."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.venue.bybit_client import ALICE, LINEAR, NOW_MS, SPOT, config, running
from venue.box import check_config
from venue.config import RateTier, VenueConfigError
from venue.protocols.bybit_errors import REFUSALS, BybitError
from venue.protocols.bybit_limits import Limits
from venue.protocols.bybit_names import CATEGORIES, MS_NS, number_of, venue_id
from venue.refusals import Refusal


def test_every_refusal_has_a_code_in_both_categories() -> None:
    assert set(REFUSALS) == set(CATEGORIES)
    for table in REFUSALS.values():
        assert set(table) == set(Refusal)
        assert all(code > 10_000 and text for code, text in table.values())


@given(st.integers(1, 1 << 40), st.sampled_from(CATEGORIES), st.text(max_size=40))
def test_ids_carry_their_number_and_nothing_else_does(
    number: int, category: str, text: str
) -> None:
    found = venue_id(category, "order", number)
    assert number_of(category, "order", found) == number
    assert number_of(category, "exec", found) == 0
    assert number_of(category, "order", text) == 0 or text == found


def test_keys_are_plain_text() -> None:
    settings = config(accounts=(replace(ALICE, api_secret="with a blank"),))
    with pytest.raises(VenueConfigError, match="alice, api_secret"):
        check_config(settings)


async def test_signature_and_time_are_enforced() -> None:
    async with running() as alice:
        query: dict[str, Any] = {"accountType": "UNIFIED"}
        asked = ("GET", "account/wallet-balance", query)
        assert (await alice.raw(*asked)).json()["retCode"] == 0
        for path in ("order/create", "account/wallet-balance"):
            method = "POST" if path == "order/create" else "GET"
            given = SPOT if method == "POST" else query
            right, alice.secret = alice.secret, "0" * 32
            assert (await alice.error(path, given, method))[0] == 10004
            alice.secret, alice.key = right, "MALLORY"
            assert (await alice.error(path, given, method)) == (10003, "API key is invalid.")
            alice.key = "ALICE"
        # What is signed is the body, to the byte.
        changed = await alice.send("POST", "order/create", '{"qty": "2"}', alice.headers("{}"))
        assert changed.json()["retCode"] == 10004
        bare = await alice.send("GET", "account/wallet-balance", "accountType=UNIFIED", {})
        assert (bare.json()["retCode"], "sign params" in bare.json()["retMsg"]) == (10001, True)
        for sent_ms, window in ((NOW_MS - 5_001, "5000"), (NOW_MS - 101, "100")):
            alice.window = window
            late = (await alice.raw(*asked, timestamp=str(sent_ms))).json()
            assert (late["retCode"], str(sent_ms) in late["retMsg"]) == (10002, True)
        alice.window = "5000"
        for timestamp in (str(NOW_MS + 1_000), "soon"):
            assert (await alice.raw(*asked, timestamp=timestamp)).json()["retCode"] == 10002
        alice.window = "60000"
        assert (await alice.raw(*asked, timestamp=str(NOW_MS - 59_999))).json()["retCode"] == 0


WRONG: list[tuple[dict[str, str], int, int]] = [
    ({"category": ""}, 10001, 10001),
    ({"symbol": "NOPE"}, 170121, 10001),
    ({"side": "Hold"}, 170117, 10001),
    ({"orderType": "Iceberg"}, 170116, 10001),
    ({"timeInForce": "GTX"}, 170115, 10001),
    ({"price": ""}, 10001, 10001),
    ({"price": "1e3"}, 170134, 10001),
    ({"price": "2400.001"}, 170134, 10001),
    ({"price": "0"}, 170132, 10001),
    ({"price": "99999999"}, 170132, 10001),
    ({"price": "2900"}, 170193, 110003),
    ({"side": "Sell", "price": "2000"}, 170194, 110003),
    ({"qty": ""}, 10001, 10001),
    ({"qty": "-1"}, 170137, 10001),
    ({"qty": "0.000001"}, 170137, 10001),
    ({"qty": "0.001"}, 170136, 10001),
    ({"qty": "99999999999"}, 170135, 10001),
    ({"qty": "1000"}, 170131, 110007),
    ({"orderLinkId": "a b"}, 10001, 10001),
    ({"orderLinkId": "a" * 37}, 10001, 10001),
    ({"orderFilter": "Everything"}, 170202, 170202),
    ({"positionIdx": "1"}, 10001, 10001),
    ({"isLeverage": "1"}, 170036, 170036),
    ({"takeProfit": "2500"}, 170130, 10001),
]


async def test_orders_are_refused_in_the_venues_words() -> None:
    async with running() as alice:
        for changes, spot_code, linear_code in WRONG:
            for order, code in ((SPOT, spot_code), (LINEAR, linear_code)):
                body = (await alice.raw("POST", "order/create", {**order, **changes})).json()
                assert body["retCode"] == code, (changes, body)
        for payload in ("[1]", "nonsense", '{"category": "spot"'):
            answer = await alice.send("POST", "order/create", payload, alice.headers(payload))
            assert answer.json()["retCode"] == 10001


async def test_minimal_value_is_enforced() -> None:
    settings = config()
    markets = tuple(replace(each, cost_minimum="50") for each in settings.markets)
    async with running(replace(settings, markets=markets)) as alice:
        for order, code in ((SPOT, 170140), (LINEAR, 110094)):
            assert (await alice.error("order/create", {**order, "qty": "0.01"}))[0] == code
        listed = (await alice.public("market/instruments-info", category="spot"))["result"]
        assert listed["list"][0]["lotSizeFilter"]["minOrderAmt"] == "50"


async def test_limits_are_told_and_whoever_goes_on_waits() -> None:
    async with running(config(rate_tier=RateTier.PRO)) as alice:
        left = []
        for number in range(20):
            order = {**SPOT, "orderLinkId": f"n{number}", "qty": "0.01"}
            response = await alice.raw("POST", "order/create", order)
            left.append(response.headers["X-Bapi-Limit-Status"])
        assert left == [str(number) for number in range(19, -1, -1)]
        response = await alice.raw("POST", "order/create", SPOT)
        names = ("X-Bapi-Limit-Status", "X-Bapi-Limit")
        assert [response.headers[name] for name in names] == ["0", "20"]
        assert (response.status_code, response.json()["retCode"]) == (200, 10006)
        resets_ms = int(response.headers["X-Bapi-Limit-Reset-Timestamp"])
        assert NOW_MS < resets_ms <= NOW_MS + 1_000
        # Each endpoint and each category counts for itself.
        assert (await alice.raw("POST", "order/create", LINEAR)).headers["X-Bapi-Limit"] == "10"
        alice.clock.advance(10**9)
        assert (await alice.raw("POST", "order/create", SPOT)).json()["retCode"] == 0


def test_an_address_that_asks_too_often_is_shut_out() -> None:
    limits, now_ns = Limits(are_on=True), NOW_MS * MS_NS
    for _ in range(600):
        limits.charge_address("10.0.0.1", now_ns)
    for wait_s in (0, 599):
        with pytest.raises(BybitError) as refused:
            limits.charge_address("10.0.0.1", now_ns + wait_s * 10**9)
        assert (refused.value.status, refused.value.code) == (403, 10018)
    limits.charge_address("10.0.0.2", now_ns)
    limits.charge_address("10.0.0.1", now_ns + 601 * 10**9)


async def test_unknown_paths_are_said_to_be() -> None:
    async with running() as alice:
        response = await alice.send("GET", "nothing/here", "", {})
        assert (response.status_code, response.json()["retCode"]) == (404, 10017)
        for category in ("inverse", "option"):
            listed = await alice.public("market/instruments-info", category=category)
            assert listed["result"]["list"] == []
