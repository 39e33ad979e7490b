import json
import logging

import msgspec
import pytest
import trio
import trio.testing

from exchanges.feed import EVENTS_WAITING_MAX, FeedClosedError
from exchanges.json_text import Json
from exchanges.types import (
    Balances,
    Book,
    Candle,
    Execution,
    PublicTrade,
    Subscribed,
    Ticker,
    Untrusted,
)
from exchanges.venue_client import VenueClient
from supervisor.clock import ManualClock
from tests.exchanges.conftest import client_of
from tests.exchanges.fake_kraken import ASKS, BIDS, TIME, FakeKraken

TIME_NS = 1_721_304_000_123_456_000
SYMBOL = "ETH/USDT"


async def next_of(feed: Json, kind: type) -> Json:
    with trio.fail_after(5):
        while True:
            event = await feed.receive()
            if isinstance(event, kind):
                return event


async def subscribed(feed: Json) -> None:
    event = await feed.receive()
    assert isinstance(event, Subscribed), event


def update(fake: FakeKraken, quantity: str) -> str:
    """Write a book frame that changes the best bid."""
    bids = [(BIDS[0][0], quantity), *BIDS[1:]]
    return fake.book_frame(SYMBOL, "update", bids[:1], [], (bids, ASKS))


async def test_book_in_ticks_and_lots(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_book(SYMBOL, 5) as feed:
        await subscribed(feed)
        book = await feed.receive()
        assert isinstance(book, Book)
        assert book.snapshot
        assert book.bids[:2] == ((299_999, 150_000_000), (299_998, 250_000_000))
        assert book.asks[0] == (300_001, 225_000_000)
        assert len(book.bids) == len(book.asks) == 5
        assert book.at_ns == TIME_NS
        await fake.push("book", update(fake, "9.00000000"), SYMBOL)
        book = await feed.receive()
        assert isinstance(book, Book)
        assert not book.snapshot
        assert book.bids[0] == (299_999, 900_000_000)


async def test_removed_level_and_depth(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_book(SYMBOL) as feed:
        await next_of(feed, Book)
        bids = [*BIDS[1:], ("2999.80", "1.00000000")]
        frame = fake.book_frame(
            SYMBOL, "update", [(BIDS[0][0], "0.00000000"), bids[-1]], [], (bids, ASKS)
        )
        await fake.push("book", frame, SYMBOL)
        book = await next_of(feed, Book)
        assert [price for price, _ in book.bids] == [*range(299_998, 299_989, -1), 299_980]


async def test_slow_reader_gets_the_newest_book_only(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_book(SYMBOL) as feed, venue.watch_trades("BTC/USD") as marker:
        await subscribed(marker)
        for quantity in ("3.00000000", "4.00000000", "5.00000000"):
            await fake.push("book", update(fake, quantity), SYMBOL)
        await fake.push("trade", trade_frame("BTC/USD"), "BTC/USD")
        await next_of(marker, PublicTrade)
        await subscribed(feed)
        book = await feed.receive()
        assert isinstance(book, Book)
        assert book.bids[0][1] == 500_000_000
        assert book.snapshot, "the mark of the snapshot survives"
        with pytest.raises(trio.WouldBlock):
            feed.receive_nowait()


@pytest.mark.parametrize("kind", ["checksum", "crossed"])
async def test_wrong_book_is_distrusted_and_resynchronised(
    fake: FakeKraken, venue: VenueClient, kind: str
) -> None:
    async with venue.watch_book(SYMBOL) as feed, venue.watch_trades(SYMBOL) as other:
        await next_of(feed, Book)
        await subscribed(other)
        if kind == "checksum":
            fake.book_checksum_error = 1
            frame = update(fake, "9.00000000")
            fake.book_checksum_error = 0
        else:
            asks = [("2999.99", "1.00000000"), *ASKS[:9]]
            frame = fake.book_frame(SYMBOL, "update", [], asks[:1], (BIDS, asks))
        await fake.push("book", frame, SYMBOL)
        distrust = await next_of(feed, Untrusted)
        assert distrust.kind == kind
        # A late frame of the old subscription must not be taken for the new book.
        await next_of(feed, Subscribed)
        book = await feed.receive()
        assert isinstance(book, Book)
        assert book.snapshot
        assert book.bids[0] == (299_999, 150_000_000)
        with pytest.raises(trio.WouldBlock):
            other.receive_nowait()
    methods = [each["method"] for each in fake.sockets[0].received]
    assert methods[:4] == ["subscribe", "subscribe", "unsubscribe", "subscribe"]


def trade_frame(symbol: str = SYMBOL, **changes: Json) -> dict[str, Json]:
    row = {
        "symbol": symbol,
        "side": "sell",
        "price": 3000.5,
        "qty": 0.25,
        "ord_type": "market",
        "trade_id": 4665906,
        "timestamp": TIME,
        **changes,
    }
    return {"channel": "trade", "type": "update", "data": [row]}


async def test_trades(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_trades(SYMBOL) as feed:
        await subscribed(feed)
        await fake.push("trade", trade_frame(), SYMBOL)
        trade = await feed.receive()
        assert trade == PublicTrade(
            symbol=SYMBOL,
            trade_id="4665906",
            side="sell",
            price_ticks=300_050,
            quantity_lots=25_000_000,
            snapshot=False,
            at_ns=TIME_NS,
            received_ns=trade.received_ns,
        )


async def test_ticker_and_candles(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_ticker(SYMBOL) as tickers, venue.watch_candles(SYMBOL, 300) as candles:
        ticker = {
            "symbol": SYMBOL,
            "bid": 2999.99,
            "bid_qty": 1.5,
            "ask": 3000.01,
            "ask_qty": 2,
            "last": 3000,
            "volume": 10.25,
            "vwap": 3000.1,
            "low": 1,
            "high": 2,
            "change": -1.5,
            "change_pct": -0.1,
        }
        await fake.push(
            "ticker", {"channel": "ticker", "type": "snapshot", "data": [ticker]}, SYMBOL
        )
        candle = {
            "symbol": SYMBOL,
            "open": 3000,
            "high": 3001.5,
            "low": 2999.01,
            "close": 3000.5,
            "trades": 12,
            "volume": 1.50000001,
            "vwap": 3000.1,
            "interval": 5,
            "interval_begin": "2024-07-18T12:00:00.000000000Z",
            "timestamp": "2024-07-18T12:05:00.000000Z",
        }
        await fake.push("ohlc", {"channel": "ohlc", "type": "snapshot", "data": [candle]}, SYMBOL)
        got = await next_of(tickers, Ticker)
        assert (got.bid_ticks, got.ask_lots, got.last_ticks) == (299_999, 200_000_000, 300_000)
        bar = await next_of(candles, Candle)
        assert (bar.interval_s, bar.open_ticks, bar.low_ticks) == (300, 300_000, 299_901)
        assert bar.volume == "1.50000001"
        assert bar.open_at_ns == 1_721_304_000 * 10**9


def execution_frame(sequence: int, *rows: dict[str, Json], kind: str = "update") -> str:
    data = json.dumps({"channel": "executions", "type": kind, "data": rows, "sequence": sequence})
    # Written as Kraken does, with zeros that a float would lose.
    return data.replace('"@', "").replace('@"', "")


def fill_row(exec_id: str = "T1", **changes: Json) -> dict[str, Json]:
    return {
        "order_id": "O1",
        "cl_ord_id": "ours",
        "exec_id": exec_id,
        "exec_type": "trade",
        "trade_id": 1,
        "symbol": SYMBOL,
        "side": "buy",
        "last_qty": "@0.01000000@",
        "last_price": "@2999.90@",
        "cum_qty": "@0.01000000@",
        "avg_price": "@2999.90@",
        "order_qty": "@0.02000000@",
        "liquidity_ind": "m",
        "order_status": "partially_filled",
        "order_type": "limit",
        "timestamp": TIME,
        "fees": [
            {"asset": "USDT", "qty": "@0.04799840@"},
            {"asset": "ETH", "qty": "@-0.00000010@"},
        ],
        **changes,
    }


async def test_fill_loses_no_digit_and_no_field(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_executions() as feed:
        await subscribed(feed)
        await fake.push("executions", execution_frame(1, fill_row(), kind="snapshot"))
        fill = await feed.receive()
        assert isinstance(fill, Execution)
        assert (fill.kind, fill.status, fill.snapshot) == ("fill", "partially_filled", True)
        assert (fill.client_order_id, fill.exec_id) == ("ours", "T1")
        assert (fill.last_price, fill.last_quantity) == ("2999.90", "0.01000000")
        assert [(fee.asset, fee.amount) for fee in fill.fees] == [
            ("USDT", "0.04799840"),
            ("ETH", "-0.00000010"),
        ]
        assert fill.liquidity == "maker"
        assert fill.at_ns == TIME_NS


async def test_report_without_names_is_completed_from_earlier_ones(
    fake: FakeKraken, venue: VenueClient
) -> None:
    async with venue.watch_executions() as feed:
        await subscribed(feed)
        canceled = {
            "order_id": "O1",
            "exec_type": "canceled",
            "order_status": "canceled",
            "cum_qty": 0,
            "reason": "User requested",
            "timestamp": TIME,
        }
        await fake.push("executions", execution_frame(1, fill_row(), canceled))
        await feed.receive()
        end = await feed.receive()
        assert isinstance(end, Execution)
        assert (end.symbol, end.side, end.client_order_id) == (SYMBOL, "buy", "ours")
        assert (end.kind, end.status, end.reason) == ("canceled", "canceled", "User requested")


async def test_repeated_frame_is_dropped_and_a_gap_is_distrusted(
    fake: FakeKraken, venue: VenueClient
) -> None:
    async with venue.watch_executions() as feed:
        await subscribed(feed)
        for sequence, exec_id in ((1, "T1"), (1, "T1"), (2, "T2"), (4, "T4")):
            await fake.push("executions", execution_frame(sequence, fill_row(exec_id)))
        seen = [await feed.receive() for _ in range(3)]
        assert [each.exec_id for each in seen if isinstance(each, Execution)] == ["T1", "T2"]
        assert isinstance(seen[2], Untrusted)
        assert seen[2].kind == "sequence"
        await next_of(feed, Subscribed)
        await fake.push("executions", execution_frame(1, fill_row("T4"), kind="snapshot"))
        assert (await next_of(feed, Execution)).exec_id == "T4"


async def test_balances(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_balances() as feed:
        await subscribed(feed)
        text = (
            '{"channel":"balances","type":"snapshot","sequence":1,'
            '"data":[{"asset":"USDT","asset_class":"currency","balance":1000.10000000}]}'
        )
        await fake.push("balances", text)
        balances = await feed.receive()
        assert isinstance(balances, Balances)
        assert balances.balances[0].total == "1000.10000000"


async def test_cut_connection_is_distrusted_and_restored(
    fake: FakeKraken, venue: VenueClient
) -> None:
    async with venue.watch_executions() as private, venue.watch_trades(SYMBOL) as public:
        await subscribed(private)
        await subscribed(public)
        await fake.abort_sockets()
        for feed in (private, public):
            assert (await next_of(feed, Untrusted)).kind == "disconnected"
            await next_of(feed, Subscribed)
        await fake.push("executions", execution_frame(7, fill_row()))
        assert await next_of(private, Execution)
        assert venue.statistics().resubscriptions == 2
    assert fake.dials == 4
    assert len(fake.tokens) == 2, "a new connection gets a new token"


async def test_refused_dial_waits_as_the_venue_asks(
    fake: FakeKraken, clock: ManualClock, autojump_clock: trio.testing.MockClock
) -> None:
    fake.refuse_dials = [(503, {"Retry-After": "3"})]
    async with client_of(fake, clock, request_timeout_ms=60_000) as venue:
        await venue.load_instruments()
        async with venue.watch_trades(SYMBOL) as feed:
            assert isinstance(await feed.receive(), Untrusted)
            before = trio.current_time()
            await next_of_slowly(feed, Subscribed)
            assert trio.current_time() - before >= 2.9


async def next_of_slowly(feed: Json, kind: type) -> Json:
    while not isinstance(event := await feed.receive(), kind):
        assert isinstance(event, Untrusted)
    return event


async def test_refused_subscription_is_tried_again_with_a_new_token(
    fake: FakeKraken, venue: VenueClient
) -> None:
    fake.refusals["executions"] = ["ESession:Invalid session"]
    async with venue.watch_executions() as feed:
        refused = await next_of(feed, Untrusted)
        assert (refused.kind, refused.detail) == ("refused", "ESession:Invalid session")
        await next_of(feed, Subscribed)
    assert len(fake.tokens) == 2


@pytest.mark.parametrize(
    ("frame", "kind"),
    [
        ('{"channel":"trade","type":"update","data":[{"symbol":"ETH/USDT"}]}', "trade"),
        ('{"channel":"trade","type":"update"}', "trade"),
        ('{"channel":"trade","type":"update","data":7}', "trade"),
        (json.dumps(trade_frame(price=3000.123)), "trade"),
        (json.dumps(trade_frame(price="NaN")), "trade"),
        (json.dumps(trade_frame(side="both")), "trade"),
        (json.dumps(trade_frame(timestamp="yesterday")), "trade"),
        ('{"channel":', "not_json"),
        ("[1,2]", "not_an_object"),
        ("hello", "not_an_object"),
        ('{"channel":["trade"]}', "unreadable"),
    ],
)
async def test_malformed_frame_is_counted_logged_once_and_resynchronised(
    fake: FakeKraken,
    venue: VenueClient,
    caplog: pytest.LogCaptureFixture,
    frame: str,
    kind: str,
) -> None:
    caplog.set_level(logging.WARNING, logger="exchanges")
    async with venue.watch_trades(SYMBOL) as feed:
        await subscribed(feed)
        for _ in range(2):
            await fake.push("trade", frame, SYMBOL)
            distrust = await next_of(feed, Untrusted)
            assert distrust.kind == "malformed"
            await next_of(feed, Subscribed)
        await fake.push("trade", trade_frame(), SYMBOL)
        assert await next_of(feed, PublicTrade)
    assert venue.statistics().malformed == {kind: 2}
    assert len([each for each in caplog.records if "malformed" in each.message]) == 1


async def test_frames_of_other_kinds_are_left_to_ccxt(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_trades(SYMBOL) as feed:
        await subscribed(feed)
        for frame in (
            {"channel": "heartbeat"},
            {"channel": "status", "data": [{}]},
            {"method": "pong", "req_id": 5},
            {"channel": "instrument", "data": {}},
        ):
            await fake.push("trade", frame, SYMBOL)
        await fake.push("trade", trade_frame(), SYMBOL)
        assert isinstance(await feed.receive(), PublicTrade)
    assert venue.statistics().malformed == {}


async def test_reader_that_falls_too_far_behind_learns_it(
    fake: FakeKraken, venue: VenueClient
) -> None:
    async with venue.watch_trades(SYMBOL) as feed:
        await subscribed(feed)
        row = trade_frame()["data"][0]
        frame = {"channel": "trade", "type": "update", "data": [row] * EVENTS_WAITING_MAX}
        await fake.push("trade", frame, SYMBOL)
        await fake.push("trade", trade_frame(), SYMBOL)
        with trio.fail_after(5):
            while venue.statistics().dropped == 0:
                await trio.testing.wait_all_tasks_blocked(0.01)
        distrust = await feed.receive()
        assert isinstance(distrust, Untrusted)
        assert distrust.kind == "overflow"


async def test_closing_a_feed_leaves_the_others_alone(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_trades(SYMBOL) as feed:
        await subscribed(feed)
        async with venue.watch_trades("BTC/USD") as other:
            await subscribed(other)
        with pytest.raises(FeedClosedError):
            await other.receive()
        await fake.until(lambda: fake.sockets[0].received[-1]["method"] == "unsubscribe")
        await fake.push("trade", trade_frame(), SYMBOL)
        assert isinstance(await feed.receive(), PublicTrade)
        async with venue.watch_trades("BTC/USD") as again:
            await subscribed(again)


async def test_cancelled_reader_loses_nothing(fake: FakeKraken, venue: VenueClient) -> None:
    async with venue.watch_trades(SYMBOL) as feed:
        await subscribed(feed)
        with trio.move_on_after(0.01):
            await feed.receive()
        await fake.push("trade", trade_frame(), SYMBOL)
        assert isinstance(await feed.receive(), PublicTrade)


async def test_one_feed_per_topic(venue: VenueClient) -> None:
    async with venue.watch_book(SYMBOL, 10):
        with pytest.raises(ValueError, match="already watched"):
            venue.watch_book(SYMBOL, 25)


async def test_capture_is_redacted_on_private_connections(
    fake: FakeKraken, clock: ManualClock
) -> None:
    seen: list[tuple[str, str, str]] = []
    async with client_of(fake, clock, on_frame=lambda *frame: seen.append(frame)) as venue:
        await venue.load_instruments()
        async with venue.watch_executions() as private, venue.watch_trades(SYMBOL) as public:
            await subscribed(private)
            await subscribed(public)
            await fake.push("executions", execution_frame(1, fill_row()))
            await private.receive()
    labels = {(direction, label) for direction, label, _ in seen}
    # Answers to requests are seen only where no key is.
    assert labels == {
        ("open", "kraken"),
        ("in", "kraken/public"),
        ("out", "kraken/public"),
        ("in", "kraken/private"),
        ("out", "kraken/private"),
    }
    private_texts = [text for _, label, text in seen if label == "kraken/private"]
    assert all(set(msgspec.json.decode(text)) == {"redacted_characters"} for text in private_texts)
    assert any(SYMBOL in text for _, label, text in seen if label == "kraken/public")


async def test_nothing_outlives_the_client(fake: FakeKraken, clock: ManualClock) -> None:
    await trio.testing.wait_all_tasks_blocked()
    before = trio.lowlevel.current_statistics().tasks_living
    async with client_of(fake, clock) as venue:
        await venue.load_instruments()
        feeds: list[Json] = [
            venue.watch_book(SYMBOL),
            venue.watch_executions(),
            venue.watch_balances(),
        ]
        for feed in feeds:
            await next_of(feed, Subscribed)
    for feed in feeds:
        # What waits can still be read; then the feed ends instead of hanging.
        _ = [event async for event in feed]
    await fake.close_idle_connections()
    await fake.until(lambda: not fake.sockets)
    with trio.fail_after(2):
        while trio.lowlevel.current_statistics().tasks_living > before:
            await trio.testing.wait_all_tasks_blocked(0.01)
