import logging
from collections.abc import Callable
from decimal import Decimal

import pytest
import trio

from exchanges.errors import Code, VenueError
from exchanges.json_text import Json
from exchanges.types import AccountFee, Credentials, Endpoints, OrderTicket
from exchanges.venue_client import VenueClient, open_venue
from supervisor.clock import ManualClock
from tests.exchanges.conftest import SECOND_NS, client_of
from tests.exchanges.fake_kraken import (
    API_SECRET,
    PAIRS,
    UNIX_TIME,
    FakeKraken,
    Fault,
    drop,
    error,
    hang,
    status,
)

NOW_NS = UNIX_TIME * SECOND_NS


def ticket(**changes: Json) -> OrderTicket:
    values: dict[str, Json] = {
        "client_order_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
        "symbol": "ETH/USDT",
        "side": "buy",
        "type": "limit",
        "quantity_lots": 1_000_000,
        "price_ticks": 299_999,
    }
    return OrderTicket(**{**values, **changes})


async def test_instruments_are_exact(venue: VenueClient) -> None:
    instrument = venue.instrument("ETH/USDT")
    assert (instrument.base, instrument.quote, instrument.venue_symbol) == (
        "ETH",
        "USDT",
        "ETHUSDT",
    )
    assert (instrument.tick_size, instrument.lot_size) == ("0.01", "0.00000001")
    assert instrument.min_quantity_lots == 200_000
    assert (instrument.min_notional, instrument.maker_fee, instrument.taker_fee) == (
        "0.5",
        "0.0016",
        "0.0026",
    )
    assert instrument.ticks("2999.99") == 299_999
    assert instrument.price_text(299_999) == "2999.99"


async def test_balances_keep_every_digit(venue: VenueClient) -> None:
    balances = {each.asset: each for each in (await venue.fetch_balances()).balances}
    assert balances["ETH"].total == "2.0000000010"
    assert Decimal(balances["USDT"].free or "") == Decimal("999.9")


async def test_fees_are_the_accounts_own(fake: FakeKraken, venue: VenueClient) -> None:
    (pair,) = [name for name, row in PAIRS.items() if row["wsname"] == "ETH/USDT"]
    tier = {"fee": "0.1800", "minfee": "0.0800", "maxfee": "0.2600"}
    fake.results["TradeVolume"] = {
        "currency": "ZUSD", "volume": "61000.1", "fees": {pair: tier},
        "fees_maker": {pair: {**tier, "fee": "0.0800"}},
    }  # fmt: skip
    assert await venue.fetch_fees(["ETH/USDT"]) == (
        AccountFee(symbol="ETH/USDT", maker="0.0008", taker="0.0018"),
    )
    (request,) = fake.seen("TradeVolume")
    assert request.params["pair"] == pair
    fake.results["TradeVolume"] = {"currency": "ZUSD", "volume": "0", "fees": {pair: tier}}
    (fee,) = await venue.fetch_fees(["ETH/USDT"])
    assert (fee.maker, fee.taker) == ("0.0018", "0.0018"), "one fee for both"


async def test_submit_sends_exactly_what_the_ticket_says(
    fake: FakeKraken, venue: VenueClient
) -> None:
    accepted = await venue.submit(
        ticket(post_only=True, expires_at_ns=NOW_NS + 5 * SECOND_NS + 1_999_999)
    )
    assert accepted.venue_order_id in fake.orders
    (request,) = fake.seen("AddOrder")
    sent = dict(request.params)
    assert sent.pop("nonce").isdecimal()
    assert sent == {
        "pair": "ETHUSDT",
        "type": "buy",
        "ordertype": "limit",
        "volume": "0.01",
        "price": "2999.99",
        "cl_ord_id": ticket().client_order_id,
        "timeinforce": "GTC",
        "oflags": "post",
        "deadline": "2024-07-18T12:00:05.001Z",
    }


async def test_market_order_has_no_price(fake: FakeKraken, venue: VenueClient) -> None:
    await venue.submit(ticket(type="market", price_ticks=None, side="sell"))
    (request,) = fake.seen("AddOrder")
    assert "price" not in request.params
    assert request.params["ordertype"] == "market"


async def test_deadline_is_cut_to_what_the_venue_takes(
    fake: FakeKraken, venue: VenueClient
) -> None:
    await venue.submit(ticket(expires_at_ns=NOW_NS + 3600 * SECOND_NS))
    assert fake.seen("AddOrder")[0].params["deadline"] == "2024-07-18T12:01:00.000Z"


@pytest.mark.parametrize(
    "changes",
    [
        {"expires_at_ns": NOW_NS + SECOND_NS},
        {"time_in_force": "FOK"},
        {"symbol": "DOGE/USDT"},
    ],
)
async def test_impossible_tickets_are_refused_before_anything_is_sent(
    fake: FakeKraken, venue: VenueClient, changes: dict[str, Json]
) -> None:
    with pytest.raises(VenueError) as caught:
        await venue.submit(ticket(**changes))
    assert caught.value.code is Code.INVALID
    assert not fake.seen("AddOrder")


async def test_cancel_by_either_id(fake: FakeKraken, venue: VenueClient) -> None:
    accepted = await venue.submit(ticket())
    assert (await venue.cancel(client_order_id=ticket().client_order_id)).count == 1
    with pytest.raises(VenueError) as caught:
        await venue.cancel(venue_order_id=accepted.venue_order_id)
    assert caught.value.code is Code.NOT_FOUND
    assert "txid" not in fake.seen("CancelOrder")[0].params
    assert fake.seen("CancelOrder")[1].params["txid"] == accepted.venue_order_id


async def test_cancel_all(fake: FakeKraken, venue: VenueClient) -> None:
    fake.results["CancelAll"] = {"count": 4}
    assert (await venue.cancel_all()).count == 4


async def test_cancel_takes_one_id(venue: VenueClient) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        await venue.cancel()


async def garbage(stream: trio.SocketStream) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n<htm>"


async def half_an_answer(stream: trio.SocketStream) -> bytes:
    await stream.send_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{")
    await stream.aclose()
    return b""


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (drop, Code.AMBIGUOUS),
        (hang, Code.AMBIGUOUS),
        (half_an_answer, Code.AMBIGUOUS),
        (garbage, Code.AMBIGUOUS),
        (status(503), Code.AMBIGUOUS),
        (status(520), Code.AMBIGUOUS),
        (status(404, "<html>"), Code.AMBIGUOUS),
        (status(200, '{"error":[],"result":{}}'), Code.AMBIGUOUS),
        (status(200, '{"error":[],"result":{"txid":[5],"descr":{"order":5}}}'), Code.AMBIGUOUS),
        (status(301, "", Location="/elsewhere"), Code.AMBIGUOUS),
        (error("EService:Unavailable"), Code.AMBIGUOUS),
        (error("EGeneral:Internal error"), Code.AMBIGUOUS),
        (status(429), Code.AMBIGUOUS),
        (error("EAPI:Rate limit exceeded"), Code.RATE_LIMITED),
        (error("EOrder:Rate limit exceeded"), Code.RATE_LIMITED),
        (error("EService:Deadline elapsed"), Code.REJECTED),
        (error("EOrder:Order minimum not met"), Code.REJECTED),
        (error("EOrder:Post only order"), Code.REJECTED),
        (error("EService:Market in cancel_only mode"), Code.REJECTED),
        (error("EOrder:Insufficient funds"), Code.INSUFFICIENT_FUNDS),
        (error("EAPI:Invalid signature"), Code.AUTHENTICATION),
        (error("EAPI:Invalid nonce"), Code.UNAVAILABLE),
        (error("EGeneral:Permission denied"), Code.AUTHENTICATION),
        (error("EQuery:Unknown asset pair"), Code.INVALID),
        (error("EGeneral:Invalid arguments"), Code.INVALID),
    ],
)
async def test_errors_of_a_submit(
    fake: FakeKraken, venue: VenueClient, fault: Fault, code: Code
) -> None:
    fake.faults["AddOrder"].append(fault)
    with pytest.raises(VenueError) as caught:
        await venue.submit(ticket())
    assert caught.value.code is code
    assert len(fake.seen("AddOrder")) == 1
    assert await venue.submit(ticket()), "one failure does not harm the next request"


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("EService:Deadline elapsed", "deadline_elapsed"),
        ("EOrder:Post only order", "post_only_would_take"),
        ("EOrder:Cost minimum not met", "minimum"),
        ("EOrder:Tick size check failed", "off_grid"),
        ("EOrder:Orders limit exceeded", "limit_of_orders"),
        ("EService:Market in post_only mode", "market_mode"),
        ("EOrder:Duplicate cl_ord_id", "duplicate_client_order_id"),
        ("EOrder:Something new", "other"),
    ],
)
async def test_reasons_of_rejections(
    fake: FakeKraken, venue: VenueClient, words: str, reason: str
) -> None:
    fake.faults["AddOrder"].append(error(words))
    with pytest.raises(VenueError) as caught:
        await venue.submit(ticket())
    assert (caught.value.code, caught.value.reason) == (Code.REJECTED, reason)


async def test_refused_connection_was_provably_not_sent(
    fake: FakeKraken, clock: ManualClock
) -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = listeners[0].socket.getsockname()[1]
    await listeners[0].aclose()
    async with client_of(fake, clock) as client:
        await client.load_instruments()
        await fake.close_idle_connections()
        client._exchange.urls["api"]["private"] = f"http://127.0.0.1:{port}"
        with pytest.raises(VenueError) as caught:
            await client.submit(ticket())
    assert caught.value.code is Code.UNAVAILABLE


async def test_failed_tls_handshake_was_provably_not_sent(
    fake: FakeKraken, venue: VenueClient
) -> None:
    venue._exchange.urls["api"]["private"] = fake.rest.replace("http:", "https:")
    with pytest.raises(VenueError) as caught:
        await venue.submit(ticket())
    assert caught.value.code is Code.UNAVAILABLE


async def test_idle_connection_that_the_venue_closed_is_not_used_again(
    fake: FakeKraken, venue: VenueClient
) -> None:
    await fake.close_idle_connections()
    await venue.submit(ticket())
    assert len(fake.orders) == 1


async def test_timed_out_cancel_is_not_taken_for_an_older_answer(
    fake: FakeKraken, venue: VenueClient
) -> None:
    # ccxt looks at the last answer of any request: here an older one says "Unknown order".
    with pytest.raises(VenueError):
        await venue.cancel(client_order_id="unknown")
    fake.faults["CancelOrder"].append(hang)
    with pytest.raises(VenueError) as caught:
        await venue.cancel(client_order_id="other")
    assert caught.value.code is Code.AMBIGUOUS


async def test_retry_after_is_passed_on(fake: FakeKraken, venue: VenueClient) -> None:
    fake.faults["BalanceEx"].append(status(429, Retry_After="1.5"))
    with pytest.raises(VenueError) as caught:
        await venue.fetch_balances()
    assert caught.value.retry_after_ms == 1500


async def test_nonces_increase_though_the_clock_stands(
    fake: FakeKraken, venue: VenueClient
) -> None:
    for _ in range(5):
        await venue.fetch_balances()
    nonces = [int(each.params["nonce"]) for each in fake.seen("BalanceEx")]
    assert nonces == sorted(set(nonces))
    assert nonces[0] == UNIX_TIME * 1000


async def test_secrets_never_appear_in_texts(
    fake: FakeKraken,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    credentials = Credentials("the-api-key-itself", API_SECRET)
    async with client_of(fake, clock, credentials=credentials) as client:
        await client.load_instruments()
        fake.faults["BalanceEx"].append(error(f"EAPI:Invalid key the-api-key-itself {API_SECRET}"))
        with pytest.raises(VenueError) as caught:
            await client.fetch_balances()
        shown = [
            repr(client),
            repr(credentials),
            repr(client._exchange),
            str(client._exchange),
            repr(caught.value),
            str(caught.value),
            caplog.text,
            *capsys.readouterr(),
        ]
    assert caught.value.code is Code.AUTHENTICATION
    for text in shown:
        assert "the-api-key-itself" not in text
        assert API_SECRET not in text


async def test_private_call_without_credentials_is_refused_here(
    fake: FakeKraken, clock: ManualClock
) -> None:
    async with client_of(fake, clock, credentials=None) as client:
        await client.load_instruments()
        with pytest.raises(VenueError) as caught:
            await client.fetch_balances()
    assert caught.value.code is Code.AUTHENTICATION
    assert not fake.seen("BalanceEx")


def order_row(**changes: Json) -> dict[str, Json]:
    return {
        "refid": None,
        "userref": 0,
        "cl_ord_id": "ours",
        "status": "open",
        "opentm": 1721304000.370054,
        "starttm": 0,
        "expiretm": 0,
        "descr": {
            "pair": "ETHUSDT",
            "type": "sell",
            "ordertype": "limit",
            "price": "3001.50",
            "price2": "0",
            "leverage": "none",
            "order": "sell 0.02000000 ETHUSDT @ limit 3001.50",
            "close": "",
        },
        "vol": "0.02000000",
        "vol_exec": "0.00500000",
        "cost": "15.00750000",
        "fee": "0.02401200",
        "price": "3001.50",
        "stopprice": "0.00000",
        "limitprice": "0.00000",
        "misc": "",
        "oflags": "fciq",
        "trades": ["TTTTTT-11111-AAAAAA"],
        **changes,
    }


async def test_open_orders(fake: FakeKraken, venue: VenueClient) -> None:
    fake.results["OpenOrders"] = {"open": {"O1": order_row(), "O2": order_row(cl_ord_id="other")}}
    (report,) = await venue.fetch_open_orders("ours")
    assert (report.venue_order_id, report.client_order_id) == ("O1", "ours")
    assert (report.symbol, report.side, report.status) == ("ETH/USDT", "sell", "partially_filled")
    assert (report.quantity, report.filled, report.price) == ("0.02000000", "0.00500000", "3001.50")
    assert report.created_ns == 1_721_304_000_370_054_000
    assert [(fee.asset, fee.amount) for fee in report.fees] == [("USDT", "0.02401200")]
    assert report.exec_ids == ("TTTTTT-11111-AAAAAA",)


def _pages(rows: dict[str, Json], key: str) -> Callable[[dict[str, str]], dict[str, Json]]:
    def answer(params: dict[str, str]) -> dict[str, Json]:
        offset = int(params.get("ofs", 0))
        page = dict(list(rows.items())[offset : offset + 50])
        return {key: page, "count": len(rows)}

    return answer


async def test_closed_orders_come_from_all_pages(fake: FakeKraken, venue: VenueClient) -> None:
    # Opened long before `since`, closed after: ccxt's own filter would lose it.
    rows = {
        f"O{n}": order_row(status="closed", opentm=1000.5, closetm=1721304001.25, reason=None)
        for n in range(120)
    }
    fake.results["ClosedOrders"] = _pages(rows, "closed")
    reports = await venue.fetch_closed_orders(NOW_NS)
    assert len(reports) == 120
    assert {each.status for each in reports} == {"filled"}
    assert reports[0].updated_ns == 1_721_304_001_250_000_000
    assert [each.params["ofs"] for each in fake.seen("ClosedOrders")] == ["0", "50", "100"]


async def test_fills_come_from_all_pages_oldest_first(fake: FakeKraken, venue: VenueClient) -> None:
    rows = {
        f"T{n}": {
            "ordertxid": "O1",
            "postxid": "P1",
            "pair": "ETHUSDT",
            "time": 1721304100.5 - n,
            "type": "buy",
            "ordertype": "limit",
            "price": "3000.01",
            "cost": "30.00010000",
            "fee": "0.07800026",
            "vol": "0.01000000",
            "margin": "0.00000000",
            "misc": "",
            "trade_id": n,
            "maker": n % 2 == 0,
        }
        for n in range(60)
    }
    fake.results["TradesHistory"] = _pages(rows, "trades")
    fills = await venue.fetch_my_trades(NOW_NS)
    assert [each.exec_id for each in fills] == [f"T{n}" for n in reversed(range(60))]
    assert (fills[-1].price, fills[-1].quantity, fills[-1].liquidity) == (
        "3000.01",
        "0.01000000",
        "maker",
    )
    assert fills[-1].fees[0].amount == "0.07800026"


async def test_unknown_venue_is_named(clock: ManualClock) -> None:
    with pytest.raises(ValueError, match=r"choose one of binance, .*, kraken"):
        open_venue("mtgox", clock)


async def test_rate_limited_client_paces_itself(
    fake: FakeKraken, clock: ManualClock, autojump_clock: trio.testing.MockClock
) -> None:
    client = open_venue(
        "kraken",
        clock,
        endpoints=Endpoints(
            rest=fake.rest, websocket_public=fake.public, websocket_private=fake.private
        ),
        request_timeout_ms=60_000,
    )
    before = trio.current_time()
    async with client:
        for _ in range(3):
            await client.fetch_time_ns()
    assert trio.current_time() - before >= 2.0
