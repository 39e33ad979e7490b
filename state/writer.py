"""Writing a group: a handful of statements in one transaction, whatever the number of messages.

Called off the loop, by one caller at a time. What it remembers about the database (inbox, snapshots
kept, tables) changes only after a commit, so that a failed group can simply be written again.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

import apsw
import msgspec

from messages.base import Row
from state import audit, ledger
from state.bodies import Block, encode_block, fetch_block
from state.database import Database, immediate, rollback
from state.errors import PoisonTurnError
from state.gate import Gate, Passage
from state.group import Adopted, Audited, Concluded, Configured, Group, Named, Released
from state.snapshots import Kept, Shelf
from state.sql import Value, fetch_all, fetch_one, fill, insert_many
from state.tables import HOUR_NS, Hours, decode_row, row_values
from supervisor.actor import RECORD
from supervisor.journal import Commit, Post, SetAside, Snapshot, Turn

RowNotice = tuple[str, int, int, bytes]
_BLOCK = ("last", "first", "at_ns", "heads", "bodies")
_TURN = ("actor", "last_seq", "low", "at_ns", "body")
_QUARANTINE = (
    "position", "actor", "sender", "at_ns", "body", "error", "blocking", "durable", "concludes",
)  # fmt: skip
_encode = msgspec.msgpack.Encoder().encode


@dataclass
class Change:
    """What a transaction changed in what the writer remembers."""

    position: int
    newest_ns: int
    hour: int
    tables: list[tuple[str, int]] = field(default_factory=list)
    actors: dict[int, int] = field(default_factory=dict)
    low: int = 0
    added: dict[int, int] = field(default_factory=dict)
    removed: set[int] = field(default_factory=set)
    kept: dict[int, tuple[Kept, ...]] = field(default_factory=dict)
    rows: list[RowNotice] = field(default_factory=list)
    tail: audit.Tail = field(default_factory=audit.Tail)


@dataclass
class Moves:
    """Into and out of the inbox in one group; most messages do both and never touch the table."""

    emitted: dict[int, int]
    """Position → the command it concludes, or 0."""
    done: set[int] = field(default_factory=set)


class Writer:
    """The one writer of a database."""

    def __init__(self, database: Database) -> None:
        connection = database.writer
        self._database = database
        self._connection = connection
        self._gate = Gate(connection)
        self.hours = Hours(connection)
        self.shelf = Shelf(connection)
        inbox = fetch_all(connection, "SELECT position, concludes FROM inbox")
        self.inbox: dict[int, int] = dict(inbox)
        """Position of each message in the inbox → the command it concludes, or 0."""
        self.actors: dict[int, int] = dict(fetch_all(connection, "SELECT actor, hour FROM actors"))
        """Every actor that had a turn → the hour of its first."""
        self.lows: dict[int, int] = {}
        """Hour → the oldest position that its turns refer to, of those this process wrote."""
        self.tail = audit.tail(connection)
        self.position, self.newest_ns = self._newest()
        self.log_bytes = 0
        """How much was committed since the start."""

    def write(self, group: Group) -> Commit:
        """Commit `group` whole or not at all; raises apsw's errors."""
        change = self._change(group)
        if self._is_plain(group, change.hour):
            # A statement outside a transaction is one: the fast way, of one step.
            self._apply(group, change)
        else:
            with immediate(self._connection):
                self._apply(group, change)
        self._accept(change, group.size)
        return Commit(change.position, change.rows)

    def write_around(self, group: Group, error: apsw.ConstraintError) -> PoisonTurnError:
        """Commit what lies before the turn of `group` that breaks a constraint; return who it was.

        The turn's inputs go to quarantine in a transaction of their own. Raises `error` again when
        no single turn breaks it.
        """
        culprit, reason = self._culprit(group, error)
        self.write(group.before(culprit))
        turn = group.turns[culprit]
        aside = Group()
        aside.acts = list(self._asides(group, turn, reason))
        self.write(aside)
        name = fetch_one(self._connection, "SELECT name FROM names WHERE id = ?", (turn.actor,))
        return PoisonTurnError(turn.actor, name[0] if name else "", turn.first_seq, reason)

    def checkpoint(self) -> None:
        """Bring the log into the database file as far as no reader needs it."""
        self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    # --- one transaction

    def _change(self, group: Group) -> Change:
        newest_ns = max(self.newest_ns, _newest_ns(group))
        position = max(
            self.position,
            group.durables[-1][0] if group.durables else 0,
            group.streams[-1][0] if group.streams else 0,
        )
        return Change(position, newest_ns, newest_ns // HOUR_NS, tail=self.tail)

    def _is_plain(self, group: Group, hour: int) -> bool:
        return (
            hour == self._gate.hour
            and all(isinstance(act, Concluded) for act in group.acts)
            and not (group.streams and group.streams[0][0] <= self.position)
        )

    def _apply(self, group: Group, change: Change) -> None:
        passage = Passage(change.newest_ns)
        if change.hour != self._gate.hour:
            change.tables = self._gate.turn_to(change.hour, self.hours)
        passage.put_durables(group.durables)
        passage.put_streams(self._without_late(group.streams, change))
        if group.turns:
            turns = passage.put_turns(group.turns)
            change.low = min(low for _, _, low, _, _ in turns)
            new = [actor for actor, *_ in turns if actor not in self.actors]
            change.actors = dict.fromkeys(new, change.hour)
            passage.put_actors(new)
        moves = self._apply_acts(group, change)
        self._move(group.turns, moves, change)
        passage.put_inbox(change.added, change.removed)
        _put_rows(passage, group.turns, change)
        self._gate.let_in(passage)

    def _accept(self, change: Change, size: int) -> None:
        self.position, self.newest_ns = change.position, change.newest_ns
        self._gate.hour = change.hour
        for kind, hour in change.tables:
            self.hours.added(kind, hour)
        self.actors.update(change.actors)
        if change.low:
            self.lows[change.hour] = min(change.low, self.lows.get(change.hour, change.low))
        for position in change.removed:
            del self.inbox[position]
        self.inbox.update(change.added)
        self.shelf.accept(change.kept)
        self.tail = change.tail
        self.log_bytes += size

    def _without_late(self, posts: list[Post], change: Change) -> list[Post]:
        """Insert what lies behind what is stored already; return the rest.

        Messages that were withheld while the disk was full come so: each gets a block of its own,
        which is found by its exact position.
        """
        late = 0
        while late < len(posts) and posts[late][0] <= self.position:
            heads, bodies = encode_block(posts[late : late + 1])
            position = posts[late][0]
            row = (position, position, change.newest_ns, heads, bodies)
            insert_many(self._connection, f"stream_{change.hour}", _BLOCK, [row])
            late += 1
        return posts[late:] if late else posts

    def _apply_acts(self, group: Group, change: Change) -> Moves:
        moves = Moves(dict.fromkeys((post[0] for post in group.durables), 0))
        moves.emitted.update(group.concludes)
        snapshots: list[Snapshot] = []
        audited: list[Audited] = []
        names = [act for act in group.acts if isinstance(act, Named)]
        insert_many(self._connection, "names", ("id", "name"), names)
        for act in group.acts:
            if isinstance(act, Snapshot):
                snapshots.append(act)
            elif isinstance(act, Concluded):
                moves.done.add(act.position)
            elif isinstance(act, SetAside):
                self._set_aside(act, moves)
            elif isinstance(act, Released):
                self._release(act, moves)
                audited.append(_release_audit(act, change.newest_ns))
            elif isinstance(act, Adopted):
                self._connection.execute("UPDATE meta SET tail_lineage = NULL")
            elif isinstance(act, Configured):
                self._connection.execute(
                    "INSERT OR REPLACE INTO configurations (actor, configuration) VALUES (?, ?)",
                    act,
                )
            elif isinstance(act, Audited):
                audited.append(act)
        if snapshots:
            change.kept = self.shelf.add(
                self._connection, snapshots, change.hour, self.log_bytes + group.size
            )
        if audited:
            change.tail = audit.append(self._connection, self.tail, audited)
        return moves

    def _set_aside(self, item: SetAside, moves: Moves) -> None:
        durable = item.position in moves.emitted or item.position in self.inbox
        concludes = moves.emitted.get(item.position, self.inbox.get(item.position, 0))
        row = (*item[:6], int(item.blocking), int(durable), concludes)
        insert_many(self._connection, "quarantine", _QUARANTINE, [row])
        moves.done.add(item.position)

    def _release(self, act: Released, moves: Moves) -> None:
        position = act.item.position
        row = fetch_one(
            self._connection,
            "DELETE FROM quarantine WHERE position = ? AND actor = ? RETURNING durable, concludes",
            act.item.key,
        )
        assert row is not None, "what is released was in quarantine"
        durable, concludes = row
        if durable and not act.discard:
            moves.emitted[position] = concludes
            moves.done.discard(position)

    def _move(self, turns: list[Turn], moves: Moves, change: Change) -> None:
        done = moves.done
        done.update(chain.from_iterable([turn.inputs for turn in turns]))
        done.update(chain.from_iterable([turn.concluded for turn in turns]))
        change.removed = done & self.inbox.keys()
        new = moves.emitted.keys() - done - self.inbox.keys()
        # In order of position: the newest lie together at the end of the table.
        change.added = {position: moves.emitted[position] for position in sorted(new)}

    # --- finding the turn that breaks a constraint

    def _culprit(self, group: Group, error: apsw.ConstraintError) -> tuple[int, str]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self._gate.hour < 0:
                # Nothing went in yet; whatever hour it is, it is rolled back with the rest.
                self._gate.turn_to(0, self.hours)
            for index, turn in enumerate(group.turns):
                self._connection.execute("SAVEPOINT turn")
                try:
                    passage = Passage(0)
                    _put_rows(passage, [turn], Change(0, 0, 0))
                    self._gate.let_in(passage)
                except apsw.ConstraintError as reason:
                    return index, str(reason)
                self._connection.execute("RELEASE turn")
        finally:
            rollback(self._connection)
        raise error

    def _asides(self, group: Group, turn: Turn, reason: str) -> Iterator[SetAside]:
        known = {post[0]: post for post in chain(group.durables, group.streams)}
        for position in turn.inputs:
            post = known.get(position) or self._durable(position)
            if post is not None:
                _, sender, _, at_ns, body = post[:5]
                yield SetAside(position, turn.actor, sender, at_ns, body, reason, blocking=True)

    def _durable(self, position: int) -> Post | None:
        block = fetch_block(self._connection, "durable", position)
        found = Block(block[0], block[2], block[3]).find(position) if block is not None else None
        return (found.position, *found[1:]) if found is not None else None

    def _newest(self) -> tuple[int, int]:
        tables = ["durable", *(f"stream_{hour}" for hour in self.hours.of("stream")[-1:])]
        position, newest_ns = 0, 0
        for table in tables:
            query = fill("SELECT last, at_ns FROM {table} ORDER BY last DESC LIMIT 1", table=table)
            last, at_ns = fetch_one(self._connection, query) or (0, 0)
            position, newest_ns = max(position, last), max(newest_ns, at_ns)
        for hour in self.hours.of("turn")[-1:]:
            query = fill("SELECT at_ns FROM turn_{hour} ORDER BY id DESC LIMIT 1", hour=hour)
            newest_ns = max(newest_ns, *(fetch_one(self._connection, query) or (0,)))
        return position, newest_ns


def _newest_ns(group: Group) -> int:
    # Ports stamp posts as they come in, so the last of each kind is the newest but for stragglers.
    times = [post[3] for post in group.durables[-1:] + group.streams[-1:]]
    times += [turn.now_ns for turn in group.turns[-1:]]
    times += [act.now_ns for act in group.acts if isinstance(act, Snapshot)]
    return max(times, default=0)


def _put_rows(passage: Passage, turns: list[Turn], change: Change) -> None:
    """Add the rows that `turns` recorded."""
    inserts: dict[str, list[tuple[Value, ...]]] = {}
    rows: list[Row] = []
    for turn in filter(_records, turns):
        for seq, body in _recorded(turn):
            table, row = decode_row(body)
            own = (row.key(), seq, turn.actor, turn.now_ns)
            inserts.setdefault(table.name, []).append((*own, *row_values(row, table)))
            rows.append(row)
            change.rows.append((table.name, turn.now_ns, turn.actor, body))
    passage.put_rows(inserts, ledger.touched(rows))


def _records(turn: Turn) -> bool:
    return RECORD in [effect[0] for effect in turn.effects]


def _recorded(turn: Turn) -> Iterator[tuple[int, bytes]]:
    """Yield (seq, encoded row) of each row that `turn` recorded."""
    start = 0
    for seq, count in enumerate(turn.counts, start=turn.first_seq):
        for effect in turn.effects[start : start + count]:
            if effect[0] == RECORD:
                yield seq, effect[4]
        start += count


def _release_audit(act: Released, at_ns: int) -> Audited:
    verb = "discard" if act.discard else "retry"
    subject = f"{act.item.actor}/{act.item.position}"
    return Audited(at_ns, act.operator, f"quarantine.{verb}", subject, act.reason)
