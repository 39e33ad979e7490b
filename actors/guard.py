"""Guard: holds the protective exits of a vault's positions. It may only reduce.

The levels come from the ledger with every change of a position (`Protect`). When a trusted price
reaches one, guard asks the ledger to close (`ProtectiveExit`), and asks again, after longer and
longer, while the position is still there and the level still reached.

It depends on no suspect: a frozen sleeve has no part in it. While the ledger is blocked by a
poison message, guard makes the order itself and sends it to risk; while risk is blocked too, to
orders. It leaves a note in the ledger's inbox before, and passes on what it hears of the order,
so the books are right once the ledger goes on. An exit that the ledger may still act on is never
doubled: it carries a moment after which the ledger refuses it, and guard waits for that moment to
pass.
"""

import msgspec

from messages.market import BookTop, StreamTrust
from messages.money import Alert, Severity, VaultConfigured
from messages.orders import (
    TERMINAL,
    CancelOrder,
    ExitUpdate,
    Fill,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    OrderUpdate,
    Protect,
    ProtectiveExit,
    Side,
    Terms,
    TimeInForce,
)
from messages.runtime import Blocked, Booted, TimerFired, Unblocked
from supervisor.actor import Actor, Context, State

# The ledger answers within a turn; one that has not after this is blocked, stopped or hopelessly
# behind.
EXIT_VALID_NS = 5_000_000_000
# Waited once more when an exit's last moment has passed: an answer that was already in the mailbox
# then, behind the timer, has been handled after it, even if the whole process stood still in
# between.
EXIT_MARGIN_NS = 1_000_000_000
# A refused exit is tried again after this, doubled each time up to the most: a cancel takes
# moments, a venue's trouble minutes.
RETRY_MIN_NS = 1_000_000_000
RETRY_MAX_NS = 60_000_000_000
# A person is told once, when an exit was refused this often.
PAGE_AFTER = 3
# The sleeve's own order may hold the coins, and do guard's work. What became of an order is known
# some 15 s after it was sent, however badly that went; after twice that a person should look.
OFFERED_NS_MAX = 30_000_000_000
# Prices older than this say nothing about now.
STALE_NS = 1_000_000_000

_RETRY = "retry "


class Exit(msgspec.Struct):
    """An exit under way."""

    exit_id: str
    quantity_lots: int
    expires_ns: int
    overdue_ns: int = 0
    """When it is given up; set when its last moment has passed without an answer."""
    accepted: bool = False
    """An order was made of it: it ends by that order's end."""
    client_order_id: str = ""
    """Of an order that guard placed itself."""
    filled_lots: int = 0


class Guarded(msgspec.Struct):
    """One position and its levels."""

    protect: Protect
    exit: Exit | None = None
    refusals: int = 0
    retry_ns: int = 0
    offered_ns: int = 0
    """Since when the ledger has had no coins for an exit because the sleeve's own orders hold them;
    0 for not now."""
    offered_told: bool = False
    best_ticks: int = 0
    """The best price since it is followed, by which a trailing stop stands."""
    own: dict[str, int] = {}
    """Guard's own orders that have ended and that the ledger has not booked yet → lots sold."""

    @property
    def stop_ticks(self) -> int:
        """Where it is closed now: at its stop, or where the trailing one has come to."""
        protect = self.protect
        if not protect.trail_ticks or not self.best_ticks:
            return protect.stop_ticks
        if not protect.short:
            return max(protect.stop_ticks, self.best_ticks - protect.trail_ticks)
        trailed = self.best_ticks + protect.trail_ticks
        return min(protect.stop_ticks, trailed) if protect.stop_ticks else trailed

    def follow(self, ticks: int) -> None:
        """Take in a price that may be believed."""
        if not self.protect.trail_ticks:
            self.best_ticks = 0
        elif not self.best_ticks:
            self.best_ticks = ticks
        elif self.protect.short:
            self.best_ticks = min(self.best_ticks, ticks)
        else:
            self.best_ticks = max(self.best_ticks, ticks)

    @property
    def sellable_lots(self) -> int:
        """What may be sold without the ledger: not offered by the sleeve, not sold by guard."""
        return self.protect.position_lots - self.protect.selling_lots - sum(self.own.values())


class Price(msgspec.Struct):
    """A symbol's best bid and ask, and whether they may be believed."""

    bid_ticks: int = 0
    at_ns: int = 0
    trusted: bool = False
    ask_ticks: int = 0

    def exit_ticks(self, protect: Protect) -> int:
        """Return the price at which a position would be closed now."""
        return self.ask_ticks if protect.short else self.bid_ticks


class GuardState(State):
    """Everything guard knows."""

    config: VaultConfigured | None = None
    positions: dict[str, Guarded] = msgspec.field(default_factory=dict)
    """By sleeve and symbol."""
    prices: dict[str, Price] = msgspec.field(default_factory=dict)
    blocked: dict[str, int] = msgspec.field(default_factory=dict)
    """Addresses of actors that a poison message blocks."""


class Guard(Actor[GuardState]):
    """One per vault. Its first message is the vault's `VaultConfigured`."""

    def on_configured(self, state: GuardState, message: VaultConfigured, ctx: Context) -> None:
        state.config = message

    def on_protect(self, state: GuardState, message: Protect, ctx: Context) -> None:
        """Take over a position as the ledger knows it now."""
        key = f"{message.sleeve} {message.symbol}"
        guarded = state.positions.get(key)
        if guarded is None:
            if message.position_lots == 0:
                return
            guarded = state.positions[key] = Guarded(protect=message)
        guarded.protect = message
        if guarded.offered_ns and guarded.sellable_lots > 0:
            # What held the coins has let go of some: there is nothing to wait for.
            guarded.offered_ns = guarded.retry_ns = 0
            guarded.offered_told = False
        if message.position_lots == 0 and guarded.exit is None:
            _forget(state, key, ctx)
            return
        _look(state, key, ctx)

    def on_top(self, state: GuardState, message: BookTop, ctx: Context) -> None:
        if state.config is None or message.venue != state.config.venue:
            return
        price = state.prices.setdefault(message.symbol, Price())
        price.bid_ticks, price.ask_ticks = message.bid_ticks, message.ask_ticks
        price.at_ns = ctx.at_ns
        _look_at_all(state, message.symbol, ctx)

    def on_trust(self, state: GuardState, message: StreamTrust, ctx: Context) -> None:
        if state.config is None or message.venue != state.config.venue:
            return
        state.prices.setdefault(message.symbol, Price()).trusted = message.trusted

    def on_answer(self, state: GuardState, message: ExitUpdate, ctx: Context) -> None:
        """Hear from the ledger what became of an exit."""
        key = f"{message.sleeve} {message.symbol}"
        guarded = state.positions.get(key)
        if guarded is None:
            return
        if message.state in TERMINAL:
            guarded.own.pop(message.exit_id, None)
        if guarded.exit is None or guarded.exit.exit_id != message.exit_id:
            return
        if message.state in TERMINAL:
            _ended(state, key, message.state, message.reason, ctx)
        else:
            guarded.exit.accepted = True

    def on_update(self, state: GuardState, message: OrderUpdate, ctx: Context) -> None:
        """Hear of an order that guard placed itself, and pass it on to the ledger."""
        assert state.config is not None, "guard places orders of a configured vault"
        ctx.send(state.config.ledger, message)
        key = _placed(state, message.client_order_id)
        if key and message.state in TERMINAL:
            _ended(state, key, message.state, message.reason, ctx)

    def on_fill(self, state: GuardState, message: Fill, ctx: Context) -> None:
        """Hear of a fill of such an order, and pass it on to the ledger."""
        assert state.config is not None, "guard places orders of a configured vault"
        ctx.send(state.config.ledger, message)
        key = _placed(state, message.client_order_id)
        if key:
            guarded = state.positions[key]
            assert guarded.exit is not None, "the order is an exit under way"
            guarded.exit.filled_lots += message.fill.quantity_lots

    def on_blocked(self, state: GuardState, message: Blocked, ctx: Context) -> None:
        state.blocked[message.address] = message.position
        if state.config is not None and message.address == state.config.risk:
            _page_of_risk(state.config, message, ctx)
        for key, guarded in list(state.positions.items()):
            if guarded.exit is not None and guarded.exit.accepted:
                # It cannot be taken back, so it cannot be done another way either.
                text = f"the exit of {key} may wait in the inbox of {message.address}"
                _page(state, ctx, "exit behind a blocked actor", text)
            _look(state, key, ctx)

    def on_unblocked(self, state: GuardState, message: Unblocked, ctx: Context) -> None:
        state.blocked.pop(message.address, None)
        for key in list(state.positions):
            _look(state, key, ctx)

    def on_booted(self, state: GuardState, message: Booted, ctx: Context) -> None:
        """Believe no price until its feed has spoken."""
        for price in state.prices.values():
            price.trusted = False

    def on_timer(self, state: GuardState, message: TimerFired, ctx: Context) -> None:
        if message.name.startswith(_RETRY):
            key = message.name[len(_RETRY) :]
            if key in state.positions:
                _look(state, key, ctx)


def _look_at_all(state: GuardState, symbol: str, ctx: Context) -> None:
    for key, guarded in list(state.positions.items()):
        if guarded.protect.symbol == symbol:
            _look(state, key, ctx)


def _reached(state: GuardState, guarded: Guarded, now_ns: int) -> str:
    """Return which level the price has reached; "" for none, or if it cannot be believed.

    A trailing stop follows a price that can.
    """
    protect = guarded.protect
    price = state.prices.get(protect.symbol)
    if price is None or not price.trusted or now_ns - price.at_ns > STALE_NS:
        return ""
    ticks = price.exit_ticks(protect)
    if ticks <= 0:
        return ""
    guarded.follow(ticks)
    stop, take = guarded.stop_ticks, protect.take_ticks
    # Of a short position the levels lie the other way round.
    stopped = 0 < stop <= ticks if protect.short else ticks <= stop
    taken = ticks <= take if protect.short else 0 < take <= ticks
    if stopped:
        return f"stop {stop} reached at {ticks} ticks"
    return f"take {take} reached at {ticks} ticks" if taken else ""


def _look(state: GuardState, key: str, ctx: Context) -> None:
    """Exit a position whose level is reached, if none is under way."""
    assert state.config is not None, "positions come from a configured vault's ledger"
    guarded = state.positions[key]
    if _under_way(guarded, key, ctx) or ctx.now_ns < guarded.retry_ns:
        return
    reason = _reached(state, guarded, ctx.now_ns)
    if not reason or guarded.protect.position_lots <= 0:
        return
    if state.config.ledger in state.blocked or state.config.risk in state.blocked:
        _place_itself(state, key, reason, ctx)
    else:
        _ask_ledger(state, key, reason, ctx)


def _under_way(guarded: Guarded, key: str, ctx: Context) -> bool:
    """Return whether an exit is under way; one that the ledger can no longer act on is given up."""
    under_way = guarded.exit
    if under_way is None:
        return False
    if under_way.accepted or ctx.now_ns <= under_way.expires_ns:
        return True
    if under_way.overdue_ns == 0:
        under_way.overdue_ns = ctx.now_ns + EXIT_MARGIN_NS
        ctx.after(_RETRY + key, EXIT_MARGIN_NS)
        return True
    if ctx.now_ns < under_way.overdue_ns:
        return True
    guarded.exit = None
    return False


def _ask_ledger(state: GuardState, key: str, reason: str, ctx: Context) -> None:
    assert state.config is not None, "checked by the caller"
    guarded = state.positions[key]
    protect = guarded.protect
    under_way = Exit(
        exit_id=ctx.new_id(),
        quantity_lots=protect.position_lots,
        expires_ns=ctx.now_ns + EXIT_VALID_NS,
    )
    guarded.exit = under_way
    ctx.after(_RETRY + key, EXIT_VALID_NS + 1)
    ctx.send(
        state.config.ledger,
        ProtectiveExit(
            sleeve=protect.sleeve,
            symbol=protect.symbol,
            quantity_lots=under_way.quantity_lots,
            reason=reason,
            exit_id=under_way.exit_id,
            reference_ticks=state.prices[protect.symbol].exit_ticks(protect),
            expires_ns=under_way.expires_ns,
        ),
    )


def _place_itself(state: GuardState, key: str, reason: str, ctx: Context) -> None:
    """Sell without the ledger (or without risk) what no order of the sleeve offers already."""
    config = state.config
    assert config is not None, "checked by the caller"
    guarded = state.positions[key]
    if config.orders in state.blocked:
        _refused(state, key, "orders is blocked, there is no way to the venue", ctx)
        return
    lots = guarded.sellable_lots
    for order in guarded.protect.open_sells:
        ctx.send(config.orders, CancelOrder(client_order_id=order, reason="guard must close"))
    if lots <= 0:
        text = "all of it is offered or sold, and only the blocked ledger knows how that went"
        _refused(state, key, text, ctx)
        return
    assert lots <= guarded.protect.position_lots, "guard never sells more than the position"
    request = _own_order(state, guarded, lots, ctx)
    order_id = request.terms.client_order_id
    guarded.exit = Exit(
        exit_id=order_id,
        quantity_lots=lots,
        expires_ns=0,
        accepted=True,
        client_order_id=order_id,
    )
    note = ProtectiveExit(
        sleeve=guarded.protect.sleeve,
        symbol=guarded.protect.symbol,
        quantity_lots=lots,
        reason=reason,
        exit_id=order_id,
        reference_ticks=request.reference_ticks,
        client_order_id=order_id,
    )
    ctx.send(config.ledger, note)
    if config.risk in state.blocked:
        ctx.send(config.orders, Order(terms=request.terms, approved_ns=ctx.now_ns))
    else:
        ctx.send(config.risk, request)
    _page(state, ctx, "the way is blocked", f"guard sells {lots} lots of {key}: {reason}")


def _own_order(state: GuardState, guarded: Guarded, lots: int, ctx: Context) -> OrderRequest:
    config = state.config
    assert config is not None, "checked by the caller"
    protect = guarded.protect
    terms = Terms(
        client_order_id=ctx.new_id(),
        user=config.user,
        vault=config.vault,
        sleeve=protect.sleeve,
        venue=config.venue,
        environment=config.environment,
        symbol=protect.symbol,
        side=Side.BUY if protect.short else Side.SELL,
        type=OrderType.MARKET,
        quantity_lots=lots,
        limit_ticks=0,
        time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        reduces=True,
        protective=True,
        # Its updates come here first, since the ledger cannot act on them; they are passed on.
        ledger=ctx.address,
    )
    return OrderRequest(
        terms=terms,
        reference_ticks=state.prices[protect.symbol].exit_ticks(protect),
        reserved_minor=protect.base_minor * lots // protect.position_lots,
        reserved_asset=protect.base,
    )


def _placed(state: GuardState, client_order_id: str) -> str:
    """Return the key of the position that guard's own order closes; "" for none."""
    for key, guarded in state.positions.items():
        if guarded.exit is not None and guarded.exit.client_order_id == client_order_id:
            return key
    return ""


def _ended(state: GuardState, key: str, end: OrderState, reason: str, ctx: Context) -> None:
    """Conclude an exit; try again if it left something."""
    guarded = state.positions[key]
    under_way = guarded.exit
    assert under_way is not None, "what ends was under way"
    if under_way.client_order_id:
        guarded.own[under_way.exit_id] = under_way.filled_lots
    guarded.exit = None
    if end is OrderState.FILLED:
        guarded.refusals = 0
        if guarded.protect.position_lots == 0:
            _forget(state, key, ctx)
    elif guarded.protect.position_lots == 0:
        _forget(state, key, ctx)
    elif not under_way.accepted and guarded.sellable_lots <= 0 < guarded.protect.selling_lots:
        # Once there was an order of guard's own, it is that order which still counts as offered.
        _offered(state, key, ctx)
    else:
        _refused(state, key, f"{end.value}: {reason}", ctx)


def _offered(state: GuardState, key: str, ctx: Context) -> None:
    """Look again soon: the sleeve sells already, or the ledger has called its resting sells back.

    That is no failure, so nobody is paged, unless it lasts.
    """
    guarded = state.positions[key]
    guarded.offered_ns = guarded.offered_ns or ctx.now_ns
    guarded.retry_ns = ctx.now_ns + RETRY_MIN_NS
    ctx.after(_RETRY + key, RETRY_MIN_NS)
    if ctx.now_ns - guarded.offered_ns >= OFFERED_NS_MAX and not guarded.offered_told:
        guarded.offered_told = True
        orders = ", ".join(guarded.protect.open_sells)
        text = (
            f"{key}: its level is reached, and orders of the sleeve have held the coins for "
            f"{OFFERED_NS_MAX // 1_000_000_000} s without selling them ({orders}): see `bot "
            "orders`, and close the position at the venue if they are not there"
        )
        _page(state, ctx, "protective exit waits", text)


def _refused(state: GuardState, key: str, reason: str, ctx: Context) -> None:
    """Try again later, longer each time; tell a person once."""
    guarded = state.positions[key]
    wait_ns = min(RETRY_MAX_NS, RETRY_MIN_NS << min(guarded.refusals, 8))
    guarded.refusals += 1
    guarded.retry_ns = ctx.now_ns + wait_ns
    ctx.after(_RETRY + key, wait_ns)
    if guarded.refusals == PAGE_AFTER:
        text = f"{key} could not be closed {PAGE_AFTER} times ({reason}): close it at the venue"
        _page(state, ctx, "protective exit refused", text)


def _forget(state: GuardState, key: str, ctx: Context) -> None:
    del state.positions[key]
    ctx.cancel(_RETRY + key)


def _page_of_risk(config: VaultConfigured, message: Blocked, ctx: Context) -> None:
    """Wake a person for risk, which cannot do so itself; in the same words for every vault."""
    text = (
        f"{message.address} cannot handle message {message.position} ({message.error}): nothing "
        f"enters anywhere until an operator decides with `bot actor retry {message.address}` or "
        "`discard`; guards go past it"
    )
    alert = Alert(severity=Severity.PAGE, subject=f"{message.address} is blocked", text=text)
    ctx.send(config.alerts, alert)


def _page(state: GuardState, ctx: Context, subject: str, text: str) -> None:
    assert state.config is not None, "guard acts for a configured vault"
    subject = f"{state.config.vault} guard: {subject}"
    ctx.send(state.config.alerts, Alert(severity=Severity.PAGE, subject=subject, text=text))
