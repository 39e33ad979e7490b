"""Risk: the one gate that every order crosses, for all users and venues.

    ledger ─OrderRequest▶ risk ─Order▶ orders of the account
                            └─OrderUpdate(DENIED)▶ ledger

It keeps its own positions, from what `orders` says was filled, so that a mistaken ledger does not
also mislead its judge. Nothing switches it off: without configuration it denies.
"""

import msgspec
from msgspec.structs import replace

from actors.books import is_contract
from actors.execution.order_rows import OrderFigures, order_row
from actors.risk import accounts, switch
from actors.risk.accounts import Standing, account_key
from actors.risk.checks import MINUTE_NS, Limits, Question, denial
from actors.risk.switch import Switch
from messages.amends import AmendOrder, AmendRequest, OrderAmended
from messages.market import Instrument, InstrumentListed
from messages.money import (
    AccountMode,
    Alert,
    KillSwitch,
    LineStarted,
    Mode,
    RiskAccount,
    RiskConfigured,
    Severity,
    SwitchConfirmed,
)
from messages.orders import Exposure, Order, OrderRequest, OrderState, OrderUpdate, Side, Terms
from messages.runtime import Blocked, Booted, StoreHealth, TimerFired, Unblocked
from supervisor.actor import Actor, Context, State


class Working(msgspec.Struct):
    """An approved order that may still fill."""

    position: str
    side: Side
    lots: int


class RiskState(State):
    """What risk remembers. Keys: account `user@venue`, position `user/vault/symbol`."""

    settings: RiskConfigured | None = None
    accounts: dict[str, RiskAccount] = msgspec.field(default_factory=dict)
    standings: dict[str, Standing] = msgspec.field(default_factory=dict)
    instruments: dict[str, Instrument] = msgspec.field(default_factory=dict)
    """By `venue symbol`."""
    switch: Switch = msgspec.field(default_factory=Switch)
    positions: dict[str, int] = msgspec.field(default_factory=dict)
    """Lots held; what has gone to 0 is forgotten."""
    working: dict[str, Working] = msgspec.field(default_factory=dict)
    journal_fault: str = ""
    """Why the journal does not keep up; entries are off meanwhile."""
    approved_ns: dict[str, list[int]] = msgspec.field(default_factory=dict)
    """Entries of the last minute per account: never more than the limit lets through."""


class Risk(Actor[RiskState]):
    """The gate; see the module's docstring."""

    def on_configured(self, state: RiskState, message: RiskConfigured, ctx: Context) -> None:
        state.settings = message
        state.accounts = {account_key(a.user, a.venue): a for a in message.accounts}
        for key in state.accounts:
            state.standings.setdefault(key, Standing())
        switch.forget_lines(state.switch, _lines(state), ctx)

    def on_booted(self, state: RiskState, message: Booted, ctx: Context) -> None:
        """Nothing is known of the venues any more; every line waits to be told how things stand."""
        state.journal_fault = ""
        for key, account in state.accounts.items():
            standing = state.standings[key]
            standing.mode = Mode.EXITS_ONLY
            standing.reason = accounts.NOT_YET_RECONCILED
            accounts.announce(account, standing, ctx, sleeves=False)
        switch.tell(state.switch, _lines(state), ctx)

    def on_store_health(self, state: RiskState, message: StoreHealth, ctx: Context) -> None:
        state.journal_fault = "" if message.healthy else message.reason
        if state.settings is not None and state.settings.alerts:
            text = message.reason or "the journal keeps up again: entries are on"
            alert = Alert(severity=Severity.NOTICE, subject="journal", text=text)
            ctx.send(state.settings.alerts, alert)

    def on_listed(self, state: RiskState, message: InstrumentListed, ctx: Context) -> None:
        state.instruments[f"{message.venue} {message.instrument.symbol}"] = message.instrument

    def on_request(self, state: RiskState, message: OrderRequest, ctx: Context) -> None:
        terms = message.terms
        account = state.accounts.get(account_key(terms.user, terms.venue))
        if account is None:
            reason = (
                f"{terms.user} has no account at {terms.venue} in risk's configuration: "
                "give them a vault there"
            )
        else:
            reason = denial(_question(state, message, ctx)) or ""
        if account is None or reason:
            _deny(state, terms, reason, ctx)
            return
        _follow(state, terms, ctx)
        order = Order(terms=terms, time_to_live_ns=message.time_to_live_ns, approved_ns=ctx.now_ns)
        ctx.send(account.orders, order)

    def on_amend(self, state: RiskState, message: AmendRequest, ctx: Context) -> None:
        """Judge what would be left to fill as if it were an order of its own."""
        terms = message.terms
        account = state.accounts.get(account_key(terms.user, terms.venue))
        working = state.working.pop(terms.client_order_id, None)
        rest = replace(terms, quantity_lots=terms.quantity_lots - message.filled_lots)
        request = OrderRequest(
            terms=rest,
            reference_ticks=message.reference_ticks,
            reserved_minor=0,
            reserved_asset="",
        )
        reason = "risk does not know the account"
        if account is not None:
            reason = denial(_question(state, request, ctx)) or ""
        if working is not None:
            state.working[terms.client_order_id] = working
        if account is None or reason:
            _deny_amendment(message, reason, ctx)
            return
        # Either of the two may be in force until orders says which.
        lots = max(rest.quantity_lots, working.lots if working is not None else 0)
        _follow(state, replace(terms, quantity_lots=lots), ctx)
        ctx.send(account.orders, AmendOrder(amend_id=message.amend_id, terms=terms))

    def on_exposure(self, state: RiskState, message: Exposure, ctx: Context) -> None:
        key = _position_key(message.user, message.vault, message.symbol)
        signed = message.filled_lots if message.side is Side.BUY else -message.filled_lots
        lots = state.positions.pop(key, 0) + signed
        if not message.client_order_id and not is_contract(message.symbol):
            # Sold by hand: what is sold beyond the position was never the vault's.
            lots = max(0, lots)
        if lots:
            state.positions[key] = lots
        working = state.working.get(message.client_order_id)
        if working is not None and message.working_lots:
            working.lots = message.working_lots
        elif working is not None:
            del state.working[message.client_order_id]

    # --- the kill switch

    def on_kill_switch(self, state: RiskState, message: KillSwitch, ctx: Context) -> None:
        switch.turn(state.switch, message, _lines(state), _alerts(state), ctx)

    def on_confirmed(self, state: RiskState, message: SwitchConfirmed, ctx: Context) -> None:
        switch.confirm(state.switch, message, ctx)

    def on_line_started(self, state: RiskState, message: LineStarted, ctx: Context) -> None:
        switch.tell_again(state.switch, message.line, ctx)
        for key, account in state.accounts.items():
            if account.line == message.line:
                accounts.announce(account, state.standings[key], ctx, sleeves=False)

    def on_timer(self, state: RiskState, message: TimerFired, ctx: Context) -> None:
        assert message.name == switch.TIMER, "risk has one timer"
        switch.overdue(state.switch, _alerts(state), ctx)

    # --- what accounts may do

    def on_account_mode(self, state: RiskState, message: AccountMode, ctx: Context) -> None:
        key = account_key(message.user, message.venue)
        standing = state.standings.setdefault(key, Standing())
        before = accounts.effective(standing)
        standing.mode = message.mode
        standing.reason = message.reason
        account = state.accounts.get(key)
        if account is not None and accounts.effective(standing) != before:
            # Whoever sent this has told the sleeves; they only need to hear what risk adds to it.
            accounts.announce(account, standing, ctx, sleeves=bool(standing.blocked))

    def on_blocked(self, state: RiskState, message: Blocked, ctx: Context) -> None:
        for account, standing in _guarding(state, message.address):
            standing.blocked[message.address] = message.error
            accounts.announce(account, standing, ctx, sleeves=True)
            text = (
                f"{message.address} cannot handle message {message.position} ({message.error}); "
                f"the account of {account.user} at {account.venue} may only exit until an operator "
                "retries or discards it"
            )
            _page(state, text, ctx)

    def on_unblocked(self, state: RiskState, message: Unblocked, ctx: Context) -> None:
        for account, standing in _guarding(state, message.address):
            if standing.blocked.pop(message.address, None) is not None:
                accounts.announce(account, standing, ctx, sleeves=True)


def _question(state: RiskState, request: OrderRequest, ctx: Context) -> Question:
    terms = request.terms
    instrument = state.instruments.get(f"{terms.venue} {terms.symbol}")
    key = account_key(terms.user, terms.venue)
    position = _position_key(terms.user, terms.vault, terms.symbol)
    mode, mode_reason = accounts.effective(state.standings[key])
    adding = (w.lots for w in state.working.values() if _adds(w, position, terms.side))
    return Question(
        request=request,
        instrument=instrument,
        limits=_limits(state, terms.venue, instrument),
        switch_engaged=state.switch.engaged,
        switch_reason=state.switch.reason,
        mode=mode,
        mode_reason=mode_reason,
        age_ns=ctx.now_ns - ctx.at_ns,
        position_lots=state.positions.get(position, 0),
        adding_lots=sum(adding),
        orders_last_minute=len(_recent_ns(state, key, ctx)),
        working_orders=len(state.working),
        journal_fault=state.journal_fault,
        leverage=state.settings.leverages.get(terms.venue, 1) if state.settings else 1,
    )


def _limits(state: RiskState, venue: str, instrument: Instrument | None) -> Limits:
    settings = state.settings
    assert settings is not None, "an account is known only from the configuration"
    quote = instrument.quote if instrument is not None else ""
    return Limits(
        order_notional_max=settings.order_notional_max.get(quote, -1),
        position_notional_max=settings.position_notional_max.get(quote, -1),
        orders_per_minute_max=settings.orders_per_minute_max,
        symbols_allowed=settings.symbols_allowed.get(venue, ()),
        stale_ns_max=settings.stale_ns_max,
    )


def _adds(working: Working, position: str, side: Side) -> bool:
    return working.side is side and working.position == position


def _recent_ns(state: RiskState, key: str, ctx: Context) -> list[int]:
    since_ns = ctx.now_ns - MINUTE_NS
    return [at_ns for at_ns in state.approved_ns.get(key, []) if at_ns > since_ns]


def _follow(state: RiskState, terms: Terms, ctx: Context) -> None:
    position = _position_key(terms.user, terms.vault, terms.symbol)
    state.working[terms.client_order_id] = Working(position, terms.side, terms.quantity_lots)
    if not terms.reduces:
        key = account_key(terms.user, terms.venue)
        state.approved_ns[key] = [*_recent_ns(state, key, ctx), ctx.now_ns]


def _deny(state: RiskState, terms: Terms, reason: str, ctx: Context) -> None:
    update = OrderUpdate(
        client_order_id=terms.client_order_id,
        state=OrderState.DENIED,
        filled_lots=0,
        reason=reason,
    )
    ctx.send(terms.ledger, update)
    instrument = state.instruments.get(f"{terms.venue} {terms.symbol}")
    figures = OrderFigures(created_ns=ctx.now_ns, updated_ns=ctx.now_ns)
    ctx.record(order_row(terms, instrument, OrderState.DENIED, reason, figures))


def _deny_amendment(message: AmendRequest, reason: str, ctx: Context) -> None:
    terms = message.terms
    denied = OrderAmended(
        amend_id=message.amend_id,
        client_order_id=terms.client_order_id,
        applied=False,
        limit_ticks=terms.limit_ticks,
        quantity_lots=terms.quantity_lots,
        reason=f"not amended: {reason}",
    )
    ctx.send(terms.ledger, denied)


def _guarding(state: RiskState, address: str) -> list[tuple[RiskAccount, Standing]]:
    """Return the accounts that may only exit while the actor at `address` is blocked."""
    return [
        (account, state.standings[key])
        for key, account in state.accounts.items()
        if address in account.guarded
    ]


def _lines(state: RiskState) -> list[str]:
    if state.settings is None:
        return []
    wired = (account.line for account in state.settings.accounts)
    return list(dict.fromkeys((*state.settings.lines, *wired)))


def _alerts(state: RiskState) -> str:
    return state.settings.alerts if state.settings is not None else ""


def _page(state: RiskState, text: str, ctx: Context) -> None:
    if _alerts(state):
        ctx.send(_alerts(state), Alert(severity=Severity.PAGE, subject=ctx.address, text=text))


def _position_key(user: str, vault: str, symbol: str) -> str:
    return f"{user}/{vault}/{symbol}"
