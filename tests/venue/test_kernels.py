import os
import subprocess
import sys
from pathlib import Path

import pytest

from venue import kernels

ROOT = Path(__file__).parents[2]


def test_the_cache_is_named_by_what_decides_the_machine_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "some.py"
    source.write_text("@kernel\ndef f(): ...\n")
    monkeypatch.setattr(kernels, "_PACKAGE", tmp_path)
    before = kernels.sources_digest()
    (tmp_path / "other.py").write_text("nothing compiled here\n")
    assert kernels.sources_digest() == before
    source.write_text("@kernel\ndef f(): return 1\n")
    assert kernels.sources_digest() != before


def test_where_nothing_can_be_written_there_is_no_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A file where a folder should be refuses everybody, root too.
    blocked = tmp_path / "blocked"
    blocked.write_text("")
    monkeypatch.setattr("numba.config.CACHE_DIR", "")
    monkeypatch.setattr(kernels, "_PACKAGE", blocked)
    monkeypatch.setattr(Path, "home", lambda: blocked)
    assert kernels.cache_folder() is None
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    folder = kernels.cache_folder()
    assert folder is not None
    assert folder.parent == tmp_path / ".cache" / "canopy"


def test_only_the_newest_of_the_old_caches_stay(tmp_path: Path) -> None:
    for age, name in enumerate(["e", "d", "c", "b", "a"]):
        folder = tmp_path / f"kernels-{name}"
        folder.mkdir()
        (folder / "code.nbc").write_text("")
        os.utime(folder, (age, age))
    (tmp_path / "else").mkdir()
    kernels.forget_old_caches(tmp_path / "kernels-e")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"else", "kernels-a", "kernels-b", "kernels-e"}


@pytest.mark.check
def test_kernels_work_without_any_cache(tmp_path: Path) -> None:
    program = """
import venue.kernels
venue.kernels._folder = None
from venue.matching import BUY, LIMIT, OrderBook
print(len(OrderBook(8).submit(1, 1, BUY, LIMIT, 5, 5, 0, 0)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "1\n"
