"""The process that the recovery benchmark kills, and the one that recovers.

python -m bot.bench._ledgers FOLDER fill ACTORS OLD NEW   fill a store, say `ready`, wait
python -m bot.bench._ledgers FOLDER recover ACTORS OLD NEW   start on it, print the times
"""

import importlib
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path

import msgspec
import trio

from messages.base import Message, encode
from messages.rows import BalanceRow, TransferRow
from state.database import Database
from state.store import Store
from supervisor.actor import Actor, Context, State
from supervisor.clock import ProcessClock, perf_ns
from supervisor.journal import Post, RecordedTurn, Snapshot
from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.system import System

# What a busy actor finds waiting: the older part is written in full batches, to be quick.
NEW_AT_ONCE = 5
OLD_AT_ONCE = 50
_ASSET = "USDT"


class Move(Message, frozen=True, kw_only=True, tag="bench.Move"):
    """Moves an amount inside a vault's books."""

    amount_minor: int
    reference: str


class Books(State):
    """The books of one small vault."""

    transfers: int = 0
    balances: dict[str, int] = msgspec.field(default_factory=dict)


class Bookkeeper(Actor[Books]):
    """Books each move as the ledger does: a transfer and two balances."""

    def on_move(self, state: Books, message: Move, ctx: Context) -> None:
        """Book one move."""
        state.transfers += 1
        debit, credit = "external", "cash"
        ctx.record(
            TransferRow(
                vault_address=ctx.address,
                number=state.transfers,
                asset=_ASSET,
                debit=debit,
                credit=credit,
                amount_minor=message.amount_minor,
                kind="deposit",
                reference=message.reference,
                at_ns=ctx.at_ns,
            )
        )
        for account, change in ((debit, -message.amount_minor), (credit, message.amount_minor)):
            balance = state.balances.get(account, 0) + change
            state.balances[account] = balance
            ctx.record(
                BalanceRow(
                    vault_address=ctx.address,
                    account=account,
                    asset=_ASSET,
                    balance_minor=balance,
                    may_be_negative=account == debit,
                )
            )


class Times(msgspec.Struct, kw_only=True):
    """When what was done, on the clock that all processes of a machine share."""

    imported_ns: int = 0
    opened_ns: int = 0
    running_ns: int = 0
    reading_ns: int = 0
    """How long it took to read snapshots and turns back, of the time between those two."""
    messages: int = 0
    """Handled by all actors since the beginning."""


class TimedStore(Store):
    """A store that tells how long reading back took."""

    reading_ns = 0

    def restore(self, actor: int) -> tuple[Snapshot | None, Iterable[RecordedTurn]]:
        """Read all of it now, so that it is not counted as folding."""
        start_ns = perf_ns()
        snapshot, turns = super().restore(actor)
        read = list(turns)
        self.reading_ns += perf_ns() - start_ns
        return snapshot, read


def _system(store: Store, actors: int) -> System:
    children = tuple(ChildSpec(name=f"vault-{n}", start=Bookkeeper) for n in range(actors))
    return System(SupervisorSpec(name="", children=children), store, ProcessClock())


async def _fill(folder: Path, actors: int, old: int, new: int) -> None:
    store = Store.open(folder)
    system = _system(store, actors)
    opened = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        nursery.start_soon(system.run, opened.set)
        await opened.wait()
        await _feed(system, old, OLD_AT_ONCE)
        for cell in system.cells.values():
            cell.take_snapshot()
        await _feed(system, new, NEW_AT_ONCE)
        await store.committed()
        print("ready", flush=True)
        await trio.sleep_forever()


async def _feed(system: System, each: int, at_once: int) -> None:
    """Have every actor handle `each` messages, `at_once` of them in a turn."""
    router, sender = system.router, system.router.enroll("/bench")
    for start in range(0, each, at_once):
        for cell in system.cells.values():
            posts: list[Post] = []
            for number in range(start, min(start + at_once, each)):
                position = router.next_position()
                body = encode(Move(amount_minor=100 + number, reference=f"order-{position}"))
                posts.append((position, sender, cell.actor_id, system.clock.now_ns(), body))
            system.journal.durables(posts)
            cell.deliver([(*post[:5], "", 0) for post in posts])
            await system.ready()
        # Here a port would have stopped reading: the rows take longer than the messages.
        await system.journal.committed()


async def _recover(folder: Path, actors: int) -> None:
    times = Times(imported_ns=perf_ns())
    store = TimedStore(Database.open(folder))
    times.opened_ns = perf_ns()
    system = _system(store, actors)
    opened = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(store.run)
        nursery.start_soon(system.run, opened.set)
        await opened.wait()
        times.running_ns = perf_ns()
        times.reading_ns = store.reading_ns
        times.messages = sum(cell.statistics().seq for cell in system.cells.values())
        print(msgspec.json.encode(times).decode(), flush=True)
        await trio.sleep_forever()


def main(arguments: list[str]) -> None:
    """Do what the command line says, until killed."""
    folder, what, count, old, new = arguments
    # What a bot of real actors has to import before it can open anything.
    importlib.import_module("actors.tree")
    importlib.import_module("bot.daemon")
    if what == "fill":
        trio.run(partial(_fill, Path(folder), int(count), int(old), int(new)))
    else:
        trio.run(partial(_recover, Path(folder), int(count)))


if __name__ == "__main__":
    main(sys.argv[1:])
