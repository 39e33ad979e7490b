"""The tree keeps the house rules."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.tidy import rules
from tests.tidy.sources import PACKAGES, ROOT, Finding, sources, tracked_paths

# Test files that stand for no single module, each with its reason.
MIRROR_EXEMPT: dict[str, str] = {
    "tests/actors/execution/test_against_binance.py": "the same at Binance's",
    "tests/actors/execution/test_against_box.py": "one account's whole way to a venue and back",
    "tests/bot/test_contract.py": "what scripts rely on, whichever modules say it",
    "tests/bot/test_signals.py": "a process of its own, seen from outside",
    "tests/research/simulation/test_found.py": "what simulations found, wherever it was wrong",
    **{
        f"tests/supervisor/conformance/test_{group}.py": "OTP's suite and what goes with it"
        for group in (
            "start",
            "stop",
            "admin",
            "strategies",
            "termination",
            "significant",
            "misc",
            "pekko",
            "injection",
            "machine",
            "differential",
        )
    },
}
# Areas of tests/slices.toml that mirror no package.
FREE_AREAS = {"lint", "tidy", "docs", "whole"}
TEST_SECONDS_MAX = 600
CHECK_SECONDS_MAX = 1200


def refuse(findings: Iterable[Finding]) -> None:
    """Fail with all findings, one a line, if there are any."""
    text = "\n".join(str(finding) for finding in findings)
    if text:
        pytest.fail(text, pytrace=False)


@pytest.mark.parametrize("rule", rules.TEXT_RULES, ids=lambda rule: rule.__name__)
def test_every_text_keeps(rule: rules.Rule) -> None:
    refuse(finding for source in sources() for finding in rule(source))


@pytest.mark.parametrize("rule", rules.PYTHON_RULES, ids=lambda rule: rule.__name__)
def test_every_module_keeps(rule: rules.Rule) -> None:
    modules = [source for source in sources() if source.is_python]
    refuse(finding for source in modules for finding in rule(source))


def own_modules() -> Iterator[Path]:
    for folder in (*PACKAGES, "tests"):
        yield from (ROOT / folder).rglob("*.py")


def test_what_is_imported_is_tracked() -> None:
    tracked = set(tracked_paths())
    existing = {path.relative_to(ROOT).as_posix() for path in own_modules()}
    refuse(
        finding
        for source in sources()
        if source.is_python
        for finding in rules.untracked_imports(source, tracked, existing)
    )


def test_every_test_file_mirrors_a_module() -> None:
    modules = {path for path in tracked_paths() if path.startswith(PACKAGES)}
    tests = [
        path
        for path in tracked_paths()
        if path.startswith(tuple(f"tests/{package}/" for package in PACKAGES))
        and Path(path).match("test_*.py")
    ]
    strangers = [path for path in tests if not rules.mirrors(path, modules)]
    assert set(strangers) == set(MIRROR_EXEMPT), "name it after a module, or list it with a reason"


def test_every_folder_of_tests_has_a_slice() -> None:
    folders = {Path(path).parts[1] for path in tracked_paths() if Path(path).match("test_*.py")}
    slices = tomllib.loads((ROOT / "tests" / "slices.toml").read_text())
    assert folders <= set(slices["test"])
    assert set(slices["check"]) <= set(slices["test"])
    assert set(slices["test"]) <= {*PACKAGES, *FREE_AREAS}


def test_slices_add_up_to_what_make_promises() -> None:
    slices = tomllib.loads((ROOT / "tests" / "slices.toml").read_text())
    assert sum(slices["test"].values()) <= TEST_SECONDS_MAX
    assert sum(slices["check"].values()) <= CHECK_SECONDS_MAX
