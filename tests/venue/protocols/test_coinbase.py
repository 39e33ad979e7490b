"""Who may ask, how often, how numbers must be written, and what becomes of orders."""

import httpx2
import pytest
from msgspec.structs import replace

from tests.venue.coinbase_client import (
    ALICE,
    KEY,
    NOW_S,
    PRODUCT,
    Client,
    Untyped,
    config,
    running,
)
from venue.box import check_config
from venue.config import RateTier, VenueConfigError
from venue.keys import account_key, ec_key
from venue.protocols.coinbase_errors import REFUSALS
from venue.refusals import Refusal

LIMIT = {"base_size": "0.1", "limit_price": "2400.00"}
STOP = {**LIMIT, "stop_price": "2401.00", "stop_direction": "STOP_DIRECTION_STOP_DOWN"}


def test_every_refusal_has_its_words() -> None:
    assert set(REFUSALS) == set(Refusal)
    for words in REFUSALS.values():
        assert words.failure.isupper()
        assert "PREVIEW" in words.preview
        assert words.message


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"api_key": "ALICE"}, "api_key"),
        ({"api_secret": "not a key"}, "api_secret"),
        ({"api_secret": account_key("kraken-sim", "alice", 1)[1]}, "api_secret"),
    ],
)
def test_keys_have_a_form(changes: dict[str, str], key: str) -> None:
    check_config(config())
    with pytest.raises(VenueConfigError, match=key):
        check_config(config(accounts=(replace(ALICE, **changes),)))


async def test_tokens_are_enforced() -> None:
    async with running() as alice:
        uri = f"GET {alice.host}/api/v3/brokerage/accounts"
        good = alice.jwt(uri)
        assert (await alice.raw("GET", "accounts", good)).status_code == 200
        full = alice.jwt(uri.replace(alice.host, f"http://{alice.host}"), iss="coinbase-cloud")
        assert (await alice.raw("GET", "accounts", full)).status_code == 200
        head, body, signature = good.split(".")
        bad = [
            "",
            "junk",
            f"{head}.{body}.",
            f"{head}.{body}.{signature[:-8]}AAAAAAAA",
            alice.jwt(uri, alg="HS256"),
            alice.jwt(uri, sub="organizations/nobody"),
            alice.jwt(uri, iss="me"),
            alice.jwt(uri, nbf=NOW_S + 1),
            alice.jwt(uri, nbf=NOW_S - 60, exp=NOW_S),
            alice.jwt(uri, exp=NOW_S + 121),
            alice.jwt(uri.replace("GET", "POST")),
            alice.jwt(uri.replace("accounts", "portfolios")),
            alice.jwt(),
        ]
        alice.secret = ec_key("coinbase-sim", "mallory", 1)[1]
        bad.append(alice.jwt(uri))
        for token in bad:
            response = await alice.raw("GET", "accounts", token)
            assert (response.status_code, response.text) == (401, "Unauthorized\n"), token
        alice.clock.advance(120 * 10**9)
        assert (await alice.raw("GET", "accounts", good)).status_code == 401


WRONG: list[tuple[dict[str, Untyped], str, str]] = [
    ({"side": "HOLD"}, "INVALID_SIDE", "PREVIEW_INVALID_SIDE"),
    ({"order_configuration": {}}, "UNSUPPORTED_ORDER_CONFIGURATION", "ORDER_CONFIG"),
    ({"order_configuration": {"twap": LIMIT}}, "UNSUPPORTED_ORDER_CONFIGURATION", "ORDER_CONFIG"),
    ({"limit_price": "2400.001"}, "INVALID_PRICE_PRECISION", "PRICE_PRECISION"),
    ({"base_size": "0.000001"}, "INVALID_SIZE_PRECISION", "SIZE_PRECISION"),
    ({"base_size": "0.001"}, "UNKNOWN_FAILURE_REASON", "BASE_SIZE_TOO_SMALL"),
    ({"base_size": "100"}, "INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND"),
    ({"limit_price": "2600.00", "post_only": True}, "INVALID_LIMIT_PRICE_POST_ONLY", "POST_ONLY"),
    ({"limit_price": "0"}, "INVALID_LIMIT_PRICE", "PRICE"),
]


async def test_orders_are_refused_in_the_venues_words() -> None:
    async with running() as alice:
        for number, (changes, failure, preview) in enumerate(WRONG):
            order: Untyped = {"product_id": PRODUCT, "side": "BUY"}
            of_kind = {k: v for k, v in changes.items() if k in ("post_only", *LIMIT)}
            fields: Untyped = {**LIMIT, **of_kind}
            order |= {"order_configuration": {"limit_limit_gtc": fields}}
            order |= {k: v for k, v in changes.items() if k in order}
            told = await alice.ok("POST", "orders", **order, client_order_id=str(number))
            said = told["error_response"]
            assert (told["success"], said["error"]) == (False, failure), (changes, told)
            assert preview in said["preview_failure_reason"]
            (error,) = (await alice.ok("POST", "orders/preview", **order))["errs"]
            assert error == said["preview_failure_reason"]
        buy = await alice.order("BUY", "market_market_ioc", "m", base_size="0.1")
        assert buy["error_response"]["error"] == "UNSUPPORTED_ORDER_CONFIGURATION"


@pytest.mark.check
async def test_requests_that_are_wrong_in_themselves() -> None:
    limit = {"limit_limit_gtc": LIMIT}
    order = {"product_id": PRODUCT, "side": "BUY", "order_configuration": limit}
    gtd = {"limit_limit_gtd": {**LIMIT, "end_time": "yesterday"}}
    async with running() as alice:
        asked: list[tuple[str, str, dict[str, Untyped], int]] = [
            ("POST", "orders", order, 400),
            ("POST", "orders", {**order, "client_order_id": "x" * 129}, 400),
            ("POST", "orders", {**order, "client_order_id": "1", "product_id": "NO-PE"}, 404),
            ("POST", "orders", {**order, "client_order_id": "1", "order_configuration": gtd}, 400),
            ("POST", "orders/batch_cancel", {"order_ids": []}, 400),
            ("GET", "orders/historical/nothing", {}, 404),
            ("GET", "orders/historical/batch", {"start_date": "soon"}, 400),
            ("GET", "orders/historical/batch", {"order_status": ["OPEN", "FILLED"]}, 400),
            ("GET", f"products/{PRODUCT}/candles", {"granularity": "EON"}, 400),
            ("GET", "nothing", {}, 404),
        ]
        for method, endpoint, given, status in asked:
            response = await alice.raw(method, endpoint, **given)
            assert response.status_code == status, (endpoint, given, response.text)
            assert response.json()["error"] in ("INVALID_ARGUMENT", "NOT_FOUND")


@pytest.mark.check
async def test_limits_are_kept() -> None:
    async with running(config(rate_tier=RateTier.PRO)) as alice:
        for _ in range(10):
            assert (await alice.raw("GET", "time", "")).status_code == 200
        refused = await alice.raw("GET", "time", "")
        assert (refused.status_code, refused.json()["error"]) == (429, "rate_limit_exceeded")
        for _ in range(30):
            assert (await alice.raw("GET", "key_permissions")).status_code == 200
        assert (await alice.raw("GET", "key_permissions")).status_code == 429
        alice.clock.advance(10**9)
        assert (await alice.raw("GET", "time", "")).status_code == 200


async def test_a_client_order_id_names_one_order_for_good() -> None:
    async with running() as alice:
        placed = await alice.limit("BUY", "2400.00", "mine")
        again = await alice.order(
            "BUY", "limit_limit_gtc", "mine", base_size="0.2", limit_price="2300.00"
        )
        assert (again["success"], again["order_id"]) == (True, placed)
        assert len((await alice.ok("GET", "orders/historical/batch"))["orders"]) == 1
        await cancelled(alice, placed)
        assert await alice.limit("BUY", "2400.00", "mine") == placed
        found = (await alice.ok("GET", f"orders/historical/{placed}"))["order"]
        assert (found["status"], found["client_order_id"]) == ("CANCELLED", "mine")


async def cancelled(alice: Client, *ids: str) -> list[Untyped]:
    results: list[Untyped] = (await alice.ok("POST", "orders/batch_cancel", order_ids=ids))[
        "results"
    ]
    return results


@pytest.mark.check
async def test_cancelling_says_of_each_what_became_of_it() -> None:
    async with running() as alice:
        first = await alice.limit("BUY", "2400.00", "1")
        second = await alice.limit("BUY", "2399.00", "2")
        await cancelled(alice, first)
        told = await cancelled(alice, first, second, "nobody's")
        assert [(each["success"], each["failure_reason"]) for each in told] == [
            (False, "INVALID_CANCEL_REQUEST"),
            (True, "UNKNOWN_CANCEL_FAILURE_REASON"),
            (False, "UNKNOWN_CANCEL_ORDER"),
        ]


async def test_an_order_shows_only_after_the_lag() -> None:
    async with running(config(visibility_lag_ms=500)) as alice:
        placed = await alice.limit("BUY", "2400.00", "1")
        await alice.sell("2")
        assert (await alice.raw("GET", f"orders/historical/{placed}")).status_code == 404
        assert (await alice.ok("GET", "orders/historical/batch"))["orders"] == []
        assert (await alice.ok("GET", "orders/historical/fills"))["fills"] == []
        alice.clock.advance(500 * 10**6)
        assert (await alice.ok("GET", f"orders/historical/{placed}"))["order"]["status"] == "OPEN"
        assert len((await alice.ok("GET", "orders/historical/batch"))["orders"]) == 2
        assert (await alice.ok("GET", "orders/historical/fills"))["fills"]


@pytest.mark.check
async def test_orders_of_each_kind() -> None:
    soon = "2025-06-15T15:06:43Z"
    kinds = {
        "limit_limit_gtc": (LIMIT, "GOOD_UNTIL_CANCELLED", "OPEN"),
        "limit_limit_gtd": ({**LIMIT, "end_time": soon}, "GOOD_UNTIL_DATE_TIME", "OPEN"),
        "limit_limit_fok": (LIMIT, "FILL_OR_KILL", "CANCELLED"),
        "sor_limit_ioc": (LIMIT, "IMMEDIATE_OR_CANCEL", "CANCELLED"),
        "stop_limit_stop_limit_gtc": (STOP, "GOOD_UNTIL_CANCELLED", "OPEN"),
        "market_market_ioc": ({"base_size": "0.1"}, "IMMEDIATE_OR_CANCEL", "FILLED"),
    }
    async with running() as alice:
        for kind, (fields, lasts, status) in kinds.items():
            side = "SELL" if "stop" in kind or "market" in kind else "BUY"
            placed = await alice.order(side, kind, kind, **fields)
            assert placed["success"], placed
            found = (await alice.ok("GET", f"orders/historical/{placed['order_id']}"))["order"]
            assert (found["time_in_force"], found["status"]) == (lasts, status)
            assert list(found["order_configuration"]) == [kind]
        cost = await alice.order("BUY", "market_market_ioc", "cost", quote_size="100")
        found = (await alice.ok("GET", f"orders/historical/{cost['order_id']}"))["order"]
        assert 99 < float(found["filled_value"]) <= 100
        alice.clock.advance(4 * 10**9)
        late = await alice.ok("GET", "orders/historical/batch", order_status="EXPIRED")
        assert [row["client_order_id"] for row in late["orders"]] == ["limit_limit_gtd"]
        up = {**STOP, "stop_direction": "STOP_DIRECTION_STOP_UP"}
        now = await alice.order("SELL", "stop_limit_stop_limit_gtc", "now", **up)
        assert now["error_response"]["preview_failure_reason"].startswith("PREVIEW_STOP_PRICE")


@pytest.mark.check
async def test_open_orders_are_edited() -> None:
    async with running() as alice:
        placed = await alice.limit("BUY", "2400.00", "1")
        edit = {"order_id": placed, "price": "2401.00", "size": "0.2"}
        preview = await alice.ok("POST", "orders/edit_preview", **edit)
        assert (preview["errors"], preview["base_size"]) == ([], "0.20000")
        assert (await alice.ok("POST", "orders/edit", **edit))["success"]
        found = (await alice.ok("GET", f"orders/historical/{placed}"))["order"]
        assert found["order_configuration"]["limit_limit_gtc"] == {
            "base_size": "0.20000",
            "limit_price": "2401.00",
            "post_only": False,
        }
        wrong = await alice.ok("POST", "orders/edit", order_id=placed, price="1.001")
        assert wrong["errors"][0]["edit_failure_reason"] == "INVALID_PRICE_PRECISION"
        await cancelled(alice, placed)
        gone = await alice.ok("POST", "orders/edit", **edit)
        assert gone["errors"][0]["edit_failure_reason"] == "ORDER_NOT_FOUND"
        stop = await alice.order("SELL", "stop_limit_stop_limit_gtc", "2", **STOP)
        refused = await alice.ok("POST", "orders/edit", order_id=stop["order_id"], size="0.2")
        assert refused["errors"][0]["edit_failure_reason"] == "ONLY_LIMIT_ORDER_EDITS_SUPPORTED"


@pytest.mark.check
async def test_fees_are_paid_in_quote_and_histories_have_pages() -> None:
    async with running() as alice:
        for number in range(3):
            await alice.sell(str(number), "0.01")
            alice.clock.advance(10**9)
        fills = await alice.ok("GET", "orders/historical/fills")
        ids = [fill["trade_id"] for fill in fills["fills"]]
        assert ids == sorted(ids, reverse=True)
        fill = fills["fills"][0]
        cost = float(fill["price"]) * float(fill["size"])
        assert float(fill["commission"]) == pytest.approx(cost * 0.006, abs=1e-7)
        page = await alice.ok("GET", "orders/historical/fills", limit=1)
        after = await alice.ok("GET", "orders/historical/fills", cursor=page["cursor"])
        assert [each["trade_id"] for each in after["fills"]] == ids[1:]
        orders = await alice.ok("GET", "orders/historical/batch", limit=2, product_ids=PRODUCT)
        assert (len(orders["orders"]), orders["has_next"]) == (2, True)
        rest = await alice.ok("GET", "orders/historical/batch", cursor=orders["cursor"])
        assert (len(rest["orders"]), rest["has_next"], rest["cursor"]) == (1, False, "")
        since = fills["fills"][0]["trade_time"]
        late = await alice.ok("GET", "orders/historical/fills", start_sequence_timestamp=since)
        assert {each["trade_time"] for each in late["fills"]} == {since}
        summary = await alice.ok("GET", "transaction_summary")
        assert summary["fee_tier"]["taker_fee_rate"] == "0.006000"
        wallets = {row["currency"]: row for row in (await alice.ok("GET", "accounts"))["accounts"]}
        assert wallets["ETH"]["available_balance"]["value"] == "4.97000000"
        one = await alice.ok("GET", f"accounts/{wallets['ETH']['uuid']}")
        assert one["account"] == wallets["ETH"]
        moved = await alice.ok("GET", f"/v2/accounts/{wallets['ETH']['uuid']}/transactions")
        assert [row["amount"]["amount"] for row in moved["data"]] == ["5.00000000"]


@pytest.mark.check
async def test_the_side_of_a_public_trade_is_that_of_the_order_that_rested() -> None:
    async with running() as alice:
        await alice.sell("1")
        (trade,) = (await alice.public(f"market/products/{PRODUCT}/ticker", limit=1))["trades"]
        assert trade["side"] == "BUY"
        (fill, *_) = (await alice.ok("GET", "orders/historical/fills"))["fills"]
        assert (fill["side"], fill["liquidity_indicator"]) == ("SELL", "TAKER")


async def test_a_lost_answer_leaves_an_accepted_order() -> None:
    async with running() as alice:
        await alice.admin("faults/arm", {"fault": "lose_ack", "target": "brokerage/orders"})
        with pytest.raises(httpx2.TransportError):
            await alice.limit("BUY", "2400.00", "mine")
        (found,) = (await alice.ok("GET", "orders/historical/batch"))["orders"]
        assert (found["client_order_id"], found["status"]) == ("mine", "OPEN")
        await alice.admin("faults/arm", {"fault": "refuse", "target": "brokerage/accounts"})
        assert (await alice.raw("GET", "accounts")).status_code == 503
        assert KEY not in str(await alice.admin("state"))
