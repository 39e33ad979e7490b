"""One recorded life in which every kind of actor and port crashes, a kill, and a life after it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from messages.base import Message
from messages.market import BookTop
from messages.money import Alert, BooksReported, ReconcileNow, Severity
from messages.orders import Fill, OrderRequest, Protect, SleeveUpdate, SubmitOutcome
from tests.whole.two_books import differences, our_books
from tests.whole.world import ACCOUNT, ACTORS, PORTS, VAULT, Json, World, running

CRASH_ON: dict[str, type[Message]] = {
    "/alerts": Alert,
    "/risk": OrderRequest,
    f"{ACCOUNT}/orders": SubmitOutcome,
    f"{ACCOUNT}/reconcile": BooksReported,
    f"{VAULT}/ledger": Fill,
    f"{VAULT}/guard": Protect,
    f"{VAULT}/sleeves/quiet": SleeveUpdate,
    f"{VAULT}/sleeves/flash": BookTop,
}
"""Which message of the way of a tick each actor crashes on."""
NUDGES: dict[str, Message] = {
    "/alerts": Alert(severity=Severity.NOTICE, subject="test", text="an alert to crash on"),
    f"{ACCOUNT}/reconcile": ReconcileNow(operator="test"),
}
"""What makes messages come that are rare."""
EXPECTED: dict[str, set[str]] = {
    f"{ACCOUNT}/orders": {f"{ACCOUNT}/reconcile"},
    f"{ACCOUNT}/line": {f"{ACCOUNT}/{name}" for name in ("stream", "orders", "reconcile")},
    f"{ACCOUNT}/stream": {f"{ACCOUNT}/{name}" for name in ("orders", "reconcile")},
    f"{VAULT}/ledger": {f"{VAULT}/{name}" for name in ("guard", "sleeves/quiet", "sleeves/flash")},
    f"{VAULT}/guard": {f"{VAULT}/{name}" for name in ("sleeves/quiet", "sleeves/flash")},
}
"""Who is restarted with one that crashed: those after it in a rest_for_one, nobody else."""


# After so many crashes at once, comparing with the venue waits for the budget of its reads.
AFTER_CRASH_S = 90.0


class Kept(msgspec.Struct, frozen=True):
    """Where a live actor had come to when its process ended."""

    actor_id: int
    seq: int
    chain: bytes
    state: bytes


@dataclass
class Recording:
    """What was seen."""

    folder: Path
    """Of the life without a kill."""
    killed: Path
    """Of the life that began where the first was cut off."""
    cut: Path
    """As the first was cut off, with all that was not yet in snapshots; never run."""
    restarted: dict[str, set[str]] = field(default_factory=dict)
    """Who crashed → who was started again then."""
    fills_after: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)
    kept: dict[Path, dict[str, Kept]] = field(default_factory=dict)


async def record(folder: Path) -> Recording:
    """Live both lives; about half a minute."""
    async with running(folder / "one") as world:
        recording = Recording(folder / "one", folder / "two", folder / "cut")
        await world.trades(2)
        for address in (*ACTORS, *PORTS):
            await _crash(world, address, recording)
        await world.trades(1)
        world.copy_as_killed(recording.cut)
        books = await _finish(world)
    _conclude(world, recording, books)
    shutil.copytree(recording.cut, recording.killed)
    async with running(recording.killed, paranoid=True) as world:
        await world.trades(4)
        books = await _finish(world)
    _conclude(world, recording, books)
    return recording


async def _crash(world: World, address: str, recording: Recording) -> None:
    before = world.incarnations()
    if address in CRASH_ON:
        await _crash_actor(world, address)
    else:
        await _crash_port(world, address)

    def is_up() -> bool:
        return world.incarnations()[address] > before[address]

    await world.until(is_up)
    fills = world.fills
    await world.trades(1, AFTER_CRASH_S)
    after = world.incarnations()
    recording.restarted[address] = {name for name in after if after[name] != before[name]}
    recording.fills_after[address] = world.fills - fills


async def _crash_actor(world: World, address: str) -> None:
    fault = world.faults.arm(address, _is_a(CRASH_ON[address]))
    if address in NUDGES:
        world.post(address, NUDGES[address])
    await world.until(lambda: fault.failures == 1)


async def _crash_port(world: World, address: str) -> None:
    if address.endswith("/line"):
        # With a command in its hands: what became of it is not known to the next incarnation.
        await world.until(lambda: bool(world.system.ports[address]._pending))
    world.crash_port(address)


def _is_a(kind: type[Message]) -> Callable[[Message, Any], bool]:
    return lambda message, state: isinstance(message, kind)


async def _finish(world: World) -> Json:
    await world.pause()
    await world.reconciled()
    return await world.venue_books()


def _conclude(world: World, recording: Recording, books: Json) -> None:
    recording.differences += differences(our_books(world.folder), books)
    kept = recording.kept[world.folder] = {}
    for address in ACTORS:
        cell = world.system.cells[address]
        assert cell.fold is not None
        state = msgspec.msgpack.encode(cell.fold.state)
        kept[address] = Kept(cell.actor_id, cell.fold.seq, cell.fold.chain, state)
