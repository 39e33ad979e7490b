"""The line against a client that does what the test says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors.execution.limits import VenueBudget
from actors.execution.line import Line, submit_result
from actors.execution.reads import TRIES_MAX
from actors.execution.translate import Scales
from exchanges.errors import Code, VenueError
from exchanges.types import Balance, DerivativeTerms, TransferReport
from messages.account import AccountRead, VenueTransfer
from messages.amends import Amend, AmendOutcome, AmendResult
from messages.base import Message
from messages.money import (
    AccountMode,
    Alert,
    LineStarted,
    Mode,
    ReadAccount,
    SwitchConfirmed,
    SwitchSet,
    VenueBalance,
)
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
from tests.actors.venue_client import TinyClient, fill_report, order_report

ACTIVE = AccountMode(user="alice", venue="kraken-sim", mode=Mode.ACTIVE, reason="agreed")
EXITS = AccountMode(user="alice", venue="kraken-sim", mode=Mode.EXITS_ONLY, reason="books differ")
OFF = SwitchSet(engaged=False, generation=1)


def line_of(client: TinyClient, terms: DerivativeTerms | None = None) -> Line:
    return Line(
        derivatives=terms,
        risk="/risk",
        open_account=client.open,
        scales=Scales({"USDT": 6, "ETH": 8}),
        budget=VenueBudget(per_second=100.0, burst=50),
        reads=VenueBudget(per_second=0.5, burst=18, kept=0),
    )


@asynccontextmanager
async def open_line(client: TinyClient, *settings: Message) -> AsyncIterator[RecordingContext]:
    """Run a line to which `settings` (switch and account mode) have been told."""
    async with running(line_of(client), LINE) as context:
        for message in settings:
            await context.outcome(message)
        yield context


def submit(client_order_id: str = "order-1", **changes: object) -> Submit:
    return Submit(terms=terms(client_order_id, **changes), expires_ns=START_NS + 10 * SECOND_NS)


async def result_of(context: RecordingContext, command: Submit) -> SubmitOutcome:
    outcome = await context.outcome(command)
    assert isinstance(outcome, SubmitOutcome)
    return outcome


async def test_an_order_leaves_once_switch_and_mode_are_known(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with open_line(client, OFF, ACTIVE) as context:
        assert context.sent_to("/risk") == [LineStarted(line=LINE)]
        outcome = await result_of(context, submit())
    assert (outcome.result, outcome.venue_order_id) == (SubmitResult.ACCEPTED, "V-order-1")
    (ticket,) = client.tickets
    assert (ticket.side, ticket.type, ticket.quantity_lots) == ("buy", "limit", 1_000)
    assert (ticket.price_ticks, ticket.expires_at_ns) == (200_000, START_NS + 10 * SECOND_NS)


@pytest.mark.parametrize("settings", [(), (OFF,), (ACTIVE,)])
async def test_a_new_line_lets_only_cancels_pass(
    settings: tuple[Message, ...], autojump_clock: MockClock
) -> None:
    client = TinyClient()
    async with open_line(client, *settings) as context:
        for command in (submit(), submit("exit", reduces=True)):
            outcome = await result_of(context, command)
            assert outcome.result is SubmitResult.NOT_SENT
            assert outcome.reason == "risk has not yet told the line whether orders may leave"
        cancel = Cancel(client_order_id="o", venue_order_id="V-o", symbol="ETH/USDT")
        assert await context.outcome(cancel) == CancelOutcome(
            client_order_id="o", result=CancelResult.ACCEPTED
        )
    assert client.tickets == []
    assert client.cancels == ["V-o"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ((SwitchSet(engaged=True, generation=1), ACTIVE), "the kill switch is on"),
        ((OFF, EXITS), "the account is exits_only: books differ"),
    ],
)
async def test_entries_are_denied_and_exits_leave(
    settings: tuple[Message, ...], reason: str, autojump_clock: MockClock
) -> None:
    client = TinyClient()
    async with open_line(client, *settings) as context:
        outcome = await result_of(context, submit())
        assert (outcome.result, outcome.reason) == (SubmitResult.DENIED, reason)
        outcome = await result_of(context, submit("exit", reduces=True))
        assert outcome.result is SubmitResult.ACCEPTED
    assert [ticket.client_order_id for ticket in client.tickets] == ["exit"]


async def test_the_switch_is_confirmed_when_no_entry_is_under_way(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    engage = SwitchSet(engaged=True, generation=2)
    async with open_line(client, OFF, ACTIVE) as context:
        client.answering = trio.Event()
        first = context.order(submit())
        await trio.sleep(0.01)
        switch = context.order(engage)
        second = context.order(submit("order-2"))
        await trio.sleep(1.0)
        assert switch not in context.outcomes
        denied = context.outcomes[second]
        assert isinstance(denied, SubmitOutcome)
        assert denied.result is SubmitResult.DENIED
        client.answering.set()
        await trio.sleep(0.01)
        assert first in context.outcomes
        assert context.outcomes[switch] == SwitchConfirmed(line=LINE, engaged=True, generation=2)
    assert [ticket.client_order_id for ticket in client.tickets] == ["order-1"]


async def test_an_older_setting_of_the_switch_does_not_open_the_line(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    async with open_line(client, SwitchSet(engaged=True, generation=5), OFF, ACTIVE) as context:
        assert (await result_of(context, submit())).result is SubmitResult.DENIED


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (Code.AMBIGUOUS, SubmitResult.UNKNOWN),
        (Code.NOT_FOUND, SubmitResult.UNKNOWN),
        (Code.UNAVAILABLE, SubmitResult.NOT_SENT),
        (Code.RATE_LIMITED, SubmitResult.NOT_SENT),
        (Code.REJECTED, SubmitResult.REJECTED),
        (Code.INSUFFICIENT_FUNDS, SubmitResult.REJECTED),
        (Code.INVALID, SubmitResult.REJECTED),
        (Code.AUTHENTICATION, SubmitResult.REJECTED),
    ],
)
async def test_every_venue_error_has_a_result(
    code: Code, result: SubmitResult, autojump_clock: MockClock
) -> None:
    client = TinyClient()
    client.fails("submit", code)
    async with open_line(client, OFF, ACTIVE) as context:
        outcome = await result_of(context, submit())
        assert outcome.result is result
        assert "said so" in outcome.reason
        again = await result_of(context, submit())
    may_have_left = result is not SubmitResult.NOT_SENT
    assert len(client.tickets) == (1 if may_have_left else 2)
    assert again.result is (SubmitResult.UNKNOWN if may_have_left else SubmitResult.ACCEPTED)


def test_a_duplicate_id_is_our_own_order_and_a_passed_deadline_may_be_retried() -> None:
    duplicate = VenueError(Code.REJECTED, "k", "", reason="duplicate_client_order_id")
    assert submit_result(duplicate) is SubmitResult.UNKNOWN
    late = VenueError(Code.REJECTED, "k", "", reason="deadline_elapsed")
    assert submit_result(late) is SubmitResult.NOT_SENT


async def test_what_waited_until_it_expired_is_not_sent(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with open_line(client, OFF, ACTIVE) as context:
        await trio.sleep(7.9)
        outcome = await result_of(context, submit())
    assert outcome.result is SubmitResult.NOT_SENT
    assert outcome.reason == "it waited for its turn until it was too late to send it"
    assert client.tickets == []


async def test_pending_commands_are_never_executed_again(autojump_clock: MockClock) -> None:
    client = TinyClient()
    pending = (
        submit(),
        Cancel(client_order_id="o", venue_order_id="", symbol="ETH/USDT"),
        Inquire(client_order_id="o", venue_order_id="", symbol="ETH/USDT", since_ns=0),
        ReadAccount(request_id="q", fills_since_ns=0),
        OFF,
        ACTIVE,
    )
    async with running(line_of(client), LINE, pending) as context:
        await trio.sleep(1)
        submitted, cancelled, inquired, read, switched, moded = context.outcomes.values()
        assert isinstance(submitted, SubmitOutcome)
        assert submitted.result is SubmitResult.UNKNOWN
        assert isinstance(cancelled, CancelOutcome)
        assert cancelled.result is CancelResult.UNKNOWN
        assert isinstance(inquired, InquiryOutcome)
        assert not inquired.complete
        assert isinstance(read, AccountRead)
        assert not read.complete
        assert switched == SwitchConfirmed(line=LINE, engaged=False, generation=1)
        assert moded is None
        outcome = await result_of(context, submit("order-2"))
        assert outcome.result is SubmitResult.NOT_SENT
    assert client.tickets == []
    assert client.cancels == []


async def test_while_the_venue_is_away_the_switch_is_confirmed_and_nothing_hangs(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    client.fails("load_instruments", Code.UNAVAILABLE, times=100)
    inquiry = Inquire(client_order_id="o", venue_order_id="", symbol="ETH/USDT", since_ns=0)
    async with open_line(client, OFF, ACTIVE) as context:
        assert (await result_of(context, submit())).reason == "the venue is not connected yet"
        answer = await context.outcome(inquiry)
        assert isinstance(answer, InquiryOutcome)
        assert not answer.complete
        client.errors.clear()
        await trio.sleep(40)
        later = Submit(terms=terms(), expires_ns=context.now_ns() + 5 * SECOND_NS)
        assert (await result_of(context, later)).result is SubmitResult.ACCEPTED
    assert client.opened > 1


@pytest.mark.parametrize(
    ("code", "result"),
    [(Code.NOT_FOUND, CancelResult.NOT_FOUND), (Code.AMBIGUOUS, CancelResult.UNKNOWN)],
)
async def test_a_cancel_tells_what_is_known(
    code: Code, result: CancelResult, autojump_clock: MockClock
) -> None:
    client = TinyClient()
    client.fails("cancel", code)
    cancel = Cancel(client_order_id="o", venue_order_id="", symbol="ETH/USDT")
    async with open_line(client, OFF) as context:
        outcome = await context.outcome(cancel)
    assert isinstance(outcome, CancelOutcome)
    assert outcome.result is result
    assert client.cancels == ["o"]


async def test_an_inquiry_reads_open_closed_and_trades(autojump_clock: MockClock) -> None:
    client = TinyClient()
    client.closed_orders = [order_report(status="canceled", filled="0.0400")]
    client.trades = [fill_report("e1"), fill_report("other", venue_order_id="V-other")]
    inquiry = Inquire(client_order_id="order-1", venue_order_id="", symbol="ETH/USDT", since_ns=0)
    async with open_line(client) as context:
        outcome = await context.outcome(inquiry)
    assert isinstance(outcome, InquiryOutcome)
    assert outcome.complete
    assert outcome.read_ns >= START_NS
    assert outcome.order is not None
    assert (outcome.order.state, outcome.order.filled_lots) == (OrderState.CANCELLED, 400)
    (found,) = outcome.fills
    assert (found.exec_id, found.client_order_id) == ("e1", "order-1")
    assert (found.quantity_lots, found.cost_minor, found.fee_minor) == (400, 80_000_000, 208_000)


@pytest.mark.parametrize("method", ["fetch_open_orders", "fetch_closed_orders", "fetch_my_trades"])
async def test_an_inquiry_is_complete_only_if_every_read_was(
    method: str, autojump_clock: MockClock
) -> None:
    client = TinyClient()
    client.fails(method, Code.AMBIGUOUS, times=TRIES_MAX)
    inquiry = Inquire(client_order_id="order-1", venue_order_id="", symbol="ETH/USDT", since_ns=0)
    async with open_line(client) as context:
        outcome = await context.outcome(inquiry)
        assert isinstance(outcome, InquiryOutcome)
        assert not outcome.complete
        outcome = await context.outcome(inquiry)
        assert isinstance(outcome, InquiryOutcome)
        assert outcome.complete


async def test_a_number_off_the_grid_is_no_answer(autojump_clock: MockClock) -> None:
    client = TinyClient()
    client.open_orders = [order_report(quantity="0.12345")]
    inquiry = Inquire(client_order_id="order-1", venue_order_id="", symbol="ETH/USDT", since_ns=0)
    async with open_line(client) as context:
        outcome = await context.outcome(inquiry)
        assert isinstance(outcome, InquiryOutcome)
        assert not outcome.complete
        read = await context.outcome(ReadAccount(request_id="q", fills_since_ns=0))
    assert isinstance(read, AccountRead)
    assert not read.complete
    assert "0.12345" in read.reason


async def test_the_account_is_read_whole(autojump_clock: MockClock) -> None:
    client = TinyClient()
    client.open_orders = [order_report()]
    client.trades = [fill_report("e1"), fill_report("e2", venue_order_id="V-gone")]
    client.balances = (Balance(asset="USDT", total="1000.1234567", free="800"),)
    client.transfers = [
        TransferReport(asset="USDT", amount="12.5", kind="deposit", reference="L1", at_ns=7)
    ]
    async with open_line(client) as context:
        read = await context.outcome(ReadAccount(request_id="q", fills_since_ns=7))
    assert isinstance(read, AccountRead)
    assert read.complete
    assert [order.venue_order_id for order in read.open_orders] == ["V-order-1"]
    assert [(f.exec_id, f.client_order_id) for f in read.fills] == [("e1", "order-1"), ("e2", "")]
    assert read.balances == (
        VenueBalance(asset="USDT", total_minor=1_000_123_456, free_minor=800_000_000),
    )
    assert read.transfers == (
        VenueTransfer(asset="USDT", amount_minor=12_500_000, reference="L1", at_ns=7),
    )


async def test_a_rate_limit_slows_the_whole_venue(autojump_clock: MockClock) -> None:
    client = TinyClient()
    client.fails("submit", Code.RATE_LIMITED)
    async with open_line(client, OFF, ACTIVE) as context:
        await result_of(context, submit())
        before_ns = context.now_ns()
        await result_of(context, submit("order-2"))
        assert context.now_ns() - before_ns >= 0.99 * SECOND_NS


async def test_too_many_reads_hold_no_cancel_and_no_exit(autojump_clock: MockClock) -> None:
    client = TinyClient()
    client.fails("fetch_open_orders", Code.RATE_LIMITED)
    cancel = Cancel(client_order_id="o", venue_order_id="V-o", symbol="ETH/USDT")
    async with open_line(client, OFF, ACTIVE) as context:
        read = await context.outcome(ReadAccount(request_id="q", fills_since_ns=0))
        assert isinstance(read, AccountRead)
        assert not read.complete
        before_ns = context.now_ns()
        await context.outcome(cancel)
        await result_of(context, submit("exit", reduces=True))
        assert context.now_ns() - before_ns < 0.1 * SECOND_NS


async def test_a_reading_survives_lost_answers(autojump_clock: MockClock) -> None:
    client = TinyClient()
    for method in ("fetch_open_orders", "fetch_balances", "fetch_my_trades", "fetch_transfers"):
        client.fails(method, Code.AMBIGUOUS, times=TRIES_MAX - 1)
    async with open_line(client) as context:
        read = await context.outcome(ReadAccount(request_id="q", fills_since_ns=0))
    assert isinstance(read, AccountRead)
    assert read.complete


async def test_reads_keep_to_the_rate_that_the_venue_counts(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with open_line(client) as context:
        await context.outcome(ReadAccount(request_id="connected", fills_since_ns=0))
        before_ns = context.now_ns()
        for number in range(4):
            await context.outcome(ReadAccount(request_id=str(number), fills_since_ns=0))
        # Five readings cost six each: eighteen at once, the other twelve at one in two seconds.
        assert 23 * SECOND_NS <= context.now_ns() - before_ns <= 25 * SECOND_NS


def amend(amend_id: str = "a1", **changes: object) -> Amend:
    wanted = replace(terms(limit_ticks=199_000), **changes)
    return Amend(
        amend_id=amend_id,
        venue_order_id="V-order-1",
        terms=wanted,
        expires_ns=START_NS + 10 * SECOND_NS,
    )


async def amend_result_of(context: RecordingContext, command: Amend) -> AmendResult:
    outcome = await context.outcome(command)
    assert isinstance(outcome, AmendOutcome)
    return outcome.result


async def test_an_amendment_is_written_once(autojump_clock: MockClock) -> None:
    client = TinyClient()
    async with open_line(client, OFF, ACTIVE) as context:
        assert await amend_result_of(context, amend()) is AmendResult.ACCEPTED
        assert await amend_result_of(context, amend()) is AmendResult.UNKNOWN
    (change,) = client.changes
    assert (change.venue_order_id, change.price_ticks) == ("V-order-1", 199_000)


async def test_switch_and_mode_hold_amendments_of_entries_back(autojump_clock: MockClock) -> None:
    client = TinyClient()
    on = SwitchSet(engaged=True, generation=2)
    async with open_line(client, OFF, ACTIVE, on) as context:
        assert await amend_result_of(context, amend()) is AmendResult.NOT_SENT
        exits = amend("a2", reduces=True)
        assert await amend_result_of(context, exits) is AmendResult.ACCEPTED
    assert [change.client_order_id for change in client.changes] == ["order-1"]


@pytest.mark.parametrize(
    ("code", "result"),
    [
        (Code.NOT_FOUND, AmendResult.NOT_FOUND),
        (Code.REJECTED, AmendResult.REJECTED),
        (Code.INVALID, AmendResult.REJECTED),
        (Code.UNAVAILABLE, AmendResult.NOT_SENT),
        (Code.AMBIGUOUS, AmendResult.UNKNOWN),
    ],
)
async def test_what_an_error_says_of_an_amendment(
    autojump_clock: MockClock, code: Code, result: AmendResult
) -> None:
    client = TinyClient()
    client.fails("amend", code)
    async with open_line(client, OFF, ACTIVE) as context:
        assert await amend_result_of(context, amend()) is result


async def test_an_account_that_the_venue_does_not_set_up_enters_nothing_and_may_exit(
    autojump_clock: MockClock,
) -> None:
    client = TinyClient()
    client.fails("prepare", Code.REJECTED)
    async with running(line_of(client, DerivativeTerms(leverage=5)), LINE) as context:
        for message in (OFF, ACTIVE):
            await context.outcome(message)
        (page,) = [m for m in context.sent_to("/alerts") if isinstance(m, Alert)]
        assert "does not set up the account as configured" in page.text
        denied = await result_of(context, submit())
        assert denied.result is SubmitResult.DENIED
        assert denied.reason.startswith("the account is not set up: ")
        left = await result_of(context, submit("order-2", reduces=True))
        assert left.result is SubmitResult.ACCEPTED


async def test_a_setup_without_an_answer_is_asked_again(autojump_clock: MockClock) -> None:
    client = TinyClient()
    client.fails("prepare", Code.AMBIGUOUS)
    async with running(line_of(client, DerivativeTerms(leverage=5)), LINE) as context:
        for message in (OFF, ACTIVE):
            await context.outcome(message)
        await trio.sleep(3)
        assert client.opened == 2
        assert (await result_of(context, submit())).result is SubmitResult.ACCEPTED
