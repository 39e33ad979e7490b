"""Verbs that act on vaults and orders, through a running bot: asked for, answered, audited."""

import io
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
import trio

from bot import cli
from bot.client import connected
from bot.client import run as run_trio
from bot.confirm import confirm
from bot.errors import VerbError
from messages.control import Vaults
from messages.views import VaultView
from tests.bot.test_daemon import WAIT_S, ask, config, look, running
from tests.bot.trial_vault import SLEEVE, VAULT

__all__ = ["config"]
TRIAL = "tests.bot.trial_vault"


def audited(folder: Path) -> list[tuple[Any, ...]]:
    path = str(folder / "canopy.db")
    with closing(apsw.Connection(path, flags=apsw.SQLITE_OPEN_READONLY)) as database:
        return list(database.execute("SELECT act, subject, detail FROM audit ORDER BY number"))


def wait_for_money(folder: Path) -> None:
    async def main() -> None:
        with trio.fail_after(WAIT_S):
            while await total(folder) < 10_000:  # noqa: ASYNC110 - another process
                await trio.sleep(0.02)

    run_trio(main)


async def total(folder: Path) -> float:
    async with connected(folder, "test") as link:
        rows = (await link.ask(Vaults(request_id="1"))).rows
    return sum(float(row.total) for row in rows if isinstance(row, VaultView))


def test_acts_on_vaults(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    with running(folder, config, TRIAL):
        wait_for_money(folder)
        code, answer = ask(capsys, folder, "allocate", SLEEVE, "400.5", "--yes")
        assert (code, answer) == (0, {
            "outcome": "ok",
            "text": "flash has 400.5 USDT allocated, before 250; 4599.5 remain",
        })  # fmt: skip
        (vault,) = look(capsys, folder, "vaults")
        assert float(vault["sleeves"][0]["allocated"]) == 400.5
        code, answer = ask(capsys, folder, "allocate", SLEEVE, "6000", "--yes")
        assert code == 1
        assert "free some, or raise the pool" in str(answer)
        code, answer = ask(capsys, folder, "tradeable", VAULT, "6000", "--yes")
        assert (code, "before 5000" in str(answer)) == (0, True)
        for wrong in (("allocate", f"{VAULT}/sleeves/nobody", "1"), ("tradeable", "/users/x", "1"),
                      ("allocate", SLEEVE, "0.1234567")):  # fmt: skip
            assert ask(capsys, folder, *wrong, "--yes")[0] == 1
        assert cli.run(["allocate", SLEEVE, "a lot", "--yes", "--data-dir", str(folder)]) == 2
        code, checks = ask(capsys, folder, "vault", "check", VAULT)
        assert code == 1
        assert isinstance(checks, list)
        assert {c["name"].removeprefix(f"{VAULT}: "): c["agreed"] for c in checks} == {
            "keys": True, "account": True, "flash: pairs": False, "round trip": False
        }  # fmt: skip
        nowhere = ["vault", "check", "/users/x", "--data-dir", str(folder)]
        assert cli.run(nowhere) == 1
        assert "there is no vault at /users/x" in capsys.readouterr().err
        assert ask(capsys, folder, "stop")[0] == 0
    acts = [(act, subject, detail.rpartition(" (")[0]) for act, subject, detail in audited(folder)]
    assert ("allocate", SLEEVE, "allocated 250.000000 -> 400.5 USDT") in acts
    assert ("settradeable", VAULT, "pool 5000.000000 -> 6000 USDT") in acts
    assert any(act == "allocate" and "refused" in detail for act, _, detail in acts)


def test_close_and_cancel_all(
    tmp_path: Path,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "data"
    with running(folder, config, TRIAL):
        code, answer = ask(capsys, folder, "close", SLEEVE, "--yes")
        assert (code, answer) == (0, {"outcome": "ok", "text": f"{SLEEVE}: closing"})
        monkeypatch.setattr("sys.stdin", io.StringIO("close all\n"))
        assert cli.run(["close", "--data-dir", str(folder)]) == 0
        monkeypatch.setattr("sys.stdin", io.StringIO("yes\n"))
        assert cli.run(["close", "--data-dir", str(folder)]) == 1
        assert "nothing was done" in capsys.readouterr().err
        code, answer = ask(capsys, folder, "cancel-all", "--yes")
        assert (code, answer) == (0, {
            "outcome": "ok", "text": "/venues/kraken-sim/accounts/alice: 2 cancelled"
        })  # fmt: skip
        assert ask(capsys, folder, "stop")[0] == 0
    acts = [act for act, _, _ in audited(folder)]
    assert (acts.count("close"), acts.count("cancelall")) == (2, 1)


def test_without_a_terminal_nothing_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    confirm("Everything ends.", "end", yes=True)
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(VerbError, match="scripts say --yes"):
        confirm("Everything ends.", "end", yes=False)
