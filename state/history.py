"""Reading the journal back: snapshots, turns with their bodies, inbox, quarantine.

Reads what is committed, on a connection of its own; each query is finished before anything is
returned, so that no reader holds up the log's checkpoints.
"""

from collections.abc import Iterator
from itertools import chain

import apsw
import msgspec

from state import snapshots
from state.bodies import CACHE_BYTES, BlockCache, StoredBlock, fetch_block
from state.database import Database, refusing
from state.errors import DatabaseDamagedError, HistoryRetiredError
from state.sql import fetch_all, fetch_one, fill
from state.tables import HOUR_NS, Hours
from supervisor.actor import PUBLISH, SEND
from supervisor.journal import Input, Pending, RecordedTurn, SetAside, Snapshot, StoredEffect, Turn

# Turn rows read at once: one actor's tail after a snapshot is a few dozen; a whole history is read
# so in steps, and no transaction stays open between them.
TURN_ROWS_AT_ONCE = 128

_FIRST_TURN = "SELECT body FROM turn_{hour} WHERE actor = ? ORDER BY last_seq LIMIT 1"
_TURNS_AFTER = (
    "SELECT last_seq, body FROM turn_{hour} WHERE actor = ? AND last_seq > ? "
    "ORDER BY last_seq LIMIT {count}"
)
_SINCE = "SELECT body FROM turn_{hour} WHERE actor = ? AND at_ns >= ? ORDER BY last_seq LIMIT 1"
_turns = msgspec.msgpack.Decoder(list[Turn])


class History:
    """The past of every actor, as far as it is kept."""

    def __init__(
        self, database: Database, connection: apsw.Connection, cache_bytes: int = CACHE_BYTES
    ) -> None:
        """Prepare; `cache_bytes` bounds each of two caches of blocks read."""
        self._database = database
        self._connection = connection
        self._durable = BlockCache(self._fetch_durable, late=False, size_max=cache_bytes)
        self._stream = BlockCache(self._fetch_stream, late=True, size_max=cache_bytes)

    def restore(self, actor: int) -> tuple[Snapshot | None, Iterator[RecordedTurn]]:
        """Return the newest good snapshot of `actor` and its durable turns after it, in order.

        Raises `DatabaseDamagedError` when the past of the actor cannot be put together any more.
        """
        with refusing(self._database.path):
            kept = snapshots.load(self._connection, actor, snapshots.SNAPSHOTS_KEPT)
            if kept:
                hour, snapshot = kept[0]
                return snapshot, self._after(actor, snapshot.seq, hour)
            return None, self._whole(actor)

    def turns(self, actor: int, from_seq: int, to_seq: int) -> Iterator[RecordedTurn]:
        """Yield the turns of `actor` that hold messages `from_seq` to `to_seq`, both included.

        Raises `HistoryRetiredError` when the first of them is not kept.
        """
        horizon = self.horizon(actor)
        if from_seq < horizon:
            raise HistoryRetiredError(f"message {from_seq} of actor {actor}", horizon)
        for turn in self._after(actor, from_seq - 1, 0):
            if turn.first_seq > to_seq:
                return
            yield turn

    def turns_since(self, actor: int, at_ns: int) -> Iterator[RecordedTurn]:
        """Yield the turns of `actor` committed in a group with anything of `at_ns` or later."""
        for hour in self._hours(at_ns // HOUR_NS):
            query = fill(_SINCE, hour=hour)
            row = fetch_one(self._connection, query, (actor, at_ns))
            if row is not None:
                first_seq = self._decode(row[0])[0].first_seq
                yield from self._after(actor, first_seq - 1, hour)
                return

    def snapshot_before(self, actor: int, seq: int) -> Snapshot | None:
        """Return the newest good snapshot of `actor` that does not include message `seq`.

        `None` means that message 1 is kept and the fold begins with the initial state.
        Raises `HistoryRetiredError` when there is neither.
        """
        horizon = self.horizon(actor)
        if seq < horizon:
            raise HistoryRetiredError(f"message {seq} of actor {actor}", horizon)
        for _, snapshot in snapshots.load(self._connection, actor):
            if snapshot.seq < seq:
                return snapshot
        return None

    def horizon(self, actor: int) -> int:
        """Return the first message of `actor` that can be replayed."""
        first = self._first_kept(actor)
        kept = [snapshot.seq for _, snapshot in snapshots.load(self._connection, actor)]
        if first == 1 or not kept:
            return max(first, 1)
        # An old snapshot is of no use where turns after it are retired; without any turn, only the
        # newest is.
        usable = [seq for seq in kept if first and seq >= first - 1]
        return min(usable, default=max(kept)) + 1

    def inbox(self) -> list[Pending]:
        """Return what was emitted and not handled, in order of position."""
        found: list[Pending] = []
        with refusing(self._database.path):
            query = "SELECT position, concludes FROM inbox ORDER BY position"
            for position, concludes in fetch_all(self._connection, query):
                message = self._durable.find(position)
                if message is None:
                    what = f"the message at {position} is in the inbox, its body is missing"
                    raise DatabaseDamagedError(self._database.path, what)
                found.append(Pending(*message, concludes))
        return found

    def quarantined(self) -> list[SetAside]:
        """Return what is in quarantine, in order of position."""
        query = (
            "SELECT position, actor, sender, at_ns, body, error, blocking, concludes "
            "FROM quarantine ORDER BY position, actor"
        )
        return [
            SetAside(position, actor, sender, at_ns, body, error, bool(blocking), concludes)
            for position, actor, sender, at_ns, body, error, blocking, concludes in fetch_all(
                self._connection, query
            )
        ]

    def message(self, position: int) -> Input | None:
        """Return the message at `position`, or `None` if it is not kept."""
        return self._durable.find(position) or self._stream.find(position)

    def forget(self) -> None:
        """Give the memory of blocks read back."""
        self._durable.forget()
        self._stream.forget()

    def _whole(self, actor: int) -> Iterator[RecordedTurn]:
        first = self._first_kept(actor)
        if first > 1:
            what = f"no good snapshot of actor {actor}, and its turns begin with message {first}"
            raise DatabaseDamagedError(self._database.path, what)
        return self._after(actor, 0, 0)

    def _first_kept(self, actor: int) -> int:
        """Return the number of the first message whose turn is kept, or 0 if none is."""
        for hour in self._hours(0):
            row = fetch_one(self._connection, fill(_FIRST_TURN, hour=hour), (actor,))
            if row is not None:
                return self._decode(row[0])[0].first_seq
        return 0

    def _hours(self, start: int) -> list[int]:
        return Hours(self._connection).of("turn", start)

    def _after(self, actor: int, seq: int, start: int) -> Iterator[RecordedTurn]:
        for hour in self._hours(start):
            query = fill(_TURNS_AFTER, hour=hour, count=TURN_ROWS_AT_ONCE)
            while rows := fetch_all(self._connection, query, (actor, seq)):
                for turn in chain.from_iterable(self._decode(body) for _, body in rows):
                    if turn.first_seq + len(turn.inputs) > seq + 1:
                        yield self._recorded(turn)
                seq = rows[-1][0]

    def _decode(self, body: bytes) -> list[Turn]:
        try:
            return _turns.decode(body)
        except msgspec.DecodeError as error:
            raise DatabaseDamagedError(self._database.path, f"a turn: {error}") from error

    def _recorded(self, turn: Turn) -> RecordedTurn:
        inputs: list[Input] = []
        for position, message in zip(turn.inputs, self._messages(turn.inputs), strict=True):
            if message is None:
                what = f"message {position} was handled by actor {turn.actor}, its body is missing"
                raise DatabaseDamagedError(self._database.path, what)
            inputs.append(message)
        effects = self._filled(turn.effects)
        return RecordedTurn(turn.first_seq, turn.now_ns, inputs, turn.counts, effects, turn.chain)

    def _messages(self, positions: list[int]) -> list[Input | None]:
        """Return the messages at `positions`, `None` for those that are not kept."""
        found = self._durable.find_all(positions)
        missing = [at for at, message in enumerate(found) if message is None]
        if missing:
            others = self._stream.find_all([positions[at] for at in missing])
            for at, message in zip(missing, others, strict=True):
                found[at] = message
        return found

    def _filled(self, effects: list[StoredEffect]) -> list[StoredEffect]:
        """Return `effects` with the bodies of messages that are still kept."""
        posted = [
            at
            for at, (kind, _, position, _, body) in enumerate(effects)
            if position and not body and kind in (SEND, PUBLISH)
        ]
        if not posted:
            return effects
        filled = effects.copy()
        messages = self._messages([effects[at][2] for at in posted])
        for at, message in zip(posted, messages, strict=True):
            if message is not None:
                kind, target, position, number, _ = effects[at]
                filled[at] = (kind, target, position, number, message.body)
        return filled

    def _fetch_durable(self, position: int) -> StoredBlock | None:
        return fetch_block(self._connection, "durable", position)

    def _fetch_stream(self, position: int) -> StoredBlock | None:
        # Positions grow with the hours, but a late single message may lie in a later hour than its
        # neighbours: a block that ends at the position is the one, else the first that spans it.
        nearest: StoredBlock | None = None
        for hour in Hours(self._connection).of("stream"):
            block = fetch_block(self._connection, f"stream_{hour}", position)
            if block is None:
                continue
            if block[1] == position:
                return block
            if nearest is None or (nearest[0] > position >= block[0]):
                nearest = block
        return nearest
