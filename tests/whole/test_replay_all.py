"""Every actor of a recorded run is folded again to the same chain, and what differs is named."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

from actors.guard import Guard
from actors.ledger import Ledger
from bot import cli
from messages.money import Alert, Severity
from messages.orders import Fill, Protect
from state.database import DATABASE_NAME
from supervisor.actor import AFTER, EVERY, AnyState, Context
from supervisor.journal import Turn
from tests.tidy.sources import ROOT
from tests.whole.lives import Recording
from tests.whole.processes import box_toml
from tests.whole.world import ACTORS, VAULT

HASH_SEEDS = ("0", "1", "2", "4294967295")
GUARD = f"{VAULT}/guard"

# The recorded run waits for the budget of reads after a line crashed: up to a minute.
pytestmark = pytest.mark.check


def test_under_four_hash_seeds_every_chain_is_the_recorded_one(recording: Recording) -> None:
    expected = {
        address: [kept.seq, kept.chain.hex(), hashlib.sha256(kept.state).hexdigest()]
        for address, kept in recording.kept[recording.killed].items()
    }
    assert sum(kept.seq for kept in recording.kept[recording.killed].values()) > 1_000
    for seed in HASH_SEEDS:
        done = subprocess.run(
            [sys.executable, "-m", "tests.whole.fold_all", str(recording.killed)],
            cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        del found[""]
        assert found == expected, f"under PYTHONHASHSEED={seed}"


def replay(
    capsys: pytest.CaptureFixture[str], folder: Path, address: str, *words: str
) -> tuple[int, Any]:
    config = folder / "replayed.toml"
    config.write_text(box_toml())
    options = ("--data-dir", str(folder), "--config", str(config), "--json", *words)
    code = cli.run(["replay", address, *options])
    return code, json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("address", ACTORS)
def test_bot_replay_finds_it_identical(
    recording: Recording, capsys: pytest.CaptureFixture[str], address: str
) -> None:
    code, said = replay(capsys, recording.killed, address, "--quiet")
    assert (code, said["identical"], said["divergence"]) == (0, True, None)
    kept = recording.kept[recording.killed][address]
    assert (said["first_seq"], said["last_seq"]) == (1, kept.seq)
    assert said["chain"] == kept.chain.hex()


def tampered(folder: Path, target: Path, address: str, change: Callable[[Turn], Turn]) -> int:
    """Copy a database with the first turn that `change` changes; return that turn's number."""
    target.mkdir()
    shutil.copy(folder / DATABASE_NAME, target)
    connection = apsw.Connection(str(target / DATABASE_NAME))
    try:
        [(number,)] = connection.execute("SELECT id FROM names WHERE name = ?", (address,))
        names = "SELECT name FROM sqlite_schema WHERE name GLOB 'turn_[0-9]*' ORDER BY name"
        for (table,) in list(connection.execute(names)):
            query = f"SELECT last_seq, body FROM {table} WHERE actor = ? ORDER BY last_seq"
            for last_seq, body in list(connection.execute(query, (number,))):
                turns = msgspec.msgpack.decode(body, type=list[Turn])
                for at, turn in enumerate(turns):
                    if change(turn) != turn:
                        turns[at] = change(turn)
                        connection.execute(
                            f"UPDATE {table} SET body = ? WHERE actor = ? AND last_seq = ?",
                            (msgspec.msgpack.encode(turns), number, last_seq),
                        )
                        return turn.first_seq
    finally:
        connection.close()
    raise AssertionError("nothing was changed")


def later_timer(turn: Turn) -> Turn:
    """Return a turn that sets its first timer one nanosecond later."""
    for at, (kind, target, position, number, body) in enumerate(turn.effects):
        if kind in (AFTER, EVERY):
            effects = list(turn.effects)
            effects[at] = (kind, target, position, number + 1, body)
            return turn._replace(effects=effects)
    return turn


def test_a_tampered_effect_is_named(
    recording: Recording, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seq = tampered(recording.killed, tmp_path / "data", GUARD, later_timer)
    code, said = replay(capsys, tmp_path / "data", GUARD, "--quiet")
    assert code == 3
    assert said["identical"] is False
    found = said["divergence"]
    assert found["seq"] >= seq
    was, now = (found[side].rsplit(" ", 1) for side in ("recorded", "found"))
    assert was[0] == now[0]
    assert int(was[1]) == int(now[1]) + 1


def test_a_tampered_chain_is_noticed(
    recording: Recording, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    seq = tampered(
        recording.killed, tmp_path / "data", GUARD, lambda turn: turn._replace(chain=bytes(16))
    )
    code, said = replay(capsys, tmp_path / "data", GUARD, "--quiet")
    assert code == 3
    assert said["divergence"]["seq"] == seq
    assert said["divergence"]["recorded"] == f"the chain {bytes(16).hex()}"


def test_changed_code_is_named_with_its_first_other_effect(
    recording: Recording, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Guard.on_protect

    def talkative(self: Guard, state: AnyState, message: Protect, ctx: Context) -> None:
        before(self, state, message, ctx)
        ctx.send("/alerts", Alert(severity=Severity.NOTICE, subject="new", text="it talks"))

    monkeypatch.setattr(Guard, "on_protect", talkative)
    code, said = replay(capsys, recording.killed, GUARD, "--quiet")
    assert code == 3
    assert said["divergence"]["recorded"] == "nothing"
    assert "it talks" in said["divergence"]["found"]


def test_code_that_crashes_now_is_named(
    recording: Recording, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Ledger, state: AnyState, message: Fill, ctx: Context) -> None:
        raise ZeroDivisionError("new and wrong")

    monkeypatch.setattr(Ledger, "on_fill", broken)
    code, said = replay(capsys, recording.killed, f"{VAULT}/ledger", "--quiet")
    assert code == 3
    assert said["divergence"]["found"] == "a crash: ZeroDivisionError: new and wrong"
