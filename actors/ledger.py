"""The ledger of one vault: the authority on its money, and the only way from a wish to an order.

Double entry (`books`), reservations by pending transfers (`ordering`), fills (`booking`,
`trades`), the vault's own money (`allocation`). After every message that moves money the books
are checked (`desk`).
"""

from msgspec.structs import replace

from actors import books as bk
from actors import commands, preflight
from actors.allocation import (
    apply_wanted_when_flat,
    deposited,
    remaining_minor,
    set_pool,
    settle_reserve,
    tradeable_minor,
    withdrawn,
)
from actors.amending import handle_amend_intent, handle_amended
from actors.booking import first_time, handle_fill, handle_update
from actors.desk import Desk
from actors.ledger_rows import ROWS_TIMER, record_rows
from actors.ordering import handle_cancel_intent, handle_exit, handle_intent
from actors.perpetual import book_funding, book_insurance
from actors.vault import LedgerState, SleeveBook, configured, total_minor
from messages.account import FeesTold
from messages.amends import AmendIntent, OrderAmended
from messages.market import BookTop, InstrumentListed
from messages.money import (
    AccountMode,
    Allocate,
    BooksReported,
    CheckVault,
    FundingSettled,
    FundsMoved,
    Mode,
    ReportBalances,
    SetTradeable,
    SleeveAllocation,
    VaultConfigured,
)
from messages.orders import CancelIntent, Fill, Intent, OrderUpdate, ProtectiveExit
from messages.runtime import Booted, TimerFired, Undeliverable
from supervisor.actor import Actor, Context

# A backup may hold positions that were sold after it was made. Readings find that out in seconds,
# or, where it was the last thing that happened, within twice the usual visibility lag of 5 s; an
# account that cannot be read has its positions protected after this all the same.
RESTORED_WAIT_NS = 30_000_000_000


class Ledger(Actor[LedgerState]):
    """One per vault. Its first message is `VaultConfigured`."""

    def on_configured(self, state: LedgerState, message: VaultConfigured, ctx: Context) -> None:
        before = state.config
        state.config = message
        desk = Desk(state, ctx)
        assert before is None or before.asset == message.asset, "a vault is of one asset for ever"
        for allocation in message.sleeves:
            _configure_sleeve(state, allocation, before)
        for name in [name for name in state.sleeves if not _listed(message, name)]:
            state.sleeves[name].wanted_minor = 0
        settle_reserve(state, desk.pen, "configured")
        if before is None or before.tradeable_minor != message.tradeable_minor:
            set_pool(state, desk.pen, message.tradeable_minor, "configured")
        apply_wanted_when_flat(state, desk.pen, "configured")
        desk.finish()

    def on_listed(self, state: LedgerState, message: InstrumentListed, ctx: Context) -> None:
        if message.venue != configured(state).venue:
            return
        known = state.instruments.get(message.instrument.symbol)
        if known is not None:
            # Positions and orders are counted in these units.
            old, new = known, message.instrument
            assert (old.base_scale, old.quote_scale) == (new.base_scale, new.quote_scale), (
                f"{new.symbol} changed its scales: an asset's minor unit is fixed by its first use"
            )
        state.instruments[message.instrument.symbol] = message.instrument
        _charge(state)
        Desk(state, ctx).finish()

    def on_fees(self, state: LedgerState, message: FeesTold, ctx: Context) -> None:
        """Note what the account pays: told to people, and reserved where it is more than listed."""
        config = configured(state)
        if (message.user, message.venue) == (config.user, config.venue):
            state.fees |= {fee.symbol: fee for fee in message.fees}
            _charge(state)

    def on_intent(self, state: LedgerState, message: Intent, ctx: Context) -> None:
        desk = Desk(state, ctx)
        handle_intent(desk, message)
        desk.finish()

    def on_cancel_intent(self, state: LedgerState, message: CancelIntent, ctx: Context) -> None:
        desk = Desk(state, ctx)
        handle_cancel_intent(desk, message)
        desk.finish()

    def on_amend_intent(self, state: LedgerState, message: AmendIntent, ctx: Context) -> None:
        desk = Desk(state, ctx)
        handle_amend_intent(desk, message)
        desk.finish()

    def on_amended(self, state: LedgerState, message: OrderAmended, ctx: Context) -> None:
        desk = Desk(state, ctx)
        handle_amended(desk, message)
        desk.finish()

    def on_exit(self, state: LedgerState, message: ProtectiveExit, ctx: Context) -> None:
        desk = Desk(state, ctx)
        handle_exit(desk, message)
        desk.finish()

    def on_update(self, state: LedgerState, message: OrderUpdate, ctx: Context) -> None:
        desk = Desk(state, ctx)
        handle_update(desk, message)
        preflight.follow(desk, message)
        desk.finish()

    def on_fill(self, state: LedgerState, message: Fill, ctx: Context) -> None:
        desk = Desk(state, ctx)
        handle_fill(desk, message)
        desk.finish()

    def on_funds(self, state: LedgerState, message: FundsMoved, ctx: Context) -> None:
        """Book what the venue told of (V7); profit and loss do not move."""
        desk = Desk(state, ctx)
        if not first_time(desk, f"funds/{message.reference}"):
            desk.notice("funding told twice", f"{message.reference} was not booked again")
        elif message.asset != desk.config.asset:
            _move_other_asset(desk, message)
        elif message.amount_minor != 0:
            _move_funds(desk, message)
        desk.finish()

    def on_funding(self, state: LedgerState, message: FundingSettled, ctx: Context) -> None:
        """Book what a perpetual's settlement took or gave, by what was held then."""
        desk = Desk(state, ctx)
        is_new = first_time(desk, f"funding/{message.reference}")
        if is_new and message.insurance:
            book_insurance(desk, message)
        elif is_new and message.amount_minor and not book_funding(desk, message):
            desk.page(
                "funding of nobody's position",
                f"{message.reference} moved {desk.amount(desk.config.asset, message.amount_minor)} "
                f"for {message.symbol}, which no sleeve held then: it is booked to suspense; look "
                "at the venue for a position that is not the bot's",
            )
        desk.finish()

    def on_allocate(self, state: LedgerState, message: Allocate, ctx: Context) -> None:
        desk = Desk(state, ctx)
        commands.allocate(desk, message)
        desk.finish()

    def on_set_tradeable(self, state: LedgerState, message: SetTradeable, ctx: Context) -> None:
        desk = Desk(state, ctx)
        commands.set_tradeable(desk, message)
        desk.finish()

    def on_check(self, state: LedgerState, message: CheckVault, ctx: Context) -> None:
        desk = Desk(state, ctx)
        preflight.begin(desk, message)
        desk.finish()

    def on_mode(self, state: LedgerState, message: AccountMode, ctx: Context) -> None:
        config = configured(state)
        if (message.user, message.venue) == (config.user, config.venue):
            if message.mode is Mode.ACTIVE:
                state.unread_until_ns = 0
            state.mode = message.mode
            state.mode_reason = message.reason
            record_rows(state, ctx, moved=True)

    def on_report(self, state: LedgerState, message: ReportBalances, ctx: Context) -> None:
        totals = {asset: state.books.held(asset) for asset in state.books.balances}
        ctx.send(
            message.reply_to,
            BooksReported(
                request_id=message.request_id,
                vault=configured(state).vault,
                totals_minor=totals,
            ),
        )

    def on_top(self, state: LedgerState, message: BookTop, ctx: Context) -> None:
        """Value positions at what they would bring."""
        if state.config is None or message.symbol not in state.instruments:
            return
        if message.venue != state.config.venue or message.bid_ticks <= 0:
            return
        mark = message.bid_ticks
        if bk.is_contract(message.symbol) and state.books.held(message.symbol) < 0:
            mark = message.ask_ticks
        if state.marks.get(message.symbol) == mark:
            return
        state.marks[message.symbol] = mark
        if any(message.symbol in sleeve.positions for sleeve in state.sleeves.values()):
            record_rows(state, ctx, moved=False)

    def on_booted(self, state: LedgerState, message: Booted, ctx: Context) -> None:
        if message.restored:
            state.unread_until_ns = ctx.now_ns + RESTORED_WAIT_NS
        if state.config is not None:
            state.books.check()
            record_rows(state, ctx, moved=True)

    def on_undeliverable(self, state: LedgerState, message: Undeliverable, ctx: Context) -> None:
        desk = Desk(state, ctx)
        if message.address != desk.config.alerts:
            desk.page(
                "nobody there",
                f"a {message.tag_sent} to {message.address} found nobody, and what it reserved "
                "stays reserved: compare the vault's configuration with `bot tree`",
            )

    def on_timer(self, state: LedgerState, message: TimerFired, ctx: Context) -> None:
        if message.name == ROWS_TIMER:
            record_rows(state, ctx, moved=True)
        elif message.name == preflight.TRIP_TIMER:
            desk = Desk(state, ctx)
            preflight.overdue(desk)
            desk.finish()


def _listed(config: VaultConfigured, sleeve: str) -> bool:
    return any(allocation.sleeve == sleeve for allocation in config.sleeves)


def _charge(state: LedgerState) -> None:
    """Have buys reserve for a fee that is above the listed one.

    Not for one below it: the tier may be lost between two readings, and what is not needed comes
    back with the fill.
    """
    for symbol, fee in state.fees.items():
        instrument = state.instruments.get(symbol)
        if instrument is not None and fee.taker_ppm > instrument.taker_fee_ppm:
            state.instruments[symbol] = replace(instrument, taker_fee_ppm=fee.taker_ppm)


def _configure_sleeve(
    state: LedgerState, allocation: SleeveAllocation, before: VaultConfigured | None
) -> None:
    """Take over a sleeve's settings; an allocation set by hand stays unless this one changed."""
    sleeve = state.sleeves.get(allocation.sleeve)
    if sleeve is None:
        sleeve = SleeveBook(
            name=allocation.sleeve,
            style=allocation.style,
            address=allocation.address,
            strategy=allocation.strategy,
            symbols=allocation.symbols,
            wanted_minor=allocation.allocated_minor,
        )
        state.sleeves[allocation.sleeve] = sleeve
        return
    old = before.sleeves if before is not None else ()
    if all(
        (one.sleeve, one.allocated_minor) != (allocation.sleeve, allocation.allocated_minor)
        for one in old
    ):
        sleeve.wanted_minor = allocation.allocated_minor
    sleeve.style = allocation.style
    sleeve.address = allocation.address
    sleeve.strategy = allocation.strategy
    sleeve.symbols = allocation.symbols


def _move_funds(desk: Desk, message: FundsMoved) -> None:
    state = desk.state
    reference = message.reference
    if message.amount_minor > 0:
        what = "deposit"
        deposited(state, desk.pen, message.amount_minor, reference)
    else:
        what = "withdrawal"
        lacking = withdrawn(state, desk.pen, -message.amount_minor, reference)
        if lacking:
            desk.page(
                "withdrawal of money in use",
                f"{reference} took {desk.amount(message.asset, lacking)} that sleeves count on: "
                "deposit them again, or lower allocations",
            )
    slices = ", ".join(
        f"{sleeve.name} {desk.money(sleeve.allocated_minor)}" for sleeve in state.sleeves.values()
    )
    desk.notice(
        what,
        f"{desk.amount(message.asset, message.amount_minor)} ({reference}). "
        f"Total {desk.money(total_minor(state))}, Tradeable {desk.money(tradeable_minor(state))}, "
        f"remaining {desk.money(remaining_minor(state))}; allocated: {slices or 'nothing'}",
    )


def _move_other_asset(desk: Desk, message: FundsMoved) -> None:
    """Book coins of another asset: held, not part of Total Coins, nobody's to trade."""
    asset, amount = message.asset, abs(message.amount_minor)
    if message.amount_minor > 0:
        desk.pen.move(asset, bk.EXTERNAL, bk.HOLDINGS, amount, "deposit", message.reference)
        debt = min(amount, -desk.state.books.balance(asset, bk.WITHDRAWN))
        desk.pen.move(asset, bk.HOLDINGS, bk.WITHDRAWN, debt, "settle", message.reference)
    else:
        free = min(amount, desk.state.books.balance(asset, bk.HOLDINGS))
        desk.pen.move(asset, bk.HOLDINGS, bk.EXTERNAL, free, "withdraw", message.reference)
        lacking = amount - free
        desk.pen.move(asset, bk.WITHDRAWN, bk.EXTERNAL, lacking, "withdraw", message.reference)
        if lacking:
            desk.page(
                "withdrawal of coins in use",
                f"{message.reference} took {desk.amount(asset, lacking)} that sleeves hold: "
                "deposit them again, or close the position",
            )
    desk.notice(
        "other asset moved",
        f"{desk.amount(asset, message.amount_minor)} ({message.reference}) are held, but not "
        f"part of Total Coins: this vault is of {desk.config.asset}",
    )
