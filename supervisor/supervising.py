"""What a supervisor decides when a child ends: who is started again, when, and when it gives up.

OTP's semantics (stdlib, supervisor.erl): restart types, the four strategies, an intensity that
counts per supervisor with failed restarts included, significant children. A restart that fails is
told to the supervisor itself, so that it serves calls and other ends in between. On top of OTP: a
wait between restarts, and bulkheads.
"""

import logging
import math
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import trio

from messages.runtime import Blocked, Down, Unblocked
from supervisor import limits
from supervisor.child import Child, ChildError, ChildState, Refusal
from supervisor.clock import NANOSECONDS_PER_SECOND
from supervisor.lifecycle import IGNORED, Exited, House, Lifecycle, is_supervisor
from supervisor.mailbox import MailboxStatistics
from supervisor.restarts import Intensity, delay_ns, forgive, tell, waits
from supervisor.roster import instantiate
from supervisor.spec import (
    KILLED,
    SHUTDOWN,
    Addition,
    AutoShutdown,
    Ended,
    ExitReason,
    Restart,
    Spec,
    Strategy,
    SupervisorSpec,
)
from supervisor.statistics import CellStatistics

logger = logging.getLogger("supervisor")


class _StartFailed(NamedTuple):
    child: Child
    attempt: int
    reason: ExitReason


class _TryAgain(NamedTuple):
    child: Child
    attempt: int


class Call:
    """Something that the supervisor is to do between two events, and what came of it."""

    def __init__(self, act: Callable[[], Awaitable[Any]]) -> None:
        self.act = act
        self.answered = trio.Event()
        self.is_done = False
        """Whether the supervisor lived to do it, or to refuse it."""
        self.result: Any = None
        self.error: ChildError | None = None

    async def serve(self) -> None:
        """Do it. A refusal is the caller's alone; any other error is the supervisor's end."""
        try:
            self.result = await self.act()
            self.is_done = True
        except ChildError as error:
            self.error = error
            self.is_done = True
        finally:
            self.answered.set()


class _Stop(NamedTuple):
    pass


_Event = Exited | _StartFailed | _TryAgain | Call | _Stop


class Supervising:
    """The part of a supervisor that runs and decides; `Supervisor` adds what can be asked of it."""

    kind = "supervisor"

    def __init__(self, house: House, address: str, spec: SupervisorSpec) -> None:
        self.address = address
        self.spec = spec
        self.incarnation = 0
        self._house = house
        self._children: dict[str, Child] = {}
        # Unbounded by number but not in fact: a child causes one event per end, start or wait, a
        # caller waits for its answer.
        self._send, self._receive = trio.open_memory_channel[_Event](math.inf)
        self._life = Lifecycle(house, self._hear)
        self._calls: dict[Call, None] = {}
        self._intensity = Intensity()
        self._unserved = 1
        """Events that were not served yet, and the start until it is over: 0 when idle."""
        self._started = trio.Event()
        self._shield = trio.CancelScope(shield=True)
        self._add_own_children()

    @property
    def children(self) -> Sequence[Child]:
        """The children in order of start."""
        return list(self._children.values())

    # --- Runner

    def prepare(self) -> None:
        """Get ready for a run: as at first, with those added since if they are durable."""
        self.incarnation += 1
        self._started = trio.Event()
        self._send, self._receive = trio.open_memory_channel[_Event](math.inf)
        self._life = Lifecycle(self._house, self._hear)
        self._intensity.clear()
        self._unserved = 1
        for child in self.children:
            child.reset()
            if not (child.is_static or self.spec.durable):
                self._forget(child)
        if self.incarnation > 1:
            self._add_own_children()

    async def wait_started(self) -> None:
        """Wait until all children have started, or one of them could not."""
        await self._started.wait()

    def request_stop(self) -> None:
        """Ask for an end: children in reverse order of their start."""
        self._life.stop_requested.set()
        self._post(_Stop())

    def notify(self, message: Blocked | Unblocked | Down) -> None:
        """Tell those who monitor this supervisor."""
        self._house.post_down(self.spec.monitored_by, message)

    async def run(self) -> ExitReason:
        """Run until asked to stop, or until a child ends that ends us, or restarts are too many.

        A cancellation becomes an orderly stop, for which there is little time.
        """
        reason = KILLED
        async with trio.open_nursery() as outside:
            outside.start_soon(self._stop_when_cancelled)
            with trio.CancelScope(shield=True) as self._shield:
                reason = await self._run_shielded()
            outside.cancel_scope.cancel()
        return reason

    async def _stop_when_cancelled(self) -> None:
        try:
            await trio.sleep_forever()
        finally:
            self._shield.deadline = (
                trio.current_time() + limits.SUPERVISOR_KILLED_NS / NANOSECONDS_PER_SECOND
            )
            self.request_stop()

    async def _run_shielded(self) -> ExitReason:
        try:
            async with trio.open_nursery() as nursery:
                self._life.nursery = nursery
                reason = await self._start_in_order()
                if reason is None:
                    self._started.set()
                    reason = await self._supervise()
                await self._stop_all()
                nursery.cancel_scope.cancel()
            return reason
        finally:
            self._life.nursery = None
            # A cancelled supervisor leaves no task either, but those that cannot be ended.
            with trio.CancelScope(shield=True):
                await self._life.abandon(self._children.values())
            self._refuse_calls()

    def statistics(self) -> CellStatistics:
        """Return figures in the form that cells have."""
        empty = MailboxStatistics(
            sent=0, handled=0, dead=0, dropped=0, conflated=0, queued=0, queued_max=0
        )
        return CellStatistics(
            address=self.address, kind=self.kind, incarnation=self.incarnation, seq=0, mailbox=empty
        )

    def gone(self) -> ChildError:
        """Return the refusal of whoever asks a supervisor that does not run."""
        return ChildError(Refusal.NOPROC, f"{self.address} does not run: see `bot tree`")

    # --- who is a child

    def _add_own_children(self) -> None:
        if self.spec.strategy is not Strategy.DYNAMIC:
            for spec in self.spec.children:
                self._take_over(spec)
        for addition in self._house.additions(self.address) if self.spec.durable else ():
            if addition.name not in self._children:
                self._add(instantiate(self.spec, addition), addition=addition)

    def _take_over(self, spec: Spec) -> None:
        """Have a child of our own spec among the children, to be started by `spec`."""
        child = self._children.get(spec.name)
        if child is not None and is_supervisor(child) != isinstance(spec, SupervisorSpec):
            self._forget(child)
            child = None
        if child is None:
            self._add(spec, is_static=True)
        else:
            child.is_static = True
            respec(child, spec)

    def _add(
        self, spec: Spec, *, is_static: bool = False, addition: Addition | None = None
    ) -> Child:
        below = "" if self.address == "/" else self.address
        runner = self._house.make(f"{below}/{spec.name}", spec)
        child = Child(spec, runner, is_static=is_static, addition=addition)
        self._children[spec.name] = child
        return child

    def _forget(self, child: Child) -> None:
        """Remove a child that does not run, its spec and its address."""
        del self._children[child.name]
        if child.addition is not None:
            self._house.added(child.address, None)
        self._house.retire(child.runner)

    def _is_kept(self, child: Child) -> bool:
        """Whether a child that ended keeps its place."""
        return not (child.is_temporary or self.spec.strategy is Strategy.DYNAMIC)

    # --- supervising

    def _post(self, event: "_Event") -> None:
        """Tell ourselves something, to be served between two other things."""
        self._unserved += 1
        self._send.send_nowait(event)

    def _hear(self, exited: Exited) -> int:
        """Hear of a child's end; return the attempt to make in its task, if it is restarted now."""
        if exited.by_itself and self._is_plain(exited):
            return self._restart_in_place(exited.child, exited.reason)
        self._post(exited)
        return 0

    def _is_plain(self, exited: Exited) -> bool:
        """Whether an end is that of an actor alone, to be restarted at once, and we are idle.

        Most crashes are: then the restart need not wait for tasks to take turns.
        """
        child, reason = exited.child, exited.reason
        if self._unserved or exited.attempt != child.attempt or child.runner.kind != "actor":
            return False
        if reason.is_orderly or reason.is_fatal or self._life.stop_requested.is_set():
            return False
        if child.spec.restart is Restart.TEMPORARY or len(self._started_with(child)) > 1:
            return False
        now_ns = self._house.clock.now_ns()
        is_allowed = self._intensity.allows(self.spec, now_ns) and not waits(child, now_ns)
        return is_allowed or not reason.is_charged

    def _restart_in_place(self, child: Child, reason: ExitReason) -> int:
        """Do for a plain end what is otherwise done event by event."""
        self._tell_of_end(child, reason)
        if reason.is_charged:
            now_ns = self._house.clock.now_ns()
            self._intensity.charge(now_ns)
            forgive(child, now_ns)
            child.streak += 1
        tell(child, reason)
        child.move(ChildState.BACKOFF)
        child.restarts += 1
        failed = self._life.begin(child)
        if failed is None:
            child.move(ChildState.RUNNING)
            return child.attempt
        self._not_started(child, failed)
        return 0

    async def _supervise(self) -> ExitReason:
        self._unserved -= 1
        while True:
            event = await self._receive.receive()
            reason: ExitReason | None = None
            if isinstance(event, Exited):
                if event.attempt == event.child.attempt:
                    reason = await self._ended(event.child, event.reason)
            elif isinstance(event, _Stop):
                reason = SHUTDOWN
            elif isinstance(event, Call):
                await event.serve()
            elif event.attempt == event.child.attempt:
                if isinstance(event, _StartFailed):
                    reason = await self._again(event.child, event.reason)
                else:
                    reason = await self._try_again(event.child)
            del event  # or a child that is forgotten would be kept until the next one
            self._unserved -= 1
            if reason is not None:
                return reason

    def _refuse_calls(self) -> None:
        """Answer those who called a supervisor that is not there any more."""
        for call in self._calls:
            call.answered.set()

    async def _ended(self, child: Child, reason: ExitReason) -> ExitReason | None:
        """Decide what follows from a child's end; return why we end, if we do."""
        self._tell_of_end(child, reason)
        restart = child.spec.restart
        if restart is Restart.PERMANENT or (restart is Restart.TRANSIENT and not reason.is_orderly):
            return await self._again(child, reason)
        child.move(ChildState.STOPPED)
        if reason.is_fatal:
            return reason
        if not self._is_kept(child):
            self._forget(child)
        return self._after_significant(child, reason)

    def _tell_of_end(self, child: Child, reason: ExitReason) -> None:
        if child.spec.monitored_by:
            incarnation = child.runner.incarnation
            child.runner.notify(
                Down(address=child.address, incarnation=incarnation, reason=str(reason))
            )

    def _after_significant(self, child: Child, reason: ExitReason) -> ExitReason | None:
        """Return why we end with a child that ended by itself and is not restarted, if we do."""
        when = self.spec.auto_shutdown
        if not child.spec.significant or when is AutoShutdown.NEVER:
            return None
        left = [
            other
            for other in self._children.values()
            if other.spec.significant and other.state is not ChildState.STOPPED
        ]
        if when is AutoShutdown.ALL_SIGNIFICANT and left:
            return None
        text = f"its significant child {child.address} ended: {reason}"
        return ExitReason(Ended.SHUTDOWN, text, reason.error)

    async def _again(self, child: Child, reason: ExitReason) -> ExitReason | None:
        """Restart a child that ended or did not start; inside a bulkhead, halt it."""
        if reason.is_fatal:
            if child.state is ChildState.RUNNING:
                child.move(ChildState.STOPPED)
            return reason
        if self.spec.bulkhead and is_supervisor(child):
            self._halt(child, reason)
            return None
        return await self._restart(child, reason)

    def _halt(self, child: Child, reason: ExitReason) -> None:
        if child.state is ChildState.BACKOFF:
            child.move(ChildState.STOPPED)
        child.move(ChildState.HALTED)
        logger.error("%s is halted: %s", child.address, reason)
        self._house.report("halted", child.address, str(reason))
        self._later(child, self.spec.bulkhead_restart_ns)

    async def _restart(self, child: Child, reason: ExitReason) -> ExitReason | None:
        now_ns = self._house.clock.now_ns()
        if reason.is_charged:
            if not self._intensity.allows(self.spec, now_ns):
                return self._give_up(child, reason)
            self._intensity.charge(now_ns)
        forgive(child, now_ns)
        if child.state is not ChildState.BACKOFF:
            child.move(ChildState.BACKOFF)
        child.restarts += 1
        if self.spec.strategy is not Strategy.ONE_FOR_ONE:
            await self._stop_bystanders(child)
        wait_ns = delay_ns(child, self._house.random) if reason.is_charged else 0
        tell(child, reason)
        if wait_ns:
            self._house.stash(child.address, is_on=True)
            child.is_stashing = True
            self._later(child, wait_ns)
            return None
        return await self._try_again(child)

    def _give_up(self, child: Child, reason: ExitReason) -> ExitReason:
        text = (
            f"more than {self.spec.intensity} restarts of its children in "
            f"{self.spec.period_ns / NANOSECONDS_PER_SECOND:g} s, the last of "
            f"{child.address}: {reason}"
        )
        if child.state is not ChildState.STOPPED:
            child.move(ChildState.STOPPED)
        self._house.report("escalated", self.address, text)
        return ExitReason(Ended.SHUTDOWN, text, reason.error)

    async def _try_again(self, child: Child) -> ExitReason | None:
        """Start a child that waits, and with it those that its strategy names."""
        if child.state not in (ChildState.BACKOFF, ChildState.HALTED):
            return None
        self._life.unstash(child)
        for one in self._started_with(child):
            if self._life.stop_requested.is_set():
                return None
            failed = await self._life.start(one)
            if failed is not None and not self._not_started(one, failed):
                return None
        return None

    def _not_started(self, child: Child, failed: ExitReason) -> bool:
        """Decide what follows from a restart that failed; return whether others may be started."""
        if failed is IGNORED:
            if not self._is_kept(child):
                self._forget(child)
            return True
        child.move(ChildState.BACKOFF)
        # Told to ourselves, so that a stop or another child's end is served in between.
        self._post(_StartFailed(child, child.supersede(), failed))
        return False

    def _started_with(self, child: Child) -> Sequence[Child]:
        """Return those to start when `child` is restarted, itself included, in order."""
        strategy = self.spec.strategy
        if strategy is Strategy.ONE_FOR_ALL:
            return self.children
        if strategy is Strategy.REST_FOR_ONE:
            children = self.children
            return children[children.index(child) :]
        return (child,)

    async def _stop_bystanders(self, child: Child) -> None:
        """Stop those that are restarted with `child`; temporary ones are not restarted."""
        others = [other for other in self._started_with(child) if other is not child]
        await self._life.stop_in_reverse(others)
        for other in others:
            if other.is_temporary and other.state is ChildState.STOPPED:
                self._forget(other)

    def _later(self, child: Child, wait_ns: int) -> None:
        attempt = child.supersede()
        child.waiting = trio.CancelScope()
        child.due_ns = self._house.clock.now_ns() + wait_ns
        assert self._life.nursery is not None, "a supervisor that waits runs"
        self._life.nursery.start_soon(self._wait_then_try, child, attempt, child.waiting, wait_ns)

    async def _wait_then_try(
        self, child: Child, attempt: int, waiting: trio.CancelScope, wait_ns: int
    ) -> None:
        with waiting:
            await trio.sleep(wait_ns / NANOSECONDS_PER_SECOND)
            self._post(_TryAgain(child, attempt))

    # --- starting and stopping

    async def _start_in_order(self) -> ExitReason | None:
        for child in self.children:
            failed = await self._life.start(child)
            if self._life.stop_requested.is_set():
                return SHUTDOWN
            if failed is None:
                continue
            if failed is IGNORED:
                if not self._is_kept(child):
                    self._forget(child)
                continue
            if failed.is_fatal:
                return failed
            if self.spec.bulkhead and is_supervisor(child):
                self._halt(child, failed)
            elif child.is_static:
                return failed
            else:
                # What somebody added once does not keep the rest from starting.
                child.move(ChildState.BACKOFF)
                self._post(_StartFailed(child, child.supersede(), failed))
        return None

    async def _stop_all(self) -> None:
        if self.spec.strategy is Strategy.DYNAMIC:
            await self._life.stop_together(self._children.values())
        else:
            await self._life.stop_in_reverse(self._children.values())


def respec(child: Child, spec: Spec) -> None:
    """Have a child's next start follow `spec`; a supervisor below decides by it from now on."""
    child.spec = spec
    if hasattr(child.runner, "spec"):
        child.runner.spec = spec
