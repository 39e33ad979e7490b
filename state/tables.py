"""Which table a recorded row goes to, and how rows become SQL; the journal's hourly tables."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import ClassVar, NamedTuple

import apsw
import msgspec

import messages.rows
from messages.base import Row, concrete, decoder
from state.sql import Value, fetch_all

HOUR_NS = 3_600_000_000_000
# The journal's own columns of a row table, before the row's.
OWN_COLUMNS = ("entity", "seq", "actor", "recorded_ns")


class Table(NamedTuple):
    """A read model."""

    name: str
    columns: tuple[str, ...]
    """The fields of the row class, in its order."""
    booleans: frozenset[str]
    """Those that are true or false."""


@lru_cache(maxsize=1)
def row_tables() -> dict[type[Row], Table]:
    """Return the table of each row class that has one in the database."""
    kinds = [kind for kind in concrete(Row) if kind.__module__ == messages.rows.__name__]
    return {
        kind: Table(kind.table, tuple(kind.__struct_fields__), _booleans(kind))
        for kind in kinds
        if issubclass(kind, Row)
    }


def _booleans(kind: type[msgspec.Struct]) -> frozenset[str]:
    return frozenset(field.name for field in msgspec.structs.fields(kind) if field.type is bool)


@lru_cache(maxsize=1)
def _row_decoder() -> msgspec.msgpack.Decoder[msgspec.Struct]:
    return decoder(row_tables())


def decode_row(body: bytes) -> tuple[Table, Row]:
    """Return the table of an encoded row, and the row."""
    row = _row_decoder().decode(body)
    assert isinstance(row, Row), "only rows are recorded"
    return row_tables()[type(row)], row


class Hours:
    """Which hourly tables there are."""

    KINDS: ClassVar[tuple[str, ...]] = ("stream", "turn")

    def __init__(self, connection: apsw.Connection) -> None:
        names = fetch_all(connection, "SELECT name FROM sqlite_master WHERE type = 'table'")
        found = [str(name).rpartition("_") for (name,) in names]
        self._hours = {
            kind: sorted(int(hour) for head, _, hour in found if head == kind and hour.isdigit())
            for kind in self.KINDS
        }

    def of(self, kind: str, start: int = 0) -> list[int]:
        """Return the hours from `start` on that have a table of `kind`, oldest first."""
        return [hour for hour in self._hours[kind] if hour >= start]

    def has(self, kind: str, hour: int) -> bool:
        """Return whether there is a table of `kind` for `hour`."""
        return hour in self._hours[kind]

    def added(self, kind: str, hour: int) -> None:
        """Note that a table was made, by a transaction that has committed."""
        self._hours[kind] = sorted({*self._hours[kind], hour})

    def dropped(self, kind: str, hour: int) -> None:
        """Note that a table was dropped, by a transaction that has committed."""
        self._hours[kind].remove(hour)


def create_stream(connection: apsw.Connection, hour: int) -> None:
    """Make the table of an hour's market bodies: a block per group, as in `durable`."""
    connection.execute(
        f"CREATE TABLE stream_{hour} (last INTEGER PRIMARY KEY, first INTEGER NOT NULL, "
        "at_ns INTEGER NOT NULL, heads BLOB NOT NULL, bodies BLOB NOT NULL) STRICT"
    )


def create_turn(connection: apsw.Connection, hour: int) -> None:
    """Make the table of an hour's turns: a row per actor and group.

    `low` is the oldest position among the row's inputs: bodies before the lowest are not needed.
    """
    connection.execute(
        f"CREATE TABLE turn_{hour} (id INTEGER PRIMARY KEY, actor INTEGER NOT NULL, "
        "last_seq INTEGER NOT NULL, low INTEGER NOT NULL, at_ns INTEGER NOT NULL, "
        "body BLOB NOT NULL) STRICT"
    )
    connection.execute(f"CREATE INDEX turn_{hour}_by_actor ON turn_{hour} (actor, last_seq, low)")


CREATE: dict[str, Callable[[apsw.Connection, int], None]] = {
    "stream": create_stream,
    "turn": create_turn,
}


def row_values(row: Row, table: Table) -> Iterable[Value]:
    """Return the columns of `row` in the order of `table`."""
    return (getattr(row, column) for column in table.columns)
