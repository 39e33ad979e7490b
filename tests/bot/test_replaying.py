"""`bot replay` over a small recorded life of the real tree: shown, stopped in, refused."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot import cli
from bot.replay_words import plain
from state.look import Look
from tests.tidy.sources import ROOT

VAULT = "/users/alice/vaults/kraken-sim-usdt"
LEDGER = f"{VAULT}/ledger"
WAIT_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the data folder of a bot that ran for two seconds with the shipped configuration."""
    root = tmp_path_factory.mktemp("replay")
    done = subprocess.run(
        [
            sys.executable, "-m", "bot.entry", "start",
            "--data-dir", str(root / "data"), "--for", "2",
        ],
        cwd=ROOT, env={**os.environ, "CANOPY_RUNTIME_DIR": str(root)}, check=False,
        capture_output=True, text=True, timeout=WAIT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return root / "data"


def replay(folder: Path, *words: str) -> int:
    return cli.run(["replay", *words, "--data-dir", str(folder)])


@pytest.mark.check
def test_it_shows_message_state_and_effects_and_that_they_are_identical(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(folder, LEDGER, "--from", "2", "--to", "2") == 0
    shown = capsys.readouterr().out
    head, *lines = shown.splitlines()
    assert head.startswith("#2  20")
    assert head.endswith("Z  from runtime")
    assert lines[0].startswith("  money.VaultConfigured user=alice vault=kraken-sim-usdt")
    assert "    state.pool_minor: 0 → 500000000000" in lines
    assert any(line.startswith("  → record row.Vault user=alice") for line in lines)
    assert "#1  " not in shown
    assert "#3  " not in shown
    assert lines[-1].startswith("identical: messages 1 to ")


@pytest.mark.check
def test_break_on_ends_at_the_first_message_for_which_it_is_true(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    condition = 'message.__class__.__name__ == "VaultConfigured"'
    assert replay(folder, LEDGER, "--break-on", condition) == 0
    shown = capsys.readouterr().out
    assert shown.count("money.VaultConfigured") >= 1
    assert "#3  " not in shown
    assert "stopped at message 2: --break-on is true" in shown
    assert "identical" not in shown
    assert replay(folder, LEDGER, "--quiet", "--to", "5", "--break-on", "state.no_such_field") == 0
    assert "was true for none of them" in capsys.readouterr().out
    assert replay(folder, LEDGER, "--break-on", "seq ==") == 2
    assert "no Python expression" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("address", "said"),
    [
        (f"{VAULT}/ledgr", f"the nearest is {LEDGER}"),
        (VAULT, f"a supervisor stands there; below it stand {LEDGER}"),
        ("/store", "is a port"),
        ("/venues/kraken-sim/public/feed", "is a port"),
    ],
)
@pytest.mark.check
def test_an_address_without_an_actor_is_refused_with_what_is_there(
    folder: Path, capsys: pytest.CaptureFixture[str], address: str, said: str
) -> None:
    assert replay(folder, address) == 1
    assert said in capsys.readouterr().err


def test_a_folder_without_data_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(tmp_path, LEDGER) != 0
    assert "Error: " in capsys.readouterr().err


class Conversation:
    """A debugger behind a terminal."""

    def __init__(self, folder: Path, *words: str) -> None:
        self.pid, self._master = pty.fork()
        if self.pid == 0:
            os.chdir(ROOT)
            arguments = ["-m", "bot.entry", "replay", *words, "--data-dir", str(folder)]
            os.execv(sys.executable, [sys.executable, *arguments])  # noqa: S606 - under test

    def until(self, text: str) -> str:
        """Return what is said up to and including `text`."""
        said = ""
        deadline_s = time.monotonic() + WAIT_S
        while text not in said:
            assert time.monotonic() < deadline_s, f"{text!r} was not said: {said}"
            if select.select([self._master], [], [], 0.1)[0]:
                try:
                    said += os.read(self._master, 65_536).decode()
                except OSError as error:
                    raise AssertionError(f"it ended before {text!r}: {said}") from error
        return said

    def say(self, line: str) -> str:
        os.write(self._master, f"{line}\n".encode())
        return self.until("(Pdb) ")

    def last(self, line: str, said: str) -> str:
        os.write(self._master, f"{line}\n".encode())
        return self.until(said)

    def ended(self) -> int:
        _, status = os.waitpid(self.pid, 0)
        os.close(self._master)
        return os.waitstatus_to_exitcode(status)


@pytest.mark.check
def test_pdb_stops_in_the_actors_own_handler_with_its_true_state(folder: Path) -> None:
    it = Conversation(folder, LEDGER, "--break-on", "seq == 2", "--pdb")
    there = it.until("(Pdb) ")
    assert "on_configured()" in there
    assert "actors/" in there
    assert "VaultConfigured" in it.say("p type(message).__name__")
    assert "\n0\r" in it.say("p state.pool_minor")
    assert "ctx" in it.say("p sorted(locals())")
    said = it.last("c", "the record ends with message")
    assert "state.pool_minor: 0 → 500000000000" in said
    assert it.ended() == 0


def test_pdb_goes_forward_and_backward_by_message(folder: Path) -> None:
    it = Conversation(folder, LEDGER, "--from", "2", "--pdb")
    it.until("(Pdb) ")
    assert "'VaultConfigured'" in it.say("p type(message).__name__")
    assert "state.pool_minor: 0 → 500000000000" in it.say("nm")
    assert "\n500000000000\r" in it.say("p state.pool_minor")
    there = it.say("p type(message).__name__, ctx.seq")
    it.say("goto 6")
    assert ", 6)" in it.say("p type(message).__name__, ctx.seq")
    it.say("back 3")
    assert it.say("p type(message).__name__, ctx.seq") == there, "the same message, again"
    it.say("back")
    assert "\n0\r" in it.say("p state.pool_minor"), "the state of then"
    assert "is no message to go to" in it.say("back 7")
    it.last("q", "\n")
    assert it.ended() == 0


def test_a_pattern_has_a_line_for_each_actor(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(folder, f"{VAULT}/*") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(": ")[0] for line in lines] == [
        LEDGER, f"{VAULT}/guard", f"{VAULT}/sleeves/quiet", f"{VAULT}/sleeves/flash"
    ]  # fmt: skip
    assert all("identical: messages 1 to" in line for line in lines)
    assert replay(folder, "--actor", "/nobody/*") == 1
    assert "no actor that has run matches /nobody/*" in capsys.readouterr().err
    assert replay(folder, f"{VAULT}/*", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["identical"] is True
    assert document["actors"][0]["address"] == LEDGER


def test_a_time_stands_for_the_message_handled_then(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(folder, LEDGER, "--json") == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    wanted = next(step for step in steps if step["now_ns"] > steps[0]["now_ns"])
    seconds, rest_ns = divmod(wanted["now_ns"], 10**9)
    at = f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000:06d}Z"
    assert replay(folder, LEDGER, "--at", at, "--json") == 0
    first = json.loads(capsys.readouterr().out)["steps"][0]
    assert first["now_ns"] == wanted["now_ns"]
    assert first["seq"] > 1
    assert replay(folder, LEDGER, "--at", "2036-01-01") == 1
    assert "no message since then" in capsys.readouterr().err
    assert replay(folder, LEDGER, "--at", "soon") == 2


def test_a_letter_leads_to_the_step_that_sent_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Look(folder) as look:
        number = look.names()[LEDGER]
        turns = look.history().turns(number, 1, 2**62)
        turn = next(turn for turn in turns if any(effect[2] for effect in turn.effects))
        position = next(effect[2] for effect in turn.effects if effect[2])
    assert replay(folder, "--dead-letter", str(position), "--json") == 0
    document = json.loads(capsys.readouterr().out)
    (step,) = document["steps"]
    assert document["address"] == LEDGER
    assert turn.first_seq <= step["seq"] < turn.first_seq + len(turn.inputs)
    assert any(effect.startswith("send ") for effect in step["effects"])
    assert replay(folder, "--dead-letter", str(10**9)) == 1
    assert replay(folder, LEDGER, "--dead-letter", str(position)) == 2


def test_without_a_crash_there_is_none_to_look_at(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert replay(folder, LEDGER, "--last-crash") == 1
    assert "no message of it is in quarantine" in capsys.readouterr().err


def test_messages_are_words() -> None:
    assert plain('send /a {"tag":"x.Y","name":"two words","n":1,"no":""} 7') == (
        'send /a x.Y name="two words" n=1 7'
    )
    assert plain("no object") == "no object"
    assert plain("half {an object") == "half {an object"
