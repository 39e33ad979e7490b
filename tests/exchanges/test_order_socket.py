"""Orders over the account's WebSocket, against the box: what is said of them, and what is lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple, TypeAlias

import pytest
import trio
from msgspec.structs import replace

from exchanges.errors import Code, VenueError
from exchanges.order_socket import OrderSocketStatistics
from exchanges.types import Credentials, Endpoints, OrderChange, OrderTicket
from exchanges.venue_client import VenueClient, open_venue
from messages.settings import OrderEntry
from supervisor.clock import ProcessClock
from tests.exchanges.boxed import order_id, resting
from tests.venue import binance_client, bybit_client
from tests.venue.boxes import SYMBOL, running_box

TIMEOUT_MS = 400
# What a test passes on, or hears.
Untyped: TypeAlias = Any


class Boxed(NamedTuple):
    """A box, our client of it whose order socket is up, and how the box names what it does."""

    box: Untyped
    client: VenueClient
    add: str
    cancel: str
    make: Callable[[OrderEntry], VenueClient]

    @asynccontextmanager
    async def by_rest(self) -> AsyncIterator[VenueClient]:
        """Yield another client of the box."""
        async with self.make(OrderEntry.REST) as client:
            await client.load_instruments()
            yield client

    @property
    def counted(self) -> OrderSocketStatistics:
        found = self.client.order_statistics()
        assert found is not None
        return found

    async def arm(self, fault: str, target: str, **more: int) -> None:
        assert await self.box.admin("faults/arm", {"fault": fault, "target": target, **more})

    async def is_up(self, *, up: bool = True, connections: int = 0) -> None:
        """Wait until the socket is up, or down."""
        with trio.fail_after(10):
            while not self._is(up, connections):  # noqa: ASYNC110 - nobody tells
                await trio.sleep(0.005)

    def _is(self, up: bool, connections: int) -> bool:
        return self.counted.up is up and self.counted.connections >= connections

    async def said(self, number: int, **changes: Untyped) -> VenueError | None:
        """Return what the client says of a new order; None: it was accepted."""
        return await said_of(self.client.submit(replace(resting(number), **changes)))

    async def lies_there(self, number: int) -> bool:
        return bool(await self.client.fetch_open_orders(order_id(number)))


async def said_of(asked: Untyped) -> VenueError | None:
    try:
        await asked
    except VenueError as error:
        return error
    return None


@asynccontextmanager
async def at_kraken(
    entry: OrderEntry = OrderEntry.AUTO, timeout_ms: int = 5_000
) -> AsyncIterator[Boxed]:
    async with running_box() as box:
        make = partial(_client, "kraken", box, ("/v2", "/v2"), timeout_ms)
        async with make(entry) as client:
            await client.load_instruments()
            boxed = Boxed(box, client, "add_order", "cancel_order", make)
            if entry is not OrderEntry.REST:
                await boxed.is_up()
            yield boxed


@asynccontextmanager
async def at_binance(
    entry: OrderEntry = OrderEntry.AUTO, timeout_ms: int = 5_000
) -> AsyncIterator[Boxed]:
    async with binance_client.running(binance_client.config()) as box:
        make = partial(_client, "binance", box, ("/stream/ws", "/ws-api/v3"), timeout_ms)
        async with make(entry) as client:
            await client.load_instruments()
            boxed = Boxed(box, client, "order.place", "order.cancel", make)
            await boxed.is_up()
            yield boxed


@asynccontextmanager
async def at_bybit(
    entry: OrderEntry = OrderEntry.AUTO, timeout_ms: int = 5_000
) -> AsyncIterator[Boxed]:
    async with bybit_client.running() as box:
        make = partial(_client, "bybit", box, ("/v5/public/spot", "/v5/private"), timeout_ms)
        async with make(entry) as client:
            await client.load_instruments()
            boxed = Boxed(box, client, "order.create", "order.cancel", make)
            await boxed.is_up()
            yield boxed


def _client(
    venue: str, box: Untyped, paths: tuple[str, str], timeout_ms: int, entry: OrderEntry
) -> VenueClient:
    alice = {"binance": binance_client.ALICE, "bybit": bybit_client.ALICE}.get(venue)
    credentials = (
        Credentials(alice.api_key, alice.api_secret) if alice else Credentials(box.key, box.secret)
    )
    address = f"127.0.0.1:{box.port}"
    client = open_venue(
        venue,
        ProcessClock() if alice is None else box.clock,
        credentials=credentials,
        endpoints=Endpoints(
            rest=f"http://{address}",
            websocket_public=f"ws://{address}{paths[0]}",
            websocket_private=f"ws://{address}{paths[1]}",
        ),
        rate_limited=False,
        request_timeout_ms=timeout_ms,
        order_entry=entry,
    )
    client.trades_only((SYMBOL,))
    return client


Venue = Callable[..., Any]
# Bybit's socket differs in its frames only: in `make check`.
AT_BYBIT = pytest.param(at_bybit, marks=pytest.mark.check)
both = pytest.mark.parametrize("venue", [at_kraken, at_binance, AT_BYBIT])
# The same by others' words: `make check`.
either = pytest.mark.parametrize(
    "venue",
    [at_kraken, *(pytest.param(at, marks=pytest.mark.check) for at in (at_binance, at_bybit))],
)


@both
async def test_an_order_lives_and_is_cancelled_without_rest(venue: Venue) -> None:
    async with venue() as at:
        # Whatever goes by REST fails: so nothing did.
        for endpoint in ("AddOrder", "CancelOrder", "order", "order/create", "order/cancel"):
            await at.arm("refuse", endpoint, count=9)
        first = await at.client.submit(resting(1))
        await at.client.submit(resting(2))
        (found,) = await at.client.fetch_open_orders(order_id(1))
        assert found.venue_order_id == first.venue_order_id
        await at.client.cancel(venue_order_id=first.venue_order_id)
        await at.client.cancel(client_order_id=order_id(2))
        assert await at.client.fetch_open_orders() == []
        assert (at.counted.stray, at.counted.unreadable) == (0, 0)


@either
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"quantity_lots": 900_000_000}, Code.INSUFFICIENT_FUNDS),
        ({"price_ticks": 9_000_000}, Code.REJECTED),
        ({"quantity_lots": 1}, Code.REJECTED),
        ({"expires_at_ns": 1}, Code.INVALID),
    ],
)
async def test_a_refusal_reads_as_over_rest(
    venue: Venue, changes: dict[str, Any], code: Code
) -> None:
    async with venue() as at, at.by_rest() as rest:
        error = await at.said(1, **changes)
        over_rest = await said_of(rest.submit(replace(resting(2), **changes)))
        assert error is not None
        assert over_rest is not None
        assert error.code is code
        assert (error.code, error.reason) == (over_rest.code, over_rest.reason)


async def test_what_kraken_has_not() -> None:
    async with at_kraken() as at:
        error = await at.said(1, time_in_force="FOK", post_only=False)
        assert error is not None
        assert error.code is Code.INVALID


@either
async def test_what_is_not_there_and_what_comes_twice(venue: Venue) -> None:
    async with venue() as at:
        assert await at.said(1) is None
        again = await at.said(1)
        assert again is not None
        assert again.reason == "duplicate_client_order_id"
        await at.client.cancel(client_order_id=order_id(1))
        gone = await said_of(at.client.cancel(client_order_id=order_id(1)))
        assert gone is not None
        assert gone.code is Code.NOT_FOUND


async def test_an_amendment() -> None:
    async with at_kraken() as at:
        await at.arm("refuse", "AmendOrder", count=9)
        accepted = await at.client.submit(resting(1))
        change = OrderChange(
            client_order_id=order_id(1),
            venue_order_id=accepted.venue_order_id,
            symbol=SYMBOL,
            quantity_lots=2_000,
            price_ticks=90_000,
            post_only=True,
        )
        await at.client.amend(change)
        (found,) = await at.client.fetch_open_orders()
        assert (found.price, float(found.quantity)) == ("900.00", 0.02)
        gone = await said_of(at.client.amend(replace(change, venue_order_id="OAAAAA-BBBBB-CCCCCC")))
        assert gone is not None
        assert gone.code is Code.NOT_FOUND


async def test_orders_that_wait_for_a_trigger() -> None:
    async with at_kraken() as at:
        ticket = OrderTicket(
            client_order_id=order_id(1),
            symbol=SYMBOL,
            side="sell",
            type="market",
            quantity_lots=1_000,
            trigger="stop",
            trigger_ticks=100_000,
        )
        await at.client.submit(ticket)
        (found,) = await at.client.fetch_open_orders()
        assert (found.type, found.status, found.price) == ("stop-loss", "open", None)


async def test_a_stop_with_a_limit_reads_the_same_by_both_ways() -> None:
    async with at_kraken() as at, at.by_rest() as rest:
        ticket = OrderTicket(
            client_order_id=order_id(1),
            symbol=SYMBOL,
            side="sell",
            type="limit",
            quantity_lots=1_000,
            price_ticks=99_000,
            trigger="stop",
            trigger_ticks=100_000,
        )
        await at.client.submit(ticket)
        await rest.submit(replace(ticket, client_order_id=order_id(2)))
        found = await at.client.fetch_open_orders()
        assert [each.type for each in found] == ["stop-loss-limit"] * 2
        # Its limit, not its trigger: else it would look amended.
        assert [each.price for each in found] == ["990.00"] * 2


@both
async def test_a_socket_cut_after_the_bytes_left_leaves_the_outcome_unknown(venue: Venue) -> None:
    async with venue() as at:
        await at.arm("drop_socket", "answer")
        error = await at.said(1)
        assert error is not None
        assert error.code is Code.AMBIGUOUS
        # Never a second time: the way that is left asks for it.
        assert await at.lies_there(1)
        assert len(await at.client.fetch_open_orders()) == 1
        await at.is_up()
        assert await at.said(2) is None
        assert at.counted.connections == 2


@either
@pytest.mark.parametrize(
    "fault",
    [
        "lose_ack",
        "http_5xx",
        *(pytest.param(f, marks=pytest.mark.check) for f in ("hang", "slow_reply", "truncate")),
    ],
)
async def test_accepted_and_not_said_so(venue: Venue, fault: str) -> None:
    async with venue(timeout_ms=TIMEOUT_MS) as at:
        await at.arm(fault, at.add, duration_ms=2 * TIMEOUT_MS)
        error = await at.said(1)
        assert error is not None
        assert error.code is Code.AMBIGUOUS
        assert await at.lies_there(1)
        # The next one leaves at once, whichever way is open.
        assert await at.said(2) is None


@either
async def test_a_reply_that_is_told_twice_counts_once(venue: Venue) -> None:
    async with venue() as at:
        await at.arm("duplicate", "answer")
        assert await at.said(1) is None
        assert await at.said(2) is None
        assert at.counted.stray == 1


async def test_a_reply_to_nobody_changes_nothing() -> None:
    async with at_kraken() as at:
        socket = at.client._desk._socket
        assert socket is not None
        socket._take('{"method":"add_order","success":true,"result":{"order_id":"O"},"req_id":99}')
        socket._take('{"method":"add_order","success":false,"error":"EOrder:x"}')
        socket._take('{"channel":"heartbeat"}')
        assert (at.counted.stray, at.counted.up) == (1, True)
        assert await at.said(1) is None


async def test_a_cancel_does_not_wait_for_a_socket_that_says_nothing() -> None:
    async with at_kraken() as at:
        assert await at.said(1) is None
        await at.arm("delay", at.cancel, duration_ms=60_000)
        with trio.fail_after(3):
            await at.client.cancel(client_order_id=order_id(1))
        assert not await at.lies_there(1)


async def test_while_the_socket_is_down_orders_go_by_rest() -> None:
    async with at_kraken() as at:
        await at.arm("refuse", "GetWebSocketsToken", count=99)
        await at.box.admin("sockets/drop", {})
        await at.is_up(up=False)
        requests = at.counted.requests
        assert await at.said(1) is None
        assert at.counted.requests == requests
        assert await at.lies_there(1)


async def test_over_the_socket_only() -> None:
    async with at_kraken(OrderEntry.WEBSOCKET) as at:
        assert await at.said(1) is None
        await at.arm("refuse", "GetWebSocketsToken", count=99)
        await at.box.admin("sockets/drop", {})
        await at.is_up(up=False)
        error = await at.said(2)
        assert error is not None
        assert error.code is Code.UNAVAILABLE
        # What makes things safer goes by whichever way there is.
        await at.client.cancel(client_order_id=order_id(1))
        assert await at.client.fetch_open_orders() == []


async def test_a_token_that_ran_out_is_asked_for_again() -> None:
    async with at_kraken() as at:
        await at.box.admin("tokens/revoke", {})
        await at.box.admin("sockets/drop", {})
        await at.is_up(connections=2)
        assert await at.said(1) is None


async def test_orders_only_over_rest() -> None:
    async with at_kraken(OrderEntry.REST) as at:
        assert at.client.order_statistics() is None
        assert await at.said(1) is None
