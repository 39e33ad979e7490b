"""The tree as a whole: built from one spec, restored, opened, kept in order, stopped.

Boot: every cell gets its address and the messages that an earlier process left unhandled;
supervisors start their children in order, each actor folded from its snapshot and the turns since;
then the gate opens and messages are handled. Ports run from their start: what they send waits at
the gate.
"""

import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection

import trio

from messages.base import encode, tag_in
from messages.runtime import Blocked, Down, StoreHealth, Unblocked
from supervisor import limits
from supervisor.actor import Actor
from supervisor.cell import Cell
from supervisor.child import Child, Runner, Unmade
from supervisor.clock import NANOSECONDS_PER_SECOND, Clock
from supervisor.condemned import Condemned
from supervisor.ids import IdFactory
from supervisor.journal import RUNTIME, Envelope, Journal
from supervisor.mailbox import Mailbox
from supervisor.portcell import PortCell
from supervisor.process import ProcessCell
from supervisor.registry import Presence, Registry
from supervisor.roster import Roster
from supervisor.router import DeadLetter, Router
from supervisor.spec import (
    Addition,
    ChildSpec,
    ExitReason,
    Isolation,
    Spec,
    SpecError,
    SupervisorSpec,
)
from supervisor.statistics import Node
from supervisor.stuck import Sampler
from supervisor.supervisor import Supervisor
from supervisor.timers import SETTLED_TOPIC, Settling, Timers
from supervisor.validation import validate

logger = logging.getLogger("supervisor")

STORE_TOPIC = "/system/store"
# How often limits are looked at: a twentieth of the journal lag that turns entries off.
HOUSEKEEPING_NS = limits.BACKLOG_NS_MAX // 20
Report = Callable[[str, str, str], None]
UNKILLABLE_TEXT = (
    "it ignores its cancellation and could not be struck: it is left behind, and systemd is not "
    "told any more that the bot lives; stop the bot and start it again"
)


def _log_report(event: str, address: str, text: str) -> None:
    logger.error("%s: %s: %s", event, address, text)


class System:
    """One running tree. Build it, then `run` it once."""

    def __init__(
        self,
        spec: SupervisorSpec,
        journal: Journal,
        clock: Clock,
        *,
        report: Report = _log_report,
        paranoid: bool = False,
        sampler: Sampler | None = None,
        isolates: bool = True,
    ) -> None:
        problems = validate(spec)
        if problems:
            raise SpecError("\n".join(problems))
        self.journal = journal
        self.clock = clock
        self.paranoid = paranoid
        self.isolates = isolates
        """Whether isolated actors get their processes; a simulation runs their handlers here."""
        self.router = Router(journal, clock.now_ns)
        self.timers = Timers(clock)
        self.router.subscribe(SETTLED_TOPIC, Settling(self.timers, self.router.names))
        self.sampler = sampler or Sampler()
        """Strikes stuck handlers while it is installed: by who owns the process."""
        self._tasks: trio.Nursery
        self._condemned = Condemned(PortCell.running)
        self._left_behind: list[Child] = []
        self.registry = Registry(self.router, self._inbox_of)
        self.router.register(self.registry, ())
        self.roster = Roster(journal)
        self.gate = trio.Event()
        self.report = report
        self.cells: dict[str, Cell] = {}
        self.ports: dict[str, PortCell] = {}
        self._ids = IdFactory(journal.lineage, RUNTIME, journal.boot)
        self._crowded = 0
        self._healthy = True
        self._calm = trio.Event()
        self._calm.set()
        self._tail_bytes = 0
        self._stopping = trio.Event()
        self._left_over = self._read_inbox()
        self._unmade: set[str] = set()
        # Whoever asked asks again, once told that the process started.
        for wish in self._left_over.pop(self.registry.actor_id, ()):
            journal.conclude(wish[0])
        self.root = Supervisor(self, "/", spec)
        self._check_waits()
        self._bury_left_over()

    # --- what cells and supervisors ask of the system

    def make(self, address: str, spec: Spec) -> Runner:
        if isinstance(spec, SupervisorSpec):
            return Supervisor(self, address, spec)
        try:
            cell = self._cell(address, spec)
        except Exception as error:
            # It is told whoever starts it; until then it is not known what it would be.
            self._unmade.add(address)
            return Unmade(address, error)
        self._unmade.discard(address)
        self._move_in(cell)
        return cell

    def _cell(self, address: str, spec: ChildSpec) -> Cell | PortCell:
        if not isinstance(spec.start(), Actor):
            return PortCell(self, address, spec)
        is_isolated = spec.isolation is Isolation.PROCESS and self.isolates
        return ProcessCell(self, address, spec) if is_isolated else Cell(self, address, spec)

    def retire(self, runner: Runner) -> None:
        address = runner.address
        if isinstance(runner, Supervisor):
            for child in runner.children:
                self.retire(child.runner)
        elif isinstance(runner, Cell):
            del self.cells[address]
            self.router.unregister(runner)
            self.timers.forget(runner)
            self.tail_grew(-runner.tail_bytes)
            for position, sender, _, at_ns, body, _, _ in runner.mailbox.discard():
                self._bury(position, sender, address, at_ns, tag_in(body))
        elif isinstance(runner, PortCell):
            del self.ports[address]
            self.router.unregister(runner)
            for left in runner.forsake():
                tag = tag_in(encode(left.message))
                sender = self.router.enroll(left.sender)
                self._bury(left.position, sender, address, left.at_ns, tag)
        self.registry.retire(address)

    def _bury(self, position: int, sender: int, address: str, at_ns: int, tag: str) -> None:
        name = self.router.names.get(sender, "")
        letter = DeadLetter(position, name, address, tag, "its child spec was deleted", at_ns)
        self.router.bury(letter)
        self.journal.conclude(position)

    def up(self, child: Child) -> None:
        self.registry.up(child)

    def down(self, child: Child, reason: ExitReason) -> None:
        self.registry.down(child, reason)

    def stash(self, address: str, *, is_on: bool) -> None:
        cell = self.cells.get(address)
        if cell is not None:
            cell.mailbox.stash(self._bury_stashed(address) if is_on else None)

    def _bury_stashed(self, address: str) -> Callable[[Envelope], None]:
        def bury(envelope: Envelope) -> None:
            position, sender, _, at_ns, body, _, _ = envelope
            name = self.router.names.get(sender, "")
            reason = "it waits to be restarted, and its stash is full"
            self.router.bury(DeadLetter(position, name, address, tag_in(body), reason, at_ns))

        return bury

    def additions(self, supervisor: str) -> list[Addition]:
        return self.roster.of(supervisor)

    def added(self, address: str, addition: Addition | None) -> None:
        if addition is None:
            self.roster.remove(address)
        else:
            self.roster.add(address, addition)

    def is_known(self, address: str) -> bool:
        return self.router.is_known(address)

    def is_up(self, address: str) -> bool:
        return self.registry.whereis(address).presence is Presence.RUNNING

    def leave_behind(self, child: Child) -> None:
        self._left_behind = [one for one in self._left_behind if one.is_up]
        self._left_behind.append(child)
        self.report("unkillable", child.address, UNKILLABLE_TEXT)

    def start_task(self, run: Callable[..., Awaitable[None]], *arguments: object) -> None:
        self._tasks.start_soon(run, *arguments)

    def strike(self, tasks: Collection[trio.lowlevel.Task]) -> bool:
        if self.sampler.is_installed:
            for task in tasks:
                self._condemned.add(task)
        return self.sampler.is_installed

    def spare(self, tasks: Collection[trio.lowlevel.Task]) -> None:
        for task in tasks:
            self._condemned.remove(task)

    async def settled(self, address: str) -> None:
        if self.router.is_known(address):
            await self.journal.committed()

    def _inbox_of(self, address: str) -> Mailbox | None:
        cell = self.cells.get(address)
        return cell.mailbox if cell is not None else None

    def random(self) -> float:
        return self._ids.random()

    def crowded(self, by: int) -> None:
        self._crowded += by
        assert self._crowded >= 0, "a mailbox was uncrowded twice"
        self._judge()

    def tail_grew(self, by: int) -> None:
        self._tail_bytes += by

    def post_down(self, addresses: Collection[str], down: Down | Blocked | Unblocked) -> None:
        for address in addresses:
            self.router.post(RUNTIME, address, down)

    async def ready(self) -> None:
        """Wait while mailboxes or the journal are over their soft limits."""
        await trio.lowlevel.checkpoint()
        while not self._calm.is_set():
            await self._calm.wait()

    def _judge(self) -> None:
        calm = self._healthy and not self._crowded
        if calm:
            self._calm.set()
        elif self._calm.is_set():
            self._calm = trio.Event()

    # --- running

    async def run(
        self,
        on_open: Callable[[], None] | None = None,
        on_left: Callable[[ExitReason, list[str]], Awaitable[None]] | None = None,
    ) -> ExitReason:
        """Run the tree to its end; a cancellation from outside becomes an orderly stop.

        `on_open` is called once everything is restored and messages are being handled; `on_left`
        when all has ended but children that cannot be killed, which are waited for afterwards.
        """
        async with trio.open_nursery() as outside:
            outside.start_soon(self._stop_when_cancelled)
            with trio.CancelScope(shield=True):
                async with trio.open_nursery() as self._tasks:
                    reason = await self._run_shielded(on_open)
                    left = self.registry.running
                    if left and on_left is not None:
                        await on_left(reason, left)
            outside.cancel_scope.cancel()
        return reason

    def unsettled(self) -> list[str]:
        """Return those for whom others' timers wait and who have not said `Settled` yet."""
        named = dict.fromkeys(cell.spec.timers_after for cell in self.cells.values())
        return [name for name in named if name and not self.timers.is_settled(name)]

    def request_stop(self) -> None:
        """Stop in good order: children in reverse order of their start, each with a snapshot."""
        if not self._stopping.is_set():
            self._stopping.set()
            self.registry.is_closing = True
            self.root.request_stop()

    async def _stop_when_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self.request_stop()

    async def _run_shielded(self, on_open: Callable[[], None] | None) -> ExitReason:
        self.root.prepare()
        if self._stopping.is_set():
            self.root.request_stop()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._open_when_started, on_open)
            nursery.start_soon(self._keep_house)
            reason = await self.root.run()
            nursery.cancel_scope.cancel()
        return reason

    async def _open_when_started(self, on_open: Callable[[], None] | None) -> None:
        await self.root.wait_started()
        await self._adopt_lineage()
        self.gate.set()
        if on_open is not None:
            on_open()
        await self.timers.run()

    async def _adopt_lineage(self) -> None:
        """After a restore from a backup: leave nothing to be folded under the lineage before it."""
        if self.journal.tail_lineage == self.journal.lineage:
            return
        for cell in self.cells.values():
            if cell.has_state:
                cell.take_snapshot()
        self.journal.adopt_lineage()
        await self.journal.committed()

    # --- building

    def _move_in(self, cell: Cell | PortCell) -> None:
        self.router.register(cell, cell.spec.topics)
        left_over = self._left_over.pop(cell.actor_id, [])
        if isinstance(cell, Cell):
            self.cells[cell.address] = cell
            cell.enter_inbox(left_over)
            cell.configure()
        else:
            self.ports[cell.address] = cell
            cell.enter_inbox(left_over)

    def refresh(self, address: str) -> None:
        """Have the actor at `address` subscribed and configured as its spec, which changed, says.

        Topics that the spec no longer names go on to be delivered until the next start.
        """
        cell = self.cells[address]
        for topic in cell.spec.topics:
            self.router.subscribe(topic, cell)
        cell.configure()

    def _read_inbox(self) -> dict[int, list[Envelope]]:
        left_over: dict[int, list[Envelope]] = defaultdict(list)
        pending = list(self.journal.inbox())
        # A command whose outcome waits to be handled is concluded: recovering it would conclude it
        # a second time.
        concluded = {item.concludes for item in pending}
        concluded |= {item.concludes for item in self.journal.quarantined()}
        for item in pending:
            if item.position in concluded:
                continue
            left_over[item.target].append(
                (item.position, item.sender, item.target, item.at_ns, item.body, "", item.concludes)
            )
        return left_over

    def _check_waits(self) -> None:
        """Refuse a tree in which timers wait for nobody: they would never fire."""
        problems = [
            f"{address}: timers_after is {cell.spec.timers_after}, where no actor stands"
            for address, cell in self.cells.items()
            if cell.spec.timers_after and cell.spec.timers_after not in self.cells
        ]
        if problems:
            raise SpecError("\n".join(problems))

    def _bury_left_over(self) -> None:
        """Report what waits for addresses that the tree no longer has: money may be in it."""
        for target, envelopes in self._left_over.items():
            name = self.router.names.get(target, f"#{target}")
            if name in self._unmade:
                continue
            self.report(
                "orphaned", name, f"{len(envelopes)} messages wait for it; it is not started"
            )

    # --- keeping house

    async def _keep_house(self) -> None:
        while True:
            await trio.sleep(HOUSEKEEPING_NS / NANOSECONDS_PER_SECOND)
            self._look_at_journal()
            self._snapshot_one()

    def _look_at_journal(self) -> None:
        backlog_bytes, age_ns = self.journal.backlog()
        keeps_up = backlog_bytes < limits.BACKLOG_BYTES_MAX and age_ns < limits.BACKLOG_NS_MAX
        healthy = keeps_up and not self.journal.degraded
        if healthy != self._healthy:
            self._healthy = healthy
            self._judge()
            lag = f"{backlog_bytes} bytes, {age_ns / NANOSECONDS_PER_SECOND:.1f} s uncommitted"
            reason = "" if healthy else self.journal.degraded or lag
            health = StoreHealth(healthy=healthy, reason=reason)
            self.router.publish(RUNTIME, STORE_TOPIC, health)

    def _snapshot_one(self) -> None:
        """Snapshot the actor that most needs it; one per pass, so the loop is never held long."""
        if not self.gate.is_set():
            return
        is_full = self._tail_bytes > limits.TAIL_BYTES_TOTAL
        due = set() if is_full else set(self.journal.due_snapshots(self.clock.now_ns()))
        if not (is_full or due):
            return
        running = [cell for cell in self.cells.values() if cell.has_state]
        if is_full and running:
            max(running, key=lambda cell: cell.tail_bytes).take_snapshot()
            return
        lagging = [cell for cell in running if cell.actor_id in due]
        if lagging:
            min(lagging, key=lambda cell: cell.snapshot_ns).take_snapshot()

    # --- looking in

    def tree(self) -> Node:
        """Return the whole tree as it stands."""
        return _node(self.root, None)

    def supervisor_of(self, address: str) -> tuple[Supervisor, str]:
        """Return the supervisor of what stands at `address`, and its name there.

        Raises `LookupError` naming the nearest address that exists.
        """
        at = self.root
        parts = [part for part in address.split("/") if part]
        for depth, part in enumerate(parts):
            child = next((c for c in at.children if c.spec.name == part), None)
            if child is None:
                raise LookupError(f"there is no {address}; the nearest is {at.address}")
            if depth == len(parts) - 1:
                return at, part
            below = child.runner
            if isinstance(below, Supervisor):
                at = below
            else:
                raise LookupError(  # noqa: TRY004 - the address is wrong, not a type
                    f"there is no {address}; the nearest is {below.address}"
                )
        raise LookupError("the root has no supervisor: use `bot stop`")

    def child_at(self, address: str) -> Child:
        """Return the child at `address`; raise `LookupError` naming the nearest that exists."""
        supervisor, name = self.supervisor_of(address)
        return supervisor.find(name)

    def incarnation_of(self, address: str) -> int:
        """Return the number of the incarnation of the actor or port at `address`; 0 for nobody."""
        cell = self.cells.get(address) or self.ports.get(address)
        return cell.incarnation if cell is not None else 0

    @property
    def unkillable(self) -> list[str]:
        """The addresses of those that ignored their cancellation and still run."""
        return sorted(child.address for child in self._left_behind if child.is_up)

    @property
    def restarts(self) -> int:
        """Restarts of all children since the process started."""
        return _restarts(self.root)

    @property
    def conserved(self) -> bool:
        """Whether every message that entered a mailbox is accounted for."""
        return all(cell.mailbox.statistics().conserved for cell in self.cells.values())


def _restarts(supervisor: Supervisor) -> int:
    below = sum(
        _restarts(child.runner)
        for child in supervisor.children
        if isinstance(child.runner, Supervisor)
    )
    return below + sum(child.restarts for child in supervisor.children)


def _node(runner: Runner, child: Child | None) -> Node:
    figures = runner.statistics()
    state = child.state.value if child else "running"
    children: tuple[Node, ...] = ()
    if isinstance(runner, Supervisor):
        children = tuple(_node(below.runner, below) for below in runner.children)
    if figures.blocked or (figures.suspended and state == "running"):
        state = "blocked" if figures.blocked else "suspended"
    return Node(
        address=runner.address,
        kind=runner.kind,
        state=state,
        incarnation=figures.incarnation,
        restarts=child.restarts if child else 0,
        last_exit=str(child.last_exit) if child and child.last_exit else "",
        mailbox=figures.mailbox.queued,
        handled=figures.mailbox.handled,
        children=children,
    )
