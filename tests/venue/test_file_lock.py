from pathlib import Path

import apsw
import pytest

from venue.file_lock import FileLock, StorageError
from venue.storage import SCHEMA_VERSION, Storage


def test_one_box_at_a_time_has_a_file(tmp_path: Path) -> None:
    path = str(tmp_path / "box.db")
    first = Storage(path)
    with pytest.raises(StorageError, match="in use by another exchange in a box: stop that one"):
        Storage(path)
    first.close()
    first.close()
    Storage(path).close()


def test_a_failed_opening_leaves_no_lock(tmp_path: Path) -> None:
    path = tmp_path / "box.db"
    path.write_bytes(b"not a database" * 500)
    with pytest.raises(StorageError, match="cannot be opened"):
        Storage(str(path))
    FileLock(str(path)).release()


def test_a_file_that_cannot_be_made_says_so(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="cannot be made or written"):
        Storage(str(tmp_path / "nowhere" / "box.db"))


NEW_COLUMNS = {
    "orders": ("reduce_only", "trigger_kind", "trigger_by", "trigger_ticks", "triggered_ns"),
    "fills": ("fee_asset", "realised_units"),
}


@pytest.mark.parametrize("version", [1, 2])
def test_a_file_of_an_older_version_is_upgraded(tmp_path: Path, version: int) -> None:
    path = str(tmp_path / "box.db")
    Storage(path).close()
    connection = apsw.Connection(path)
    connection.execute("DROP TABLE positions; DROP TABLE funding")
    for table, columns in NEW_COLUMNS.items():
        for column in columns:
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    if version == 1:
        connection.execute("DROP TABLE terms")
    connection.execute(f"PRAGMA user_version={version}")
    connection.close()
    storage = Storage(path)
    state = storage.load(0, 0, 0)
    assert (state.terms, state.positions, state.funding) == ({}, [], [])
    storage.close()
    connection = apsw.Connection(path)
    assert connection.execute("PRAGMA user_version").get == SCHEMA_VERSION
    connection.close()
