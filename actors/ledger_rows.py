"""The rows that show a vault and its sleeves.

They are recorded at once when money moved, and at most once a second while only prices move; a
change that came too early for its row is caught up by the timer `rows`.
"""

from actors import books as bk
from actors.allocation import remaining_minor, tradeable_minor
from actors.vault import (
    LedgerState,
    SleeveBook,
    cash_minor,
    configured,
    entry_ticks,
    fees_minor,
    funding_minor,
    margin_held,
    position_lots,
    realised_minor,
    reserved_minor,
    sleeve_unrealised,
    total_minor,
    unrealised_minor,
)
from messages.rows import SleeveRow, VaultRow
from supervisor.actor import Context

ROWS_TIMER = "rows"
# A person reads no faster, and a row per price would be most of the database.
ROW_INTERVAL_NS = 1_000_000_000


def record_rows(state: LedgerState, ctx: Context, *, moved: bool) -> None:
    """Record the vault's and all sleeves' rows if they are due, or ask to be reminded."""
    last_ns = state.rows_ns
    due_ns = last_ns + ROW_INTERVAL_NS
    if not moved and last_ns and ctx.now_ns < due_ns:
        if ROWS_TIMER not in ctx.timers:
            ctx.after(ROWS_TIMER, due_ns - ctx.now_ns)
        return
    state.rows_ns = ctx.now_ns
    ctx.cancel(ROWS_TIMER)
    ctx.record(_vault_row(state, ctx.address))
    for sleeve in state.sleeves.values():
        ctx.record(_sleeve_row(state, sleeve))


def _vault_row(state: LedgerState, address: str) -> VaultRow:
    config = configured(state)
    return VaultRow(
        user=config.user,
        vault=config.vault,
        venue=config.venue,
        environment=config.environment,
        asset=config.asset,
        asset_scale=config.asset_scale,
        total_minor=total_minor(state),
        tradeable_minor=tradeable_minor(state),
        remaining_minor=remaining_minor(state),
        reserve_minor=state.books.balance(config.asset, bk.RESERVE),
        realised_minor=realised_minor(state),
        unrealised_minor=unrealised_minor(state),
        fees_minor=fees_minor(state),
        funding_minor=funding_minor(state),
        mode=state.mode.value,
        address=address,
    )


def _sleeve_row(state: LedgerState, sleeve: SleeveBook) -> SleeveRow:
    config = configured(state)
    symbol = _shown_symbol(state, sleeve)
    instrument = state.instruments.get(symbol)
    positions = sleeve.positions.values()
    return SleeveRow(
        user=config.user,
        vault=config.vault,
        sleeve=sleeve.name,
        style=sleeve.style.value,
        strategy=sleeve.strategy,
        asset_scale=config.asset_scale,
        allocated_minor=sleeve.allocated_minor,
        cash_minor=cash_minor(state, sleeve.name),
        reserved_minor=reserved_minor(state, sleeve.name),
        symbol=symbol,
        position_lots=position_lots(state, sleeve.name, symbol),
        lot=instrument.lot if instrument else "",
        average_entry_ticks=entry_ticks(state, sleeve, symbol),
        tick=instrument.tick if instrument else "",
        realised_minor=sum(position.realised_minor for position in positions),
        unrealised_minor=sleeve_unrealised(state, sleeve),
        fees_minor=sum(position.fees_minor for position in positions),
        swept_minor=sleeve.swept_minor,
        funding_minor=sum(position.funding_minor for position in positions),
        margin_minor=margin_held(state, sleeve.name),
        address=sleeve.address,
    )


def _shown_symbol(state: LedgerState, sleeve: SleeveBook) -> str:
    """Return the symbol that a sleeve is in, else its first."""
    for symbol in sleeve.positions:
        if position_lots(state, sleeve.name, symbol) != 0:
            return symbol
    return sleeve.symbols[0] if sleeve.symbols else ""
