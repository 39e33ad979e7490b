import os
import subprocess
import sys
from pathlib import Path

import apsw
import pytest

from state import database
from state.database import APPLICATION_ID, DATABASE_NAME, Database, Settings, migrations
from state.errors import (
    DatabaseDamagedError,
    DatabaseForeignError,
    DatabaseNewerError,
    DataFolderError,
    DataFolderLockedError,
    DiskFullError,
    SqliteTooOldError,
)
from tests.state.conftest import SMALL

LINEAGE = bytes(range(16))


def opened(folder: Path, settings: Settings = SMALL) -> Database:
    return Database.open(folder, settings, lambda count: LINEAGE[:count])


def root_page(made: Database, table: str) -> int:
    query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
    page = made.writer.execute(query, (table,)).get
    assert isinstance(page, int)
    return page


def test_a_new_database_has_the_settings_that_durability_needs(tmp_path: Path) -> None:
    made = opened(tmp_path / "deep" / "data")
    pragma = made.writer.pragma
    assert pragma("application_id") == APPLICATION_ID == int.from_bytes(b"Cnpy", "big")
    assert pragma("page_size") == 4096
    assert pragma("auto_vacuum") == 2, "incremental"
    assert pragma("journal_mode") == "wal"
    assert pragma("synchronous") == 2, "full"
    assert pragma("wal_autocheckpoint") == 0
    assert pragma("foreign_keys") == 1
    assert pragma("user_version") == len(migrations())
    with pytest.raises(apsw.SQLError):
        made.writer.execute('SELECT "a string"')
    made.close()


def test_every_table_is_strict(tmp_path: Path) -> None:
    made = opened(tmp_path)
    lax = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND NOT strict"
    assert made.writer.execute(lax).fetchall() == [("sqlite_schema",)]
    made.close()


def test_starts_are_counted_and_the_lineage_stays(tmp_path: Path) -> None:
    for boot in (1, 2, 3):
        made = opened(tmp_path)
        assert (made.boot, made.lineage) == (boot, LINEAGE)
        made.close()
        made.close()


def test_a_second_process_is_refused_and_told_the_first(tmp_path: Path) -> None:
    made = opened(tmp_path)
    with pytest.raises(DataFolderLockedError, match=f"process {os.getpid()} holds") as caught:
        opened(tmp_path)
    assert caught.value.exit_code == 7
    assert "bot stop" in str(caught.value)
    made.close()
    opened(tmp_path).close()


def test_the_lock_ends_with_its_process(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from state.lock import FolderLock\n"
        "lock = FolderLock(Path(sys.argv[1])); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    assert killed.returncode == -9
    opened(tmp_path).close()


def test_a_newer_database_is_refused_and_not_changed(tmp_path: Path) -> None:
    made = opened(tmp_path)
    made.writer.pragma("user_version", 99)
    made.close()
    before = (tmp_path / DATABASE_NAME).read_bytes()
    with pytest.raises(DatabaseNewerError, match="has version 99") as caught:
        opened(tmp_path)
    assert caught.value.exit_code == 8
    assert "install the release that wrote it" in str(caught.value)
    assert (tmp_path / DATABASE_NAME).read_bytes() == before


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    for number, make in enumerate(("PRAGMA application_id = 7", "CREATE TABLE theirs (a)")):
        folder = tmp_path / str(number)
        folder.mkdir()
        other = apsw.Connection(str(folder / DATABASE_NAME))
        other.execute(make)
        other.close()
        with pytest.raises(DatabaseForeignError, match="another program") as caught:
            opened(folder)
        assert caught.value.exit_code == 8


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / DATABASE_NAME).write_bytes(b"this is not a database" * 1000)
    with pytest.raises(DatabaseDamagedError, match="restore the newest backup") as caught:
        opened(tmp_path)
    assert caught.value.exit_code == 8


@pytest.mark.parametrize("table", ["transfers", "snapshots", "inbox"])
def test_a_damaged_table_that_matters_is_found_at_the_start(tmp_path: Path, table: str) -> None:
    made = opened(tmp_path)
    page = root_page(made, table)
    made.close()
    with (tmp_path / DATABASE_NAME).open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x0d\x00\x00\xff\xff\xff\xff" + bytes(60))
    with pytest.raises(DatabaseDamagedError):
        opened(tmp_path)


def test_damage_elsewhere_is_found_by_the_whole_check(tmp_path: Path) -> None:
    made = opened(tmp_path)
    page = root_page(made, "alerts")
    made.check_all()
    made.close()
    with (tmp_path / DATABASE_NAME).open("r+b") as file:
        file.seek((page - 1) * 4096)
        file.write(b"\x0d\x00\x00\xff\xff\xff\xff" + bytes(60))
    made = opened(tmp_path)
    with pytest.raises(DatabaseDamagedError):
        made.check_all()
    made.close()


def test_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataFolderError, match="--data-dir") as caught:
        opened(tmp_path / "file")
    assert caught.value.exit_code == 4
    (tmp_path / "data" / DATABASE_NAME).mkdir(parents=True)
    with pytest.raises(DataFolderError, match="cannot be used"):
        opened(tmp_path / "data")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataFolderError):
        opened(tmp_path)
    tmp_path.chmod(0o700)


def test_without_room_for_the_reserve_nothing_starts(tmp_path: Path) -> None:
    # More than any disk of this world holds.
    with pytest.raises(DiskFullError, match="no room") as caught:
        opened(tmp_path, Settings(ballast_bytes=1 << 50))
    assert caught.value.exit_code == 9
    assert not (tmp_path / "ballast").exists()


def test_the_reserve_takes_real_room(tmp_path: Path) -> None:
    made = opened(tmp_path, Settings(ballast_bytes=1_000_000))
    stat = (tmp_path / "ballast").stat()
    assert stat.st_size == 1_000_000
    assert stat.st_blocks * 512 >= 1_000_000
    assert made.ballast.drop()
    assert not made.ballast.drop()
    assert made.ballast.reload()
    made.close()


@pytest.mark.parametrize("version", ["3.51.2", "3.52.0", "3.40.1"])
def test_a_library_that_may_corrupt_a_log_is_refused(
    version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    with pytest.raises(SqliteTooOldError, match=version):
        database.check_sqlite_version()


@pytest.mark.parametrize("version", ["3.51.3", "3.53.0", "3.54.1"])
def test_a_sound_library_is_taken(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apsw, "sqlite_lib_version", lambda: version)
    database.check_sqlite_version()


def test_a_migration_that_fails_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(tmp_path).close()
    good = migrations()
    bad = [*good, "CREATE TABLE half (a INTEGER) STRICT; SELECT no_such_function();"]
    monkeypatch.setattr(database, "migrations", lambda: bad)
    with pytest.raises(apsw.SQLError):
        opened(tmp_path)
    monkeypatch.setattr(database, "migrations", lambda: good)
    made = opened(tmp_path)
    assert made.writer.execute("SELECT count(*) FROM sqlite_master WHERE name = 'half'").get == 0
    assert made.boot == 2
    made.close()
