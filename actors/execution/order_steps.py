"""What the orders actor does to one order: move it, ask for it, take in what the venue says of it.

Everything that tells of an order (outcomes, the private stream, inquiries, reconciliations) ends in
`take_report` and `take_fill`, in whatever order it comes. The rules that keep money right:

* an order ends only when the fills that the venue's last word speaks of have come; until then it is
  inquired about, and its reservation stands;
* the ledger hears of exactly one end per order; what fills after it (an order that was ABSENT and
  appeared late, a venue that contradicts itself) is still passed on, and pages.
"""

from msgspec.structs import replace

from actors.execution.lifecycle import checked_move
from actors.execution.order_rows import OrderFigures, order_row
from actors.execution.order_state import (
    FILLS_PER_ORDER_MAX,
    OrdersState,
    Record,
    bring_back,
    keep_closed,
    learn_venue_id,
)
from messages.amends import OrderAmended
from messages.money import AccountConfigured, Alert, Severity
from messages.orders import (
    TERMINAL,
    Cancel,
    Exposure,
    Fill,
    Inquire,
    OrderState,
    OrderUpdate,
    Submit,
    VenueFill,
    VenueOrder,
)
from supervisor.actor import Context

SECOND_NS = 1_000_000_000
AGENDA = "agenda"
# Five retries of what is provably not placed: 0.2, 0.4, 0.8, 1.6, 3.2 s, six seconds in all. Later
# than that the price has moved on, and the sleeve should think again.
SUBMITS_MAX = 6
RETRY_NS_MIN = 200_000_000
# Fills usually come within the frame that ends an order, at the latest with the next.
FILLS_FOLLOW_NS = 250_000_000
# A cancellation that the venue accepted is reported by the private stream within a second or two.
CANCEL_REPORT_NS = 2 * SECOND_NS
INQUIRY_NS_MIN = SECOND_NS
INQUIRY_NS_MAX = 30 * SECOND_NS
# Two readings that do not show an order must lie this far apart to prove that it is not there.
READINGS_APART_NS = SECOND_NS
# An amendment under way does not delay a cancellation: the venue has the order, whatever its price.
CANCELLABLE = (OrderState.OPEN, OrderState.PENDING_AMEND)
# Eight inquiries without a clear answer take two minutes: then a person should know.
INQUIRIES_BEFORE_PAGE = 8


def settings(state: OrdersState) -> AccountConfigured:
    """Return the account's wiring; without it no order can be here."""
    assert state.settings is not None, "AccountConfigured is an orders actor's first message"
    return state.settings


def submit(state: OrdersState, record: Record, ctx: Context) -> None:
    """Hand the order to the line: the first time, or after it provably was not placed."""
    assert record.state is OrderState.PENDING_SUBMIT, "an order is submitted from PENDING_SUBMIT"
    assert not record.submitting, "one submit at a time"
    record.attempts += 1
    record.submitting = True
    record.due_ns = 0
    record.expires_ns = ctx.now_ns + settings(state).submit_expiry_ns
    ctx.send(settings(state).line, Submit(terms=record.terms, expires_ns=record.expires_ns))


def retry_or_give_up(state: OrdersState, record: Record, reason: str, ctx: Context) -> None:
    """Try again later what was provably not placed, or end it."""
    if record.cancel_reason:
        finish(state, record, OrderState.CANCELLED, record.cancel_reason, ctx)
    elif record.attempts >= SUBMITS_MAX:
        text = f"not sent after {SUBMITS_MAX} attempts: {reason}"
        finish(state, record, OrderState.DENIED, text, ctx)
    else:
        record.reason = reason
        delay_ns = RETRY_NS_MIN << (record.attempts - 1)
        record.due_ns = ctx.now_ns + int(delay_ns * (0.8 + 0.4 * ctx.random()))


def want_cancel(state: OrdersState, record: Record, reason: str, ctx: Context) -> None:
    """Cancel the order as soon as its state allows."""
    record.cancel_reason = record.cancel_reason or reason
    record.ttl_due_ns = 0
    waiting_to_retry = record.state is OrderState.PENDING_SUBMIT and not record.submitting
    if waiting_to_retry:
        finish(state, record, OrderState.CANCELLED, reason, ctx)
    elif record.state in CANCELLABLE and record.closing is None:
        move(state, record, OrderState.PENDING_CANCEL, reason, ctx)
        send_cancel(state, record, ctx)


def send_cancel(state: OrdersState, record: Record, ctx: Context) -> None:
    """Have the line cancel the order; safe to repeat."""
    assert record.state is OrderState.PENDING_CANCEL, "only what is being cancelled is cancelled"
    if record.cancelling:
        return
    record.cancelling = True
    record.due_ns = 0
    command = Cancel(
        client_order_id=record.client_order_id,
        venue_order_id=record.venue_order_id,
        symbol=record.terms.symbol,
    )
    ctx.send(settings(state).line, command)


def inquire(state: OrdersState, record: Record, ctx: Context) -> None:
    """Ask the venue what became of the order, unless it is being asked."""
    if record.inquiring:
        return
    record.inquiring = True
    record.due_ns = 0
    command = Inquire(
        client_order_id=record.client_order_id,
        venue_order_id=record.venue_order_id,
        symbol=record.terms.symbol,
        since_ns=record.created_ns - settings(state).visibility_lag_ns,
    )
    ctx.send(settings(state).line, command)


def inquire_later(record: Record, delay_ns: int, ctx: Context) -> None:
    """Ask after `delay_ns`, or sooner if that is already planned."""
    if not record.inquiring:
        due_ns = ctx.now_ns + delay_ns
        record.due_ns = min(record.due_ns or due_ns, due_ns)


def inquire_again(state: OrdersState, record: Record, ctx: Context) -> None:
    """Ask again with backoff, and tell a person when it takes long."""
    record.inquiries += 1
    delay_ns = min(INQUIRY_NS_MAX, INQUIRY_NS_MIN << min(record.inquiries - 1, 8))
    inquire_later(record, delay_ns, ctx)
    if record.inquiries == INQUIRIES_BEFORE_PAGE:
        text = (
            f"order {record.client_order_id} ({record.terms.symbol}) is {record.state.value} and "
            f"{INQUIRIES_BEFORE_PAGE} inquiries settled nothing: look at the venue; its money "
            "stays reserved until it is settled"
        )
        alert(state, Severity.PAGE, text, ctx)


def take_report(state: OrdersState, record: Record, report: VenueOrder, ctx: Context) -> None:
    """Take in what the venue says of an order; what is older than what we know changes nothing."""
    learn(state, record, report.venue_order_id, ctx)
    if record.state is OrderState.ABSENT:
        adopt(state, record, ctx)
    if record.state in TERMINAL:
        return
    if record.amend is not None and _shows_amended(record, report):
        conclude_amend(state, record, "amended", ctx, applied=True)
        if record.state in TERMINAL:
            return
    if report.state in TERMINAL:
        close(state, record, report, ctx)
        return
    if record.state in (OrderState.PENDING_SUBMIT, OrderState.UNKNOWN):
        opened(state, record, ctx)
    if report.filled_lots > record.filled_lots and record.state not in TERMINAL:
        inquire_later(record, FILLS_FOLLOW_NS, ctx)


def learn(state: OrdersState, record: Record, venue_order_id: str, ctx: Context) -> None:
    """Note the venue's id of the order, and take in the fills that waited for it."""
    if venue_order_id and record.venue_order_id not in ("", venue_order_id):
        known = state.by_venue_id.get(venue_order_id) == record.client_order_id
        if not known:
            text = (
                f"the venue has two orders with our id {record.client_order_id}: "
                f"{record.venue_order_id} and {venue_order_id}; look at the venue, cancel one"
            )
            alert(state, Severity.PAGE, text, ctx)
    for fill in learn_venue_id(state, record, venue_order_id):
        take_fill(state, record, fill, ctx)


def opened(state: OrdersState, record: Record, ctx: Context) -> None:
    """Note that the venue has the order; do now what had to wait for that."""
    record.submitting = False
    record.inquiries = 0
    record.absent_ns = 0
    if not record.inquiring:
        record.due_ns = 0
    move(state, record, OrderState.OPEN, "", ctx)
    if record.cancel_reason:
        want_cancel(state, record, record.cancel_reason, ctx)


def _shows_amended(record: Record, report: VenueOrder) -> bool:
    wanted = record.amend
    assert wanted is not None, "asked by the caller"
    return (report.limit_ticks, report.quantity_lots) == (wanted.limit_ticks, wanted.quantity_lots)


def conclude_amend(
    state: OrdersState, record: Record, reason: str, ctx: Context, *, applied: bool
) -> None:
    """Note which of the two the venue has, the old or the new; tell ledger and risk."""
    amend = record.amend
    assert amend is not None, "an amendment was under way"
    record.amend = None
    record.amended_ns = ctx.now_ns
    if applied:
        record.terms = replace(
            record.terms, limit_ticks=amend.limit_ticks, quantity_lots=amend.quantity_lots
        )
    amended = OrderAmended(
        amend_id=amend.amend_id,
        client_order_id=record.client_order_id,
        applied=applied,
        limit_ticks=record.terms.limit_ticks,
        quantity_lots=record.terms.quantity_lots,
        reason=reason,
    )
    ctx.send(record.terms.ledger, amended)
    if record.state is OrderState.PENDING_AMEND:
        move(state, record, OrderState.OPEN, reason, ctx)
    else:
        show(state, record, ctx)
    if record.filled_lots >= record.terms.quantity_lots:
        finish(state, record, OrderState.FILLED, "", ctx)
    else:
        tell_risk(state, record, None, ctx)


def adopt(state: OrdersState, record: Record, ctx: Context) -> None:
    """Let an order live again that was concluded to be absent, and cancel it."""
    text = (
        f"order {record.client_order_id} ({record.terms.symbol}) was concluded to be absent and "
        "has appeared at the venue: it is being cancelled, its fills are booked; check the venue's "
        "visibility lag in bot.toml"
    )
    alert(state, Severity.PAGE, text, ctx)
    bring_back(state, record)
    record.cancel_reason = "it appeared after it was concluded to be absent"
    opened(state, record, ctx)


def close(state: OrdersState, record: Record, report: VenueOrder, ctx: Context) -> None:
    """End an order of which the venue says so, as soon as all its fills are here."""
    filled_lots = report.filled_lots
    if report.state is OrderState.FILLED:
        # While it is being amended, only the venue knows of how much that is the end.
        known_lots = 0 if record.amend is not None else record.terms.quantity_lots
        filled_lots = max(filled_lots, known_lots)
    if record.filled_lots >= filled_lots:
        finish(state, record, report.state, report.reason or record.cancel_reason, ctx)
        return
    if record.state in (OrderState.PENDING_SUBMIT, OrderState.UNKNOWN):
        record.cancel_reason = ""
        opened(state, record, ctx)
    record.closing = report.state
    record.closing_lots = filled_lots
    record.reason = report.reason or record.cancel_reason
    inquire_later(record, FILLS_FOLLOW_NS, ctx)


def take_fill(state: OrdersState, record: Record, fill: VenueFill, ctx: Context) -> None:
    """Pass an execution on, once, whatever the state; then see what it does to the order."""
    learn(state, record, fill.venue_order_id, ctx)
    if fill.exec_id in record.exec_ids:
        return
    assert fill.quantity_lots > 0, "an execution moves something"
    if len(record.exec_ids) < FILLS_PER_ORDER_MAX:
        record.exec_ids.append(fill.exec_id)
    if record.amend is not None and _fills_beyond(record, fill):
        conclude_amend(state, record, "amended: it fills beyond its old size", ctx, applied=True)
    ended = record.state in TERMINAL
    record.filled_lots += fill.quantity_lots
    record.cost_minor += fill.cost_minor
    record.newest_fill_ns = max(record.newest_fill_ns, fill.at_ns)
    state.newest_fill_ns = ctx.now_ns
    tell_risk(state, record, fill, ctx)
    ctx.send(record.terms.ledger, Fill(client_order_id=record.client_order_id, fill=fill))
    if record.filled_lots > record.terms.quantity_lots:
        text = (
            f"order {record.client_order_id} filled {record.filled_lots} lots of the "
            f"{record.terms.quantity_lots} ordered: all are booked; ask the venue why"
        )
        alert(state, Severity.PAGE, text, ctx)
    if ended:
        _after_the_end(state, record, fill, ctx)
    else:
        _after_fill(state, record, ctx)


def _fills_beyond(record: Record, fill: VenueFill) -> bool:
    """Return whether the fill proves that a larger quantity is in force."""
    old_lots = record.terms.quantity_lots
    return record.most_lots > old_lots and record.filled_lots + fill.quantity_lots > old_lots


def _after_the_end(state: OrdersState, record: Record, fill: VenueFill, ctx: Context) -> None:
    if record.state is OrderState.ABSENT:
        adopt(state, record, ctx)
        _after_fill(state, record, ctx)
        return
    text = (
        f"execution {fill.exec_id} came after order {record.client_order_id} had ended "
        f"({record.state.value}): it is booked; reconcile with `bot ledger reconcile`"
    )
    alert(state, Severity.PAGE, text, ctx)
    show(state, record, ctx)


def _after_fill(state: OrdersState, record: Record, ctx: Context) -> None:
    if record.filled_lots >= record.most_lots:
        finish(state, record, OrderState.FILLED, "", ctx)
    elif record.closing is not None and record.filled_lots >= record.closing_lots:
        finish(state, record, record.closing, record.reason, ctx)
    elif record.state in (OrderState.PENDING_SUBMIT, OrderState.UNKNOWN):
        opened(state, record, ctx)
    else:
        show(state, record, ctx)


def finish(state: OrdersState, record: Record, end: OrderState, reason: str, ctx: Context) -> None:
    """End an order: its reservation may go, all that filled of it has been told."""
    if record.terms.quantity_lots <= record.filled_lots:
        end = OrderState.FILLED
    record.closing = None
    # An amendment ends with its order; the ledger forgets it likewise.
    record.amend = None
    record.due_ns = 0
    record.ttl_due_ns = 0
    record.inquiries = 0
    move(state, record, end, reason, ctx)
    keep_closed(state, record)
    tell_risk(state, record, None, ctx)


def move(state: OrdersState, record: Record, after: OrderState, reason: str, ctx: Context) -> None:
    """Move an order along its life cycle, and tell ledger and people."""
    record.state = checked_move(record.client_order_id, record.state, after)
    record.reason = reason
    show(state, record, ctx)
    if record.told_end:
        return
    record.told_end = after in TERMINAL
    update = OrderUpdate(
        client_order_id=record.client_order_id,
        state=after,
        filled_lots=record.filled_lots,
        venue_order_id=record.venue_order_id,
        reason=reason,
    )
    ctx.send(record.terms.ledger, update)


def tell_risk(state: OrdersState, record: Record, fill: VenueFill | None, ctx: Context) -> None:
    """Tell risk what filled and what may still fill."""
    terms = record.terms
    exposure = Exposure(
        client_order_id=terms.client_order_id,
        user=terms.user,
        venue=terms.venue,
        vault=terms.vault,
        sleeve=terms.sleeve,
        symbol=terms.symbol,
        side=terms.side,
        filled_lots=fill.quantity_lots if fill else 0,
        price_ticks=fill.price_ticks if fill else 0,
        working_lots=0 if record.state in TERMINAL else record.working_lots,
    )
    ctx.send(settings(state).risk, exposure)


def show(state: OrdersState, record: Record, ctx: Context) -> None:
    """Record the order's row as it stands now."""
    figures = OrderFigures(
        venue_order_id=record.venue_order_id,
        filled_lots=record.filled_lots,
        cost_minor=record.cost_minor,
        created_ns=record.created_ns,
        updated_ns=ctx.now_ns,
    )
    instrument = state.instruments.get(record.terms.symbol)
    ctx.record(order_row(record.terms, instrument, record.state, record.reason, figures))


def alert(state: OrdersState, severity: Severity, text: str, ctx: Context) -> None:
    """Tell a person."""
    ctx.send(settings(state).alerts, Alert(severity=severity, subject=ctx.address, text=text))
