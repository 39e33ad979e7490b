"""Who may ask, how often, and how numbers must be written."""

import pytest
from msgspec.structs import replace

from tests.venue.okx_client import ALICE, SPOT, SWAP, config, running
from venue.box import check_config
from venue.config import RateTier, VenueConfigError
from venue.protocols.okx_errors import AMEND_REFUSALS, LEVERAGE_REFUSALS, REFUSALS, refused
from venue.refusals import Refusal

ORDER = {
    "instId": SPOT,
    "tdMode": "cash",
    "side": "buy",
    "ordType": "limit",
    "px": "2400",
    "sz": "0.1",
}


@pytest.mark.parametrize("refusal", Refusal)
def test_every_refusal_has_a_code(refusal: Refusal) -> None:
    for own in (None, AMEND_REFUSALS, LEVERAGE_REFUSALS):
        error = refused(refusal, own)
        assert error.code.isdigit()
        assert len(error.code) == len("51000")
        assert error.text
    assert set(REFUSALS) == set(Refusal)


async def test_headers_signature_and_time_are_enforced() -> None:
    async with running() as alice:
        right = (alice.key, alice.secret, alice.passphrase)
        assert (await alice.get("account/config"))[0]["posMode"] == "net_mode"
        wrong = [
            (("", right[1], right[2]), "50103"),
            (("mallory", right[1], right[2]), "50111"),
            ((right[0], "0" * 32, right[2]), "50113"),
            ((right[0], right[1], ""), "50104"),
            ((right[0], right[1], "wrong"), "50105"),
        ]
        for (alice.key, alice.secret, alice.passphrase), code in wrong:
            response = await alice.raw("GET", "account/config", {})
            assert (response.status_code, response.json()["code"]) == (401, code)
        alice.key, alice.secret, alice.passphrase = right
        for timestamp, code in (
            ("", "50107"),
            ("soon", "50112"),
            (str(alice.now_ms), "50112"),
            (alice.stamp(-30_001), "50102"),
            (alice.stamp(30_001), "50102"),
            (alice.stamp(-30_000), "0"),
            (alice.stamp(30_000), "0"),
        ):
            response = await alice.raw("GET", "account/config", {}, timestamp=timestamp)
            assert (timestamp, response.json()["code"]) == (timestamp, code)
        alice.extra = {"OK-ACCESS-SIGN": ""}
        assert (await alice.raw("GET", "account/config", {})).json()["code"] == "50106"


@pytest.mark.check
async def test_a_key_is_of_demo_trading_or_of_production() -> None:
    async with running() as alice:
        alice.extra = {"x-simulated-trading": "1"}
        response = await alice.raw("GET", "account/config", {})
        assert (response.status_code, response.json()["code"]) == (401, "50101")
    async with running(config(protocol="okxdemo")) as alice:
        assert (await alice.raw("GET", "account/config", {})).json()["code"] == "50101"
        async with alice.socket("private") as socket:
            assert (await alice.log_in(socket))["code"] == "50101"
        alice.extra = {"x-simulated-trading": "1"}
        assert (await alice.get("account/config"))[0]["acctLv"] == "2"
        async with alice.socket("private", "?brokerId=9999") as socket:
            assert (await alice.log_in(socket))["event"] == "login"


def test_a_key_without_a_passphrase_is_no_key() -> None:
    with pytest.raises(VenueConfigError, match="passphrase"):
        check_config(config(accounts=(replace(ALICE, passphrase=""),)))


WRONG: list[tuple[dict[str, str], str, str]] = [
    ({"instId": ""}, "50014", "instId"),
    ({"instId": "NO-PE"}, "51001", "doesn't exist"),
    ({"side": "hold"}, "51000", "side"),
    ({"ordType": "iceberg"}, "51000", "ordType"),
    ({"tdMode": ""}, "50014", "tdMode"),
    ({"tdMode": "cross"}, "51000", "tdMode"),
    ({"posSide": "long"}, "51000", "posSide"),
    ({"px": ""}, "51204", "price"),
    ({"px": "1e3"}, "51000", "px"),
    ({"px": "2400.001"}, "51000", "px"),
    ({"px": "0"}, "51000", "px"),
    ({"sz": ""}, "50014", "sz"),
    ({"sz": "0.0"}, "51000", "sz"),
    ({"sz": "-1"}, "51000", "sz"),
    ({"sz": "0.000001"}, "51121", "lot size"),
    ({"sz": "0.001"}, "51020", "minimum order amount"),
    ({"sz": "100"}, "51008", "Insufficient"),
    ({"clOrdId": "a-b"}, "51000", "clOrdId"),
    ({"clOrdId": "a" * 33}, "51000", "clOrdId"),
    ({"reduceOnly": "true"}, "51205", "Reduce Only"),
    ({"attachAlgoOrds": "[]"}, "51000", "attachAlgoOrds"),
]


async def test_orders_are_refused_in_the_venues_words() -> None:
    async with running() as alice:
        for changes, code, text in WRONG:
            found = await alice.error("POST", "trade/order", ORDER | changes)
            assert (changes, found[0]) == (changes, code)
            assert text in found[1]
        hedge = ORDER | {"instId": SWAP, "tdMode": "cross", "posSide": "long"}
        assert await alice.error("POST", "trade/order", hedge) == (
            "51000",
            "Parameter posSide error",
        )


async def test_bodies_and_paths_that_are_none() -> None:
    async with running() as alice:
        assert (await alice.raw("GET", "trade/nothing", {})).status_code == 404
        assert (await alice.raw("POST", "market/ticker", {})).status_code == 404
        assert (await alice.error("POST", "trade/order", "buy!"))[0] == "50002"
        assert (await alice.error("POST", "trade/batch-orders", [ORDER] * 21))[0] == "50025"
        assert (await alice.error("GET", "market/books", {"instId": SPOT, "sz": 500}))[0] == "51000"
        assert (await alice.error("GET", "market/candles", {"instId": SPOT, "bar": "1D"}))[0] == (
            "51000"
        )


@pytest.mark.check
async def test_who_asks_too_often_waits_two_seconds() -> None:
    async with running(config(rate_tier=RateTier.PRO)) as alice:
        for _ in range(10):
            await alice.get("public/time")
        response = await alice.raw("GET", "public/time", {})
        assert (response.status_code, response.json()["code"]) == (429, "50011")
        assert (await alice.get("market/ticker", instId=SPOT))[0]["instId"] == SPOT
        alice.clock.advance(2 * 10**9)
        assert await alice.get("public/time")


@pytest.mark.check
async def test_orders_are_counted_one_by_one_and_by_instrument() -> None:
    small = ORDER | {"sz": "0.00001"}
    async with running(config(rate_tier=RateTier.PRO)) as alice:
        for _ in range(15):
            response = await alice.raw("POST", "trade/batch-orders", [small] * 20)
            assert response.json()["code"] == "1"
        response = await alice.raw("POST", "trade/batch-orders", [small] * 2)
        assert (response.status_code, response.json()["code"]) == (429, "50011")
        other = small | {"instId": SWAP, "tdMode": "cross"}
        assert (await alice.raw("POST", "trade/batch-orders", [other])).status_code == 200
        # A batch of one is one order, of which there is a budget of its own.
        assert (await alice.raw("POST", "trade/batch-orders", [small])).status_code == 200
