from pathlib import Path

import apsw
import pytest

from state import audit
from state.database import Database
from state.group import Audited
from tests.state.conftest import SMALL, running


async def test_acts_are_sealed_in_order_over_restarts(tmp_path: Path) -> None:
    for start in range(3):
        async with running(tmp_path) as store:
            store.audit(start, "ada", "pause", "/users/ada", f"start {start}")
            store.audit(start, "bob", "resume", "/users/ada", "")
            await store.committed()
            assert audit.verify(store.database.writer) == (2 * start + 2, "")


def test_an_entry_cannot_be_changed_or_deleted(tmp_path: Path) -> None:
    made = Database.open(tmp_path, SMALL)
    audit.append(made.writer, audit.Tail(), [Audited(1, "ada", "pause", "/", "")])
    for act in ("UPDATE audit SET operator = 'eve'", "DELETE FROM audit"):
        with pytest.raises(apsw.ConstraintError, match="append-only"):
            made.writer.execute(act)
    made.close()


@pytest.mark.parametrize(
    ("act", "found"),
    [
        ("UPDATE audit SET operator = 'eve' WHERE number = 2", (1, "entry 2 was changed after")),
        ("DELETE FROM audit WHERE number = 2", (1, "entry 2 is missing")),
        ("UPDATE audit SET chain = x'00' WHERE number = 3", (2, "entry 3 was changed after")),
    ],
)
def test_who_goes_around_the_triggers_is_found(
    tmp_path: Path, act: str, found: tuple[int, str]
) -> None:
    made = Database.open(tmp_path, SMALL)
    acts = [Audited(number, "ada", "pause", "/", "") for number in range(3)]
    end = audit.append(made.writer, audit.Tail(), acts)
    assert end == audit.tail(made.writer)
    made.writer.execute("DROP TRIGGER audit_is_never_changed; DROP TRIGGER audit_is_never_deleted")
    made.writer.execute(act)
    number, reason = audit.verify(made.writer)
    assert (number, reason[: len(found[1])]) == found
    made.close()
