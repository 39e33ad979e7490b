"""The cell of one actor: mailbox, tail, snapshot and poison record, which outlive its incarnations.

An incarnation is a fold and a loop over turns. When it crashes, the next one is folded from the
newest snapshot and the turns since, up to the message that crashed; that message is tried once
more and then set aside.
"""

import logging
import traceback
from collections.abc import Iterable
from operator import itemgetter
from typing import Any

import trio
from msgspec.structs import replace

from messages.base import Message, encode, tag_in
from messages.runtime import (
    Blocked,
    Down,
    Quarantined,
    StateReplaced,
    Stuck,
    TimerFired,
    Unblocked,
)
from supervisor import buggify, limits
from supervisor.actor import STOP, Actor
from supervisor.clock import NANOSECONDS_PER_SECOND, perf_ns
from supervisor.fold import Fold, NondeterminismError, Ran, TailDivergedError
from supervisor.house import House
from supervisor.journal import (
    RUNTIME,
    STREAMED,
    Envelope,
    RecordedTurn,
    SetAside,
    Snapshot,
    Turn,
    booted,
)
from supervisor.mailbox import Mailbox
from supervisor.notes import Notes
from supervisor.poison import NotBlockedError, quarantined
from supervisor.spec import NORMAL, SHUTDOWN, ChildSpec, Ended, ExitReason, Poison
from supervisor.statistics import CellStatistics
from supervisor.stuck import StruckError

logger = logging.getLogger("supervisor")
# Of an envelope; quicker than a loop over a full turn.
_position, _body, _concludes = itemgetter(0), itemgetter(4), itemgetter(6)


class Cell:
    """One actor's place in the tree."""

    kind = "actor"
    waits_for_commit = False

    def __init__(self, house: House, address: str, spec: ChildSpec) -> None:
        self.address = address
        self.actor_id = house.router.enroll(address)
        self.spec = spec
        self.mailbox = Mailbox(address, self._crowded)
        self.incarnation = 0
        self.blocked: SetAside | None = None
        self.fold: Fold | None = None
        self.notes = Notes()
        self.suspended = False
        """An operator has it handle nothing but what the runtime says."""
        self.is_passive = False
        """It was idle: its state is in its snapshot only, until the next message."""
        self._kinds: frozenset[type[Message]] = frozenset()
        self._house = house
        self._tail: list[RecordedTurn] = []
        self._tail_bytes = 0
        self._tail_messages = 0
        self._snapshot: Snapshot | None = None
        self._restored = False
        self._failing = (0, 0)
        self._retried = 0
        self._stopping = False
        self._waiting_for_gate = trio.CancelScope()
        self.snapshot_ns = 0
        # Cells that started together would otherwise all snapshot together.
        self._snapshot_messages = limits.SNAPSHOT_MESSAGES * (75 + self.actor_id * 37 % 51) // 100

    # --- what enters

    def deliver(self, batch: list[Envelope]) -> None:
        self.mailbox.put(batch)

    def deliver_stream(self, envelope: Envelope) -> bool:
        return self.mailbox.put_stream(envelope)

    def gap(self, topic: int) -> int:
        return self.mailbox.gap(topic)

    def fire(self, name: str, due_ns: int, missed: int) -> None:
        """Have the actor told that its timer is due."""
        message = TimerFired(name=name, due_ns=due_ns, missed=missed)
        self._house.router.post(RUNTIME, self.address, message)

    def tell(self, message: Message) -> None:
        """Have the runtime tell the actor something, ahead of what waits, if it matters to it."""
        matters = isinstance(message, Quarantined) and message.timer_name
        if matters or type(message) in self._kinds:
            self._tell(message)

    def _tell(self, message: Message) -> None:
        router = self._house.router
        position = router.next_position()
        now_ns = self._house.clock.now_ns()
        body = encode(message)
        self._house.journal.durable((position, RUNTIME, self.actor_id, now_ns, body))
        self.mailbox.put_system((position, RUNTIME, self.actor_id, now_ns, body, "", 0))

    def enter_inbox(self, pending: Iterable[Envelope]) -> None:
        """Take what an earlier process left unhandled."""
        batch = list(pending)
        if batch:
            self.mailbox.put(batch)

    # --- starting

    def prepare(self) -> None:
        """Build the next incarnation's state; raise if that cannot be done."""
        house = self._house
        if not self._restored:
            self._read_back()
        fold = self._new_fold()
        for turn in self._tail:
            divergence = fold.replay(turn, house.router.names)
            if divergence is not None:
                fold = self._diverged(NondeterminismError(self.address, divergence))
                break
        fold.context.continue_as(house.journal.lineage)
        self.fold = fold
        fold.timers_moved = True
        self._begin(fold.kinds)
        self._note_restored()

    def _begin(self, kinds: frozenset[type[Message]]) -> None:
        self._kinds = kinds
        self.is_passive = False
        self.incarnation += 1
        self._stopping = False
        self._waiting_for_gate = trio.CancelScope()

    def _note_restored(self) -> None:
        if not self._restored:
            self._restored = True
            self.tell(booted(self._house.journal))

    def _new_fold(self) -> Fold:
        actor = self.spec.start()
        assert isinstance(actor, Actor), f"{self.address} is the cell of an actor"
        house = self._house
        lineage = house.journal.lineage if self._restored else house.journal.tail_lineage
        fold = Fold(actor, lineage, self.actor_id, self.address, paranoid=house.paranoid)
        if self._snapshot is not None:
            fold.load(self._snapshot)
        return fold

    def _read_back(self) -> None:
        self._snapshot, turns = self._house.journal.restore(self.actor_id)
        for turn in turns:
            self._grow_tail(turn, sum(len(i.body) for i in turn.inputs))
        self.snapshot_ns = self._snapshot.now_ns if self._snapshot else 0
        for item in self._house.journal.quarantined():
            if item.actor == self.actor_id and item.blocking:
                self.blocked = item

    def _diverged(self, error: NondeterminismError) -> Fold:
        """Return the state of an actor whose code changed; raise where that may not be."""
        if self._restored:
            raise error
        if self.spec.poison is Poison.BLOCK:
            raise TailDivergedError(self.address, error)
        # A strategy was changed: its state is what it makes of the past, what it did then stands.
        logger.warning("%s", error)
        fold = self._new_fold()
        for turn in self._tail:
            fold.follow(turn)
        return fold

    def configure(self) -> None:
        """Send the actor its configuration if it has not had it: before anything else."""
        configuration = self.spec.configuration
        if configuration is None:
            return
        encoded = encode(configuration)
        if self._house.journal.configuration(self.actor_id) != encoded:
            self._house.journal.configured(self.actor_id, encoded)
            self._house.router.post(RUNTIME, self.address, configuration)

    # --- running

    async def run(self) -> ExitReason:
        """Handle messages until asked to stop, or until one crashes; never raises but Cancelled."""
        if not self._house.gate.is_set():
            with self._waiting_for_gate:
                await self._house.gate.wait()
        self.notes.begin(self._house.clock.now_ns())
        try:
            while True:
                self._arm()
                if self.spec.passivate_after_ns:
                    await self._wait_or_rest()
                else:
                    await self.mailbox.wait(system_only=self.is_held)
                if self._stopping:
                    self.take_snapshot()
                    return SHUTDOWN
                # Looked at again: an operator may have said so meanwhile.
                ended = self.turn(system_only=self.is_held)
                if ended is not None:
                    return ended
        except MemoryError:
            raise  # nothing that is restarted would fare better: it ends the process
        except Exception as error:
            logger.exception("%s crashed outside its handlers", self.address)
            self.fold = None
            return ExitReason(Ended.CRASH, f"{type(error).__name__}: {error}", error)

    async def wait_started(self) -> None:
        """Return at once: an actor whose state could be built has started."""

    def request_stop(self) -> None:
        """Ask the incarnation to end after the turn it is in."""
        self._stopping = True
        self._waiting_for_gate.cancel()
        self.mailbox.wake()

    def turn(self, *, system_only: bool = False) -> ExitReason | None:
        """Handle the next batch; return why the incarnation ended, if it did."""
        batch = self.mailbox.take(system_only=system_only)
        if not batch:
            return None
        if len(batch) > 1 and self.notes.is_watched(self._house.clock):
            self.mailbox.put_back(batch[1:])
            del batch[1:]
        fold = self._reload() if self.is_passive else self.fold
        assert fold is not None, "an incarnation has a fold"
        first_seq = fold.seq + 1
        now_ns = self._house.clock.now_ns()
        return self._conclude(fold, batch, self._handle(fold, batch, now_ns), first_seq)

    def _conclude(
        self, fold: Fold, batch: list[Envelope], ran: Ran, first_seq: int
    ) -> ExitReason | None:
        """Commit what was handled; return why the incarnation ended, if it did."""
        handled = ran.handled
        if handled:
            self._commit(fold, batch if handled == len(batch) else batch[:handled], ran, first_seq)
        if ran.crash is not None:
            return self._crashed(batch[handled:], ran.crash)
        # Not before it is known that no message crashed half-way through this state.
        if self._is_snapshot_due() or buggify.buggify("cell.snapshot"):
            self.take_snapshot()
        if handled < len(batch):
            self.mailbox.put_back(batch[handled:])
        for effect in ran.effects:
            if effect[0] == STOP:
                self.take_snapshot()
                return NORMAL
        return None

    def _handle(self, fold: Fold, batch: list[Envelope], now_ns: int) -> Ran:
        sampler = self._house.sampler
        began_ns = perf_ns()
        sampler.begin(fold, self.spec.step_budget_ns)
        ran = fold.run(batch, now_ns, timed=True)
        over_ns = sampler.end()
        self.notes.times.note(perf_ns() - began_ns, ran.handled or 1)
        if over_ns:
            self.notes.overruns += 1
            logger.warning(
                "%s used %d ms of processor time in one go, and could not be struck there",
                self.address, over_ns // 1_000_000,
            )  # fmt: skip
        return ran

    def _commit(self, fold: Fold, handled: list[Envelope], ran: Ran, first_seq: int) -> None:
        """Journal the turn and deliver its effects; no checkpoint lies inside."""
        house = self._house
        chain = fold.seal(ran.counts, ran.effects)
        stored, outboxes = house.router.emit(self.actor_id, ran.effects)
        now_ns = fold.context.now_ns
        house.journal.turn(
            Turn(
                actor=self.actor_id,
                first_seq=first_seq,
                now_ns=now_ns,
                inputs=list(map(_position, handled)),
                counts=ran.counts,
                effects=stored,
                concluded=[position for position in map(_concludes, handled) if position > 0],
                chain=chain,
            )
        )
        self.mailbox.handled += len(handled)
        if ran.effects:
            fold.timers_moved = True
        # The tail keeps no effects: the chain suffices to check a fold in the same process.
        inputs: Any = handled
        turn = RecordedTurn(first_seq, now_ns, inputs, ran.counts, [], chain)
        size = sum(map(len, map(_body, handled)))
        self._grow_tail(turn, size)
        self.notes.turn(turn, ran.effects, size, house.router.names, fold.digest)
        if outboxes:
            house.router.deliver(outboxes)

    def _arm(self) -> None:
        fold = self.fold
        if fold is not None and fold.timers_moved:
            fold.timers_moved = False
            self._house.timers.arm(self, fold.timers, self.spec.timers_after)

    # --- being held up, and resting

    @property
    def is_held(self) -> bool:
        """Whether only what the runtime says is handled now."""
        return self.suspended or self.blocked is not None

    def suspend(self) -> None:
        """Handle nothing but what the runtime says, until `resume`; what comes in waits."""
        self.suspended = True

    def resume(self) -> None:
        """Handle again what waits."""
        self.suspended = False
        self.mailbox.wake()

    def _crowded(self, by: int) -> None:
        if by > 0 and self.suspended:
            # A suspended actor must not fill the process: the hard limit would end it.
            logger.warning("%s is resumed: too many messages wait for it", self.address)
            self.resume()
        self._house.crowded(by)

    def replace_state(self, state: bytes, operator: str, reason: str) -> None:
        """Have the actor go on from `state`, encoded; journalled like a message, and as one."""
        assert self.is_held, "the state of an actor that goes on is not the one that was looked at"
        self._tell(StateReplaced(state=state, operator=operator, reason=reason))

    async def _wait_or_rest(self) -> None:
        with trio.move_on_after(self.spec.passivate_after_ns / NANOSECONDS_PER_SECOND) as idle:
            await self.mailbox.wait(system_only=self.is_held)
        if idle.cancelled_caught and self.fold is not None and not self.is_held:
            self.take_snapshot()
            self.fold = None
            self.is_passive = True

    def _reload(self) -> Fold:
        fold = self.fold = self._new_fold()
        fold.context.continue_as(self._house.journal.lineage)
        self.is_passive = False
        return fold

    def fold_to_look_at(self) -> Fold | None:
        """Return the state as it stands; of one that rests a copy; None after a crash."""
        return self._new_fold() if self.is_passive else self.fold

    @property
    def seq(self) -> int:
        """The number of the last message handled; 0 while a crash is being recovered from."""
        if self.fold is not None:
            return self.fold.seq
        return self._snapshot.seq if self.is_passive and self._snapshot is not None else 0

    # --- snapshots

    def take_snapshot(self) -> None:
        """Write the state after the last message handled; the tail is then no longer needed."""
        assert self.has_state, "only a running incarnation has a state"
        now_ns = self._house.clock.now_ns()
        if self.fold is not None and (self._tail or self._snapshot is None):
            self._snapshot = self.fold.snapshot(now_ns)
        assert self._snapshot is not None, "who rests has a snapshot"
        self._house.journal.snapshot(self._snapshot)
        self.snapshot_ns = now_ns
        self._house.tail_grew(-self._tail_bytes)
        self._tail, self._tail_bytes, self._tail_messages = [], 0, 0

    def _is_snapshot_due(self) -> bool:
        return (
            self._tail_messages >= self._snapshot_messages
            or self._tail_bytes >= limits.SNAPSHOT_TAIL_BYTES
        )

    @property
    def has_state(self) -> bool:
        """Whether it can be snapshotted: it runs or rests, and has not crashed."""
        return self.fold is not None or self.is_passive

    @property
    def tail_bytes(self) -> int:
        """What is kept in memory to fold this actor again."""
        return self._tail_bytes

    def _grow_tail(self, turn: RecordedTurn, size: int) -> None:
        self._tail.append(turn)
        self._tail_bytes += size
        self._tail_messages += len(turn.inputs)
        self._house.tail_grew(size)

    # --- crashes and poison

    def _crashed(
        self, rest: list[Envelope], error: BaseException, reason: ExitReason | None = None
    ) -> ExitReason:
        poison = rest[0]
        position, attempts = self._failing
        attempts = attempts + 1 if position == poison[0] else 1
        self._failing = (poison[0], attempts)
        # The traceback is put into words by who writes the log: it takes as long as the restart.
        logger.error(
            "%s crashed on message %d (%s), try %d",
            self.address, poison[0], tag_in(poison[4]), attempts, exc_info=error,
        )  # fmt: skip
        if attempts < limits.POISON_ATTEMPTS:
            self.mailbox.put_back(rest, at_once=not isinstance(error, StruckError))
        else:
            self.mailbox.put_back(rest[1:])
            self._set_aside(poison, "".join(traceback.format_exception(error)))
        if isinstance(error, StruckError):
            self.notes.struck += 1
            self.tell(Stuck(position=poison[0], used_ns=error.used_ns))
        # Half a message is in this state: nobody may see or snapshot it.
        self.fold = None
        # An operator may try as often as they like: the tree does not end by it.
        is_charged = poison[0] != self._retried
        if reason is not None:
            return replace(reason, is_charged=is_charged)
        if isinstance(error, StruckError):
            return ExitReason(Ended.STUCK, str(error), error, is_charged)
        return ExitReason(Ended.CRASH, f"{type(error).__name__}: {error}", error, is_charged)

    def _set_aside(self, poison: Envelope, error: str) -> None:
        position, sender, _, at_ns, body = poison[:5]
        blocking = self.spec.poison is Poison.BLOCK and poison[6] != STREAMED
        concludes = max(0, poison[6])
        item = SetAside(position, self.actor_id, sender, at_ns, body, error, blocking, concludes)
        self._house.journal.set_aside(item)
        if concludes and not blocking:
            self._house.journal.conclude(concludes)
        self.mailbox.dead += 1
        last_line = error.strip().splitlines()[-1]
        if blocking:
            self.blocked = item
            self.notify(Blocked(address=self.address, position=position, error=last_line))
        else:
            self.tell(quarantined(poison, last_line))

    def release(self, *, discard: bool, operator: str, reason: str) -> int:
        """End the block: have its message handled again, or never; return its position."""
        item = self.blocked
        if item is None:
            raise NotBlockedError(self.address)
        self._house.journal.release(
            item.position, discard=discard, operator=operator, reason=reason
        )
        self.blocked = None
        position, sender, concludes = item.position, item.sender, item.concludes
        # It is tried once: it has crashed often enough.
        self._failing = (position, limits.POISON_ATTEMPTS - 1)
        self._retried = position
        if not discard:
            self.mailbox.dead -= 1
            self.mailbox.put_back(
                [(position, sender, self.actor_id, item.at_ns, item.body, "", concludes)]
            )
        elif concludes:
            # What became of the command is known, if not to the actor: nobody is to ask again.
            self._house.journal.conclude(concludes)
        self.notify(Unblocked(address=self.address, position=item.position))
        self.mailbox.wake()
        return item.position

    def notify(self, message: Blocked | Unblocked | Down) -> None:
        """Tell those who monitor this cell."""
        for address in self.spec.monitored_by:
            self._house.router.post(RUNTIME, address, message)

    def statistics(self) -> CellStatistics:
        """Return what is known of this cell without looking into its state."""
        fold = self.fold
        return CellStatistics(
            address=self.address,
            kind=self.kind,
            incarnation=self.incarnation,
            seq=self.seq,
            mailbox=self.mailbox.statistics(),
            tail_messages=self._tail_messages,
            blocked=self.blocked is not None,
            suspended=self.suspended,
            timers=len(fold.timers) if fold else 0,
        )
