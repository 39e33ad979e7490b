"""Our client of OKX's pairs, against the box: orders, histories, streams, errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
import trio
from msgspec.structs import replace

from exchanges.errors import Code, VenueError
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
from tests.venue.okx_client import ALICE, Client, config, running

SYMBOL = "ETH/USDT"
# What a test passes on, or hears.
Untyped: TypeAlias = Any


@asynccontextmanager
async def client(**changes: Untyped) -> AsyncIterator[tuple[Client, VenueClient]]:
    """Yield the box and our client of it, which knows its instruments."""
    async with running(config(**changes)) as box:
        address = f"127.0.0.1:{box.port}"
        venue = open_venue(
            "okx",
            box.clock,
            credentials=Credentials(ALICE.api_key, ALICE.api_secret, ALICE.passphrase),
            endpoints=Endpoints(
                rest=f"http://{address}",
                websocket_public=f"ws://{address}/ws/v5/public",
                websocket_private=f"ws://{address}/ws/v5/private",
            ),
            rate_limited=False,
        )
        venue.trades_only((SYMBOL,))
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
        listed = venue.instrument(SYMBOL)
        assert (listed.tick_size, listed.lot_size, listed.venue_symbol) == (
            "0.01",
            "0.00001",
            "ETH-USDT",
        )
        assert listed.min_quantity_lots == 200
        assert await venue.fetch_time_ns() == box.now_ms * 1_000_000
        (fee,) = await venue.fetch_fees([SYMBOL])
        assert (fee.maker, fee.taker) == ("0.0008", "0.001")


async def test_an_order_from_submit_to_history() -> None:
    async with client() as (_, venue):
        accepted = await venue.submit(ticket(1))
        assert accepted.venue_order_id.startswith("ETH-USDT-")
        (found,) = await venue.fetch_open_orders(accepted.client_order_id)
        assert (found.venue_order_id, found.client_order_id, found.status, found.price) == (
            accepted.venue_order_id,
            ticket(1).client_order_id,
            "open",
            "2400",
        )
        change = OrderChange(
            client_order_id=accepted.client_order_id,
            venue_order_id=accepted.venue_order_id,
            symbol=SYMBOL,
            quantity_lots=20_000,
            price_ticks=241_000,
        )
        await venue.amend(change)
        (found,) = await venue.fetch_open_orders(None)
        assert (found.venue_order_id, found.quantity, found.price) == (
            accepted.venue_order_id,
            "0.2",
            "2410",
        )
        await venue.cancel(client_order_id=accepted.client_order_id)
        second = await venue.submit(ticket(2, type="market", price_ticks=None))
        third = await venue.submit(ticket(3, post_only=True))
        await venue.cancel(venue_order_id=third.venue_order_id)
        closed = await venue.fetch_closed_orders(0)
        assert {each.client_order_id: each.status for each in closed} == {
            ticket(1).client_order_id: "canceled",
            ticket(2).client_order_id: "filled",
            ticket(3).client_order_id: "canceled",
        }
        fills = await venue.fetch_my_trades(0)
        assert {fill.venue_order_id for fill in fills} == {second.venue_order_id}
        assert {fill.client_order_id for fill in fills} == {ticket(2).client_order_id}
        assert sum(float(fill.quantity) for fill in fills) == pytest.approx(0.1)
        assert {fee.asset for fill in fills for fee in fill.fees} == {"ETH"}
        (deposit, *_) = await venue.fetch_transfers(0)
        assert (deposit.kind, float(deposit.amount) > 0) == ("deposit", True)
        balances = {each.asset: each for each in (await venue.fetch_balances()).balances}
        assert (balances["ETH"].total, balances["ETH"].used) == ("5.0999", "0")
        await venue.submit(ticket(4))
        await venue.submit(ticket(5))
        assert (await venue.cancel_all()).count == 2


@pytest.mark.check
async def test_histories_of_many_pages() -> None:
    async with client() as (box, venue):
        for number in range(103):
            await box.limit("buy", "2400", "0.002", clOrdId=f"a{number}")
        assert len(await venue.fetch_open_orders(None)) == 103
        assert (await venue.cancel_all()).count == 103
        assert len(await venue.fetch_closed_orders(0)) == 103
        since_ns = box.clock.now_ns() + 1_000_000
        assert await venue.fetch_closed_orders(since_ns) == []


@pytest.mark.check
@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"quantity_lots": 10_000_000}, Code.INSUFFICIENT_FUNDS, ""),
        ({"quantity_lots": 100}, Code.REJECTED, "minimum"),
        ({"client_order_id": "a b"}, Code.INVALID, ""),
        ({"expires_at_ns": 1}, Code.INVALID, ""),
    ],
)
async def test_refusals_in_our_words(changes: dict[str, Any], code: Code, reason: str) -> None:
    async with client() as (_, venue):
        with pytest.raises(VenueError) as refused:
            await venue.submit(ticket(1, **changes))
        assert (refused.value.code, refused.value.reason) == (code, reason)


async def test_what_is_not_there_and_what_comes_twice() -> None:
    async with client() as (_, venue):
        for named in ({"client_order_id": "never"}, {"venue_order_id": "ETH-USDT-99"}):
            with pytest.raises(VenueError) as refused:
                await venue.cancel(**named)
            assert refused.value.code is Code.NOT_FOUND
        await venue.submit(ticket(1))
        with pytest.raises(VenueError) as refused:
            await venue.submit(ticket(1))
        assert refused.value.reason == "duplicate_client_order_id"


@pytest.mark.check
async def test_a_submit_that_comes_late_is_not_looked_at() -> None:
    async with client() as (box, venue):
        late = {"fault": "delay", "target": "trade/order", "duration_ms": 300}
        await box.admin("faults/arm", late)
        async with trio.open_nursery() as nursery:

            async def hold() -> None:
                await trio.sleep(0.1)
                box.clock.advance(10_000_000_000)

            nursery.start_soon(hold)
            bound_ns = box.clock.now_ns() + 5_000_000_000
            with pytest.raises(VenueError) as refused:
                await venue.submit(ticket(1, expires_at_ns=bound_ns))
        assert (refused.value.code, refused.value.reason) == (Code.REJECTED, "deadline_elapsed")
        assert await venue.fetch_open_orders(None) == []


@pytest.mark.check
@pytest.mark.parametrize("fault", ["lose_ack", "http_5xx", "garbage", "truncate"])
async def test_an_answer_that_is_lost_leaves_the_outcome_open(fault: str) -> None:
    async with client() as (box, venue):
        await box.admin("faults/arm", {"fault": fault, "target": "trade/order"})
        with pytest.raises(VenueError) as refused:
            await venue.submit(ticket(1))
        assert refused.value.outcome_unknown
        (found,) = await venue.fetch_open_orders(ticket(1).client_order_id)
        assert found.status == "open"


@pytest.mark.check
async def test_a_wrong_key_is_said_to_be() -> None:
    async with client() as (box, venue):
        other = open_venue(
            "okx",
            box.clock,
            credentials=Credentials(ALICE.api_key, ALICE.api_secret, "wrong"),
            endpoints=Endpoints(
                rest=box.url, websocket_public="ws://127.0.0.1:1", websocket_private="ws://x"
            ),
            rate_limited=False,
        )
        async with other:
            await other.load_instruments()
            with pytest.raises(VenueError) as refused:
                await other.fetch_balances()
        assert refused.value.code is Code.AUTHENTICATION
        assert await venue.fetch_balances()


async def test_streams_of_the_market() -> None:
    async with client() as (box, venue):
        book = venue.watch_book(SYMBOL, 10)
        trades = venue.watch_trades(SYMBOL)
        ticker = venue.watch_ticker(SYMBOL)
        candles = venue.watch_candles(SYMBOL, 60)
        first = await event(book, Book)
        assert (first.snapshot, len(first.bids)) == (True, 10)
        later = await event(book, Book, box)
        assert (later.snapshot, later.at_ns > first.at_ns) == (False, True)
        assert (await event(trades, PublicTrade)).snapshot
        assert (await event(ticker, Ticker, box)).last_ticks > 0
        assert (await event(candles, Candle)).interval_s == 60


async def test_a_gap_in_the_book_begins_it_anew() -> None:
    async with client() as (box, venue):
        book = venue.watch_book(SYMBOL, 10)
        await event(book, Book)
        await box.admin("faults/arm", {"fault": "gap", "target": "books"})
        lost = await event(book, Untrusted, box)
        assert lost.kind == "sequence"
        await event(book, Subscribed, box)
        assert (await event(book, Book, box)).snapshot


async def test_the_account_is_told_at_once() -> None:
    async with client() as (_, venue):
        executions, balances = venue.watch_executions(), venue.watch_balances()
        await event(executions, Subscribed)
        whole = await event(balances, Balances)
        assert (whole.snapshot, {each.asset for each in whole.balances}) == (True, {"USDT", "ETH"})
        accepted = await venue.submit(ticket(1))
        told = await event(executions, Execution)
        assert (told.kind, told.status, told.venue_order_id, told.client_order_id) == (
            "accepted",
            "open",
            accepted.venue_order_id,
            ticket(1).client_order_id,
        )
        changed = await event(balances, Balances)
        assert [(each.asset, each.used) for each in changed.balances] == [("USDT", "240")]
        await venue.cancel(client_order_id=accepted.client_order_id)
        assert (await event(executions, Execution)).kind == "canceled"
        await venue.submit(ticket(2, type="market", price_ticks=None))
        told = await event(executions, Execution)
        while told.status != "filled":
            told = await event(executions, Execution)
        assert (told.kind, told.fees[0].asset, told.liquidity) == ("fill", "ETH", "taker")
        assert told.exec_id in {fill.exec_id for fill in await venue.fetch_my_trades(0)}
