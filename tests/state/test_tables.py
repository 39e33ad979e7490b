"""Each row class has its table, column for column."""

from pathlib import Path

import msgspec
import pytest

from messages.base import Row
from state.database import Database
from state.tables import OWN_COLUMNS, Table, row_tables
from tests.state.conftest import SMALL

SQL_TYPES = {str: "TEXT", int: "INTEGER", bool: "INTEGER", float: "REAL"}


@pytest.mark.parametrize("kind", row_tables(), ids=lambda kind: kind.__name__)
def test_the_fields_of_a_row_are_the_columns_of_its_table(kind: type[Row], tmp_path: Path) -> None:
    table: Table = row_tables()[kind]
    made = Database.open(tmp_path, SMALL)
    fields = [(field.name, SQL_TYPES[field.type]) for field in msgspec.structs.fields(kind)]
    assert not {name for name, _ in fields} & {*OWN_COLUMNS, "id"}
    for name in (table.name, f"{table.name}_current"):
        columns = made.writer.execute(f"PRAGMA table_info({name})").fetchall()
        found = {column[1]: column[2] for column in columns}
        own = ("id", *OWN_COLUMNS)
        assert [(each, found[each]) for each in found if each not in own] == fields
        assert set(own) <= found.keys()
    made.close()


def test_every_kind_of_row_has_a_table_of_its_own() -> None:
    names = [table.name for table in row_tables().values()]
    assert len(names) == len(set(names)) >= 10
