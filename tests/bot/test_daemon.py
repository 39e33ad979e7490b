"""A bot around a small tree, as a process: started, asked, told, stopped, started again."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import pytest
import trio

from bot import cli
from bot.client import connected
from bot.client import run as run_trio
from messages.control import Status
from tests.bot.trial import SLEEVE
from tests.tidy.sources import ROOT

START = """
import sys
from pathlib import Path
from bot.config import config_file, load
from bot.environment import Environment
from bot.daemon import Options, run
from importlib import import_module
environment = Environment()
config = load(config_file(environment, sys.argv[2]), environment)
assemble = import_module(sys.argv[3]).assemble
options = Options(
    folder=Path(sys.argv[1]),
    version="test",
    assemble=assemble,
    reload=lambda: load(config_file(environment, sys.argv[2]), environment),
)
sys.exit(run(config, options, environment))
"""
WAIT_S = 20.0
Document: TypeAlias = Any


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return a configuration without embedded boxes, so that no kernels are loaded."""
    shipped = (ROOT / "bot" / "bot.toml").read_text()
    head, _, tail = shipped.partition("[venues.kraken-sim.box]")
    addresses = 'rest = "http://127.0.0.1:1"\n' + "".join(
        f'websocket_{kind} = "ws://127.0.0.1:1/v2"\n' for kind in ("public", "private")
    )
    head = head.replace("[venues.kraken-sim]", f"[venues.kraken-sim]\n{addresses}")
    path = tmp_path / "bot.toml"
    path.write_text(head + tail[tail.index("# --- Assets") :])
    return path


def start(
    folder: Path, config: Path, trial: str = "tests.bot.trial", **variables: str
) -> "subprocess.Popen[str]":
    return start_into(subprocess.PIPE, folder, config, trial, **variables)


def start_into(
    out: int | TextIO,
    folder: Path,
    config: Path,
    trial: str = "tests.bot.trial",
    /,
    **variables: str,
) -> "subprocess.Popen[str]":
    environment = {**os.environ, "CANOPY_RUNTIME_DIR": str(folder.parent), **variables}
    return subprocess.Popen(
        [sys.executable, "-c", START, str(folder), str(config), trial],
        cwd=ROOT, env=environment, stdout=out, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


async def _until_it_listens(folder: Path, daemon: "subprocess.Popen[str]") -> None:
    with trio.fail_after(WAIT_S):
        while not (folder / "socket").exists():
            assert daemon.poll() is None, daemon.stdout and daemon.stdout.read()
            await trio.sleep(0.02)


@contextmanager
def running(
    folder: Path, config: Path, trial: str = "tests.bot.trial", **variables: str
) -> Iterator["subprocess.Popen[str]"]:
    daemon = start(folder, config, trial, **variables)
    try:
        run_trio(lambda: _until_it_listens(folder, daemon))
        yield daemon
        assert daemon.wait(WAIT_S) is not None
    finally:
        daemon.kill()
        daemon.wait()
        assert daemon.stdout is not None
        daemon.stdout.close()


def ask(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, object]:
    code = cli.run([*words, "--data-dir", str(folder), "--json"])
    return code, json.loads(capsys.readouterr().out)


def look(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> Document:
    code, document = ask(capsys, folder, *words)
    assert code == 0
    return document


def wait_for_switch(folder: Path) -> None:
    """Wait until the kill switch is shown as engaged: the socket listens before all is handled."""

    async def main() -> None:
        async with connected(folder, "test") as link:
            with trio.fail_after(WAIT_S):
                while True:
                    (row,) = (await link.ask(Status(request_id="1"))).rows
                    if getattr(row, "kill_switch", False):
                        return
                    await trio.sleep(0.02)

    run_trio(main)


def test_a_life(tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    with running(folder, config) as daemon:
        status = look(capsys, folder, "status")
        assert {key: status[key] for key in ("environment", "orders", "fills", "kill_switch")} == {
            "environment": "sim", "orders": 0, "fills": 0, "kill_switch": False
        }  # fmt: skip
        assert status["pid"] == daemon.pid
        tree = look(capsys, folder, "tree")
        assert [child["address"] for child in tree["children"]] == [
            "/store", "/control", "/liveness", "/risk", "/users"
        ]  # fmt: skip
        for empty in ("vaults", "orders", "fills"):
            assert ask(capsys, folder, empty) == (0, [])
        assert ask(capsys, folder, "pause") == (0, {"outcome": "ok", "text": f"{SLEEVE}: paused"})
        assert ask(capsys, folder, "resume", "/users/alice")[0] == 0
        assert ask(capsys, folder, "pause", "/users/bob")[0] == 1
        checks = look(capsys, folder, "ledger", "check")
        assert [check["name"] for check in checks] == ["sums", "balances", "signs"]
        engaged = ask(capsys, folder, "kill-switch", "engage", "--reason", "a test")
        assert engaged == (0, {"outcome": "ok", "text": "every line confirmed"})
        lines = look(capsys, folder, "log")
        assert any("kill switch ENGAGED" in line["text"] for line in lines)
        assert ask(capsys, folder, "stop", "--reason", "enough")[0] == 0
    assert daemon.returncode == 0
    # It survived: the switch is durable, and so is what was told to the sleeve.
    with running(folder, config) as daemon:
        status = look(capsys, folder, "status")
        assert (status["kill_switch"], status["kill_reason"]) == (True, "a test")
        assert status["trading"] is False
        tree = look(capsys, folder, "tree", SLEEVE)
        assert ask(capsys, folder, "resume")[0] == 0
        daemon.send_signal(signal.SIGTERM)
    assert daemon.returncode == 0


def test_a_blocked_actor_is_seen_retried_and_discarded(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with running(folder, config):
        poison = ("kill-switch", "engage", "--reason", "crash", "--timeout", "0.3")
        assert ask(capsys, folder, *poison)[0] == 6
        status = look(capsys, folder, "status")
        assert (status["state"], status["quarantined"]) == ("degraded", 1)
        tree = look(capsys, folder, "tree", "/risk")
        assert tree["state"] == "blocked"
        assert ask(capsys, folder, "actor", "discard", "/risk", "--reason", "a test")[0] == 0
        assert ask(capsys, folder, "actor", "discard", "/risk", "--reason", "again")[0] == 1
        status = look(capsys, folder, "status")
        assert status["state"] == "running"
        assert ask(capsys, folder, "stop")[0] == 0


def test_an_actor_that_is_stuck_is_struck_and_the_rest_goes_on(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with running(folder, config):
        spin = ("kill-switch", "engage", "--reason", "spin", "--timeout", "0.5")
        assert ask(capsys, folder, *spin)[0] == 6
        # Twice on one message: it handles money, so it waits for a person. All else goes on.
        stats = look(capsys, folder, "actor", "stats", "/risk")
        while stats["struck"] < 2:
            stats = look(capsys, folder, "actor", "stats", "/risk")
        assert stats["state"] == "blocked"
        assert stats["last_exit"].startswith("stuck: used ")
        assert ask(capsys, folder, "pause")[0] == 0
        assert ask(capsys, folder, "actor", "discard", "/risk", "--reason", "a test")[0] == 0
        assert ask(capsys, folder, "kill-switch", "engage", "--reason", "well")[0] == 0
        assert ask(capsys, folder, "stop")[0] == 0


@pytest.mark.check
def test_a_port_that_nothing_ends_does_not_hold_up_the_end_of_the_process(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with running(folder, config, "tests.bot.trial_left") as daemon:
        assert ask(capsys, folder, "pause", SLEEVE)[0] == 0
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(WAIT_S) == 0
        assert daemon.stdout is not None
        said = daemon.stdout.read()
    assert "unkillable: /inner/immortal: it ignores its cancellation" in said
    assert "could not be ended: the process ends all the same" in said
    # All the others have stopped in good order: nothing is left to be folded.
    with closing(sqlite3.connect(folder / "canopy.db")) as database:
        assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)
    with running(folder, config) as again:
        tree = look(capsys, folder, "tree", "/users")
        assert '"state": "running"' in json.dumps(tree)
        assert ask(capsys, folder, "stop")[0] == 0
        assert again.wait(WAIT_S) == 0


def test_a_second_bot_on_the_same_data_is_refused(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with running(folder, config) as first:
        second = start(folder, config)
        said, _ = second.communicate(timeout=WAIT_S)
        assert second.returncode == 7
        assert f"process {first.pid} holds the data folder" in said
        assert ask(capsys, folder, "status")[0] == 0
        assert ask(capsys, folder, "stop")[0] == 0


def test_a_kill_leaves_a_socket_that_the_next_start_replaces(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with running(folder, config) as daemon:
        assert ask(capsys, folder, "pause")[0] == 0
        daemon.kill()
    assert (folder / "socket").exists()
    assert cli.run(["status", "--data-dir", str(folder)]) == 5
    capsys.readouterr()
    (folder / "socket").unlink()
    with running(folder, config):
        assert ask(capsys, folder, "resume")[0] == 0
        assert ask(capsys, folder, "stop")[0] == 0


@pytest.mark.parametrize("content", [b"not a database", b"SQLite format 3\0" + bytes(5_000)])
def test_damaged_data_is_refused_and_not_touched(
    tmp_path: Path, config: Path, content: bytes
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "canopy.db").write_bytes(content)
    daemon = start(folder, config)
    said, _ = daemon.communicate(timeout=WAIT_S)
    assert daemon.returncode == 8, said
    assert "canopy.db" in said
    assert (folder / "canopy.db").read_bytes() == content


def test_it_refuses_to_run_without_assertions(tmp_path: Path, config: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-O", "-c", START, str(tmp_path / "data"), str(config), "tests.bot.trial"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "does not run under python -O" in done.stderr
    assert not (tmp_path / "data").exists()


def test_the_environment_engages_the_kill_switch_at_the_start(
    tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "data"
    with running(folder, config, CANOPY_KILL_SWITCH="1"):
        wait_for_switch(folder)
        status = look(capsys, folder, "status")
        assert (status["kill_switch"], status["kill_reason"]) == (
            True, "CANOPY_KILL_SWITCH is set"
        )  # fmt: skip
        assert ask(capsys, folder, "stop")[0] == 0
    with running(folder, config):
        wait_for_switch(folder)
        assert ask(capsys, folder, "kill-switch", "release", "--reason", "a test")[0] == 0
        assert look(capsys, folder, "status")["kill_switch"] is False
        assert ask(capsys, folder, "stop")[0] == 0
