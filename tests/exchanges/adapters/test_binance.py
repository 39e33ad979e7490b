"""Our client of Binance spot and Binance.US, against the box: orders, histories, streams."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import pytest
import trio
from msgspec.structs import replace

from exchanges.adapters import binance_listen
from exchanges.errors import Code, VenueError
from exchanges.feed import Feed
from exchanges.types import (
    Balances,
    Book,
    Candle,
    Credentials,
    Endpoints,
    Execution,
    OrderTicket,
    PublicTrade,
    Subscribed,
    Ticker,
    Untrusted,
)
from exchanges.venue_client import VenueClient, open_venue
from tests.venue.binance_client import ALICE, Client, config, running
from venue.config import MarketConfig
from venue.market import MarketSpec

SYMBOL = "ETH/USDT"
PRIVATE = {"binance": "/ws-api/v3", "binanceus": "/stream/ws"}
BOTH = pytest.mark.parametrize("protocol", list(PRIVATE))
# What a test passes on, or hears.
Untyped: TypeAlias = Any


@asynccontextmanager
async def client(
    protocol: str = "binance", **changes: Untyped
) -> AsyncIterator[tuple[Client, VenueClient]]:
    """Yield the box and our client of it, which knows its instruments."""
    async with running(config(protocol, **changes)) as box:
        address = f"127.0.0.1:{box.port}"
        venue = open_venue(
            protocol,
            box.clock,
            credentials=Credentials(ALICE.api_key, ALICE.api_secret),
            endpoints=Endpoints(
                rest=f"http://{address}",
                websocket_public=f"ws://{address}/stream/ws",
                websocket_private=f"ws://{address}{PRIVATE[protocol]}",
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
            "ETHUSDT",
        )
        assert (listed.min_quantity_lots, listed.min_notional) == (200, "0.5")
        assert (listed.maker_fee, listed.taker_fee) == ("0.001", "0.001")
        assert await venue.fetch_time_ns() == box.now_ms * 1_000_000


@BOTH
async def test_an_order_from_submit_to_history(protocol: str) -> None:
    async with client(protocol) as (_, venue):
        accepted = await venue.submit(ticket(1))
        assert accepted.venue_order_id.startswith("ETHUSDT-")
        (found,) = await venue.fetch_open_orders(accepted.client_order_id)
        assert (found.venue_order_id, found.status, found.price) == (
            accepted.venue_order_id,
            "open",
            "2400.00000000",
        )
        await venue.cancel(client_order_id=accepted.client_order_id)
        second = await venue.submit(ticket(2, type="market", price_ticks=None))
        third = await venue.submit(ticket(3, post_only=True))
        await venue.cancel(venue_order_id=third.venue_order_id)
        closed = await venue.fetch_closed_orders(0)
        assert [each.status for each in closed] == ["canceled", "filled", "canceled"]
        fills = await venue.fetch_my_trades(0)
        assert {fill.venue_order_id for fill in fills} == {second.venue_order_id}
        assert sum(float(fill.quantity) for fill in fills) == pytest.approx(0.1)
        assert {fee.asset for fill in fills for fee in fill.fees} == {"ETH"}
        (deposit, *_) = await venue.fetch_transfers(0)
        assert (deposit.kind, float(deposit.amount) > 0) == ("deposit", True)
        balances = {each.asset: each for each in (await venue.fetch_balances()).balances}
        assert balances["ETH"].total == "5.0999"
        await venue.submit(ticket(4))
        await venue.submit(ticket(5))
        assert (await venue.cancel_all()).count == 2


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"quantity_lots": 10_000_000}, Code.INSUFFICIENT_FUNDS, ""),
        ({"quantity_lots": 100}, Code.REJECTED, "off_grid"),
        ({"post_only": True, "price_ticks": 260_000}, Code.REJECTED, "post_only_would_take"),
        ({"price_ticks": 20_000}, Code.REJECTED, "off_grid"),
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
        with pytest.raises(VenueError) as refused:
            await venue.cancel(client_order_id="never")
        assert refused.value.code is Code.NOT_FOUND
        with pytest.raises(VenueError) as refused:
            await venue.cancel(venue_order_id="ETHUSDT-99")
        assert refused.value.code is Code.NOT_FOUND
        await venue.submit(ticket(1))
        with pytest.raises(VenueError) as refused:
            await venue.submit(ticket(1))
        assert refused.value.reason == "duplicate_client_order_id"


async def test_a_submit_that_comes_too_late_is_refused() -> None:
    async with client() as (box, venue):
        bound_ns = box.clock.now_ns() + 2_000_000_000
        await box.admin("faults/arm", {"fault": "delay", "target": "order", "duration_ms": 200})
        async with trio.open_nursery() as nursery:

            async def late() -> None:
                with pytest.raises(VenueError) as refused:
                    await venue.submit(ticket(1, expires_at_ns=bound_ns))
                assert refused.value.reason == "deadline_elapsed"

            nursery.start_soon(late)
            await trio.sleep(0.1)
            box.clock.advance(3_000_000_000)
        assert await venue.fetch_open_orders() == []


async def test_a_lost_answer_is_ambiguous() -> None:
    async with client() as (box, venue):
        await box.admin("faults/arm", {"fault": "lose_ack", "target": "order"})
        with pytest.raises(VenueError) as lost:
            await venue.submit(ticket(1))
        assert lost.value.code is Code.AMBIGUOUS
        assert len(await venue.fetch_open_orders()) == 1


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


async def test_a_missing_trade_ends_the_trust() -> None:
    async with client() as (box, venue), venue.watch_trades(SYMBOL) as feed:
        await event(feed, Subscribed)
        await box.admin("faults/arm", {"fault": "gap", "target": "trade"})
        lost = await event(feed, Untrusted, box)
        assert lost.kind == "sequence"
        assert isinstance(await event(feed, Subscribed, box), Subscribed)


@BOTH
async def test_the_account_hears_its_orders_and_balances(protocol: str) -> None:
    async with (
        client(protocol) as (box, venue),
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
        assert (usdt.total, usdt.used) == ("10000", "240.00000000")
        await venue.cancel(client_order_id=accepted.client_order_id)
        report = await event(orders, Execution)
        assert (report.kind, report.client_order_id) == ("canceled", accepted.client_order_id)
        bought = await venue.submit(ticket(2, type="market", price_ticks=None))
        while report.kind != "fill" or report.status != "filled":
            report = await event(orders, Execution)
        assert report.venue_order_id == bought.venue_order_id
        assert report.fees[0].asset == "ETH"
        told = await venue.fetch_my_trades(0)
        assert report.exec_id in {fill.exec_id for fill in told}
        await box.admin("sockets/drop", {})
        assert (await event(orders, Untrusted)).kind == "disconnected"
        await event(orders, Subscribed)


@pytest.mark.parametrize("told", [True, False])
async def test_a_listen_key_that_is_gone_is_replaced(
    told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not told:
        monkeypatch.setattr(binance_listen, "KEEP_ALIVE_S", 0.05)
    # An hour passes: of a market in which little happens.
    quiet = MarketConfig(spec=MarketSpec(symbol=SYMBOL, events_per_second=1))
    async with (
        client("binanceus", markets=(quiet,)) as (box, venue),
        venue.watch_executions() as orders,
        venue.watch_balances() as balances,
    ):
        await event(orders, Subscribed)
        await event(balances, Subscribed)
        if told:
            box.clock.advance(3_601_000_000_000)
        else:
            # Nobody says so: the next renewal is refused.
            await box.admin("tokens/revoke", {})
        assert (await event(orders, Untrusted)).kind == "disconnected"
        assert (await event(balances, Untrusted)).kind == "disconnected"
        await event(orders, Subscribed)
        await event(balances, Subscribed)
        accepted = await venue.submit(ticket(1))
        report: Execution = await event(orders, Execution)
        assert report.client_order_id == accepted.client_order_id
        assert isinstance(await event(balances, Balances), Balances)
