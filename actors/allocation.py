"""Where the vault's own money lies: reserve, pool and slices. Architecture: capabilities V2 to V8.

The user-set pool holds what is allocated and what is not (`tradeable`, Tradeable Coins). Money
that is in neither pool nor reserve lies in `holdings`. Nothing is counted twice, since each unit
lies in one account.
"""

from actors import books as bk
from actors.positions import BPS
from actors.vault import (
    LedgerState,
    SleeveBook,
    cash_minor,
    configured,
    invested_minor,
    is_flat,
    margin_held,
    promised_minor,
    reserved_minor,
    total_minor,
)
from messages.money import SleeveStyle


def tradeable_minor(state: LedgerState) -> int:
    """Return Tradeable Coins."""
    return state.books.balance(configured(state).asset, bk.TRADEABLE)


def remaining_minor(state: LedgerState) -> int:
    """Return Tradeable Coins that no sleeve has been promised for its next buy."""
    return max(0, tradeable_minor(state) - promised_minor(state))


def settle_reserve(
    state: LedgerState,
    pen: bk.Pen,
    reference: str,
    sources: tuple[str, ...] = (bk.HOLDINGS, bk.TRADEABLE),
) -> int:
    """Bring the reserve to its share of Total Coins; return what it took (or gave back, below 0).

    It takes from `sources`, in that order, never from a sleeve.
    """
    asset = configured(state).asset
    have = state.books.balance(asset, bk.RESERVE)
    change = max(0, total_minor(state)) * configured(state).reserve_bps // BPS - have
    if change < 0:
        pen.move(asset, bk.RESERVE, bk.HOLDINGS, -change, "reserve", reference)
        return change
    taken = 0
    for source in sources:
        amount = min(change - taken, state.books.balance(asset, source))
        pen.move(asset, source, bk.RESERVE, amount, "reserve", reference)
        taken += amount
    return taken


def set_pool(state: LedgerState, pen: bk.Pen, pool_minor: int, reference: str) -> None:
    """Set the pool: Tradeable Coins become it less what is allocated, as far as money is there."""
    asset = configured(state).asset
    state.pool_minor = pool_minor
    slices = sum(sleeve.allocated_minor for sleeve in state.sleeves.values())
    change = max(0, pool_minor - slices) - tradeable_minor(state)
    state.pool_missing_minor = max(0, change)
    if change < 0:
        pen.move(asset, bk.TRADEABLE, bk.HOLDINGS, -change, "pool", reference)
    fill_pool(state, pen, reference)


def fill_pool(state: LedgerState, pen: bk.Pen, reference: str) -> int:
    """Move what the pool still lacks from holdings; return how much was there."""
    asset = configured(state).asset
    amount = min(state.pool_missing_minor, state.books.balance(asset, bk.HOLDINGS))
    pen.move(asset, bk.HOLDINGS, bk.TRADEABLE, amount, "pool", reference)
    state.pool_missing_minor -= amount
    return amount


def deposited(state: LedgerState, pen: bk.Pen, amount_minor: int, reference: str) -> None:
    """Book a deposit: debts first, then the reserve, what the pool lacks, and the raise (V7)."""
    config = configured(state)
    pen.move(config.asset, bk.EXTERNAL, bk.HOLDINGS, amount_minor, "deposit", reference)
    state.deposited_minor += amount_minor
    fresh = amount_minor
    debt = min(-state.books.balance(config.asset, bk.WITHDRAWN), amount_minor)
    pen.move(config.asset, bk.HOLDINGS, bk.WITHDRAWN, debt, "settle", reference)
    fresh -= debt
    fresh -= max(0, settle_reserve(state, pen, reference))
    fresh -= fill_pool(state, pen, reference)
    room = config.tradeable_cap_minor - tradeable_minor(state)
    holdings = state.books.balance(config.asset, bk.HOLDINGS)
    raised = max(0, min(fresh, room, holdings))
    pen.move(config.asset, bk.HOLDINGS, bk.TRADEABLE, raised, "raise", reference)
    apply_wanted_when_flat(state, pen, reference)


def withdrawn(state: LedgerState, pen: bk.Pen, amount_minor: int, reference: str) -> int:
    """Book a withdrawal; return what was not free: a debt until money comes.

    It takes from holdings, then Tradeable Coins, then the reserve; sleeves are never touched.
    """
    asset = configured(state).asset
    state.deposited_minor -= amount_minor
    left = amount_minor
    for source in (bk.HOLDINGS, bk.TRADEABLE, bk.RESERVE):
        amount = min(left, state.books.balance(asset, source))
        pen.move(asset, source, bk.EXTERNAL, amount, "withdraw", reference)
        left -= amount
    pen.move(asset, bk.WITHDRAWN, bk.EXTERNAL, left, "withdraw", reference)
    settle_reserve(state, pen, reference)
    return left


def apply_wanted(state: LedgerState, pen: bk.Pen, sleeve: SleeveBook, reference: str) -> None:
    """Bring a sleeve's allocation to what was asked for, as far as money is there."""
    asset = configured(state).asset
    change = sleeve.wanted_minor - sleeve.allocated_minor
    if change > 0:
        amount = min(change, tradeable_minor(state))
        pen.move(asset, bk.TRADEABLE, bk.cash_of(sleeve.name), amount, "allocate", reference)
        sleeve.allocated_minor += amount
    elif change < 0:
        amount = _given_back(state, sleeve)
        pen.move(asset, bk.cash_of(sleeve.name), bk.TRADEABLE, amount, "allocate", reference)
        left = sleeve.allocated_minor - amount
        done = is_flat(state, sleeve) and reserved_minor(state, sleeve.name) == 0
        sleeve.allocated_minor = sleeve.wanted_minor if done else max(sleeve.wanted_minor, left)
    if change != 0:
        sleeve.principal_minor = sleeve.allocated_minor


def _given_back(state: LedgerState, sleeve: SleeveBook) -> int:
    """Return what a smaller allocation frees now: what it shrinks by, less what a loss has eaten.

    Giving up the slice altogether gives back all its cash, profits and all.
    """
    cash = cash_minor(state, sleeve.name)
    if sleeve.wanted_minor == 0:
        return cash
    invested = invested_minor(state, sleeve.positions) + margin_held(state, sleeve.name)
    balance = cash + reserved_minor(state, sleeve.name) + invested
    shrinks = sleeve.allocated_minor - sleeve.wanted_minor
    return max(0, min(cash, shrinks, balance - sleeve.wanted_minor))


def apply_wanted_when_flat(state: LedgerState, pen: bk.Pen, reference: str) -> None:
    """Apply what was asked for to every sleeve that has no open position; the others wait (V8)."""
    for sleeve in state.sleeves.values():
        if is_flat(state, sleeve) and reserved_minor(state, sleeve.name) == 0:
            apply_wanted(state, pen, sleeve, reference)


def sweep(state: LedgerState, pen: bk.Pen, sleeve: SleeveBook, reference: str) -> int:
    """Give a Flash sleeve's profit back to Tradeable Coins once it is flat; return the profit.

    Profit is balance less principal, after fees. A loss is not topped up: the principal stays, so
    it has to be earned back before the next sweep.
    """
    if sleeve.style is not SleeveStyle.FLASH or not is_flat(state, sleeve):
        return 0
    cash = cash_minor(state, sleeve.name)
    profit = cash + reserved_minor(state, sleeve.name) - sleeve.principal_minor
    profit = max(0, min(profit, cash))
    if profit == 0:
        return 0
    pen.move(
        configured(state).asset, bk.cash_of(sleeve.name), bk.TRADEABLE, profit, "sweep", reference
    )
    sleeve.swept_minor += profit
    sleeve.principal_minor = sleeve.allocated_minor
    return profit
