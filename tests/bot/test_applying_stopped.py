"""`bot apply` while the bot is stopped: compared, judged by rows, and stored."""

import json
from contextlib import closing
from pathlib import Path

import apsw
import pytest
import trio
from msgspec.structs import replace

from bot import cli
from bot.config import load
from bot.environment import Environment
from bot.roster import apply_first_run, read_roster
from messages.rows import SleeveRow, VaultRow
from state.look import Look
from state.store import Store
from tests.bot.test_daemon import config
from tests.bot.test_roster_change import FLASH, SLEEVE_ROW, VAULT, VAULT_ROW
from tests.state.samples import turn

__all__ = ["config"]


def begin(folder: Path, config: Path, *rows: VaultRow | SleeveRow) -> None:
    """Leave what a bot leaves that ran once: a roster, and rows."""

    async def main() -> None:
        store = Store.open(folder)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(store.run)
            apply_first_run(store, load(config, Environment({})).first_run, store.newest_ns())
            ledger = store.enroll(VAULT_ROW.address)
            store.durable((1, 0, ledger, store.newest_ns(), b"x"))
            store.turn(turn(ledger, 1, [1], rows=(VAULT_ROW, SLEEVE_ROW, *rows)))
            await store.committed()
            nursery.cancel_scope.cancel()
        await store.aclose()

    folder.mkdir()
    trio.run(main)


def apply(
    capsys: pytest.CaptureFixture[str], folder: Path, config: Path, *words: str
) -> tuple[int, list[dict[str, str]], str]:
    """Return the exit code, the document, and what was said beside it."""
    named = ["--data-dir", str(folder), "--config", str(config), "--json"]
    code = cli.run(["apply", *words, *named])
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else [], said.err


def pool(folder: Path) -> str:
    with Look(folder) as look:
        roster = read_roster(look.names(), look.configuration)
    assert roster is not None
    return roster.vaults[0].tradeable


def edit(config: Path, before: str, after: str) -> None:
    text = config.read_text()
    assert before in text
    config.write_text(text.replace(before, after))


def test_what_changed_is_shown_then_stored_for_the_next_start(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    begin(folder, config)
    assert apply(capsys, folder, config) == (0, [], "")
    edit(config, 'tradeable = "5000"', 'tradeable = "4000"')
    row = {"subject": VAULT, "change": "changed", "detail": "tradeable 5000 -> 4000",
           "takes_effect": "next start"}  # fmt: skip
    assert apply(capsys, folder, config, "--dry-run") == (0, [row], "")
    assert pool(folder) == "5000"
    assert apply(capsys, folder, config) == (0, [row], "")
    assert pool(folder) == "4000"
    assert apply(capsys, folder, config) == (0, [], "")
    with closing(apsw.Connection(str(folder / "canopy.db"))) as database:
        query = "SELECT subject, detail FROM audit WHERE act = 'apply'"
        assert list(database.execute(query)) == [(VAULT, "changed tradeable 5000 -> 4000")]


def test_what_holds_money_is_refused_as_in_a_bot_that_runs(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    begin(folder, config, replace(SLEEVE_ROW, allocated_minor=250_000_000))
    text = config.read_text()
    at = text.index("[[first_run.vaults.sleeves]]")
    flash = text.index('name = "flash"')
    at = text.rindex("[[first_run.vaults.sleeves]]", at, flash)
    config.write_text(text[:at])
    code, rows, said = apply(capsys, folder, config)
    assert code == 1
    assert [row["takes_effect"] for row in rows if row["subject"] == FLASH] == ["refused"]
    assert f"nothing was applied: {FLASH}: 250 are allocated to it" in said


def test_where_nothing_can_be_stored_it_is_said_why(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    code, _, said = apply(capsys, folder, config)
    assert code == 5
    assert "no bot runs on the data folder" in said
    begin(folder, config)
    edit(config, 'tradeable = "5000"', 'tradeable = "4000"')
    with closing(Held(folder)):
        assert apply(capsys, folder, config, "--dry-run")[0] == 0
        code, _, said = apply(capsys, folder, config)
        assert code == 7
    config.write_text("nonsense")
    assert apply(capsys, folder, config)[0] == 4


class Held:
    """A bot that is just starting: it has the folder, and no socket yet."""

    def __init__(self, folder: Path) -> None:
        self._store = Store.open(folder)

    def close(self) -> None:
        trio.run(self._store.aclose)
