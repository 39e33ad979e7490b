"""A small world of actors and ports for the runtime's own tests."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import trio
from msgspec.structs import replace

from messages.base import Message, Stream
from messages.runtime import Blocked, Booted, Down, Gap, Quarantined, TimerFired, Unblocked
from supervisor.actor import Actor, Context, State
from supervisor.clock import ProcessClock, trio_monotonic_ns
from supervisor.journal import Journal, MemoryJournal
from supervisor.port import Command, Port, PortContext
from supervisor.spec import ChildSpec, ExitReason, SupervisorSpec
from supervisor.system import System

SECOND_NS = 1_000_000_000
BOOT_NS = 1_700_000_000 * SECOND_NS


class Add(Message, frozen=True, kw_only=True, tag="demo.Add"):
    amount: int


class Explode(Message, frozen=True, kw_only=True, tag="demo.Explode"):
    times: int = 1_000_000


class SetTimer(Message, frozen=True, kw_only=True, tag="demo.SetTimer"):
    name: str
    delay_ns: int
    period_ns: int = 0


class Tick(Stream, frozen=True, kw_only=True, tag="demo.Tick"):
    number: int


class Top(Stream, frozen=True, kw_only=True, tag="demo.Top"):
    symbol: str
    value: int

    def conflation_key(self) -> str:
        return self.symbol


class Do(Message, frozen=True, kw_only=True, tag="demo.Do"):
    what: str


class Done(Message, frozen=True, kw_only=True, tag="demo.Done"):
    what: str


class Book(State):
    """Everything a recorder saw, in words."""

    value: int = 0
    seen: list[str] = msgspec.field(default_factory=list)
    exploded: int = 0


class Recorder(Actor[Book]):
    """Adds, records what the runtime tells it, explodes on demand, forwards to `to`."""

    def __init__(self, to: str = "", explosions: dict[str, int] | None = None) -> None:
        self.to = to
        # Outside the state on purpose: a handler that fails only so often is not deterministic, and
        # that is how a passing fault looks.
        self.left = explosions if explosions is not None else {}

    def on_add(self, state: Book, message: Add, ctx: Context) -> None:
        state.value += message.amount
        state.seen.append(f"add {message.amount}")
        if self.to:
            ctx.send(self.to, Add(amount=message.amount))

    def on_explode(self, state: Book, message: Explode, ctx: Context) -> None:
        state.value = -1
        state.exploded += 1
        ctx.send(self.to or "/nobody", Add(amount=1_000))
        count = self.left.get("explode", 0) + 1
        self.left["explode"] = count
        if count <= message.times:
            raise RuntimeError(f"explosion {count}")
        state.value = 77

    def on_do(self, state: Book, message: Do, ctx: Context) -> None:
        ctx.send("/port", message)

    def on_done(self, state: Book, message: Done, ctx: Context) -> None:
        state.seen.append(f"done {message.what}")

    def on_set_timer(self, state: Book, message: SetTimer, ctx: Context) -> None:
        if message.period_ns:
            ctx.every(message.name, message.period_ns)
        else:
            ctx.after(message.name, message.delay_ns)

    def on_timer_fired(self, state: Book, message: TimerFired, ctx: Context) -> None:
        late_ns = ctx.now_ns - message.due_ns
        state.seen.append(f"timer {message.name} missed {message.missed} late {late_ns}")

    def on_tick(self, state: Book, message: Tick, ctx: Context) -> None:
        state.seen.append(f"tick {message.number}")

    def on_top(self, state: Book, message: Top, ctx: Context) -> None:
        state.seen.append(f"top {message.symbol} {message.value}")

    def on_gap(self, state: Book, message: Gap, ctx: Context) -> None:
        state.seen.append(f"gap {message.missed}")

    def on_down(self, state: Book, message: Down, ctx: Context) -> None:
        state.seen.append(f"down {message.address} {message.reason.split(':')[0]}")

    def on_booted(self, state: Book, message: Booted, ctx: Context) -> None:
        state.seen.append(f"booted {message.boot}")

    def on_quarantined(self, state: Book, message: Quarantined, ctx: Context) -> None:
        state.seen.append(f"quarantined {message.tag_set_aside}")

    def on_blocked(self, state: Book, message: Blocked, ctx: Context) -> None:
        state.seen.append(f"blocked {message.address}")

    def on_unblocked(self, state: Book, message: Unblocked, ctx: Context) -> None:
        state.seen.append(f"unblocked {message.address}")


class DemoPort(Port):
    """Executes `Do` by writing it down in `log`; crashes on the word `crash`."""

    commands = (Do,)

    def __init__(self, log: list[str], *, conclude: bool = True) -> None:
        self.log = log
        self.concludes = conclude

    async def recover(self, pending: Sequence[Command], ctx: PortContext) -> None:
        for command in pending:
            assert isinstance(command.message, Do)
            self.log.append(f"recover {command.message.what}")
            ctx.conclude(command, Done(what=f"{command.message.what} (recovered)"))

    async def run(self, ctx: PortContext) -> None:
        while True:
            command = await ctx.receive()
            assert isinstance(command.message, Do)
            self.log.append(command.message.what)
            if command.message.what == "crash":
                raise OSError("the line is cut")
            if self.concludes:
                ctx.conclude(command, Done(what=command.message.what))


def recorder(name: str, to: str = "", **settings: object) -> ChildSpec:
    explosions: dict[str, int] = {}
    return replace(ChildSpec(name=name, start=lambda: Recorder(to, explosions)), **settings)


def book(system: System, address: str) -> Book:
    fold = system.cells[address].fold
    assert fold is not None
    assert isinstance(fold.state, Book)
    return fold.state


def post(system: System, address: str, *messages: Message) -> None:
    for message in messages:
        system.router.post(0, address, message)


class Running:
    """A system in a test, and why it ended once it has."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.reason: ExitReason | None = None
        self.reports: list[tuple[str, str]] = []
        self.ended = trio.Event()


@asynccontextmanager
async def running(
    spec: SupervisorSpec,
    journal: Journal | None = None,
    wall: Callable[[], int] = lambda: BOOT_NS,
) -> AsyncIterator[Running]:
    """Run a tree; stop it in good order at the end, and check that nothing was lost."""
    journal = journal or MemoryJournal()
    clock = ProcessClock(journal.newest_ns(), wall, trio_monotonic_ns)
    reports: list[tuple[str, str]] = []
    system = System(spec, journal, clock, report=lambda what, who, _: reports.append((what, who)))
    run = Running(system)
    run.reports = reports
    opened = trio.Event()

    async def go() -> None:
        run.reason = await system.run(opened.set)
        run.ended.set()
        opened.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(go)
        await opened.wait()
        yield run
        system.request_stop()
        with trio.fail_after(60):
            await run.ended.wait()
    assert system.conserved


async def settled() -> None:
    """Let everything that can run, run, waits between restarts included (in virtual time)."""
    await trio.sleep(0.5)
