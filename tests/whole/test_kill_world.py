"""Killed at any instruction, the runtime loses no message, doubles none, and forgets no state."""

import json
import os
import random
import signal
import subprocess
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

from bot.past import Past
from state.backup import copy_out, restore_backup
from state.database import Settings
from state.look import Look
from state.store import Store
from supervisor.actor import Actor
from supervisor.fold import Fold
from tests.whole import kill_world

ROOT = Path(__file__).resolve().parents[2]


def start(folder: Path, how: str, hash_seed: str = "random") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.whole.kill_world", str(folder), how],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )


def kill_at_random(folder: Path, kills: int, seed: int) -> None:
    """Start the world and kill it, `kills` times, each at a moment drawn from `seed`."""
    moments = random.Random(seed)  # noqa: S311 - a moment is no secret
    for _ in range(kills):
        process = start(folder, "run")
        assert process.stdout is not None
        assert process.stdout.readline() == "running\n"
        try:
            process.wait(moments.uniform(0.0, 0.35))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        assert process.returncode == -signal.SIGKILL


def settle(folder: Path) -> dict[str, dict[str, int]]:
    process = start(folder, "settle")
    out, _ = process.communicate(timeout=60)
    lines = out.splitlines()
    assert lines[0] == "running"
    assert process.returncode == 0
    document = json.loads(lines[1])
    assert document["conserved"]
    books: dict[str, dict[str, int]] = document["books"]
    return books


def check(folder: Path) -> None:
    books = settle(folder)
    balances = [book["balance"] for address, book in books.items() if "accounts" in address]
    assert sum(balances) == kill_world.ACCOUNTS * kill_world.OPENING
    paid = sum(book["paid"] for address, book in books.items() if "accounts" in address)
    assert paid == books["/clockwork"]["ticks"] * 8
    outside = (folder / "outside.txt").read_text().splitlines()
    assert len(outside) == len(set(outside)) == books["/clockwork"]["lines"]
    assert books["/clockwork"]["written"] == books["/clockwork"]["lines"]
    assert paid > 0


def test_killed_six_times_it_adds_up(tmp_path: Path) -> None:
    kill_at_random(tmp_path, kills=6, seed=1)
    check(tmp_path)


def test_a_backup_made_while_it_runs_goes_on_when_restored(tmp_path: Path) -> None:
    """Its tail is folded under the lineage that made it, and what comes after under a new one."""
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    process = start(first, "run")
    assert process.stdout is not None
    assert process.stdout.readline() == "running\n"
    with suppress(subprocess.TimeoutExpired):
        process.wait(1.0)
    with Look(first / "data") as look:
        copy_out(look.connection, tmp_path / "backup.db")
        lineage = look.lineage
    process.kill()
    process.wait()
    process.stdout.close()
    restore_backup(tmp_path / "backup.db", second / "data")
    for _ in range(2):
        books = settle(second)
        balances = [book["balance"] for address, book in books.items() if "accounts" in address]
        assert sum(balances) == kill_world.ACCOUNTS * kill_world.OPENING
    with Look(second / "data") as look:
        assert look.lineage != lineage
        assert [past.lineage for past in look.lineages().before] == [lineage]
        crossed = replayed(look)
        assert len(crossed) == kill_world.ACCOUNTS + 1
        # Who had nothing to do on one side of the restore did not go past it.
        assert 1 in crossed
        assert set(crossed) <= {0, 1}


def replayed(look: Look) -> list[int]:
    """Replay every actor from its first message; return how many restores each went past."""
    crossed = []
    by_number = {number: name for name, number in look.names().items()}
    for number, address in by_number.items():
        if not address.startswith(("/accounts/", "/clockwork")):
            continue
        make = partial(_actor, address)
        past = Past(address, number, look.lineages(), by_number, make, look.history())
        fold = past.begin(1)
        for turn in past.turns(0):
            assert fold.replay(turn, by_number) is None
        crossed.append(len(past.restores(1, fold.seq)))
    return crossed


@pytest.mark.check
@pytest.mark.parametrize("seed", [2, 3])
def test_killed_often_it_adds_up(tmp_path: Path, seed: int) -> None:
    kill_at_random(tmp_path, kills=25, seed=seed)
    check(tmp_path)


def test_every_actor_folds_again_to_the_same_chain(tmp_path: Path) -> None:
    kill_at_random(tmp_path, kills=2, seed=4)
    settle(tmp_path)
    store = Store.open(tmp_path / "data", Settings(ballast_bytes=0))
    try:
        names = {number: name for name, number in store.names().items()}
        folded = 0
        for number, address in names.items():
            if not address.startswith(("/accounts/", "/clockwork")):
                continue
            fold = Fold(_actor(address), store.lineage, number, address, paranoid=True)
            for turn in store.turns(number, 1, 2**62):
                assert fold.replay(turn, names) is None
                folded += len(turn.inputs)
        assert folded > 100
    finally:
        store.database.close()


def _actor(address: str) -> Actor[kill_world.Purse] | Actor[kill_world.Pace]:
    return kill_world.Clockwork() if address == "/clockwork" else kill_world.Account(set())
