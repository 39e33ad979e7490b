"""From orders and fills to the books.

A fill posts what its order reserved; what it takes beyond that comes from the sleeve's free
balance, and beyond that from `suspense`, which the sleeve owes from then on. Whatever should not
have happened (an over-fill, a fill after the end, a trade of nobody's, an execution told twice)
is booked or refused, and a person is paged: never silently lost.
"""

from actors import books as bk
from actors.allocation import settle_reserve, sweep
from actors.amending import replacement
from actors.desk import Desk
from actors.holds import free_minor, hold, void
from actors.manual import give_back, manual_sleeve
from actors.ordering import answer_exit, send_cancel
from actors.perpetual import book_fill, settle_margin, settle_netting, split_by_hand
from actors.positions import lot_minor, margin_minor
from actors.trades import Holder, book_trade, owner_of_manual_close, record_fill, settle
from actors.vault import Reservation, SleeveBook
from messages.market import Instrument
from messages.orders import TERMINAL, Fill, OrderState, OrderUpdate, Side, VenueFill

# Late fills come within minutes of an order's end; this is hours of them for a busy vault.
CLOSED_KEPT = 256
# Executions and funding told twice come close together.
SEEN_KEPT = 2_048


def handle_fill(desk: Desk, message: Fill) -> None:
    """Book an execution, once."""
    fill = message.fill
    if not first_time(desk, f"exec/{fill.exec_id}"):
        desk.page(
            "execution told twice",
            f"{fill.exec_id} of {message.client_order_id} came again and was not booked again: "
            "compare with `bot fills` and run `bot ledger reconcile`",
        )
        return
    instrument = desk.state.instruments.get(fill.symbol)
    if instrument is None:
        desk.page(
            "trade in an unlisted symbol",
            f"{fill.exec_id}: {fill.side.value} {fill.quantity_lots} lots of {fill.symbol} "
            "cannot be booked: list the symbol in bot.toml, then run `bot ledger reconcile`",
        )
        return
    order = _find(desk, message.client_order_id)
    if order is None:
        _book_foreign(desk, message)
        return
    sleeve = desk.state.sleeves[order.sleeve]
    _state_irregular(desk, order, fill.exec_id, fill.quantity_lots)
    holder = Holder.of_sleeve(sleeve, instrument)
    if instrument.is_perpetual:
        book_fill(desk, holder, instrument, fill, order)
        settle_netting(desk, holder, instrument, fill.exec_id)
    else:
        book_trade(desk, holder, instrument, fill, order)
    order.heard = True
    order.filled_lots += fill.quantity_lots
    if not order.leaves:
        position = sleeve.position(order.symbol)
        position.stop_ticks = order.stop_ticks or position.stop_ticks
        position.take_ticks = order.take_ticks or position.take_ticks
    record_fill(desk, fill, message.client_order_id, sleeve.name, instrument)
    if order.filled_lots >= _most_lots(order):
        order.state = OrderState.FILLED
    new = _close_if_over(desk, order)
    _after_trade(desk, sleeve, fill.symbol, fill.exec_id)
    desk.tell_of(new or order, "", fill.price_ticks)


def handle_update(desk: Desk, message: OrderUpdate) -> None:
    """Follow an order; at its end, void what it still holds."""
    order = _find(desk, message.client_order_id)
    if order is None:
        if message.filled_lots:
            desk.page(
                "unknown order",
                f"{message.client_order_id} is {message.state.value} with "
                f"{message.filled_lots} lots filled, and these books do not know it: run "
                "`bot ledger reconcile`",
            )
        return
    order.heard = True
    order.told_lots = max(order.told_lots, min(message.filled_lots, _most_lots(order)))
    if order.state is OrderState.FILLED:
        # Its fills said so first.
        return
    if message.client_order_id in desk.state.closed:
        if message.state in TERMINAL and not order.open:
            order.state = message.state
            return
        _reopen(desk, order, message)
    changed = order.state is not message.state
    order.state = message.state
    if order.cancel_wanted and order.state in (OrderState.OPEN, OrderState.UNKNOWN):
        send_cancel(desk, order)
    new = _close_if_over(desk, order, message.reason)
    if new is not None:
        # The wish lives on in the order that replaces this one; its sleeve was told of that.
        return
    if order.open and order.state in TERMINAL:
        # Fills are still to come: the sleeve hears of the end with the last of them.
        return
    if changed:
        if order.exit_id and order.state not in TERMINAL:
            answer_exit(desk, order, message.reason)
        desk.tell_of(order, message.reason)


def first_time(desk: Desk, key: str) -> bool:
    """Remember an outside event; return whether it is new."""
    seen = desk.state.seen
    if key in seen:
        return False
    while len(seen) >= SEEN_KEPT:
        del seen[next(iter(seen))]
    seen[key] = desk.ctx.seq
    return True


def _find(desk: Desk, client_order_id: str) -> Reservation | None:
    return desk.state.orders.get(client_order_id) or desk.state.closed.get(client_order_id)


def _most_lots(order: Reservation) -> int:
    """Return an order's quantity; while it is being amended in place, the larger of the two."""
    amending = order.change is not None and order.change.amend_id
    return max(order.quantity_lots, order.change.quantity_lots if order.change and amending else 0)


def _state_irregular(desk: Desk, order: Reservation, exec_id: str, lots: int) -> None:
    """Page a person for a fill that the order should not have had."""
    closed = order.client_order_id in desk.state.closed
    if order.filled_lots + lots > _most_lots(order):
        desk.page(
            "over-fill",
            f"{exec_id} fills {order.client_order_id} to {order.filled_lots + lots} lots of "
            f"{order.quantity_lots}: it is booked to {order.sleeve}; ask the venue",
        )
    elif closed:
        desk.page(
            "late fill",
            f"{exec_id} fills {order.client_order_id} of {order.sleeve} after it was "
            f"{order.state.value}: it is booked; run `bot ledger reconcile`",
        )


def _close_if_over(desk: Desk, order: Reservation, reason: str = "") -> Reservation | None:
    """Void what an order holds once nothing more can come; keep what told fills will take.

    Return the order that was placed in its stead, if it ended in order to be replaced.
    """
    if order.state not in TERMINAL:
        return None
    missing = max(0, order.told_lots - order.filled_lots)
    if missing:
        left = _most_lots(order) - order.filled_lots
        void(desk, order, -(-order.reserved_minor * missing // left))
        return None
    void(desk, order)
    if desk.state.orders.pop(order.client_order_id, None) is None:
        return None
    closed = desk.state.closed
    while len(closed) >= CLOSED_KEPT:
        del closed[next(iter(closed))]
    closed[order.client_order_id] = order
    if order.exit_id:
        answer_exit(desk, order, reason)
    return replacement(desk, order)


def _reopen(desk: Desk, order: Reservation, message: OrderUpdate) -> None:
    """Adopt an order that was thought to be over: hold for it again what is there."""
    left = order.quantity_lots - order.filled_lots
    instrument = desk.state.instruments[order.symbol]
    if order.leaves:
        wanted = left * lot_minor(instrument)
    else:
        # The price is not kept: the newest one says what it may come to.
        mark = desk.state.marks.get(order.symbol, 0)
        notional = instrument.notional_minor(mark, left) if mark else 0
        wanted = margin_minor(notional, desk.config.leverage)
    del desk.state.closed[order.client_order_id]
    desk.state.orders[order.client_order_id] = order
    order.reserved_minor = max(0, min(wanted, free_minor(desk, order)))
    hold(desk, order, order.reserved_minor)
    desk.page(
        "late appearance",
        f"{order.client_order_id} of {order.sleeve} was {order.state.value} and is now "
        f"{message.state.value}: it is adopted; run `bot ledger reconcile`",
    )


def _book_foreign(desk: Desk, message: Fill) -> None:
    """Book a trade of no order of ours: a sleeve's position closed by hand, or nobody's."""
    fill = message.fill
    instrument = desk.state.instruments[fill.symbol]
    if instrument.quote != desk.config.asset:
        desk.page("foreign trade", f"{fill.exec_id} in {fill.symbol} is no trade of this vault")
        return
    if instrument.is_perpetual:
        _book_by_hand(desk, instrument, message)
        return
    sleeve = owner_of_manual_close(desk, instrument, fill)
    if sleeve is None and desk.config.adopts:
        sleeve = manual_sleeve(desk, instrument, fill)
    name = sleeve.name if sleeve else ""
    book_trade(desk, _holder(desk, sleeve, instrument), instrument, fill, None)
    record_fill(desk, fill, message.client_order_id, name, instrument)
    what = f"{fill.exec_id}: {fill.side.value} {fill.quantity_lots} lots of {fill.symbol}"
    if sleeve is None:
        desk.page("trade that nobody ordered", f"{what} is booked to suspense: ask the venue")
        return
    if sleeve.has_actor:
        desk.notice("position closed by hand", f"{what} is taken for {name} closing its position")
    else:
        desk.notice("traded by hand", f"{what} is adopted into the sleeve {name}")
    _after_trade(desk, sleeve, fill.symbol, fill.exec_id)
    if not sleeve.has_actor and fill.side is Side.SELL:
        give_back(desk, fill.exec_id)
    desk.tell(sleeve, "", fill.symbol, OrderState.FILLED, "closed by hand", 0, fill.price_ticks)


def _book_by_hand(desk: Desk, instrument: Instrument, message: Fill) -> None:
    """Book a trade in a perpetual that nobody ordered: by hand, or by the venue itself."""
    parts = [
        (sleeve, _holder(desk, sleeve, instrument), part)
        for sleeve, part in split_by_hand(desk, instrument, message.fill)
    ]
    for _, holder, part in parts:
        book_fill(desk, holder, instrument, part, None)
    settle_netting(desk, parts[-1][1], instrument, message.fill.exec_id)
    for sleeve, _, part in parts:
        record_fill(desk, part, message.client_order_id, sleeve.name if sleeve else "", instrument)
        _say_by_hand(desk, sleeve, part)
        if sleeve is not None:
            _after_trade(desk, sleeve, part.symbol, part.exec_id)
            reason = "liquidated" if part.forced else "closed by hand"
            desk.tell(sleeve, "", part.symbol, OrderState.FILLED, reason, 0, part.price_ticks)


def _holder(desk: Desk, sleeve: SleeveBook | None, instrument: Instrument) -> Holder:
    if sleeve is None:
        return Holder.suspense(desk.state, instrument.symbol)
    return Holder.of_sleeve(sleeve, instrument)


def _say_by_hand(desk: Desk, sleeve: SleeveBook | None, fill: VenueFill) -> None:
    what = f"{fill.exec_id}: {fill.side.value} {fill.quantity_lots} lots of {fill.symbol}"
    name = sleeve.name if sleeve is not None else "nobody"
    if fill.forced:
        desk.page(
            "liquidated by the venue",
            f"{what} closed the position of {name}: its margin did not carry it; look at the "
            "venue, then lower `leverage` or the allocation",
        )
    elif sleeve is None:
        desk.page("trade that nobody ordered", f"{what} is booked to suspense: ask the venue")
    else:
        desk.notice("position closed by hand", f"{what} is taken for {name} closing its position")


def _after_trade(desk: Desk, sleeve: SleeveBook, symbol: str, reference: str) -> None:
    """Pay back what suspense advanced, then sweep if the position is closed."""
    instrument = desk.state.instruments[symbol]
    if instrument.is_perpetual:
        settle_margin(desk, sleeve, reference)
    settle(desk, Holder.of_sleeve(sleeve, instrument), instrument, reference)
    if sweep(desk.state, desk.pen, sleeve, reference):
        settle_reserve(desk.state, desk.pen, reference, (bk.HOLDINGS,))
