"""Clients of the exchange in a box: what the suites against it share."""

from exchanges.types import Credentials, Endpoints, OrderTicket
from exchanges.venue_client import VenueClient, open_venue
from supervisor.clock import Clock, ProcessClock
from tests.venue.boxes import SYMBOL, RestClient

# A market that hardly ever moves: what a test sees is its own doing.
PRICE_FAR_BELOW_TICKS = 100_000
LOTS = 1_000


def box_clients(
    box: RestClient, number: int = 1, clock: Clock | None = None, timeout_ms: int = 5_000
) -> list[VenueClient]:
    """Return clients that sign with the same key, alice's."""
    credentials = Credentials(box.key, box.secret)
    socket = f"ws://127.0.0.1:{box.port}/v2"
    endpoints = Endpoints(rest=box.url, websocket_public=socket, websocket_private=socket)
    return [
        open_venue(
            "kraken",
            clock or ProcessClock(),
            credentials=credentials,
            endpoints=endpoints,
            rate_limited=False,
            request_timeout_ms=timeout_ms,
        )
        for _ in range(number)
    ]


def resting(number: int) -> OrderTicket:
    """Return a small order that will not trade; its id is made from `number`."""
    return OrderTicket(
        client_order_id=order_id(number),
        symbol=SYMBOL,
        side="buy",
        type="limit",
        quantity_lots=LOTS,
        price_ticks=PRICE_FAR_BELOW_TICKS + number,
        post_only=True,
    )


def order_id(number: int) -> str:
    """Return a client order id as Kraken takes them."""
    return f"00000000-0000-4000-8000-{number:012d}"
