"""Halving finds the same moments as looking at every row."""

from pathlib import Path

import apsw
from hypothesis import given
from hypothesis import strategies as st

from messages.rows import OrderRow, SleeveStateRow
from state.moments import last_id
from state.rows import Reader
from tests.state.conftest import running
from tests.state.samples import START_NS, post, turn

GAPS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 3)), max_size=20)


@given(gaps=GAPS, at_ns=st.integers(0, 60))
def test_last_id_is_that_of_a_scan(gaps: list[tuple[int, int]], at_ns: int) -> None:
    connection = apsw.Connection(":memory:")
    connection.execute("CREATE TABLE one (id INTEGER PRIMARY KEY, recorded_ns INTEGER)")
    number = written_ns = 1
    rows = []
    for step, later_ns in gaps:
        number, written_ns = number + step, written_ns + later_ns
        rows.append((number, written_ns))
        connection.execute("INSERT INTO one VALUES (?, ?)", (number, written_ns))
    edge = last_id(connection, "one", at_ns)
    assert [row for row in rows if row[0] <= edge] == [row for row in rows if row[1] <= at_ns]


async def test_moments_and_what_actors_had_handled(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        actor = store.enroll("/a")
        for seq in (1, 2, 3):
            position = store.next_position()
            store.durable(post(position))
            rows = (SleeveStateRow(address="/a", state=f"s{seq}", reason=""),) if seq != 2 else ()
            moved = turn(actor, seq, [position], rows=rows, now_ns=START_NS + 10 * seq)
            store.turn(moved)
            await store.committed()
        reader = Reader(store.database)
        both = (SleeveStateRow, OrderRow)
        first, last = START_NS + 10, START_NS + 30
        assert await reader.neighbour_ns(both, START_NS, later=True) == first
        assert await reader.neighbour_ns(both, first, later=True) == last
        assert await reader.neighbour_ns(both, last, later=True) == 0
        assert await reader.neighbour_ns(both, last, later=False) == first
        assert await reader.neighbour_ns(both, last + 1, later=False) == last
        assert await reader.neighbour_ns(both, first, later=False) == 0
        assert await reader.handled(START_NS + 9) == {}
        assert await reader.handled(START_NS + 25) == {"/a": 2}
        assert await reader.handled(START_NS + 99) == {"/a": 3}
        await reader.aclose()
