"""One run: the bot's tree on a simulated machine, under faults, and then left in peace."""

import gc
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from functools import partial
from pathlib import Path

import msgspec
import trio
from msgspec.structs import replace

from messages.money import Pause, ReconcileNow, Resume
from messages.settings import TreeSettings
from research.simulation.chaos import OPERATOR, Chaos
from research.simulation.checks import UNDER_WAY, Checks
from research.simulation.crashes import Crashes
from research.simulation.host import Host
from research.simulation.network import CALM, SimulatedNetwork
from research.simulation.plan import Kind, Plan, settings_for, weather_of
from research.simulation.seeds import Streams
from research.simulation.threads import SimulatedThreads
from research.simulation.trace import Trace
from research.simulation.venue_desk import Json, VenueDesk
from state.errors import StateError
from supervisor import buggify, limits, net, threads
from supervisor.cell import Cell
from supervisor.clock import ClockBehindError, use_perf
from supervisor.determinism import run as run_deterministically
from supervisor.spec import ExitReason
from supervisor.statistics import Node
from supervisor.supervisor import ChildError, Supervisor
from venue.kernels import warm

LOOK_EVERY_S = 0.5
# Within this a bot that is left in peace has all parts running, knows the fate of every order and
# agrees with its venue: a minute of inquiries for what was unknown, and two reads of the account.
CONVERGE_S = 600.0
EXIT_STORE_LOST = 9
SMALL_LIMITS = {
    "TURN_MESSAGES_MAX": 1,
    "SYSTEM_BURST_MAX": 1,
    "STREAM_QUEUE_MAX": 4,
    "STASH_MAX": 2,
    "SNAPSHOT_MESSAGES": 8,
    "GROUP_BYTES_MAX": 2_000,
}
ALIVE = frozenset({"running"})
FALLEN = frozenset({"halted", "stopped"})


class Result(msgspec.Struct, kw_only=True):
    """What a run came to."""

    plan: Plan
    digest: str
    violations: list[str]
    seconds: float
    """Of virtual time, both phases."""
    events: int
    checked: int
    """Commits after which the books were checked."""
    faults: Counter[str]
    sometimes: Counter[str]
    fills: int
    orders: int
    lives: int
    acts: tuple[str, ...]
    """Faults that were done one by one, in order."""
    lines: list[str]
    """The end of the trace."""


class World:
    """Everything that one run is made of."""

    def __init__(self, plan: Plan, shipped: TreeSettings, folder: Path) -> None:
        streams = Streams.of(plan.seed)
        self.plan = plan
        self.trace = Trace()
        self.checks = Checks(self.trace.event)
        self.network = SimulatedNetwork(streams.network, self.trace.event)
        self.network.tap = self.checks.sent
        self.crashes = Crashes(self._is_open, self.trace.event)
        self.host = Host(folder, streams.disk_seed, self.network, self.trace, self.crashes.change)
        self.host.paranoid = plan.paranoid
        self.host.listeners.append(self.checks.committed)
        self.checks.lost = self.crashes.lost
        self.checks.intent_of = self._intent_of
        self.host.on_start = self.checks.restored
        self.venue = VenueDesk(self.network)
        self.chaos = Chaos(plan, streams.faults, self.host, self.network, self.crashes, self.venue)
        self.chaos.switch_released = self._switch_released
        self.chaos.violate = self.checks.violate
        self.chaos.order_under_way = self.checks.order_under_way
        self.settings = settings_for(plan, shipped)
        self.sometimes: Counter[str] = Counter()
        self.restarts = 0
        self._at_peace = False
        self._awaited = "a start"
        self._retried: set[int] = set()
        self._faults = streams.faults

    # --- the two phases

    async def main(self) -> None:
        """Run the safety phase, then the liveness phase; a violation ends the run."""
        async with trio.open_nursery() as nursery:
            self.checks.on_violation = nursery.cancel_scope.cancel
            nursery.start_soon(self._keep_alive)
            nursery.start_soon(self._look)
            with trio.move_on_after(CONVERGE_S):
                await self.host.opened.wait()
            self.chaos.is_buggy = True
            self.network.weather = weather_of(self.plan)
            with trio.move_on_after(self.plan.seconds):
                await self.chaos.run()
                await trio.sleep_forever()
            self._make_peace()
            with trio.move_on_after(CONVERGE_S) as scope:
                await self._converge()
            if scope.cancelled_caught:
                self.checks.violate(
                    f"not at rest {CONVERGE_S:g} s after the last fault: " + self._unrest()
                )
            nursery.cancel_scope.cancel()

    def _make_peace(self) -> None:
        self.trace.event("peace")
        self._at_peace = True
        self.chaos.is_buggy = False
        self.network.weather = CALM
        # What the router swallowed is reset at last, as TCP's own time-out would.
        self.network.sever()
        self.crashes.armed.clear()
        self.crashes.starved.clear()
        self.host.disk.calm()
        self.host.skew_ns = 0

    async def _converge(self) -> None:
        await self.host.opened.wait()
        await self.venue.ask("POST", "/_box/faults/profile", b'{"profile":"none"}')
        await self.venue.ask("POST", "/_box/faults/disarm", b"{}")
        await self.venue.ask("POST", "/_box/visibility", b'{"lag_ms":0}')
        await self.chaos.open_markets()
        self.chaos.release_switch()
        await self._until("all parts run", self._is_whole)
        # It trades again, as long as it is left to.
        for address in self._cells("/sleeves/"):
            self.host.post(address, Resume(operator=OPERATOR))
        wanted = self.checks.seen["fills"] + 1
        await self._until("a fill", lambda: self.checks.seen["fills"] >= wanted)
        for address in self._cells("/sleeves/"):
            self.host.post(address, Pause(operator=OPERATOR))
        await self._until("no order under way", lambda: self._is_whole() and self._is_quiet())
        await self._compare(await self._agreed_books())

    async def _until(self, wanted: str, holds: Callable[[], bool]) -> None:
        self._awaited = wanted
        while not holds():
            await self._mend()
            await trio.sleep(LOOK_EVERY_S)

    async def _mend(self) -> None:
        """Do what an operator would: start what is halted, retry what blocks."""
        system = self.host.system
        if system is None:
            return
        for cell in system.cells.values():
            if cell.blocked is not None:
                self.sometimes["blocked"] += 1
                # What fails again was never a message that this actor could have handled.
                was_retried = cell.blocked.position in self._retried
                self._retried.add(cell.blocked.position)
                cell.release(discard=was_retried, operator=OPERATOR, reason="the fault is over")
        for node in _fallen(system.tree()):
            self.sometimes["halted"] += node.state == "halted"
            supervisor, name = system.supervisor_of(node.address)
            await self._restart(supervisor, name)

    async def _restart(self, supervisor: Supervisor, name: str) -> None:
        try:
            await supervisor.restart_child(name)
        except ChildError:
            return  # it is up already, or its start failed: it is looked at again

    def _intent_of(self, client_order_id: str) -> str:
        """Return the wish that an order is of, as its ledger has it."""
        for address in self._cells("/ledger"):
            fold = self._cell(address).fold
            order = fold.state.orders.get(client_order_id) if fold is not None else None
            if order is not None:
                return str(order.intent_id)
        return ""

    # --- what is asked of a bot at rest

    def _is_open(self) -> bool:
        system = self.host.system
        return system is not None and system.gate.is_set()

    def _is_whole(self) -> bool:
        system = self.host.system
        if system is None or not self.host.opened.is_set():
            return False
        return all(node.state in ALIVE for node in _all(system.tree()))

    def _is_quiet(self) -> bool:
        system = self.host.system
        if system is None or any(cell.mailbox.queued for cell in system.cells.values()):
            return False
        return not any(row.state in UNDER_WAY for row in self.checks.orders.values())

    def _has_agreed(self) -> bool:
        rows = self.checks.reconciled.values()
        return bool(rows) and all(row.agreed for row in rows) and self._is_quiet()

    def _unrest(self) -> str:
        system = self.host.system
        if system is None:
            return "no process runs"
        ill = [f"{n.address} {n.state}" for n in _all(system.tree()) if n.state not in ALIVE]
        mine = [
            f"{row.client_order_id} {row.state}: {row.reason}"
            for row in self.checks.orders.values()
            if row.state in UNDER_WAY
        ]
        queued = [a for a, cell in system.cells.items() if cell.mailbox.queued]
        disagreed = [row.differences for row in self.checks.reconciled.values() if not row.agreed]
        return (
            f"{self._awaited} is awaited: ill {ill}, orders {mine}, queued {queued}, "
            f"disagreed {disagreed}"
        )

    async def _agreed_books(self) -> Json | None:
        """Have the books compared; return the venue's, in which nothing was settled since."""
        while True:
            before = _settlements(await self.venue.ask("GET", "/_box/books"))
            self.checks.reconciled.clear()
            for address in self._cells("/reconcile"):
                self.host.post(address, ReconcileNow(operator=OPERATOR))
            await self._until("the books agree", self._has_agreed)
            books = await self.venue.ask("GET", "/_box/books")
            if _settlements(books) == before:
                return books

    async def _compare(self, books: Json | None) -> None:
        """Compare our books with the venue's: money, orders, executions."""
        store, system = self.host.store, self.host.system
        assert store is not None, "the bot runs"
        assert system is not None, "the bot runs"
        await store.committed()
        self.checks.look(system)
        self.checks.settled()
        runs, wanted = {node.address for node in _all(system.tree())}, self.host.addresses
        if runs != wanted:
            self.checks.violate(f"the tree is not its roster's: {sorted(runs ^ wanted)}")
        if books is None:
            self.checks.violate("the venue does not answer in peace")
            return
        ids = Counter(order["client_order_id"] for order in books["orders"])
        for client_order_id, count in ids.items():
            if client_order_id and count > 1:
                self.checks.violate(f"{client_order_id} was placed {count} times")
        for user, balances in books["balances"].items():
            if not user.startswith("("):
                self._compare_balances(balances)

    def _compare_balances(self, balances: dict[str, str]) -> None:
        for asset, text in balances.items():
            scale = self.settings.assets.get(asset, 8)
            theirs_minor = int(Decimal(text).scaleb(scale))
            ours_minor = self.checks.held_minor(asset)
            if theirs_minor != ours_minor:
                self.checks.violate(f"{asset}: we hold {ours_minor}, the venue {theirs_minor}")

    def _cell(self, address: str) -> Cell:
        assert self.host.system is not None, "an order is written by a bot that runs"
        return self.host.system.cells[address]

    def _cells(self, part: str) -> list[str]:
        system = self.host.system
        return sorted(a for a in system.cells if part in a) if system is not None else []

    # --- what runs beside the bot

    async def _keep_alive(self) -> None:
        """Start the bot again whenever it ended: systemd."""
        while True:
            try:
                reason = await self.host.live(self.settings)
            except ClockBehindError:
                self.sometimes["clock.behind"] += 1
                self.host.skew_ns = 0
            except StateError as error:
                self._judge_refusal(error)
            else:
                self._judge(reason)
            self.crashes.forget()
            self.restarts += 1
            await trio.sleep(0.05 + self._faults.random() * self.plan.restart_s_max)

    def _judge(self, reason: ExitReason | None) -> None:
        """Say whether a process may end like this."""
        if reason is None:
            self.sometimes["killed"] += 1
            return
        code = getattr(reason.error, "exit_code", None)
        if reason.is_orderly:
            self.sometimes["stopped"] += 1
        elif code == EXIT_STORE_LOST:
            self.sometimes["store.lost"] += 1
        elif self.crashes.lost:
            # It may have taken its time to end: somebody hung.
            self.sometimes["memory.none"] += 1
        elif code is not None or isinstance(reason.error, AssertionError) or self._at_peace:
            self.checks.violate(f"the process ended: {reason}")
        else:
            self.sometimes["escalated"] += 1

    def _judge_refusal(self, error: StateError) -> None:
        if self._at_peace or getattr(error, "exit_code", None) not in (1, EXIT_STORE_LOST):
            self.checks.violate(f"a start was refused: {type(error).__name__}: {error}")
        self.sometimes["start.refused"] += 1

    async def _look(self) -> None:
        while True:
            await trio.sleep(LOOK_EVERY_S)
            system = self.host.system
            if system is not None and self.host.opened.is_set():
                self.checks.look(system)

    def _switch_released(self) -> None:
        self.checks.switch_stands = False


def simulate(plan: Plan, shipped: TreeSettings) -> Result:
    """Run `plan` from its first instruction to its last; the same plan gives the same result."""
    warm()
    # What is there already is not looked at again: a look at all of it takes a fifth of a second.
    gc.collect()
    gc.freeze()
    gc.disable()
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="canopy-sim-")))
            world = World(plan, shipped, folder)
            stack.callback(world.host.close)
            if plan.has(Kind.SMALL):
                stack.enter_context(_small_limits())
            stack.enter_context(net.use(world.network))
            inline = SimulatedThreads(world.chaos.commit_s, world.host.is_dying)
            stack.enter_context(threads.use(inline))
            stack.enter_context(use_perf(world.chaos.perf_ns))
            stack.enter_context(buggify.use(world.chaos.buggify))
            seconds = run_deterministically(
                partial(_run, world), Streams.of(plan.seed).scheduler_seed
            )
        return _result(world, seconds)
    finally:
        gc.enable()


@contextmanager
def _small_limits() -> Iterator[None]:
    """Have bounds met that a calm bot never meets: each to the least that still works."""
    usual = {name: getattr(limits, name) for name in SMALL_LIMITS}
    for name, least in SMALL_LIMITS.items():
        setattr(limits, name, least)
    try:
        yield
    finally:
        for name, value in usual.items():
            setattr(limits, name, value)


async def _run(world: World) -> float:
    await world.main()
    return trio.current_time()


def _result(world: World, seconds: float) -> Result:
    faults = Counter(world.chaos.counts)
    faults.update({f"transport.{name}": n for name, n in world.network.counts.items()})
    sometimes = Counter(world.sometimes)
    sometimes.update(world.checks.seen)
    sometimes.update(world.trace.marks)
    sometimes["calm"] = not world.plan.kinds
    return Result(
        plan=world.plan,
        digest=world.trace.digest,
        violations=world.checks.violations,
        seconds=seconds,
        events=world.trace.events,
        checked=world.checks.checked,
        faults=faults,
        sometimes=sometimes,
        fills=world.checks.seen["fills"],
        orders=world.checks.seen["orders.written"],
        lives=world.host.lives,
        acts=tuple(world.chaos.acts),
        lines=list(world.trace.lines),
    )


def _settlements(books: Json | None) -> int:
    """Return how often funding of perpetuals was settled."""
    entries = books["ledger"] if books is not None else ()
    return sum(1 for entry in entries if entry["kind"] == "funding")


def _all(node: Node) -> list[Node]:
    return [node, *(found for child in node.children for found in _all(child))]


def _fallen(node: Node) -> list[Node]:
    """Return the topmost of what runs no more: halted, or a restart by hand has failed."""
    if node.state in FALLEN:
        return [node]
    return [found for child in node.children for found in _fallen(child)]


def without(plan: Plan, kinds: tuple[object, ...]) -> Plan:
    """Return `plan` without some kinds of faults."""
    return replace(plan, kinds=tuple(kind for kind in plan.kinds if kind not in kinds))
