"""Line: the port through which one account's orders leave. It owns no state that matters.

* An order leaves only after its `Submit` is committed (the runtime delivers it no earlier), only
  once, and only after switch and mode were looked at, with nothing in between but the sending.
* It starts closed: until risk has told it the kill switch and the account's mode, only cancels
  leave.
* A kill switch is confirmed when no entry is under way any more: what had been looked at before may
  still be writing.
* After a restart the submits that were with it are concluded as UNKNOWN: `orders` asks the venue.
"""

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, cast

import trio

from actors.execution.circuit import Attempt, entry_breaker, unwatched, watched
from actors.execution.clients import AccountClient, OpenAccount
from actors.execution.limits import Rank, VenueBudget
from actors.execution.reads import inquire, read_account
from actors.execution.translate import Scales, change_of, ticket_of
from exchanges.errors import Code, VenueError
from exchanges.types import DerivativeTerms
from messages.account import AccountRead
from messages.amends import Amend, AmendOutcome, AmendResult
from messages.base import Message
from messages.money import (
    AccountMode,
    Alert,
    LineStarted,
    Mode,
    ReadAccount,
    Severity,
    SwitchConfirmed,
    SwitchSet,
)
from messages.orders import (
    Cancel,
    CancelOutcome,
    CancelResult,
    Inquire,
    InquiryOutcome,
    Submit,
    SubmitOutcome,
    SubmitResult,
    Terms,
)
from supervisor.breaker import CircuitBreaker, CircuitOpenError
from supervisor.buggify import LATE_S, buggify
from supervisor.clock import NANOSECONDS_PER_SECOND
from supervisor.port import Command, Port, PortContext

# Ids that may have reached the venue: more than an account has live orders, in 1 MB.
SENT_IDS_MAX = 10_000
CONNECT_RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# Reads wait this long for a connection: at a start it takes a few round trips.
CONNECT_WAIT_S = 5.0
RATE_LIMIT_PAUSE_S = 1.0
# Kraken takes no deadline nearer than two seconds; a tenth is for signing and the loop.
DEADLINE_MARGIN_NS = 2_100_000_000
ALERTS = "/alerts"
NOT_CONNECTED = "the venue is not connected yet"
RESTARTED = "the line was restarted while this was with it"

_PROVABLY_NOT_PLACED = {Code.UNAVAILABLE, Code.RATE_LIMITED}
_REFUSED = {Code.REJECTED, Code.INSUFFICIENT_FUNDS, Code.INVALID, Code.AUTHENTICATION}


def submit_result(error: VenueError) -> SubmitResult:
    """Return what a venue error says of a submit: the one table from error codes to results."""
    if error.reason == "duplicate_client_order_id":
        # Each id is written once, so whoever has this id is our own order.
        return SubmitResult.UNKNOWN
    if error.code in _PROVABLY_NOT_PLACED or error.reason == "deadline_elapsed":
        return SubmitResult.NOT_SENT
    return SubmitResult.REJECTED if error.code in _REFUSED else SubmitResult.UNKNOWN


def amend_result(error: VenueError) -> AmendResult:
    """Return what a venue error says of an amendment."""
    if error.code is Code.NOT_FOUND:
        return AmendResult.NOT_FOUND
    said = submit_result(error)
    if said is SubmitResult.NOT_SENT:
        return AmendResult.NOT_SENT
    return AmendResult.REJECTED if said is SubmitResult.REJECTED else AmendResult.UNKNOWN


class Line(Port):
    """One account's way to the venue; see the module's docstring.

    `open_account` opens a client that leaves pacing to `budget`, and that of reads to `reads` where
    a venue counts them apart. `margin_ns` is how near to its expiry an order is no longer sent. Of
    `symbols` the account's own fees are read.
    """

    commands: ClassVar[tuple[type[Message], ...]] = (
        Submit,
        Amend,
        Cancel,
        Inquire,
        ReadAccount,
        SwitchSet,
        AccountMode,
    )

    def __init__(
        self,
        risk: str,
        open_account: OpenAccount,
        scales: Scales,
        budget: VenueBudget,
        reads: VenueBudget | None = None,
        margin_ns: int = DEADLINE_MARGIN_NS,
        symbols: tuple[str, ...] = (),
        derivatives: DerivativeTerms | None = None,
    ) -> None:
        self._risk = risk
        self._open_account = open_account
        self._scales = scales
        self._budget = budget
        self._reads = reads or budget
        self._margin_ns = margin_ns
        self._symbols = symbols
        self._derivatives = derivatives
        self._unprepared = ""
        """Why the account is not as configured: nothing is entered meanwhile."""
        self._client: AccountClient | None = None
        self._is_connected = trio.Event()
        self._switch: SwitchSet | None = None
        self._mode: AccountMode | None = None
        self._sent_ids: dict[str, None] = {}
        self._breaker: CircuitBreaker | None = None
        self._entries_under_way = 0
        self._entry_ended = trio.lowlevel.ParkingLot()

    async def recover(self, pending: Sequence[Command], ctx: PortContext) -> None:
        """Conclude what an earlier incarnation left, so that its askers ask again."""
        for command in pending:
            ctx.conclude(command, _left_over(command.message, ctx))

    def circuit(self, now_ns: int) -> str:
        breaker = self._breaker
        if breaker is None:
            return ""
        wait_s = breaker.wait_ns(now_ns) // NANOSECONDS_PER_SECOND
        waits = f", an entry is tried in {wait_s} s" if wait_s else ""
        return f"{breaker.state.value}{waits}; {breaker.refused} entries refused"

    async def run(self, ctx: PortContext) -> None:
        self._breaker = entry_breaker(ctx.address, ctx.random)
        ctx.send(self._risk, LineStarted(line=ctx.address))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stay_connected, ctx)
            while True:
                command = await ctx.receive()
                if isinstance(command.message, SwitchSet | AccountMode):
                    # At once, in order, before anything that was sent after it.
                    self._take_setting(command, ctx, nursery)
                else:
                    nursery.start_soon(self._execute, command, ctx)

    async def _stay_connected(self, ctx: PortContext) -> None:
        for attempt in itertools.count():
            try:
                async with self._open_account() as client:
                    await client.load_instruments()
                    await self._prepare(client, ctx)
                    self._client = client
                    self._is_connected.set()
                    await trio.sleep_forever()
            except* VenueError:
                wait_s = CONNECT_RETRY_S[min(attempt, len(CONNECT_RETRY_S) - 1)]
                await trio.sleep(wait_s * (0.8 + 0.4 * ctx.random()))
            finally:
                self._client = None
                self._is_connected = trio.Event()

    async def _prepare(self, client: AccountClient, ctx: PortContext) -> None:
        """Set leverage, margin and position mode; a venue that says no is not traded at."""
        if self._derivatives is None:
            return
        try:
            await client.prepare(self._symbols, self._derivatives)
            self._unprepared = ""
        except VenueError as error:
            if error.code not in _REFUSED:
                raise
            if self._unprepared != str(error):
                text = (
                    f"the venue does not set up the account as configured ({error}): nothing is "
                    "entered there until it does; see `leverage` and `margin` of the venue in "
                    "bot.toml, and close what is open there by hand"
                )
                alert = Alert(severity=Severity.PAGE, subject=ctx.address, text=text)
                ctx.send(ALERTS, alert)
            self._unprepared = str(error)

    def _take_setting(self, command: Command, ctx: PortContext, nursery: trio.Nursery) -> None:
        message = command.message
        if isinstance(message, AccountMode):
            self._mode = message
            ctx.conclude(command, None)
            return
        assert isinstance(message, SwitchSet), "there are two settings"
        if self._switch is None or message.generation >= self._switch.generation:
            self._switch = message
        if self._entries_under_way and message.engaged:
            nursery.start_soon(self._confirm_later, command, ctx)
        else:
            ctx.conclude(command, _confirmed(message, ctx))

    async def _confirm_later(self, command: Command, ctx: PortContext) -> None:
        while self._entries_under_way:
            await self._entry_ended.park()
        ctx.conclude(command, _confirmed(cast(SwitchSet, command.message), ctx))

    async def _execute(self, command: Command, ctx: PortContext) -> None:
        message = command.message
        if isinstance(message, Submit):
            outcome: Message = await self._submit(message, ctx.now_ns)
            if buggify("line.unheard-answer"):
                outcome = _said(message, SubmitResult.UNKNOWN, "no answer was heard")
        elif isinstance(message, Amend):
            outcome = await self._amend(message, ctx.now_ns)
        elif isinstance(message, Cancel):
            outcome = await self._cancel(message)
        elif isinstance(message, Inquire):
            outcome = await self._inquire(message, ctx.now_ns)
        else:
            assert isinstance(message, ReadAccount), "the runtime delivers what is declared"
            outcome = await self._read_account(message, ctx.now_ns)
        ctx.conclude(command, outcome)

    # --- orders

    async def _submit(self, submit: Submit, now_ns: Callable[[], int]) -> SubmitOutcome:
        terms = submit.terms
        await self._budget.take(Rank.EXIT if terms.reduces else Rank.ENTRY)
        if buggify("line.late"):
            await trio.sleep(LATE_S)
        client = self._client
        if terms.client_order_id in self._sent_ids:
            return _said(submit, SubmitResult.UNKNOWN, "it may have been sent already")
        refused = self._refusal(terms, submit.expires_ns, now_ns())
        if refused is not None:
            return _said(submit, *refused)
        if client is None:
            return _said(submit, SubmitResult.NOT_SENT, NOT_CONNECTED)
        sent_ns = now_ns()
        try:
            attempt = self._attempt(terms, sent_ns)
        except CircuitOpenError as error:
            return _said(submit, SubmitResult.NOT_SENT, str(error))
        self._remember(terms.client_order_id)
        self._entries_under_way += not terms.reduces
        try:
            with attempt(now_ns):
                accepted = await client.submit(ticket_of(submit))
        except VenueError as error:
            _slow_down(self._budget, error)
            result = submit_result(error)
            if result is SubmitResult.NOT_SENT:
                self._sent_ids.pop(terms.client_order_id, None)
            return _said(submit, result, str(error), sent_ns=sent_ns)
        finally:
            self._entries_under_way -= not terms.reduces
            self._entry_ended.unpark_all()
        return SubmitOutcome(
            client_order_id=terms.client_order_id,
            result=SubmitResult.ACCEPTED,
            venue_order_id=accepted.venue_order_id,
            sent_ns=sent_ns,
        )

    async def _amend(self, amend: Amend, now_ns: Callable[[], int]) -> AmendOutcome:
        terms = amend.terms
        await self._budget.take(Rank.EXIT if terms.reduces else Rank.ENTRY)
        client = self._client
        if amend.amend_id in self._sent_ids:
            return _said_of(amend, AmendResult.UNKNOWN, "it may have been sent already")
        refused = self._refusal(terms, amend.expires_ns, now_ns())
        if refused is not None:
            return _said_of(amend, AmendResult.NOT_SENT, refused[1])
        if client is None:
            return _said_of(amend, AmendResult.NOT_SENT, NOT_CONNECTED)
        self._remember(amend.amend_id)
        self._entries_under_way += not terms.reduces
        try:
            await client.amend(change_of(amend))
        except VenueError as error:
            _slow_down(self._budget, error)
            return _said_of(amend, amend_result(error), str(error))
        finally:
            self._entries_under_way -= not terms.reduces
            self._entry_ended.unpark_all()
        return _said_of(amend, AmendResult.ACCEPTED, "")

    def _attempt(self, terms: Terms, sent_ns: int) -> Attempt:
        """Return what watches an attempt to place an order. Raises `CircuitOpenError`.

        Only entries are left out while a venue fails: exits and cancels protect, reads settle.
        """
        breaker = self._breaker
        if terms.reduces or breaker is None:
            return unwatched
        return partial(watched, breaker, breaker.admit(sent_ns))

    def _refusal(
        self, terms: Terms, expires_ns: int, now_ns: int
    ) -> tuple[SubmitResult, str] | None:
        """Return why it may not leave now, or None; no await lies between this and the bytes."""
        if self._switch is None or self._mode is None:
            reason = "risk has not yet told the line whether orders may leave"
            return SubmitResult.NOT_SENT, reason
        if now_ns >= expires_ns - self._margin_ns:
            reason = "it waited for its turn until it was too late to send it"
            return SubmitResult.NOT_SENT, reason
        reason = "" if terms.reduces else self._entry_denial(self._switch, self._mode)
        return (SubmitResult.DENIED, reason) if reason else None

    def _entry_denial(self, switch: SwitchSet, mode: AccountMode) -> str:
        if self._unprepared:
            return f"the account is not set up: {self._unprepared}"
        if switch.engaged:
            return "the kill switch is on"
        if mode.mode is not Mode.ACTIVE:
            return f"the account is {mode.mode.value}: {mode.reason}"
        return ""

    async def _cancel(self, cancel: Cancel) -> CancelOutcome:
        await self._budget.take(Rank.CANCEL)
        ours = cancel.client_order_id
        client = self._client
        if client is None:
            return CancelOutcome(
                client_order_id=ours, result=CancelResult.UNKNOWN, reason=NOT_CONNECTED
            )
        try:
            if cancel.venue_order_id:
                await client.cancel(venue_order_id=cancel.venue_order_id)
            else:
                await client.cancel(client_order_id=ours)
        except VenueError as error:
            _slow_down(self._budget, error)
            gone = error.code is Code.NOT_FOUND
            result = CancelResult.NOT_FOUND if gone else CancelResult.UNKNOWN
            return CancelOutcome(client_order_id=ours, result=result, reason=str(error))
        return CancelOutcome(client_order_id=ours, result=CancelResult.ACCEPTED)

    # --- reads

    async def _inquire(self, message: Inquire, now_ns: Callable[[], int]) -> InquiryOutcome:
        client = await self._connected()
        if client is None:
            return _unanswered(message)
        try:
            return await inquire(client, self._scales, message, now_ns(), self._read_turn)
        except VenueError as error:
            _slow_down(self._reads, error)
            return _unanswered(message)

    async def _read_account(self, message: ReadAccount, now_ns: Callable[[], int]) -> AccountRead:
        client = await self._connected()
        if client is None:
            return _unread(message, NOT_CONNECTED)
        try:
            return await read_account(
                client, self._scales, message, now_ns(), self._read_turn, self._symbols
            )
        except VenueError as error:
            _slow_down(self._reads, error)
            return _unread(message, str(error))

    # --- inside

    async def _connected(self) -> AccountClient | None:
        """Return the client, waiting a little for a connection that is being made."""
        with trio.move_on_after(CONNECT_WAIT_S):
            await self._is_connected.wait()
        return self._client

    async def _read_turn(self, cost: int) -> None:
        for _ in range(cost):
            await self._reads.take(Rank.READ)

    def _remember(self, client_order_id: str) -> None:
        self._sent_ids[client_order_id] = None
        if len(self._sent_ids) > SENT_IDS_MAX:
            del self._sent_ids[next(iter(self._sent_ids))]


def _slow_down(budget: VenueBudget, error: VenueError) -> None:
    if error.code is Code.RATE_LIMITED or error.reason == "rate_limited":
        told_s = (error.retry_after_ms or 0) / 1_000
        budget.pause_s(told_s or RATE_LIMIT_PAUSE_S)


def _said(submit: Submit, result: SubmitResult, reason: str, *, sent_ns: int = 0) -> SubmitOutcome:
    return SubmitOutcome(
        client_order_id=submit.terms.client_order_id,
        result=result,
        reason=reason,
        sent_ns=sent_ns,
    )


def _said_of(amend: Amend, result: AmendResult, reason: str) -> AmendOutcome:
    return AmendOutcome(
        amend_id=amend.amend_id,
        client_order_id=amend.terms.client_order_id,
        result=result,
        reason=reason,
    )


def _confirmed(message: SwitchSet, ctx: PortContext) -> SwitchConfirmed:
    return SwitchConfirmed(line=ctx.address, engaged=message.engaged, generation=message.generation)


def _unanswered(message: Inquire) -> InquiryOutcome:
    return InquiryOutcome(client_order_id=message.client_order_id, complete=False, order=None)


def _unread(message: ReadAccount, reason: str) -> AccountRead:
    return AccountRead(request_id=message.request_id, complete=False, reason=reason)


def _left_over(message: Message, ctx: PortContext) -> Message | None:
    """Return the outcome of a command of which only the venue knows what became."""
    if isinstance(message, Submit):
        return _said(message, SubmitResult.UNKNOWN, RESTARTED)
    if isinstance(message, Amend):
        return _said_of(message, AmendResult.UNKNOWN, RESTARTED)
    if isinstance(message, Cancel):
        return CancelOutcome(
            client_order_id=message.client_order_id,
            result=CancelResult.UNKNOWN,
            reason=RESTARTED,
        )
    if isinstance(message, Inquire):
        return _unanswered(message)
    if isinstance(message, ReadAccount):
        return _unread(message, RESTARTED)
    # A new line writes nothing until risk, told of it, has set switch and mode anew.
    return _confirmed(message, ctx) if isinstance(message, SwitchSet) else None
