"""Kraken's REST API as a customer sees it, over a real socket, without ccxt."""

import json
import subprocess
import sys
from decimal import Decimal

import trio

from tests.venue.boxes import ALICE, CLIENT_ID, SYMBOL, config, running_box
from venue.config import RateTier


async def test_public_endpoints_answer() -> None:
    async with running_box() as alice:
        time = (await alice.public("Time"))["result"]
        assert time["unixtime"] > 1_600_000_000
        assert (await alice.public("SystemStatus"))["result"]["status"] == "online"
        assets = (await alice.public("Assets"))["result"]
        assert assets["XETH"]["altname"] == "ETH"
        pairs = (await alice.public("AssetPairs"))["result"]
        assert pairs["ETHUSDT"]["wsname"] == "ETH/USDT"
        assert pairs["ETHUSDT"]["pair_decimals"] == 2
        candles = (await alice.public("OHLC", pair="ETHUSDT"))["result"]
        assert len(candles["ETHUSDT"]) >= 2
        assert (await alice.public("Nonsense"))["error"] == ["EGeneral:Unknown method"]
        assert (await alice.public("Depth", pair="X"))["error"] == ["EQuery:Unknown asset pair"]


async def test_depth_is_sorted_and_not_crossed() -> None:
    async with running_box() as alice:
        depth = (await alice.public("Depth", pair="ETHUSDT", count=20))["result"]["ETHUSDT"]
        bids = [Decimal(level[0]) for level in depth["bids"]]
        asks = [Decimal(level[0]) for level in depth["asks"]]
        assert bids == sorted(bids, reverse=True)
        assert asks == sorted(asks)
        assert bids[0] < asks[0]


async def test_trades_continue_from_where_the_last_page_ended() -> None:
    async with running_box() as alice:
        first = (await alice.public("Trades", pair="ETHUSDT", since=1, count=5))["result"]
        ids = [row[6] for row in first["ETHUSDT"]]
        assert ids == list(range(ids[0], ids[0] + 5))
        following = await alice.public("Trades", pair="ETHUSDT", since=first["last"], count=5)
        assert following["result"]["ETHUSDT"][0][6] > ids[0]


async def test_signature_key_and_nonce_are_checked() -> None:
    async with running_box() as alice:
        await alice.result("Balance", nonce=2_000_000_000_000)
        assert await alice.error("Balance", nonce=2_000_000_000_000) == "EAPI:Invalid nonce"
        assert await alice.error("Balance", nonce=1_999_999_999_999) == "EAPI:Invalid nonce"
        await alice.result("Balance", nonce=2_000_000_000_001)
        alice.key = "NOBODY"
        assert await alice.error("Balance", nonce=2_000_000_000_002) == "EAPI:Invalid key"
        alice.key, alice.secret = "ALICE", "d3Jvbmc="
        assert await alice.error("Balance", nonce=2_000_000_000_002) == "EAPI:Invalid signature"


async def test_a_refused_request_does_not_use_up_its_nonce() -> None:
    async with running_box() as alice:
        right, alice.secret = alice.secret, "d3Jvbmc="
        await alice.error("Balance", nonce=2_000_000_000_000)
        alice.secret = right
        await alice.result("Balance", nonce=2_000_000_000_000)


BAD_ORDERS: list[tuple[dict[str, str], str]] = [
    ({"volume": "1000"}, "EOrder:Insufficient funds"),
    ({"volume": "0.001"}, "EOrder:Order minimum not met"),
    ({"volume": "0.01", "price": "1.00"}, "EOrder:Cost minimum not met"),
    ({"price": "2000.005"}, "EOrder:Tick size check failed"),
    ({"price": "-5"}, "EGeneral:Invalid arguments:price"),
    ({"price": ""}, "EGeneral:Invalid arguments:price"),
    ({"volume": "1e-2"}, "EGeneral:Invalid arguments:volume"),
    ({"volume": "0.0000001"}, "EGeneral:Invalid arguments:volume"),
    ({"type": "hold"}, "EGeneral:Invalid arguments:type"),
    ({"ordertype": "trailing-stop"}, "EGeneral:Invalid arguments:ordertype"),
    ({"oflags": "sparkle"}, "EGeneral:Invalid arguments:oflags"),
    ({"timeinforce": "FOREVER"}, "EGeneral:Invalid arguments:timeinforce"),
    ({"cl_ord_id": "x" * 19}, "EGeneral:Invalid arguments:cl_ord_id"),
    ({"cl_ord_id": CLIENT_ID, "userref": "5"}, "EGeneral:Invalid arguments:cl_ord_id"),
    ({"userref": "many"}, "EGeneral:Invalid arguments:userref"),
    ({"expiretm": "5"}, "EGeneral:Invalid arguments:expiretm"),
    ({"deadline": "2020-01-01T00:00:00Z"}, "EService:Deadline elapsed"),
    ({"deadline": "tomorrow"}, "EGeneral:Invalid arguments:deadline"),
    ({"pair": "ETHEUR"}, "EQuery:Unknown asset pair"),
    ({"price": "9000.00", "volume": "0.1", "oflags": "post"}, "EOrder:Post only order"),
]


async def test_bad_orders_get_krakens_words() -> None:
    order = {"pair": "ETHUSDT", "type": "buy", "ordertype": "limit", "volume": "0.01"}
    async with running_box() as alice:
        for parameters, error in BAD_ORDERS:
            given = {**order, "price": "1500.00", **parameters}
            assert await alice.error("AddOrder", **given) == error, parameters
        assert (await alice.result("OpenOrders"))["open"] == {}


async def test_a_limit_order_rests_is_seen_and_is_cancelled() -> None:
    async with running_box() as alice:
        txid = await alice.limit("buy", "0.1", "1500.00", cl_ord_id=CLIENT_ID, oflags="post")
        info = (await alice.result("OpenOrders"))["open"][txid]
        assert (info["status"], info["vol"], info["cl_ord_id"]) == ("open", "0.10000", CLIENT_ID)
        assert info["descr"]["price"] == "1500.00"
        held = (await alice.result("BalanceEx"))["USDT"]
        assert Decimal(held["hold_trade"]) == Decimal("150.6")
        assert await alice.result("CancelOrder", txid=txid) == {"count": 1}
        closed = (await alice.result("ClosedOrders"))["closed"][txid]
        assert (closed["status"], closed["reason"]) == ("canceled", "User requested")
        assert Decimal((await alice.result("BalanceEx"))["USDT"]["hold_trade"]) == 0
        assert await alice.error("CancelOrder", txid=txid) == "EOrder:Unknown order"


async def test_validate_only_places_nothing() -> None:
    async with running_box() as alice:
        answer = await alice.result(
            "AddOrder",
            pair="ETHUSDT",
            type="buy",
            ordertype="limit",
            price="1500.00",
            volume="0.1",
            validate="true",
        )
        assert answer == {"descr": {"order": "buy 0.10000 ETHUSDT @ limit 1500.00"}}
        assert (await alice.result("OpenOrders"))["open"] == {}


async def test_client_order_id_is_unique_among_open_orders_only() -> None:
    async with running_box() as alice:
        txid = await alice.limit("buy", "0.1", "1500.00", cl_ord_id=CLIENT_ID)
        order = {"pair": "ETHUSDT", "type": "buy", "ordertype": "limit", "volume": "0.1"}
        again = {**order, "price": "1501.00", "cl_ord_id": CLIENT_ID}
        assert await alice.error("AddOrder", **again) == "EOrder:Duplicate cl_ord_id"
        assert await alice.result("CancelOrder", cl_ord_id=CLIENT_ID) == {"count": 1}
        second = await alice.limit("buy", "0.1", "1501.00", cl_ord_id=CLIENT_ID)
        assert second != txid
        closed = await alice.result("ClosedOrders", cl_ord_id=CLIENT_ID)
        assert list(closed["closed"]) == [txid]


async def test_a_market_order_fills_pays_fees_and_books_both_sides() -> None:
    async with running_box() as alice:
        txid = await alice.market("buy", "0.5")
        order = (await alice.result("QueryOrders", txid=txid, trades="true"))[txid]
        assert (order["status"], order["vol_exec"]) == ("closed", "0.50000")
        fills = await alice.result("QueryTrades", txid=",".join(order["trades"]))
        cost = sum(Decimal(fill["cost"]) for fill in fills.values())
        fee = sum(Decimal(fill["fee"]) for fill in fills.values())
        assert (Decimal(order["cost"]), Decimal(order["fee"])) == (cost, fee)
        assert all(fill["maker"] is False for fill in fills.values())
        assert abs(fee - cost * Decimal("0.004")) < Decimal("0.0000001")
        balance = await alice.result("Balance")
        assert Decimal(balance["USDT"]) == 10_000 - cost - fee
        assert Decimal(balance["XETH"]) == Decimal("5.5")


async def test_market_order_by_cost() -> None:
    async with running_box() as alice:
        txid = await alice.market("buy", "100", oflags="viqc")
        order = (await alice.result("QueryOrders", txid=txid))[txid]
        assert Decimal("99.9") < Decimal(order["cost"]) <= 100


async def test_immediate_or_cancel_never_rests() -> None:
    async with running_box() as alice:
        txid = await alice.limit("buy", "0.1", "1500.00", timeinforce="IOC")
        order = (await alice.result("QueryOrders", txid=txid))[txid]
        assert (order["status"], order["vol_exec"]) == ("canceled", "0.00000")


async def test_amending_keeps_the_order() -> None:
    async with running_box() as alice:
        txid = await alice.limit("buy", "0.1", "1500.00", cl_ord_id=CLIENT_ID)
        amended = await alice.result(
            "AmendOrder", cl_ord_id=CLIENT_ID, limit_price="1510.00", order_qty="0.2"
        )
        assert amended["amend_id"].startswith("T")
        info = (await alice.result("OpenOrders"))["open"][txid]
        assert (info["descr"]["price"], info["vol"]) == ("1510.00", "0.20000")
        held = (await alice.result("BalanceEx"))["USDT"]["hold_trade"]
        assert Decimal(held) == Decimal("303.208")
        error = await alice.error("AmendOrder", txid=txid, limit_price="9000.00", post_only="true")
        assert error == "EOrder:Post only order"


async def test_visibility_lag_hides_orders_and_fills_for_a_while() -> None:
    async with running_box(config(visibility_lag_ms=3_600_000)) as alice:
        txid = await alice.limit("buy", "0.1", "1500.00")
        taken = await alice.market("buy", "0.1")
        assert (await alice.result("OpenOrders"))["open"] == {}
        assert (await alice.result("ClosedOrders"))["closed"] == {}
        assert await alice.result("QueryOrders", txid=f"{txid},{taken}") == {}
        assert (await alice.result("TradesHistory"))["trades"] == {}
        await alice.admin("visibility", {"lag_ms": 0})
        assert list((await alice.result("OpenOrders"))["open"]) == [txid]
        assert list((await alice.result("ClosedOrders"))["closed"]) == [taken]
        assert (await alice.result("TradesHistory"))["count"] >= 1


async def test_cancel_all_and_by_reference() -> None:
    async with running_box() as alice:
        for price in ("1500.00", "1501.00", "1502.00"):
            await alice.limit("buy", "0.01", price, userref=42)
        await alice.limit("buy", "0.01", "1503.00")
        assert await alice.result("CancelOrder", txid="42") == {"count": 3}
        assert await alice.result("CancelAll") == {"count": 1}
        assert await alice.result("CancelAll") == {"count": 0}


async def test_ledgers_add_up_to_the_balance() -> None:
    async with running_box() as alice:
        await alice.market("buy", "0.1")
        await alice.market("sell", "0.1")
        entries = (await alice.result("Ledgers", asset="USDT"))["ledger"].values()
        total = sum(Decimal(entry["amount"]) - Decimal(entry["fee"]) for entry in entries)
        assert total == Decimal((await alice.result("Balance"))["USDT"])


async def test_rate_limits_refuse_what_is_too_much() -> None:
    async with running_box(config(rate_tier=RateTier.STARTER)) as alice:
        errors = [(await alice.private("Balance"))["error"] for _ in range(20)]
        assert errors[0] == []
        assert errors[-1] == ["EAPI:Rate limit exceeded"]
        answers = [
            await alice.private(
                "AddOrder",
                pair="ETHUSDT",
                type="buy",
                ordertype="limit",
                price="1500.00",
                volume="0.002",
            )
            for _ in range(70)
        ]
        assert answers[0]["error"] == []
        assert answers[-1]["error"] == ["EOrder:Rate limit exceeded"]
        assert (await alice.private("CancelAll"))["error"] == []


async def test_a_key_without_permission_may_look_but_not_trade() -> None:
    locked = config(accounts=(_locked(),))
    async with running_box(locked) as alice:
        await alice.result("Balance")
        error = await alice.error(
            "AddOrder", pair="ETHUSDT", type="buy", ordertype="market", volume="0.1"
        )
        assert error == "EGeneral:Permission denied"


def _locked() -> object:
    import msgspec

    return msgspec.structs.replace(ALICE, may_trade=False)


async def test_two_customers_never_see_each_other() -> None:
    async with running_box() as alice:
        txid = await alice.limit("buy", "0.1", "1500.00")
        alice.key = "BOB"
        assert (await alice.result("OpenOrders"))["open"] == {}
        assert await alice.result("QueryOrders", txid=txid) == {}
        assert await alice.error("CancelOrder", txid=txid) == "EOrder:Unknown order"


async def test_admin_orders_by_hand_and_books_balance() -> None:
    async with running_box() as alice:
        order = {"account": "alice", "symbol": "ETH/USDT", "side": "buy", "quantity": "0.2"}
        txid = (await alice.admin("order", order))["txid"]
        await alice.admin("deposit", {"account": "bob", "asset": "USDT", "amount": "1.5"})
        books = await alice.admin("books")
        assert [o["by_hand"] for o in books["orders"] if o["txid"] == txid] == [True]
        assert all(Decimal(total) == 0 for total in books["totals"].values())
        assert Decimal(books["balances"]["bob"]["USDT"]) == Decimal("10001.5")
        wrong = await alice.admin("deposit", {"account": "eve", "asset": "USDT", "amount": "1"})
        assert "there is no account 'eve'" in wrong["error"]
        json.dumps(books)


async def test_stock_ccxt_trades_and_watches() -> None:
    """The unmodified class cannot tell the box from Kraken, in what we use of it."""
    async with running_box() as alice:
        command = [sys.executable, "-m", "tests.venue.stock_ccxt", str(alice.port)]
        with trio.fail_after(60):
            done = await trio.run_process(
                command, capture_stdout=True, stderr=subprocess.STDOUT, check=False
            )
        assert done.returncode == 0, done.stdout.decode()
        seen = json.loads(done.stdout)
    assert seen["symbols"] == [SYMBOL]
    assert seen["precision"] == {"amount": 1e-05, "price": 0.01}
    assert seen["spread"] > 0
    assert seen["levels"] == [5, 5]
    assert seen["candles"] >= 2
    assert seen["trades"] > 100
    assert (seen["status"], seen["taker"]) == ("ok", 0.004)
    assert seen["balance"] == {"USDT": 10_000.0, "ETH": 5.0}
    assert seen["found"] == [True, CLIENT_ID, True]
    assert seen["edited"] == [1501.0, 0.2, "open"]
    assert seen["cancelled"] == "canceled"
    assert seen["bought"] == ["closed", 0.05, True]
    assert seen["trade"] == [True, "taker", "USDT"]
    assert seen["closed"] == 2
    assert seen["ledger"] == 4
    assert seen["refusals"] == [
        "InsufficientFunds",
        "InvalidOrder",
        "OrderNotFound",
        "OrderNotFound",
        "ExchangeError",
    ]
    assert seen["watched_book"] == [10, True]
    assert seen["watched_trades"] is True
    assert seen["watched_ticker"] == SYMBOL
    assert seen["watched_candle"] == 6
    assert seen["watched_balance"] == 5.05
    assert seen["watched_order"] == [True, "open", 1500.0]
    assert seen["cancelled_ws"] is True
    assert seen["watched_trade"] == [True, "USDT"]
