"""A sleeve: it watches its symbols, lets its strategy decide, and asks the ledger.

It sees no venue and holds no money: what it owns it knows from the ledger's updates. It never
acts on untrusted or stale data, has at most one wish in flight per symbol and side, and says why
it is idle.
"""

from actors.sleeves.life import LIFE, REFUSALS, Act, Life, moved
from actors.sleeves.strategies import SHIPPED
from actors.sleeves.strategy import (
    AMEND,
    BUY,
    CANCEL,
    LIMIT,
    MARKET,
    NOTHING,
    STOP,
    STOP_LIMIT,
    TAKE,
    TRAIL,
    Strategy,
    Wish,
    strategy,
)
from actors.sleeves.view import (
    AMEND_INTERVAL_NS,
    COOL_MAX_NS,
    COOL_MIN_NS,
    NOTHING_GUARDED,
    Flight,
    LegView,
    SleeveState,
    appearance,
    data_fault,
    enters,
    entry_fault,
    holding_of,
    leg_of,
    may_enter,
    memory_of,
    no_opinion,
    params_of,
)
from messages.account import FeesTold
from messages.amends import AmendIntent
from messages.market import BookTop, Candle, InstrumentListed, StreamTrust
from messages.money import (
    AccountMode,
    Acknowledged,
    CloseNow,
    Pause,
    Reconciled,
    Resume,
    SleeveConfigured,
    SleeveStanding,
)
from messages.orders import (
    TERMINAL,
    CancelIntent,
    Intent,
    OrderState,
    OrderType,
    Side,
    SleeveUpdate,
)
from messages.rows import SleeveStateRow
from messages.runtime import Booted, Gap, Quarantined, TimerFired
from supervisor.actor import Actor, Context

_TYPES = {
    LIMIT: OrderType.LIMIT,
    MARKET: OrderType.MARKET,
    STOP: OrderType.STOP,
    TAKE: OrderType.TAKE_PROFIT,
    STOP_LIMIT: OrderType.STOP,
    TRAIL: OrderType.TRAILING_STOP,
}
CLOSE_TIMER = "close"
# A refused close is tried again after this: what refused it is mostly a cancel still under way.
CLOSE_RETRY_NS = 2_000_000_000
# A person reads no faster.
REASON_INTERVAL_NS = 1_000_000_000

assert SHIPPED, "importing the shipped strategies registers them"


class Sleeve(Actor[SleeveState]):
    """One per sleeve. Its first message is `SleeveConfigured`."""

    def on_configured(self, state: SleeveState, message: SleeveConfigured, ctx: Context) -> None:
        chosen = strategy(message.strategy)
        assert len(message.symbols) == chosen.legs, f"{chosen.name} has {chosen.legs} legs"
        settings = tuple(chosen.settings(message.parameters))
        before = state.config
        if before is None or before.strategy != message.strategy or settings != state.settings:
            state.memory = None
            state.said = 0
        state.config = message
        state.settings = settings
        state.legs = {
            symbol: state.legs.get(symbol) or LegView(symbol=symbol) for symbol in message.symbols
        }
        self._show(state, ctx, "")

    def on_listed(self, state: SleeveState, message: InstrumentListed, ctx: Context) -> None:
        view = _leg(state, message.venue, message.instrument.symbol)
        if view is not None:
            view.instrument = message.instrument

    def on_fees(self, state: SleeveState, message: FeesTold, ctx: Context) -> None:
        """Judge entries by what the account itself pays."""
        if _is_mine(state, message.user, message.venue):
            for fee in message.fees:
                if fee.symbol in state.legs:
                    state.legs[fee.symbol].fee_ppm = fee.taker_ppm

    def on_standing(self, state: SleeveState, message: SleeveStanding, ctx: Context) -> None:
        state.standing = message
        state.cash_minor = message.cash_minor
        self._show(state, ctx, "")

    def on_top(self, state: SleeveState, message: BookTop, ctx: Context) -> None:
        view = _leg(state, message.venue, message.symbol)
        if view is None:
            return
        view.top = message
        view.top_ns = ctx.at_ns
        if _chosen(state).timeframe_ns == 0:
            self._decide(state, ctx)

    def on_candle(self, state: SleeveState, message: Candle, ctx: Context) -> None:
        view = _leg(state, message.venue, message.symbol)
        if view is None or not message.closed:
            return
        if message.timeframe_ns == _chosen(state).timeframe_ns:
            view.candle = message
            self._decide(state, ctx)

    def on_trust(self, state: SleeveState, message: StreamTrust, ctx: Context) -> None:
        view = _leg(state, message.venue, message.symbol)
        if view is None:
            return
        view.trusted = message.trusted
        view.distrust = message.reason
        if not message.trusted:
            self._show(state, ctx, data_fault(state, ctx.now_ns, ctx.at_ns))

    def on_gap(self, state: SleeveState, message: Gap, ctx: Context) -> None:
        """Forget what candles have taught, since some are missing; tops are whole values."""
        if message.topic.endswith("/candles"):
            state.memory = None

    def on_update(self, state: SleeveState, message: SleeveUpdate, ctx: Context) -> None:
        """Take over how the ledger says the sleeve stands."""
        state.cash_minor = message.cash_minor
        view = state.legs.get(message.symbol)
        if view is not None:
            if view.lots == 0 and message.position_lots != 0:
                view.since_ns = ctx.now_ns
            view.lots = message.position_lots
            view.entry_ticks = message.average_entry_ticks
        if message.state in TERMINAL:
            flight = state.flights.pop(message.intent_id, None)
            if view is not None and message.intent_id:
                _cool(view, message.state, ctx.now_ns)
            if view is not None and flight is not None and message.guarded:
                view.guarded = flight.wish
        if view is not None and view.lots == 0:
            view.guarded = NOTHING_GUARDED
        self._go_on(state, ctx)
        self._show(state, ctx, "")

    def on_mode(self, state: SleeveState, message: AccountMode, ctx: Context) -> None:
        if _is_mine(state, message.user, message.venue):
            state.mode = message.mode
            state.mode_reason = message.reason
            self._show(state, ctx, "")

    def on_reconciled(self, state: SleeveState, message: Reconciled, ctx: Context) -> None:
        if not _is_mine(state, message.user, message.venue):
            return
        state.reconciled = message.agreed
        state.unreconciled_reason = (
            "" if message.agreed else "the books differ: " + "; ".join(message.differences)
        )
        self._go_on(state, ctx)
        self._show(state, ctx, "")

    def on_booted(self, state: SleeveState, message: Booted, ctx: Context) -> None:
        """Wait for the account: what happened while the process was down is not known yet."""
        state.reconciled = False
        state.unreconciled_reason = "waiting for the account to be reconciled"
        for view in state.legs.values():
            view.trusted = False
            view.distrust = "the feed has not spoken since the start"
        self._show(state, ctx, "")

    def on_quarantined(self, state: SleeveState, message: Quarantined, ctx: Context) -> None:
        """Freeze; entries that still rest are called back, the position is guard's."""
        state.life = moved(state.life, Act.FREEZE)
        self._call_back(state, ctx, entries_only=True)
        self._show(state, ctx, "")

    def on_pause(self, state: SleeveState, message: Pause, ctx: Context) -> None:
        text = "paused" if state.flat else "pausing: its position is exited as planned first"
        if self._obey(state, ctx, Act.PAUSE, message, text):
            self._call_back(state, ctx, entries_only=True)
            self._go_on(state, ctx)
        self._show(state, ctx, "")

    def on_resume(self, state: SleeveState, message: Resume, ctx: Context) -> None:
        self._obey(state, ctx, Act.RESUME, message, "resumed")
        self._show(state, ctx, "")

    def on_close(self, state: SleeveState, message: CloseNow, ctx: Context) -> None:
        if self._obey(state, ctx, Act.CLOSE, message, "closing: orders cancelled, position sold"):
            self._call_back(state, ctx, entries_only=False)
            self._go_on(state, ctx)
        self._show(state, ctx, "")

    def on_timer(self, state: SleeveState, message: TimerFired, ctx: Context) -> None:
        if message.name == CLOSE_TIMER:
            self._go_on(state, ctx)

    def _obey(
        self,
        state: SleeveState,
        ctx: Context,
        act: Act,
        message: Pause | Resume | CloseNow,
        text: str,
    ) -> bool:
        """Do what an operator asks if the table has it; answer either way."""
        allowed = (state.life, act) in LIFE
        if allowed:
            state.life = moved(state.life, act)
        else:
            text = REFUSALS[state.life, act]
        if message.reply_to:
            ctx.send(
                message.reply_to,
                Acknowledged(request_id=message.request_id, ok=allowed, text=text),
            )
        return allowed

    def _decide(self, state: SleeveState, ctx: Context) -> None:
        """Let the strategy take one step, and do of its wishes what may be done."""
        fault = data_fault(state, ctx.now_ns, ctx.at_ns)
        if state.life is not Life.FROZEN and not fault:
            chosen = _chosen(state)
            views = tuple(state.legs.values())
            memory, wishes = chosen.step(
                memory_of(state, chosen),
                ctx.now_ns,
                tuple(leg_of(state, view) for view in views),
                tuple(holding_of(state, view) for view in views),
                tuple(no_opinion() for _ in views),
                params_of(state, chosen),
            )
            assert len(wishes) == chosen.wishes, "a strategy keeps to its declaration"
            state.memory = memory
            state.said = wishes[0].reason
            if state.reconciled and state.life is not Life.CLOSING:
                for wish in wishes:
                    self._act(state, ctx, views[wish.leg], wish)
        self._show(state, ctx, fault)

    def _act(self, state: SleeveState, ctx: Context, view: LegView, wish: Wish) -> None:
        if wish.kind == NOTHING:
            return
        side = Side.BUY if wish.side == BUY else Side.SELL
        flight = state.flight(view.symbol, side)
        if wish.kind == CANCEL:
            if flight is not None:
                _cancel(state, ctx, flight)
            return
        if wish.kind == AMEND:
            if flight is not None:
                _amend(state, ctx, flight, wish.price_ticks)
            return
        if flight is not None or ctx.now_ns < view.cool_until_ns or _is_guarded(view, wish):
            return
        if not (_may_enter(state, side) if enters(view, side) else view.lots):
            return
        _wish(state, ctx, view, side, wish)

    def _go_on(self, state: SleeveState, ctx: Context) -> None:
        """Carry a pause or a close on to its end."""
        if state.life not in (Life.PAUSING, Life.CLOSING):
            return
        if state.flat:
            ctx.cancel(CLOSE_TIMER)
            state.life = moved(state.life, Act.FLAT)
            self._show(state, ctx, "")
        elif state.life is Life.CLOSING:
            for view in state.legs.values():
                busy = any(flight.symbol == view.symbol for flight in state.flights.values())
                if view.lots and not busy and state.reconciled and _cooled(view, ctx.now_ns):
                    side = Side.SELL if view.lots > 0 else Side.BUY
                    _wish(state, ctx, view, side, None)
            ctx.after(CLOSE_TIMER, CLOSE_RETRY_NS)

    def _call_back(self, state: SleeveState, ctx: Context, *, entries_only: bool) -> None:
        flights = list(state.flights.values())
        # Entries first: they are what must not fill any more.
        for flight in sorted(flights, key=lambda each: not _is_entry(state, each)):
            if _is_entry(state, flight) or not entries_only:
                _cancel(state, ctx, flight)

    def _show(self, state: SleeveState, ctx: Context, fault: str) -> None:
        """Record what the sleeve is doing if that changed; reasons alone at most once a second."""
        if state.config is None:
            return
        looks = appearance(state, _chosen(state), fault)
        early = ctx.now_ns - state.shown_ns < REASON_INTERVAL_NS
        if looks == state.shown or (looks[0] == state.shown[0] and early):
            return
        state.shown = looks
        state.shown_ns = ctx.now_ns
        ctx.record(SleeveStateRow(address=ctx.address, state=looks[0], reason=looks[1]))


def _chosen(state: SleeveState) -> type[Strategy]:
    assert state.config is not None, "a sleeve is configured before anything else"
    return strategy(state.config.strategy)


def _leg(state: SleeveState, venue: str, symbol: str) -> LegView | None:
    """Return the leg that a message of a venue is about, if it is one of this sleeve's."""
    if state.config is None or state.config.venue != venue:
        return None
    return state.legs.get(symbol)


def _is_mine(state: SleeveState, user: str, venue: str) -> bool:
    config = state.config
    return config is not None and (config.user, config.venue) == (user, venue)


def _may_enter(state: SleeveState, side: Side) -> bool:
    return (
        may_enter(state, side)
        and state.life is Life.ACTIVE
        and not entry_fault(state)
        and state.cash_minor > 0
    )


def _is_entry(state: SleeveState, flight: Flight) -> bool:
    view = state.legs.get(flight.symbol)
    return flight.side is Side.BUY if view is None else enters(view, flight.side)


def _is_guarded(view: LegView, wish: Wish) -> bool:
    """Return whether guard holds already what is wished for."""
    return view.guarded == (wish.kind, wish.price_ticks, wish.stop_ticks)


def _cooled(view: LegView, now_ns: int) -> bool:
    return now_ns >= view.cool_until_ns


def _cool(view: LegView, end: OrderState, now_ns: int) -> None:
    """After a refusal wait, longer each time; anything else ends the waiting."""
    if end not in (OrderState.DENIED, OrderState.REJECTED, OrderState.ABSENT):
        view.refusals = 0
        view.cool_until_ns = 0
        return
    wait_ns = min(COOL_MAX_NS, COOL_MIN_NS << min(view.refusals, 8))
    view.refusals += 1
    view.cool_until_ns = now_ns + wait_ns


def _cancel(state: SleeveState, ctx: Context, flight: Flight) -> None:
    assert state.config is not None, "a sleeve is configured before it wishes"
    if flight.cancelling:
        return
    flight.cancelling = True
    ctx.send(
        state.config.ledger,
        CancelIntent(intent_id=flight.intent_id, sleeve=state.config.sleeve),
    )


def _amend(state: SleeveState, ctx: Context, flight: Flight, limit_ticks: int) -> None:
    """Ask for another price for a limit order, if that is another one and not too soon."""
    assert state.config is not None, "a sleeve is configured before it wishes"
    same = flight.limit_ticks in (0, limit_ticks)
    if same or flight.cancelling or limit_ticks <= 0 or ctx.now_ns < flight.amend_after_ns:
        return
    flight.limit_ticks = limit_ticks
    flight.amend_after_ns = ctx.now_ns + AMEND_INTERVAL_NS
    amend = AmendIntent(
        intent_id=flight.intent_id, sleeve=state.config.sleeve, limit_ticks=limit_ticks
    )
    ctx.send(state.config.ledger, amend)


def _wish(state: SleeveState, ctx: Context, view: LegView, side: Side, wish: Wish | None) -> None:
    """Send an intent; without a wish it sells the whole position at the market."""
    assert state.config is not None, "a sleeve is configured before it wishes"
    assert state.flight(view.symbol, side) is None, "one wish in flight per symbol and side"
    top = view.top
    reference = (
        view.entry_ticks if top is None else (top.ask_ticks if side is Side.BUY else top.bid_ticks)
    )
    kind = wish.kind if wish else MARKET
    price = wish.price_ticks if wish else 0
    stop = wish.stop_ticks if wish else 0
    intent = Intent(
        intent_id=ctx.new_id(),
        sleeve=state.config.sleeve,
        symbol=view.symbol,
        side=side,
        type=_TYPES[kind],
        quantity_lots=wish.quantity_lots if wish else 0,
        limit_ticks=price if kind in (LIMIT, STOP_LIMIT) else 0,
        reference_ticks=reference,
        post_only=bool(wish.post_only) if wish else False,
        time_to_live_ns=wish.time_to_live_ns if wish else 0,
        stop_ticks=0 if kind == STOP_LIMIT else stop,
        take_ticks=wish.take_ticks if wish else 0,
        trigger_ticks=stop if kind == STOP_LIMIT else price if kind in (STOP, TAKE, TRAIL) else 0,
    )
    state.flights[intent.intent_id] = Flight(
        intent_id=intent.intent_id,
        symbol=view.symbol,
        side=side,
        limit_ticks=intent.limit_ticks,
        wish=(kind, price, stop),
    )
    ctx.send(state.config.ledger, intent)
