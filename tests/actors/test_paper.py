"""The port of a paper venue: its box takes orders while the prices are in sight."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import trio
from msgspec.structs import replace

from actors.doors import Door
from actors.paper import PaperPlace, PaperPort
from exchanges.errors import VenueError
from exchanges.types import Book, Credentials, OrderTicket, PublicTrade, Untrusted
from exchanges.venue_client import VenueClient
from messages.settings import PaperSettings
from supervisor.clock import ProcessClock
from tests.actors.port_context import RecordingContext
from tests.actors.venue_client import LISTED, TinyClient
from venue.keys import account_key

SEED = 7
BOOK = Book(
    symbol=LISTED.symbol,
    bids=((200_000, 50), (199_900, 70)),
    asks=((200_100, 50), (200_200, 70)),
    snapshot=True,
    at_ns=0,
    received_ns=0,
)
TICKET = OrderTicket(
    client_order_id="00000000-0000-4000-8000-000000000001",
    symbol=LISTED.symbol,
    side="buy",
    type="limit",
    quantity_lots=40,
    price_ticks=200_000,
)


class Desk(NamedTuple):
    """Prices as a test makes them, and ann's client of the box that fills by them."""

    prices: TinyClient
    client: VenueClient

    async def show(self, event: object) -> None:
        """Report something of the book, and wait until the box has taken it in."""
        await self.prices.put("book", event)
        await trio.sleep(0.2)


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    """Run a paper venue whose prices a test makes."""
    clock, prices = ProcessClock(), TinyClient()
    door = Door("kraken", None, clock)
    place = PaperPlace(
        name="kraken-paper",
        protocol="kraken",
        symbols=(LISTED.symbol,),
        users=("ann",),
        settings=PaperSettings(),
        balances={"USDT": "1000"},
        seed=SEED,
        data_file=folder / "paper.db",
    )
    port = PaperPort(place, prices.open, clock, door)  # type: ignore[arg-type] # all it uses of one
    credentials = Credentials(*account_key("kraken-paper", "ann", SEED))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(port.run, RecordingContext("/venues/kraken-paper/paper", nursery))
        async with door.opener(lambda: credentials)() as client:
            await client.load_instruments()
            yield Desk(prices, client)
        nursery.cancel_scope.cancel()


async def refusal(at: Desk, ticket: OrderTicket) -> str:
    """Return why an order was refused; "" when it was taken."""
    try:
        await at.client.submit(ticket)
    except VenueError as error:
        return error.reason
    return ""


async def test_orders_fill_by_the_reported_market_and_wait_while_it_is_out_of_sight(
    tmp_path: Path,
) -> None:
    async with desk(tmp_path) as at:
        listed = at.client.instrument(LISTED.symbol)
        assert (listed.tick_size, listed.lot_size) == (LISTED.tick_size, LISTED.lot_size)
        assert listed.min_quantity_lots == LISTED.min_quantity_lots
        assert await refusal(at, TICKET) == "market_mode", "no price was seen yet"
        await at.show(BOOK)
        assert await refusal(at, TICKET) == ""
        trade = PublicTrade(
            symbol=LISTED.symbol,
            trade_id="1",
            side="sell",
            price_ticks=200_000,
            quantity_lots=60,
            snapshot=False,
            at_ns=0,
            received_ns=0,
        )
        await at.prices.put("trades", trade)
        await trio.sleep(0.2)
        (fill,) = await at.client.fetch_my_trades(0)
        # Fifty stood before it; it pays what a beginner pays.
        assert (fill.quantity, fill.liquidity) == ("0.0010", "maker")
        assert float(fill.fees[0].amount) == float(fill.cost) * 0.0025
        lost = Untrusted(stream="book", kind="disconnected", detail="", received_ns=0)
        await at.show(lost)
        second = replace(TICKET, client_order_id=TICKET.client_order_id.replace("01", "02"))
        assert await refusal(at, second) == "market_mode"
        await at.client.cancel(client_order_id=TICKET.client_order_id)
        await at.show(BOOK)
        assert await refusal(at, second) == ""


async def test_what_an_account_holds_outlives_the_port(tmp_path: Path) -> None:
    async with desk(tmp_path) as at:
        await at.show(BOOK)
        await at.client.submit(replace(TICKET, type="market", price_ticks=None))
        (before,) = [b for b in (await at.client.fetch_balances()).balances if b.asset == "USDT"]
    async with desk(tmp_path) as at:
        balances = {each.asset: each for each in (await at.client.fetch_balances()).balances}
        assert balances["USDT"].total == before.total != "1000"
        assert float(balances["ETH"].total) == 0.004
