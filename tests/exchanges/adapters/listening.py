"""What the tests of adapters share: hearing events of a feed while a box's clock goes on."""

from typing import Any, Protocol, TypeAlias

import trio

from exchanges.feed import Feed
from exchanges.types import Instrument, OrderTicket
from supervisor.clock import ManualClock

# What a test passes on, or hears.
Untyped: TypeAlias = Any


# Prices and sizes in whole numbers.
LISTED = Instrument(
    symbol="A/B", venue_symbol="A-B", base="A", quote="B", tick_size="1", lot_size="1",
    price_decimals=0, quantity_decimals=0, min_quantity_lots=1, min_notional="0",
    maker_fee="0", taker_fee="0",
)  # fmt: skip


class Box(Protocol):
    """A box on a clock that only moves when told."""

    clock: ManualClock


async def event(feed: Feed[Any], kind: type, box: Box | None = None) -> Untyped:
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


def ticket(number: int, **changes: Untyped) -> OrderTicket:
    """Return a small order far below the market."""
    terms: dict[str, Untyped] = {
        "client_order_id": f"00000000-0000-4000-8000-{number:012d}",
        "symbol": "ETH/USDT",
        "side": "buy",
        "type": "limit",
        "quantity_lots": 10_000,
        "price_ticks": 240_000,
    }
    return OrderTicket(**(terms | changes))
