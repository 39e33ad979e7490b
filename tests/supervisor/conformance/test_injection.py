"""A cancel at every step of a supervisor, an exception out of every call that it awaits."""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from supervisor.child import Child, ChildError, ChildState
from supervisor.spec import Strategy
from supervisor.supervisor import Supervisor
from supervisor.system import System
from tests.supervisor.conformance.injection import Act, raise_in, run_with
from tests.supervisor.conformance.world import (
    CRASH,
    ONE_FOR_ALL,
    TEMPORARY,
    TRANSIENT,
    Noted,
    World,
    below,
    sup,
    tree,
)
from tests.supervisor.demo import Add, post, recorder

# In `make test` one schedule; `make check` takes more.
SCHEDULES = 2


def cancel_supervisor(inner: Child, task: trio.lowlevel.Task) -> bool:
    inner.scope.cancel()
    return True


def cancel_child(inner: Child, task: trio.lowlevel.Task) -> bool:
    assert isinstance(inner.runner, Supervisor)
    inner.runner.find("c2").scope.cancel()
    return True


def stop_all(inner: Child, task: trio.lowlevel.Task) -> bool:
    assert isinstance(inner.runner, Supervisor)
    system = inner.runner._house
    assert isinstance(system, System)
    system.request_stop()
    return True


def scripted(strategy: Strategy) -> Callable[[World], Awaitable[None]]:
    """Return a life of a supervisor with everything in it that it does."""

    async def script(world: World) -> None:
        children = (
            world.child("c1"),
            world.child("c2"),
            world.child("c3", TEMPORARY),
            recorder("a"),
        )
        inner = below("inner", *children, strategy=strategy, intensity=5)
        async with tree(world, sup(inner, recorder("b"), intensity=5)):
            at = world.at("inner")
            post(world.system, "/inner/a", Add(amount=1))
            for act in (
                lambda: at.start_child(world.child("c4", TRANSIENT)),
                lambda: at.terminate_child("c1"),
                lambda: at.restart_child("c1"),
                lambda: at.terminate_child("c4"),
                lambda: at.delete_child("c4"),
            ):
                await refusing(act)
            if world.is_running:
                for name in ("c1", "c2"):
                    if name in world.endings:
                        world.crashing[name] = True
                        world.endings[name].set()
                world.modes["c2"] = ["fail", "ok"]
                post(world.system, "/inner/a", Add(amount=1))
                await trio.sleep(5)
                check(world)

    return script


async def refusing(act: Callable[[], object]) -> None:
    """Do something that may be refused, since what it is about may just have ended."""
    try:
        await act()  # type: ignore[misc]  # a coroutine of the interface
    except ChildError:
        await trio.testing.wait_all_tasks_blocked()


def check(world: World) -> None:
    """Check that the tree is whole again, and that the actor lost nothing and repeated nothing."""
    if not world.is_running:
        return
    assert world.up() == ["inner", "b"]
    at = world.at("inner")
    states = {info.name: info.state for info in at.which_children()}
    kept = {name: states[name] for name in ("c2", "a")}
    assert set(kept.values()) == {ChildState.RUNNING}, states
    assert states["c1"] in (ChildState.RUNNING, ChildState.STOPPED)
    fold = world.system.cells["/inner/a"].fold
    assert fold is not None
    assert fold.state.value == 2


def enumerate_steps(strategy: Strategy, act: Act, seed: int) -> int:
    """Inject at every step; return at how many."""
    script = scripted(strategy)
    injected, at = 0, 1
    while True:
        with Noted(f"injected at step {at}, {strategy}, seed {seed}"):
            _, done = run_with(script, at, act, seed=seed)
        if not done:
            return injected
        injected += 1
        at += 1


ACTS: dict[str, Act] = {
    "cancel the supervisor": cancel_supervisor,
    "cancel a child": cancel_child,
    "stop everything": stop_all,
    "raise": raise_in,
}


STRATEGIES = [strategy for strategy in Strategy if strategy is not Strategy.DYNAMIC]


@pytest.mark.parametrize("act", ACTS)
def test_at_every_step(act: str) -> None:
    assert enumerate_steps(ONE_FOR_ALL, ACTS[act], 0) > 70


@pytest.mark.check
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_at_every_step_of_each_strategy(act: str, strategy: Strategy) -> None:
    for seed in range(SCHEDULES):
        assert enumerate_steps(strategy, ACTS[act], seed) > 70


def test_nothing_is_injected_into_the_children_themselves() -> None:
    """What the enumeration stands on: it counts the supervisor's steps, and only those."""
    steps, done = run_with(scripted(ONE_FOR_ALL), 10**6, raise_in)
    assert steps > 80
    assert not done
    none, _ = run_with(scripted(ONE_FOR_ALL), 1, raise_in, address="/nobody")
    assert none == 0
    assert CRASH.error is None
