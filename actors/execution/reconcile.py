"""Reconcile: compares one account's books with the venue's, at start, on schedule and on demand.

A round:

    ReadAccount ▶ line ─AccountRead▶ AccountSeen ▶ orders ─OrdersStand▶ ReportBalances ▶ each ledger
                                                                   └─BooksReported▶ compare

What orders passes on to a ledger lies before our question in that ledger's inbox, so the books that
are compared hold every fill that orders knows. Agreement is to the last minor unit, per asset over
all vaults. A difference counts only in a quiet round (nothing unsettled, no fresh fill), and only
when three quiet rounds in a row show one; then it is an alert and the account may only exit. It is
never corrected here.

Holdings of assets that no vault has, found at the very first round, are left out of the comparison
from then on; of a vault's asset they are its first deposit.
"""

from actors.books import is_contract
from actors.execution.reconcile_state import Asker, ReconcileState
from messages.account import (
    AccountRead,
    AccountSeen,
    FeesTold,
    OrdersStand,
    VenueFunding,
    VenueTransfer,
)
from messages.amounts import SCALE_COMMON, short_text
from messages.money import (
    AccountConfigured,
    AccountMode,
    Acknowledged,
    Alert,
    BooksReported,
    FundingSettled,
    FundsMoved,
    Mode,
    ReadAccount,
    Reconciled,
    ReconcileNow,
    ReportBalances,
    Severity,
)
from messages.rows import ReconciliationRow
from messages.runtime import Booted, Settled, TimerFired
from supervisor.actor import Actor, Context
from supervisor.timers import SETTLED_TOPIC

SECOND_NS = 1_000_000_000
ROUND = "round"
STUCK = "stuck"
# Three quiet readings a few seconds apart: a venue whose balance lags its fills has caught up.
DIFFERENCES_TO_COUNT = 3
REPEAT_NS = 2 * SECOND_NS
REPEAT_NS_MAX = 16 * SECOND_NS
READ_RETRY_NS = (SECOND_NS, 2 * SECOND_NS, 5 * SECOND_NS, 10 * SECOND_NS, 30 * SECOND_NS)
FAILURES_BEFORE_ALERT = 5
# A busy account that is never quiet for this many rounds should be known to a person.
ROUNDS_BEFORE_ALERT = 30
# Read again what is this much older than the last reading: venues publish trades late.
OVERLAP_NS = 60 * SECOND_NS
# A round whose answers do not come (a ledger is blocked) is given up and begun anew.
STUCK_NS = 60 * SECOND_NS
# References of deposits kept to know them again: years of them, for most.
REFERENCES_KEPT_MAX = 256
# Operators that wait for one round.
WAITING_MAX = 64


class Reconcile(Actor[ReconcileState]):
    """One account's reconciliation; see the module's docstring."""

    def on_configured(
        self, state: ReconcileState, message: AccountConfigured, ctx: Context
    ) -> None:
        first = state.settings is None
        state.settings = message
        if first:
            state.cursor_ns = ctx.now_ns
            _set_mode(state, Mode.EXITS_ONLY, "its books have not been compared yet", ctx)
        else:
            _give_to_new_vaults(state, ctx)
            # Vaults and sleeves that are new have heard of no mode and no comparison.
            _announce(state, state.mode, state.reason, ctx)
            _tell_fees(state, ctx)
        _begin(state, ctx)

    def on_booted(self, state: ReconcileState, message: Booted, ctx: Context) -> None:
        """Trust nothing from before the start; a round of the life before is not continued."""
        state.request_id = ""
        state.differing = 0
        state.mode = Mode.EXITS_ONLY
        if state.settings is not None:
            _announce(state, Mode.EXITS_ONLY, "its books are being compared after the start", ctx)
            _begin(state, ctx)

    def on_now(self, state: ReconcileState, message: ReconcileNow, ctx: Context) -> None:
        if message.reply_to and len(state.asking) >= WAITING_MAX:
            text = "too many requests wait for the reconciliation: ask again in a few seconds"
            answer = Acknowledged(request_id=message.request_id, ok=False, text=text)
            ctx.send(message.reply_to, answer)
            return
        if message.reply_to:
            state.asking.append(Asker(message.reply_to, message.request_id))
        if state.request_id:
            state.again = True
        else:
            _begin(state, ctx)

    def on_timer(self, state: ReconcileState, message: TimerFired, ctx: Context) -> None:
        if message.name == STUCK and state.request_id:
            text = (
                f"the reconciliation of {_account(state)} got no answer for "
                f"{STUCK_NS // SECOND_NS} s: see whether its ledgers and orders are blocked with "
                "`bot tree`"
            )
            _alert(state, Severity.PAGE, text, ctx)
        _begin(state, ctx)

    def on_read(self, state: ReconcileState, message: AccountRead, ctx: Context) -> None:
        if message.request_id != state.request_id:
            return
        if not message.complete:
            _read_failed(state, message.reason, ctx)
            return
        state.failures = 0
        state.read_ns = message.read_ns
        state.cursor_ns = message.read_ns
        state.venue_minor = {balance.asset: balance.total_minor for balance in message.balances}
        if message.fees and message.fees != state.fees:
            state.fees = message.fees
            _tell_fees(state, ctx)
        state.contract_scales |= {b.asset: b.scale for b in message.balances if b.scale >= 0}
        known = state.references
        _take_transfers(state, message.transfers, ctx)
        _take_funding(state, message.funding)
        if not state.opened and state.references != known:
            # The balances were read before it: whether they hold it, this reading cannot tell. In
            # the next one they surely do.
            _end_round(state, REPEAT_NS, ctx)
            return
        _open_books(state, ctx)
        seen = AccountSeen(
            request_id=state.request_id,
            reply_to=_settings(state).reconcile,
            open_orders=message.open_orders,
            fills=message.fills,
            read_ns=message.read_ns,
        )
        ctx.send(_settings(state).orders, seen)

    def on_orders_stand(self, state: ReconcileState, message: OrdersStand, ctx: Context) -> None:
        if message.request_id != state.request_id:
            return
        state.unsettled = len(message.unsettled)
        state.newest_fill_ns = message.newest_fill_ns
        _tell_funding(state, ctx)
        settings = _settings(state)
        for address in settings.ledgers.values():
            question = ReportBalances(request_id=state.request_id, reply_to=settings.reconcile)
            ctx.send(address, question)
        if not settings.ledgers:
            _compare(state, ctx)

    def on_books(self, state: ReconcileState, message: BooksReported, ctx: Context) -> None:
        if message.request_id != state.request_id:
            return
        state.books[message.vault] = message.totals_minor
        if len(state.books) == len(_settings(state).ledgers):
            _compare(state, ctx)


def _tell_fees(state: ReconcileState, ctx: Context) -> None:
    settings = _settings(state)
    if not state.fees:
        return
    told = FeesTold(user=settings.user, venue=settings.venue, fees=state.fees)
    for address in (*settings.ledgers.values(), *settings.sleeves):
        ctx.send(address, told)


def _give_to_new_vaults(state: ReconcileState, ctx: Context) -> None:
    """Book what lay there before there was a vault for it: its first deposit."""
    for asset in _settings(state).vault_assets.values():
        amount_minor = state.outside_minor.pop(asset, 0)
        if amount_minor:
            reference = f"adopted:{_settings(state).user}@{_settings(state).venue}:{asset}"
            found = VenueTransfer(
                asset=asset, amount_minor=amount_minor, reference=reference, at_ns=ctx.now_ns
            )
            _book(state, found, ctx)


def _settings(state: ReconcileState) -> AccountConfigured:
    assert state.settings is not None, "AccountConfigured is a reconcile actor's first message"
    return state.settings


def _account(state: ReconcileState) -> str:
    return f"{_settings(state).user} at {_settings(state).venue}"


def _begin(state: ReconcileState, ctx: Context) -> None:
    state.request_id = ctx.new_id()
    state.again = False
    state.books = {}
    ctx.cancel(ROUND)
    ctx.after(STUCK, STUCK_NS)
    overlap_ns = max(OVERLAP_NS, 2 * _settings(state).visibility_lag_ns)
    since_ns = max(0, state.cursor_ns - overlap_ns)
    question = ReadAccount(request_id=state.request_id, fills_since_ns=since_ns)
    ctx.send(_settings(state).line, question)


def _end_round(state: ReconcileState, next_ns: int, ctx: Context) -> None:
    """End the round; the next comes in `next_ns`, or at once if somebody asked meanwhile."""
    state.request_id = ""
    ctx.cancel(STUCK)
    if state.again:
        _begin(state, ctx)
    else:
        ctx.after(ROUND, next_ns)


def _read_failed(state: ReconcileState, reason: str, ctx: Context) -> None:
    state.failures += 1
    if state.failures == FAILURES_BEFORE_ALERT:
        text = f"the account of {_account(state)} cannot be read: {reason}"
        _alert(state, Severity.NOTICE, text, ctx)
    wait_ns = READ_RETRY_NS[min(state.failures, len(READ_RETRY_NS)) - 1]
    state.again = False
    _end_round(state, wait_ns, ctx)


def _take_transfers(
    state: ReconcileState, transfers: tuple[VenueTransfer, ...], ctx: Context
) -> None:
    """Book deposits and withdrawals that are new to us."""
    for transfer in transfers:
        if transfer.reference in state.references:
            continue
        state.references = [*state.references[-REFERENCES_KEPT_MAX + 1 :], transfer.reference]
        # What came before the first reading is a part of the opening balance.
        if state.opened:
            _book(state, transfer, ctx)


def _take_funding(state: ReconcileState, settled: tuple[VenueFunding, ...]) -> None:
    """Keep what is new to us; what came before the first reading is part of the opening balance."""
    for each in settled:
        reference = f"funding:{each.reference}"
        if reference in state.references:
            continue
        state.references = [*state.references[-REFERENCES_KEPT_MAX + 1 :], reference]
        if state.opened:
            state.funding.append(each)


def _tell_funding(state: ReconcileState, ctx: Context) -> None:
    """Tell the ledgers, which by now have every fill that orders knows."""
    for each in state.funding:
        ledger = _ledger_of(state, each.asset)
        if ledger is None:
            held_minor = state.outside_minor.get(each.asset, 0)
            state.outside_minor[each.asset] = held_minor + each.amount_minor
            continue
        settled = FundingSettled(
            symbol=each.symbol,
            amount_minor=each.amount_minor,
            reference=each.reference,
            at_ns=each.at_ns,
            insurance=each.insurance,
        )
        ctx.send(ledger, settled)
    state.funding = []


def _book(state: ReconcileState, transfer: VenueTransfer, ctx: Context) -> None:
    ledger = _ledger_of(state, transfer.asset)
    if ledger is None:
        held_minor = state.outside_minor.get(transfer.asset, 0)
        state.outside_minor[transfer.asset] = held_minor + transfer.amount_minor
        return
    moved = FundsMoved(
        asset=transfer.asset,
        amount_minor=transfer.amount_minor,
        reference=transfer.reference,
        at_ns=transfer.at_ns,
    )
    ctx.send(ledger, moved)


def _ledger_of(state: ReconcileState, asset: str) -> str | None:
    """Return the ledger of the vault whose asset this is; there is one vault per asset."""
    settings = _settings(state)
    for vault, vault_asset in settings.vault_assets.items():
        if vault_asset == asset:
            return settings.ledgers[vault]
    return None


def _open_books(state: ReconcileState, ctx: Context) -> None:
    """At the very first reading, book what lies there."""
    if state.opened:
        return
    state.opened = True
    settings = _settings(state)
    for asset, total_minor in state.venue_minor.items():
        if total_minor:
            reference = f"opening:{settings.user}@{settings.venue}:{asset}"
            opening = VenueTransfer(
                asset=asset,
                amount_minor=total_minor,
                reference=reference,
                at_ns=state.read_ns,
            )
            _book(state, opening, ctx)
            if is_contract(asset):
                _page_of_position(state, asset, total_minor, ctx)


def _page_of_position(state: ReconcileState, symbol: str, contracts: int, ctx: Context) -> None:
    text = (
        f"the account of {_account(state)} already held "
        f"{short_text(contracts, _scale(state, symbol))} {symbol} when it was first read: it is "
        "nobody's here and is left out of the comparison, but the venue nets it with the bot's; "
        "close it, or trade other symbols there"
    )
    _alert(state, Severity.PAGE, text, ctx)


def _compare(state: ReconcileState, ctx: Context) -> None:
    differences = _differences(state)
    if not differences:
        _agreed(state, ctx)
        return
    if not _quiet(state):
        state.unquiet += 1
        if state.unquiet == ROUNDS_BEFORE_ALERT:
            text = (
                f"the books of {_account(state)} could not be compared: in "
                f"{ROUNDS_BEFORE_ALERT} readings something was always moving; pause its sleeves if "
                "this goes on"
            )
            _alert(state, Severity.NOTICE, text, ctx)
        wait_ns = REPEAT_NS << min(state.unquiet - 1, 8)
        _end_round(state, min(wait_ns, REPEAT_NS_MAX), ctx)
        return
    state.unquiet = 0
    state.differing += 1
    if state.differing < DIFFERENCES_TO_COUNT:
        _end_round(state, REPEAT_NS, ctx)
    else:
        _differs(state, differences, ctx)


def _differences(state: ReconcileState) -> tuple[str, ...]:
    """Return one line per asset in which books and venue differ."""
    ours: dict[str, int] = {}
    for totals_minor in state.books.values():
        for asset, total_minor in totals_minor.items():
            ours[asset] = ours.get(asset, 0) + total_minor
    lines = []
    for asset in sorted({*ours, *state.venue_minor, *state.outside_minor}):
        venue_minor = state.venue_minor.get(asset, 0) - state.outside_minor.get(asset, 0)
        books_minor = ours.get(asset, 0)
        if venue_minor != books_minor:
            scale = _scale(state, asset)
            lines.append(
                f"{asset}: venue {short_text(venue_minor, scale)}, books "
                f"{short_text(books_minor, scale)}, difference "
                f"{short_text(venue_minor - books_minor, scale)}"
            )
    return tuple(lines)


def _scale(state: ReconcileState, asset: str) -> int:
    scales = state.settings.scales if state.settings is not None else {}
    return state.contract_scales.get(asset, scales.get(asset, SCALE_COMMON))


def _quiet(state: ReconcileState) -> bool:
    """Return whether nothing moved around the reading that could explain a difference."""
    lag_ns = _settings(state).visibility_lag_ns
    return not state.unsettled and state.newest_fill_ns < state.read_ns - lag_ns


def _agreed(state: ReconcileState, ctx: Context) -> None:
    recovered = state.differing >= DIFFERENCES_TO_COUNT
    state.differing = 0
    state.unquiet = 0
    if recovered:
        text = f"the books of {_account(state)} agree with the venue's again"
        _alert(state, Severity.NOTICE, text, ctx)
    _conclude(state, (), ctx)
    _set_mode(state, Mode.ACTIVE, "books and venue agree", ctx)
    # Behind the mode: what the sleeves' overdue timers make them wish is allowed by then.
    ctx.publish(SETTLED_TOPIC, Settled())
    _end_round(state, _settings(state).reconcile_every_ns, ctx)


def _differs(state: ReconcileState, differences: tuple[str, ...], ctx: Context) -> None:
    if state.differing == DIFFERENCES_TO_COUNT:
        text = (
            f"the books of {_account(state)} differ from the venue's ({'; '.join(differences)}): "
            "nothing is corrected, only exits are allowed; find the cause with `bot ledger "
            "reconcile`, then record the missing movement"
        )
        _alert(state, Severity.PAGE, text, ctx)
    _conclude(state, differences, ctx)
    reason = f"books and venue differ: {'; '.join(differences)}"
    _set_mode(state, Mode.EXITS_ONLY, reason, ctx)
    _end_round(state, _settings(state).reconcile_every_ns, ctx)


def _conclude(state: ReconcileState, differences: tuple[str, ...], ctx: Context) -> None:
    """Tell sleeves, people, and whoever asked."""
    settings = _settings(state)
    agreed = not differences
    result = Reconciled(
        user=settings.user, venue=settings.venue, agreed=agreed, differences=differences
    )
    for sleeve in settings.sleeves:
        ctx.send(sleeve, result)
    row = ReconciliationRow(
        user=settings.user,
        venue=settings.venue,
        agreed=agreed,
        differences="\n".join(differences),
        at_ns=ctx.now_ns,
    )
    ctx.record(row)
    if state.again:
        # Whoever asked during this round is answered by the next one.
        return
    text = "books and venue agree" if agreed else "; ".join(differences)
    for asker in state.asking:
        answer = Acknowledged(request_id=asker.request_id, ok=agreed, text=text)
        ctx.send(asker.reply_to, answer)
    state.asking = []


def _set_mode(state: ReconcileState, mode: Mode, reason: str, ctx: Context) -> None:
    if (mode, reason) != (state.mode, state.reason):
        _announce(state, mode, reason, ctx)


def _announce(state: ReconcileState, mode: Mode, reason: str, ctx: Context) -> None:
    state.mode = mode
    state.reason = reason
    settings = _settings(state)
    message = AccountMode(user=settings.user, venue=settings.venue, mode=mode, reason=reason)
    for address in (settings.risk, *settings.ledgers.values(), *settings.sleeves):
        ctx.send(address, message)


def _alert(state: ReconcileState, severity: Severity, text: str, ctx: Context) -> None:
    alert = Alert(severity=severity, subject=ctx.address, text=text)
    ctx.send(_settings(state).alerts, alert)
