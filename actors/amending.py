"""The ledger's part in amending an order: the money for the new price before anybody is asked.

At a venue that amends by itself the order holds what the dearer of the two needs until it is known
which one it is. At any other it is cancelled; when it has ended, with all its fills, what is left
of it is placed anew under an id of its own, for the same wish: never are two of them live at once.
"""

from msgspec.structs import replace

from actors.desk import Desk
from actors.holds import free_minor, hold, needed_minor, void
from actors.ordering import INTENT_STALE_NS, cancel, check_entry, place, sized
from actors.sides import Refused
from actors.vault import Change, Reservation, open_orders
from messages.amends import AmendIntent, AmendRequest, OrderAmended
from messages.market import Instrument
from messages.orders import Intent, OrderState, OrderType, Terms

REPLACED = "the sleeve wants it at another price"


def handle_amend_intent(desk: Desk, message: AmendIntent) -> None:
    """Amend the order that a wish became, or tell its sleeve why not."""
    sleeve = desk.state.sleeves.get(message.sleeve)
    if sleeve is None:
        desk.notice("unknown sleeve", f"{message.sleeve} is no sleeve of this vault: configure it")
        return
    wished = (o for o in open_orders(desk.state, sleeve.name) if o.intent_id == message.intent_id)
    order = next(wished, None)
    if order is None:
        symbol = sleeve.symbols[0] if sleeve.symbols else ""
        reason = "there is no open order of it"
        desk.tell(sleeve, message.intent_id, symbol, OrderState.CANCELLED, reason)
        return
    try:
        _amend(desk, order, message)
    except Refused as refusal:
        desk.tell_of(order, f"not amended: {refusal}")


def handle_amended(desk: Desk, message: OrderAmended) -> None:
    """Take over which of the two the venue has; let go of the money that only the other needs."""
    order = desk.state.orders.get(message.client_order_id)
    if order is None or order.wish is None:
        return
    if (order.change.amend_id if order.change is not None else "") != message.amend_id:
        return
    changed_elsewhere = order.change is None
    order.change = None
    if message.applied:
        order.quantity_lots = message.quantity_lots
        order.wish = replace(
            order.wish, limit_ticks=message.limit_ticks, quantity_lots=message.quantity_lots
        )
    instrument = desk.state.instruments[order.symbol]
    needed = _needed(desk, instrument, order, order.wish.limit_ticks, order.quantity_lots)
    if changed_elsewhere:
        # What is not free is missing from the reservation: a fill then takes it from suspense.
        free = free_minor(desk, order)
        _hold(desk, order, max(0, min(needed - order.reserved_minor, free)))
    void(desk, order, needed)
    desk.tell_of(order, message.reason)


def replacement(desk: Desk, order: Reservation) -> Reservation | None:
    """Place what is left of an order that was cancelled to be replaced; None if nothing is."""
    change, order.change = order.change, None
    if change is None or change.amend_id or order.state is not OrderState.CANCELLED:
        return None
    left = change.quantity_lots - order.filled_lots
    if order.wish is None or left <= 0:
        return None
    lives_ns = 0
    if order.wish.time_to_live_ns:
        lives_ns = order.placed_ns + order.wish.time_to_live_ns - desk.ctx.now_ns
        if lives_ns <= 0:
            return None
    wish = replace(
        order.wish,
        limit_ticks=change.limit_ticks,
        quantity_lots=left,
        time_to_live_ns=lives_ns,
    )
    sleeve = desk.state.sleeves[order.sleeve]
    try:
        if not order.leaves:
            check_entry(desk.state, sleeve)
        new, instrument = sized(desk, sleeve, wish)
    except Refused as refusal:
        desk.notice("order not replaced", f"{order.client_order_id} of {order.sleeve}: {refusal}")
        return None
    place(desk, sleeve, new, instrument, wish)
    return new


def _amend(desk: Desk, order: Reservation, message: AmendIntent) -> None:
    wish = _amendable(desk, order)
    limit_ticks = message.limit_ticks or wish.limit_ticks
    lots = message.quantity_lots or order.quantity_lots
    if (limit_ticks, lots) == (wish.limit_ticks, order.quantity_lots):
        raise Refused("that is its price and quantity already")
    if limit_ticks < 0 or lots <= order.filled_lots:
        raise Refused(f"{order.filled_lots} lots of it have filled: amend to more, or cancel it")
    if not order.leaves:
        check_entry(desk.state, desk.state.sleeves[order.sleeve])
    instrument = desk.state.instruments[order.symbol]
    extra = _needed(desk, instrument, order, limit_ticks, lots) - order.reserved_minor
    free = free_minor(desk, order)
    if extra > free:
        raise Refused(f"it needs {extra} more minor units of {order.asset}, {free} are free")
    if not desk.config.amends:
        order.change = Change("", limit_ticks, lots)
        cancel(desk, order, REPLACED)
        return
    _hold(desk, order, max(0, extra))
    order.change = Change(desk.ctx.new_id(), limit_ticks, lots)
    desk.ctx.send(
        desk.config.risk,
        AmendRequest(
            amend_id=order.change.amend_id,
            terms=_terms(desk, order, wish, order.change),
            filled_lots=order.filled_lots,
            reference_ticks=wish.reference_ticks,
        ),
    )


def _amendable(desk: Desk, order: Reservation) -> Intent:
    """Return the wish that the order came from; raise `Refused` if it cannot be amended now."""
    if desk.ctx.now_ns - desk.ctx.at_ns > INTENT_STALE_NS:
        raise Refused("it came too late to be acted on")
    if order.wish is None or order.wish.type is not OrderType.LIMIT:
        raise Refused("only limit orders can be amended")
    if order.change is not None or order.state is OrderState.PENDING_AMEND:
        raise Refused("an amendment of it is under way")
    if order.cancel_wanted or order.state is not OrderState.OPEN:
        raise Refused(f"it is {'being cancelled' if order.cancel_wanted else order.state.value}")
    return order.wish


def _needed(
    desk: Desk, instrument: Instrument, order: Reservation, limit_ticks: int, lots: int
) -> int:
    """Return what the rest of an order must hold at a price and a whole quantity."""
    return needed_minor(desk, order, instrument, limit_ticks, lots - order.filled_lots)


def _hold(desk: Desk, order: Reservation, extra_minor: int) -> None:
    hold(desk, order, extra_minor)
    order.reserved_minor += extra_minor


def _terms(desk: Desk, order: Reservation, wish: Intent, change: Change) -> Terms:
    config = desk.config
    return Terms(
        client_order_id=order.client_order_id,
        user=config.user,
        vault=config.vault,
        sleeve=order.sleeve,
        venue=config.venue,
        environment=config.environment,
        symbol=order.symbol,
        side=order.side,
        type=wish.type,
        quantity_lots=change.quantity_lots,
        limit_ticks=change.limit_ticks,
        post_only=wish.post_only,
        reduces=order.leaves,
        ledger=desk.ctx.address,
    )
