"""Orders: the life of every order of one account, from risk's approval to the venue's last word.

    risk ─Order, AmendOrder▶ orders ─Submit, Amend, Cancel, Inquire▶ line
                   ▲ ◀─SubmitOutcome, AmendOutcome, CancelOutcome, InquiryOutcome─┘
                   ├─ OrderReported, FillReported ◀ private stream
                   ├─ AccountSeen ◀▶ OrdersStand  reconcile
                   └─ OrderUpdate, Fill ▶ ledger; Exposure ▶ risk

A submit whose outcome is unknown is never sent again. ABSENT is concluded only after the submit's
expiry plus the venue's visibility lag, from two complete readings at least a second apart that do
not show the order.
"""

from actors.execution import amending, cancel_all, foreign
from actors.execution import order_steps as steps
from actors.execution.order_state import LIVE_MAX, OrdersState, Record, find
from messages.account import AccountSeen, OrdersStand
from messages.amends import AmendOrder, AmendOutcome
from messages.market import InstrumentListed
from messages.money import AccountConfigured, CancelAll
from messages.orders import (
    TERMINAL,
    CancelOrder,
    CancelOutcome,
    CancelResult,
    FillReported,
    InquiryOutcome,
    Order,
    OrderReported,
    OrderState,
    SubmitOutcome,
    SubmitResult,
    VenueFill,
    VenueOrder,
)
from messages.runtime import TimerFired
from supervisor.actor import Actor, Context

_BEFORE_OPEN = (OrderState.PENDING_SUBMIT, OrderState.UNKNOWN)


class Orders(Actor[OrdersState]):
    """The orders of one account; see the module's docstring."""

    def on_configured(self, state: OrdersState, message: AccountConfigured, ctx: Context) -> None:
        state.settings = message

    def on_listed(self, state: OrdersState, message: InstrumentListed, ctx: Context) -> None:
        state.instruments[message.instrument.symbol] = message.instrument

    def on_order(self, state: OrdersState, message: Order, ctx: Context) -> None:
        """Place an order that risk approved."""
        terms = message.terms
        assert find(state, terms.client_order_id, "") is None, "an order id is used once"
        ttl_due_ns = ctx.now_ns + message.time_to_live_ns if message.time_to_live_ns else 0
        record = Record(terms=terms, created_ns=ctx.now_ns, ttl_due_ns=ttl_due_ns)
        state.live[terms.client_order_id] = record
        reason = _no_room(state) or _not_listed(state, record)
        if reason:
            steps.finish(state, record, OrderState.DENIED, reason, ctx)
        else:
            steps.submit(state, record, ctx)
            steps.show(state, record, ctx)
        _plan(state, ctx)

    def on_amend(self, state: OrdersState, message: AmendOrder, ctx: Context) -> None:
        amending.begin(state, message, ctx)
        _plan(state, ctx)

    def on_cancel(self, state: OrdersState, message: CancelOrder, ctx: Context) -> None:
        """Cancel an order; one that has ended is left alone, whoever asks has been told of that."""
        record = state.live.get(message.client_order_id)
        if record is not None:
            steps.want_cancel(state, record, message.reason, ctx)
        _plan(state, ctx)

    def on_cancel_all(self, state: OrdersState, message: CancelAll, ctx: Context) -> None:
        cancel_all.begin(state, message, ctx)
        _plan(state, ctx)

    # --- what the line says

    def on_submitted(self, state: OrdersState, message: SubmitOutcome, ctx: Context) -> None:
        record = find(state, message.client_order_id, message.venue_order_id)
        if record is not None:
            record.submitting = False
            _after_submit(state, record, message, ctx)
        _plan(state, ctx)

    def on_cancelled(self, state: OrdersState, message: CancelOutcome, ctx: Context) -> None:
        record = state.live.get(message.client_order_id)
        if record is not None:
            record.cancelling = False
            if message.result is CancelResult.ACCEPTED:
                steps.inquire_later(record, steps.CANCEL_REPORT_NS, ctx)
            elif message.result is CancelResult.NOT_FOUND and not record.inquiries:
                # It has just ended: how, the venue can say at once. Only a second time is odd.
                record.inquiries = 1
                steps.inquire(state, record, ctx)
            else:
                steps.inquire_again(state, record, ctx)
        _plan(state, ctx)

    def on_amended(self, state: OrdersState, message: AmendOutcome, ctx: Context) -> None:
        amending.take_outcome(state, message, ctx)
        _plan(state, ctx)

    def on_inquired(self, state: OrdersState, message: InquiryOutcome, ctx: Context) -> None:
        record = find(state, message.client_order_id, "")
        if record is not None:
            record.inquiring = False
            for fill in message.fills:
                steps.take_fill(state, record, fill, ctx)
            if message.order is not None:
                steps.take_report(state, record, message.order, ctx)
                amending.see_terms(state, record, message.order, message.read_ns, ctx)
            if record.state not in TERMINAL:
                _after_inquiry(state, record, message, ctx)
        _plan(state, ctx)

    # --- what the venue says by itself

    def on_reported(self, state: OrdersState, message: OrderReported, ctx: Context) -> None:
        record = find(state, message.order.client_order_id, message.order.venue_order_id)
        if record is not None:
            steps.take_report(state, record, message.order, ctx)
        _plan(state, ctx)

    def on_filled(self, state: OrdersState, message: FillReported, ctx: Context) -> None:
        _take_fill(state, message.fill, ctx)
        _plan(state, ctx)

    def on_account_seen(self, state: OrdersState, message: AccountSeen, ctx: Context) -> None:
        """Take in a reading of the whole account; say what still moves."""
        foreign.see_account(state, message.read_ns)
        for fill in message.fills:
            _take_fill(state, fill, ctx)
        for order in message.open_orders:
            record = find(state, order.client_order_id, order.venue_order_id)
            if record is not None:
                steps.take_report(state, record, order, ctx)
                amending.see_terms(state, record, order, message.read_ns, ctx)
            else:
                # Only what rests until a reading: a trade by hand is over before one sees it.
                foreign.note_order(state, order, ctx)
        shown = {order.client_order_id for order in message.open_orders}
        unsettled = []
        for record in list(state.live.values()):
            if record.client_order_id not in shown and _should_show(state, record, message):
                steps.inquire(state, record, ctx)
                unsettled.append(record.client_order_id)
            elif record.state in _BEFORE_OPEN or record.closing is not None:
                unsettled.append(record.client_order_id)
        foreign.give_up_due(state, message.read_ns, ctx)
        unsettled += state.unmatched
        stand = OrdersStand(
            request_id=message.request_id,
            unsettled=tuple(unsettled),
            newest_fill_ns=state.newest_fill_ns,
            foreign=tuple(state.foreign),
        )
        ctx.send(message.reply_to, stand)
        _plan(state, ctx)

    def on_timer(self, state: OrdersState, message: TimerFired, ctx: Context) -> None:
        assert message.name == steps.AGENDA, "orders has one timer"
        foreign.give_up_due(state, ctx.now_ns, ctx)
        for record in list(state.live.values()):
            if record.due_ns and record.due_ns <= ctx.now_ns:
                if record.state is OrderState.PENDING_SUBMIT:
                    steps.submit(state, record, ctx)
                else:
                    steps.inquire(state, record, ctx)
            if record.ttl_due_ns and record.ttl_due_ns <= ctx.now_ns:
                steps.want_cancel(state, record, "its time to live is over", ctx)
        _plan(state, ctx)


def _plan(state: OrdersState, ctx: Context) -> None:
    """Answer who waited, and set the one timer to the first moment at which something is due."""
    cancel_all.answer(state, ctx)
    dues = [due for r in state.live.values() for due in (r.due_ns, r.ttl_due_ns)]
    dues = [due for due in (*dues, foreign.due_ns(state)) if due]
    if not dues:
        ctx.cancel(steps.AGENDA)
        return
    first_ns = max(min(dues), ctx.now_ns)
    if ctx.timers.get(steps.AGENDA, (0, 0))[0] != first_ns:
        ctx.after(steps.AGENDA, first_ns - ctx.now_ns)


def _no_room(state: OrdersState) -> str:
    if len(state.live) <= LIVE_MAX:
        return ""
    return f"{LIVE_MAX} orders of this account are live: cancel some before placing more"


def _not_listed(state: OrdersState, record: Record) -> str:
    if record.terms.symbol in state.instruments:
        return ""
    return f"{record.terms.symbol} is not listed here yet: wait until the venue is connected"


def _after_submit(state: OrdersState, record: Record, message: SubmitOutcome, ctx: Context) -> None:
    if message.result is SubmitResult.ACCEPTED:
        steps.learn(state, record, message.venue_order_id, ctx)
        if record.state is OrderState.ABSENT:
            steps.adopt(state, record, ctx)
        elif record.state in _BEFORE_OPEN:
            steps.opened(state, record, ctx)
        return
    if record.state is not OrderState.PENDING_SUBMIT:
        # The stream or an inquiry was faster, and knows more than an outcome without a verdict.
        if message.result is not SubmitResult.UNKNOWN and record.state not in TERMINAL:
            steps.inquire(state, record, ctx)
        return
    if message.result is SubmitResult.UNKNOWN:
        steps.move(state, record, OrderState.UNKNOWN, message.reason, ctx)
        steps.inquire(state, record, ctx)
    elif message.result is SubmitResult.NOT_SENT:
        steps.retry_or_give_up(state, record, message.reason, ctx)
    elif message.result is SubmitResult.REJECTED:
        steps.finish(state, record, OrderState.REJECTED, message.reason, ctx)
    else:
        assert message.result is SubmitResult.DENIED, "the five results of a submit"
        steps.finish(state, record, OrderState.DENIED, message.reason, ctx)


def _after_inquiry(
    state: OrdersState, record: Record, message: InquiryOutcome, ctx: Context
) -> None:
    """Decide what to do next with an order that has not ended."""
    if not message.complete:
        steps.inquire_again(state, record, ctx)
    elif message.order is None and record.state is OrderState.UNKNOWN:
        _not_shown(state, record, message.read_ns, ctx)
    elif message.order is None or _lacks_fills(record, message.order):
        steps.inquire_again(state, record, ctx)
    elif record.state is OrderState.PENDING_CANCEL:
        steps.send_cancel(state, record, ctx)
    elif record.amend is not None:
        amending.not_shown(state, record, message.read_ns, ctx)
    else:
        record.inquiries = 0
        record.due_ns = 0


def _lacks_fills(record: Record, order: VenueOrder) -> bool:
    return record.closing is not None or order.filled_lots > record.filled_lots


def _not_shown(state: OrdersState, record: Record, read_ns: int, ctx: Context) -> None:
    """Judge a complete reading without the order: it is absent, or not visible yet."""
    visible_ns = record.expires_ns + steps.settings(state).visibility_lag_ns
    if read_ns < visible_ns:
        delay_ns = min(steps.INQUIRY_NS_MIN << min(record.inquiries, 4), visible_ns - ctx.now_ns)
        record.inquiries += 1
        steps.inquire_later(record, max(delay_ns, steps.FILLS_FOLLOW_NS), ctx)
    elif not record.absent_ns:
        record.absent_ns = read_ns
        steps.inquire_later(record, steps.READINGS_APART_NS, ctx)
    elif read_ns - record.absent_ns < steps.READINGS_APART_NS:
        steps.inquire_later(record, steps.READINGS_APART_NS, ctx)
    else:
        reason = "the venue never had it: two readings after its expiry do not show it"
        steps.finish(state, record, OrderState.ABSENT, reason, ctx)


def _take_fill(state: OrdersState, fill: VenueFill, ctx: Context) -> None:
    record = find(state, fill.client_order_id, fill.venue_order_id)
    if record is not None:
        steps.take_fill(state, record, fill, ctx)
    else:
        foreign.keep_fill(state, fill, ctx)


def _should_show(state: OrdersState, record: Record, seen: AccountSeen) -> bool:
    """Return whether a reading of all open orders that lacks this one says that it has ended."""
    settled = record.state in (*steps.CANCELLABLE, OrderState.PENDING_CANCEL)
    visible_ns = record.created_ns + steps.settings(state).visibility_lag_ns
    return settled and visible_ns < seen.read_ns
