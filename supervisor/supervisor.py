"""A supervisor: starts its children in order, stops them in reverse, and decides when one ends.

OTP's semantics (stdlib, supervisor.erl): restart types, one_for_one and rest_for_one, and an
intensity that counts per supervisor, failed restarts included. On top: a wait between restarts,
and bulkheads. One nursery; whatever a child's task raises becomes an exit reason before it reaches
it.
"""

import logging
import math
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import trio

from messages.runtime import Blocked, Down, Unblocked
from supervisor import limits
from supervisor.child import Child, ChildState, Runner
from supervisor.clock import NANOSECONDS_PER_SECOND, Clock
from supervisor.mailbox import MailboxStatistics
from supervisor.spec import (
    SHUTDOWN,
    ChildSpec,
    Ended,
    ExitReason,
    Restart,
    Spec,
    Strategy,
    SupervisorSpec,
)
from supervisor.statistics import CellStatistics

logger = logging.getLogger("supervisor")


class _Exited(NamedTuple):
    child: Child
    attempt: int
    reason: ExitReason


class _StartFailed(NamedTuple):
    child: Child
    attempt: int
    reason: ExitReason


class _TryAgain(NamedTuple):
    child: Child
    attempt: int


class _Call(NamedTuple):
    act: Callable[[], Awaitable[ExitReason | None]]
    done: trio.MemorySendChannel[ExitReason | None]


class _Stop(NamedTuple):
    pass


# The reply to a call: there is one.
_ONE_REPLY = 1
_Event = _Exited | _StartFailed | _TryAgain | _Call | _Stop


class ChildError(Exception):
    """An act on a child that it does not allow in the state it is in (OTP's errors)."""


class Surroundings(Protocol):
    """What a supervisor needs of the system around it."""

    clock: Clock

    def make(self, address: str, spec: Spec) -> Runner:
        """Return the runner for a child, registered under its address."""

    def random(self) -> float:
        """Return a number in [0, 1) for jitter."""

    def post_down(self, addresses: Sequence[str], down: Down | Blocked | Unblocked) -> None:
        """Tell monitors."""

    def report(self, event: str, address: str, text: str) -> None:
        """Report what a person should know: halted, escalated, unkillable."""


class Supervisor:
    """One supervisor and its children, from its spec."""

    kind = "supervisor"

    def __init__(self, house: Surroundings, address: str, spec: SupervisorSpec) -> None:
        self.address = address
        self.spec = spec
        self.incarnation = 0
        self._house = house
        self.children = [self._child(child) for child in spec.children]
        # Unbounded by number but not in fact: a child causes one event per end, start or wait.
        self._send, self._receive = trio.open_memory_channel[_Event](math.inf)
        self._restart_stamps_ns: deque[int] = deque()
        self._started = trio.Event()
        self._nursery: trio.Nursery | None = None

    # --- Runner

    def prepare(self) -> None:
        """Get ready for a run."""
        self.incarnation += 1
        self._started = trio.Event()
        self._restart_stamps_ns.clear()

    async def wait_started(self) -> None:
        """Wait until all children have started, or one of them could not."""
        await self._started.wait()

    def request_stop(self) -> None:
        """Ask for an end: children in reverse order of their start."""
        self._send.send_nowait(_Stop())

    def notify(self, message: Blocked | Unblocked | Down) -> None:
        """Tell those who monitor this supervisor."""
        self._house.post_down(self.spec.monitored_by, message)

    async def run(self) -> ExitReason:
        """Run until asked to stop, or until a child ends that ends us, or restarts are too many."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            reason = await self._start_in_order(self.children)
            if reason is None:
                self._started.set()
                reason = await self._supervise()
            await self._stop_in_reverse(self.children)
            nursery.cancel_scope.cancel()
        return reason

    def statistics(self) -> CellStatistics:
        """Return figures in the form that cells have."""
        empty = MailboxStatistics(
            sent=0, handled=0, dead=0, dropped=0, conflated=0, queued=0, queued_max=0
        )
        return CellStatistics(
            address=self.address, kind=self.kind, incarnation=self.incarnation, seq=0, mailbox=empty
        )

    # --- the dynamic part of OTP's interface

    async def start_child(self, spec: Spec) -> None:
        """Add a child and start it. Raises `ChildError` if that cannot be done."""
        if any(child.spec.name == spec.name for child in self.children):
            raise ChildError(f"{self.address} has a child {spec.name} already: restart that one")
        child = self._child(spec)
        self.children.append(child)
        await self._call(lambda: self._start(child))

    async def restart_child(self, name: str) -> None:
        """Start a child that is stopped, waiting or halted, now. Raises `ChildError` otherwise."""
        child = self.find(name)
        if child.state not in (ChildState.STOPPED, ChildState.BACKOFF, ChildState.HALTED):
            raise ChildError(f"{child.runner.address} is {child.state.value}: stop it first")
        await self._call(lambda: self._start(child))

    async def terminate_child(self, name: str) -> None:
        """Stop a child; it stays stopped. Stopping a stopped one is no error."""
        child = self.find(name)
        await self._call(lambda: self._stop(child))

    def find(self, name: str) -> Child:
        """Return the child called `name`; raise `ChildError` if there is none."""
        for child in self.children:
            if child.spec.name == name:
                return child
        raise ChildError(f"{self.address} has no child {name}: see `bot tree`")

    async def _call(self, act: Callable[[], Awaitable[ExitReason | None]]) -> None:
        send, receive = trio.open_memory_channel[ExitReason | None](_ONE_REPLY)
        self._send.send_nowait(_Call(act, send))
        reason = await receive.receive()
        if reason is not None:
            raise ChildError(f"{self.address}: {reason}")

    # --- supervising

    def _child(self, spec: Spec) -> Child:
        below = "" if self.address == "/" else self.address
        return Child(spec, self._house.make(f"{below}/{spec.name}", spec))

    async def _supervise(self) -> ExitReason:
        while True:
            event = await self._receive.receive()
            reason: ExitReason | None = None
            if isinstance(event, _Stop):
                reason = SHUTDOWN
            elif isinstance(event, _Call):
                event.done.send_nowait(await event.act())
            elif event.attempt == event.child.attempt:
                if isinstance(event, _Exited):
                    reason = await self._ended(event.child, event.reason)
                elif isinstance(event, _StartFailed):
                    reason = await self._again(event.child, event.reason)
                else:
                    reason = await self._try_again(event.child)
            if reason is not None:
                return reason

    async def _ended(self, child: Child, reason: ExitReason) -> ExitReason | None:
        """Decide what follows from a child's end; return why we end, if we do."""
        child.runner.notify(
            Down(
                address=child.runner.address,
                incarnation=child.runner.incarnation,
                reason=str(reason),
            )
        )
        restart = child.spec.restart
        if child.spec.significant:
            child.move(ChildState.STOPPED)
            return reason
        if restart is Restart.TEMPORARY or (restart is Restart.TRANSIENT and reason.is_orderly):
            child.move(ChildState.STOPPED)
            return None
        return await self._again(child, reason)

    async def _again(self, child: Child, reason: ExitReason) -> ExitReason | None:
        """Restart a child that ended or did not start; inside a bulkhead, halt it."""
        if _is_fatal(reason):
            return reason
        if self.spec.bulkhead and isinstance(child.spec, SupervisorSpec):
            self._halt(child, reason)
            return None
        return await self._restart(child, reason)

    def _halt(self, child: Child, reason: ExitReason) -> None:
        child.move(ChildState.HALTED)
        logger.error("%s is halted: %s", child.runner.address, reason)
        self._house.report("halted", child.runner.address, str(reason))
        self._later(child, self.spec.bulkhead_restart_ns)

    async def _restart(self, child: Child, reason: ExitReason) -> ExitReason | None:
        if not self._may_restart():
            text = (
                f"more than {self.spec.intensity} restarts of its children in "
                f"{self.spec.period_ns / NANOSECONDS_PER_SECOND:g} s, the last of "
                f"{child.runner.address}: {reason}"
            )
            if child.state is not ChildState.STOPPED:
                child.move(ChildState.STOPPED)
            self._house.report("escalated", self.address, text)
            return ExitReason(Ended.ESCALATED, text, reason.error)
        child.move(ChildState.BACKOFF)
        child.restarts += 1
        await self._stop_in_reverse(self._after(child))
        now_ns = self._house.clock.now_ns()
        if now_ns - child.started_ns > child.spec.backoff.reset_after_ns:
            child.streak = 0
        child.streak += 1
        # The first is at once, and nothing is drawn for it.
        draw = self._house.random() if child.streak > 1 else 0
        delay_ns = child.spec.backoff.delay_ns(child.streak, draw)
        if delay_ns:
            self._later(child, delay_ns)
            return None
        return await self._try_again(child)

    async def _try_again(self, child: Child) -> ExitReason | None:
        """Start a child that waits, and under rest_for_one those after it."""
        if child.state not in (ChildState.BACKOFF, ChildState.HALTED):
            return None
        for next_child in [child, *self._after(child)]:
            failed = await self._start(next_child)
            if failed is None:
                continue
            # Told to ourselves, so that a stop or another child's end is served in between.
            self._send.send_nowait(_StartFailed(next_child, next_child.attempt, failed))
            return None
        return None

    def _after(self, child: Child) -> list[Child]:
        """Return those that are restarted with `child`, in order of start."""
        if self.spec.strategy is Strategy.ONE_FOR_ONE:
            return []
        return self.children[self.children.index(child) + 1 :]

    def _may_restart(self) -> bool:
        now_ns = self._house.clock.now_ns()
        stamps = self._restart_stamps_ns
        while stamps and stamps[0] < now_ns - self.spec.period_ns:
            stamps.popleft()
        stamps.append(now_ns)
        return len(stamps) <= self.spec.intensity

    def _later(self, child: Child, delay_ns: int) -> None:
        child.attempt += 1
        assert self._nursery is not None, "a supervisor that waits runs"
        self._nursery.start_soon(self._wait_then_try, child, child.attempt, delay_ns)

    async def _wait_then_try(self, child: Child, attempt: int, delay_ns: int) -> None:
        await trio.sleep(delay_ns / NANOSECONDS_PER_SECOND)
        self._send.send_nowait(_TryAgain(child, attempt))

    # --- starting and stopping

    async def _start_in_order(self, children: Sequence[Child]) -> ExitReason | None:
        for child in children:
            failed = await self._start(child)
            if failed is None:
                continue
            if _is_fatal(failed) or not self.spec.bulkhead or isinstance(child.spec, ChildSpec):
                return failed
            self._halt(child, failed)
        return None

    async def _start(self, child: Child) -> ExitReason | None:
        """Start one child and wait until it is ready; return why it is not."""
        if child.state is ChildState.RUNNING:
            return None
        child.move(ChildState.STARTING)
        try:
            child.runner.prepare()
        except Exception as error:
            logger.exception("%s could not be started", child.runner.address)
            child.move(ChildState.STOPPED)
            text = f"{child.runner.address}: {type(error).__name__}: {error}"
            child.last_exit = ExitReason(Ended.START_FAILED, text, error)
            return child.last_exit
        child.attempt += 1
        child.ended = trio.Event()
        child.scope = trio.CancelScope()
        child.started_ns = self._house.clock.now_ns()
        assert self._nursery is not None, "a supervisor that starts children runs"
        self._nursery.start_soon(self._run_child, child, child.attempt)
        if not await self._is_ready(child):
            ended = None if child.is_up else child.last_exit
            await self._stop(child)
            text = f"{child.runner.address}: {ended or 'it was not ready in time'}"
            child.last_exit = ExitReason(Ended.START_FAILED, text, ended.error if ended else None)
            return child.last_exit
        child.move(ChildState.RUNNING)
        return None

    async def _is_ready(self, child: Child) -> bool:
        """Wait until a child says that it is ready, or has ended; return which."""
        if isinstance(child.spec, ChildSpec) and child.runner.kind == "actor":
            return True
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
            nursery.start_soon(partial(watch, child.ended.wait, says=False))
        return ready

    async def _run_child(self, child: Child, attempt: int) -> None:
        reason = ExitReason(Ended.KILLED)
        with child.scope:
            reason = await child.runner.run()
        child.last_exit = reason
        child.ended.set()
        self._send.send_nowait(_Exited(child, attempt, reason))

    async def _stop_in_reverse(self, children: Sequence[Child]) -> None:
        for child in reversed(children):
            await self._stop(child)

    async def _stop(self, child: Child) -> None:
        """Ask, wait a bounded time, cancel; it is then stopped, or reported as unkillable."""
        if child.state in (ChildState.STOPPED, ChildState.UNKILLABLE):
            return
        child.attempt += 1  # its end is expected: news of it is stale
        if child.state in (ChildState.BACKOFF, ChildState.HALTED):
            child.move(ChildState.STOPPED)
            return
        child.move(ChildState.STOPPING)
        child.runner.request_stop()
        if isinstance(child.spec, SupervisorSpec):
            await child.ended.wait()
        elif not await _within(child.spec.shutdown_ns, child.ended):
            child.scope.cancel()
            if not await _within(limits.KILL_GRACE_NS, child.ended):
                child.move(ChildState.UNKILLABLE)
                self._house.report("unkillable", child.runner.address, "it ignores cancellation")
                return
        child.move(ChildState.STOPPED)


async def _within(duration_ns: int, event: trio.Event) -> bool:
    with trio.move_on_after(duration_ns / NANOSECONDS_PER_SECOND):
        await event.wait()
    return event.is_set()


def _is_fatal(reason: ExitReason) -> bool:
    """Return whether an error names its own exit code: no restart can mend it, the process ends."""
    return hasattr(reason.error, "exit_code")
