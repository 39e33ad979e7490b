"""Cancels and exceptions at the k-th step that supervisor code makes, for every k."""

from collections.abc import Awaitable, Callable

import outcome
import trio
import trio.testing

from supervisor import determinism
from supervisor.child import Child
from supervisor.lifecycle import Lifecycle
from tests.supervisor.conformance.world import CASE_S_MAX, World, silent

_RUN = Lifecycle._run.__code__


class InjectedError(Exception):
    """What an awaited call raises when its turn has come."""


def child_of(task: trio.lowlevel.Task) -> Child | None:
    """Return the child whose own task this is."""
    if getattr(task.coro, "cr_code", None) is not _RUN or task.coro.cr_frame is None:
        return None
    child = task.coro.cr_frame.f_locals["child"]
    assert isinstance(child, Child)
    return child


def supervising(task: trio.lowlevel.Task, address: str) -> Child | None:
    """Return the supervisor at `address` if a task runs code of it, and not of a child of it."""
    at: trio.lowlevel.Task | None = task
    while at is not None:
        child = child_of(at)
        if child is not None:
            return child if child.address == address else None
        at = at.parent_nursery.parent_task if at.parent_nursery is not None else None
    return None


Act = Callable[[Child, trio.lowlevel.Task], bool]
"""Does something to the supervisor, in a step of this task; returns whether it could."""


class Injector(trio.abc.Instrument):
    """Counts the steps of a supervisor's tasks, and does something at one of them."""

    def __init__(self, address: str, at: int, act: Act) -> None:
        self.steps = 0
        self.done = False
        self._address = address
        self._at = at
        self._act = act

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        child = supervising(task, self._address)
        if child is None:
            return
        self.steps += 1
        if self.steps >= self._at and not self.done:
            self.done = self._act(child, task)


def awaited(task: trio.lowlevel.Task) -> set[str]:
    """Return the names of the functions that a task is in."""
    names, at = set(), task.coro
    while hasattr(at, "cr_code"):
        names.add(at.cr_code.co_name)
        at = at.cr_await  # type: ignore[assignment]  # a coroutine, until it is something else
    return names


def raise_in(child: Child, task: trio.lowlevel.Task) -> bool:
    """Have the call that a task awaits raise; return False if it awaits none that could.

    The end of a nursery is no call that raises by itself; trio does not survive it there.
    """
    if task._next_send is None or "_nested_child_finished" in awaited(task):
        return False
    task._next_send = outcome.Error(InjectedError("injected"))
    return True


def run_with(
    script: Callable[[World], Awaitable[None]],
    at: int,
    act: Act,
    address: str = "/inner",
    seed: int = 0,
) -> tuple[int, bool]:
    """Run a script with `act` at step `at`; return how many steps there were, and if it came."""
    world = World()
    injector = Injector(address, at, act)

    async def main() -> None:
        trio.lowlevel.add_instrument(injector)
        with trio.fail_after(CASE_S_MAX):
            await script(world)
        # Trio takes out an instrument that raises, and only logs that.
        trio.lowlevel.remove_instrument(injector)

    with silent():
        determinism.run(main, seed)
    return injector.steps, injector.done
