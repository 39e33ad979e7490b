"""Actors whose handlers run in a process of their own: real processes, real time."""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace

from state.database import Settings
from state.store import Store
from supervisor.cell import Cell
from supervisor.clock import ManualClock
from supervisor.introspect import Inspector
from supervisor.journal import MemoryJournal
from supervisor.process import ProcessCell
from supervisor.spec import (
    Backoff,
    ChildSpec,
    Ended,
    Isolation,
    Poison,
    ProcessLimits,
    SpecError,
    SupervisorSpec,
)
from supervisor.system import System
from supervisor.worker import made
from tests.supervisor.demo import SECOND_NS, Running, post, running
from tests.supervisor.isolated import Count, Counted, Isolated, Misbehave

LIMITS = ProcessLimits(memory_bytes=250_000_000, step_ns=5 * SECOND_NS)
SHORT = replace(LIMITS, step_ns=SECOND_NS // 5)
WAIT_S = 20


def tree(isolation: Isolation = Isolation.PROCESS, **settings: object) -> SupervisorSpec:
    child = ChildSpec(
        name="a", start=partial(Isolated, 2, to="/sibling"), isolation=isolation, process=LIMITS,
        backoff=Backoff(min_ns=0, max_ns=0),
    )  # fmt: skip
    children = (ChildSpec(name="sibling", start=Isolated), replace(child, **settings))
    return SupervisorSpec(name="", children=children, intensity=20)


async def until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(WAIT_S):
        while not holds():  # noqa: ASYNC110 - what other processes do sets no event
            await trio.sleep(0.005)


def cell_of(run: Running) -> ProcessCell:
    cell = run.system.cells["/a"]
    assert isinstance(cell, ProcessCell)
    return cell


async def handled(run: Running, count: int) -> None:
    await until(lambda: cell_of(run).mailbox.queued == 0 and cell_of(run).seq >= count)


async def state_of(run: Running) -> Counted:
    """Return the state as the process has it, of after the last message."""
    cell = cell_of(run)
    with trio.fail_after(WAIT_S):
        while True:
            fold = cell.fold_to_look_at()
            if fold is not None and fold.seq == cell.seq:
                assert isinstance(fold.state, Counted)
                return fold.state
            await trio.sleep(0.005)


def exits(run: Running) -> str:
    return str(run.system.root.find("a").last_exit)


async def test_its_handlers_run_in_another_process_and_all_else_here() -> None:
    async with running(tree()) as run:
        post(run.system, "/a", *(Count(amount=n) for n in range(20)))
        await handled(run, 22)
        state = await state_of(run)
        assert state.value == 2 * sum(range(20))
        assert state.told == ["booted 1", "timer later"]
        assert cell_of(run).pid not in (0, os.getpid())
        assert run.system.cells["/sibling"].mailbox.handled == 22
        assert len(run.system.router.dead_letters) == 0
        stats = Inspector(run.system).stats("/a")
        assert (stats.kind, stats.state, stats.handled) == ("process", "running", 22)
        assert Inspector(run.system).steps("/a")[3].effects[0].startswith("send /sibling")
        pid = cell_of(run).pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.parametrize(
    ("how", "ended", "words"),
    [
        ("raise", Ended.CRASH, "HandlerError: RuntimeError: told to"),
        ("kill", Ended.KILLED, "was ended by SIGKILL"),
        ("exit", Ended.CRASH, "ended with 3"),
        ("eat", Ended.CRASH, "needed more than its 250000000 bytes"),
        ("spin", Ended.STUCK, "used 200 ms of time on one message, the budget is 200 ms"),
    ],
)
async def test_what_ends_the_process_is_an_exit_reason_and_its_message_is_set_aside(
    how: str, ended: Ended, words: str
) -> None:
    async with running(tree(process=SHORT if how == "spin" else LIMITS)) as run:
        post(run.system, "/a", Count(amount=1), Count(amount=2))
        await handled(run, 3)
        before = await state_of(run)
        post(run.system, "/a", Misbehave(how=how), Count(amount=4))
        # What kills the process leaves it open which of two messages did: a third start finds out.
        restarts = 2 if how == "raise" else 3
        await until(lambda: run.system.root.find("a").restarts == restarts)
        assert len(list(run.system.journal.quarantined())) == 1
        last = run.system.root.find("a").last_exit
        assert last is not None
        assert last.ended is ended
        assert words in str(last)
        await handled(run, 5)
        after = await state_of(run)
        # From the snapshot and the turns since: the same, but for what came after.
        assert after.value == before.value + 8
        assert after.ids[:2] == before.ids
        assert "quarantined isolated.Misbehave" in after.told
        assert ("stuck" in after.told) == (how == "spin")
        assert run.system.cells["/sibling"].incarnation == 1


async def test_killed_from_outside_it_loses_nothing() -> None:
    async with running(tree()) as run:
        for round_number in range(3):
            post(run.system, "/a", *(Count(amount=1) for _ in range(50)))
            await trio.sleep(0.01)
            if cell_of(run).pid:
                os.kill(cell_of(run).pid, 9)
            await handled(run, 50 * (round_number + 1))
        assert (await state_of(run)).value == 300
        assert cell_of(run).incarnation > 1
        assert list(run.system.journal.quarantined()) == []


async def test_money_in_a_process_is_blocked_rather_than_skipped() -> None:
    async with running(tree(poison=Poison.BLOCK)) as run:
        post(run.system, "/a", Misbehave(how="kill"), Count(amount=4))
        await until(lambda: cell_of(run).blocked is not None)
        cell_of(run).release(discard=True, operator="alice", reason="a test")
        await handled(run, 2)
        assert (await state_of(run)).value == 8


async def test_a_state_is_replaced_there() -> None:
    async with running(tree()) as run:
        look = Inspector(run.system)
        post(run.system, "/a", Count(amount=1))
        await handled(run, 2)
        await state_of(run)
        look.suspend("/a")
        row = look.state("/a")
        look.replace("/a", row.seq, row.state.replace('"value":2', '"value":90'), "alice", "a test")
        await handled(run, 3)
        look.resume("/a")
        assert (await state_of(run)).value == 90


async def test_what_a_process_did_is_folded_here_to_the_same_chain(tmp_path: Path) -> None:
    """The journal of an isolated actor, killed without a snapshot, is folded in process."""
    counts = [Count(amount=n) for n in range(30)]
    lives = [
        await _live(tmp_path, Isolation.PROCESS, counts),
        await _live(tmp_path, Isolation.NONE, []),
        await _live(tmp_path, Isolation.PROCESS, []),
    ]
    # A fold whose chain were another would not have started.
    assert [chain for _, chain in lives] == [lives[0][1]] * 3
    assert [value for value, _ in lives] == [870] * 3
    assert lives[0][1] != bytes(16)


async def _live(folder: Path, isolation: Isolation, messages: list[Count]) -> tuple[int, bytes]:
    """Run a tree on the journal in `folder`, without a snapshot at its end."""
    async with storing(folder) as store, running(tree(isolation), store) as run:
        cell = run.system.cells["/a"]
        post(run.system, "/a", *messages)
        # Booted, the messages and the timer of one of them.
        await until(lambda: cell.mailbox.handled == (len(messages) + 2 if messages else 1))
        seq = cell.seq
        await until(lambda: _at(cell) == seq)
        fold = cell.fold_to_look_at()
        assert fold is not None
        await store.committed()
        cell.take_snapshot = _no_snapshot  # type: ignore[method-assign]  # as a kill would
        return fold.state.value, fold.chain


def _at(cell: Cell) -> int:
    fold = cell.fold_to_look_at()
    return fold.seq if fold is not None else -1


def _no_snapshot() -> None:
    pass


@asynccontextmanager
async def storing(folder: Path) -> AsyncIterator[Store]:
    store = Store.open(folder, Settings(ballast_bytes=0))
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        yield store
        await store.aclose()


def test_how_it_is_made_must_be_plain() -> None:
    assert made(ChildSpec(name="a", start=Isolated)).name == "Isolated"
    with pytest.raises(SpecError, match="must be the actor's class"):
        made(ChildSpec(name="a", start=lambda: Isolated(3)))
    wrongs: list[Any] = [object(), (1, 2), {1, 2}]
    for wrong in wrongs:
        with pytest.raises(SpecError, match="plain"):
            made(ChildSpec(name="a", start=partial(Isolated, to=wrong)))


async def test_a_process_loads_what_its_actor_needs_and_gets_no_environment() -> None:
    async with running(tree()) as run:
        pid = cell_of(run).pid
        assert Path(f"/proc/{pid}/environ").read_bytes() == b""
        mapped = Path(f"/proc/{pid}/maps").read_text()
        assert "apsw" not in mapped
        assert "numpy" not in mapped


async def test_a_simulation_runs_the_handlers_here() -> None:
    system = System(tree(), MemoryJournal(), ManualClock(), isolates=False)
    assert type(system.cells["/a"]) is Cell
