"""The command line without a daemon: help, usage, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from bot import cli
from tests.tidy.sources import ROOT

# What `bot --help` and the verbs that talk to the daemon may not need.
HEAVY = {"ccxt", "numba", "numpy", "textual", "apsw", "trio"}


def commands(group: click.Group, name: str = "") -> list[tuple[str, click.Command]]:
    context = click.Context(group)
    found: list[tuple[str, click.Command]] = []
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        assert command is not None
        full = f"{name} {verb}".strip()
        found.append((full, command))
        if isinstance(command, click.Group):
            found += commands(command, full)
    return found


ALL = dict(commands(cli.bot))
LEAVES = {name: command for name, command in ALL.items() if not isinstance(command, click.Group)}


def test_the_verbs_of_the_contract_are_there() -> None:
    assert set(LEAVES) >= {
        "start", "stop", "status", "tree", "vaults", "orders", "fills", "log", "pause", "resume",
        "kill-switch engage", "kill-switch release", "ledger balances", "ledger check",
        "ledger reconcile", "doctor", "replay", "tui", "venue", "bench", "version",
        "actor retry", "actor discard",
    }  # fmt: skip


@pytest.mark.parametrize("name", LEAVES)
def test_help_says_what_a_verb_does_with_an_example_and_its_exit_codes(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run([*name.split(), "--help"]) == 0
    text = capsys.readouterr().out
    assert f"Usage: bot {name}" in text
    assert "Example:" in text
    assert f"bot {name.split(maxsplit=1)[0]}" in text.partition("Example:")[2]
    assert "Exit codes:" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_the_help_of_all_lists_every_verb_and_every_exit_code(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["--help"]) == 0
    text = capsys.readouterr().out
    for verb in cli.VERBS:
        assert f"\n  {verb}" in text
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 70):
        assert f" {code}  " in text


# Verbs that do their work without asking a bot that runs.
ALONE = {
    "start", "venue", "bench", "version", "doctor", "replay", "bundle", "tui", "backup", "restore",
    "sim", "key add", "key list", "key check", "key remove", "capture list", "capture replay",
}  # fmt: skip
ASKING = sorted(set(LEAVES) - ALONE)


@pytest.mark.parametrize("name", ASKING)
def test_every_verb_that_asks_the_bot_takes_data_dir_and_json(name: str) -> None:
    options = {option for parameter in LEAVES[name].params for option in parameter.opts}
    assert {"--data-dir", "--json"} <= options


REQUIRED = {
    "kill-switch engage": ["--reason", "x"],
    "kill-switch release": ["--reason", "x"],
    "close": ["--yes"],
    "cancel-all": ["--yes"],
    "allocate": ["/users/alice/vaults/kraken-sim-usdt/sleeves/flash", "1", "--yes"],
    "tradeable": ["/users/alice/vaults/kraken-sim-usdt", "1", "--yes"],
    "actor retry": ["/risk"],
    **{
        f"actor {verb}": ["/risk"]
        for verb in ("stats", "state", "trace", "stack", "inbox", "suspend", "resume", "restart")
    },
    "actor discard": ["/risk", "--reason", "x"],
}


@pytest.mark.parametrize("name", ASKING)
def test_without_a_bot_the_exit_code_is_five_and_the_text_says_how_to_start_it(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [*name.split(), *REQUIRED.get(name, []), "--data-dir", str(tmp_path)]
    assert cli.run(arguments) == 5
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"`bot start --data-dir {tmp_path}`" in captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["orders", "--limit", "0"],
        ["kill-switch", "engage"],
        ["log", "--follow", "--json"],
        ["start", "--for", "0"],
        ["bench", "nonsense"],
        ["replay", "/risk", "--pdb", "--json"],
    ],
)
def test_wrong_usage_is_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(arguments) == 2
    assert "Error: " in capsys.readouterr().err


def test_a_wrong_configuration_is_four_and_nothing_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "bot.toml"
    wrong.write_text("[data]\nfolder = 3\n")
    folder = tmp_path / "data"
    assert cli.run(["start", "--config", str(wrong), "--data-dir", str(folder)]) == 4
    assert "line 2: data.folder: was 3, allowed is a folder" in capsys.readouterr().err
    assert not folder.exists()


def test_version_is_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["version", "--json"]) == 0
    assert {"canopy", "python", "trio", "ccxt"} <= json.loads(capsys.readouterr().out).keys()


def loaded_by(*arguments: str) -> set[str]:
    code = (
        "import sys\nfrom bot import cli\n"
        f"cli.run({list(arguments)!r})\n"
        "print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_help_needs_nothing_heavy() -> None:
    assert loaded_by("--help") & HEAVY == set()


def test_asking_the_bot_needs_trio_and_nothing_else_heavy(tmp_path: Path) -> None:
    assert loaded_by("status", "--data-dir", str(tmp_path)) & HEAVY == {"trio"}
