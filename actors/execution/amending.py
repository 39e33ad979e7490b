"""What the orders actor does to amend an order: ask the line once, then find out what came of it.

An amendment is never written twice, like a submit. Where its outcome is unknown, the venue is asked
for the order: one that shows the new price and quantity has been amended; one that still shows the
old ones in a reading after the amendment's expiry and the visibility lag has not.
"""

from actors.execution import order_steps as steps
from actors.execution.order_state import AmendWait, OrdersState, Record
from messages.amends import Amend, AmendOrder, AmendOutcome, AmendResult, OrderAmended
from messages.money import Severity
from messages.orders import OrderState, VenueOrder
from supervisor.actor import Context


def begin(state: OrdersState, message: AmendOrder, ctx: Context) -> None:
    """Amend an order that rests; one that does not is left as it is, and the ledger told so."""
    record = state.live.get(message.terms.client_order_id)
    reason = _refusal(record, message)
    if record is None or reason:
        terms = record.terms if record is not None else message.terms
        refused = OrderAmended(
            amend_id=message.amend_id,
            client_order_id=terms.client_order_id,
            applied=False,
            limit_ticks=terms.limit_ticks,
            quantity_lots=terms.quantity_lots,
            reason=f"not amended: {reason}",
        )
        ctx.send(message.terms.ledger, refused)
        return
    record.amend = AmendWait(
        amend_id=message.amend_id,
        limit_ticks=message.terms.limit_ticks,
        quantity_lots=message.terms.quantity_lots,
        expires_ns=ctx.now_ns + steps.settings(state).submit_expiry_ns,
    )
    steps.move(state, record, OrderState.PENDING_AMEND, "", ctx)
    steps.tell_risk(state, record, None, ctx)
    command = Amend(
        amend_id=message.amend_id,
        venue_order_id=record.venue_order_id,
        terms=message.terms,
        expires_ns=record.amend.expires_ns,
    )
    ctx.send(steps.settings(state).line, command)


def take_outcome(state: OrdersState, message: AmendOutcome, ctx: Context) -> None:
    """Take in what the line says; it may know no more than that it asked."""
    record = state.live.get(message.client_order_id)
    if record is None or record.amend is None or record.amend.amend_id != message.amend_id:
        # The venue's own reports were faster, or the order is over.
        return
    record.amend.sent = False
    if message.result is AmendResult.UNKNOWN:
        steps.inquire(state, record, ctx)
    elif message.result is AmendResult.ACCEPTED:
        steps.conclude_amend(state, record, "amended", ctx, applied=True)
    else:
        reason = f"not amended: {message.reason}"
        steps.conclude_amend(state, record, reason, ctx, applied=False)
        if message.result is AmendResult.NOT_FOUND:
            steps.inquire(state, record, ctx)


def not_shown(state: OrdersState, record: Record, read_ns: int, ctx: Context) -> None:
    """Judge a complete reading that shows the order as it was before."""
    amend = record.amend
    assert amend is not None, "asked by the caller"
    if amend.sent:
        # The line will say what came of it.
        return
    visible_ns = amend.expires_ns + steps.settings(state).visibility_lag_ns
    if read_ns < visible_ns:
        delay_ns = max(visible_ns - ctx.now_ns, steps.FILLS_FOLLOW_NS)
        steps.inquire_later(record, min(delay_ns, steps.INQUIRY_NS_MIN), ctx)
    else:
        reason = "not amended: a reading after its expiry shows the order as it was"
        steps.conclude_amend(state, record, reason, ctx, applied=False)


def see_terms(
    state: OrdersState, record: Record, order: VenueOrder, read_ns: int, ctx: Context
) -> None:
    """Take over the terms that a reading shows where nobody here asked for them.

    They were changed by hand at the venue, or by this bot after the backup that it goes on from.
    """
    known = (record.terms.limit_ticks, record.terms.quantity_lots)
    shown = (order.limit_ticks, order.quantity_lots)
    if record.state is not OrderState.OPEN or record.amend is not None or shown == known:
        return
    if order.state is not OrderState.OPEN or not all(shown) or not record.terms.limit_ticks:
        return
    if read_ns < record.amended_ns + steps.settings(state).visibility_lag_ns:
        return
    record.amend = AmendWait(
        amend_id="", limit_ticks=shown[0], quantity_lots=shown[1], expires_ns=0, sent=False
    )
    text = (
        f"order {record.client_order_id} ({record.terms.symbol}) stands at the venue with "
        f"{shown[1]} lots at {shown[0]} ticks and was placed with {known[1]} at {known[0]}: it was "
        "changed there, and is followed as it is now; cancel it if you do not want it"
    )
    steps.alert(state, Severity.PAGE, text, ctx)
    steps.conclude_amend(state, record, "changed at the venue", ctx, applied=True)


def _refusal(record: Record | None, message: AmendOrder) -> str:
    if record is None:
        return "the order has ended"
    if record.state is not OrderState.OPEN or record.closing is not None:
        return f"the order is {record.state.value}"
    if message.terms.quantity_lots <= record.filled_lots:
        return f"{record.filled_lots} lots have filled already"
    return ""
