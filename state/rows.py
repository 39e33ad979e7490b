"""Reading what people see: the newest rows, rows as of a time, a row's history.

For the control socket: off the loop, on a read-only connection, each query with a cap on its rows
and a limit on its time.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

import apsw
import trio

from messages.base import Row
from state import moments
from state.database import Database
from state.errors import QueryTimedOutError
from state.sql import Value, fetch_all, fill
from state.tables import OWN_COLUMNS, Table, row_tables
from supervisor.clock import perf_ns
from supervisor.threads import threads

# What a screen shows is far less; a script that wants more asks by time.
ROWS_MAX = 5_000
# A person waits this long for an answer; a reader held open longer would pin the log's checkpoints.
QUERY_NS_MAX = 2_000_000_000
# SQLite's virtual machine runs so many steps in some hundred microseconds.
STEPS_BETWEEN_LOOKS = 20_000

_SELECT = "SELECT {columns} FROM {source}{where} ORDER BY id DESC LIMIT {newest}"
_COUNT = "SELECT count(*) FROM {table}_current{where}"
_NEWEST_THEN = (
    "id IN (SELECT (SELECT max(id) FROM {table} WHERE entity = one.entity AND id <= ?) "
    "FROM {table}_current AS one)"
)

SomeRow = TypeVar("SomeRow", bound=Row)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Recorded(Generic[SomeRow]):
    """A row with who recorded it and when."""

    row: SomeRow
    actor: int
    seq: int
    """The message of `actor` that recorded it."""
    recorded_ns: int


class Reader:
    """Queries over the read models of a database; one at a time, the next waits."""

    def __init__(self, database: Database, limit_ns: int = QUERY_NS_MAX) -> None:
        assert limit_ns > 0, "a query gets some time"
        self._limit_ns = limit_ns
        self._exclusive = database.exclusive
        self._connection = database.reader()
        self._turn = trio.Lock()

    async def current(
        self,
        kind: type[SomeRow],
        where: Mapping[str, Value] | None = None,
        *,
        newest: int = ROWS_MAX,
        as_of_ns: int = 0,
    ) -> list[SomeRow]:
        """Return the newest row of each entity, newest first.

        `where` gives columns (or `entity`) and the values they must have; `newest` caps the number
        of rows; `as_of_ns` asks for what was the newest then. Raises `QueryTimedOutError`.
        """
        table = row_tables()[kind]
        conditions, values = _conditions(table, where or {})
        if as_of_ns:
            select = partial(self._select_then, table, conditions, values, newest, as_of_ns)
        else:
            source = f"{table.name}_current"
            select = partial(self._select, table, source, conditions, values, newest)
        found = await self._run(select)
        return [_recorded(kind, table, row).row for row in found]

    async def history(
        self, kind: type[SomeRow], entity: str, *, newest: int = ROWS_MAX
    ) -> list[Recorded[SomeRow]]:
        """Return what was recorded of one entity, newest first. Raises `QueryTimedOutError`."""
        table = row_tables()[kind]
        select = partial(self._select, table, table.name, ["entity = ?"], [entity], newest)
        return [_recorded(kind, table, row) for row in await self._run(select)]

    async def count(self, kind: type[Row], where: Mapping[str, Value] | None = None) -> int:
        """Return how many entities there are. Raises `QueryTimedOutError`."""
        table = row_tables()[kind]
        conditions, values = _conditions(table, where or {})
        query = fill(_COUNT, table=table.name, where=_where(conditions))
        ((count,),) = await self._run(partial(fetch_all, self._connection, query, values))
        return int(count)

    async def neighbour_ns(self, kinds: Iterable[type[Row]], at_ns: int, *, later: bool) -> int:
        """Return when one of `kinds` was recorded last before `at_ns`, or next after; 0: never.

        Raises `QueryTimedOutError`.
        """
        tables = [row_tables()[kind] for kind in kinds]
        find = partial(moments.neighbour_ns, self._connection, tables, at_ns, later=later)
        return await self._run(find)

    async def handled(self, at_ns: int) -> dict[str, int]:
        """Return the last message that each actor, by address, had handled by `at_ns`.

        An actor of which no turn from before is kept is left out. Raises `QueryTimedOutError`.
        """
        return await self._run(partial(self._handled, at_ns))

    async def aclose(self) -> None:
        """Close the connection, after the query that runs; a second call does nothing."""
        async with self._turn:
            if not self._exclusive:
                self._connection.close()

    def _handled(self, at_ns: int) -> dict[str, int]:
        found = moments.handled(self._connection, at_ns)
        names = fetch_all(self._connection, "SELECT id, name FROM names")
        return {name: found[number] for number, name in names if number in found}

    def _select_then(
        self,
        table: Table,
        conditions: list[str],
        values: list[Value],
        newest: int,
        at_ns: int,
    ) -> list[tuple[Value, ...]]:
        edge = moments.last_id(self._connection, table.name, at_ns)
        then = [*conditions, fill(_NEWEST_THEN, table=table.name)]
        return self._select(table, table.name, then, [*values, edge], newest)

    def _select(
        self,
        table: Table,
        source: str,
        conditions: list[str],
        values: list[Value],
        newest: int,
    ) -> list[tuple[Value, ...]]:
        assert 0 < newest <= ROWS_MAX, f"between 1 and {ROWS_MAX} rows can be asked for"
        columns = ", ".join((*OWN_COLUMNS, *table.columns))
        where = _where(conditions)
        query = fill(_SELECT, columns=columns, source=source, where=where, newest=newest)
        return fetch_all(self._connection, query, values)

    async def _run(self, work: Callable[[], Result]) -> Result:
        async with self._turn:
            return await threads().run(partial(self._limited, work))

    def _limited(self, work: Callable[[], Result]) -> Result:
        deadline_ns = perf_ns() + self._limit_ns
        self._connection.set_progress_handler(lambda: perf_ns() > deadline_ns, STEPS_BETWEEN_LOOKS)
        try:
            return work()
        except apsw.InterruptError as error:
            raise QueryTimedOutError(self._limit_ns) from error
        finally:
            self._connection.set_progress_handler(None)


def current_rows(connection: apsw.Connection, kind: type[SomeRow], newest: int) -> list[SomeRow]:
    """Return the newest row of each entity, newest first, at most `newest`; blocks."""
    table = row_tables()[kind]
    columns = ", ".join((*OWN_COLUMNS, *table.columns))
    source = f"{table.name}_current"
    query = fill(_SELECT, columns=columns, source=source, where="", newest=newest)
    return [_recorded(kind, table, row).row for row in fetch_all(connection, query)]


def _conditions(table: Table, where: Mapping[str, Value]) -> tuple[list[str], list[Value]]:
    for column in where:
        assert column == "entity" or column in table.columns, f"{table.name} has no {column}"
    return [f"{column} = ?" for column in where], list(where.values())


def _where(conditions: list[str]) -> str:
    return f" WHERE {' AND '.join(conditions)}" if conditions else ""


def _recorded(kind: type[SomeRow], table: Table, values: tuple[Value, ...]) -> Recorded[SomeRow]:
    _, seq, actor, recorded_ns = values[: len(OWN_COLUMNS)]
    own = zip(table.columns, values[len(OWN_COLUMNS) :], strict=True)
    # SQLite has no booleans: they are stored as 0 and 1.
    fields = {name: bool(value) if name in table.booleans else value for name, value in own}
    assert isinstance(seq, int), "seq is a STRICT integer column"
    assert isinstance(actor, int), "actor is a STRICT integer column"
    assert isinstance(recorded_ns, int), "recorded_ns is a STRICT integer column"
    return Recorded(kind(**fields), actor, seq, recorded_ns)
