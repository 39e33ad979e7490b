from collections.abc import AsyncIterator
from pathlib import Path

import apsw
import pytest

from messages.base import Row
from messages.rows import SleeveStateRow, SwitchRow
from state.errors import QueryTimedOutError
from state.rows import ROWS_MAX, Reader
from state.store import Store
from tests.state.conftest import running
from tests.state.samples import START_NS, post, turn


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with running(tmp_path) as store:
        yield store


def sleeve(name: str, state: str) -> SleeveStateRow:
    return SleeveStateRow(address=name, state=state, reason="")


async def record(store: Store, *groups: list[Row]) -> None:
    for rows in groups:
        seq = position = store.next_position()
        store.durable(post(position))
        store.turn(turn(2, seq, [position], rows=tuple(rows), now_ns=START_NS + seq))
        await store.committed()


async def test_the_newest_row_of_each_entity_newest_first(store: Store) -> None:
    await record(
        store,
        [sleeve("/a", "active"), sleeve("/b", "active")],
        [sleeve("/a", "pausing"), sleeve("/a", "paused")],
        [sleeve("/c", "active")],
    )
    reader = Reader(store.database)
    c, a, b = sleeve("/c", "active"), sleeve("/a", "paused"), sleeve("/b", "active")
    assert await reader.current(SleeveStateRow) == [c, a, b]
    assert await reader.current(SleeveStateRow, newest=1) == [c]
    assert await reader.current(SleeveStateRow, {"state": "active"}) == [c, b]
    assert await reader.current(SleeveStateRow, {"entity": "/a", "state": "active"}) == []
    assert await reader.count(SleeveStateRow) == 3
    assert await reader.count(SleeveStateRow, {"state": "paused"}) == 1
    await reader.aclose()


async def test_rows_as_of_a_time(store: Store) -> None:
    await record(store, [sleeve("/a", "active")], [sleeve("/a", "paused"), sleeve("/b", "idle")])
    reader = Reader(store.database)
    assert await reader.current(SleeveStateRow, as_of_ns=START_NS) == []
    assert await reader.current(SleeveStateRow, as_of_ns=START_NS + 1) == [sleeve("/a", "active")]
    later = await reader.current(SleeveStateRow, {"entity": "/a"}, as_of_ns=START_NS + 9)
    assert later == [sleeve("/a", "paused")]
    await reader.aclose()


async def test_the_history_of_an_entity(store: Store) -> None:
    await record(store, [sleeve("/a", "active"), sleeve("/b", "idle")], [sleeve("/a", "paused")])
    reader = Reader(store.database)
    found = await reader.history(SleeveStateRow, "/a")
    assert [each.row.state for each in found] == ["paused", "active"]
    assert [(each.actor, each.seq) for each in found] == [(2, 2), (2, 1)]
    assert [each.recorded_ns for each in found] == [START_NS + 2, START_NS + 1]
    await reader.aclose()


async def test_booleans_come_back_as_booleans(store: Store) -> None:
    row = SwitchRow(engaged=True, confirmed=False, operator="ada", reason="", at_ns=1)
    await record(store, [row])
    reader = Reader(store.database)
    (found,) = await reader.current(SwitchRow)
    assert found == row
    assert found.engaged is True
    await reader.aclose()


async def test_a_query_has_a_limit_on_rows_and_time(store: Store) -> None:
    await record(store, [sleeve("/a", "active")])
    reader = Reader(store.database, limit_ns=1)
    with pytest.raises(AssertionError, match="between 1 and"):
        await reader.current(SleeveStateRow, newest=ROWS_MAX + 1)
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(QueryTimedOutError, match="ask for fewer") as caught:
        await reader._run(lambda: reader._connection.execute(slow).fetchall())
    assert caught.value.exit_code == 6
    await reader.aclose()
    await reader.aclose()


async def test_a_reader_cannot_write(store: Store) -> None:
    reader = Reader(store.database)
    with pytest.raises(apsw.ReadOnlyError):
        reader._connection.execute("DELETE FROM meta")
    await reader.aclose()


async def test_unknown_columns_are_a_bug(store: Store) -> None:
    reader = Reader(store.database)
    with pytest.raises(AssertionError, match="has no colour"):
        await reader.current(SleeveStateRow, {"colour": "green"})
    await reader.aclose()
