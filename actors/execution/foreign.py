"""What the venue tells of and this bot did not place: flagged, or handed to a vault's ledger.

An execution whose order we cannot tell waits until any order of ours would have become visible.
Then it is somebody else's. A sale in a vault's asset goes to that vault's ledger, once: it may be a
sleeve's position closed by hand, which only the ledger can know. What opens something new belongs
to nobody here: a person is paged, and the books differ from the venue's until it is undone. Where
the account is configured to adopt what is traded by hand, purchases go to the ledger as well.

What was executed before the account was first read is part of the opening balance.
"""

from actors.execution.order_state import (
    BY_HAND_KEPT_MAX,
    FOREIGN_KEPT_MAX,
    UNMATCHED_MAX,
    OrdersState,
)
from actors.execution.order_steps import alert, settings
from messages.money import Severity
from messages.orders import Exposure, Fill, OrderState, Side, VenueFill, VenueOrder
from supervisor.actor import Context

_BEFORE_OPEN = (OrderState.PENDING_SUBMIT, OrderState.UNKNOWN)


def see_account(state: OrdersState, read_ns: int) -> None:
    """Note when the account was first read."""
    state.opened_ns = state.opened_ns or read_ns


def note_order(state: OrdersState, order: VenueOrder, ctx: Context) -> None:
    """Flag an order that is not ours."""
    if order.state is OrderState.OPEN and settings(state).adopts:
        text = (
            f"the venue has an open order {order.venue_order_id} ({order.side.value} "
            f"{order.quantity_lots} lots of {order.symbol}) that was placed by hand: what it fills "
            "is adopted into the vault's sleeve manual; cancel it at the venue if it is not yours"
        )
        _flag(state, order.venue_order_id, text, ctx, Severity.NOTICE)
    elif order.state is OrderState.OPEN:
        text = (
            f"the venue has an open order {order.venue_order_id} ({order.side.value} "
            f"{order.quantity_lots} lots of {order.symbol}) that this bot did not place: it is "
            "left alone; cancel it at the venue if it is not yours"
        )
        _flag(state, order.venue_order_id, text, ctx)


def keep_fill(state: OrdersState, fill: VenueFill, ctx: Context) -> None:
    """Keep an execution until its order is known, or until it is nobody's of ours."""
    if fill.at_ns <= max(state.forgotten_ns, state.opened_ns):
        return
    if fill.exec_id in state.by_hand or fill.exec_id in state.foreign:
        return
    state.unmatched[fill.exec_id] = fill
    while len(state.unmatched) > UNMATCHED_MAX:
        _give_up(state, next(iter(state.unmatched.values())), ctx)


def due_ns(state: OrdersState) -> int:
    """Return when the first execution that waits is given up; 0 for never."""
    if not state.unmatched or not _may_give_up(state):
        return 0
    first_ns = min(fill.at_ns for fill in state.unmatched.values())
    return first_ns + _patience_ns(state) + 1


def give_up_due(state: OrdersState, now_ns: int, ctx: Context) -> None:
    """Give up executions that waited longer than any order of ours needs to become visible."""
    if not _may_give_up(state):
        return
    since_ns = now_ns - _patience_ns(state)
    for fill in [f for f in state.unmatched.values() if f.at_ns < since_ns]:
        _give_up(state, fill, ctx)


def _may_give_up(state: OrdersState) -> bool:
    return state.opened_ns > 0 and not any(r.state in _BEFORE_OPEN for r in state.live.values())


def _patience_ns(state: OrdersState) -> int:
    return 2 * settings(state).visibility_lag_ns


def _give_up(state: OrdersState, fill: VenueFill, ctx: Context) -> None:
    del state.unmatched[fill.exec_id]
    if fill.at_ns <= state.opened_ns or not state.opened_ns:
        return
    vault = _vault_of(state, fill)
    if vault:
        _hand_over(state, fill, vault, ctx)
        return
    text = (
        f"the venue tells of execution {fill.exec_id} ({fill.side.value} {fill.quantity_lots} lots "
        f"of {fill.symbol}, order {fill.venue_order_id}) of an order that this bot did not place "
        "and that closes nothing of its vaults: the books differ by it until it is undone at the "
        "venue"
    )
    _flag(state, fill.exec_id, text, ctx)


def _vault_of(state: OrdersState, fill: VenueFill) -> str:
    """Return the vault whose position it may have closed, or that adopts it; "" for none."""
    instrument = state.instruments.get(fill.symbol)
    if instrument is None:
        return ""
    # A perpetual's position may be closed by either side.
    may_close = fill.side is Side.SELL or instrument.is_perpetual
    if not may_close and not settings(state).adopts:
        return ""
    assets = settings(state).vault_assets
    return next((vault for vault, asset in assets.items() if asset == instrument.quote), "")


def _hand_over(state: OrdersState, fill: VenueFill, vault: str, ctx: Context) -> None:
    """Have it booked by the vault's ledger, which tells a person what it took it for."""
    account = settings(state)
    state.by_hand[fill.exec_id] = fill.at_ns
    while len(state.by_hand) > BY_HAND_KEPT_MAX:
        forgotten_ns = state.by_hand.pop(next(iter(state.by_hand)))
        state.forgotten_ns = max(state.forgotten_ns, forgotten_ns)
    state.newest_fill_ns = ctx.now_ns
    exposure = Exposure(
        client_order_id="",
        user=account.user,
        venue=account.venue,
        vault=vault,
        sleeve="",
        symbol=fill.symbol,
        side=fill.side,
        filled_lots=fill.quantity_lots,
        price_ticks=fill.price_ticks,
        working_lots=0,
    )
    ctx.send(account.risk, exposure)
    ctx.send(account.ledgers[vault], Fill(client_order_id="", fill=fill))


def _flag(
    state: OrdersState,
    foreign_id: str,
    text: str,
    ctx: Context,
    severity: Severity = Severity.PAGE,
) -> None:
    if foreign_id in state.foreign:
        return
    state.foreign = [*state.foreign[-FOREIGN_KEPT_MAX + 1 :], foreign_id]
    alert(state, severity, text, ctx)
