"""Our client of KuCoin spot, against the box: orders, histories, streams, errors."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import trio

from exchanges.errors import Code, VenueError
from exchanges.types import (
    Balances,
    Book,
    Candle,
    Credentials,
    Endpoints,
    Execution,
    PublicTrade,
    Subscribed,
    Ticker,
    Untrusted,
)
from exchanges.venue_client import VenueClient, open_venue
from tests.exchanges.adapters.listening import Untyped, event, ticket
from tests.venue.kucoin_client import ALICE, Client, config, running

SYMBOL = "ETH/USDT"


@asynccontextmanager
async def client(**changes: Untyped) -> AsyncIterator[tuple[Client, VenueClient]]:
    """Yield the box and our client of it, which knows its instruments."""
    async with running(config(**changes)) as box:
        venue = open_venue(
            "kucoin",
            box.clock,
            credentials=Credentials(ALICE.api_key, ALICE.api_secret, ALICE.passphrase),
            endpoints=Endpoints(rest=box.url, websocket_public="", websocket_private=""),
            rate_limited=False,
        )
        venue.trades_only((SYMBOL,))
        async with venue:
            await venue.load_instruments()
            yield box, venue


@pytest.mark.check
async def test_what_the_venue_lists() -> None:
    async with client() as (box, venue):
        listed = venue.instrument(SYMBOL)
        assert (listed.tick_size, listed.lot_size, listed.venue_symbol) == (
            "0.01",
            "0.00001",
            "ETH-USDT",
        )
        assert (listed.min_quantity_lots, listed.min_notional) == (200, "0.5")
        assert (listed.maker_fee, listed.taker_fee) == ("0.001", "0.001")
        assert await venue.fetch_time_ns() == box.now_ms * 1_000_000
        (fee,) = await venue.fetch_fees([SYMBOL])
        assert (fee.symbol, fee.maker, fee.taker) == (SYMBOL, "0.001", "0.001")


async def test_an_order_from_submit_to_history() -> None:
    async with client() as (_, venue):
        accepted = await venue.submit(ticket(1))
        assert accepted.venue_order_id.startswith("ETH-USDT-6")
        (found,) = await venue.fetch_open_orders(accepted.client_order_id)
        assert (found.venue_order_id, found.status, found.price) == (
            accepted.venue_order_id,
            "open",
            "2400.00",
        )
        await venue.cancel(client_order_id=accepted.client_order_id)
        second = await venue.submit(ticket(2, type="market", price_ticks=None))
        third = await venue.submit(ticket(3, post_only=True))
        assert len(await venue.fetch_open_orders()) == 1
        await venue.cancel(venue_order_id=third.venue_order_id)
        closed = await venue.fetch_closed_orders(0)
        assert {each.venue_order_id: each.status for each in closed} == {
            accepted.venue_order_id: "canceled",
            second.venue_order_id: "filled",
            third.venue_order_id: "canceled",
        }
        (named,) = await venue.fetch_closed_orders(0, second.client_order_id)
        assert (named.filled, named.type) == ("0.10000", "market")
        fills = await venue.fetch_my_trades(0)
        assert {fill.venue_order_id for fill in fills} == {second.venue_order_id}
        assert sum(float(fill.quantity) for fill in fills) == pytest.approx(0.1)
        assert {fee.asset for fill in fills for fee in fill.fees} == {"USDT"}
        transfers = {each.asset: each.amount for each in await venue.fetch_transfers(0)}
        assert transfers == {"USDT": "10000", "ETH": "5"}
        balances = {each.asset: each for each in (await venue.fetch_balances()).balances}
        assert balances["ETH"].total == "5.10000000"
        await venue.submit(ticket(4))
        await venue.submit(ticket(5))
        assert (await venue.cancel_all()).count == 2


@pytest.mark.check
async def test_histories_are_read_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchanges.adapters.kucoin.PAGE_ROWS", 2)
    async with client() as (box, venue):
        for number in range(5):
            box.clock.advance(10**9)
            await venue.submit(ticket(number, time_in_force="IOC"))
        closed = await venue.fetch_closed_orders(0)
        assert len({each.venue_order_id for each in closed}) == 5
        since_ns = closed[1].created_ns
        assert len(await venue.fetch_closed_orders(since_ns)) == 2
        assert len(await venue.fetch_transfers(0)) == 2


@pytest.mark.check
@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"quantity_lots": 10_000_000}, Code.INSUFFICIENT_FUNDS, ""),
        ({"quantity_lots": 100}, Code.REJECTED, "minimum"),
        ({"client_order_id": "a b"}, Code.INVALID, ""),
        ({"trigger": "stop", "trigger_ticks": 1}, Code.INVALID, ""),
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
        assert await venue.fetch_open_orders("never") == []
        await venue.submit(ticket(1))
        with pytest.raises(VenueError) as refused:
            await venue.submit(ticket(1))
        assert refused.value.reason == "duplicate_client_order_id"


@pytest.mark.check
async def test_a_submit_that_comes_too_late_is_refused() -> None:
    async with client() as (box, venue):
        bound_ns = box.clock.now_ns() + 2_000_000_000
        delay = {"fault": "delay", "target": "hf/orders", "duration_ms": 200}
        await box.admin("faults/arm", delay)
        async with trio.open_nursery() as nursery:

            async def late() -> None:
                with pytest.raises(VenueError) as refused:
                    await venue.submit(ticket(1, expires_at_ns=bound_ns))
                assert refused.value.reason == "deadline_elapsed"

            nursery.start_soon(late)
            await trio.sleep(0.1)
            box.clock.advance(3_000_000_000)
        assert await venue.fetch_open_orders() == []


@pytest.mark.check
async def test_a_clock_that_is_wrong_and_an_answer_that_is_lost() -> None:
    async with client() as (box, venue):
        await box.admin("faults/arm", {"fault": "lose_ack", "target": "hf/orders"})
        with pytest.raises(VenueError) as lost:
            await venue.submit(ticket(1))
        assert lost.value.code is Code.AMBIGUOUS
        assert len(await venue.fetch_open_orders()) == 1
        delay = {"fault": "delay", "target": "hf/orders", "duration_ms": 200}
        await box.admin("faults/arm", delay)
        async with trio.open_nursery() as nursery:

            async def stale() -> None:
                with pytest.raises(VenueError) as refused:
                    await venue.submit(ticket(2))
                assert refused.value.code is Code.UNAVAILABLE

            nursery.start_soon(stale)
            await trio.sleep(0.1)
            box.clock.advance(6_000_000_000)


@pytest.mark.check
async def test_public_streams() -> None:
    async with client() as (box, venue):
        async with venue.watch_book(SYMBOL) as feed:
            assert isinstance(await event(feed, Subscribed), Subscribed)
            first = await event(feed, Book, box)
            assert (first.snapshot, len(first.bids), len(first.asks)) == (True, 10, 10)
            assert first.bids[0][0] < first.asks[0][0]
            assert (await event(feed, Book, box)).snapshot is False
        async with venue.watch_trades(SYMBOL) as feed:
            past = await event(feed, PublicTrade)
            assert past.snapshot
            trade = past
            while trade.snapshot:
                trade = await event(feed, PublicTrade, box)
            assert int(trade.trade_id) > int(past.trade_id)
        async with venue.watch_candles(SYMBOL) as feed:
            candle = await event(feed, Candle)
            assert (candle.snapshot, candle.interval_s) == (True, 60)
            while candle.snapshot:
                candle = await event(feed, Candle, box)
        async with venue.watch_ticker(SYMBOL) as feed:
            assert (await event(feed, Ticker, box)).last_ticks > 0


@pytest.mark.check
async def test_a_deep_book_follows_numbered_changes_and_a_gap_ends_its_trust() -> None:
    async with client() as (box, venue), venue.watch_book(SYMBOL, 60) as feed:
        await event(feed, Subscribed)
        book = await event(feed, Book)
        assert book.snapshot
        # As many as the market quotes.
        assert len(book.bids) > 20
        for _ in range(3):
            box.clock.advance(300_000_000)
            book = await event(feed, Book)
            while True:
                with trio.move_on_after(0.1) as patience:
                    book = await event(feed, Book)
                if patience.cancelled_caught:
                    break
            told = await box.public("market/orderbook/level2_100", symbol="ETH-USDT")
            listed = venue.instrument(SYMBOL)
            wanted = [
                tuple((listed.ticks(p), listed.lots(q)) for p, q in told[side][:60])
                for side in ("bids", "asks")
            ]
            assert [book.bids, book.asks] == wanted
        await box.admin("faults/arm", {"fault": "gap", "target": "/market/level2"})
        box.clock.advance(300_000_000)
        lost = await event(feed, Untrusted, box)
        assert lost.kind == "sequence"
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
        while changed.balances[0].asset != "USDT":
            changed = await event(balances, Balances)
        assert (changed.balances[0].total, changed.balances[0].used) == ("10000", "240.24000000")
        await venue.cancel(client_order_id=accepted.client_order_id)
        while report.kind != "canceled":
            report = await event(orders, Execution)
        assert report.client_order_id == accepted.client_order_id
        bought = await venue.submit(ticket(2, type="market", price_ticks=None))
        while report.status != "filled":
            report = await event(orders, Execution)
            assert report.kind != "fill"
        assert (report.venue_order_id, report.filled) == (bought.venue_order_id, "0.10000")
        await box.admin("sockets/drop", {})
        assert (await event(orders, Untrusted)).kind == "disconnected"
        await event(orders, Subscribed)


@pytest.mark.check
async def test_a_token_is_renewed_when_the_venue_has_forgotten_it() -> None:
    async with client() as (box, venue), venue.watch_trades(SYMBOL) as feed:
        await event(feed, Subscribed)
        await box.admin("tokens/revoke", {})
        await box.admin("sockets/drop", {})
        await event(feed, Untrusted)
        await event(feed, Subscribed)
