"""Strategies: who is restarted with whom, in which order, and when a supervisor gives up."""

import gc
import weakref

import pytest
import trio

from supervisor.child import ChildState
from supervisor.spec import Addition, Ended, Restart, Strategy
from tests.supervisor.conformance.world import (
    CRASH,
    ONE_FOR_ALL,
    PERMANENT,
    REST_FOR_ONE,
    TEMPORARY,
    TRANSIENT,
    World,
    conforms,
    quiet,
    sup,
    tree,
)
from tests.supervisor.demo import SECOND_NS, Add

DYNAMIC = Strategy.DYNAMIC
THREE = ("c1", "c2", "c3")


async def escalates(world: World, name: str) -> None:
    """Crash a child once more than is allowed."""
    await world.exit(name, CRASH)
    reason = await world.ended()
    assert reason.ended is Ended.SHUTDOWN
    assert "more than 0 restarts of its children" in reason.text
    assert world.system.registry.running == []


@conforms
async def test_one_for_one(world: World) -> None:
    """one_for_one."""
    async with tree(world, sup(*map(world.child, THREE))):
        world.log.clear()
        await world.exit("c2", CRASH)
        assert world.log == ["stop c2", "start c2"]
        assert [world.incarnation(name) for name in THREE] == [1, 2, 1]
        await world.exit("c2", CRASH)
        assert world.up() == list(THREE)


@conforms
async def test_one_for_one_gives_up(world: World) -> None:
    """one_for_one_escalation."""
    async with tree(world, sup(*map(world.child, THREE), intensity=0)):
        await escalates(world, "c1")
        assert world.log[-3:] == ["stop c1", "stop c3", "stop c2"]


@conforms
async def test_one_for_all(world: World) -> None:
    """one_for_all: the others stop in reverse order of start, all start in order."""
    async with tree(world, sup(*map(world.child, THREE), strategy=ONE_FOR_ALL)):
        world.log.clear()
        await world.exit("c2", CRASH)
        assert world.log == ["stop c2", "stop c3", "stop c1", "start c1", "start c2", "start c3"]
        assert [world.incarnation(name) for name in THREE] == [2, 2, 2]


@conforms
async def test_one_for_all_gives_up(world: World) -> None:
    """one_for_all_escalation."""
    async with tree(world, sup(*map(world.child, THREE), strategy=ONE_FOR_ALL, intensity=0)):
        await escalates(world, "c2")
        assert world.log[-3:] == ["stop c2", "stop c3", "stop c1"]


@conforms
async def test_one_for_all_when_another_child_fails_to_restart(world: World) -> None:
    """one_for_all_other_child_fails_restart: all that restarted already stop, and all start."""
    async with tree(world, sup(*map(world.child, THREE), strategy=ONE_FOR_ALL)):
        world.log.clear()
        world.modes["c2"] = ["fail", "ok"]
        await world.exit("c1", CRASH)
        assert world.log == [
            "stop c1", "stop c3", "stop c2",
            "start c1", "stop c1",
            "start c1", "start c2", "start c3",
        ]  # fmt: skip
        assert world.up() == list(THREE)


@conforms
async def test_rest_for_one(world: World) -> None:
    """rest_for_one."""
    async with tree(world, sup(*map(world.child, THREE), strategy=REST_FOR_ONE)):
        world.log.clear()
        await world.exit("c2", CRASH)
        assert world.log == ["stop c2", "stop c3", "start c2", "start c3"]
        assert [world.incarnation(name) for name in THREE] == [1, 2, 2]


@conforms
async def test_rest_for_one_gives_up(world: World) -> None:
    """rest_for_one_escalation."""
    async with tree(world, sup(*map(world.child, THREE), strategy=REST_FOR_ONE, intensity=0)):
        await escalates(world, "c1")


@conforms
async def test_rest_for_one_when_another_child_fails_to_restart(world: World) -> None:
    """rest_for_one_other_child_fails_restart: those before it stay, it and the rest start."""
    async with tree(world, sup(*map(world.child, THREE), strategy=REST_FOR_ONE)):
        world.log.clear()
        world.modes["c2"] = ["fail", "ok"]
        await world.exit("c1", CRASH)
        assert world.log == [
            "stop c1", "stop c3", "stop c2", "start c1", "start c2", "start c3",
        ]  # fmt: skip
        assert [world.starts[name] for name in THREE] == [2, 2, 2]
        assert world.up() == list(THREE)


@conforms
async def test_a_template_restarts_each_alone(world: World) -> None:
    """simple_one_for_one."""
    async with tree(world, sup(world.child("template"), strategy=DYNAMIC)):
        for _ in range(2):
            await world.sup.start_child(Addition())
        await world.exit("1", CRASH)
        assert world.up() == ["1", "2"]
        assert [world.incarnation(name) for name in ("1", "2")] == [2, 1]


@conforms
async def test_dynamic_children_stop_in_parallel_and_in_time(world: World) -> None:
    """simple_one_for_one_shutdown: within one time limit, and no sooner than they are ready."""
    template = world.child("template", shutdown_ns=SECOND_NS)
    async with tree(world, sup(template, strategy=DYNAMIC)):
        for _ in range(20):
            await world.sup.start_child(Addition())
        world.stubborn = {str(n): 0.5 for n in range(1, 21)}
        children = world.sup.children
        began_s = trio.current_time()
        world.system.request_stop()
        await world.ended()
        assert 0.5 <= trio.current_time() - began_s < 1
    assert {str(child.last_exit) for child in children} == {"shutdown"}


@conforms
async def test_arguments_are_used_at_each_restart(world: World) -> None:
    """simple_one_for_one_extra."""
    async with tree(world, sup(world.child("template"), strategy=DYNAMIC)):
        await world.sup.start_child(Addition(arguments=(Add(amount=3), Add(amount=4))))
        assert world.arguments["1"] == (Add(amount=3), Add(amount=4))
        world.arguments.clear()
        await world.exit("1", CRASH)
        assert world.arguments["1"] == (Add(amount=3), Add(amount=4))


@conforms
async def test_a_template_gives_up(world: World) -> None:
    """simple_one_for_one_escalation."""
    async with tree(world, sup(world.child("template"), strategy=DYNAMIC, intensity=0)):
        for _ in range(3):
            await world.sup.start_child(Addition())
        await escalates(world, "2")


@conforms
async def test_a_dynamic_child_that_ignores_its_restart_is_forgotten(world: World) -> None:
    """simple_one_for_one_corruption, and the case of a restart that returns ignore."""
    async with tree(world, sup(world.child("template"), strategy=DYNAMIC)):
        world.modes["1"] = ["ok", "ignore"]
        for _ in range(2):
            await world.sup.start_child(Addition())
        await world.exit("1", CRASH)
        assert world.names() == ["2"]
        await world.exit("2", CRASH)
        assert world.up() == ["2"]


@conforms
@pytest.mark.parametrize("strategy", list(Strategy))
async def test_nothing_of_a_temporary_child_is_kept(world: World, strategy: Strategy) -> None:
    """The case that looks at the heap: what a temporary child was started with is let go."""

    class Weight:
        def __call__(self) -> object:
            return world._make("heavy")

    weight = Weight()
    gone = weakref.ref(weight)
    template = world.child("template", TEMPORARY)
    spec = sup(template if strategy is DYNAMIC else world.child("c1"), strategy=strategy)
    async with tree(world, spec):
        if strategy is DYNAMIC:
            started = await world.sup.start_child(Addition(arguments=(Add(amount=1),)))
            assert started is not None
            name = started.name
            del weight
        else:
            await world.sup.start_child(world.child("heavy", TEMPORARY, start=weight))
            name = "heavy"
            del weight
        await world.exit(name, CRASH)
        await trio.sleep(1)
        gc.collect()
        assert name not in world.names()
        assert gone() is None
        assert f"/{name}" not in world.system.ports


@conforms
@pytest.mark.parametrize("restart", [PERMANENT, TRANSIENT])
async def test_a_restart_that_fails_is_counted_and_tried_again(
    world: World, restart: Restart
) -> None:
    """Failed restarts count: three failures are more than two restarts."""
    async with tree(world, sup(world.child("c1", restart), world.child("c2"))):
        world.modes["c1"] = ["fail", "ok"]
        await world.exit("c1", CRASH)
        assert world.up() == ["c1", "c2"]
        assert world.system.restarts == 2
        world.modes["c1"] = ["fail"]
        await world.exit("c1", CRASH)
        assert (await world.ended()).ended is Ended.SHUTDOWN


@conforms
async def test_restarts_are_forgotten_with_the_period(world: World) -> None:
    """The window slides: the third restart within it is one too many, later it is not."""
    async with tree(world, sup(world.child("c1"), period_ns=10 * SECOND_NS)):
        for _ in range(6):
            await world.exit("c1", CRASH)
            await trio.sleep(6)
        assert world.is_running
        await world.exit("c1", CRASH)
        await world.exit("c1", CRASH)
        assert not world.is_running


@conforms
async def test_a_child_stopped_by_hand_is_started_with_all(world: World) -> None:
    """one_for_all and rest_for_one start every child that is kept, also one that was stopped."""
    async with tree(world, sup(*map(world.child, THREE), strategy=ONE_FOR_ALL)):
        await world.sup.terminate_child("c3")
        await quiet()
        assert world.sup.which_child("c3").state is ChildState.STOPPED
        await world.exit("c1", CRASH)
        assert world.up() == list(THREE)
