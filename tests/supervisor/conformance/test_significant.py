"""Significant children: whose ends end their supervisor, and whose do not."""

import pytest
import trio
from msgspec.structs import replace

from supervisor.child import ChildError, ChildState, Refusal
from supervisor.spec import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Addition,
    AutoShutdown,
    Ended,
    ExitReason,
    Restart,
    Strategy,
)
from tests.supervisor.conformance.world import (
    CRASH,
    ONE_FOR_ALL,
    REST_FOR_ONE,
    SHUTDOWN_TERM,
    TEMPORARY,
    TRANSIENT,
    World,
    below,
    conforms,
    quiet,
    sup,
    tree,
)

NEVER, ANY, ALL = AutoShutdown.NEVER, AutoShutdown.ANY_SIGNIFICANT, AutoShutdown.ALL_SIGNIFICANT
ORDERLY = (NORMAL, SHUTDOWN, SHUTDOWN_TERM)


async def ends_with(world: World, name: str) -> None:
    """Check that the supervisor ended, with `shutdown`, because of a child."""
    reason = await world.ended()
    assert reason.ended is Ended.SHUTDOWN
    assert f"its significant child /{name} ended" in reason.text


@conforms
@pytest.mark.parametrize("when", list(AutoShutdown))
async def test_a_temporary_child_that_is_not_significant(world: World, when: AutoShutdown) -> None:
    """nonsignificant_temporary."""
    for reason in (*ORDERLY, CRASH, KILLED):
        async with tree(world, sup(world.child("c1", TEMPORARY), auto_shutdown=when)):
            await world.exit("c1", reason)
            assert world.is_running
            assert world.names() == []


@conforms
@pytest.mark.parametrize("when", list(AutoShutdown))
async def test_a_transient_child_that_is_not_significant(world: World, when: AutoShutdown) -> None:
    """nonsignificant_transient."""
    children = [world.child(f"c{n}", TRANSIENT) for n in range(3)]
    async with tree(world, sup(*children, auto_shutdown=when)):
        for at, reason in enumerate(ORDERLY):
            await world.exit(f"c{at}", reason)
        assert world.is_running
        assert world.up() == []


@conforms
@pytest.mark.parametrize("reason", [*ORDERLY, CRASH, KILLED], ids=str)
async def test_a_temporary_child_that_is(world: World, reason: ExitReason) -> None:
    """significant_temporary: however it ends by itself."""
    children = (world.child("c1", TEMPORARY, significant=True), world.child("c2"))
    async with tree(world, sup(*children, auto_shutdown=ANY)):
        await world.exit("c1", reason)
        await ends_with(world, "c1")
        assert world.log[-1] == "stop c2"


@conforms
async def test_a_transient_child_that_is(world: World) -> None:
    """significant_transient: a crash is restarted, an orderly end ends the supervisor."""
    children = (world.child("c1", TRANSIENT, significant=True), world.child("c2"))
    async with tree(world, sup(*children, auto_shutdown=ANY)):
        await world.exit("c1", CRASH)
        assert world.up() == ["c1", "c2"]
        await world.exit("c1", SHUTDOWN)
        await ends_with(world, "c1")


@conforms
async def test_the_last_of_all_significant_children(world: World) -> None:
    """significant_temporary and _transient, with all_significant."""
    children = (
        world.child("c1", TEMPORARY, significant=True),
        world.child("c2", TRANSIENT, significant=True),
        world.child("c3", TEMPORARY),
    )
    async with tree(world, sup(*children, auto_shutdown=ALL)):
        await world.exit("c1", CRASH)
        await world.exit("c2", CRASH)
        assert world.up() == ["c2", "c3"]
        await world.exit("c2", NORMAL)
        await ends_with(world, "c2")


@conforms
@pytest.mark.parametrize("when", [ANY, ALL])
async def test_what_is_stopped_by_hand_does_not_count(world: World, when: AutoShutdown) -> None:
    """significant_temporary and _transient, terminated through the interface."""
    children = (
        world.child("c1", TEMPORARY, significant=True),
        world.child("c2", TRANSIENT, significant=True),
    )
    async with tree(world, sup(*children, auto_shutdown=when)):
        for name in ("c1", "c2"):
            await world.sup.terminate_child(name)
        await quiet()
        assert world.is_running
        assert world.names() == ["c2"]


@conforms
@pytest.mark.parametrize("when", [ANY, ALL])
async def test_dynamic_children(world: World, when: AutoShutdown) -> None:
    """significant_simple."""
    template = world.child("template", TEMPORARY, significant=True)
    async with tree(world, sup(template, strategy=Strategy.DYNAMIC, auto_shutdown=when)):
        for _ in range(3):
            await world.sup.start_child(Addition())
        await world.sup.terminate_child("3")
        assert world.is_running
        await world.exit("1", NORMAL)
        assert world.is_running == (when is ALL)
        if when is ALL:
            await world.exit("2", CRASH)
        await ends_with(world, "1" if when is ANY else "2")


@conforms
@pytest.mark.parametrize("when", [ANY, ALL])
@pytest.mark.parametrize("strategy", [ONE_FOR_ALL, REST_FOR_ONE])
async def test_bystanders_do_not_count(
    world: World, when: AutoShutdown, strategy: Strategy
) -> None:
    """significant_bystander."""
    children = (
        world.child("c1"),
        world.child("c2", TEMPORARY, significant=True),
        world.child("c3", TRANSIENT, significant=True),
    )
    async with tree(world, sup(*children, strategy=strategy, auto_shutdown=when)):
        await world.exit("c1", CRASH)
        assert world.is_running
        assert world.up() == ["c1", "c3"]
        # The one that was a bystander is gone, so the other is the last.
        await world.exit("c3", NORMAL)
        await ends_with(world, "c3")


@conforms
async def test_significance_goes_up_the_tree(world: World) -> None:
    """significant_escalation."""
    leaf = world.child("leaf", TEMPORARY, significant=True)
    inner = below("inner", leaf, auto_shutdown=ANY, restart=TRANSIENT, significant=True)
    async with tree(world, sup(inner, world.child("other"), auto_shutdown=ANY)):
        await world.exit("leaf", CRASH, world.at("inner"))
        await ends_with(world, "inner")


def significant_pair(world: World, *, significant: bool) -> list[object]:
    return [world.child(name, TEMPORARY, significant=significant) for name in ("c1", "c2")]


@conforms
@pytest.mark.parametrize(
    ("before", "after"),
    [(NEVER, ANY), (ANY, NEVER), (NEVER, ALL), (ALL, NEVER), (ANY, ALL), (ALL, ANY)],
)
async def test_the_mode_is_changed_while_it_runs(
    world: World, before: AutoShutdown, after: AutoShutdown
) -> None:
    """significant_upgrade_never_any, _any_never, _never_all, _all_never, _any_all, _all_any."""

    def spec(when: AutoShutdown) -> object:
        children = significant_pair(world, significant=when is not NEVER)
        return sup(*children, auto_shutdown=when)  # type: ignore[arg-type]  # specs, see above

    async with tree(world, spec(before)):  # type: ignore[arg-type]  # a spec, see above
        await world.sup.apply_specs(spec(after))  # type: ignore[arg-type]  # a spec, see above
        await world.exit("c1", NORMAL)
        assert world.is_running == (after is not ANY)
        if after is not ANY:
            await world.exit("c2", NORMAL)
            assert world.is_running == (after is NEVER)
        if after is NEVER:
            assert world.names() == []
        else:
            await ends_with(world, "c1" if after is ANY else "c2")


@conforms
async def test_a_child_becomes_significant_while_it_runs(world: World) -> None:
    """significant_upgrade_child."""
    child = world.child("c1", TRANSIENT)
    async with tree(world, sup(child, world.child("c2"), auto_shutdown=ANY)):
        await world.exit("c1", NORMAL)
        await world.sup.restart_child("c1")
        assert world.is_running
        changed = replace(child, significant=True)
        await world.sup.apply_specs(sup(changed, world.child("c2"), auto_shutdown=ANY))
        await world.exit("c1", NORMAL)
        await ends_with(world, "c1")


@conforms
async def test_a_significant_child_needs_a_supervisor_that_heeds_it(world: World) -> None:
    """A spec that could never have an effect is refused: at the start and while running."""
    async with tree(world, sup(world.child("c1"))):
        wrong = sup(world.child("c1", TRANSIENT, significant=True))
        with pytest.raises(ChildError) as caught:
            await world.sup.apply_specs(wrong)
        assert caught.value.refusal is Refusal.BAD_SPEC
        permanent = world.child("c2", Restart.PERMANENT, significant=True)
        with pytest.raises(ChildError, match="may not be permanent"):
            await world.sup.start_child(permanent)
        await trio.sleep(1)
        assert world.sup.which_child("c1").state is ChildState.RUNNING
