"""The state of one vault's ledger: sleeves, orders, figures, and what can be read off them."""

from collections.abc import Iterator

import msgspec

from actors import books as bk
from actors.positions import Position, average_ticks, lot_minor, value_minor
from messages.account import AccountFee
from messages.market import Instrument
from messages.money import Check, Mode, SleeveStanding, SleeveStyle, VaultConfigured
from messages.orders import TERMINAL, Intent, OrderState, Protect, Side
from supervisor.actor import State

# What a person trades by hand, where that is adopted; no configured sleeve has this name.
MANUAL = "manual"


class SleeveBook(msgspec.Struct):
    """One sleeve's slice: its settings and what is not a balance. Its money is in the books."""

    name: str
    style: SleeveStyle
    address: str
    strategy: str
    symbols: tuple[str, ...]
    wanted_minor: int = 0
    """The allocation asked for; it is applied when the sleeve is flat, or at its next buy."""
    allocated_minor: int = 0
    principal_minor: int = 0
    """Flash: what the balance is compared with when a position is closed."""
    swept_minor: int = 0
    owed: dict[str, int] = {}
    """Asset → what `suspense` advanced when a fill took more than was there."""
    positions: dict[str, Position] = {}
    told: SleeveStanding | None = None
    """What the sleeve was last told of its standing."""
    guarded: dict[str, Protect] = {}
    """Symbol → what guard was last told to hold."""

    @property
    def has_actor(self) -> bool:
        """Whether somebody is to be told of it."""
        return self.name != MANUAL

    def position(self, symbol: str) -> Position:
        """Return the position in `symbol`, a new one if there was none."""
        return self.positions.setdefault(symbol, Position())


class Change(msgspec.Struct):
    """What an open order is to become."""

    amend_id: str
    """"" where it is cancelled first, and another placed when it has ended."""
    limit_ticks: int
    quantity_lots: int


class Reservation(msgspec.Struct):
    """An order as the ledger sees it: what it holds, and how much of it was booked."""

    client_order_id: str
    intent_id: str
    """"" for a protective exit."""
    exit_id: str
    sleeve: str
    symbol: str
    side: Side
    quantity_lots: int
    asset: str
    reserved_minor: int
    """What the pending transfer still holds."""
    state: OrderState = OrderState.PENDING_SUBMIT
    filled_lots: int = 0
    told_lots: int = 0
    """Filled lots by the newest update: fills told of but not yet here keep their money."""
    at_market: bool = False
    heard: bool = False
    """Orders has said something of it, so it can be cancelled there."""
    cancel_wanted: str = ""
    stop_ticks: int = 0
    take_ticks: int = 0
    wish: Intent | None = None
    """What it was made of, as amended since; None for guard's and a preflight's."""
    placed_ns: int = 0
    change: Change | None = None
    """An amendment under way."""

    @property
    def leaves(self) -> bool:
        """Whether it closes or shrinks a position: it holds coins or contracts, not money."""
        return self.asset in (self.symbol, self.symbol.partition("/")[0])

    @property
    def closes_short(self) -> bool:
        """Whether it buys back contracts, which are below zero in the books."""
        return self.asset == self.symbol and self.side is Side.BUY

    @property
    def signed_minor(self) -> int:
        """What it has moved to its sleeve's `reserved` account."""
        return -self.reserved_minor if self.closes_short else self.reserved_minor

    @property
    def open(self) -> bool:
        """Whether it may still fill, or fills told of are missing."""
        return self.state not in TERMINAL or self.told_lots > self.filled_lots


class Trip(msgspec.Struct):
    """A preflight whose order is under way, and what is to be answered beside."""

    client_order_id: str
    reply_to: str
    request_id: str
    checks: tuple[Check, ...]
    began_ns: int
    arrived: bool = False
    """The venue has had it."""


class LedgerState(State):
    """Everything a vault's ledger knows."""

    config: VaultConfigured | None = None
    books: bk.Books = msgspec.field(default_factory=bk.Books)
    sleeves: dict[str, SleeveBook] = msgspec.field(default_factory=dict)
    instruments: dict[str, Instrument] = msgspec.field(default_factory=dict)
    fees: dict[str, AccountFee] = msgspec.field(default_factory=dict)
    """Symbol → what the account pays there, where the venue has told."""
    orders: dict[str, Reservation] = msgspec.field(default_factory=dict)
    """Open orders by client order id."""
    closed: dict[str, Reservation] = msgspec.field(default_factory=dict)
    """The newest closed ones, so that a late fill still finds its sleeve."""
    suspense: dict[str, Position] = msgspec.field(default_factory=dict)
    """Symbol → trades that nobody ordered."""
    seen: dict[str, int] = msgspec.field(default_factory=dict)
    """Executions and movements of funds already booked → their number."""
    marks: dict[str, int] = msgspec.field(default_factory=dict)
    """Symbol → newest best bid, in ticks: what a position would bring; a short one pays the ask."""
    # Until the account was read, nobody knows what is in it: `bot status` would call that trading.
    mode: Mode = Mode.EXITS_ONLY
    mode_reason: str = "its books have not been compared yet"
    pool_minor: int = 0
    """The user-set pool, allocations included."""
    pool_missing_minor: int = 0
    """What of the pool no money was there for yet."""
    deposited_minor: int = 0
    """Deposits less withdrawals, of the vault's asset."""
    trip: Trip | None = None
    unread_until_ns: int = 0
    """After a backup was restored: until then exits wait for the account to be read."""
    rows_ns: int = 0
    """When the rows were last recorded."""


def configured(state: LedgerState) -> VaultConfigured:
    """Return the vault's settings, which are the first message."""
    assert state.config is not None, "a vault is configured before anything else"
    return state.config


def cash_minor(state: LedgerState, sleeve: str) -> int:
    """Return a sleeve's free cash."""
    return state.books.balance(configured(state).asset, bk.cash_of(sleeve))


def reserved_minor(state: LedgerState, sleeve: str) -> int:
    """Return a sleeve's cash that open buys hold."""
    return state.books.balance(configured(state).asset, bk.reserved_of(sleeve))


def free_coins(state: LedgerState, sleeve: str, base: str) -> int:
    """Return a sleeve's coins that no open sell holds."""
    return state.books.balance(base, bk.coins_of(sleeve, base))


def held_coins(state: LedgerState, sleeve: str, base: str) -> int:
    """Return a sleeve's coins, those in open sells included."""
    return free_coins(state, sleeve, base) + state.books.balance(base, bk.reserved_of(sleeve))


def contracts(state: LedgerState, sleeve: str, instrument: Instrument) -> int:
    """Return a sleeve's contracts of a perpetual, signed, in minor units."""
    return held_coins(state, sleeve, instrument.base)


def margin_held(state: LedgerState, sleeve: str) -> int:
    """Return what a sleeve's positions in perpetuals hold."""
    return state.books.balance(configured(state).asset, bk.margin_of(sleeve))


def position_lots(state: LedgerState, sleeve: str, symbol: str) -> int:
    """Return a sleeve's whole position in lots, short below zero.

    What is below a lot does not count.
    """
    instrument = state.instruments.get(symbol)
    if instrument is None:
        return 0
    return held_coins(state, sleeve, instrument.base) // lot_minor(instrument)


def is_flat(state: LedgerState, sleeve: SleeveBook) -> bool:
    """Return whether a sleeve holds no position of at least a lot in anything."""
    return all(position_lots(state, sleeve.name, symbol) == 0 for symbol in sleeve.positions)


def entry_ticks(state: LedgerState, sleeve: SleeveBook, symbol: str) -> int:
    """Return a position's mean entry price; 0 when it is flat."""
    instrument = state.instruments.get(symbol)
    held = 0 if instrument is None else held_coins(state, sleeve.name, instrument.base)
    position = sleeve.positions.get(symbol)
    if instrument is None or position is None:
        return 0
    return average_ticks(instrument, position.basis_minor, held)


def open_orders(state: LedgerState, sleeve: str) -> Iterator[Reservation]:
    """Yield a sleeve's open orders, oldest first."""
    return (order for order in state.orders.values() if order.sleeve == sleeve)


def sleeve_unrealised(state: LedgerState, sleeve: SleeveBook) -> int:
    """Return what a sleeve's positions are worth above what they cost."""
    return sum(
        _unrealised(state, symbol, position, held_coins(state, sleeve.name, _base(state, symbol)))
        for symbol, position in sleeve.positions.items()
    )


def unrealised_minor(state: LedgerState) -> int:
    """Return the vault's unrealised profit, trades in suspense included."""
    own = sum(sleeve_unrealised(state, sleeve) for sleeve in state.sleeves.values())
    return own + sum(
        _unrealised(state, symbol, position, _in_suspense(state, symbol))
        for symbol, position in state.suspense.items()
    )


def realised_minor(state: LedgerState) -> int:
    """Return the vault's realised profit after fees."""
    own = sum(
        position.realised_minor
        for sleeve in state.sleeves.values()
        for position in sleeve.positions.values()
    )
    return own + sum(position.realised_minor for position in state.suspense.values())


def funding_minor(state: LedgerState) -> int:
    """Return all funding received less what was paid, in the vault's asset."""
    own = sum(
        position.funding_minor
        for sleeve in state.sleeves.values()
        for position in sleeve.positions.values()
    )
    return own + sum(position.funding_minor for position in state.suspense.values())


def fees_minor(state: LedgerState) -> int:
    """Return all fees paid, in the vault's asset."""
    own = sum(
        position.fees_minor
        for sleeve in state.sleeves.values()
        for position in sleeve.positions.values()
    )
    return own + sum(position.fees_minor for position in state.suspense.values())


def total_minor(state: LedgerState) -> int:
    """Return Total Coins: what is held of the vault's asset, and all positions at their value.

    A perpetual cost nothing but margin, which is still there.
    """
    asset = configured(state).asset
    cost = sum(
        invested_minor(state, sleeve.positions) for sleeve in state.sleeves.values()
    ) + invested_minor(state, state.suspense)
    held = state.books.held(asset) - bk.netted(state.books.balances.get(asset, {}))
    return held + cost + unrealised_minor(state)


def invested_minor(state: LedgerState, positions: dict[str, Position]) -> int:
    """Return what was paid for positions in coins."""
    return sum(
        position.basis_minor for symbol, position in positions.items() if not bk.is_contract(symbol)
    )


def promised_minor(state: LedgerState) -> int:
    """Return what sleeves are still to get at their next buy."""
    return sum(
        max(0, sleeve.wanted_minor - sleeve.allocated_minor) for sleeve in state.sleeves.values()
    )


def _unrealised(state: LedgerState, symbol: str, position: Position, base_minor: int) -> int:
    mark = state.marks.get(symbol, 0)
    if mark == 0 or symbol not in state.instruments:
        # Unknown until the first price: at cost.
        return 0
    return value_minor(state.instruments[symbol], base_minor, mark) - position.basis_minor


def _base(state: LedgerState, symbol: str) -> str:
    return symbol if bk.is_contract(symbol) else state.instruments[symbol].base


def _in_suspense(state: LedgerState, symbol: str) -> int:
    return state.books.balance(_base(state, symbol), bk.SUSPENSE)
