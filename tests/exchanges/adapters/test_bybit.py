"""Our client of Bybit spot, against the box: orders, histories, streams, errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from exchanges.errors import Code, VenueError
from exchanges.factory import trio_class
from exchanges.feed import Feed
from exchanges.types import (
    Balances,
    Book,
    Candle,
    Credentials,
    Endpoints,
    Execution,
    OrderChange,
    OrderTicket,
    PublicTrade,
    Subscribed,
    Ticker,
    Untrusted,
)
from exchanges.venue_client import VenueClient, open_venue
from tests.exchanges.acceptance.venues import bybit_settings
from tests.venue.bybit_client import ALICE, Client, Untyped, config, running

SYMBOL = "ETH/USDT"
DAY_NS = 86_400 * 10**9


@asynccontextmanager
async def client(**changes: Untyped) -> AsyncIterator[tuple[Client, VenueClient]]:
    """Yield the box and our client of it, which knows its instruments."""
    async with running(config(**changes)) as box:
        address = f"127.0.0.1:{box.port}"
        venue = open_venue(
            "bybit",
            box.clock,
            credentials=Credentials(ALICE.api_key, ALICE.api_secret),
            endpoints=Endpoints(
                rest=f"http://{address}",
                websocket_public=f"ws://{address}/v5/public/spot",
                websocket_private=f"ws://{address}/v5/private",
            ),
            rate_limited=False,
        )
        async with venue:
            await venue.load_instruments()
            yield box, venue


def ticket(number: int, **changes: Untyped) -> OrderTicket:
    """Return a small order far below the market."""
    resting = OrderTicket(
        client_order_id=f"00000000-0000-4000-8000-{number:012d}",
        symbol=SYMBOL,
        side="buy",
        type="limit",
        quantity_lots=10_000,
        price_ticks=240_000,
    )
    return replace(resting, **changes)


async def event(feed: Feed[Any], kind: type, box: Client | None = None) -> Untyped:
    """Return the next event of a kind; with a box, time goes on meanwhile."""
    with trio.fail_after(10):
        while True:
            with trio.move_on_after(0.05) as patience:
                found = await feed.receive()
                if isinstance(found, kind):
                    return found
            if box is not None and patience.cancelled_caught:
                # Only once everything was heard: a client that lags behind would be cut.
                box.clock.advance(300_000_000)


async def test_what_the_venue_lists() -> None:
    async with client() as (box, venue):
        # The perpetual beside it is not for us.
        (listed,) = await venue.load_instruments()
        assert (listed.tick_size, listed.lot_size, listed.venue_symbol) == (
            "0.01",
            "0.00001",
            "ETHUSDT",
        )
        assert (listed.min_quantity_lots, listed.min_notional) == (200, "0.5")
        assert await venue.fetch_time_ns() == box.now_ms * 1_000_000
        (fee,) = await venue.fetch_fees([SYMBOL])
        assert (fee.symbol, fee.maker, fee.taker) == (SYMBOL, "0.001", "0.001")


async def test_an_order_from_submit_to_history() -> None:
    async with client() as (box, venue):
        since_ns = box.clock.now_ns() - DAY_NS
        accepted = await venue.submit(ticket(1))
        assert accepted.venue_order_id.startswith("ETHUSDT-1700000000")
        (found,) = await venue.fetch_open_orders(accepted.client_order_id)
        assert (found.venue_order_id, found.status, found.price) == (
            accepted.venue_order_id,
            "open",
            "2400.00",
        )
        await venue.cancel(client_order_id=accepted.client_order_id)
        assert await venue.fetch_open_orders(accepted.client_order_id) == []
        second = await venue.submit(ticket(2, type="market", price_ticks=None))
        third = await venue.submit(ticket(3, post_only=True))
        await venue.cancel(venue_order_id=third.venue_order_id)
        closed = await venue.fetch_closed_orders(since_ns)
        assert [each.status for each in closed] == ["canceled", "filled", "canceled"]
        fills = await venue.fetch_my_trades(since_ns)
        assert {fill.venue_order_id for fill in fills} == {second.venue_order_id}
        assert sum(float(fill.quantity) for fill in fills) == pytest.approx(0.1)
        assert {fee.asset for fill in fills for fee in fill.fees} == {"ETH"}
        deposits = await venue.fetch_transfers(since_ns)
        assert {(each.kind, each.asset, each.amount) for each in deposits} == {
            ("transfer_in", "USDT", "10000"),
            ("transfer_in", "ETH", "5"),
        }
        balances = {each.asset: each for each in (await venue.fetch_balances()).balances}
        assert balances["ETH"].total == "5.0999"
        await venue.submit(ticket(4))
        await venue.submit(ticket(5))
        assert (await venue.cancel_all()).count == 2


async def test_an_order_is_amended_and_one_that_waits_is_cancelled() -> None:
    async with client() as (_, venue):
        accepted = await venue.submit(ticket(1))
        change = OrderChange(
            client_order_id=accepted.client_order_id,
            venue_order_id=accepted.venue_order_id,
            symbol=SYMBOL,
            quantity_lots=20_000,
            price_ticks=241_000,
        )
        await venue.amend(change)
        (found,) = await venue.fetch_open_orders(accepted.client_order_id)
        assert (found.price, found.quantity) == ("2410.00", "0.20000")
        with pytest.raises(VenueError) as refused:
            await venue.amend(change)
        assert refused.value.code is Code.REJECTED
        for number, kind, ticks in ((2, "stop", 200_000), (3, "take_profit", 300_000)):
            sale = ticket(number, side="sell", type="market", price_ticks=None)
            waiting = await venue.submit(replace(sale, trigger=kind, trigger_ticks=ticks))
            (found,) = await venue.fetch_open_orders(waiting.client_order_id)
            assert found.status == "open"
            await venue.cancel(venue_order_id=waiting.venue_order_id)
        assert len(await venue.fetch_open_orders()) == 1


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"quantity_lots": 10_000_000}, Code.INSUFFICIENT_FUNDS, ""),
        ({"quantity_lots": 100}, Code.REJECTED, "minimum"),
        ({"price_ticks": 300_000}, Code.REJECTED, "off_grid"),
        ({"client_order_id": "a b"}, Code.INVALID, ""),
    ],
)
async def test_refusals_in_our_words(changes: dict[str, Any], code: Code, reason: str) -> None:
    async with client() as (_, venue):
        with pytest.raises(VenueError) as refused:
            await venue.submit(ticket(1, **changes))
        assert (refused.value.code, refused.value.reason) == (code, reason)


async def test_what_is_not_there_and_what_comes_twice() -> None:
    async with client() as (_, venue):
        for wanted in ({"client_order_id": "never"}, {"venue_order_id": "ETHUSDT-99"}):
            with pytest.raises(VenueError) as refused:
                await venue.cancel(**wanted)
            assert refused.value.code is Code.NOT_FOUND
        await venue.submit(ticket(1))
        with pytest.raises(VenueError) as refused:
            await venue.submit(ticket(1))
        assert refused.value.reason == "duplicate_client_order_id"


async def test_a_submit_that_comes_too_late_is_refused() -> None:
    async with client() as (box, venue):
        bound_ns = box.clock.now_ns() + 2_000_000_000
        late = {"fault": "delay", "target": "order/create", "duration_ms": 200}
        await box.admin("faults/arm", late)
        async with trio.open_nursery() as nursery:

            async def submit() -> None:
                with pytest.raises(VenueError) as refused:
                    await venue.submit(ticket(1, expires_at_ns=bound_ns))
                assert refused.value.reason == "deadline_elapsed"

            nursery.start_soon(submit)
            await trio.sleep(0.1)
            box.clock.advance(3_000_000_000)
        assert await venue.fetch_open_orders() == []


async def test_a_lost_answer_is_ambiguous_and_so_is_a_venue_that_is_down() -> None:
    async with client() as (box, venue):
        for number, fault in ((1, "lose_ack"), (2, "refuse"), (3, "http_5xx")):
            await box.admin("faults/arm", {"fault": fault, "target": "order/create"})
            with pytest.raises(VenueError) as lost:
                await venue.submit(ticket(number))
            assert lost.value.code is Code.AMBIGUOUS
        assert len(await venue.fetch_open_orders()) == 2


async def test_public_streams() -> None:
    async with client() as (box, venue):
        async with venue.watch_book(SYMBOL) as feed:
            assert isinstance(await event(feed, Subscribed), Subscribed)
            first = await event(feed, Book, box)
            assert (first.snapshot, len(first.bids), len(first.asks)) == (True, 10, 10)
            assert first.bids[0][0] < first.asks[0][0]
            assert (await event(feed, Book, box)).snapshot is False
            # The venue's service begins anew: nothing is lost, the book is whole.
            await box.admin("tokens/revoke", {})
            again = await event(feed, Book, box)
            while not again.snapshot:
                again = await event(feed, Book, box)
        async with venue.watch_trades(SYMBOL) as feed:
            assert (await event(feed, PublicTrade, box)).snapshot is False
        async with venue.watch_candles(SYMBOL) as feed:
            candle = await event(feed, Candle)
            assert (candle.snapshot, candle.interval_s) == (True, 60)
            while candle.snapshot:
                candle = await event(feed, Candle, box)
        async with venue.watch_ticker(SYMBOL) as feed:
            ticker = await event(feed, Ticker, box)
            assert 0 < ticker.bid_ticks < ticker.ask_ticks
            assert ticker.last_ticks > 0


async def test_a_missing_difference_ends_the_trust() -> None:
    async with client() as (box, venue), venue.watch_book(SYMBOL) as feed:
        await event(feed, Book)
        await box.admin("faults/arm", {"fault": "duplicate", "target": "orderbook"})
        await event(feed, Book, box)
        await box.admin("faults/arm", {"fault": "gap", "target": "orderbook"})
        lost = await event(feed, Untrusted, box)
        assert lost.kind == "sequence"
        assert isinstance(await event(feed, Subscribed, box), Subscribed)
        assert (await event(feed, Book, box)).snapshot


async def test_the_account_hears_its_orders_and_balances() -> None:
    async with (
        client() as (box, venue),
        venue.watch_executions() as orders,
        venue.watch_balances() as balances,
    ):
        await event(orders, Subscribed)
        await event(balances, Subscribed)
        accepted = await venue.submit(ticket(1))
        report: Execution = await event(orders, Execution)
        assert (report.kind, report.status) == ("accepted", "open")
        assert report.client_order_id == accepted.client_order_id
        changed: Balances = await event(balances, Balances)
        usdt = {each.asset: each for each in changed.balances}["USDT"]
        assert (usdt.total, usdt.used, usdt.free) == ("10000", "240", "9760")
        await venue.cancel(client_order_id=accepted.client_order_id)
        report = await event(orders, Execution)
        assert (report.kind, report.client_order_id) == ("canceled", accepted.client_order_id)
        bought = await venue.submit(ticket(2, type="market", price_ticks=None))
        while report.kind != "fill" or report.status != "filled":
            report = await event(orders, Execution)
        assert report.venue_order_id == bought.venue_order_id
        assert report.fees[0].asset == "ETH"
        told = await venue.fetch_my_trades(box.clock.now_ns() - DAY_NS)
        assert report.exec_id in {fill.exec_id for fill in told}
        # What was not to take is taken back by the venue, and it says why.
        taker = await venue.submit(ticket(3, post_only=True, price_ticks=259_000))
        while (report.client_order_id, report.status) != (taker.client_order_id, "canceled"):
            report = await event(orders, Execution)
        assert report.reason == "EC_PostOnlyWillTakeLiquidity"
        await box.admin("sockets/drop", {})
        assert (await event(orders, Untrusted)).kind == "disconnected"
        await event(orders, Subscribed)


async def test_a_wrong_key_is_said_to_be_one() -> None:
    async with client() as (box, _):
        stranger = open_venue(
            "bybit",
            box.clock,
            credentials=Credentials("MALLORY", "not-a-secret"),
            endpoints=Endpoints(
                rest=box.url,
                websocket_public=f"ws://127.0.0.1:{box.port}/v5/public/spot",
                websocket_private=f"ws://127.0.0.1:{box.port}/v5/private",
            ),
        )
        async with stranger:
            with pytest.raises(VenueError) as refused:
                await stranger.fetch_balances()
            assert refused.value.code is Code.AUTHENTICATION
            async with stranger.watch_executions() as orders:
                assert (await event(orders, Untrusted)).kind == "disconnected"


@pytest.mark.check
@pytest.mark.parametrize("switch", ["set_sandbox_mode", "enable_demo_trading"])
async def test_ccxts_switches_for_testnet_and_demo_lead_to_a_box_as_well(switch: str) -> None:
    async with running() as box:
        settings = bybit_settings(f"127.0.0.1:{box.port}")
        hosts = dict.fromkeys(("test", "demotrading"), settings["urls"]["api"])
        keys = {"apiKey": ALICE.api_key, "secret": ALICE.api_secret, "enableRateLimit": False}
        exchange = trio_class("bybit")({**settings, **keys, "urls": hosts}, clock=box.clock)
        getattr(exchange, switch)(True)
        if switch == "enable_demo_trading":
            # A demo account's key has no right to ask what it is.
            await box.admin("faults/arm", {"fault": "refuse", "target": "user/query-api"})
        async with exchange:
            assert set(await exchange.load_markets()) == {SYMBOL, f"{SYMBOL}:USDT"}
            for symbol in exchange.symbols:
                placed = await exchange.create_order(symbol, "limit", "buy", "0.1", "2400")
                assert (await exchange.fetch_order(placed["id"], symbol))["status"] == "open"
            book = await exchange.watch_order_book(SYMBOL, 50)
            assert book["bids"][0][0] < book["asks"][0][0]
            assert (await exchange.fetch_balance())["USDT"]["total"] == 10_000
