"""The preflight of a vault (V4): could it trade, and if not, why?

Pairs, minimums, fees and the account's mode are read off what the ledger knows. In simulated
environments an order follows that cannot fill, since it buys at half the price: by the one way
that every order goes, it is placed, and cancelled as soon as the venue has it.
"""

from actors.desk import Desk, idle_reason, tradable
from actors.ordering import cancel, place_check
from actors.positions import PPM, need_minor
from actors.sides import Refused
from actors.vault import LedgerState, SleeveBook, Trip, cash_minor, configured
from messages.account import AccountFee
from messages.market import Instrument
from messages.money import Check, CheckVault, Mode, VaultChecked
from messages.orders import TERMINAL, Intent, OrderState, OrderType, OrderUpdate, Side

TRIP_TIMER = "preflight"
ROUND_TRIP = "round trip"
# Order, report, cancel, report: four times the slowest answer that the line waits for.
TRIP_NS_MAX = 20 * 1_000_000_000
MILLISECOND_NS = 1_000_000
# Only where the money is nobody's.
SIMULATED = frozenset({"sim", "paper"})
# Half the price is further away than a market moves while an order is cancelled.
AWAY = 2


def begin(desk: Desk, message: CheckVault) -> None:
    """Answer all that can be read off; send the order that the rest waits for."""
    checks = (_account(desk), *_pairs(desk), *_minimums(desk), *_fees(desk))
    state = desk.state
    if state.trip is not None:
        busy = Check(name=ROUND_TRIP, ok=False, text="another preflight runs: ask again later")
        _answer(desk, message.reply_to, message.request_id, (*checks, busy))
        return
    try:
        order = _send_order(desk)
    except Refused as refusal:
        said = Check(name=ROUND_TRIP, ok=False, text=f"no order could be made: {refusal}")
        _answer(desk, message.reply_to, message.request_id, (*checks, said))
        return
    if not order:
        _answer(desk, message.reply_to, message.request_id, (*checks, _not_tried(desk)))
        return
    state.trip = Trip(
        client_order_id=order,
        reply_to=message.reply_to,
        request_id=message.request_id,
        checks=checks,
        began_ns=desk.ctx.now_ns,
    )
    desk.ctx.after(TRIP_TIMER, TRIP_NS_MAX)


def follow(desk: Desk, update: OrderUpdate) -> None:
    """Cancel the preflight's order once the venue has it; answer at its end."""
    trip = desk.state.trip
    if trip is None or trip.client_order_id != update.client_order_id:
        return
    order = desk.state.orders.get(trip.client_order_id)
    if order is not None and order.state is OrderState.OPEN:
        trip.arrived = True
        cancel(desk, order, "the preflight has seen it arrive")
    elif order is None or update.state in TERMINAL:
        took_ms = (desk.ctx.now_ns - trip.began_ns) // MILLISECOND_NS
        if update.state is OrderState.CANCELLED and trip.arrived:
            text = f"an order that cannot fill was placed and cancelled within {took_ms} ms"
        else:
            text = f"its order ended as {update.state.value}: {update.reason or 'no reason given'}"
        _end(desk, trip, ok=trip.arrived, text=text)


def overdue(desk: Desk) -> None:
    """Give up waiting; the order is cancelled as soon as it can be."""
    trip = desk.state.trip
    if trip is None:
        return
    order = desk.state.orders.get(trip.client_order_id)
    if order is not None:
        cancel(desk, order, "the preflight does not wait for it any longer")
    where = order.state.value if order is not None else "gone"
    text = (
        f"its order is {where} after {TRIP_NS_MAX // 10**9} s: see `bot orders`, and whether the "
        "venue is reached with `bot tree`; it is cancelled as soon as it can be"
    )
    _end(desk, trip, ok=False, text=text)


def _end(desk: Desk, trip: Trip, *, ok: bool, text: str) -> None:
    desk.state.trip = None
    desk.ctx.cancel(TRIP_TIMER)
    said = Check(name=ROUND_TRIP, ok=ok, text=text)
    _answer(desk, trip.reply_to, trip.request_id, (*trip.checks, said))


def _answer(desk: Desk, reply_to: str, request_id: str, checks: tuple[Check, ...]) -> None:
    desk.ctx.send(reply_to, VaultChecked(request_id=request_id, checks=checks))


# --- what can be read off


def _account(desk: Desk) -> Check:
    mode = desk.state.mode
    if mode is Mode.ACTIVE:
        return Check(name="account", ok=True, text="entries are allowed")
    text = f"the account is {mode.value} ({desk.state.mode_reason}): see `bot status`"
    return Check(name="account", ok=False, text=text)


def _pairs(desk: Desk) -> list[Check]:
    checks = []
    for sleeve in desk.state.sleeves.values():
        pairs = tradable(desk.state, sleeve)
        reason = idle_reason(desk.state, sleeve)
        missing = [symbol for symbol in sleeve.symbols if symbol not in pairs]
        text = f"{', '.join(pairs)} can be traded"
        if missing:
            text += f"; {', '.join(missing)} cannot: not listed, or not in {desk.config.asset}"
        checks.append(Check(name=f"{sleeve.name}: pairs", ok=not reason, text=reason or text))
    return checks


def _minimums(desk: Desk) -> list[Check]:
    state = desk.state
    checks = []
    for sleeve in state.sleeves.values():
        has = max(sleeve.wanted_minor, sleeve.allocated_minor)
        for symbol in tradable(state, sleeve):
            price = state.marks.get(symbol, 0)
            name = f"{sleeve.name}: minimum in {symbol}"
            if not price:
                text = f"no price of {symbol} has come yet: see its feed with `bot tree`"
                checks.append(Check(name=name, ok=False, text=text))
                continue
            instrument = state.instruments[symbol]
            lots = smallest_lots(instrument, price)
            least = need_minor(instrument, price, lots, desk.config.leverage)
            text = (
                f"the smallest order takes {desk.money(least)} {desk.config.asset} with its fee; "
                f"the sleeve is allocated {desk.money(has)}"
            )
            if has < least:
                text += ": allocate more with `bot allocate`"
            checks.append(Check(name=name, ok=has >= least, text=text))
    return checks


def _fees(desk: Desk) -> list[Check]:
    checks = []
    symbols = (s for sleeve in desk.state.sleeves.values() for s in tradable(desk.state, sleeve))
    for symbol in dict.fromkeys(symbols):
        instrument = desk.state.instruments[symbol]
        own = desk.state.fees.get(symbol)
        of = (
            own
            if own is not None
            else AccountFee(
                symbol=symbol,
                maker_ppm=instrument.maker_fee_ppm,
                taker_ppm=instrument.taker_fee_ppm,
            )
        )
        maker, taker = (ppm * 10_000 / PPM for ppm in (of.maker_ppm, of.taker_ppm))
        whose = "listed as" if own is None else "the account pays"
        least = 2 * maker + desk.config.edge_bps_min
        most = 2 * (taker + desk.config.slippage_bps) + desk.config.edge_bps_min
        text = (
            f"{whose} maker {maker:g} bps, taker {taker:g} bps; in and out again a trade must "
            f"promise {least:g} bps (resting) to {most:g} bps (at the market) to be entered"
        )
        checks.append(Check(name=f"fees of {symbol}", ok=True, text=text))
    return checks


# --- the order


def smallest_lots(instrument: Instrument, price_ticks: int) -> int:
    """Return the least that may be ordered at a price."""
    by_value = instrument.lots_for(instrument.notional_minor_min, price_ticks) + 1
    return max(1, instrument.quantity_lots_min, by_value)


def _send_order(desk: Desk) -> str:
    """Place an order that cannot fill; return its id, "" if there is nothing to place it with."""
    if desk.config.environment not in SIMULATED:
        return ""
    for sleeve in desk.state.sleeves.values():
        for symbol in tradable(desk.state, sleeve):
            wish = _wish(desk.state, sleeve, symbol)
            if wish is not None:
                return place_check(desk, sleeve, wish)
    return ""


def _wish(state: LedgerState, sleeve: SleeveBook, symbol: str) -> Intent | None:
    instrument = state.instruments[symbol]
    price = state.marks.get(symbol, 0) // AWAY
    if price <= 0:
        return None
    lots = smallest_lots(instrument, price)
    need = need_minor(instrument, price, lots, configured(state).leverage)
    if need > cash_minor(state, sleeve.name):
        return None
    return Intent(
        intent_id="",
        sleeve=sleeve.name,
        symbol=symbol,
        side=Side.BUY,
        type=OrderType.LIMIT,
        quantity_lots=lots,
        limit_ticks=price,
        reference_ticks=price,
        post_only=True,
        time_to_live_ns=TRIP_NS_MAX,
    )


def _not_tried(desk: Desk) -> Check:
    if desk.config.environment not in SIMULATED:
        text = (
            f"not tried: orders to look are placed in simulations, not in {desk.config.environment}"
        )
        return Check(name=ROUND_TRIP, ok=True, text=text)
    busy = any(sleeve.allocated_minor for sleeve in desk.state.sleeves.values())
    if busy and any(desk.state.marks.values()):
        text = "not tried: all that sleeves have is in orders and positions, so orders do arrive"
        return Check(name=ROUND_TRIP, ok=True, text=text)
    text = "not tried: no sleeve has money and a price; allocate some, and see that the feed runs"
    return Check(name=ROUND_TRIP, ok=False, text=text)
