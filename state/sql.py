"""Running SQL in few steps, and its results with the types that the schema promises."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import apsw
import msgspec

Value = int | str | float | bytes | None
# Rows per statement, largest first. Each statement gives the interpreter lock away and must win it
# back from a busy loop, so rows go in few; each size is prepared once.
ROWS_PER_STATEMENT = (64, 16, 4, 1)
# What a disk that is full, failing or gone makes SQLite say; each may pass.
MAY_PASS = (
    apsw.FullError,
    apsw.IOError,
    apsw.BusyError,
    apsw.LockedError,
    apsw.CantOpenError,
    apsw.ReadOnlyError,
    apsw.PermissionsError,
    apsw.ProtocolError,
)
DAMAGED = (apsw.CorruptError, apsw.NotADBError, apsw.FormatError)


# STRICT tables hold what their columns say; apsw's types do not know the schema, hence `Any`.
def fetch_all(
    connection: apsw.Connection, query: str, values: Sequence[Value] = ()
) -> list[tuple[Any, ...]]:
    """Return every row of `query`."""
    return connection.execute(query, tuple(values)).fetchall()


def fetch_one(
    connection: apsw.Connection, query: str, values: Sequence[Value] = ()
) -> tuple[Any, ...] | None:
    """Return the first row of `query`, or `None`; the statement is finished."""
    rows = fetch_all(connection, query, values)
    return rows[0] if rows else None


def fill(template: str, **names: str | int) -> str:
    """Put names of ours (tables, columns, hours) into SQL; values are bound, never put in."""
    return template.format(**names)


@lru_cache(maxsize=512)
def _insert(table: str, columns: tuple[str, ...], count: int) -> str:
    row = f"({', '.join('?' * len(columns))})"
    return fill(
        "INSERT INTO {table} ({columns}) VALUES {rows}",
        table=table,
        columns=", ".join(columns),
        rows=", ".join([row] * count),
    )


def insert_many(
    connection: apsw.Connection,
    table: str,
    columns: tuple[str, ...],
    rows: Sequence[Sequence[Value]],
) -> None:
    """Insert `rows` in order, in as few statements as there are sizes for."""
    start = 0
    for size in ROWS_PER_STATEMENT:
        while len(rows) - start >= size:
            values = [value for row in rows[start : start + size] for value in row]
            connection.execute(_insert(table, columns, size), values)
            start += size
    assert start == len(rows), "every row is inserted"


def delete_many(connection: apsw.Connection, table: str, column: str, ids: Iterable[int]) -> None:
    """Delete the rows of `table` whose integer `column` is among `ids`, in one statement."""
    numbers = listed(ids)
    if numbers != "[]":
        query = "DELETE FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"
        connection.execute(fill(query, table=table, column=column), (numbers,))


def listed(values: Iterable[int] | Iterable[str]) -> str:
    """Return `values` as the argument of SQL's `json_each`."""
    return msgspec.json.encode(list(values)).decode()
