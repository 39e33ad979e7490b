"""One statement for a whole group.

Each statement that SQLite runs for us gives the interpreter lock away and must win it back from a
busy loop; a transaction of eight statements waits eight times, and the disk needs one. So a group
goes in through one INSERT into a temporary view, whose trigger writes the tables of the hour, the
inbox, the rows for people and all the rest inside SQLite. Without BEGIN and COMMIT around it, the
statement is the transaction.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import apsw
import msgspec

from state import ledger
from state.bodies import encode_block
from state.sql import Value
from state.tables import CREATE, OWN_COLUMNS, Hours, Table, row_tables
from supervisor.journal import Post, Turn

_TRIGGER = """
DROP VIEW IF EXISTS temp.gate;
CREATE TEMP VIEW gate AS SELECT
    0 AS at_ns,
    0 AS durable_last, 0 AS durable_first, x'' AS durable_heads, x'' AS durable_bodies,
    0 AS stream_last, 0 AS stream_first, x'' AS stream_heads, x'' AS stream_bodies,
    '' AS turns, x'' AS turn_bodies, '' AS actors, '' AS added, '' AS removed,
    '' AS rows, '' AS touched;
CREATE TEMP TRIGGER gate_opens INSTEAD OF INSERT ON gate BEGIN
    INSERT INTO durable (last, first, at_ns, heads, bodies)
    SELECT NEW.durable_last, NEW.durable_first, NEW.at_ns, NEW.durable_heads, NEW.durable_bodies
    WHERE NEW.durable_last;
    INSERT INTO stream_{hour} (last, first, at_ns, heads, bodies)
    SELECT NEW.stream_last, NEW.stream_first, NEW.at_ns, NEW.stream_heads, NEW.stream_bodies
    WHERE NEW.stream_last;
    INSERT INTO turn_{hour} (actor, last_seq, low, at_ns, body)
    SELECT value ->> 0, value ->> 1, value ->> 2, NEW.at_ns,
           substr(NEW.turn_bodies, value ->> 3, value ->> 4)
    FROM json_each(NEW.turns);
    INSERT INTO actors (actor, hour) SELECT value, {hour} FROM json_each(NEW.actors);
    INSERT INTO inbox (position, concludes) SELECT value ->> 0, value ->> 1
    FROM json_each(NEW.added);
    DELETE FROM inbox WHERE position IN (SELECT value FROM json_each(NEW.removed));
    {rows}
    {check};
END;
"""
_INTO_TABLE = """
    INSERT INTO {table} ({columns}) SELECT {values} FROM json_each(NEW.rows, '$.{table}');
"""
_INSERT = "INSERT INTO gate VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_encode = msgspec.msgpack.Encoder().encode
_json = msgspec.json.Encoder().encode

TurnRow = tuple[int, int, int, int, int]
"""actor, last_seq, low (the oldest position among its inputs); where its bytes start, how many."""


@dataclass
class Passage:
    """What goes through the gate, in the order of the view's columns; empty parts write nothing."""

    at_ns: int
    durable_last: int = 0
    durable_first: int = 0
    durable_heads: bytes = b""
    durable_bodies: bytes = b""
    stream_last: int = 0
    stream_first: int = 0
    stream_heads: bytes = b""
    stream_bodies: bytes = b""
    turns: str = "[]"
    turn_bodies: bytes = b""
    actors: str = "[]"
    added: str = "[]"
    removed: str = "[]"
    rows: str = "{}"
    touched: str = "[]"

    def put_durables(self, posts: Sequence[Post]) -> None:
        """Add the block of durable messages."""
        if posts:
            self.durable_heads, self.durable_bodies = encode_block(posts)
            self.durable_first, self.durable_last = posts[0][0], posts[-1][0]

    def put_streams(self, posts: Sequence[Post]) -> None:
        """Add the block of stream messages."""
        if posts:
            self.stream_heads, self.stream_bodies = encode_block(posts)
            self.stream_first, self.stream_last = posts[0][0], posts[-1][0]

    def put_turns(self, turns: Iterable[Turn]) -> list[TurnRow]:
        """Add the turns, one row per actor; return the rows."""
        by_actor: dict[int, list[Turn]] = {}
        for turn in turns:
            by_actor.setdefault(turn.actor, []).append(turn)
        rows: list[TurnRow] = []
        bodies: list[bytes] = []
        # SQL counts bytes from 1.
        start = 1
        for actor, own in by_actor.items():
            body = _encode(own)
            last_seq = own[-1].first_seq + len(own[-1].inputs) - 1
            low = min([min(turn.inputs) for turn in own])
            rows.append((actor, last_seq, low, start, len(body)))
            bodies.append(body)
            start += len(body)
        self.turns = _json(rows).decode()
        self.turn_bodies = b"".join(bodies)
        return rows

    def put_inbox(self, added: dict[int, int], removed: Iterable[int]) -> None:
        """Add what comes into the inbox (position → command concluded) and what leaves it."""
        self.added = _json(list(added.items())).decode()
        self.removed = _json(list(removed)).decode()

    def put_actors(self, actors: Iterable[int]) -> None:
        """Add actors that have their first turn."""
        self.actors = _json(list(actors)).decode()

    def put_rows(self, rows: dict[str, list[tuple[Value, ...]]], touched: Iterable[str]) -> None:
        """Add rows for people (table → values), and which balances are to be checked after them."""
        if rows:
            self.rows = _json(rows).decode()
            self.touched = _json(sorted(touched)).decode()


class Gate:
    """The way into the tables of one hour."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.hour = -1
        """The hour it leads to, once the transaction that turned it is committed."""

    def turn_to(self, hour: int, hours: Hours) -> list[tuple[str, int]]:
        """Make the gate lead to `hour`, in the transaction that is open; return the tables made."""
        made = [(kind, hour) for kind in Hours.KINDS if not hours.has(kind, hour)]
        for kind, _ in made:
            CREATE[kind](self._connection, hour)
        rows = "".join(map(_into_table, row_tables().values()))
        self._connection.execute(_TRIGGER.format(hour=hour, rows=rows, check=ledger.ASSERTION))
        return made

    def let_in(self, passage: Passage) -> None:
        """Write what `passage` holds; a transaction by itself if none is open."""
        # In the order of the fields, which `dataclasses.astuple` would copy one by one.
        self._connection.execute(_INSERT, tuple(vars(passage).values()))


def _into_table(table: Table) -> str:
    columns = OWN_COLUMNS + table.columns
    values = ", ".join(f"value ->> {number}" for number in range(len(columns)))
    return _INTO_TABLE.format(table=table.name, columns=", ".join(columns), values=values)
