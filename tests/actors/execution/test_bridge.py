"""A line that trades through a simulated bridge, as through any venue."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from trio.testing import MockClock

from actors.execution.bridge import BridgeClient, Retcode, SimulatedBridge, tag_of
from actors.execution.limits import VenueBudget
from actors.execution.line import Line
from actors.execution.translate import Scales
from messages.amends import Amend, AmendOutcome, AmendResult
from messages.money import AccountMode, Mode, SwitchSet
from messages.orders import (
    Cancel,
    CancelOutcome,
    CancelResult,
    Inquire,
    InquiryOutcome,
    OrderState,
    Submit,
    SubmitOutcome,
    SubmitResult,
)
from tests.actors.port_context import RecordingContext, running
from tests.actors.trading import LINE, SECOND_NS, START_NS, terms
from tests.actors.venue_client import LISTED

OURS = "00000000-0000-4000-8000-000000000001"
ACTIVE = AccountMode(user="alice", venue="broker-sim", mode=Mode.ACTIVE, reason="agreed")


@asynccontextmanager
async def trading() -> AsyncIterator[tuple[SimulatedBridge, RecordingContext]]:
    bridge = SimulatedBridge(LISTED, lambda: START_NS)
    client = BridgeClient(bridge, "broker", lambda: START_NS)

    @asynccontextmanager
    async def open_client() -> AsyncIterator[BridgeClient]:
        yield client

    line = Line("/risk", open_client, Scales({"USDT": 6, "ETH": 8}), VenueBudget(100.0, 50))
    async with running(line, LINE) as context:
        for setting in (SwitchSet(engaged=False, generation=1), ACTIVE):
            await context.outcome(setting)
        yield bridge, context


async def submit(context: RecordingContext) -> SubmitOutcome:
    command = Submit(terms=terms(OURS), expires_ns=START_NS + 10 * SECOND_NS)
    outcome = await context.outcome(command)
    assert isinstance(outcome, SubmitOutcome)
    return outcome


async def inquire(context: RecordingContext, ticket: str = "") -> InquiryOutcome:
    question = Inquire(
        client_order_id=OURS, venue_order_id=ticket, symbol=LISTED.symbol, since_ns=0
    )
    outcome = await context.outcome(question)
    assert isinstance(outcome, InquiryOutcome)
    assert outcome.complete
    return outcome


async def test_an_order_rests_is_amended_and_cancelled(autojump_clock: MockClock) -> None:
    async with trading() as (bridge, context):
        bridge.price_ticks = 210_000
        accepted = await submit(context)
        assert (accepted.result, accepted.venue_order_id) == (SubmitResult.ACCEPTED, "1")
        amend = Amend(
            amend_id="a",
            venue_order_id="1",
            terms=terms(OURS, limit_ticks=199_000),
            expires_ns=START_NS + 10 * SECOND_NS,
        )
        amended = await context.outcome(amend)
        assert isinstance(amended, AmendOutcome)
        assert amended.result is AmendResult.ACCEPTED
        found = (await inquire(context)).order
        assert found is not None
        assert (found.limit_ticks, found.state) == (199_000, OrderState.OPEN)
        cancel = Cancel(client_order_id=OURS, venue_order_id="", symbol=LISTED.symbol)
        gone = await context.outcome(cancel)
        assert isinstance(gone, CancelOutcome)
        assert gone.result is CancelResult.ACCEPTED
        again = await context.outcome(cancel)
        assert isinstance(again, CancelOutcome)
        assert again.result is CancelResult.NOT_FOUND


async def test_a_reply_that_does_not_come_is_found_by_the_tag(autojump_clock: MockClock) -> None:
    async with trading() as (bridge, context):
        bridge.price_ticks = 199_000
        bridge.answers = [Retcode.NO_REPLY]
        assert (await submit(context)).result is SubmitResult.UNKNOWN
        found = await inquire(context)
        assert found.order is not None
        assert found.order.state is OrderState.FILLED
        (fill,) = found.fills
        assert (fill.client_order_id, fill.quantity_lots, fill.cost_minor) == (
            OURS,
            1_000,
            199_000_000,
        )
        assert [order.tag for order in bridge.closed.values()] == [tag_of(OURS)]
        assert (await submit(context)).result is SubmitResult.UNKNOWN
        assert len(bridge.closed) == 1, "it is never sent again"


@pytest.mark.parametrize(
    ("retcode", "result"),
    [
        (Retcode.REJECTED, SubmitResult.REJECTED),
        (Retcode.NO_MONEY, SubmitResult.REJECTED),
        (Retcode.CLOSED, SubmitResult.REJECTED),
        (Retcode.OFFLINE, SubmitResult.NOT_SENT),
    ],
)
async def test_what_a_terminal_refuses_was_not_done(
    autojump_clock: MockClock, retcode: Retcode, result: SubmitResult
) -> None:
    async with trading() as (bridge, context):
        bridge.answers = [retcode]
        assert (await submit(context)).result is result
        assert not bridge.open
        assert (await inquire(context)).order is None
