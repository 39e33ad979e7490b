"""From a wish to an order: the ledger checks that the money is there, and reserves it.

A reservation is a pending transfer: it moves free cash (or coins, or contracts) to the sleeve's
`reserved` account (`holds`). Fills post it, the end of the order voids the rest. No sleeve can
reserve more than it has.
"""

from actors.allocation import apply_wanted
from actors.desk import Desk, idle_reason
from actors.holds import free_minor, hold
from actors.positions import lots_affordable, need_minor, worst_ticks
from actors.sides import Refused, check_side, exit_side, free_lots, is_entry
from actors.vault import LedgerState, Reservation, SleeveBook, cash_minor, open_orders
from messages.market import Instrument
from messages.money import Mode
from messages.orders import (
    TRIGGERED,
    CancelIntent,
    CancelOrder,
    ExitUpdate,
    Intent,
    OrderRequest,
    OrderState,
    OrderType,
    ProtectiveExit,
    Side,
    Terms,
    TimeInForce,
)

# A sleeve has one order per symbol and side in flight; guard adds one per position. More is a
# runaway.
OPEN_ORDERS_PER_SLEEVE_MAX = 64
# A wish whose cause is older was held up: the price has moved on, and while this ledger was
# blocked guard may have sold what the wish wants to sell.
INTENT_STALE_NS = 2_000_000_000


def handle_intent(desk: Desk, message: Intent) -> None:
    """Make an order of a sleeve's wish, or tell it why not."""
    sleeve = desk.state.sleeves.get(message.sleeve)
    if sleeve is None:
        desk.notice("unknown sleeve", f"{message.sleeve} is no sleeve of this vault: configure it")
        return
    try:
        if desk.ctx.now_ns - desk.ctx.at_ns > INTENT_STALE_NS:
            raise Refused("it came too late to be acted on")
        if is_entry(desk.state, sleeve, message.symbol, message.side):
            check_entry(desk.state, sleeve)
            apply_wanted(desk.state, desk.pen, sleeve, message.intent_id)
        order, instrument = sized(desk, sleeve, message)
        if _is_guards(desk, message):
            _guard_instead(desk, sleeve, message)
            return
    except Refused as refusal:
        desk.tell(sleeve, message.intent_id, message.symbol, OrderState.DENIED, str(refusal))
        return
    place(desk, sleeve, order, instrument, message)


def _is_guards(desk: Desk, message: Intent) -> bool:
    if message.type in TRIGGERED:
        return not desk.config.triggers
    return message.type is OrderType.TRAILING_STOP


def _guard_instead(desk: Desk, sleeve: SleeveBook, message: Intent) -> None:
    """Have guard hold the level of an order that the venue cannot: for the whole position."""
    position = sleeve.position(message.symbol)
    reason = f"the venue has no such orders: guard holds {message.trigger_ticks} ticks instead"
    if message.type is OrderType.TRAILING_STOP:
        position.trail_ticks = message.trigger_ticks
        reason = f"guard follows the price at a distance of {message.trigger_ticks} ticks"
    elif message.type is OrderType.STOP:
        position.stop_ticks = message.trigger_ticks
    else:
        position.take_ticks = message.trigger_ticks
    if message.limit_ticks:
        reason += ", and closes at the market, not at the limit"
    state = OrderState.CANCELLED
    desk.tell(sleeve, message.intent_id, message.symbol, state, reason, guarded=True)


def place_check(desk: Desk, sleeve: SleeveBook, wish: Intent) -> str:
    """Place an order for a preflight, with a sleeve's money; return its id. Raises `Refused`."""
    assert not wish.intent_id, "the sleeve wished for nothing"
    check_entry(desk.state, sleeve)
    order, instrument = sized(desk, sleeve, wish)
    place(desk, sleeve, order, instrument, wish)
    return order.client_order_id


def handle_cancel_intent(desk: Desk, message: CancelIntent) -> None:
    """Cancel the order that a wish became; it ends by the order's own update."""
    for order in open_orders(desk.state, message.sleeve):
        if order.intent_id == message.intent_id:
            if order.change is not None and not order.change.amend_id:
                # It was to be replaced: now it is only cancelled.
                order.change = None
            cancel(desk, order, "the sleeve no longer wants it")
            return
    sleeve = desk.state.sleeves.get(message.sleeve)
    if sleeve is not None:
        symbol = sleeve.symbols[0] if sleeve.symbols else ""
        reason = "there is no open order of it"
        desk.tell(sleeve, message.intent_id, symbol, OrderState.CANCELLED, reason)


def cancel(desk: Desk, order: Reservation, reason: str) -> None:
    """Have an order cancelled, as soon as orders is known to have it.

    The request goes by way of risk, a cancel does not: sent at once it might arrive first.
    """
    if order.cancel_wanted and order.heard:
        return
    order.cancel_wanted = reason
    if order.heard:
        send_cancel(desk, order)


def send_cancel(desk: Desk, order: Reservation) -> None:
    """Send the cancel that an order waits for."""
    assert order.heard, "orders knows what is to be cancelled"
    desk.ctx.send(
        desk.config.orders,
        CancelOrder(client_order_id=order.client_order_id, reason=order.cancel_wanted),
    )


def handle_exit(desk: Desk, message: ProtectiveExit) -> None:
    """Close a position for guard; never more of it than the sleeve has free."""
    sleeve = desk.state.sleeves.get(message.sleeve)
    instrument = desk.state.instruments.get(message.symbol)
    if sleeve is None or instrument is None:
        _answer_exit(desk, message, OrderState.DENIED, "no such sleeve or symbol in this vault")
        return
    if message.client_order_id:
        _register_placed(desk, sleeve, instrument, message)
        return
    if message.expires_ns and desk.ctx.now_ns > message.expires_ns:
        _answer_exit(desk, message, OrderState.EXPIRED, "it came too late to be acted on")
        return
    if desk.ctx.now_ns < desk.state.unread_until_ns:
        reason = "a backup was restored: whether the position is still there is being read"
        _answer_exit(desk, message, OrderState.DENIED, reason)
        return
    side = exit_side(desk.state, sleeve, message.symbol)
    free = free_lots(desk.state, sleeve, instrument, side)
    lots = min(message.quantity_lots, free, instrument.quantity_lots_max)
    if lots < message.quantity_lots:
        _free_offered(desk, sleeve, message.symbol, side)
    if lots < max(1, instrument.quantity_lots_min):
        reason = f"{free} lots of the position are free, the rest is offered or too small"
        _answer_exit(desk, message, OrderState.DENIED, reason)
        return
    order = _new_order(desk, sleeve, message.symbol, side, lots, instrument, entry=False)
    order.exit_id = message.exit_id
    order.at_market = True
    wish = Intent(
        intent_id="",
        sleeve=sleeve.name,
        symbol=message.symbol,
        side=side,
        type=OrderType.MARKET,
        quantity_lots=lots,
        limit_ticks=0,
        reference_ticks=message.reference_ticks,
    )
    place(desk, sleeve, order, instrument, wish)


def answer_exit(desk: Desk, order: Reservation, reason: str) -> None:
    """Tell guard how its order stands."""
    desk.ctx.send(
        desk.config.guard,
        ExitUpdate(
            exit_id=order.exit_id,
            sleeve=order.sleeve,
            symbol=order.symbol,
            client_order_id=order.client_order_id,
            state=order.state,
            reason=reason,
        ),
    )


def _answer_exit(desk: Desk, message: ProtectiveExit, state: OrderState, reason: str) -> None:
    desk.ctx.send(
        desk.config.guard,
        ExitUpdate(
            exit_id=message.exit_id,
            sleeve=message.sleeve,
            symbol=message.symbol,
            client_order_id="",
            state=state,
            reason=reason,
        ),
    )


def _free_offered(desk: Desk, sleeve: SleeveBook, symbol: str, side: Side) -> None:
    """Cancel the sleeve's resting exits, which hold coins that guard wants to sell now."""
    for order in open_orders(desk.state, sleeve.name):
        # What sells at the market is doing guard's work already.
        leaving = order.symbol == symbol and order.side is side and order.leaves
        if leaving and not order.at_market:
            cancel(desk, order, "guard closes the position")


def check_entry(state: LedgerState, sleeve: SleeveBook) -> None:
    """Raise `Refused` if the sleeve may not enter now."""
    reason = idle_reason(state, sleeve)
    if reason:
        raise Refused(reason)
    if state.mode is not Mode.ACTIVE:
        raise Refused(f"the account is {state.mode.value}: {state.mode_reason}")


def sized(desk: Desk, sleeve: SleeveBook, message: Intent) -> tuple[Reservation, Instrument]:
    """Return the order that the sleeve can pay for; raise `Refused` if there is none."""
    state = desk.state
    instrument = state.instruments.get(message.symbol)
    if instrument is None or message.symbol not in sleeve.symbols:
        raise Refused(f"{message.symbol} is not among the sleeve's listed symbols")
    if instrument.quote != desk.config.asset:
        raise Refused(
            f"{message.symbol} is quoted in {instrument.quote}, this vault is of "
            f"{desk.config.asset}: trade it from a vault of {instrument.quote}"
        )
    if message.reference_ticks <= 0 or message.limit_ticks < 0 or message.quantity_lots < 0:
        raise Refused("a wish needs a positive reference price and no negative figures")
    has_limit = message.limit_ticks > 0
    if message.type not in TRIGGERED and has_limit is not (message.type is OrderType.LIMIT):
        raise Refused("a limit order has a limit, a stop or take-profit may have one, no other")
    waits = message.type in TRIGGERED or message.type is OrderType.TRAILING_STOP
    if waits is not (message.trigger_ticks > 0):
        raise Refused("a stop or take-profit order has a trigger, every other has none")
    entry = is_entry(state, sleeve, message.symbol, message.side)
    if entry and waits:
        raise Refused("stop and take-profit orders close a position: this would open one")
    if sum(1 for _ in open_orders(state, sleeve.name)) >= OPEN_ORDERS_PER_SLEEVE_MAX:
        raise Refused(f"{OPEN_ORDERS_PER_SLEEVE_MAX} orders of this sleeve are open: cancel some")
    if entry:
        check_side(desk, sleeve, instrument, message.side)
        lots = _lots_to_enter(desk, sleeve, message, instrument)
    else:
        lots = _lots_to_leave(state, sleeve, message, instrument)
    order = _new_order(desk, sleeve, message.symbol, message.side, lots, instrument, entry=entry)
    order.intent_id = message.intent_id
    order.wish = message if message.intent_id else None
    order.placed_ns = desk.ctx.now_ns
    order.at_market = message.type is OrderType.MARKET
    if entry:
        price = _entry_price(desk, message)
        order.reserved_minor = need_minor(instrument, price, lots, desk.config.leverage)
        order.stop_ticks, order.take_ticks = message.stop_ticks, message.take_ticks
    return order, instrument


def _entry_price(desk: Desk, message: Intent) -> int:
    if message.type is OrderType.LIMIT:
        return message.limit_ticks
    return worst_ticks(message.reference_ticks, desk.config.slippage_bps)


def _lots_to_enter(desk: Desk, sleeve: SleeveBook, message: Intent, instrument: Instrument) -> int:
    cash = cash_minor(desk.state, sleeve.name)
    price = _entry_price(desk, message)
    leverage = desk.config.leverage
    lots = message.quantity_lots or lots_affordable(instrument, price, cash, leverage)
    if lots <= 0:
        raise Refused(f"{cash} minor units of cash buy nothing at {price} ticks")
    need = need_minor(instrument, price, lots, leverage)
    if need > cash:
        raise Refused(f"it needs {need} minor units of {instrument.quote}, {cash} are free")
    return lots


def _lots_to_leave(
    state: LedgerState, sleeve: SleeveBook, message: Intent, instrument: Instrument
) -> int:
    free = free_lots(state, sleeve, instrument, message.side)
    lots = message.quantity_lots or min(free, instrument.quantity_lots_max)
    if lots > free or lots <= 0:
        what = message.side.value
        raise Refused(f"it wants to {what} {message.quantity_lots} lots, {free} are free")
    return lots


def _new_order(
    desk: Desk,
    sleeve: SleeveBook,
    symbol: str,
    side: Side,
    lots: int,
    instrument: Instrument,
    *,
    entry: bool,
) -> Reservation:
    """Return an order that holds what leaving takes; an entry's sum is set by the caller."""
    return Reservation(
        client_order_id=desk.ctx.new_id(),
        intent_id="",
        exit_id="",
        sleeve=sleeve.name,
        symbol=symbol,
        side=side,
        quantity_lots=lots,
        asset=instrument.quote if entry else instrument.base,
        reserved_minor=0 if entry else instrument.base_minor(lots),
    )


def place(
    desk: Desk, sleeve: SleeveBook, order: Reservation, instrument: Instrument, wish: Intent
) -> None:
    """Reserve, remember, and pass the order on to risk."""
    assert order.client_order_id not in desk.state.orders, "an order's id is its own"
    assert order.reserved_minor > 0, "an order holds what it may take"
    hold(desk, order, order.reserved_minor)
    desk.state.orders[order.client_order_id] = order
    terms = Terms(
        client_order_id=order.client_order_id,
        user=desk.config.user,
        vault=desk.config.vault,
        sleeve=sleeve.name,
        venue=desk.config.venue,
        environment=desk.config.environment,
        symbol=order.symbol,
        side=order.side,
        type=wish.type,
        quantity_lots=order.quantity_lots,
        limit_ticks=wish.limit_ticks,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL
        if wish.type is OrderType.MARKET
        else wish.time_in_force,
        post_only=wish.post_only,
        reduces=order.leaves,
        protective=order.exit_id != "",
        ledger=desk.ctx.address,
        trigger_ticks=wish.trigger_ticks,
    )
    desk.ctx.send(
        desk.config.risk,
        OrderRequest(
            terms=terms,
            reference_ticks=wish.reference_ticks,
            reserved_minor=order.reserved_minor,
            reserved_asset=order.asset,
            time_to_live_ns=wish.time_to_live_ns,
        ),
    )
    if order.exit_id:
        answer_exit(desk, order, "")
    desk.tell_of(order, "")


def _register_placed(
    desk: Desk, sleeve: SleeveBook, instrument: Instrument, message: ProtectiveExit
) -> None:
    """Remember an order that guard placed itself while this ledger was blocked."""
    side = exit_side(desk.state, sleeve, message.symbol)
    lots = message.quantity_lots
    order = _new_order(desk, sleeve, message.symbol, side, lots, instrument, entry=False)
    order.client_order_id = message.client_order_id
    order.exit_id = message.exit_id
    order.at_market = True
    order.heard = True
    free = max(0, free_minor(desk, order))
    order.reserved_minor = min(order.reserved_minor, free)
    hold(desk, order, order.reserved_minor)
    desk.state.orders[order.client_order_id] = order
    desk.page(
        "guard sold on its own",
        f"while the ledger was blocked guard placed {order.client_order_id} for {sleeve.name}: "
        f"{order.quantity_lots} lots of {order.symbol}; {message.reason}",
    )
    desk.tell_of(order, message.reason)
