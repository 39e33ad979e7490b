"""A small economy of actors on the real store, to be killed at any instruction and looked at again.

    python -m tests.whole.kill_world FOLDER run      trade until killed
    python -m tests.whole.kill_world FOLDER settle   finish what is under way, print the books, end

A clock actor makes accounts pay each other amounts drawn from its generator, and now and then has a
port write a line to a file outside. Every so often a handler fails once.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import trio

from messages.base import Message
from messages.runtime import Booted, TimerFired
from state.database import Settings
from state.port import store_child
from state.store import Store
from supervisor.actor import Actor, Context, State
from supervisor.clock import ProcessClock
from supervisor.port import Command, Port, PortContext
from supervisor.spec import AutoShutdown, Backoff, ChildSpec, Poison, SupervisorSpec
from supervisor.system import System

ACCOUNTS = 6
OPENING = 1_000_000
TICK_NS = 2_000_000
AT_ONCE = Backoff(min_ns=0, max_ns=0)


class Pay(Message, frozen=True, kw_only=True, tag="kill.Pay"):
    to: str
    amount: int


class Paid(Message, frozen=True, kw_only=True, tag="kill.Paid"):
    amount: int


class Write(Message, frozen=True, kw_only=True, tag="kill.Write"):
    line: str


class Written(Message, frozen=True, kw_only=True, tag="kill.Written"):
    line: str


class Quit(Message, frozen=True, kw_only=True, tag="kill.Quit"):
    pass


class Live:
    """Whether messages are being handled for the first time, not folded at the start."""

    now = False


class Purse(State):
    balance: int = OPENING
    paid: int = 0


class Account(Actor[Purse]):
    """Pays what it is told to; every 97th message fails once, if this process handles it first."""

    def __init__(self, tried: set[tuple[str, int]]) -> None:
        self._tried = tried

    def on_pay(self, state: Purse, message: Pay, ctx: Context) -> None:
        state.balance -= message.amount
        state.paid += 1
        ctx.send(message.to, Paid(amount=message.amount))
        here = (ctx.address, ctx.seq)
        if ctx.seq % 97 == 0 and here not in self._tried:
            self._tried.add(here)
            if Live.now:
                raise RuntimeError("a passing fault")

    def on_paid(self, state: Purse, message: Paid, ctx: Context) -> None:
        state.balance += message.amount


class Pace(State):
    ticks: int = 0
    lines: int = 0
    written: int = 0
    quitting: bool = False


class Clockwork(Actor[Pace]):
    """Makes everything happen."""

    def on_booted(self, state: Pace, message: Booted, ctx: Context) -> None:
        state.quitting = False
        ctx.every("tick", TICK_NS)

    def on_timer_fired(self, state: Pace, message: TimerFired, ctx: Context) -> None:
        if state.quitting:
            return
        state.ticks += 1
        for _ in range(8):
            payer, payee = (int(ctx.random() * ACCOUNTS) for _ in range(2))
            amount = int(ctx.random() * 100)
            ctx.send(f"/accounts/{payer}", Pay(to=f"/accounts/{payee}", amount=amount))
        if state.ticks % 5 == 0:
            state.lines += 1
            ctx.send("/outside", Write(line=ctx.new_id()))

    def on_written(self, state: Pace, message: Written, ctx: Context) -> None:
        state.written += 1

    def on_quit(self, state: Pace, message: Quit, ctx: Context) -> None:
        state.quitting = True
        ctx.cancel("tick")


class Outside(Port):
    """Writes lines to a file that nobody keeps for us: what is written stays written."""

    commands = (Write,)

    def __init__(self, path: Path) -> None:
        self._path = path

    async def recover(self, pending: Sequence[Command], ctx: PortContext) -> None:
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        for command in pending:
            assert isinstance(command.message, Write)
            if command.message.line not in lines:
                self._write(command.message.line)
            ctx.conclude(command, Written(line=command.message.line))

    async def run(self, ctx: PortContext) -> None:
        while True:
            command = await ctx.receive()
            assert isinstance(command.message, Write)
            self._write(command.message.line)
            await trio.sleep(0.001)
            ctx.conclude(command, Written(line=command.message.line))

    def _write(self, line: str) -> None:
        with self._path.open("a") as file:
            file.write(line + "\n")


def spec(store: Store, folder: Path) -> SupervisorSpec:
    tried: set[tuple[str, int]] = set()
    accounts = SupervisorSpec(
        name="accounts",
        intensity=1_000,
        children=tuple(
            ChildSpec(name=str(n), start=lambda: Account(tried), backoff=AT_ONCE)
            for n in range(ACCOUNTS)
        ),
    )
    return SupervisorSpec(
        name="",
        auto_shutdown=AutoShutdown.ANY_SIGNIFICANT,
        children=(
            store_child(store),
            ChildSpec(name="outside", start=lambda: Outside(folder / "outside.txt")),
            accounts,
            # It draws and makes ids: folded under another lineage it would refuse to start.
            ChildSpec(name="clockwork", start=Clockwork, poison=Poison.BLOCK),
        ),
    )


async def main(folder: Path, *, settle: bool) -> None:
    store = Store.open(folder / "data", Settings(ballast_bytes=0))
    system = System(spec(store, folder), store, ProcessClock(store.newest_ns()))
    opened = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, opened.set)
        await opened.wait()
        Live.now = True
        say("running")
        if not settle:
            await trio.sleep(60)
            return
        system.router.post(0, "/clockwork", Quit())
        await quiet(system)
        books = {address: _state(system, address) for address in system.cells}
        system.request_stop()
    say(json.dumps({"books": books, "conserved": system.conserved}))


def say(line: str) -> None:
    """Tell the test that started us."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def quiet(system: System) -> None:
    """Wait until nothing waits anywhere, twice in a row."""
    seen = 0
    while seen < 2:
        await trio.sleep(0.2)
        waiting = sum(cell.mailbox.queued for cell in system.cells.values())
        waiting += sum(cell.statistics().mailbox.queued for cell in system.ports.values())
        written = _state(system, "/clockwork")
        seen = seen + 1 if not waiting and written["written"] == written["lines"] else 0


def _state(system: System, address: str) -> dict[str, int]:
    fold = system.cells[address].fold
    assert fold is not None
    state = fold.state
    if isinstance(state, Purse):
        return {"balance": state.balance, "paid": state.paid}
    assert isinstance(state, Pace)
    return {"lines": state.lines, "written": state.written, "ticks": state.ticks}


if __name__ == "__main__":
    trio.run(lambda: main(Path(sys.argv[1]), settle=sys.argv[2] == "settle"))
