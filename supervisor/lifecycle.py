"""Starting and stopping children: the mechanics, without the decisions.

A child is one task in its supervisor's nursery, in a cancel scope of its own. Whatever ends it
becomes an exit reason before it reaches the nursery.
"""

import logging
from collections.abc import Awaitable, Callable, Collection, Iterable
from functools import partial
from typing import NamedTuple, Protocol

import trio

from messages.runtime import Blocked, Down, Unblocked
from supervisor import limits
from supervisor.child import Child, ChildState, Runner
from supervisor.clock import NANOSECONDS_PER_SECOND, Clock
from supervisor.condemned import is_struck
from supervisor.spec import (
    KILLED,
    NORMAL,
    Addition,
    ChildSpec,
    Ended,
    ExitReason,
    Ignore,
    Shutdown,
    Spec,
    SupervisorSpec,
    worst,
)

logger = logging.getLogger("supervisor")

IGNORED = ExitReason(Ended.NORMAL, "ignore")
"""What `Lifecycle.start` returns of a child that had nothing to do."""


class Exited(NamedTuple):
    """A child's task ended."""

    child: Child
    attempt: int
    reason: ExitReason
    by_itself: bool
    """Whether nobody cancelled it: its task can go on."""


class House(Protocol):
    """What a supervisor needs of the system around it."""

    clock: Clock

    def make(self, address: str, spec: Spec) -> Runner:
        """Return the runner for a child, registered under its address."""

    def retire(self, runner: Runner) -> None:
        """Take a runner's address back; what waits for it is dead."""

    def random(self) -> float:
        """Return a number in [0, 1) for jitter."""

    def post_down(self, addresses: Collection[str], down: Down | Blocked | Unblocked) -> None:
        """Tell the monitors that a spec names."""

    def report(self, event: str, address: str, text: str) -> None:
        """Report what a person should know: halted, escalated."""

    def up(self, child: Child) -> None:
        """Enter an incarnation that begins."""

    def down(self, child: Child, reason: ExitReason) -> None:
        """Take out an incarnation that ended: monitors and links are told."""

    def stash(self, address: str, *, is_on: bool) -> None:
        """Bound what an actor may find waiting after its wait between restarts."""

    def additions(self, supervisor: str) -> list[Addition]:
        """Return the children that were added to a supervisor, in order."""

    def added(self, address: str, addition: Addition | None) -> None:
        """Keep what was added at `address`; None forgets it."""

    def is_known(self, address: str) -> bool:
        """Return whether anybody ever had `address`."""

    def is_up(self, address: str) -> bool:
        """Return whether an incarnation at `address` has not ended."""

    def leave_behind(self, child: Child) -> None:
        """Hear of a child that could not be ended."""

    def start_task(self, run: Callable[..., Awaitable[None]], *arguments: object) -> None:
        """Start a child's task. It is not in its supervisor's nursery: it may have to be left."""

    def strike(self, tasks: Collection[trio.lowlevel.Task]) -> bool:
        """Raise an exception in tasks that ignored their cancellation; False: that cannot be."""

    def spare(self, tasks: Collection[trio.lowlevel.Task]) -> None:
        """Strike them no more."""

    async def settled(self, address: str) -> None:
        """Wait until nothing of an earlier holder of `address` is on its way to the store."""


class Lifecycle:
    """Starts and stops the children of one supervisor."""

    def __init__(self, house: House, ended: Callable[[Exited], int]) -> None:
        """Prepare. `ended` hears of each end, and returns the attempt to make at once, or 0."""
        self._house = house
        self._ended = ended
        self.nursery: trio.Nursery | None = None
        """The supervisor's, while it runs."""
        self.stop_requested = trio.Event()
        """Once the supervisor is to stop it waits for no child to become ready."""

    # --- starting

    async def start(self, child: Child) -> ExitReason | None:
        """Start one child and wait until it is ready.

        Return None if it runs, `IGNORED` if it had nothing to do, else why it does not run.
        """
        if child.state is ChildState.RUNNING:
            return None
        if child.state is ChildState.UNKILLABLE or child.is_left_behind:
            if child.state is not ChildState.STOPPED:
                child.move(ChildState.STOPPED)
            if child.is_up:
                return _still_there(child)
        failed = self.begin(child)
        if failed is not None:
            return failed
        self._house.start_task(self._run, child, child.attempt)
        if child.runner.kind != "actor" and not await self._is_ready(child):
            child.last_exit = await self._give_up(child)
            return child.last_exit
        child.move(ChildState.RUNNING)
        return None

    def begin(self, child: Child) -> ExitReason | None:
        """Make the next incarnation, for a task to run; return why it cannot be, or `IGNORED`."""
        child.move(ChildState.STARTING)
        failed = self._prepare(child)
        if failed is None and self._house.is_up(child.address):
            # One that was left behind by an earlier holder of this place.
            failed = _still_there(child)
        if failed is not None:
            child.move(ChildState.STOPPED)
            child.last_exit = failed
            return failed
        child.supersede()
        child.begin()
        child.started_ns = self._house.clock.now_ns()
        self._house.up(child)
        return None

    def _prepare(self, child: Child) -> ExitReason | None:
        try:
            if child.runner.kind == "unmade":
                child.runner = self._house.make(child.address, child.spec)
            child.runner.prepare()
        except Ignore:
            return IGNORED
        except Exception as error:
            logger.exception("%s could not be started", child.address)
            text = f"{child.address}: {type(error).__name__}: {error}"
            return ExitReason(Ended.START_FAILED, text, error)
        return None

    async def _give_up(self, child: Child) -> ExitReason:
        """Return why a child is not ready, once it is gone."""
        ended = None if child.is_up else child.last_exit
        await self.stop(child)
        if ended is not None and isinstance(ended.error, Ignore):
            return IGNORED
        text = f"{child.address}: {ended or 'it was not ready in time'}"
        return ExitReason(Ended.START_FAILED, text, ended.error if ended else None)

    async def _is_ready(self, child: Child) -> bool:
        """Wait until a child says that it is ready, has ended, or is not to start any more."""
        ready = False

        async def watch(wait: Callable[[], Awaitable[None]], *, says: bool) -> None:
            nonlocal ready
            await wait()
            ready = ready or says
            nursery.cancel_scope.cancel()

        async with trio.open_nursery() as nursery:
            if isinstance(child.spec, ChildSpec):
                nursery.cancel_scope.deadline = (
                    trio.current_time() + limits.START_TIMEOUT_NS / NANOSECONDS_PER_SECOND
                )
            nursery.start_soon(partial(watch, child.runner.wait_started, says=True))
            nursery.start_soon(partial(watch, child.wait_ended, says=False))
            nursery.start_soon(partial(watch, self.stop_requested.wait, says=False))
        return ready

    async def _run(self, child: Child, attempt: int) -> None:
        """Be a child's task: of one incarnation, and of those that follow it at once."""
        while attempt:
            attempt = await self._run_once(child, attempt)

    async def _run_once(self, child: Child, attempt: int) -> int:
        reason = None
        following = 0
        child.task = trio.lowlevel.current_task()
        try:
            with child.scope:
                reason = await child.runner.run()
        except Exception as error:
            # A runner's own bug. Kept whole, and judged by what says most.
            logger.exception("%s ended by an error of the runtime", child.address)
            leaf = worst(error)
            reason = ExitReason(Ended.CRASH, f"{type(leaf).__name__}: {leaf}", error)
        except BaseException as error:
            if not is_struck(error):
                raise
            logger.warning("%s ignored its cancellation and was struck", child.address)
        finally:
            # Also when the whole supervisor is cancelled: nothing may be left of an incarnation.
            by_itself = reason is not None and not child.scope.cancel_called
            if reason is None or (child.scope.cancel_called and reason.is_orderly):
                reason = child.killed_by
            child.finish(reason)
            self._house.down(child, reason)
            following = self._ended(Exited(child, attempt, reason, by_itself))
        return following

    # --- stopping

    async def stop(self, child: Child) -> None:
        """Ask, wait a bounded time, cancel; it is then stopped, or reported as unkillable."""
        if not self._ask(child):
            return
        if not await _within(child.spec.shutdown_ns, (child,)):
            child.kill()
        await self._see_off((child,))

    async def stop_in_reverse(self, children: Iterable[Child]) -> None:
        """Stop children one after another, the last first."""
        for child in reversed(list(children)):
            await self.stop(child)

    async def stop_together(self, children: Iterable[Child]) -> None:
        """Stop children of one template all at once, within its one time limit."""
        asked = [child for child in children if self._ask(child)]
        if not asked:
            return
        if not await _within(asked[0].spec.shutdown_ns, asked):
            for child in asked:
                if child.is_up:
                    child.kill()
        await self._see_off(asked)

    def unstash(self, child: Child) -> None:
        """Have what is waiting for a child bounded as for one that runs."""
        if child.is_stashing:
            child.is_stashing = False
            self._house.stash(child.address, is_on=False)

    def _ask(self, child: Child) -> bool:
        """Begin to stop a child; return whether there is an end to wait for."""
        if child.state in (ChildState.STOPPED, ChildState.UNKILLABLE):
            return False
        child.supersede()  # its end is expected: news of it is stale
        if child.state in (ChildState.BACKOFF, ChildState.HALTED):
            child.move(ChildState.STOPPED)
            self.unstash(child)
            return False
        child.move(ChildState.STOPPING)
        if child.spec.shutdown_ns is Shutdown.BRUTAL_KILL:
            child.kill()
        else:
            child.runner.request_stop()
        return True

    async def abandon(self, children: Iterable[Child]) -> None:
        """Cancel at once whoever still runs as the supervisor ends; wait a little, then leave."""
        left = [child for child in children if child.is_up]
        for child in left:
            child.kill()
        if left and not await _within(limits.ABANDON_NS, left):
            for child in left:
                if child.is_up and not child.is_left_behind:
                    child.state = ChildState.UNKILLABLE
                    self._house.leave_behind(child)

    async def _see_off(self, children: Collection[Child]) -> None:
        if not await _within(limits.KILL_GRACE_NS, children):
            await self._strike([child for child in children if child.is_up])
        for child in children:
            if child.is_up:
                child.move(ChildState.UNKILLABLE)
                self._house.leave_behind(child)
            else:
                child.move(ChildState.STOPPED)
                _judge(child)

    async def _strike(self, children: Collection[Child]) -> None:
        tasks = [child.task for child in children if child.task is not None]
        if self._house.strike(tasks):
            await _within(limits.STRIKE_NS, children)
            self._house.spare(tasks)


def _still_there(child: Child) -> ExitReason:
    text = f"{child.address}: its last incarnation has still not ended"
    return ExitReason(Ended.START_FAILED, text)


def _judge(child: Child) -> None:
    """Log the end of a stopped child that is not the end it was asked for."""
    reason = child.last_exit
    assert reason is not None, "it ended"
    brutal = child.spec.shutdown_ns is Shutdown.BRUTAL_KILL
    if not (reason.is_orderly or (brutal and reason == KILLED)):
        logger.error("%s was stopped and ended otherwise: %s", child.address, reason)


async def _within(duration_ns: int | Shutdown, children: Collection[Child]) -> bool:
    """Wait until all have ended, not longer than that; return whether they have."""
    wait_s = duration_ns / NANOSECONDS_PER_SECOND if isinstance(duration_ns, int) else None
    with trio.move_on_after(wait_s) if wait_s is not None else trio.CancelScope():
        for child in children:
            await child.wait_ended()
    return not any(child.is_up for child in children)


def is_supervisor(child: Child) -> bool:
    """Whether a child has children of its own."""
    return isinstance(child.spec, SupervisorSpec)


assert IGNORED != NORMAL, "a child that ignored its start is told from one that ended"
