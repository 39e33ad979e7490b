"""Market data: what is published, what makes it untrusted, what silence leads to."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors.execution.translate import Scales
from actors.feeds.stream import MarketFeed
from exchanges.errors import Code
from exchanges.types import Book, Candle, PublicTrade, Subscribed, Untrusted
from messages.market import BookTop, InstrumentListed, StreamTrust, Trade
from messages.money import Alert, Severity
from tests.actors.port_context import RecordingContext, running
from tests.actors.trading import ALERTS
from tests.actors.venue_client import LISTED, TinyClient

TOP = "/market/kraken-sim/eth-usdt/top"
TRUST = "/market/kraken-sim/eth-usdt/trust"
BOOK = Book(
    symbol="ETH/USDT",
    bids=((200_000, 5), (199_999, 9)),
    asks=((200_010, 7),),
    snapshot=True,
    at_ns=0,
    received_ns=0,
)
TRADE = PublicTrade(
    symbol="ETH/USDT",
    trade_id="t1",
    side="sell",
    price_ticks=200_001,
    quantity_lots=3,
    snapshot=False,
    at_ns=0,
    received_ns=0,
)
SUBSCRIBED = Subscribed(stream="book", received_ns=0)
GAP = Untrusted(stream="book", kind="checksum", detail="differs", received_ns=0)


@asynccontextmanager
async def feeding(
    client: TinyClient, symbols: tuple[str, ...] = ("ETH/USDT",)
) -> AsyncIterator[RecordingContext]:
    scales = Scales({"USDT": 6, "ETH": 8})
    listeners = ("/orders", "/risk")
    port = MarketFeed("kraken-sim", symbols, client.open, scales, listeners, ALERTS)
    async with running(port, "/feed") as context:
        yield context


def trust(context: RecordingContext) -> list[tuple[bool, str]]:
    """Return the changes of trust, leaving out repetitions."""
    found: list[tuple[bool, str]] = []
    for message in context.on(TRUST):
        assert isinstance(message, StreamTrust)
        if not found or found[-1] != (message.trusted, message.reason):
            found.append((message.trusted, message.reason))
    return found


async def test_tops_are_published_when_they_change(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        await client.put("book", BOOK)
        await client.put("book", replace(BOOK, bids=((200_000, 5), (199_998, 1))))
        await client.put("book", replace(BOOK, bids=((200_000, 6),)))
        await trio.sleep(2)
        await client.put("book", replace(BOOK, bids=((200_000, 6),)))
        tops = context.on(TOP)
    assert [top.bid_lots for top in tops if isinstance(top, BookTop)] == [5, 6, 6]
    assert tops[0] == BookTop(
        venue="kraken-sim",
        symbol="ETH/USDT",
        bid_ticks=200_000,
        bid_lots=5,
        ask_ticks=200_010,
        ask_lots=7,
        venue_ns=0,
    )
    assert trust(context) == [(False, "no data yet"), (True, "")]


async def test_instruments_are_told_at_start_and_when_they_change(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        await trio.sleep(2 * 3_600)
        told = [to for to, each in context.sent if isinstance(each, InstrumentListed)]
        assert told == ["/orders", "/risk"]
        client.listed = [replace(LISTED, min_notional="7")]
        await trio.sleep(3_600)
        first, second = context.sent_to("/risk")
    assert isinstance(first, InstrumentListed)
    assert isinstance(second, InstrumentListed)
    assert first.instrument.notional_minor_min == 5_000_000
    assert second.instrument.notional_minor_min == 7_000_000
    assert (first.instrument.maker_fee_ppm, first.instrument.taker_fee_ppm) == (1_600, 2_600)


async def test_a_market_that_takes_no_orders_at_the_start_is_read_once_it_does(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    client.listed = [replace(LISTED, active=False)]
    async with feeding(client) as context:
        await trio.sleep(100)
        assert context.sent_to("/risk") == []
        (alert,) = [each for each in context.sent_to("/alerts") if isinstance(each, Alert)]
        assert "takes no orders for ETH/USDT now" in alert.text
        client.listed = [LISTED]
        await trio.sleep(35)
        assert any(isinstance(each, InstrumentListed) for each in context.sent_to("/risk"))
        await client.put("book", BOOK)
        assert trust(context)[-1] == (True, "")


async def test_a_gap_is_untrusted_until_the_next_book(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        await client.put("book", BOOK)
        await client.put("book", GAP)
        await client.put("book", SUBSCRIBED)
        assert trust(context)[-1] == (False, "checksum: differs")
        await client.put("book", BOOK)
        assert trust(context)[-1] == (True, "")
    assert len(client.feeds["book"]) == 1, "the client resynchronises by itself"


async def test_a_faulty_book_is_not_passed_on_and_is_resubscribed(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        await client.put("book", BOOK)
        await client.put("book", replace(BOOK, bids=((200_020, 5),)))
        assert len(context.on(TOP)) == 1
        assert trust(context)[-1] == (
            False,
            "the book is crossed: bid 200020, ask 200010 ticks",
        )
        await trio.sleep(1)
        assert len(client.feeds["book"]) == 2
        await client.put("book", BOOK)
        assert trust(context)[-1] == (True, "")


async def test_an_empty_side_is_untrusted_without_a_storm(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        await client.put("book", BOOK)
        await client.put("book", replace(BOOK, bids=()))
        assert trust(context)[-1] == (False, "a side of the book is empty")
        await client.put("book", BOOK)
        assert trust(context)[-1] == (True, "")
    assert len(client.feeds["book"]) == 1


async def test_silence_resubscribes_then_reconnects_then_alerts(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        await client.put("book", BOOK)
        await trio.sleep(30.1)
        assert trust(context)[-1] == (False, "no book for 30 s")
        await trio.sleep(1)
        assert (len(client.feeds["book"]), client.opened) == (2, 1)
        await trio.sleep(31)
        assert (len(client.feeds["book"]), client.opened) == (3, 2)
        assert context.sent_to(ALERTS) == []
        await trio.sleep(32)
        (alert,) = context.sent_to(ALERTS)
        assert isinstance(alert, Alert)
        assert "ETH/USDT at kraken-sim is silent" in alert.text
        await trio.sleep(3_600)
        assert len(context.sent_to(ALERTS)) == 1
        assert (client.opened, len(client.feeds["book"]) < 20) == (2, True)
        # The last pause between two subscriptions.
        await trio.sleep(31)
        await client.put("book", BOOK)
        assert trust(context)[-1] == (False, "trades: no trades for 600 s")


async def test_trades_that_stay_away_are_asked_for_again_and_told_of_in_the_end(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    async with feeding(client) as context:

        async def keep_books_coming() -> None:
            while True:
                await client.put("book", BOOK)
                await client.put("candles", SUBSCRIBED)
                await trio.sleep(10)

        context.nursery.start_soon(keep_books_coming)
        await trio.sleep(301)
        assert trust(context)[-1] == (False, "trades: no trades for 300 s")
        assert len(client.feeds["trades"]) == 2
        await client.put("trades", SUBSCRIBED)
        assert trust(context)[-1] == (True, ""), "the venue has answered: nothing is missed"
        await trio.sleep(602)
        (alert,) = context.sent_to(ALERTS)
        assert isinstance(alert, Alert)
        assert alert.severity is Severity.NOTICE
        assert "has had no trades for long" in alert.text
    assert client.opened == 1, "a new connection would only cost the others"


async def test_a_gap_of_trades_is_untrusted_until_the_venue_answers_anew(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        await client.put("book", BOOK)
        await client.put("trades", replace(GAP, stream="trades", kind="sequence"))
        assert trust(context)[-1] == (False, "trades: sequence: differs")
        await client.put("trades", SUBSCRIBED)
        assert trust(context)[-1] == (True, "")


async def test_a_tree_that_was_full_is_no_silence(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        await client.put("book", BOOK)
        context.readable = trio.Event()
        await client.put("book", BOOK)
        await trio.sleep(40)
        assert trust(context)[-1] == (True, ""), "nobody has read: nobody can say"
        context.readable.set()
        await trio.sleep(29)
        assert trust(context)[-1] == (True, "")
        await trio.sleep(2)
        assert trust(context)[-1] == (False, "no book for 30 s")


async def test_a_connection_that_fails_is_made_again_with_backoff(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    client.fails("load_instruments", Code.UNAVAILABLE, times=4)
    async with feeding(client) as context:
        await client.put("book", BOOK)
        assert len(context.on(TOP)) == 1
    assert client.opened == 5


async def test_a_symbol_that_is_not_listed_is_told_once_and_leaves_the_others(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    async with feeding(client, ("ETH/USDT", "NONE/USDT")) as context:
        await trio.sleep(10)
        await client.put("book", BOOK)
        (alert,) = context.sent_to(ALERTS)
        assert len(context.on(TOP)) == 1
    assert isinstance(alert, Alert)
    assert alert.text == (
        "kraken-sim does not list NONE/USDT: correct the symbols in bot.toml; the nearest that it "
        "lists are ETH/USDT"
    )


async def test_trades_are_published_once(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        for each in (SUBSCRIBED, TRADE, TRADE, GAP, replace(TRADE, trade_id="t2")):
            await client.put("trades", each)
        trades = context.on("/market/kraken-sim/eth-usdt/trades")
    assert [each.trade_id for each in trades if isinstance(each, Trade)] == ["t1", "t2"]


async def test_books_and_trades_are_merged_where_that_is_wanted(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    scales = Scales({"USDT": 6, "ETH": 8})
    port = MarketFeed("v", ("ETH/USDT",), client.open, scales, (), ALERTS, merged=True)
    async with running(port, "/feed") as context:
        for stamp, name in ((20, "book"), (10, "trades"), (30, "trades"), (25, "book")):
            event = replace(BOOK, at_ns=stamp) if name == "book" else replace(TRADE, at_ns=stamp)
            if name == "trades":
                event = replace(event, trade_id=str(stamp))
            await client.put(name, event)
        await trio.sleep(1)
        merged = context.on("/market/v/eth-usdt/merged")
        late = replace(TRADE, at_ns=5, trade_id="late")
        await client.put("trades", late)
        await trio.sleep(1)
        assert len(context.on("/market/v/eth-usdt/merged")) == len(merged)
        view = port.standing()
    found = [(type(each), each.venue_ns) for each in merged if isinstance(each, BookTop | Trade)]
    assert found == [(Trade, 10), (BookTop, 20), (Trade, 30)]
    assert view is not None
    assert view.late == 1


async def test_candles_are_published(autojump_clock: MockClock) -> None:
    client = TinyClient()
    candle = Candle(
        symbol="ETH/USDT",
        interval_s=60,
        open_at_ns=0,
        open_ticks=1,
        high_ticks=2,
        low_ticks=1,
        close_ticks=2,
        volume="1",
        trades=1,
        snapshot=False,
        received_ns=0,
    )
    async with feeding(client) as context:
        await client.put("candles", SUBSCRIBED)
        await client.put("candles", candle)
        await client.put("candles", replace(candle, open_at_ns=60_000_000_000))
        assert len(context.on("/market/kraken-sim/eth-usdt/candles")) == 3


async def test_a_clock_that_venues_would_refuse_pages_once_until_it_is_right(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    ahead_ns = 700_000_000
    async with feeding(client) as context:
        client.time_ns = lambda: context.now_ns() - ahead_ns
        await trio.sleep(200)
        (alert,) = clock_alerts(context)
        assert "our clock is 700 ms ahead of kraken-sim's" in alert
        ahead_ns = 0
        await trio.sleep(120)
        ahead_ns = -900_000_000
        await trio.sleep(120)
        assert len(clock_alerts(context)) == 2


def clock_alerts(context: RecordingContext) -> list[str]:
    texts = [each.text for each in context.sent_to(ALERTS) if isinstance(each, Alert)]
    return [text for text in texts if "our clock" in text]


async def test_it_says_how_it_stands(autojump_clock: MockClock) -> None:
    client = TinyClient()
    scales = Scales({"USDT": 6, "ETH": 8})
    port = MarketFeed("kraken-sim", ("ETH/USDT",), client.open, scales, (), ALERTS)
    assert port.standing() is None
    async with running(port, "/feed") as context:
        client.time_ns = context.now_ns
        for _ in range(20):
            now_ns = context.now_ns()
            stamped = replace(BOOK, snapshot=False, at_ns=now_ns - 30_000_000, received_ns=now_ns)
            await client.put("book", stamped)
            await trio.sleep(0.5)
        await client.put("trades", GAP)
        await trio.sleep(2)
        view = port.standing()
    assert view is not None
    assert (view.venue, view.address, view.symbols, view.trusted) == ("kraken-sim", "/feed", 1, 0)
    assert (view.clock_offset_us, view.clock_error_us) == (0, 0)
    assert (view.latency_p50_us, view.latency_p99_us) == (30_000, 30_000)
    book, trades, candles = view.streams
    assert (book.stream, book.trusted, book.events, book.gaps) == ("book", True, 20, 0)
    assert 1.5 < book.per_s < 2.5
    assert (trades.trusted, trades.reason, trades.gaps) == (False, "checksum: differs", 1)
    assert (candles.age_ms, candles.trusted) == (-1, True)


async def test_nothing_is_read_while_the_tree_is_full(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with feeding(client) as context:
        await client.put("book", BOOK)
        context.readable = trio.Event()
        for lots in range(1, 5):
            await client.put("book", replace(BOOK, bids=((200_000, lots),)))
        assert len(context.on(TOP)) <= 2
        context.readable.set()
        await trio.sleep(0.1)
        assert len(context.on(TOP)) == 5
