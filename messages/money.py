"""Money: who may trade how much, and how books are compared with the venue's.

Amounts are int64 minor units of the asset named beside them. The accounts of a vault are paths,
such as `tradeable` or `sleeve/<name>/cash`; `actors/books.py` lists them.
"""

from enum import Enum

import msgspec

from messages.base import Message


class Mode(Enum):
    """What an account or sleeve may do; cancels and reductions always may."""

    ACTIVE = "active"
    REDUCING = "reducing"
    EXITS_ONLY = "exits_only"
    HALTED = "halted"


class SleeveStyle(Enum):
    """What a sleeve does with its profits."""

    QUIET = "quiet"
    """Keeps its profits."""
    FLASH = "flash"
    """Gives them back to Tradeable Coins when a position is closed completely."""


class Direction(Enum):
    """Which positions a sleeve may open; at a spot venue all are long."""

    LONG = "long"
    SHORT = "short"
    BOTH = "both"


class SleeveAllocation(msgspec.Struct, frozen=True, kw_only=True):
    """One sleeve's slice of a vault."""

    sleeve: str
    style: SleeveStyle
    address: str
    allocated_minor: int
    symbols: tuple[str, ...]
    strategy: str = ""
    direction: Direction = Direction.LONG


class VaultConfigured(Message, frozen=True, kw_only=True, tag="money.VaultConfigured"):
    """The vault's settings: the ledger's first message, and again at each change."""

    user: str
    vault: str
    venue: str
    environment: str
    asset: str
    asset_scale: int
    tradeable_minor: int
    """The user-set pool."""
    tradeable_cap_minor: int
    """Deposits raise Tradeable Coins up to this; 0 for no raise."""
    reserve_bps: int
    slippage_bps: int
    edge_bps_min: int
    """An entry's expected edge must exceed all costs by this."""
    sleeves: tuple[SleeveAllocation, ...]
    risk: str
    orders: str
    guard: str
    instruments: tuple[str, ...] = ()
    ledger: str = ""
    """The ledger's own address; guard, which gets this message too, sends its exits there."""
    alerts: str = "/alerts"
    amends: bool = False
    """The venue amends orders in place; elsewhere one is cancelled and another placed."""
    triggers: bool = False
    """Stop and take-profit orders rest at the venue; elsewhere guard holds their levels."""
    adopts: bool = False
    """What is bought by hand at the venue belongs to the sleeve `manual`; else to nobody."""
    leverage: int = 1
    """Positions in perpetuals hold their notional divided by this."""


class SleeveStanding(Message, frozen=True, kw_only=True, tag="money.SleeveStanding"):
    """Ledger → sleeve: what it may spend, on what, and at which costs; sent at each change."""

    sleeve: str
    allocated_minor: int
    cash_minor: int
    """Not reserved by an order."""
    slippage_bps: int
    edge_bps_min: int
    symbols: tuple[str, ...]
    """Those of its symbols that are listed and quoted in the vault's asset."""
    idle_reason: str = ""
    """Why it may not enter at all; "" when it may."""


class Allocate(Message, frozen=True, kw_only=True, tag="money.Allocate"):
    """Set a sleeve's allocation; with an open position it takes effect at the next buy."""

    sleeve: str
    allocated_minor: int
    operator: str
    reply_to: str = ""
    request_id: str = ""


class SetTradeable(Message, frozen=True, kw_only=True, tag="money.SetTradeable"):
    """Set the pool that sleeves are given their allocations from."""

    tradeable_minor: int
    operator: str
    reply_to: str = ""
    request_id: str = ""


class CheckVault(Message, frozen=True, kw_only=True, tag="money.CheckVault"):
    """To a ledger: look whether the vault could trade, with an order that cannot fill (V4)."""

    operator: str
    reply_to: str
    request_id: str


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One question of a preflight and its answer, in a plain sentence."""

    name: str
    ok: bool
    text: str


class VaultChecked(Message, frozen=True, kw_only=True, tag="money.VaultChecked"):
    """A ledger → the control port: what became of the preflight `request_id`."""

    request_id: str
    checks: tuple[Check, ...]


class FundsMoved(Message, frozen=True, kw_only=True, tag="money.FundsMoved"):
    """The venue told of a deposit (positive) or withdrawal (negative)."""

    asset: str
    amount_minor: int
    reference: str
    at_ns: int


class FundingSettled(Message, frozen=True, kw_only=True, tag="money.FundingSettled"):
    """Reconcile → ledger: the venue paid (positive) or took funding for a perpetual."""

    symbol: str
    amount_minor: int
    reference: str
    at_ns: int
    """When it was settled: those who held the position then pay or get it."""
    insurance: bool = False
    """No funding: the venue made good what a liquidation took beyond the account's money."""


class SleeveConfigured(Message, frozen=True, kw_only=True, tag="money.SleeveConfigured"):
    """A sleeve's settings: its first message, and again at each change."""

    user: str
    vault: str
    venue: str
    environment: str
    sleeve: str
    strategy: str
    symbols: tuple[str, ...]
    parameters: dict[str, float]
    """By the strategy's declared names; what is left out has the declared default."""
    ledger: str
    direction: Direction = Direction.LONG


class Pause(Message, frozen=True, kw_only=True, tag="money.Pause"):
    """Stop entering; the open position is exited as planned, then the sleeve is paused."""

    operator: str
    reply_to: str = ""
    request_id: str = ""


class Resume(Message, frozen=True, kw_only=True, tag="money.Resume"):
    """Trade again."""

    operator: str
    reply_to: str = ""
    request_id: str = ""


class CloseNow(Message, frozen=True, kw_only=True, tag="money.CloseNow"):
    """Cancel a sleeve's orders and close its position at the market."""

    operator: str
    reply_to: str = ""
    request_id: str = ""


class CancelAll(Message, frozen=True, kw_only=True, tag="money.CancelAll"):
    """To an account's orders: cancel all that is open; answered when all of them have ended."""

    operator: str
    reply_to: str = ""
    request_id: str = ""


class KillSwitch(Message, frozen=True, kw_only=True, tag="money.KillSwitch"):
    """To risk: stop all new orders everywhere, or allow them again. Survives restarts."""

    engaged: bool
    operator: str
    reason: str
    reply_to: str = ""
    request_id: str = ""


class SwitchSet(Message, frozen=True, kw_only=True, tag="money.SwitchSet"):
    """Risk → each line: hold back all but cancels and reductions; see `SwitchConfirmed`."""

    engaged: bool
    generation: int


class SwitchConfirmed(Message, frozen=True, kw_only=True, tag="money.SwitchConfirmed"):
    """A line → risk: from now on nothing but cancels and reductions is written."""

    line: str
    engaged: bool
    generation: int


class Acknowledged(Message, frozen=True, kw_only=True, tag="money.Acknowledged"):
    """To the control port: the act `request_id` has been done."""

    request_id: str
    ok: bool
    text: str


class RiskAccount(msgspec.Struct, frozen=True, kw_only=True):
    """One account at a venue, as risk needs to know it."""

    user: str
    venue: str
    orders: str
    line: str
    sleeves: tuple[str, ...] = ()
    """Told when risk narrows what the account may do."""
    guarded: tuple[str, ...] = ()
    """Actors (ledgers, orders) without which the account may only reduce, while one is blocked."""


class RiskConfigured(Message, frozen=True, kw_only=True, tag="money.RiskConfigured"):
    """The gate's limits: risk's first message."""

    lines: tuple[str, ...]
    order_notional_max: dict[str, int]
    """Per quote asset, in its minor units."""
    position_notional_max: dict[str, int]
    orders_per_minute_max: int
    symbols_allowed: dict[str, tuple[str, ...]]
    """Per venue."""
    stale_ns_max: int
    """An entry whose cause is older than this is denied."""
    accounts: tuple[RiskAccount, ...] = ()
    alerts: str = ""
    leverages: dict[str, int] = msgspec.field(default_factory=dict)
    """Per venue of perpetuals: what their notional is divided by for its margin."""


class LineStarted(Message, frozen=True, kw_only=True, tag="money.LineStarted"):
    """A line → risk: it holds everything back but cancels until it is told switch and mode."""

    line: str


class AccountMode(Message, frozen=True, kw_only=True, tag="money.AccountMode"):
    """What an account may do, and why; to risk, line and the account's sleeves."""

    user: str
    venue: str
    mode: Mode
    reason: str


class AccountConfigured(Message, frozen=True, kw_only=True, tag="money.AccountConfigured"):
    """An account's wiring: the first message of its orders and reconcile actors."""

    user: str
    venue: str
    environment: str
    line: str
    orders: str
    reconcile: str
    risk: str
    ledgers: dict[str, str]
    """Vault name → its ledger's address."""
    sleeves: tuple[str, ...]
    alerts: str
    visibility_lag_ns: int
    submit_expiry_ns: int
    reconcile_every_ns: int
    vault_assets: dict[str, str] = msgspec.field(default_factory=dict)
    """Vault name → the asset whose deposits and withdrawals are the vault's."""
    scales: dict[str, int] = msgspec.field(default_factory=dict)
    """Decimals of an asset's minor unit, for texts; what is not named has 8."""
    adopts: bool = False
    """Orders and purchases by hand are adopted; else they are reported, and page."""


class ReadAccount(Message, frozen=True, kw_only=True, tag="money.ReadAccount"):
    """Reconcile → line: read open orders, fills since the cursor, and balances."""

    request_id: str
    fills_since_ns: int


class VenueBalance(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the venue says an account holds of one asset or contract, in minor units."""

    asset: str
    total_minor: int
    free_minor: int
    scale: int = -1
    """Decimals of a perpetual's contracts; below 0: the asset's own."""


class ReportBalances(Message, frozen=True, kw_only=True, tag="money.ReportBalances"):
    """Reconcile → ledger: say what you hold, per asset, as of all you have handled."""

    request_id: str
    reply_to: str


class BooksReported(Message, frozen=True, kw_only=True, tag="money.BooksReported"):
    """Ledger → reconcile."""

    request_id: str
    vault: str
    totals_minor: dict[str, int]
    """Asset → what must lie at the venue, reservations included."""


class ReconcileNow(Message, frozen=True, kw_only=True, tag="money.ReconcileNow"):
    """Compare the books of an account with the venue's now."""

    operator: str = ""
    reply_to: str = ""
    request_id: str = ""


class Reconciled(Message, frozen=True, kw_only=True, tag="money.Reconciled"):
    """An account's books and its venue's agree (or not, and why); ends the wait after a start."""

    user: str
    venue: str
    agreed: bool
    differences: tuple[str, ...] = ()


class Severity(Enum):
    """Whether a person is told, or woken."""

    NOTICE = "notice"
    PAGE = "page"


class Alert(Message, frozen=True, kw_only=True, tag="money.Alert"):
    """Something a person should know; PAGE is what wakes one."""

    severity: Severity
    subject: str
    text: str
