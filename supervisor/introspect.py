"""Looking into a running tree, and acting on one actor of it: OTP's `sys`, and more.

Nothing here waits for an actor: what is shown is what stands in memory, between two turns. What
changes something (suspend, resume, replace, trace, restart) is for an operator, who is audited by
whoever calls.
"""

from collections.abc import Sequence

import msgspec

from messages.actor_control import Aspect
from messages.inspection import (
    ActorFrame,
    ActorRow,
    ActorState,
    ActorStats,
    ActorStep,
    ActorWaiting,
)
from supervisor import notes
from supervisor.cell import Cell
from supervisor.child import Child
from supervisor.fold import Fold
from supervisor.notes import INBOX_MAX, STATE_CHARACTERS_MAX, Hook, Trace
from supervisor.portcell import PortCell
from supervisor.replay import changes
from supervisor.spec import ChildSpec, Poison, Strategy
from supervisor.supervisor import ChildError, Supervisor
from supervisor.system import System

# A document that differs from a state in more places than a person reads.
DIFFERENCES_SHOWN = 5
_P99 = 99.0


class CannotError(Exception):
    """It cannot be looked at or done; the text says why and what would be needed."""


class Inspector:
    """Looks into one system. Everything raises `CannotError`."""

    def __init__(self, system: System) -> None:
        self._system = system

    def look(self, address: str, aspect: Aspect) -> Sequence[ActorRow]:
        """Return the rows of one aspect of what stands at `address`."""
        if aspect is Aspect.STATS:
            return [self.stats(address)]
        if aspect is Aspect.STATE:
            return [self.state(address)]
        if aspect is Aspect.STEPS:
            return self.steps(address)
        if aspect is Aspect.STACK:
            return self.stack(address)
        return self.inbox(address)

    # --- looking

    def stats(self, address: str) -> ActorStats:
        """Return the figures of an actor or port."""
        child, cell = self._child(address), self._leaf(address)
        figures, now_ns = cell.statistics(), self._system.clock.now_ns()
        noted, mailbox = cell.notes, figures.mailbox
        is_waiting = child.state.value in ("backoff", "halted")
        return ActorStats(
            address=address,
            kind=cell.kind,
            state=_state(child, cell),
            incarnation=figures.incarnation,
            restarts=child.restarts,
            seq=figures.seq,
            handled=mailbox.handled,
            sent=mailbox.sent,
            dead=mailbox.dead,
            dropped=mailbox.dropped,
            conflated=mailbox.conflated,
            queued=mailbox.queued,
            queued_max=mailbox.queued_max,
            timers=figures.timers,
            tail_messages=figures.tail_messages,
            step_p99_ns=noted.times.percentile_ns(_P99),
            step_max_ns=noted.times.max_ns,
            struck=noted.struck,
            overruns=noted.overruns,
            step_budget_ns=_budget_ns(cell),
            started_ns=noted.started_ns,
            uptime_ns=now_ns - noted.started_ns if child.is_up else 0,
            last_exit=str(child.last_exit or ""),
            backoff_left_ns=max(0, child.due_ns - now_ns) if is_waiting else 0,
            suspended=figures.suspended,
            traced=noted.traced(now_ns),
            holds_money=isinstance(cell, Cell) and holds_money(cell.spec),
            at_ns=now_ns,
            reductions=noted.reductions if child.is_up else 0,
            circuit=cell.circuit if isinstance(cell, PortCell) else "",
            hooks=tuple(noted.hooks or ()),
        )

    def state(self, address: str) -> ActorState:
        """Return the state of an actor after the last message that it handled."""
        fold = self._fold(self._actor(address))
        encoded = fold.encoded_state()
        text = msgspec.json.encode(fold.state).decode()
        return ActorState(
            address=address,
            seq=fold.seq,
            version=fold.actor.version,
            chain=fold.chain.hex(),
            state_bytes=len(encoded),
            state=notes.cut(text, STATE_CHARACTERS_MAX),
            complete=len(text) <= STATE_CHARACTERS_MAX,
        )

    def steps(self, address: str) -> list[ActorStep]:
        """Return what an actor handled last, or what its trace kept, oldest first."""
        return self._actor(address).notes.steps(self._system.router.names)

    def stack(self, address: str) -> list[ActorFrame]:
        """Return where the tasks of an actor or port stand."""
        leaf = self._leaf(address)
        if not self._child(address).is_up:
            raise CannotError(f"{address} does not run: `bot actor stats {address}` says why")
        return notes.frames(leaf.notes.task)

    def inbox(self, address: str) -> list[ActorWaiting]:
        """Return the first of what waits for an actor or port."""
        names = self._system.router.names
        leaf = self._leaf(address)
        if isinstance(leaf, Cell):
            system, normal = leaf.mailbox.peek(INBOX_MAX)
            rows = [
                *notes.waiting(system, "system", names),
                *notes.waiting(normal, "normal", names),
            ]
            return rows[:INBOX_MAX]
        pending, queued = leaf.waiting()
        lanes = [("pending", command) for command in pending]
        lanes += [("normal", command) for command in queued]
        return [
            ActorWaiting(
                position=command.position,
                lane=lane,
                sender=command.sender,
                at_ns=command.at_ns,
                message=notes.shown(command.message),
            )
            for lane, command in lanes[:INBOX_MAX]
        ]

    # --- acting

    def suspend(self, address: str) -> str:
        """Have an actor handle nothing but what the runtime says; return what to know of it."""
        cell = self._actor(address)
        cell.suspend()
        text = f"{address} is suspended: what comes in waits, {cell.mailbox.queued} messages now"
        if holds_money(cell.spec):
            text += (
                ". It holds money: until `bot actor resume`, what the venue reports is not booked "
                "here and nothing that it has to decide is decided"
            )
        return text

    def resume(self, address: str) -> str:
        """Have an actor handle its messages again."""
        cell = self._actor(address)
        if not cell.suspended:
            raise CannotError(f"{address} is not suspended")
        cell.resume()
        return f"{address} handles its messages again, {cell.mailbox.queued} wait"

    async def restart(self, address: str) -> str:
        """Stop what stands at `address` in good order and start it again."""
        try:
            supervisor, name = self._system.supervisor_of(address)
            _check_may_restart(supervisor, supervisor.find(name))
            await supervisor.terminate_child(name)
            await supervisor.restart_child(name)
        except (LookupError, ChildError) as error:
            raise CannotError(str(error)) from error
        child = supervisor.find(name)
        return f"{address} was restarted, it is start {child.runner.incarnation}"

    def trace(self, address: str, filter_text: str, per_s: int, for_ns: int) -> str:
        """Keep what an actor handles and matches; `for_ns` 0 ends it."""
        noted = self._actor(address).notes
        if not for_ns:
            skipped = noted.trace.skipped if noted.trace is not None else 0
            noted.trace = None
            return f"{address} is not traced any more; {skipped} steps were left out"
        noted.trace = Trace(filter_text, per_s, self._system.clock.now_ns() + for_ns)
        return (
            f"{address} is traced for {for_ns // 1_000_000_000} s, at most {per_s} steps a second"
        )

    def install(self, address: str, name: str, hook: Hook) -> None:
        """Have `hook` called with each step of an actor, until it says otherwise or fails.

        In this process only: code that came over the control socket would run beside the keys.
        """
        self._actor(address).notes.install(name, hook)

    def remove(self, address: str, name: str) -> None:
        """Take a hook out."""
        if not self._actor(address).notes.remove(name):
            raise CannotError(f"{address} has no hook {name}: `bot actor stats` names them")

    def replace(self, address: str, at_seq: int, document: str, operator: str, reason: str) -> str:
        """Give a suspended actor another state: `document`, the whole of it as JSON."""
        cell = self._actor(address)
        fold = self._fold(cell)
        if not cell.is_held:
            raise CannotError(f"{address} goes on meanwhile: `bot actor suspend {address}` first")
        # Of an isolated actor the state that is known here may be an earlier one.
        if not fold.seq == cell.seq == at_seq:
            raise CannotError(
                f"{address} is at message {cell.seq}, the state is of {at_seq}: look again"
            )
        state = _decoded(fold, document)
        cell.replace_state(state, operator, reason)
        return f"the state of {address} is replaced, as of its next message; it is still held"

    # --- finding

    def _child(self, address: str) -> Child:
        try:
            return self._system.child_at(address)
        except (LookupError, ChildError) as error:
            raise CannotError(f"{error}: `bot tree` shows all") from error

    def _leaf(self, address: str) -> Cell | PortCell:
        runner = self._child(address).runner
        if isinstance(runner, Supervisor):
            raise CannotError(f"{address} is a supervisor: name an actor or port below it")
        assert isinstance(runner, Cell | PortCell), "there are three kinds of runners"
        return runner

    def _actor(self, address: str) -> Cell:
        leaf = self._leaf(address)
        if isinstance(leaf, PortCell):
            raise CannotError(
                f"{address} is a port: it has no state and is not suspended; its stats, stack and "
                "inbox can be shown, and it can be restarted"
            )
        return leaf

    def _fold(self, cell: Cell) -> Fold:
        fold = cell.fold_to_look_at()
        if fold is None:
            raise CannotError(
                f"{cell.address} has no state now: it crashed or is stopped; `bot replay "
                f"{cell.address}` shows the past"
            )
        return fold


def _check_may_restart(supervisor: Supervisor, child: Child) -> None:
    if child.spec.significant:
        raise CannotError(f"{child.address} cannot be restarted alone: its end is its supervisor's")
    if child.is_temporary or supervisor.spec.strategy is Strategy.DYNAMIC:
        raise CannotError(f"{child.address} would be forgotten when it ends: start another instead")


def holds_money(spec: ChildSpec) -> bool:
    """Whether an actor is one whose messages are never skipped."""
    return spec.poison is Poison.BLOCK


def _budget_ns(cell: Cell | PortCell) -> int:
    if isinstance(cell, PortCell):
        return 0
    is_isolated = cell.kind == "process"
    return cell.spec.process.step_ns if is_isolated else cell.spec.step_budget_ns


def _state(child: Child, cell: Cell | PortCell) -> str:
    if isinstance(cell, Cell):
        if cell.blocked is not None:
            return "blocked"
        if cell.suspended and child.state.value == "running":
            return "suspended"
    return child.state.value


def _decoded(fold: Fold, document: str) -> bytes:
    """Return the state that `document` stands for, encoded; it must be all of it, and no more."""
    try:
        given = msgspec.json.decode(document)
        state = msgspec.json.decode(document, type=fold.state_type)
    except msgspec.DecodeError as error:
        raise CannotError(f"this is no state of {fold.context.address}: {error}") from error
    whole = msgspec.json.decode(msgspec.json.encode(state))
    different = changes(given, whole)
    if different:
        listed = "; ".join(different[:DIFFERENCES_SHOWN])
        raise CannotError(f"this is not the whole state, it would be read as another: {listed}")
    return msgspec.msgpack.encode(state)
