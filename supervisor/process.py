"""The cell of an actor whose handlers run in a process of their own.

Mailbox, journal, hash chain, timers and supervision stay here; the process decodes, handles and
returns effects, which are then committed as if it had happened here. A replay runs it here, too:
the journal does not show where handlers ran. Whatever ends the process ends the incarnation, with
the message that it was handling as the one that crashed.

Snapshots come from the process, so they are asked for between two turns and lag by a question.
"""

from collections.abc import Iterator

import trio

from supervisor import limits, process_frames
from supervisor.actor import Actor, AnyState
from supervisor.cell import Cell
from supervisor.clock import perf_ns
from supervisor.fold import Fold, NondeterminismError, Ran, TailDivergedError
from supervisor.house import House
from supervisor.journal import Envelope, RecordedTurn, Snapshot
from supervisor.process_frames import Begin, Continue, Handle, Handled, Reached, Save, Saved
from supervisor.spec import SHUTDOWN, ChildSpec, Ended, ExitReason, Poison
from supervisor.worker import DiedError, HandlerError, Worker, made

# Turns that are folded again by one question.
PAST_TURNS = 64


class RemoteFold(Fold):
    """What is known here of a fold in a process: how far it is, its chain and timers; no state."""

    def __init__(self, actor: Actor[AnyState], house: House, cell: Cell) -> None:
        super().__init__(actor, house.journal.lineage, cell.actor_id, cell.address)
        self.fetched: Snapshot | None = None

    @property
    def is_fetched(self) -> bool:
        """Whether the newest state is here."""
        return self.fetched is not None and self.fetched.seq == self.seq

    def reach(self, seq: int, timers: dict[str, tuple[int, int]] | None) -> None:
        """Take over how far the process is."""
        self.context.seq = seq
        if timers is not None:
            self.context.timers = timers
            self.timers_moved = True

    def digest(self) -> str:
        return ""

    def snapshot(self, now_ns: int) -> Snapshot:
        assert self.is_fetched, "the state is fetched first"
        assert self.fetched is not None, "it is"
        return self.fetched


class ProcessCell(Cell):
    """One isolated actor's place in the tree. A supervisor waits until it has reached its past."""

    kind = "process"

    def __init__(self, house: House, address: str, spec: ChildSpec) -> None:
        super().__init__(house, address, spec)
        self._made = made(spec)
        self._worker: Worker | None = None
        self._remote: RemoteFold | None = None
        self._reached = trio.Event()
        self._wants_snapshot = False
        self._one_by_one = 0
        """So many messages are handled one at a time: one of them ended the process."""

    @property
    def pid(self) -> int:
        """The id of the process that runs the handlers; 0 while there is none."""
        return self._worker.pid if self._worker is not None else 0

    # --- starting

    def prepare(self) -> None:
        if not self._restored:
            self._read_back()
        actor = self.spec.start()
        assert isinstance(actor, Actor), f"{self.address} is the cell of an actor"
        self.fold = None
        self._remote = RemoteFold(actor, self._house, self)
        self._worker = Worker(self.spec)
        self._reached = trio.Event()
        self._begin(self._remote.kinds)

    async def wait_started(self) -> None:
        """Wait until the process has made the actor and reached its past."""
        await self._reached.wait()

    async def _reach(self, worker: Worker, remote: RemoteFold) -> None:
        """Have the process fold the past: the snapshot, then the turns since."""
        reached = await self._made_in(worker)
        for turns in _chunks(self._tail):
            reached = await worker.ask(self._past(turns, follow=False), Reached)
            if reached.divergence is not None:
                self._judge(NondeterminismError(self.address, reached.divergence))
                reached = await self._follow(worker)
                break
        if not self._restored:
            journal = self._house.journal
            reached = await worker.ask(Continue(lineage=journal.lineage), Reached)
        remote.chain = reached.chain
        remote.reach(reached.seq, reached.timers)
        remote.timers_moved = True
        self.fold = remote
        await self._fetch(worker, remote)
        self._note_restored()

    async def _made_in(self, worker: Worker) -> Reached:
        house, how = self._house, self._made
        begin = Begin(
            module=how.module,
            name=how.name,
            arguments=how.arguments,
            lineage=house.journal.lineage if self._restored else house.journal.tail_lineage,
            actor_id=self.actor_id,
            address=self.address,
            paranoid=house.paranoid,
            snapshot=self._snapshot,
        )
        return await worker.ask(begin, Reached)

    def _past(self, turns: list[RecordedTurn], *, follow: bool) -> process_frames.Past:
        return process_frames.past(turns, self._house.router.names, follow=follow)

    def _judge(self, error: NondeterminismError) -> None:
        """Raise where code that acts differently than recorded may not go on (as `Cell` does)."""
        if self._restored:
            raise error
        if self.spec.poison is Poison.BLOCK:
            raise TailDivergedError(self.address, error)

    async def _follow(self, worker: Worker) -> Reached:
        reached = await self._made_in(worker)
        for turns in _chunks(self._tail):
            reached = await worker.ask(self._past(turns, follow=True), Reached)
        return reached

    # --- running

    async def run(self) -> ExitReason:
        """Handle messages until asked to stop, or until the process ends; see `Cell.run`."""
        worker, remote = self._worker, self._remote
        assert worker is not None, "an incarnation has a process"
        assert remote is not None, "and knows where it is"
        self.notes.begin(self._house.clock.now_ns())
        try:
            await self._reach(worker, remote)
            self._reached.set()
            with self._waiting_for_gate:
                await self._house.gate.wait()
            return await self._serve(worker, remote)
        except DiedError as died:
            return died.reason
        except (NondeterminismError, TailDivergedError) as error:
            return ExitReason(Ended.START_FAILED, str(error), error)
        finally:
            self.fold = self._worker = None
            await worker.aclose()

    async def _serve(self, worker: Worker, remote: RemoteFold) -> ExitReason:
        while True:
            self._arm()
            await self.mailbox.wait(system_only=self.is_held)
            ended = SHUTDOWN if self._stopping else await self._turn_in(worker, remote)
            if self.fold is None:
                assert ended is not None, "it crashed"
                return ended
            if ended is not None or self._wants_snapshot:
                await self._fetch(worker, remote)
                self.take_snapshot()
            if ended is not None:
                return ended

    async def _turn_in(self, worker: Worker, remote: RemoteFold) -> ExitReason | None:
        """Have the process handle the next few messages; return why the incarnation ended."""
        batch = self._take()
        if not batch:
            return None
        first_seq = remote.seq + 1
        remote.context.now_ns = now_ns = self._house.clock.now_ns()
        handle = Handle(batch=process_frames.items(batch), now_ns=now_ns)
        began_ns = perf_ns()
        try:
            handled = await worker.ask(handle, Handled, messages=len(batch))
        except DiedError as died:
            return self._died(batch, died.reason)
        except trio.Cancelled:
            # Nothing of it is committed: the next incarnation handles it.
            self.mailbox.put_back(batch)
            raise
        self.notes.times.note(perf_ns() - began_ns, len(handled.counts) or 1)
        self._one_by_one = max(0, self._one_by_one - len(handled.counts))
        crash = None
        if handled.error:
            crash = HandlerError(handled.error)
            crash.add_note(handled.traceback)
        remote.reach(handled.seq, handled.timers)
        ran = Ran(len(handled.counts), handled.counts, handled.effects, crash)
        return self._conclude(remote, batch, ran, first_seq)

    def _take(self) -> list[Envelope]:
        batch = self.mailbox.take(system_only=self.is_held)
        most = 1 if self._one_by_one else limits.PROCESS_TURN_MESSAGES
        if len(batch) > most:
            self.mailbox.put_back(batch[most:])
        return batch[:most]

    def _died(self, batch: list[Envelope], reason: ExitReason) -> ExitReason:
        """Count the message that ended the process; if it is not known which, find out."""
        if len(batch) == 1:
            return self._crashed(batch, reason.error or DiedError(reason), reason)
        self.mailbox.put_back(batch)
        self._one_by_one = len(batch)
        self.fold = None
        return reason

    # --- snapshots

    async def _fetch(self, worker: Worker, remote: RemoteFold) -> None:
        saved = await worker.ask(Save(now_ns=self._house.clock.now_ns()), Saved)
        assert saved.snapshot.chain == remote.chain, "both sides extend the chain alike"
        remote.fetched = saved.snapshot
        self._wants_snapshot = False

    def take_snapshot(self) -> None:
        """Write the state if it is here; else it is fetched and written before the next turn."""
        if self._remote is not None and self._remote.is_fetched:
            super().take_snapshot()
        else:
            self._wants_snapshot = True
            self.mailbox.wake()

    def fold_to_look_at(self) -> Fold | None:
        """Return the state as it was fetched last, and have a newer one fetched."""
        remote = self._remote
        if self.fold is None or remote is None or remote.fetched is None:
            return None
        if not remote.is_fetched:
            self.take_snapshot()
        actor = self.spec.start()
        assert isinstance(actor, Actor), "it was one"
        fold = Fold(actor, self._house.journal.lineage, self.actor_id, self.address)
        fold.load(remote.fetched)
        return fold


def _chunks(turns: list[RecordedTurn]) -> Iterator[list[RecordedTurn]]:
    for start in range(0, len(turns), PAST_TURNS):
        yield turns[start : start + PAST_TURNS]
