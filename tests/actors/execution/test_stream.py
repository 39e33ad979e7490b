"""The private stream: what it tells orders, and when it asks for a reading of the account."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors.execution.stream import PrivateStream
from actors.execution.translate import Scales
from exchanges.errors import Code
from exchanges.types import Balance, Balances, Execution, Fee, Subscribed, Untrusted
from messages.money import Alert, ReconcileNow
from messages.orders import FillReported, OrderReported, OrderState
from tests.actors.port_context import RecordingContext, running
from tests.actors.trading import ALERTS, ORDERS, RECONCILE
from tests.actors.venue_client import TinyClient

ACCEPTED = Execution(
    kind="accepted",
    venue_order_id="V-order-1",
    client_order_id="order-1",
    symbol="ETH/USDT",
    side="buy",
    status="open",
    at_ns=5,
    received_ns=6,
    snapshot=True,
    quantity="0.1000",
    price="2000.00",
    filled="0.0000",
)
FILL = replace(
    ACCEPTED,
    kind="fill",
    status="partially_filled",
    snapshot=False,
    filled="0.0400",
    exec_id="e1",
    last_price="1999.99",
    last_quantity="0.0400",
    fees=(Fee(asset="USDT", amount="0.2"),),
    liquidity="maker",
)
SUBSCRIBED = Subscribed(stream="executions", received_ns=0)
SNAPSHOT = Balances(balances=(), snapshot=True, received_ns=0)
MOVED = Balances(balances=(Balance(asset="USDT", total="5"),), snapshot=False, received_ns=0)
LOST = Untrusted(stream="executions", kind="disconnected", detail="", received_ns=0)


@asynccontextmanager
async def streaming(client: TinyClient) -> AsyncIterator[RecordingContext]:
    port = PrivateStream(ORDERS, RECONCILE, ALERTS, client.open, Scales({"USDT": 6, "ETH": 8}))
    async with running(port, "/stream") as context:
        yield context


async def test_executions_become_reports(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with streaming(client) as context:
        await client.put("executions", ACCEPTED)
        await client.put("executions", FILL)
        ended = replace(ACCEPTED, kind="canceled", status="canceled", filled="0.0400")
        await client.put("executions", ended)
        accepted, filled, cancelled = context.sent_to(ORDERS)
    assert isinstance(accepted, OrderReported)
    assert accepted.order.state is OrderState.OPEN
    assert (accepted.order.quantity_lots, accepted.order.limit_ticks) == (1_000, 200_000)
    assert isinstance(filled, FillReported)
    assert (filled.fill.exec_id, filled.fill.quantity_lots) == ("e1", 400)
    assert (filled.fill.cost_minor, filled.fill.fee_minor, filled.fill.maker) == (
        79_999_600,
        200_000,
        True,
    )
    assert isinstance(cancelled, OrderReported)
    assert (cancelled.order.state, cancelled.order.filled_lots) == (OrderState.CANCELLED, 400)


async def test_the_last_fill_also_tells_the_end(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with streaming(client) as context:
        await client.put("executions", replace(FILL, status="filled", filled="0.1000"))
        filled, ended = context.sent_to(ORDERS)
    assert isinstance(filled, FillReported)
    assert isinstance(ended, OrderReported)
    assert (ended.order.state, ended.order.filled_lots) == (OrderState.FILLED, 1_000)


async def test_the_account_is_read_after_every_connection(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with streaming(client) as context:
        await client.put("executions", SUBSCRIBED)
        await client.put("balances", SNAPSHOT)
        await trio.sleep(5)
        assert context.sent_to(RECONCILE) == [ReconcileNow()]
        await client.put("executions", LOST)
        await trio.sleep(5)
        await client.put("executions", SUBSCRIBED)
        await trio.sleep(5)
        assert len(context.sent_to(RECONCILE)) == 3


async def test_what_cannot_be_understood_is_read_instead(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with streaming(client) as context:
        await client.put("executions", ACCEPTED)
        await client.put("balances", SUBSCRIBED)
        for number, odd in enumerate(
            (
                replace(FILL, last_quantity="0.00005"),
                replace(FILL, side=None),
                replace(FILL, symbol="NO/SUCH"),
                replace(ACCEPTED, kind="canceled", status="canceled", filled=None),
            )
        ):
            await trio.sleep(5)
            await client.put("executions", odd)
            await trio.sleep(5)
            assert len(context.sent_to(RECONCILE)) == number + 1
        assert len(context.sent_to(ORDERS)) == 1


async def test_balances_that_move_without_an_execution_hint_at_a_deposit(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    async with streaming(client) as context:
        await client.put("balances", SNAPSHOT)
        await client.put("executions", FILL)
        await trio.sleep(4)
        before = len(context.sent_to(RECONCILE))
        await client.put("balances", MOVED)
        await trio.sleep(20)
        assert len(context.sent_to(RECONCILE)) == before
        await client.put("balances", MOVED)
        await trio.sleep(20)
        assert len(context.sent_to(RECONCILE)) == before + 1


async def test_funding_is_read_at_once_however_many_executions_there_are(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    async with streaming(client) as context:
        await client.put("balances", SNAPSHOT)
        await client.put("executions", FILL)
        await trio.sleep(4)
        before = len(context.sent_to(RECONCILE))
        await client.put("executions", FILL)
        await client.put("balances", replace(MOVED, funding=True))
        await trio.sleep(1)
        assert len(context.sent_to(RECONCILE)) == before + 1


async def test_a_refused_stream_is_told_once(autojump_clock: MockClock) -> None:
    client = TinyClient()
    refused = replace(LOST, kind="refused", detail="EAPI:Invalid key")
    async with streaming(client) as context:
        for _ in range(3):
            await client.put("executions", refused)
        (alert,) = context.sent_to(ALERTS)
    assert isinstance(alert, Alert)
    assert "EAPI:Invalid key" in alert.text


async def test_a_client_that_fails_is_opened_anew(autojump_clock: MockClock) -> None:
    client = TinyClient()
    client.fails("load_instruments", Code.UNAVAILABLE, times=3)
    async with streaming(client) as context:
        await client.put("executions", ACCEPTED)
        assert len(context.sent_to(ORDERS)) == 1
    assert client.opened == 4


async def test_nothing_is_read_while_the_tree_is_full(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with streaming(client) as context:
        await client.put("balances", SNAPSHOT)
        context.readable = trio.Event()
        await client.put("executions", ACCEPTED)
        assert context.sent_to(ORDERS) == []
        context.readable.set()
        await trio.sleep(0.01)
        assert len(context.sent_to(ORDERS)) == 1
