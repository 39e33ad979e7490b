"""Newer code on what older code wrote: migrated, upcast, refused, or gone on with."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import trio
import trio.testing

from actors.ledger import Ledger
from actors.risk.gate import Risk
from actors.sleeves.sleeve import Sleeve
from bot.daemon import exit_code_of
from messages.base import Message
from messages.money import Alert, Severity
from state.database import DATABASE_NAME, Settings
from state.port import store_child
from state.store import Store
from supervisor.actor import Actor, AnyState, Context, State
from supervisor.clock import wall_ns
from supervisor.spec import AutoShutdown, ChildSpec, Poison, SupervisorSpec
from supervisor.system import System
from tests.supervisor import demo
from tests.whole.lives import Recording
from tests.whole.world import SLEEVES, VAULT, World, copy_database, running


class Paid(Message, frozen=True, kw_only=True, tag="versions.Paid"):
    cents: int

    def upcast(self) -> Message:
        return PaidMinor(amount_minor=self.cents * 100)


class PaidMinor(Message, frozen=True, kw_only=True, tag="versions.PaidMinor"):
    amount_minor: int


class OldPurse(State):
    cents: int = 0


class OldTill(Actor[OldPurse]):
    def on_paid(self, state: OldPurse, message: Paid, ctx: Context) -> None:
        state.cents += message.cents
        ctx.after("close", message.cents)


class Purse(State):
    amount_minor: int = 0


class Till(Actor[Purse]):
    version: ClassVar[int] = 2

    def on_paid(self, state: Purse, message: PaidMinor, ctx: Context) -> None:
        state.amount_minor += message.amount_minor
        ctx.after("close", message.amount_minor // 100)

    def migrate(self, state: bytes, from_version: int) -> Purse:
        assert from_version == 1
        return Purse(msgspec.msgpack.decode(state, type=OldPurse).cents * 100)


@asynccontextmanager
async def till(folder: Path, kind: type[Actor[Any]]) -> AsyncIterator[System]:
    """Run one till, an actor of money, on the real store."""
    store = Store.open(folder, Settings(ballast_bytes=0))
    children = (
        store_child(store),
        ChildSpec(name="till", start=kind, poison=Poison.BLOCK),
    )
    spec = SupervisorSpec(name="", children=children, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT)
    async with demo.running(spec, store, wall_ns) as run:
        yield run.system


async def pay(system: System, message: Message) -> None:
    system.router.post(0, "/till", message)
    await trio.testing.wait_all_tasks_blocked(0.01)
    await system.journal.committed()


def purse(system: System) -> AnyState:
    fold = system.cells["/till"].fold
    assert fold is not None
    return fold.state


async def test_a_snapshot_of_an_older_version_is_migrated(tmp_path: Path) -> None:
    async with till(tmp_path, OldTill) as system:
        await pay(system, Paid(cents=7))
    async with till(tmp_path, Till) as system:
        assert purse(system) == Purse(700)
        await pay(system, PaidMinor(amount_minor=11))
        assert purse(system) == Purse(711)
    # Once it stopped, its snapshot is of today's version.
    async with till(tmp_path, Till) as system:
        assert purse(system) == Purse(711)


async def test_a_version_without_migration_names_the_remedy(tmp_path: Path) -> None:
    class Hasty(OldTill):
        version = 3

    async with till(tmp_path, OldTill) as system:
        await pay(system, Paid(cents=7))
    with pytest.raises(BaseExceptionGroup) as raised:
        async with till(tmp_path, Hasty) as system:
            raise AssertionError("it started")
    assert raised.group_contains(AssertionError)


async def test_a_superseded_message_in_an_old_journal_is_upcast(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, killed = tmp_path / "first", tmp_path / "killed"
    async with till(first, OldTill) as system:
        await pay(system, Paid(cents=7))
        await pay(system, Paid(cents=3))
        killed.mkdir()
        copy_database(first / DATABASE_NAME, killed / DATABASE_NAME)
    monkeypatch.setattr(Paid, "superseded_by", PaidMinor)

    class NewTill(Till):
        """What a class handles is found out once: this one comes after the supersession."""

    # Killed before its first snapshot: all that it handled is folded by the new code.
    async with till(killed, NewTill) as system:
        assert purse(system) == Purse(1_000)


def changed(monkeypatch: pytest.MonkeyPatch, kind: type[Actor[Any]], handler: str) -> None:
    """Have a handler of the production tree do more than the release did that wrote the journal."""
    before = getattr(kind, handler)

    @wraps(before)
    def handle(self: Actor[Any], state: AnyState, message: Message, ctx: Context) -> None:
        before(self, state, message, ctx)
        ctx.send("/alerts", Alert(severity=Severity.NOTICE, subject="new", text="one more"))

    monkeypatch.setattr(kind, handler, handle)


@pytest.mark.check
@pytest.mark.parametrize(("kind", "handler"), [(Ledger, "on_top"), (Risk, "on_request")])
async def test_a_changed_actor_of_money_refuses_its_old_tail(
    recording: Recording,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    kind: type[Actor[Any]],
    handler: str,
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(recording.cut, folder)
    changed(monkeypatch, kind, handler)
    world = World(folder)
    with trio.fail_after(20):
        reason = await world.system.run()
    await world.close()
    assert exit_code_of(reason) == 8
    text = str(reason)
    assert f"{ADDRESSES[kind]} is not deterministic" in text
    assert "start the release that wrote it, stop it in good order" in text
    assert "restore a backup" in text
    # Nothing was traded, nothing written that the older release could not read.
    monkeypatch.undo()
    async with running(folder) as world:
        await world.trades(1)


@pytest.mark.check
async def test_a_changed_sleeve_goes_on(
    recording: Recording,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    folder = tmp_path / "data"
    shutil.copytree(recording.cut, folder)
    changed(monkeypatch, Sleeve, "on_top")
    async with running(folder) as world:
        await world.trades(1)
    for sleeve in SLEEVES:
        assert f"{sleeve} is not deterministic" in caplog.text


ADDRESSES: dict[type[Actor[Any]], str] = {Ledger: f"{VAULT}/ledger", Risk: "/risk"}
