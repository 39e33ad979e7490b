"""Looking into a data folder: beside a holder, after one, and at what is none."""

from pathlib import Path

import pytest

from state.errors import DatabaseDamagedError, DatabaseForeignError, DataFolderError
from state.look import Look
from state.store import Store


async def test_a_look_sees_names_and_configurations_and_holds_nothing(tmp_path: Path) -> None:
    store = Store.open(tmp_path)
    number = store.enroll("/actor")
    store.configured(number, b"configuration")
    await store.aclose()
    with Look(tmp_path) as look:
        again = Store.open(tmp_path)
        assert look.names() == {"/actor": number}
        assert look.configuration(number) == b"configuration"
        assert look.configuration(99) is None
        assert look.lineage == again.lineage
        assert look.damage() == []
        assert look.history().inbox() == []
        await again.aclose()


def test_an_empty_folder_has_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(DataFolderError, match="the bot never ran here"):
        Look(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"not a database at all, but long enough" * 40])
def test_what_is_not_ours_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "canopy.db").write_bytes(content)
    with pytest.raises((DatabaseForeignError, DatabaseDamagedError)):
        Look(tmp_path)
