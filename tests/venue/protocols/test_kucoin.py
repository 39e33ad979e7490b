"""Who may ask, how often, how numbers must be written, and what becomes of orders."""

import httpx2
import pytest
from msgspec.structs import replace

from tests.venue.kucoin_client import ALICE, NOW_MS, SYMBOL, Client, Untyped, config, running
from venue.box import check_config
from venue.config import RateTier, VenueConfigError
from venue.protocols.kucoin_errors import REFUSALS
from venue.refusals import Refusal

ORDER: dict[str, Untyped] = {
    "symbol": SYMBOL,
    "side": "buy",
    "type": "limit",
    "price": "2400.00",
    "size": "0.1",
}
STOP = {"symbol": SYMBOL, "side": "sell", "type": "market", "size": "0.1", "stopPrice": "2000.00"}


def test_every_refusal_has_a_code() -> None:
    assert set(REFUSALS) == set(Refusal)
    assert all(code.isdigit() and text for code, text in REFUSALS.values())


def test_an_account_needs_a_passphrase() -> None:
    with pytest.raises(VenueConfigError, match="passphrase"):
        check_config(config(accounts=(replace(ALICE, passphrase=""),)))


async def test_signature_passphrase_and_time_are_enforced() -> None:
    async with running() as alice:
        assert len(await alice.ok("GET", "accounts")) == 2
        for version in ("1", "3"):
            alice.version = version
            assert len(await alice.ok("GET", "accounts", type="trade_hf")) == 2
        alice.key = "MALLORY"
        await unauthorized(alice, "400003")
        alice.key, alice.passphrase = "ALICE", "wrong"
        await unauthorized(alice, "400004")
        alice.passphrase = "open"
        for at_ms in (NOW_MS - 5_001, NOW_MS + 5_001):
            response = await alice.raw("GET", "accounts", at_ms)
            assert response.json()["code"] == "400002"
        assert (await alice.raw("GET", "accounts", NOW_MS - 5_000)).status_code == 200
        headers = alice.headers("GET", "/api/v1/accounts", "")
        forged = await alice._http.get(f"{alice.url}/api/v1/base-fee", headers=headers)
        assert (forged.status_code, forged.json()["code"]) == (401, "400005")
        bare = await alice._http.get(f"{alice.url}/api/v1/accounts")
        assert (bare.status_code, bare.json()["code"]) == (401, "400001")


async def unauthorized(alice: Client, code: str) -> None:
    response = await alice.raw("GET", "accounts")
    assert (response.status_code, response.json()["code"]) == (401, code)


WRONG: list[tuple[dict[str, Untyped], str, str]] = [
    ({"symbol": "NOPE-USDT"}, "400000", "symbol"),
    ({"side": "hold"}, "400100", "side"),
    ({"type": "iceberg"}, "400100", "type"),
    ({"timeInForce": "GTX"}, "400100", "timeInForce"),
    ({"timeInForce": "GTT"}, "400100", "cancelAfter"),
    ({"price": ""}, "400100", "price is required"),
    ({"price": "0"}, "400100", "above 0"),
    ({"price": "2400.001"}, "600100", "Price increment"),
    ({"size": "0.000001"}, "600100", "size increment"),
    ({"size": "0.001"}, "400100", "below the minimum"),
    ({"size": "100"}, "200004", "Balance insufficient"),
    ({"clientOid": "a b"}, "400100", "clientOid"),
    ({"clientOid": "a" * 41}, "400100", "clientOid"),
    ({"funds": "10", "size": ""}, "400100", "funds"),
    ({"hidden": True}, "400100", "hidden"),
    ({"tradeType": "MARGIN_TRADE"}, "101030", "margin"),
]


async def test_orders_are_refused_in_the_venues_words() -> None:
    async with running() as alice:
        for changes, code, text in WRONG:
            found, said = await alice.error("POST", "hf/orders", **(ORDER | changes))
            assert (found, text in said) == (code, True), (changes, found, said)
        body = {"content": b"[1]", "headers": alice.headers("POST", "/api/v1/hf/orders", "[1]")}
        wrong = await alice._http.post(f"{alice.url}/api/v1/hf/orders", **body)
        assert wrong.json()["code"] == "400100"
        unknown = await alice.raw("GET", "nothing")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "404000")


@pytest.mark.check
async def test_limits_are_told_and_kept() -> None:
    async with running(config(rate_tier=RateTier.PRO)) as alice:
        response = await alice.raw("GET", "accounts")
        told = [response.headers[f"gw-ratelimit-{name}"] for name in ("limit", "remaining")]
        assert told == ["2000", "1995"]
        assert 0 < int(response.headers["gw-ratelimit-reset"]) <= 30_000
        order = await alice.raw("POST", "hf/orders", **ORDER)
        assert order.headers["gw-ratelimit-remaining"] == "3999"
        for _ in range(133):
            response = await tickers(alice)
        assert (response.status_code, response.headers["gw-ratelimit-remaining"]) == (200, "5")
        refused = await tickers(alice)
        assert (refused.status_code, refused.json()["code"]) == (429, "429000")
        alice.clock.advance(int(refused.headers["gw-ratelimit-reset"]) * 10**6)
        assert (await tickers(alice)).status_code == 200


async def tickers(alice: Client) -> httpx2.Response:
    return await alice._http.get(f"{alice.url}/api/v1/market/allTickers")


@pytest.mark.check
async def test_an_order_and_its_ids() -> None:
    async with running() as alice:
        placed = await alice.limit("buy", "2400.00", clientOid="mine")
        again = await alice.error("POST", "hf/orders", **ORDER, clientOid="mine")
        assert again == ("126044", "clientOid duplicate")
        by_name = await alice.ok("GET", "hf/orders/client-order/mine", symbol=SYMBOL)
        assert (by_name["id"], by_name["active"]) == (placed, True)
        gone = await alice.ok("DELETE", "hf/orders/client-order/mine", symbol=SYMBOL)
        assert gone == {"clientOid": "mine"}
        ended = await alice.ok("GET", f"hf/orders/{placed}", symbol=SYMBOL)
        assert (ended["active"], ended["cancelExist"], ended["cancelledSize"]) == (
            False,
            True,
            "0.10000",
        )
        code, text = await alice.error("DELETE", f"hf/orders/{placed}", symbol=SYMBOL)
        assert (code, text) == ("400100", "order_not_exist_or_not_allow_to_cancel")
        # An id names one order for ever.
        assert (await alice.error("POST", "hf/orders", **ORDER, clientOid="mine"))[0] == "126044"
        missing = await alice.error("GET", f"hf/orders/{'6' + '0' * 23}", symbol=SYMBOL)
        assert missing == ("400100", "order not exist.")


async def test_an_order_shows_only_after_the_lag() -> None:
    async with running(config(visibility_lag_ms=500)) as alice:
        placed = await alice.limit("buy", "2400.00", clientOid="mine")
        await alice.market("buy")
        asked = f"hf/orders/{placed}"
        assert (await alice.error("GET", asked, symbol=SYMBOL))[1] == "order not exist."
        assert await alice.ok("GET", "hf/orders/active", symbol=SYMBOL) == []
        for endpoint in ("hf/orders/done", "hf/fills"):
            assert (await alice.ok("GET", endpoint, symbol=SYMBOL))["items"] == []
        alice.clock.advance(500 * 10**6)
        assert (await alice.ok("GET", asked, symbol=SYMBOL))["active"] is True
        assert len(await alice.ok("GET", "hf/orders/active", symbol=SYMBOL)) == 1
        assert (await alice.ok("GET", "hf/orders/active/symbols"))["symbols"] == [SYMBOL]
        for endpoint in ("hf/orders/done", "hf/fills"):
            assert (await alice.ok("GET", endpoint, symbol=SYMBOL))["items"]


@pytest.mark.check
async def test_orders_that_may_not_rest() -> None:
    async with running() as alice:
        for changes in ({"timeInForce": "IOC"}, {"timeInForce": "FOK"}):
            ended = await alice.ok("POST", "hf/orders/sync", **(ORDER | changes))
            assert (ended["status"], ended["canceledSize"]) == ("done", "0.10000")
        crossing = {"price": "2600.00", "postOnly": True}
        ended = await alice.ok("POST", "hf/orders/sync", **(ORDER | crossing))
        assert (ended["status"], ended["dealSize"]) == ("done", "0.00000")
        dying = {"timeInForce": "GTT", "cancelAfter": 3}
        placed = await alice.ok("POST", "hf/orders", **(ORDER | dying))
        alice.clock.advance(3 * 10**9)
        found = await alice.ok("GET", f"hf/orders/{placed['orderId']}", symbol=SYMBOL)
        assert (found["active"], found["timeInForce"], found["cancelAfter"]) == (False, "GTT", 3)
        assert (await alice.ok("POST", "hf/orders/test", **ORDER))["orderId"]
        assert await alice.ok("GET", "hf/orders/active", symbol=SYMBOL) == []


@pytest.mark.check
async def test_orders_are_altered_and_cancelled_together() -> None:
    async with running() as alice:
        placed = await alice.limit("buy", "2400.00")
        alter = {"symbol": SYMBOL, "orderId": placed, "newPrice": "2401.00", "newSize": "0.2"}
        changed = await alice.ok("POST", "hf/orders/alter", **alter)
        (found,) = await alice.ok("GET", "hf/orders/active", symbol=SYMBOL)
        assert (found["id"], found["price"], found["size"]) == (
            changed["newOrderId"],
            "2401.00",
            "0.20000",
        )
        await alice.limit("buy", "2399.00")
        assert await alice.ok("DELETE", "hf/orders", symbol=SYMBOL) == "success"
        await alice.limit("buy", "2398.00")
        all_gone = await alice.ok("DELETE", "hf/orders/cancelAll")
        assert all_gone["succeedSymbols"] == [SYMBOL]
        accounts = {row["currency"]: row for row in await alice.ok("GET", "accounts")}
        assert (accounts["USDT"]["available"], accounts["USDT"]["holds"]) == (
            "10000.00000000",
            "0.00000000",
        )


async def test_orders_that_wait_for_a_price_are_kept_apart() -> None:
    async with running() as alice:
        placed = (await alice.ok("POST", "stop-order", **STOP, clientOid="mine"))["orderId"]
        assert await alice.ok("GET", "hf/orders/active", symbol=SYMBOL) == []
        (listed,) = (await alice.ok("GET", "stop-order", symbol=SYMBOL))["items"]
        assert (listed["id"], listed["status"], listed["stop"]) == (placed, "NEW", "loss")
        (named,) = await alice.ok("GET", "stop-order/queryOrderByClientOid", clientOid="mine")
        assert named["stopPrice"] == "2000.00"
        gone = await alice.ok("DELETE", f"stop-order/{placed}")
        assert gone == {"cancelledOrderIds": [placed]}
        again = await alice.error("DELETE", "stop-order/cancelOrderByClientOid", clientOid="mine")
        assert again[1] == "order_not_exist_or_not_allow_to_cancel"
        for _ in range(20):
            await alice.ok("POST", "stop-order", **STOP)
        assert (await alice.error("POST", "stop-order", **STOP))[0] == "300004"
        assert len((await alice.ok("DELETE", "stop-order/cancel"))["cancelledOrderIds"]) == 20
        now = {"stop": "entry", "stopPrice": "2000.00"}
        assert (await alice.error("POST", "stop-order", **(STOP | now)))[0] == "300000"


@pytest.mark.check
async def test_fees_are_paid_in_quote_and_histories_have_pages() -> None:
    async with running() as alice:
        for _ in range(3):
            await alice.market("buy", "0.01")
            alice.clock.advance(10**9)
        fills = await alice.ok("GET", "hf/fills", symbol=SYMBOL)
        ids = [fill["id"] for fill in fills["items"]]
        assert ids == sorted(ids, reverse=True)
        fill = fills["items"][0]
        assert (fill["feeCurrency"], fill["liquidity"]) == ("USDT", "taker")
        assert float(fill["fee"]) == pytest.approx(float(fill["funds"]) / 1_000, abs=1e-8)
        page = await alice.ok("GET", "hf/fills", symbol=SYMBOL, lastId=ids[0], limit=1)
        assert [each["id"] for each in page["items"]] == ids[1:2]
        done = await alice.ok("GET", "hf/orders/done", symbol=SYMBOL, limit=2)
        more = await alice.ok("GET", "hf/orders/done", symbol=SYMBOL, lastId=done["lastId"])
        assert (len(done["items"]), len(more["items"])) == (2, 1)
        since = fills["items"][0]["createdAt"]
        later = await alice.ok("GET", "hf/fills", symbol=SYMBOL, startAt=since)
        assert {each["createdAt"] for each in later["items"]} == {since}
        deposits = await alice.ok("GET", "deposits")
        assert {row["currency"] for row in deposits["items"]} == {"USDT", "ETH"}


async def test_a_lost_answer_leaves_an_accepted_order() -> None:
    async with running() as alice:
        await alice.admin("faults/arm", {"fault": "lose_ack", "target": "hf/orders"})
        with pytest.raises(httpx2.TransportError):
            await alice.limit("buy", "2400.00", clientOid="mine")
        found = await alice.ok("GET", "hf/orders/client-order/mine", symbol=SYMBOL)
        assert found["active"] is True
        await alice.admin("faults/arm", {"fault": "refuse", "target": "hf/orders/{orderId}"})
        response = await alice.raw("DELETE", f"hf/orders/{found['id']}", symbol=SYMBOL)
        assert response.status_code == 503
