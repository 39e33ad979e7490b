"""Children that were added at run time: after a restart of their supervisor, and of the process."""

from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from state.database import Settings
from state.port import store_child
from state.store import Store
from supervisor.child import ChildError, ChildState
from supervisor.clock import wall_ns
from supervisor.journal import MemoryJournal
from supervisor.roster import Roster, instantiate
from supervisor.spec import (
    KILLED,
    Addition,
    AutoShutdown,
    Backoff,
    ChildSpec,
    Restart,
    Shutdown,
    SpecError,
    Strategy,
    SupervisorSpec,
)
from supervisor.supervisor import Supervisor
from supervisor.system import System
from supervisor.written_spec import read, written
from tests.supervisor.demo import Add, Recorder, book, post, recorder, running, settled

AT_ONCE = Backoff(min_ns=0, max_ns=0)


def pool(**settings: object) -> SupervisorSpec:
    template = ChildSpec(name="worker", start=Recorder, backoff=AT_ONCE)
    spec = SupervisorSpec(
        name="pool", children=(template,), strategy=Strategy.DYNAMIC, backoff=AT_ONCE
    )
    return replace(spec, **settings)


def tree(*children: ChildSpec | SupervisorSpec) -> SupervisorSpec:
    return SupervisorSpec(
        name="", children=children, intensity=9, auto_shutdown=AutoShutdown.ANY_SIGNIFICANT
    )


def the_pool(system: System) -> Supervisor:
    runner = system.root.find("pool").runner
    assert isinstance(runner, Supervisor)
    return runner


async def test_they_survive_the_restart_of_their_supervisor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(pool())) as run:
        await the_pool(run.system).start_child(Addition(name="w1", configuration=Add(amount=7)))
        await settled()
        run.system.root.find("pool").kill(KILLED)
        await settled()
        assert the_pool(run.system).which_child("w1").state is ChildState.RUNNING
        assert book(run.system, "/pool/w1").value == 7


async def test_without_durable_they_do_not_as_in_otp(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(pool(durable=False))) as run:
        await the_pool(run.system).start_child(Addition(name="w1"))
        run.system.root.find("pool").kill(KILLED)
        await settled()
        assert the_pool(run.system).which_children() == []
        assert "/pool/w1" not in run.system.cells


async def test_a_spec_given_by_hand_survives_its_supervisor(
    autojump_clock: trio.testing.MockClock,
) -> None:
    inner = SupervisorSpec(name="pool", backoff=AT_ONCE)
    async with running(tree(inner)) as run:
        await the_pool(run.system).start_child(recorder("a"))
        run.system.root.find("pool").kill(KILLED)
        await settled()
        assert the_pool(run.system).which_child("a").incarnation == 2


async def test_they_survive_the_process_with_their_state(tmp_path: Path) -> None:
    for boot in range(3):
        store = Store.open(tmp_path, Settings(ballast_bytes=0))
        async with running(tree(store_child(store), pool()), store, wall_ns) as run:
            at = the_pool(run.system)
            if boot == 0:
                await at.start_child(Addition(name="w1", configuration=Add(amount=40)))
                await at.start_child(Addition(name="w2"))
                numbered = await at.start_child(Addition())
                assert numbered is not None
                assert numbered.name == "1"
                post(run.system, "/pool/w1", Add(amount=2))
            elif boot == 1:
                assert [info.name for info in at.which_children()] == ["w1", "w2", "1"]
                await at.terminate_child("w2")
                await at.terminate_child("1")
            else:
                assert [info.name for info in at.which_children()] == ["w1"]
                fresh = await at.start_child(Addition())
                assert fresh is not None
                assert fresh.name == "2"
            await trio.sleep(0.05)
            assert book(run.system, "/pool/w1").value == 42


async def test_a_spec_given_by_hand_survives_the_process(tmp_path: Path) -> None:
    leaf = ChildSpec(
        name="leaf", start=partial(Recorder, "/pool/a"), shutdown_ns=Shutdown.BRUTAL_KILL,
        configuration=Add(amount=5), backoff=AT_ONCE, monitored_by=("/pool/a",),
    )  # fmt: skip
    inner = SupervisorSpec(name="inner", children=(leaf,), strategy=Strategy.REST_FOR_ONE)
    for boot in range(3):
        store = Store.open(tmp_path, Settings(ballast_bytes=0))
        pool = SupervisorSpec(name="pool", backoff=AT_ONCE)
        async with running(tree(store_child(store), pool), store, wall_ns) as run:
            at = the_pool(run.system)
            if boot == 0:
                await at.start_child(ChildSpec(name="a", start=Recorder))
                await at.start_child(inner)
                await at.start_child(recorder("of"))
            names = [info.name for info in at.which_children()]
            assert names == (["a", "inner", "of"], ["a", "inner"], ["a"])[boot]
            if boot < 2:
                assert written(at.get_spec("inner")) == written(inner)
                await trio.sleep(0.05)
                assert book(run.system, "/pool/inner/leaf").value == 5
            if boot == 1:
                await at.terminate_child("inner")
                await at.delete_child("inner")
            await trio.sleep(0.05)
            assert book(run.system, "/pool/a").value == 5


async def test_a_spec_whose_code_is_gone_fails_when_it_starts(
    autojump_clock: trio.testing.MockClock,
) -> None:
    journal = MemoryJournal()
    kept = written(ChildSpec(name="a", start=Recorder, backoff=AT_ONCE))
    assert read(kept) == ChildSpec(name="a", start=Recorder, backoff=AT_ONCE)
    gone = read(replace(kept, name="Vanished"))
    assert isinstance(gone, ChildSpec)
    with pytest.raises(SpecError, match=r"demo\.Vanished is not there any more"):
        gone.start()
    Roster(journal).add("/pool/a", Addition(name="a", spec=ChildSpec(name="a", start=Recorder)))
    (addition,) = Roster(journal).of("/pool")
    assert addition.spec == ChildSpec(name="a", start=Recorder)
    for wrong in (recorder("a"), ChildSpec(name="a", start=partial(Recorder, cast(Any, object())))):
        with pytest.raises(SpecError, match="its start"):
            written(wrong)


async def test_one_that_does_not_start_any_more_does_not_hold_up_the_others(
    autojump_clock: trio.testing.MockClock,
) -> None:
    journal = MemoryJournal()
    Roster(journal).add("/pool/bad", Addition(name="bad", arguments=(Add(amount=1),)))
    Roster(journal).add("/pool/good", Addition(name="good"))

    def start(*arguments: Add) -> Recorder:
        if arguments:
            raise RuntimeError("no such device")
        return Recorder()

    wait = Backoff(min_ns=10**12, max_ns=10**12)
    template = ChildSpec(name="worker", start=start, backoff=wait)
    async with running(tree(pool(children=(template,), intensity=9)), journal) as run:
        await settled()
        states = {i.name: i.state for i in the_pool(run.system).which_children()}
        assert states == {"bad": ChildState.BACKOFF, "good": ChildState.RUNNING}


async def test_what_waits_for_a_deleted_child_is_a_dead_letter(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(tree(recorder("a"))) as run:
        await settled()
        await run.system.root.terminate_child("a")
        post(run.system, "/a", Add(amount=1), Add(amount=2))
        await run.system.root.delete_child("a")
        reasons = [letter.reason for letter in run.system.router.dead_letters]
        assert reasons == ["its child spec was deleted"] * 2
        assert "/a" not in run.system.cells
        await run.system.root.start_child(recorder("a"))
        post(run.system, "/a", Add(amount=3))
        await settled()
        assert book(run.system, "/a").value == 3


async def test_a_child_added_again_finds_its_state(tmp_path: Path) -> None:
    store = Store.open(tmp_path, Settings(ballast_bytes=0))
    async with running(tree(store_child(store), pool()), store, wall_ns) as run:
        value = 0
        for amount in (1, 2, 3):
            await the_pool(run.system).start_child(Addition(name="w"))
            post(run.system, "/pool/w", Add(amount=amount))
            await trio.sleep(0.01)
            value = book(run.system, "/pool/w").value
            await the_pool(run.system).terminate_child("w")
        assert value == 6


def test_templates_are_found_by_name() -> None:
    a, b = recorder("a"), recorder("b")
    spec = SupervisorSpec(name="s", templates=(a, b))
    assert instantiate(spec, Addition(name="x", template="b")).name == "x"
    with pytest.raises(SpecError, match="no template 'c' below 's': there are a, b"):
        instantiate(spec, Addition(name="x", template="c"))
    with pytest.raises(SpecError, match="there are none"):
        instantiate(SupervisorSpec(name="s"), Addition(name="x"))


async def test_a_temporary_addition_is_forgotten_for_good(
    autojump_clock: trio.testing.MockClock,
) -> None:
    journal = MemoryJournal()
    template = recorder("worker", restart=Restart.TEMPORARY)
    async with running(tree(pool(children=(template,))), journal) as run:
        await the_pool(run.system).start_child(Addition(name="w"))
        assert [one.name for one in Roster(journal).of("/pool")] == ["w"]
        the_pool(run.system).find("w").kill(KILLED)
        await settled()
        assert Roster(journal).of("/pool") == []
        with pytest.raises(ChildError, match="has no child w"):
            the_pool(run.system).find("w")
