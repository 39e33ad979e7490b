"""Every benchmark runs, small: the shape of what it hands back, never how fast it was."""

import importlib
import json
from pathlib import Path
from typing import cast

import pytest

from bot import cli
from bot.measuring import Benchmark, Figures, Required, percentile
from bot.verbs.bench import names

# So small a part of the real work; a store of a few actors, two symbols, a second.
SCALES = {
    "bus": 0.02,
    "children": 0.01,
    "commit": 0.02,
    "feeds": 0.05,
    "footprint": 0.03,
    "idle": 0.05,
    "journal": 0.02,
    "recovery": 0.01,
    "replay": 0.02,
    "restart": 0.05,
    "rest": 0.05,
    "sockets": 0.05,
    "stuck": 0.05,
    "tick-to-order": 0.01,
}
# They start whole bots and exchanges: seconds on a free machine, more on this one.
LONG = {"feeds", "footprint", "recovery", "rest", "sockets", "tick-to-order"}
UNITS = ("_per_s", "_ms", "_us", "_mb", "_percent", "_bytes", "_ns_per_hop", "_ns_per_message")
COUNTS = {
    "start_times_dearer",
    "stop_times_dearer",
    "times_otp",
    "times_stock",
    "times_bus",
    "commits",
    "actors",
    "rows",
    "messages_folded",
} | {
    "orders",
    "symbols",
    "seconds",
}


def _load(name: str) -> Benchmark:
    module: object = importlib.import_module(f"bot.bench.{name.replace('-', '_')}")
    return cast(Benchmark, module)


def _check(benchmark: Benchmark, result: Figures, name: str) -> None:
    assert result.name == name
    assert result.compared_with
    for figure, value in (result.figures | result.compared_with).items():
        assert value > 0, figure
        assert figure.endswith(UNITS) or figure in COUNTS, f"{figure} names no unit"
    assert {one.figure for one in benchmark.REQUIRED} <= result.figures.keys()
    assert result.environment.cores > 0
    assert result.environment.python.startswith("3.")


def test_all_are_known() -> None:
    assert set(names()) == SCALES.keys()


@pytest.mark.parametrize("name", sorted(SCALES.keys() - LONG))
def test_it_measures(name: str, tmp_path: Path) -> None:
    benchmark = _load(name)
    _check(benchmark, benchmark.run(tmp_path, SCALES[name]), name)


@pytest.mark.check
@pytest.mark.parametrize("name", sorted(LONG))
def test_whole_processes_are_measured(name: str, tmp_path: Path) -> None:
    benchmark = _load(name)
    _check(benchmark, benchmark.run(tmp_path, SCALES[name]), name)


def test_what_is_required_says_whether_it_is_met() -> None:
    assert Required("rate", 10, at_least=True).is_met(10)
    assert not Required("rate", 10, at_least=True).is_met(9.9)
    assert Required("time", 10).is_met(10)
    assert not Required("time", 10).is_met(10.1)
    assert str(Required("rate", 600_000, at_least=True)) == "≥ 600,000"


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [float(number) for number in range(1, 101)]
    assert percentile(values, 50) == 50
    assert percentile(values, 99) == 99
    assert percentile(values[:1], 99) == 1


def test_the_list_describes_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == names()
    assert all(len(line.split()) > 3 for line in lines)


def test_json_is_the_documents_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == names()


def test_an_unknown_name_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "nothing"]) == 2
    assert "restart" in capsys.readouterr().err


def test_seconds_are_only_for_what_is_measured_for_a_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.run(["bench", "bus", "--seconds", "5"]) == 2
    assert "feeds" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["bench", "bus", "--data-dir", "/nowhere/at/all"]) == 2
    assert "make it first" in capsys.readouterr().err
