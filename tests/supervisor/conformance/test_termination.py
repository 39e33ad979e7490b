"""Termination: what each restart type makes of each reason."""

import logging

import pytest

from supervisor.child import ChildState
from supervisor.spec import KILLED, NORMAL, SHUTDOWN, ExitReason, Restart
from tests.supervisor.conformance.world import (
    CRASH,
    ONE_FOR_ALL,
    PERMANENT,
    REST_FOR_ONE,
    SHUTDOWN_TERM,
    TEMPORARY,
    TRANSIENT,
    World,
    below,
    conforms,
    sup,
    tree,
)
from tests.supervisor.demo import recorder

ORDERLY = (NORMAL, SHUTDOWN, SHUTDOWN_TERM)
ABNORMAL = (CRASH, KILLED)


@conforms
@pytest.mark.parametrize("reason", [*ORDERLY, *ABNORMAL], ids=str)
async def test_a_permanent_child_is_always_restarted(world: World, reason: ExitReason) -> None:
    """permanent_normal, permanent_shutdown, permanent_abnormal."""
    async with tree(world, sup(world.child("child1"))):
        await world.exit("child1", reason)
        assert world.incarnation("child1") == 2
        assert world.counts() == [1, 1, 0, 1]


@conforms
@pytest.mark.parametrize("reason", ORDERLY, ids=str)
async def test_a_transient_child_that_ended_orderly_is_kept_stopped(
    world: World, reason: ExitReason
) -> None:
    """transient_normal, transient_shutdown."""
    async with tree(world, sup(world.child("child1", TRANSIENT))):
        await world.exit("child1", reason)
        assert world.sup.which_child("child1").state is ChildState.STOPPED
        assert world.counts() == [1, 0, 0, 1]
        await world.sup.restart_child("child1")
        assert world.up() == ["child1"]


@conforms
@pytest.mark.parametrize("reason", ABNORMAL, ids=str)
async def test_a_transient_child_that_did_not_is_restarted(
    world: World, reason: ExitReason
) -> None:
    """transient_abnormal."""
    async with tree(world, sup(world.child("child1", TRANSIENT))):
        await world.exit("child1", reason)
        assert world.incarnation("child1") == 2


@conforms
@pytest.mark.parametrize("reason", [*ORDERLY, *ABNORMAL], ids=str)
async def test_a_temporary_child_is_forgotten(world: World, reason: ExitReason) -> None:
    """temporary_normal, temporary_shutdown, temporary_abnormal."""
    async with tree(world, sup(world.child("child1", TEMPORARY))):
        await world.exit("child1", reason)
        assert world.names() == []
        assert world.counts() == [0, 0, 0, 0]
        await world.sup.start_child(world.child("child1", TEMPORARY))
        assert world.up() == ["child1"]


@conforms
async def test_a_supervisor_that_cannot_start_says_what_could_not(world: World) -> None:
    """faulty_application_shutdown: the error names every level down to the child."""
    world.modes["faulty"] = ["fail"]
    async with tree(world, sup(below("app", below("sub", world.child("faulty"))))):
        reason = await world.ended()
    text = str(reason)
    assert text.startswith("start_failed: /app: start_failed: /app/sub: start_failed: ")
    assert text.endswith("/app/sub/faulty: crash: Told: cannot start")


def test_an_orderly_life_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """The check of log noise: starting, adding and stopping is no news."""
    from tests.supervisor.conformance.world import run_case

    async def case(world: World) -> None:
        async with tree(world, sup(world.child("child1"), recorder("a"))):
            await world.sup.start_child(world.child("child2", TRANSIENT))
            await world.exit("child2", NORMAL)
            await world.sup.delete_child("child2")

    with caplog.at_level(logging.INFO, "supervisor"):
        run_case(case, 0)
    assert caplog.records == []


@conforms
@pytest.mark.parametrize("strategy", [ONE_FOR_ALL, REST_FOR_ONE])
@pytest.mark.parametrize("reason", [NORMAL, CRASH], ids=str)
async def test_a_temporary_bystander_is_stopped_and_forgotten(
    world: World, strategy: object, reason: ExitReason
) -> None:
    """temporary_bystander."""
    children = (world.child("child1"), world.child("child2", TEMPORARY), world.child("child3"))
    async with tree(world, sup(*children, strategy=strategy)):
        await world.exit("child1", reason)
        assert world.names() == ["child1", "child3"]
        assert world.log[-2:] == ["start child1", "start child3"]
        assert world.starts["child2"] == 1


@conforms
@pytest.mark.parametrize("restart", [PERMANENT, TRANSIENT, TEMPORARY])
async def test_an_actor_ends_by_the_same_rules(world: World, restart: Restart) -> None:
    """The matrix again with an actor, whose end is an effect or a crash of its own."""
    async with tree(world, sup(recorder("a", restart=restart))):
        world.sup.find("a").kill(NORMAL)
        from tests.supervisor.conformance.world import quiet

        await quiet()
        kept = [info.state for info in world.sup.which_children()]
        assert (
            kept
            == {
                PERMANENT: [ChildState.RUNNING],
                TRANSIENT: [ChildState.STOPPED],
                TEMPORARY: [],
            }[restart]
        )
