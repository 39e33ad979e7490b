"""A bot around one real ledger, with a venue of a few lines, for tests of acts on vaults."""

from pathlib import Path

from actors.ledger import Ledger
from messages.money import (
    AccountMode,
    Acknowledged,
    CancelAll,
    CloseNow,
    FundsMoved,
    Mode,
    ReconcileNow,
    SleeveAllocation,
    SleeveStyle,
    VaultConfigured,
)
from messages.runtime import Booted
from messages.settings import TreeSettings
from supervisor.actor import Actor, Context, State
from supervisor.clock import Clock
from supervisor.spec import AutoShutdown, ChildSpec, SupervisorSpec
from tests.bot.trial import TrialRisk

USDT = 10**6
VAULT = "/users/alice/vaults/kraken-sim-usdt"
LEDGER = f"{VAULT}/ledger"
SLEEVE = f"{VAULT}/sleeves/flash"
ORDERS = "/venues/kraken-sim/accounts/alice/orders"
CONFIGURED = VaultConfigured(
    user="alice",
    vault="kraken-sim-usdt",
    venue="kraken-sim",
    environment="sim",
    asset="USDT",
    asset_scale=6,
    tradeable_minor=5_000 * USDT,
    tradeable_cap_minor=0,
    reserve_bps=1_000,
    slippage_bps=2,
    edge_bps_min=5,
    sleeves=(
        SleeveAllocation(
            sleeve="flash",
            style=SleeveStyle.FLASH,
            address=SLEEVE,
            allocated_minor=250 * USDT,
            symbols=("ETH/USDT",),
        ),
    ),
    risk="/risk",
    orders=ORDERS,
    guard=f"{VAULT}/guard",
    alerts="/alerts",
)


class TrialVenue(Actor[State]):
    """Gives the vault its money, and says yes to what accounts and sleeves are asked."""

    def on_booted(self, state: State, message: Booted, ctx: Context) -> None:
        if ctx.address == ORDERS and message.boot == 1:
            funds = FundsMoved(asset="USDT", amount_minor=10**10, reference="first", at_ns=1)
            ctx.send(LEDGER, funds)
            mode = AccountMode(user="alice", venue="kraken-sim", mode=Mode.ACTIVE, reason="agreed")
            ctx.send(LEDGER, mode)

    def on_cancel_all(self, state: State, message: CancelAll, ctx: Context) -> None:
        self._agree(message, "2 cancelled", ctx)

    def on_reconcile(self, state: State, message: ReconcileNow, ctx: Context) -> None:
        self._agree(message, "books and venue agree", ctx)

    def on_close(self, state: State, message: CloseNow, ctx: Context) -> None:
        self._agree(message, "closing", ctx)

    def _agree(self, message: CancelAll | ReconcileNow | CloseNow, text: str, ctx: Context) -> None:
        answer = Acknowledged(request_id=message.request_id, ok=True, text=text)
        ctx.send(message.reply_to, answer)


def assemble(
    settings: TreeSettings, folder: Path, clock: Clock, front: tuple[ChildSpec, ...]
) -> SupervisorSpec:
    """Build a root with risk, one account and one vault."""

    def branch(name: str, *children: ChildSpec | SupervisorSpec) -> SupervisorSpec:
        return SupervisorSpec(name=name, children=children)

    account = branch(
        "alice",
        ChildSpec(name="orders", start=TrialVenue),
        ChildSpec(name="reconcile", start=TrialVenue),
    )
    venues = branch("venues", branch("kraken-sim", branch("accounts", account)))
    vault = branch(
        "kraken-sim-usdt",
        ChildSpec(name="ledger", start=Ledger, configuration=CONFIGURED),
        branch("sleeves", ChildSpec(name="flash", start=TrialVenue)),
    )
    users = branch("users", branch("alice", branch("vaults", vault)))
    risk = ChildSpec(name="risk", start=TrialRisk)
    return SupervisorSpec(
        name="",
        children=(*front, risk, venues, users),
        intensity=10,
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
    )
