"""`bot actor` against a running bot: looking, holding up, another state, a restart."""

import io
import json
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from bot import cli
from tests.bot.test_daemon import ask, config, look, running
from tests.bot.trial import SLEEVE

__all__ = ["config"]


def test_a_day_with_one_actor(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with running(folder, config) as daemon:
        assert ask(capsys, folder, "pause")[0] == 0
        stats = look(capsys, folder, "actor", "stats", SLEEVE)
        assert (stats["state"], stats["handled"], stats["last_exit"]) == ("running", 1, "")
        document = look(capsys, folder, "actor", SLEEVE, "state")
        assert document["state"] == {"paused": True, "told": 1}
        (step,) = look(capsys, folder, "actor", SLEEVE, "trace")
        assert json.loads(step["message"])["tag"] == "money.Pause"
        assert step["sender"] == "/control"
        assert step["effects"][0].startswith("send /control")
        assert look(capsys, folder, "actor", SLEEVE, "stack")[-1]["function"]
        assert ask(capsys, folder, "actor", SLEEVE, "inbox") == (0, [])
        _replace(folder, capsys, document)
        code, said = ask(capsys, folder, "actor", "restart", SLEEVE)
        assert (code, said) == (
            0,
            {"outcome": "ok", "text": f"{SLEEVE} was restarted, it is start 2"},
        )
        assert look(capsys, folder, "actor", SLEEVE, "state")["state"]["told"] == 41
        for refused in (("restart", "/control"), ("restart", "/store"), ("resume", SLEEVE)):
            assert ask(capsys, folder, "actor", *refused)[0] == 1
        daemon.kill()
    (folder / "socket").unlink()
    # It was in the journal when the bot died, and it is in the audit.
    with running(folder, config):
        assert look(capsys, folder, "actor", SLEEVE, "state")["state"]["told"] == 41
        assert ask(capsys, folder, "stop")[0] == 0
    with closing(apsw.Connection(str(folder / "canopy.db"))) as connection:
        found = list(connection.execute("SELECT act, subject, detail FROM audit ORDER BY number"))
    acts = [(act, subject) for act, subject, _ in found]
    assert ("replacestate", SLEEVE) in acts
    assert acts.index(("suspendactor", SLEEVE)) < acts.index(("replacestate", SLEEVE))
    assert any("at message 1: a test" in str(detail) for _, _, detail in found)


def _replace(folder: Path, capsys: pytest.CaptureFixture[str], document: dict[str, object]) -> None:
    path = folder.parent / "state.json"
    path.write_text(json.dumps({**document, "state": {"paused": True, "told": 41}}))
    words = ("actor", "state", SLEEVE, "--replace", str(path), "--reason", "a test", "--yes")
    code, said = ask(capsys, folder, *words)
    assert code == 1
    assert "suspend" in str(said)
    assert ask(capsys, folder, "actor", SLEEVE, "suspend")[0] == 0
    assert look(capsys, folder, "tree", SLEEVE)["state"] == "suspended"
    assert ask(capsys, folder, *words)[0] == 0
    assert ask(capsys, folder, "actor", SLEEVE, "resume")[0] == 0
    assert look(capsys, folder, "actor", SLEEVE, "state")["state"]["told"] == 41


def test_holding_up_money_asks_first(
    tmp_path: Path,
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "data"
    monkeypatch.setattr("sys.stdin", io.StringIO())
    with running(folder, config):
        assert cli.run(["actor", "/risk", "suspend", "--data-dir", str(folder)]) == 1
        assert "holds money" in capsys.readouterr().err
        assert look(capsys, folder, "tree", "/risk")["state"] == "running"
        assert ask(capsys, folder, "actor", "/risk", "suspend", "--yes")[0] == 0
        for shown, word in (
            ("stats", "suspended"),
            ("inbox", "nothing waits"),
            ("stack", "Mailbox"),
        ):
            assert cli.run(["actor", "/risk", shown, "--data-dir", str(folder)]) == 0
            assert word in capsys.readouterr().out
        assert ask(capsys, folder, "stop")[0] == 0
