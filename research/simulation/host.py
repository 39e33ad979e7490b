"""The machine that the bot runs on: a disk that outlives it, and lives of the process on it."""

from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import apsw
import trio
from msgspec.structs import replace

from actors.doors import BoxPort
from actors.tree import build
from messages.base import Message
from messages.settings import TreeSettings
from research.simulation.network import SimulatedNetwork
from research.simulation.trace import Trace
from state.crash_vfs import CrashVFS, Dice, Disk, PowerCutError
from state.database import DATABASE_NAME, Settings
from state.errors import DataFolderLockedError
from state.port import store_child
from state.store import Store
from supervisor.clock import NANOSECONDS_PER_SECOND, ClockBehindError, ProcessClock
from supervisor.determinism import run_mortal
from supervisor.journal import RUNTIME, Commit, Post, SetAside, Snapshot, Turn
from supervisor.spec import ChildSpec, ExitReason, SupervisorSpec
from supervisor.system import System

# When every simulation begins: a whole hour, so that hourly tables change where people expect it.
EPOCH_NS = 1_767_225_600 * NANOSECONDS_PER_SECOND
# As in bot/daemon.py: how often a running bot follows the wall clock.
SLEW_EVERY_S = 10.0
# A market's past before the first start: strategies look at minutes, the default of an hour costs
# a run half of its time.
WARM_UP_S = 60
# How a feed says that its market cannot be trusted, encoded.
_DISTRUST = b"trusted\xc2"
_NEWEST = "WHERE id IN (SELECT max(id) FROM snapshots GROUP BY actor HAVING count(*) > 1)"
LOSE_SNAPSHOTS = f"DELETE FROM snapshots {_NEWEST}"  # noqa: S608 - no input
_SPOILED = "CAST(substr(body, 1, length(body) - 1) || x'ff' AS BLOB)"
SPOIL_SNAPSHOTS = f"UPDATE snapshots SET body = {_SPOILED} {_NEWEST}"  # noqa: S608 - no input
_NO_DATA = b"no data yet"
Change = Callable[[SupervisorSpec], SupervisorSpec]


class Machine(Disk):
    """A disk that says when its power went, and survives the death of a process as files do."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.on_cut: Callable[[], None] = _nothing
        self.on_kill: Callable[[], None] = _nothing
        self.kill_at = 0
        """The operation at which the process is killed, and which is not done; 0 for never."""
        self.after_sync: Callable[[], None] = _nothing
        """Called once, when the next sync is through and its process has not heard of it."""

    def operate(self) -> None:
        """Count an operation; tell `on_cut` if the power goes at it, `on_kill` if the process."""
        was_on = self._on
        if was_on and self.operations + 1 == self.kill_at:
            self.on_kill()
        try:
            super().operate()
        except PowerCutError:
            if was_on:
                self.on_cut()
            raise

    def synced(self) -> None:
        act, self.after_sync = self.after_sync, _nothing
        act()

    def calm(self) -> None:
        """Fail no more, in none of the ways that are still to come."""
        self.faults.clear()
        self.fault_until_freed = None
        self.cut_at = self.kill_at = 0
        self.after_sync = _nothing

    def halt(self) -> None:
        """Answer the process that uses it no more."""
        self._on = False

    def resume(self) -> None:
        """Answer the next process; nothing that was written is lost."""
        self._on = True
        self.cut_at = self.kill_at = 0
        self.after_sync = _nothing


class TracedStore(Store):
    """A store that tells the trace what is appended to it."""

    trace: Trace

    def durables(self, posts: Sequence[Post]) -> None:
        self.trace.data(b"".join([b"%d %d " % (post[0], post[2]) + post[4] for post in posts]))
        super().durables(posts)

    def stream(self, post: Post) -> None:
        self.trace.data(b"%d %d " % (post[0], post[2]) + post[4])
        if _DISTRUST in post[4] and _NO_DATA not in post[4]:
            self.trace.marks["market.distrusted"] += 1
        super().stream(post)

    def set_aside(self, item: SetAside) -> None:
        self.trace.marks["quarantine"] += 1
        super().set_aside(item)

    def turn(self, turn: Turn) -> None:
        self.trace.data(b"%d %d %d " % (turn.actor, turn.first_seq, turn.now_ns) + turn.chain)
        super().turn(turn)

    def snapshot(self, snapshot: Snapshot) -> None:
        self.trace.data(b"%d %d " % (snapshot.actor, snapshot.seq) + snapshot.chain)
        super().snapshot(snapshot)


class Host:
    """The machine, and at most one process on it at a time."""

    def __init__(
        self, folder: Path, seed: int, network: SimulatedNetwork, trace: Trace, change: Change
    ) -> None:
        self.disk = Machine(seed)
        self.vfs = CrashVFS(f"sim-{id(self):x}", self.disk)
        self.skew_ns = 0
        """How wrong the wall clock is."""
        self.store: Store | None = None
        self.system: System | None = None
        self.opened = trio.Event()
        self.death = trio.Event()
        self.lives = 0
        self.addresses: frozenset[str] = frozenset()
        """Everything that the roster says should be there."""
        self.on_start: Callable[[Store], None] = _nobody
        """Called with the store of each life before anything runs."""
        self.paranoid = False
        self.suffers = ""
        """What is done to the database before the next start, in SQL."""
        self.listeners: list[Callable[[Store, Commit], None]] = []
        self.disk.on_cut = self.cut_power
        self.disk.on_kill = self.kill
        self._lost = False
        self._folder = folder
        self._network = network
        self._trace = trace
        self._change = change
        self._draw = Dice(seed).bytes

    def close(self) -> None:
        """Take the disk's file system away from SQLite."""
        self.vfs.unregister()

    def wall_ns(self) -> int:
        """Return what the machine's clock shows."""
        return EPOCH_NS + int(trio.current_time() * NANOSECONDS_PER_SECOND) + self.skew_ns

    def is_dying(self) -> bool:
        """Whether the process was killed and its tasks have not all ended."""
        return self.death.is_set()

    def note(self, text: str) -> None:
        """Tell the trace."""
        self._trace.event(text)

    def post(self, address: str, message: Message) -> None:
        """Send a message into the tree, if one runs."""
        if self.system is not None and self.opened.is_set():
            self.system.router.post(RUNTIME, address, message)

    # --- dying

    def kill(self) -> None:
        """End the process at this instruction, as kill -9 does; files keep what was written."""
        self._die("killed")

    def cut_power(self) -> None:
        """End the process and lose what was written and not synced, sector by sector."""
        self._trace.marks["power.cut"] += 1
        self._lost = True
        self._die("power cut")

    def _die(self, how: str) -> None:
        if not self.death.is_set():
            self._trace.event(f"host: {how}")
            self.disk.halt()
            self._network.is_down = True
            self._network.sever()
            self.death.set()

    # --- living

    async def live(self, settings: TreeSettings) -> ExitReason | None:
        """Run one process to its end; None if it was killed. Raises `StateError` if it may not."""
        self.lives += 1
        self._network.is_down = False
        self._trace.event(f"host: life {self.lives} begins")
        reasons: list[ExitReason] = []

        async def process() -> None:
            reasons.append(await self._process(settings))

        try:
            await run_mortal(process, self.death)
        finally:
            self._bury()
        was_killed = self.death.is_set()
        self.opened, self.death = trio.Event(), trio.Event()
        if was_killed:
            return None
        self._trace.event(f"host: the process ended: {reasons[0]}")
        return reasons[0]

    def refuses_a_second(self) -> bool:
        """Return whether a second process may not have the data of the one that runs."""
        try:
            second = Store.open(self._folder, self._settings, draw=self._draw)
        except DataFolderLockedError:
            return True
        second.database.close()
        return False

    @property
    def _settings(self) -> Settings:
        return Settings(ballast_bytes=0, vfs=self.vfs.name)

    def _suffer(self) -> None:
        """Do what a disk does to a database that nobody has open."""
        sql, self.suffers = self.suffers, ""
        # A disk that fails just then is not another matter: the start meets it too.
        with suppress(apsw.IOError, apsw.FullError), closing(self._connection()) as connection:
            # There is no shared memory on this disk.
            connection.pragma("locking_mode", "exclusive")
            connection.execute(sql)
            self._trace.marks["snapshot.lost"] += connection.changes() > 0

    def _connection(self) -> apsw.Connection:
        path = str(self._folder / DATABASE_NAME)
        return apsw.Connection(path, flags=apsw.SQLITE_OPEN_READWRITE, vfs=self.vfs.name)

    async def _process(self, settings: TreeSettings) -> ExitReason:
        if self.suffers:
            self._suffer()
        store = TracedStore.open(self._folder, self._settings, draw=self._draw)
        self.store = store
        assert isinstance(store, TracedStore), "what is opened is traced"
        store.trace = self._trace
        for listener in self.listeners:
            store.listen(partial(listener, store))
        try:
            clock = ProcessClock(store.newest_ns(), wall=self.wall_ns)
        except ClockBehindError:
            await store.aclose()
            raise
        self.on_start(store)
        spec = build(settings, self._folder, clock, (store_child(store),))
        self.addresses = frozenset(_addresses(spec, ""))
        spec = self._change(self._on_disk(spec))
        system = self.system = System(
            spec, store, clock, report=self._report, paranoid=self.paranoid
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_slew, clock)
            reason = await system.run(self.opened.set)
            nursery.cancel_scope.cancel()
        await store.aclose()
        return reason

    def _on_disk(self, spec: SupervisorSpec) -> SupervisorSpec:
        """Return `spec` with its embedded boxes on this machine's disk."""
        children: list[ChildSpec | SupervisorSpec] = []
        for child in spec.children:
            if isinstance(child, SupervisorSpec):
                children.append(self._on_disk(child))
            elif child.name == "box":
                children.append(replace(child, start=_box_on(child.start, self.vfs.name)))
            else:
                children.append(child)
        return replace(spec, children=tuple(children))

    def _report(self, event: str, address: str, text: str) -> None:
        self._trace.marks[event] += 1
        self._trace.event(f"{event}: {address}: {text}")

    def _bury(self) -> None:
        """Take away what is left of a process: the kernel would close its files."""
        store, self.store, self.system = self.store, None, None
        if self.death.is_set():
            if store is not None:
                with suppress(apsw.Error, PowerCutError):
                    store.database.close()
            if self._lost:
                self.disk.power_on()
            self.disk.resume()
            self._lost = False


def _addresses(spec: ChildSpec | SupervisorSpec, above: str) -> list[str]:
    children = spec.children if isinstance(spec, SupervisorSpec) else ()
    address = f"{above}/{spec.name}" if spec.name else above
    return [address or "/", *(found for one in children for found in _addresses(one, address))]


def _box_on(start: Callable[[], object], vfs: str) -> Callable[[], BoxPort]:
    assert isinstance(start, partial), "the assembly starts a box from its configuration"
    config, clock, door = start.args
    return partial(BoxPort, replace(config, data_vfs=vfs, warm_up_s=WARM_UP_S), clock, door)


async def _slew(clock: ProcessClock) -> None:
    while True:
        await trio.sleep(SLEW_EVERY_S)
        clock.slew()


def _nobody(store: Store) -> None:
    """Look at no store."""


def _nothing() -> None:
    """Do nothing when the power goes."""
