"""`bot sim` on a bot with a planted bug: it finds it, names it, makes the run smaller."""

import json

import apsw
import pytest

from bot import cli
from state import database
from supervisor import determinism

# Seed 52 has power cuts; a swarm gives it other faults too, which have nothing to do with it.
FAULTS = "host.power-cut,actor.crash,operator.reconcile"
WORDS = ("sim", "--seed", "52", "--hours", "0.01", "--faults", FAULTS)
# What a power cut does to a bot that does not wait for its disk.
FOUND = "the journal ends at"


@pytest.fixture
def careless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the bot say that something is durable before the disk has said so."""
    make_durable = database.make_durable

    def lax(connection: apsw.Connection) -> None:
        make_durable(connection)
        connection.pragma("synchronous", "normal")

    monkeypatch.setattr(database, "make_durable", lax)


@pytest.mark.usefixtures("careless")
def test_a_planted_bug_is_found(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*WORDS]) == 70
    said = capsys.readouterr().out
    assert "seed 52 failed, commit " in said
    assert FOUND in said
    assert "again: bot sim --seed 52 --hours 0.01 --faults " in said


@pytest.mark.check
@pytest.mark.usefixtures("careless")
def test_a_run_with_a_planted_bug_is_made_smaller(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*WORDS, "--shrink", "--json"]) == 70
    printed = capsys.readouterr()
    document = json.loads(printed.out)
    (failure,) = document["failures"]
    assert failure["seed"] == 52
    assert FOUND in failure["violations"][0]
    assert document["commit"]
    assert document["failed"] == document["seeds"] == 1
    whole, smallest = failure["command"].split(), document["smallest"].split()
    # The command is one that a person can paste, and it fails in the same way.
    assert smallest[0] == "bot"
    assert cli.run(smallest[1:]) == 70
    said = capsys.readouterr().out
    assert FOUND in said
    assert f"again: {document['smallest']}\n" in said
    assert f"commit {document['commit']}" in said
    assert set(whole[whole.index("--faults") + 1].split(",")) == set(FAULTS.split(","))
    assert smallest[smallest.index("--faults") + 1] == "host.power-cut"
    assert smallest[smallest.index("--acts") + 1].startswith("host.power-cut:")
    assert "," not in smallest[smallest.index("--acts") + 1]


@pytest.mark.check
def test_the_same_run_without_the_bug_holds(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run([*WORDS, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["failures"], document["smallest"]) == ([], "")
    assert document["faults"]["host.power-cut"] > 0


def test_a_trio_that_is_not_repeatable_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = iter("ab")
    monkeypatch.setattr(determinism, "_trace", lambda seed: next(traces))
    assert cli.run([*WORDS]) == 70
    assert "make install" in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--faults", "gremlins"), ("--acts", "1,two")])
def test_what_there_is_not(capsys: pytest.CaptureFixture[str], words: tuple[str, str]) -> None:
    assert cli.run(["sim", *words]) == 2
    assert words[0] in capsys.readouterr().err
