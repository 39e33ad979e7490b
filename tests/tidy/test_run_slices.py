"""The runner of the suite fails when an area fails, breaks off or outgrows its slice."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.tidy.sources import ROOT

PASSING = "def test_fine():\n    assert True is True\n"
FAILING = "def test_wrong():\n    assert 1 == 2\n"
SLOW = "import time\n\ndef test_slow():\n    time.sleep(0.3)\n"
LATER = "import pytest\n\n@pytest.mark.check\ndef test_later():\n    assert 1 == 2\n"
HANGING = "import time\n\ndef test_hangs():\n    time.sleep(60)\n"
BROKEN = "import nothing_of_that_name\n"


@pytest.fixture(scope="module")
def runner() -> ModuleType:
    spec = importlib.util.spec_from_file_location("run_slices", ROOT / "tests" / "run_slices.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["run_slices"] = module
    spec.loader.exec_module(module)
    return module


def tree(root: Path, budget_seconds: float, *texts: str) -> Path:
    """Lay out a project with one area, `bot`, and one test file per text."""
    folder = root / "tests" / "bot"
    folder.mkdir(parents=True)
    for number, text in enumerate(texts):
        (folder / f"test_{number}.py").write_text(text)
    (root / "tests" / "slices.toml").write_text(
        f"[test]\nbot = {budget_seconds}\n[check]\nbot = {budget_seconds}\n"
    )
    (root / "pytest.ini").write_text("[pytest]\nmarkers =\n    check: later\n    soak: longest\n")
    return root


@pytest.fixture(autouse=True)
def plain_pytest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the inner pytest without plugins: they take seconds to load."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(
    runner: ModuleType, root: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> tuple[int, list[str]]:
    code = runner.main([kind], root)
    return code, capfd.readouterr().out.splitlines()


def test_passing_area(
    runner: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, lines = run(runner, tree(tmp_path, 30, PASSING, LATER), "test", capfd)
    assert (code, lines[-1]) == (0, "1 passed, 0 failed")


def test_failing_area(
    runner: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, lines = run(runner, tree(tmp_path, 30, PASSING, LATER), "check", capfd)
    assert (code, lines[-1]) == (1, "0 passed, 1 failed")


def test_mixed_area(runner: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    code, lines = run(runner, tree(tmp_path, 30, PASSING, FAILING), "test", capfd)
    assert (code, lines[-1]) == (1, "1 passed, 1 failed")


def test_area_that_outgrows_its_slice(
    runner: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    outcome = runner.Outcome("bot", 2.0, passed=3, seconds=2.5)
    assert outcome.failures == 1
    assert "bot took 2.5 s, and its slice is 2 s" in runner.over_budget_line(outcome)
    code, lines = run(runner, tree(tmp_path, 0.2, SLOW), "test", capfd)
    assert code == 1
    assert any(line.startswith("bot took ") for line in lines)
    assert lines[-1].endswith(", 1 failed")


def test_hanging_area_is_ended(
    runner: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, lines = run(runner, tree(tmp_path, 1, HANGING), "test", capfd)
    assert (code, lines[-1]) == (1, "0 passed, 1 failed")
    assert "bot was ended, unfinished" in lines


def test_area_that_cannot_be_collected(
    runner: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, lines = run(runner, tree(tmp_path, 30, BROKEN), "test", capfd)
    assert code == 1
    assert lines[-1].startswith("0 passed, ")
    assert not lines[-1].endswith(" 0 failed")


def test_area_without_tests_is_shown_as_such(
    runner: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code, lines = run(runner, tree(tmp_path, 30), "test", capfd)
    assert (code, lines[-1]) == (0, "0 passed, 0 failed")
    assert any(line.startswith("bot ") and line.endswith("no tests") for line in lines)


def test_unknown_area_is_refused(runner: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no area moon in slices"):
        runner.run(tree(tmp_path, 30), "test", ["moon"])
