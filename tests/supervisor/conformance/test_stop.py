"""Stop: asked for, limited in time, brutal, all at once, and children that end by themselves."""

import pytest
import trio

from supervisor.child import ChildError, ChildState
from supervisor.spec import KILLED, NORMAL, SHUTDOWN, Addition, Ended, Shutdown, Strategy
from tests.supervisor.conformance.world import (
    CRASH,
    REASONS,
    SHUTDOWN_TERM,
    TEMPORARY,
    World,
    below,
    conforms,
    quiet,
    sup,
    tree,
)
from tests.supervisor.demo import SECOND_NS

DYNAMIC = Strategy.DYNAMIC


@conforms
async def test_infinity_is_for_supervisors_and_workers(world: World) -> None:
    """sup_stop_infinity: both end by themselves, however long that takes."""
    inner = below("child1", world.child("slow"))
    slow = world.child("child2", shutdown_ns=Shutdown.INFINITY)
    world.stubborn = {"slow": 3.0, "child2": 40.0}
    async with tree(world, sup(inner, slow)):
        children = world.sup.children
    assert [child.last_exit for child in children] == [SHUTDOWN, SHUTDOWN]
    assert world.reason == SHUTDOWN


@conforms
async def test_the_polite_one_is_shut_down_and_the_sleeper_killed(world: World) -> None:
    """sup_stop_timeout."""
    children = [world.child(name, shutdown_ns=SECOND_NS) for name in ("child1", "child2")]
    world.stubborn["child2"] = 1.5
    async with tree(world, sup(*children)):
        first, second = world.sup.children
    assert (first.last_exit, second.last_exit) == (SHUTDOWN, KILLED)


@conforms
async def test_dynamic_children_share_one_time_limit(world: World) -> None:
    """sup_stop_timeout_dynamic: ten sleepers are killed together, not one after another."""
    template = world.child("template", shutdown_ns=SECOND_NS)
    async with tree(world, sup(template, strategy=DYNAMIC)):
        for _ in range(10):
            await world.sup.start_child(Addition())
        world.stubborn = {str(n): 1.5 for n in range(1, 11)}
        children = world.sup.children
        began_s = trio.current_time()
        world.system.request_stop()
        await world.ended()
        assert trio.current_time() - began_s < 2
    assert [child.last_exit for child in children] == [KILLED] * 10


@conforms
async def test_brutal_kill_asks_nobody(world: World) -> None:
    """sup_stop_brutal_kill."""
    brutal = world.child("child2", shutdown_ns=Shutdown.BRUTAL_KILL)
    async with tree(world, sup(world.child("child1"), brutal)):
        first, second = world.sup.children
    assert (first.last_exit, second.last_exit) == (SHUTDOWN, KILLED)


@conforms
async def test_brutal_kill_of_dynamic_children(world: World) -> None:
    """sup_stop_brutal_kill_dynamic."""
    template = world.child("template", shutdown_ns=Shutdown.BRUTAL_KILL)
    async with tree(world, sup(template, strategy=DYNAMIC)):
        for _ in range(10):
            await world.sup.start_child(Addition())
        children = world.sup.children
    assert [child.last_exit for child in children] == [KILLED] * 10


@conforms
async def test_children_that_end_while_they_are_stopped(world: World) -> None:
    """sup_stop_race: twelve end by themselves, for any reason, in the moment of the stop."""
    names = [f"c{n}" for n in range(12)]
    async with tree(world, sup(*(world.child(name) for name in names))):
        world.system.request_stop()
        for at, name in enumerate(names):
            world.tell(name, (NORMAL, SHUTDOWN, SHUTDOWN_TERM, CRASH)[at % 4])
        await world.ended()
        children = world.sup.children
    assert {child.state for child in children} == {ChildState.STOPPED}
    assert world.reason == SHUTDOWN


@conforms
async def test_dynamic_children_that_end_otherwise_while_they_are_stopped(world: World) -> None:
    """sup_stop_non_shutdown_exit_dynamic: a crash during the stop wedges nothing."""
    async with tree(world, sup(world.child("template"), strategy=DYNAMIC)):
        for _ in range(10):
            await world.sup.start_child(Addition())
        world.sore = {str(n) for n in range(1, 11)}
        children = world.sup.children
    ends = {child.last_exit.ended for child in children if child.last_exit}
    assert ends == {Ended.CRASH}
    assert world.reason == SHUTDOWN


@conforms
async def test_a_child_that_ignores_even_the_kill_is_left_behind_and_reported(
    world: World,
) -> None:
    """Ours: cancellation is a request, so the kill has a grace after which a person is told."""
    children = (world.child("child1"), world.child("child2", shutdown_ns=SECOND_NS))
    world.stubborn["child2"] = 30.0
    async with tree(world, sup(*children)):
        await world.sup.terminate_child("child2")
        assert world.sup.which_child("child2").state is ChildState.UNKILLABLE
        assert world.run is not None
        assert world.run.reports == [("unkillable", "/child2")]
        assert world.up() == ["child1"]
        await trio.sleep(40)
        # It ended after all: it can be started again.
        await world.sup.restart_child("child2")
        assert world.up() == ["child1", "child2"]
        world.stubborn.clear()


@conforms
async def test_a_start_that_hangs_does_not_hold_up_the_stop(world: World) -> None:
    """Ours: whoever waits for a child to become ready hears that it is to stop."""
    world.modes["child2"] = ["hang"]
    async with tree(world, sup(below("inner", world.child("child1")))):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_start_refused, world)
            await quiet()
            world.system.request_stop()
            began_s = trio.current_time()
            await world.ended()
        assert trio.current_time() - began_s < 1
    assert world.log == ["start child1", "stop child1"]


async def _start_refused(world: World) -> None:
    with pytest.raises(ChildError, match="/child2"):
        await world.sup.start_child(world.child("child2"))


@conforms
async def test_a_temporary_child_ends_for_any_reason_while_its_supervisor_goes_on(
    world: World,
) -> None:
    """sup_stop_race, without the stop: nothing is left of any of them."""
    async with tree(world, sup(*(world.child(f"c{n}", TEMPORARY) for n in range(5)))):
        for at, reason in enumerate(REASONS):
            await world.exit(f"c{at}", reason)
        assert world.names() == []
        assert world.is_running
