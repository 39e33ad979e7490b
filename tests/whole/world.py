"""The production tree in one trio run: daemon's own assembly, real store, embedded lively box.

async with running(folder) as world:
    await world.until(lambda: world.fills() > 0)
"""

import json
import shutil
import sys
import urllib.request
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import apsw
import trio
from msgspec.structs import replace

from actors.doors import BoxPort
from actors.tree import build
from bot.config import Config, parse
from bot.daemon import Daemon, Options
from bot.environment import Environment
from bot.logs import Memory
from bot.notify import Notifier
from bot.tuning import tune
from messages.base import Message
from messages.money import Mode, Pause, ReconcileNow
from messages.settings import TreeSettings
from state.database import DATABASE_NAME
from state.store import Store
from supervisor.actor import AnyState
from supervisor.clock import Clock, ProcessClock
from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.statistics import Node
from tests.tidy.sources import ROOT
from tests.whole.faults import Faults, breakable
from tests.whole.processes import box_toml

VENUE = "/venues/kraken-sim"
ACCOUNT = f"{VENUE}/accounts/alice"
VAULT = "/users/alice/vaults/kraken-sim-usdt"
SLEEVES = (f"{VAULT}/sleeves/quiet", f"{VAULT}/sleeves/flash")
ACTORS = (
    "/alerts",
    "/risk",
    f"{ACCOUNT}/orders",
    f"{ACCOUNT}/reconcile",
    f"{VAULT}/ledger",
    f"{VAULT}/guard",
    *SLEEVES,
)
PORTS = (f"{VENUE}/public/feed", f"{ACCOUNT}/line", f"{ACCOUNT}/stream", f"{VENUE}/box", "/control")
BOX_FILE = "kraken-sim.db"
# Well above the two seconds before its expiry in which the line sends an order no more.
SUBMIT_EXPIRY_MS = 4_000
# An account is read half a time a second at most: what crashes ask for needs most of that.
RECONCILE_EVERY_S = 30
# On two busy cores a start takes seconds; nothing that is waited for takes so long otherwise.
WAIT_S = 30.0
# An order whose fate is unknown is inquired about within the budget of reads.
SETTLE_S = 90.0
LOOK_EVERY_S = 0.02

Json = Any
Change = Callable[[SupervisorSpec], SupervisorSpec]


class World:
    """One process's life of the bot, and what a test wants to know of it."""

    def __init__(
        self,
        folder: Path,
        *,
        paranoid: bool = False,
        change: Change | None = None,
        text: str = "",
    ) -> None:
        self.folder = folder
        self.faults = Faults(self._is_open)
        self._change = change
        environment = Environment({"CANOPY_RUNTIME_DIR": str(folder / "run"), "HOME": str(folder)})
        config = _calmed(parse(text or box_toml(), "world", environment))
        self.store = Store.open(folder)
        self.clock = ProcessClock(self.store.newest_ns())
        options = Options(folder=folder, version="test", assemble=self._assemble)
        self.daemon = Daemon(
            config, options, environment, Memory(self.clock.now_ns), Notifier(environment)
        )
        self.system, self.answers = self.daemon._build(self.store, self.clock)
        self.system.paranoid = paranoid
        self.ended = trio.Event()

    def _assemble(
        self, settings: TreeSettings, folder: Path, clock: Clock, front: tuple[ChildSpec, ...]
    ) -> SupervisorSpec:
        spec = build(settings, folder, clock, front)
        if self._change is not None:
            spec = self._change(spec)
        return breakable(spec, self.faults)

    def _is_open(self) -> bool:
        return self.system.gate.is_set()

    async def close(self) -> None:
        """Close what was opened."""
        with trio.CancelScope(shield=True):
            await self.answers.aclose()
            await self.store.aclose()
        shutil.rmtree(self.folder / "run", ignore_errors=True)

    # --- waiting

    async def until(self, holds: Callable[[], bool], within_s: float = WAIT_S) -> None:
        """Wait until `holds`; fail if the bot ends or it takes too long."""
        with trio.fail_after(within_s):
            while not holds():
                assert not self.ended.is_set(), "the bot ended by itself"
                await trio.sleep(LOOK_EVERY_S)

    async def trades(self, fills: int = 2, within_s: float = WAIT_S) -> None:
        """Wait for so many more fills."""
        until = self.fills + fills
        await self.until(lambda: self.fills >= until, within_s)

    async def pause(self) -> None:
        """Pause all sleeves and wait until nothing is held and no order is open."""
        for sleeve in SLEEVES:
            self.post(sleeve, Pause(operator="test"))
        await self.until(lambda: self.is_flat, SETTLE_S)
        await self.store.committed()

    async def reconciled(self) -> None:
        """Have the books compared with the venue's, and wait until they agree."""
        reconcile = f"{ACCOUNT}/reconcile"
        self.post(reconcile, ReconcileNow(operator="test"))
        await trio.sleep(LOOK_EVERY_S)
        risk = self.state("/risk")
        await self.until(lambda: risk.standings["alice@kraken-sim"].mode is Mode.ACTIVE)
        await self.store.committed()

    async def reconciles_its_part(self) -> None:
        """Wait until reconcile has compared with the venue what it could since the start."""
        await self.until(lambda: self.state("/risk").switch is not None)
        await trio.sleep(1.0)

    # --- doing

    async def verb(self, *words: str) -> tuple[int, str]:
        """Run a verb as a process of its own; return its exit code and all that it said."""
        done = await trio.run_process(
            [sys.executable, "-m", "bot.cli", *words, "--data-dir", str(self.folder)],
            capture_stdout=True, capture_stderr=True, check=False, cwd=ROOT,
        )  # fmt: skip
        return done.returncode, (done.stdout + done.stderr).decode()

    def post(self, address: str, message: Message) -> None:
        """Send a message from nowhere."""
        self.system.router.post(0, address, message)

    def crash_port(self, address: str) -> None:
        """Have a task of a port raise."""

        async def raise_it() -> None:
            raise OSError("an injected fault")

        self.system.ports[address].nursery.start_soon(raise_it)

    def copy_as_killed(self, target: Path) -> None:
        """Copy what is on the disk now: what another process would find after a kill -9.

        The venue is copied last, so it may know more than the bot, as a real one would.
        """
        target.mkdir()
        for name in (DATABASE_NAME, BOX_FILE):
            copy_database(self.folder / name, target / name)

    async def venue_books(self) -> Json:
        """Return the box's own books."""
        port = self.system.ports[f"{VENUE}/box"]._port
        assert isinstance(port, BoxPort)
        assert port._door._endpoints is not None
        url = f"{port._door._endpoints.rest}/_box/books"
        return json.loads(await trio.to_thread.run_sync(_get, url))

    # --- looking

    def state(self, address: str) -> AnyState:
        """Return the state of an actor; None while it has none."""
        fold = self.system.cells[address].fold
        return fold.state if fold is not None else None

    def incarnations(self) -> dict[str, int]:
        """Return how often each actor and port was started."""
        return {
            node.address: node.incarnation
            for node in _all(self.system.tree())
            if node.kind != "supervisor"
        }

    def blocked(self, address: str) -> bool:
        """Whether a poison message blocks an actor."""
        return self.system.cells[address].blocked is not None

    @property
    def fills(self) -> int:
        """Fills ever."""
        return self.answers.board.fills_ever

    @property
    def orders_open(self) -> int:
        """Orders that may still fill."""
        return self.answers.status().orders_open

    @property
    def is_flat(self) -> bool:
        """Whether no sleeve holds a position and no order is open."""
        return not self.orders_open and all(self.state(sleeve).flat for sleeve in SLEEVES)

    def alerts(self, words: str) -> list[tuple[str, str]]:
        """Return severity and text of the alerts on the disk that hold `words`."""
        found = rows(self.folder, "SELECT severity, subject || ': ' || text FROM alerts")
        return [(severity, text) for severity, text in found if words in text]


@asynccontextmanager
async def running(
    folder: Path, *, paranoid: bool = False, change: Change | None = None, text: str = ""
) -> AsyncIterator[World]:
    """Run a world, with the configuration `text` if given; stop it in good order at the end.

    Checks that nothing was lost.
    """
    folder.mkdir(exist_ok=True)
    interval_s = sys.getswitchinterval()
    tune()
    world = World(folder, paranoid=paranoid, change=change, text=text)
    opened = trio.Event()

    def on_open() -> None:
        world.answers.opened()
        opened.set()

    async def go() -> None:
        reason = await world.system.run(on_open)
        world.ended.set()
        opened.set()
        assert reason.is_orderly, str(reason)

    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(go)
            await opened.wait()
            yield world
            world.system.request_stop()
            with trio.fail_after(WAIT_S):
                await world.ended.wait()
        assert world.system.conserved
    finally:
        await world.close()
        sys.setswitchinterval(interval_s)


def rows(folder: Path, query: str) -> list[Any]:
    """Run a query on a database, beside a running bot or after it."""
    connection = apsw.Connection(str(folder / DATABASE_NAME), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return list(connection.execute(query))
    finally:
        connection.close()


def _calmed(config: Config) -> Config:
    venues = {
        name: replace(venue, submit_expiry_ms=SUBMIT_EXPIRY_MS, reconcile_every_s=RECONCILE_EVERY_S)
        for name, venue in config.venues.items()
    }
    return replace(config, venues=venues)


def copy_database(source: Path, target: Path) -> None:
    """Copy what is committed in a database that may be written meanwhile."""
    reader = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    copy = apsw.Connection(str(target))
    with copy.backup("main", reader, "main") as backup:
        backup.step()
    copy.close()
    reader.close()


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own loopback
        body: bytes = answer.read()
        return body


def _all(node: Node) -> list[Node]:
    return [node, *(found for child in node.children for found in _all(child))]
