"""The journal in SQLite: appends from the trio thread are committed in groups off it.

What happens between two scheduling points is in one group, or in none if the process dies: a group
is closed by `run`, never by an append.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import apsw
import trio

from state.database import Database, Settings, close, refusing
from state.errors import DatabaseDamagedError, StateError, StoreLostError
from state.group import (
    NUMBER_BYTES,
    POST_BYTES,
    TURN_BYTES,
    Act,
    Adopted,
    Audited,
    Concluded,
    Configured,
    Group,
    Mark,
    Named,
    Released,
    StoreStatistics,
    Withheld,
)
from state.history import History
from state.retention import MAINTENANCE_NS, Keep, Retention
from state.sql import DAMAGED, MAY_PASS, fetch_all, fetch_one
from state.writer import Writer
from supervisor import limits
from supervisor.buggify import buggify
from supervisor.clock import NANOSECONDS_PER_SECOND, trio_monotonic_ns
from supervisor.journal import Commit, Pending, Post, RecordedTurn, SetAside, Snapshot, Turn
from supervisor.threads import threads

# The log is brought into the file after so much: a few tens of milliseconds of copying, off the
# writer; the log stays a few times this size.
CHECKPOINT_BYTES = 4_000_000
RETRY_NS_MIN = 50_000_000
RETRY_NS_MAX = 1_000_000_000
# How often a store in need looks for room: entries stay off until it has found some.
NEED_RETRY_NS = 5_000_000_000
# Addresses and topics come from the roster and the venues' lists; a million means a leak.
NAMES_MAX = 1_000_000
NAMES = "SELECT id, name FROM names"


class Store:
    """The durable log of one data folder. Fulfils `supervisor.journal.Journal`.

    `run` is its task; all else is called on the trio thread. When a commit fails for good, `run`
    raises (`StoreLostError`, `DatabaseDamagedError`, `PoisonTurnError`), and so does `committed`.
    """

    def __init__(self, database: Database, keep: Keep | None = None) -> None:
        self._database = database
        self._reader = database.reader()
        self._writer = Writer(database)
        self._history = History(database, self._reader)
        self._retention = Retention(database.writer, self._writer, keep or Keep())
        self._checkpointer = None if database.exclusive else database.checkpointer()
        self.lineage = database.lineage
        self.tail_lineage = database.tail_lineage
        self.boot = database.boot
        self.database = database
        self._names = {name: number for number, name in fetch_all(self._reader, NAMES)}
        self._quarantine = {item.key: item for item in self._history.quarantined()}
        self._position = self._writer.position
        self._group = Group()
        self._in_flight: Group | None = None
        self._wake = trio.Event()
        self._demand = trio.Event()
        self._listeners: list[Callable[[Commit], None]] = []
        self._degraded_calls: list[Callable[[str], None]] = []
        self._degraded = ""
        self._withheld = Withheld()
        self._groups = 0
        self._uncheckpointed = 0
        self._checkpoint_now = trio.Event()
        self._checkpoint_rest = False
        self._maintained_ns = 0
        self._closing = False
        self._is_closed = False
        self._ended: trio.Event | None = None
        self._failure: BaseException | None = None

    @classmethod
    def open(
        cls,
        folder: Path,
        settings: Settings | None = None,
        keep: Keep | None = None,
        draw: Callable[[int], bytes] = os.urandom,
    ) -> "Store":
        """Open the store in `folder`, making it if there is none; blocks for some milliseconds.

        Raises what `state.errors` lists; nothing is held or changed then.
        """
        database = Database.open(folder, settings, draw)
        with ExitStack() as undo:
            undo.callback(database.close)
            with refusing(database.path):
                store = cls(database, keep)
            undo.pop_all()
        return store

    # --- names

    def enroll(self, name: str) -> int:
        number = self._names.get(name)
        if number is None:
            assert name, "a name is not empty"
            assert len(self._names) < NAMES_MAX, "names leak: are they made from data?"
            number = self._names[name] = len(self._names) + 1
            self._act(Named(number, name), len(name))
        return number

    def names(self) -> dict[str, int]:
        return dict(self._names)

    # --- appending

    def durable(self, post: Post, concludes: int = 0) -> None:
        if concludes:
            self._group.concludes[post[0]] = concludes
        self.durables((post,))

    def durables(self, posts: Sequence[Post]) -> None:
        if not posts:
            return
        assert posts[0][0] > self._position, "positions grow"
        self._position = posts[-1][0]
        self._group.durables += posts
        self._grow(self._group, sum([len(post[4]) for post in posts]) + POST_BYTES * len(posts))

    def stream(self, post: Post) -> None:
        group = self._group
        assert post[0] > self._position, "positions grow"
        self._position = post[0]
        group.streams.append(post)
        self._grow(group, len(post[4]) + POST_BYTES)

    def turn(self, turn: Turn) -> None:
        assert turn.inputs, "a turn handled something"
        assert len(turn.inputs) == len(turn.counts), "each input has a count of effects"
        group = self._group
        group.marks.append(Mark(self._position, len(group.acts)))
        group.turns.append(turn)
        size = TURN_BYTES + NUMBER_BYTES * (len(turn.inputs) + 2 * len(turn.effects))
        self._grow(group, size + sum([len(effect[4]) for effect in turn.effects]))

    def snapshot(self, snapshot: Snapshot) -> None:
        assert len(snapshot.state) <= limits.STATE_BYTES_MAX, "the state of an actor leaks"
        self._act(snapshot, len(snapshot.state))

    def conclude(self, position: int) -> None:
        self._act(Concluded(position), 0)

    def set_aside(self, item: SetAside) -> None:
        assert item.key not in self._quarantine, "an actor sets a message aside once"
        self._quarantine[item.key] = item
        self._act(item, len(item.body) + len(item.error))

    def release(self, position: int, *, discard: bool, operator: str, reason: str) -> None:
        assert operator, "a release names its operator"
        assert reason or not discard, "a discard has a reason"
        item = self._quarantine.pop(next(k for k in self._quarantine if k[0] == position))
        self._act(Released(item, discard, operator, reason), len(reason))

    def adopt_lineage(self) -> None:
        self.tail_lineage = self.lineage
        self._act(Adopted(), 0)

    def configured(self, actor: int, configuration: bytes) -> None:
        self._act(Configured(actor, configuration), len(configuration))

    def audit(self, at_ns: int, operator: str, act: str, subject: str, detail: str) -> None:
        """Append what an operator did to the audit, in this group's transaction."""
        assert operator, "an audited act has somebody who did it"
        self._act(Audited(at_ns, operator, act, subject, detail), len(subject) + len(detail))

    # --- durability

    def after_commit(self, call: Callable[[], None]) -> None:
        group = self._newest_uncommitted()
        if group is None:
            call()
        else:
            group.calls.append(call)

    async def committed(self) -> None:
        group = None if self._failure is not None else self._newest_uncommitted()
        if group is None:
            await trio.lowlevel.checkpoint()
        else:
            done = trio.Event()
            group.waiters.append(done)
            await done.wait()
        if self._failure is not None:
            raise self._failure

    def _newest_uncommitted(self) -> Group | None:
        """Return the group that is durable last, closing it; `None` if all is durable."""
        if self._group.empty():
            return self._in_flight
        self._demand.set()
        return self._group

    def backlog(self) -> tuple[int, int]:
        groups = [group for group in (self._in_flight, self._group) if group is not None]
        opened = [group.opened_ns for group in groups if group.opened_ns]
        age_ns = trio_monotonic_ns() - min(opened) if opened else 0
        return sum(group.size for group in groups), age_ns

    def listen(self, call: Callable[[Commit], None]) -> None:
        self._listeners.append(call)

    @property
    def degraded(self) -> str:
        """Why the store is in need (disk full or failing; streams are not stored), or ""."""
        return self._degraded

    def on_degraded(self, call: Callable[[str], None]) -> None:
        """Have `call` called with the reason when the store falls in need, and with "" after."""
        self._degraded_calls.append(call)

    # --- reading back

    def next_position(self) -> int:
        return self._position + 1

    def newest_ns(self) -> int:
        return self._writer.newest_ns

    def restore(self, actor: int) -> tuple[Snapshot | None, Iterable[RecordedTurn]]:
        assert actor > 0, "the runtime itself has no state"
        return self._history.restore(actor)

    def inbox(self) -> Iterable[Pending]:
        return self._history.inbox()

    def quarantined(self) -> Iterable[SetAside]:
        return list(self._quarantine.values())

    def configuration(self, actor: int) -> bytes | None:
        query = "SELECT configuration FROM configurations WHERE actor = ?"
        row = fetch_one(self._reader, query, (actor,))
        return row[0] if row is not None else None

    def turns(self, actor: int, from_seq: int, to_seq: int) -> Iterator[RecordedTurn]:
        """Yield the durable turns of `actor` that hold messages `from_seq` to `to_seq`.

        Raises `HistoryRetiredError` when the first of them is not kept any more.
        """
        return self._history.turns(actor, from_seq, to_seq)

    def snapshot_before(self, actor: int, seq: int) -> Snapshot | None:
        """Return the newest good snapshot without message `seq`; `None`: fold from the beginning.

        Raises `HistoryRetiredError` when neither is possible.
        """
        return self._history.snapshot_before(actor, seq)

    def horizon(self, actor: int) -> int:
        """Return the first message of `actor` that can be replayed."""
        return self._history.horizon(actor)

    def due_snapshots(self, now_ns: int) -> list[int]:
        return self._writer.shelf.due(now_ns, self._writer.log_bytes, sorted(self._writer.actors))

    def statistics(self) -> StoreStatistics:
        """Return what the store has done since its start."""
        return StoreStatistics(
            groups=self._groups,
            bytes=self._writer.log_bytes,
            backlog_bytes=self.backlog()[0],
            inbox=len(self._writer.inbox),
            quarantined=len(self._quarantine),
            degraded=self._degraded,
            withheld=len(self._withheld),
            dropped=self._withheld.dropped,
        )

    # --- the task

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit groups until `aclose`; the port `store` runs this.

        Raises `StoreLostError`, `DatabaseDamagedError` or `PoisonTurnError`, each with the exit
        code of the process; every waiting `committed` then raises the same.
        """
        assert self._ended is None, "a store has one task"
        self._ended = trio.Event()
        self._maintained_ns = trio_monotonic_ns()
        try:
            async with trio.open_nursery() as nursery:
                if self._checkpointer is not None:
                    nursery.start_soon(self._checkpoints, self._checkpointer)
                task_status.started()
                try:
                    await self._commits()
                except StateError as error:
                    self._failure = error
                nursery.cancel_scope.cancel()
        finally:
            self._ended.set()
            if self._failure is not None:
                self._release_waiters()
        # Raised outside the nursery, which would wrap it in a group: its type is the exit code.
        if self._failure is not None:
            raise self._failure

    async def aclose(self) -> None:
        """Commit what was appended, then close the database; a second call does nothing.

        What comes after that is lost: streams of a runtime that has stopped its last actor.
        """
        if self._is_closed:
            return
        self._closing = True
        self._wake.set()
        self._demand.set()
        with trio.CancelScope(shield=True):
            if self._ended is not None:
                await self._ended.wait()
            # A cancelled task leaves the group that it had taken, not written.
            for group in (self._in_flight, self._take()):
                if self._failure is None and group is not None and not group.empty():
                    await self._commit(group)
            await threads().run(self._close)
            self._is_closed = True

    def _close(self) -> None:
        for connection in (self._checkpointer, self._reader):
            if connection is not None:
                close(connection)
        self._database.empty_log()
        self._database.close()

    async def _commits(self) -> None:
        while True:
            if self._group.empty():
                if self._closing:
                    return
                await self._idle()
                continue
            # Waiting for what is there already would cost a commit a pass of a busy loop.
            if buggify("store.late-group"):
                await trio.sleep(limits.GROUP_NS_MAX / NANOSECONDS_PER_SECOND)
            elif not self._demand.is_set():
                left_ns = self._group.opened_ns + limits.GROUP_NS_MAX - trio_monotonic_ns()
                with trio.move_on_after(max(0, left_ns) / NANOSECONDS_PER_SECOND):
                    await self._demand.wait()
            await self._commit(self._take())
            await self._care()

    async def _idle(self) -> None:
        with trio.move_on_after(self._maintenance_ns / NANOSECONDS_PER_SECOND):
            await self._wake.wait()
            return
        await self._care()

    @property
    def _maintenance_ns(self) -> int:
        return NEED_RETRY_NS if self._degraded else MAINTENANCE_NS

    def _take(self) -> Group:
        group = self._in_flight = self._group
        self._group = Group()
        self._wake = trio.Event()
        self._demand = trio.Event()
        if (group.calls or buggify("store.later-snapshots")) and not self._closing:
            # A port waits, and each snapshot costs the writer statements.
            for snapshot in group.put_off_snapshots(self._group):
                self.snapshot(snapshot)
        return group

    async def _commit(self, group: Group) -> None:
        down_since_ns = 0
        retry_ns = RETRY_NS_MIN
        while (commit := await self._attempt(group)) is None:
            down_since_ns = down_since_ns or trio_monotonic_ns()
            down_ns = trio_monotonic_ns() - down_since_ns
            if down_ns >= limits.STORE_DOWN_NS_MAX:
                down_s = down_ns / NANOSECONDS_PER_SECOND
                raise StoreLostError(self._database.path, self._degraded, down_s)
            await trio.sleep(retry_ns / NANOSECONDS_PER_SECOND)
            is_last = buggify("store.late-retry")
            retry_ns = RETRY_NS_MAX if is_last else min(2 * retry_ns, RETRY_NS_MAX)
        self._in_flight = None
        self._groups += 1
        self._uncheckpointed += group.size
        self._say(commit, group)

    async def _attempt(self, group: Group) -> Commit | None:
        """Write `group`; return `None` when the disk did not take it and might later."""
        self._withheld.sift(group, keep_back=bool(self._degraded))
        try:
            run = threads().run_urgent if group.awaited else threads().run
            return await run(partial(self._writer.write, group))
        except apsw.ConstraintError as error:
            around = partial(self._writer.write_around, group, error)
            raise await threads().run(around) from error
        except DAMAGED as error:
            raise DatabaseDamagedError(self._database.path, str(error)) from error
        except MAY_PASS as error:
            self._need(str(error))
            return None

    def _say(self, commit: Commit, group: Group) -> None:
        for call in group.calls:
            call()
        for waiter in group.waiters:
            waiter.set()
        for listener in self._listeners:
            listener(commit)
        if self._degraded and not self._database.settings.ballast_bytes:
            self._set_degraded("")

    def _need(self, reason: str) -> None:
        self._database.ballast.drop()
        if not self._degraded:
            self._set_degraded(reason)

    def _set_degraded(self, reason: str) -> None:
        self._degraded = reason
        for call in self._degraded_calls:
            call(reason)

    # --- care between groups

    async def _care(self) -> None:
        if self._checkpoint_rest or (
            self._checkpointer is None
            and (self._uncheckpointed >= CHECKPOINT_BYTES or buggify("store.early-checkpoint"))
        ):
            self._checkpoint_rest = False
            self._uncheckpointed = 0
            await self._carefully(self._writer.checkpoint)
        elif self._uncheckpointed >= CHECKPOINT_BYTES:
            self._checkpoint_now.set()
        now_ns = trio_monotonic_ns()
        is_due = now_ns - self._maintained_ns >= self._maintenance_ns
        if is_due or buggify("store.early-maintenance"):
            self._maintained_ns = now_ns
            self._history.forget()
            if self._degraded:
                room = await threads().run(self._database.ballast.reload)
                if room:
                    self._set_degraded("")
            await self._carefully(self._retention.step)

    async def _carefully(self, work: Callable[[], None]) -> None:
        """Run work that can be done later as well when the disk is in need."""
        try:
            await threads().run(work)
        except MAY_PASS as error:
            self._need(str(error))

    async def _checkpoints(self, connection: apsw.Connection) -> None:
        """Copy the log into the file beside the writer; the writer copies the short rest itself.

        Without that last step the log would never begin again from its start while we are busy.
        """
        work = partial(connection.wal_checkpoint, mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        while True:
            await self._checkpoint_now.wait()
            self._uncheckpointed = 0
            self._checkpoint_now = trio.Event()
            try:
                await threads().run(work)
                self._checkpoint_rest = True
            except MAY_PASS as error:
                self._need(str(error))

    def _act(self, act: Act, size: int) -> None:
        self._group.acts.append(act)
        self._grow(self._group, size + POST_BYTES)

    def _grow(self, group: Group, size: int) -> None:
        if not group.size:
            group.opened_ns = max(1, trio_monotonic_ns())
            self._wake.set()
        group.size += size
        if group.size >= limits.GROUP_BYTES_MAX:
            self._demand.set()

    def _release_waiters(self) -> None:
        for group in (self._in_flight, self._group):
            for waiter in group.waiters if group is not None else ():
                waiter.set()
