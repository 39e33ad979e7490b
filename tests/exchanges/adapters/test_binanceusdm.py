"""Our client of Binance USD-M, against the box: orders, positions, funding, streams, refusals."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal, TypeAlias

import pytest
from msgspec.structs import replace

from exchanges.adapters import binance_listen
from exchanges.errors import Code, VenueError
from exchanges.types import (
    Balances,
    Book,
    Candle,
    Credentials,
    DerivativeTerms,
    Endpoints,
    Execution,
    OrderTicket,
    PublicTrade,
    Subscribed,
    Ticker,
    Untrusted,
)
from exchanges.venue_client import VenueClient, open_venue
from tests.exchanges.adapters.test_binance import event
from tests.venue.binance_client import ALICE, Client, config, running
from venue.config import MarketConfig, PerpetualConfig
from venue.market import MarketSpec

SYMBOL = "ETH/USDT:USDT"
Untyped: TypeAlias = Any


@asynccontextmanager
async def client(**changes: Untyped) -> AsyncIterator[tuple[Client, VenueClient]]:
    """Yield the box and our client of it, which knows its instruments."""
    async with running(config("binanceusdm", **changes)) as box:
        address = f"127.0.0.1:{box.port}"
        venue = open_venue(
            "binanceusdm",
            box.clock,
            credentials=Credentials(ALICE.api_key, ALICE.api_secret),
            endpoints=Endpoints(
                rest=f"http://{address}",
                websocket_public=f"ws://{address}/ws",
                websocket_private=f"ws://{address}/ws",
            ),
            rate_limited=False,
        )
        venue.trades_only((SYMBOL,))
        async with venue:
            await venue.load_instruments()
            yield box, venue


def ticket(number: int, **changes: Untyped) -> OrderTicket:
    """Return a small market order."""
    market = OrderTicket(
        client_order_id=f"00000000-0000-4000-8000-{number:012d}",
        symbol=SYMBOL,
        side="buy",
        type="market",
        quantity_lots=10_000,
    )
    return replace(market, **changes)


async def position(venue: VenueClient) -> str:
    balances = {each.asset: each.total for each in (await venue.fetch_balances()).balances}
    return balances.get(SYMBOL, "0")


async def test_a_position_is_opened_shown_reduced_and_realised() -> None:
    async with client() as (_, venue):
        await venue.prepare((SYMBOL,), DerivativeTerms(leverage=5))
        bought = await venue.submit(ticket(1))
        assert float(await position(venue)) == 0.1
        sold = await venue.submit(ticket(2, side="sell", reduces=True))
        assert await position(venue) == "0"
        fills = await venue.fetch_my_trades(0)
        assert {fill.venue_order_id for fill in fills} == {
            bought.venue_order_id, sold.venue_order_id
        }  # fmt: skip
        assert all(fill.client_order_id for fill in fills)
        assert not any(fill.forced for fill in fills)
        realised = sum(float(fill.realised) for fill in fills)
        fees = sum(float(fee.amount) for fill in fills for fee in fill.fees)
        wallet = {each.asset: each.total for each in (await venue.fetch_balances()).balances}
        assert float(wallet["USDT"]) == pytest.approx(10_000 + realised - fees)
        assert realised < 0
        closed = await venue.fetch_closed_orders(0)
        assert [each.status for each in closed] == ["filled", "filled"]


async def test_leverage_margin_and_mode_are_set_and_what_the_venue_refuses_is_told() -> None:
    async with client() as (box, venue):
        await venue.prepare((SYMBOL,), DerivativeTerms(leverage=7, margin="isolated"))
        (row,) = await box.ok("GET", "symbolConfig", symbol="ETHUSDT")
        assert (row["leverage"], row["marginType"]) == (7, "ISOLATED")
        with pytest.raises(VenueError) as refused:
            await venue.prepare((SYMBOL,), DerivativeTerms(leverage=120, margin="isolated"))
        assert refused.value.code is Code.REJECTED
        await venue.submit(ticket(1))
        with pytest.raises(VenueError) as refused:
            await venue.prepare((SYMBOL,), DerivativeTerms(leverage=7))
        assert (refused.value.code, "-4048" in str(refused.value)) == (Code.REJECTED, True)


async def test_orders_rest_wait_and_are_cancelled() -> None:
    async with client() as (_, venue):
        await venue.submit(ticket(1))
        resting = await venue.submit(ticket(2, type="limit", price_ticks=245_000, post_only=True))
        stop = await venue.submit(
            ticket(3, side="sell", trigger="stop", trigger_ticks=200_000, reduces=True)
        )
        assert "-a" in stop.venue_order_id
        found = await venue.fetch_open_orders()
        assert {each.venue_order_id for each in found} == {
            resting.venue_order_id, stop.venue_order_id
        }  # fmt: skip
        await venue.cancel(client_order_id=stop.client_order_id)
        await venue.cancel(venue_order_id=resting.venue_order_id)
        assert await venue.fetch_open_orders() == []
        (ended,) = await venue.fetch_closed_orders(0, stop.client_order_id)
        assert (ended.status, ended.venue_order_id) == ("canceled", stop.venue_order_id)
        with pytest.raises(VenueError) as gone:
            await venue.cancel(venue_order_id=resting.venue_order_id)
        assert gone.value.code is Code.NOT_FOUND


@pytest.mark.parametrize("by", ["mark", "last"])
async def test_a_stop_fires_at_the_market_by_mark_or_last_and_only_reduces(
    by: Literal["mark", "last"],
) -> None:
    async with client() as (box, venue):
        await venue.prepare((SYMBOL,), DerivativeTerms(leverage=5, trigger_by=by))
        await venue.submit(ticket(1))
        placed = await venue.submit(
            ticket(2, side="sell", trigger="take_profit", trigger_ticks=251_000, reduces=True)
        )
        (row,) = await box.ok("GET", "openAlgoOrders")
        said = (row["orderType"], row["workingType"], row["reduceOnly"])
        assert said == (
            "TAKE_PROFIT_MARKET",
            "MARK_PRICE" if by == "mark" else "CONTRACT_PRICE",
            True,
        )
        for _ in range(200):
            box.clock.advance(1_000_000_000)
            await box.public("time")
            if await position(venue) == "0":
                break
        assert await position(venue) == "0"
        assert placed.client_order_id in {
            fill.client_order_id for fill in await venue.fetch_my_trades(0)
        }


@pytest.mark.parametrize(
    ("changes", "code", "reason"),
    [
        ({"quantity_lots": 100_000_000}, Code.INSUFFICIENT_FUNDS, ""),
        ({"side": "sell", "reduces": True}, Code.REJECTED, "other"),
        ({"quantity_lots": 10}, Code.REJECTED, "off_grid"),
        (
            {"type": "limit", "price_ticks": 255_000, "post_only": True},
            Code.REJECTED,
            "post_only_would_take",
        ),
        ({"client_order_id": "a b"}, Code.INVALID, ""),
    ],
)
async def test_refusals_in_our_words(changes: dict[str, Any], code: Code, reason: str) -> None:
    async with client() as (_, venue):
        with pytest.raises(VenueError) as refused:
            await venue.submit(ticket(1, **changes))
        assert (refused.value.code, refused.value.reason) == (code, reason), refused.value


async def test_funding_is_told_by_itself_and_not_among_transfers() -> None:
    market = MarketConfig(
        spec=MarketSpec(symbol=SYMBOL, events_per_second=200, taker_probability=0.1),
        perpetual=PerpetualConfig(funding_interval_s=60),
    )
    async with client(markets=(market,)) as (box, venue), venue.watch_balances() as balances:
        await event(balances, Subscribed)
        await venue.submit(ticket(1))
        assert (await event(balances, Balances)).funding is False
        box.clock.advance(60_000_000_000)
        await box.public("time")
        told = await event(balances, Balances)
        while not told.funding:
            told = await event(balances, Balances)
        (paid,) = await venue.fetch_funding(0)
        assert (paid.symbol, paid.asset) == (SYMBOL, "USDT")
        assert float(paid.amount) < 0
        assert [each.kind for each in await venue.fetch_transfers(0)] == ["transfer"] * 2


async def test_public_streams() -> None:
    async with client() as (box, venue):
        async with venue.watch_book(SYMBOL) as feed:
            first = await event(feed, Book, box)
            assert (first.snapshot, len(first.bids), len(first.asks)) == (True, 10, 10)
            assert first.bids[0][0] < first.asks[0][0]
        async with venue.watch_trades(SYMBOL) as feed:
            past = await event(feed, PublicTrade)
            assert past.snapshot
            trade = past
            while trade.snapshot:
                trade = await event(feed, PublicTrade, box)
            assert int(trade.trade_id) > int(past.trade_id)
        async with venue.watch_candles(SYMBOL) as feed:
            assert (await event(feed, Candle)).interval_s == 60
        async with venue.watch_ticker(SYMBOL) as feed:
            assert (await event(feed, Ticker, box)).last_ticks > 0


async def test_the_account_hears_of_orders_balances_and_funding(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binance_listen, "KEEP_ALIVE_S", 0.05)
    async with (
        client() as (box, venue),
        venue.watch_executions() as orders,
        venue.watch_balances() as balances,
    ):
        await event(orders, Subscribed)
        await event(balances, Subscribed)
        bought = await venue.submit(ticket(1))
        report: Execution = await event(orders, Execution)
        while report.status != "filled":
            report = await event(orders, Execution)
        assert (report.venue_order_id, report.fees[0].asset) == (bought.venue_order_id, "USDT")
        told: Balances = await event(balances, Balances)
        assert {each.asset: float(each.total) for each in told.balances}[SYMBOL] > 0
        await venue.submit(ticket(2, side="sell", trigger="stop", trigger_ticks=200_000))
        report = await event(orders, Execution)
        assert (report.kind, report.status) == ("accepted", "open")
        await box.admin("tokens/revoke", {})
        assert (await event(orders, Untrusted)).kind == "disconnected"
        assert (await event(balances, Untrusted)).kind == "disconnected"
        await event(orders, Subscribed)
        await venue.submit(ticket(4, side="sell", reduces=True))
        report = await event(orders, Execution)
        while report.status != "filled":
            report = await event(orders, Execution)
        assert float(report.realised) < 0
