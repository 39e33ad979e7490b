"""One life of the bot on virtual time: the production tree, a real store, the matrix's venue.

Three of its ports are given the venue's client instead of one that opens sockets; all else is what
`actors.tree.build` makes. A life ends in good order, or at once where `Killed` is raised: what had
been committed by then was copied, and is all that the next life finds.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial, wraps
from pathlib import Path
from typing import Any, NamedTuple
from typing import Protocol as Protocol_

import apsw
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors.books import is_contract
from actors.execution.limits import VenueBudget
from actors.execution.line import Line
from actors.execution.stream import PrivateStream
from actors.execution.translate import Scales
from actors.feeds.stream import MarketFeed
from actors.sleeves.strategy import Holding, Leg, Opinion, Strategy, Wish, no_wish, register
from actors.tree import build
from actors.wiring import ALERTS, RISK
from messages.base import Message
from messages.money import SleeveStyle
from messages.settings import (
    Defaults,
    Environment,
    Protocol,
    RiskSettings,
    Roster,
    SleeveSettings,
    TreeSettings,
    UserSettings,
    VaultSettings,
    VenueSettings,
)
from state.database import DATABASE_NAME, Settings
from state.port import store_child
from state.store import Store
from supervisor import net
from supervisor.actor import Actor, AnyState, Context
from supervisor.clock import ProcessClock
from supervisor.determinism import deterministic
from supervisor.port import Port
from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.system import System
from supervisor.threads import InlineThreads, use
from tests.actors.venue_client import LISTED
from tests.whole.matrix.client import Network, opener
from tests.whole.matrix.order_socket import SocketNetwork, socket_opener
from tests.whole.matrix.venue import LEVERAGE

VENUE = "/venues/matrix-sim"
ACCOUNT = f"{VENUE}/accounts/ann"
VAULT = "/users/ann/vaults/matrix-sim-usdt"
LEDGER, GUARD = f"{VAULT}/ledger", f"{VAULT}/guard"
ORDERS, RECONCILE = f"{ACCOUNT}/orders", f"{ACCOUNT}/reconcile"
SLEEVE = f"{VAULT}/sleeves/hand"
SYMBOL = LISTED.symbol
SECOND_NS = 1_000_000_000
BEGINS_NS = 1_700_000_000 * SECOND_NS
SETTINGS = Settings(ballast_bytes=0)


class Hook(Protocol_):
    """Told of every message that an actor handles, before and after."""

    def __call__(self, address: str, message: Message, *, done: bool) -> None: ...


class Killed(BaseException):
    """The process is gone, between two instructions."""


class InjectedError(Exception):
    """A handler, or a port, fails once."""


class Nothing(NamedTuple):
    """Neither memory nor parameters."""


def begin(params: Nothing) -> Nothing:
    """Remember nothing."""
    return params


def step(
    memory: Nothing,
    now_ns: int,
    legs: tuple[Leg],
    holdings: tuple[Holding],
    opinions: tuple[Opinion],
    params: Nothing,
) -> tuple[Nothing, tuple[Wish]]:
    """Wish nothing."""
    return memory, (no_wish(0),)


@register
class Hand(Strategy):
    """Wishes nothing by itself: the test does, in its name."""

    name = "matrix_hand"
    text = "For tests."
    memory_type = Nothing
    params_type = Nothing

    begin = staticmethod(begin)
    step = staticmethod(step)


def settings(symbol: str = SYMBOL) -> TreeSettings:
    """Return one user with one vault and one sleeve, whose wishes the test makes."""
    perpetual = is_contract(symbol)
    sleeve = SleeveSettings(
        name="hand",
        style=SleeveStyle.QUIET,
        strategy=Hand.name,
        symbols=(symbol,),
        allocated="4000",
    )
    vault = VaultSettings(
        user="ann", venue="matrix-sim", asset="USDT", tradeable="5000", sleeves=(sleeve,)
    )
    return TreeSettings(
        venues={
            "matrix-sim": VenueSettings(
                protocol=Protocol.BINANCE_USDM if perpetual else Protocol.KRAKEN,
                leverage=LEVERAGE if perpetual else 1,
                environment=Environment.SIM,
                symbols=(symbol,),
                rest="http://nowhere",
                visibility_lag_ms=2_000,
                submit_expiry_ms=5_000,
                reconcile_every_s=30,
            )
        },
        limits=RiskSettings(
            order_notional_max={"USDT": "4000"},
            position_notional_max={"USDT": "8000"},
        ),
        defaults=Defaults(),
        assets={"USDT": 6, "ETH": 8},
        roster=Roster(users=(UserSettings(name="ann"),), vaults=(vault,)),
    )


@dataclass
class World:
    """What goes on from one life to the next: time."""

    base_ns: int = BEGINS_NS

    def now_ns(self) -> int:
        """Return the world's clock."""
        return self.base_ns + int(trio.current_time() * SECOND_NS)


class Life:
    """A running bot."""

    def __init__(self, folder: Path, world: World, network: Network, hook: Hook) -> None:
        self.folder = folder
        self.network = network
        self._hook = hook
        self.store = Store.open(folder, SETTINGS, draw=bytes)
        self.clock = ProcessClock(self.store.newest_ns(), wall=world.now_ns)
        front = (store_child(self.store),)
        self._symbol = network.venue.listed.symbol
        spec = self._hooked(build(settings(self._symbol), folder, self.clock, front), "")
        self.system = System(spec, self.store, self.clock)
        self.opened = trio.Event()
        self.reason = ""

    async def run(self, script: Callable[["Life"], Awaitable[None]]) -> None:
        """Live as long as the script; then stop in good order."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._live, nursery)
            await self.opened.wait()
            await script(self)
            self.system.request_stop()

    async def _live(self, nursery: trio.Nursery) -> None:
        reason = await self.system.run(self.opened.set)
        assert reason.is_orderly, f"the bot ended by itself: {reason}"
        assert self.system.conserved, "a message is unaccounted for"

    # --- doing and looking

    def post(self, address: str, message: Message) -> None:
        """Send a message from nowhere."""
        self.system.router.post(0, address, message)

    def state(self, address: str) -> AnyState:
        """Return an actor's state."""
        fold = self.system.cells[address].fold
        assert fold is not None, f"{address} is down"
        return fold.state

    def snapshot_all(self) -> None:
        """Have every actor take a snapshot."""
        for cell in self.system.cells.values():
            if cell.fold is not None:
                cell.take_snapshot()

    def copy(self, target: Path) -> None:
        """Copy what is committed."""
        copy_database(self.folder / DATABASE_NAME, target)

    # --- the tree

    def _hooked(self, spec: SupervisorSpec, path: str) -> SupervisorSpec:
        children: list[ChildSpec | SupervisorSpec] = []
        for child in spec.children:
            at = f"{path}/{child.name}"
            if isinstance(child, SupervisorSpec):
                children.append(self._hooked(child, at))
            else:
                start = self._ports(at) or partial(_hooked_actor, child.start, at, self._hook)
                children.append(replace(child, start=start))
        return replace(spec, children=tuple(children))

    def _ports(self, address: str) -> Callable[[], Port] | None:
        scales = Scales({"USDT": 6, "ETH": 8})
        open_client = opener(self.network)
        if address.endswith("/line"):
            open_account = socket_opener(self.network) if self.network.by_socket else open_client
            return lambda: Line(
                RISK,
                open_account,
                scales,
                VenueBudget(20.0, 15),
                VenueBudget(50.0, 50, kept=0),
                symbols=(self._symbol,) if is_contract(self._symbol) else (),
            )
        if address.endswith("/stream"):
            return lambda: PrivateStream(ORDERS, RECONCILE, ALERTS, open_client, scales)
        if address.endswith("/feed"):
            listeners = (ORDERS, LEDGER, SLEEVE, RISK)
            return lambda: MarketFeed(
                "matrix-sim", (self._symbol,), open_client, scales, listeners, ALERTS
            )
        return None


def _hooked_actor(
    start: Callable[[], Actor[Any] | Port], address: str, hook: Hook
) -> Actor[Any] | Port:
    """Return the actor, of the same class but for telling `hook` before each of its messages."""
    started = start()
    if isinstance(started, Actor):
        kind = type(started)
        handlers = {
            name: _telling(method, address, hook)
            for name, method in vars(kind).items()
            if name.startswith("on_")
        }
        started.__class__ = type(kind.__name__, (kind,), handlers)
    return started


def _telling(handler: Callable[..., None], address: str, hook: Hook) -> Callable[..., None]:
    @wraps(handler)
    def handle(actor: Actor[Any], state: AnyState, message: Message, ctx: Context) -> None:
        hook(address, message, done=False)
        handler(actor, state, message, ctx)
        hook(address, message, done=True)

    return handle


def live(
    world: World,
    folder: Path,
    network: Network,
    hook: Hook,
    script: Callable[[Life], Awaitable[None]],
) -> bool:
    """Live one life of the bot in `folder`; return whether it was killed."""
    clock = MockClock(autojump_threshold=0)

    async def main() -> None:
        try:
            await Life(folder, world, network, hook).run(script)
        finally:
            world.base_ns = world.now_ns()

    killed = False
    with use(InlineThreads()), deterministic(1), net.use(SocketNetwork(network)):
        try:
            trio.run(main, clock=clock)
        except* Killed:
            killed = True
    return killed


def copy_database(source: Path, target: Path) -> None:
    """Copy what is committed in a database that is being written."""
    reader = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    copy = apsw.Connection(str(target))
    try:
        with copy.backup("main", reader, "main") as backup:
            backup.step()
    finally:
        copy.close()
        reader.close()
