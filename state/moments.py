"""Finding moments in tables that only grow: what had been written by then, and when next.

Ids and times rise together (the journal is one order, its clock never falls), so that a moment is
found by halving, without an index on times.
"""

from collections.abc import Iterable

import apsw

from state.sql import fetch_all, fetch_one, fill
from state.tables import HOUR_NS, Hours, Table

_ENDS = "SELECT coalesce(min(id), 1) - 1, coalesce(max(id), 0) FROM {table}"
_AT = "SELECT id, {column} FROM {table} WHERE id <= ? ORDER BY id DESC LIMIT 1"
_NEXT = "SELECT recorded_ns FROM {table} WHERE id > ? ORDER BY id LIMIT 1"
_LAST = "SELECT recorded_ns FROM {table} WHERE id <= ? ORDER BY id DESC LIMIT 1"
_HANDLED = (
    "SELECT last_seq FROM turn_{hour} WHERE actor = ? AND id <= ? ORDER BY last_seq DESC LIMIT 1"
)


def last_id(
    connection: apsw.Connection, table: str, at_ns: int, column: str = "recorded_ns"
) -> int:
    """Return an id that every row of `table` written by `at_ns` has at most, and no later one."""
    ends = fetch_one(connection, fill(_ENDS, table=table))
    assert ends is not None, "an aggregate has a row"
    low, high = ends
    query = fill(_AT, table=table, column=column)
    while low < high:
        found = fetch_one(connection, query, ((low + high + 1) // 2,))
        assert found is not None, "the search stays between the first row and the last"
        number, written_ns = found
        if written_ns <= at_ns:
            low = (low + high + 1) // 2
        else:
            high = number - 1
    return int(low)


def neighbour_ns(
    connection: apsw.Connection, tables: Iterable[Table], at_ns: int, *, later: bool
) -> int:
    """Return when a row of `tables` was recorded last before `at_ns`, or next after; 0: never."""
    found: list[int] = []
    for table in tables:
        edge = last_id(connection, table.name, at_ns if later else at_ns - 1)
        query = fill(_NEXT if later else _LAST, table=table.name)
        row = fetch_one(connection, query, (edge,))
        found += [row[0]] if row is not None else []
    if not found:
        return 0
    return min(found) if later else max(found)


def handled(connection: apsw.Connection, at_ns: int) -> dict[int, int]:
    """Return the last message that each actor had handled by `at_ns`, as far as turns are kept."""
    hours = [hour for hour in Hours(connection).of("turn") if hour <= at_ns // HOUR_NS]
    waiting = [actor for (actor,) in fetch_all(connection, "SELECT actor FROM actors")]
    found: dict[int, int] = {}
    for hour in reversed(hours):
        edge = last_id(connection, f"turn_{hour}", at_ns, "at_ns")
        for actor in waiting:
            row = fetch_one(connection, fill(_HANDLED, hour=hour), (actor, edge))
            if row is not None:
                found[actor] = row[0]
        waiting = [actor for actor in waiting if actor not in found]
    return found
