"""Start: supervisors and children that start, ignore, fail, and what is wrong with specs."""

import pytest
from msgspec.structs import replace

from supervisor.child import ChildError, ChildState, Refusal
from supervisor.clock import ManualClock
from supervisor.journal import MemoryJournal
from supervisor.spec import (
    NORMAL,
    SHUTDOWN,
    Addition,
    ChildSpec,
    Ended,
    Restart,
    Shutdown,
    SpecError,
    Strategy,
    SupervisorSpec,
)
from supervisor.system import System
from tests.supervisor.conformance.world import (
    PERMANENT,
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
async def test_a_supervisor_starts_and_stops(world: World) -> None:
    """sup_start_normal."""
    async with tree(world, sup()):
        assert world.names() == []
    assert world.reason == SHUTDOWN


@conforms
async def test_a_supervisor_that_ignores_its_start_is_kept_and_does_not_run(world: World) -> None:
    """sup_start_ignore_init: our supervisors have no init, their only child decides."""
    world.modes["child1"] = ["ignore"]
    async with tree(world, sup(below("inner", world.child("child1")), world.child("child2"))):
        inner = world.at("inner")
        assert inner.which_child("child1").state is ChildState.STOPPED
        assert world.up() == ["inner", "child2"]


@conforms
async def test_a_child_that_ignores_its_start_keeps_its_spec(world: World) -> None:
    """sup_start_ignore_child."""
    world.modes["child1"] = ["ignore"]
    async with tree(world, sup()):
        assert await world.sup.start_child(world.child("child1")) is None
        started = await world.sup.start_child(world.child("child2"))
        assert started is not None
        assert world.names() == ["child1", "child2"]
        assert world.sup.which_child("child1").state is ChildState.STOPPED
        assert world.counts() == [2, 1, 0, 2]


@conforms
async def test_a_temporary_child_that_ignores_its_start_is_forgotten(world: World) -> None:
    """sup_start_ignore_temporary_child."""
    world.modes["child1"] = ["ignore"]
    children = (world.child("child1", TEMPORARY), world.child("child2", TEMPORARY))
    async with tree(world, sup(*children)):
        assert world.names() == ["child2"]
        assert world.counts() == [1, 1, 0, 1]


@conforms
async def test_a_temporary_child_added_that_ignores_is_forgotten(world: World) -> None:
    """sup_start_ignore_temporary_child_start_child."""
    world.modes["child1"] = ["ignore"]
    async with tree(world, sup()):
        assert await world.sup.start_child(world.child("child1", TEMPORARY)) is None
        await world.sup.start_child(world.child("child2", TEMPORARY))
        assert world.names() == ["child2"]
        assert world.counts() == [1, 1, 0, 1]


@conforms
@pytest.mark.parametrize("restart", [TEMPORARY, PERMANENT])
async def test_a_dynamic_child_that_ignores_is_forgotten(world: World, restart: Restart) -> None:
    """sup_start_ignore_temporary_child_start_child_simple, and _permanent_."""
    world.modes["child1"] = ["ignore", "ok"]
    async with tree(world, sup(world.child("child1", restart), strategy=DYNAMIC)):
        world.modes["1"] = ["ignore"]
        assert await world.sup.start_child(Addition()) is None
        started = await world.sup.start_child(Addition())
        assert started is not None
        assert world.names() == [started.name]
        assert world.counts() == [1, 1, 0, 1]
    assert world.reason == SHUTDOWN


@conforms
async def test_a_supervisor_whose_child_cannot_be_made_fails_and_nothing_is_left(
    world: World,
) -> None:
    """sup_start_error_return: the error names the child; those before it are stopped."""
    world.is_bad.add("child2")
    async with tree(world, sup(world.child("child1"), world.child("child2"))):
        reason = await world.ended()
        assert reason.ended is Ended.START_FAILED
        assert "/child2: Told: no such device" in str(reason)
        assert world.log == ["start child1", "stop child1"]


@conforms
async def test_a_supervisor_whose_child_fails_at_its_start_fails(world: World) -> None:
    """sup_start_fail: no stray end is told to anybody."""
    world.modes["child2"] = ["fail"]
    async with tree(world, sup(world.child("child1"), world.child("child2"))):
        reason = await world.ended()
        assert reason.ended is Ended.START_FAILED
        assert "/child2: crash: Told: cannot start" in str(reason)
        assert world.log == ["start child1", "stop child1"]


@conforms
async def test_a_child_that_does_not_start_is_not_kept(world: World) -> None:
    """sup_start_child_returns_error."""
    world.is_bad.add("child1")
    world.modes["child2"] = ["fail"]
    async with tree(world, sup()):
        for name in ("child1", "child2"):
            with pytest.raises(ChildError) as caught:
                await world.sup.start_child(world.child(name))
            assert caught.value.refusal is Refusal.START_FAILED
        assert world.names() == []


@conforms
async def test_a_child_that_does_not_start_again_by_hand_is_kept(world: World) -> None:
    """sup_start_restart_child_returns_error."""
    async with tree(world, sup(world.child("child1"))):
        await world.sup.terminate_child("child1")
        world.is_bad.add("child1")
        with pytest.raises(ChildError) as caught:
            await world.sup.restart_child("child1")
        assert caught.value.refusal is Refusal.START_FAILED
        assert world.sup.which_child("child1").state is ChildState.STOPPED


@conforms
async def test_a_dynamic_child_that_does_not_start_is_not_kept(world: World) -> None:
    """sup_start_child_returns_error_simple."""
    async with tree(world, sup(world.child("template"), strategy=DYNAMIC)):
        world.modes["1"] = ["fail"]
        with pytest.raises(ChildError) as caught:
            await world.sup.start_child(Addition())
        assert caught.value.refusal is Refusal.START_FAILED
        assert world.names() == []


@conforms
async def test_what_a_spec_does_not_say_is_otps_default(world: World) -> None:
    """sup_start_map."""
    plain = ChildSpec(name="child1", start=world.child("child1").start)
    brutal = replace(plain, name="child2", shutdown_ns=Shutdown.BRUTAL_KILL)
    inner = SupervisorSpec(name="child3")
    async with tree(world, sup(plain, brutal, inner)):
        first = world.sup.get_spec("child1")
        assert (first.restart, first.shutdown_ns) == (PERMANENT, 5 * SECOND_NS)
        assert not first.significant
        assert world.sup.get_spec("child2").shutdown_ns is Shutdown.BRUTAL_KILL
        third = world.sup.get_spec("child3")
        assert isinstance(third, SupervisorSpec)
        assert (third.restart, third.shutdown_ns) == (PERMANENT, Shutdown.INFINITY)
        assert third.strategy is Strategy.ONE_FOR_ONE
        assert (third.intensity, third.period_ns) == (1, 5 * SECOND_NS)
        with pytest.raises(ChildError) as caught:
            world.sup.get_spec("child4")
        assert caught.value.refusal is Refusal.NOT_FOUND


@conforms
async def test_the_defaults_of_a_template(world: World) -> None:
    """sup_start_map_simple: the template is the spec of every child."""
    template = ChildSpec(name="template", start=world.child("template").start)
    async with tree(world, sup(template, strategy=DYNAMIC)):
        for _ in range(3):
            started = await world.sup.start_child(Addition())
            assert started is not None
            assert world.sup.get_spec(started.name) == template
        with pytest.raises(ChildError, match="has no child template"):
            world.sup.get_spec("template")


def test_faulty_specs_start_nothing() -> None:
    """sup_start_map_faulty_specs: each fault is named; unknown keys are refused too."""
    world = World()
    good = world.child("a")
    faults = {
        "the name '' must match": replace(good, name=""),
        "start was None": replace(good, start=None),
        "restart was 'always'": replace(good, restart="always"),
        "shutdown_ns was 0": replace(good, shutdown_ns=0),
        "shutdown_ns was forever": replace(good, shutdown_ns="forever"),
        "backoff was None": replace(good, backoff=None),
    }
    for text, child in faults.items():
        with pytest.raises(SpecError) as caught:
            System(sup(child), MemoryJournal(), ManualClock())
        assert text in str(caught.value)
    assert world.starts.total() == 0
    with pytest.raises(TypeError, match="silly_flag"):
        ChildSpec(name="a", start=good.start, silly_flag=True)  # type: ignore[call-arg]  # wrong


@conforms
async def test_a_child_that_ends_at_once_has_started(world: World) -> None:
    """sup_start_normal, and a child quicker than its supervisor."""
    async with tree(world, sup(world.child("child1", TEMPORARY), world.child("child2"))):
        world.tell("child1", NORMAL)
        await quiet()
        assert world.names() == ["child2"]
