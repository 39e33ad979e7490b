"""The box misbehaves; what the client says of it is right, and nothing of the client remains."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import ModuleType

import pytest
import trio

import exchanges
from exchanges.errors import Code, VenueError
from exchanges.json_text import Json
from exchanges.types import Balances, Book, Execution, Subscribed, Untrusted
from exchanges.venue_client import VenueClient
from tests.exchanges.boxed import box_clients, order_id, resting
from tests.venue.boxes import SYMBOL, RestClient, running_box
from tests.venue.boxes import config as box_config
from venue.config import FaultProfileName

TIMEOUT_MS = 400
# A subscription is refused, answered late or lost now and then; the client tries again after a
# second, then two.
PATIENCE_S = 20


@asynccontextmanager
async def boxed(timeout_ms: int = 5_000) -> AsyncIterator[tuple[RestClient, VenueClient]]:
    """Run a box and a client of it; afterwards no task of the client may be left."""
    async with running_box() as box:
        (client,) = box_clients(box, timeout_ms=timeout_ms)
        async with client:
            await client.load_instruments()
            yield box, client
        assert _tasks_of(exchanges) == []


def _tasks_of(package: ModuleType) -> list[str]:
    """Return the names of the tasks that run a function of `package`."""
    (folder,) = package.__path__
    found = []
    waiting = [trio.lowlevel.current_root_task()]
    while waiting:
        task = waiting.pop()
        assert task is not None
        if task.coro.cr_code.co_filename.startswith(f"{folder}/"):
            found.append(task.name)
        waiting += [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return found


async def arm(box: RestClient, fault: str, target: str, **more: int) -> None:
    assert (await box.admin("faults/arm", {"fault": fault, "target": target, **more}))["armed"]


async def said_of_submit(client: VenueClient, number: int) -> Code | None:
    """Return what the client says of an order; None: it was accepted."""
    try:
        await client.submit(resting(number))
    except VenueError as error:
        return error.code
    return None


async def lies_there(client: VenueClient, number: int) -> bool:
    return bool(await client.fetch_open_orders(order_id(number)))


@pytest.mark.parametrize("fault", ["lose_ack", "http_5xx", "http_429", "truncate", "garbage"])
async def test_accepted_and_not_said_so(fault: str) -> None:
    async with boxed() as (box, client):
        await arm(box, fault, "AddOrder")
        assert await said_of_submit(client, 1) is Code.AMBIGUOUS
        assert await lies_there(client, 1)
        assert await said_of_submit(client, 2) is None


@pytest.mark.parametrize("fault", ["delay", "slow_reply", "hang"])
async def test_an_answer_after_the_time_out(fault: str) -> None:
    async with boxed(timeout_ms=TIMEOUT_MS) as (box, client):
        await arm(box, fault, "AddOrder", duration_ms=2 * TIMEOUT_MS)
        with trio.fail_after(2):
            assert await said_of_submit(client, 1) is Code.AMBIGUOUS
        # What was delayed carries an older nonce than what follows: it will be refused. Only
        # asking tells, and asking works.
        assert await lies_there(client, 1) is (fault != "delay")
        assert await said_of_submit(client, 2) is None


async def test_refused_without_being_looked_at_is_not_known_to_be() -> None:
    async with boxed() as (box, client):
        await arm(box, "refuse", "AddOrder")
        assert await said_of_submit(client, 1) is Code.AMBIGUOUS
        assert not await lies_there(client, 1)
        await arm(box, "http_429", "BalanceEx")
        with pytest.raises(VenueError) as caught:
            await client.fetch_balances()
        assert caught.value.code is Code.RATE_LIMITED


async def test_a_venue_that_is_not_there_was_sent_nothing() -> None:
    async with running_box() as box:
        (client,) = box_clients(box)
        await client.load_instruments()
    async with client:
        assert await said_of_submit(client, 1) is Code.UNAVAILABLE


async def next_of(feed: Json, *kinds: type) -> Json:
    with trio.fail_after(PATIENCE_S):
        while True:
            event = await feed.receive()
            if isinstance(event, kinds):
                return event


async def recovered(feed: Json) -> str:
    """Wait until the feed was untrusted and is subscribed again; return why it was."""
    untrusted = await next_of(feed, Untrusted)
    await next_of(feed, Subscribed)
    return str(untrusted.kind)


async def test_a_dropped_socket() -> None:
    async with (
        boxed() as (box, client),
        client.watch_book(SYMBOL) as book,
        client.watch_executions() as executions,
    ):
        await next_of(book, Book)
        await next_of(executions, Subscribed)
        await box.admin("sockets/drop", {})
        assert await recovered(book) == "disconnected"
        assert (await next_of(book, Book)).snapshot
        assert await recovered(executions) == "disconnected"
        await client.submit(resting(1))
        assert (await next_of(executions, Execution)).client_order_id == order_id(1)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("gap", "checksum"), ("truncate_frame", "malformed"), ("drop_socket", "disconnected")],
)
async def test_a_spoiled_book_frame(fault: str, kind: str) -> None:
    async with boxed() as (box, client), client.watch_book(SYMBOL) as book:
        await next_of(book, Book)
        await arm(box, fault, "book")
        assert await recovered(book) == kind
        assert (await next_of(book, Book)).snapshot


@pytest.mark.parametrize(("fault", "kind"), [("gap", "sequence"), ("truncate_frame", "malformed")])
async def test_a_spoiled_execution_frame(fault: str, kind: str) -> None:
    async with boxed() as (box, client), client.watch_executions() as executions:
        await next_of(executions, Subscribed)
        await arm(box, fault, "executions")
        await client.submit(resting(1))
        assert await recovered(executions) == kind
        assert (await next_of(executions, Execution)).client_order_id == order_id(1)


async def test_garbage_between_frames_ends_no_connection() -> None:
    async with boxed() as (box, client), client.watch_book(SYMBOL) as book:
        await next_of(book, Book)
        await arm(box, "garbage_frame", "book")
        assert await recovered(book) == "malformed"
        assert (await next_of(book, Book)).snapshot
        assert client.statistics().malformed


async def test_a_frame_told_twice_counts_once() -> None:
    async with (
        boxed() as (box, client),
        client.watch_executions() as executions,
        client.watch_balances() as balances,
    ):
        await next_of(executions, Subscribed)
        await next_of(balances, Balances)
        await arm(box, "duplicate", "executions", count=3)
        await client.submit(resting(1))
        await client.cancel(client_order_id=order_id(1))
        kinds = []
        while "canceled" not in kinds:
            event = await next_of(executions, Execution, Untrusted)
            assert isinstance(event, Execution)
            kinds.append(event.kind)
        assert kinds == ["status", "accepted", "canceled"]


@pytest.mark.check
async def test_a_nasty_venue_for_a_while() -> None:
    settings = box_config(fault_profile=FaultProfileName.NASTY)
    async with running_box(settings) as box:
        (client,) = box_clients(box, timeout_ms=TIMEOUT_MS)
        async with client, trio.open_nursery() as nursery:
            await _insisting(client)
            feeds = [
                client.watch_book(SYMBOL),
                client.watch_executions(),
                client.watch_trades(SYMBOL),
            ]
            for feed in feeds:
                nursery.start_soon(_drain, feed)
            said = [await said_of_submit(client, number) for number in range(60)]
            await box.admin("faults/profile", {"profile": "none"})
            reports = await client.fetch_open_orders()
            there = {report.client_order_id for report in reports}
            for number, code in enumerate(said):
                if code is None:
                    assert order_id(number) in there
                elif code is not Code.AMBIGUOUS:
                    assert order_id(number) not in there
            assert len(reports) == len(there)
            nursery.cancel_scope.cancel()
    assert {None, Code.AMBIGUOUS} <= set(said)


async def _insisting(client: VenueClient) -> None:
    while True:
        try:
            await client.load_instruments()
        except VenueError:
            continue
        return


async def _drain(feed: Json) -> None:
    async with feed:
        async for _ in feed:
            pass


async def test_a_list_of_instruments_that_was_not_readable_is_no_empty_list() -> None:
    async with running_box() as box:
        (client,) = box_clients(box, timeout_ms=5_000)
        async with client:
            await arm(box, "garbage", "AssetPairs")
            with pytest.raises(VenueError) as raised:
                await client.load_instruments()
            assert raised.value.code is Code.UNAVAILABLE
            await client.load_instruments()
            assert client.instrument(SYMBOL).symbol == SYMBOL
