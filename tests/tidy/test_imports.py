"""What a process has loaded once its entry is imported: the contracts, looked at from inside."""

import importlib.util
import json
import re
import subprocess
import sys
from importlib import metadata

import pytest

from tests.tidy.sources import PACKAGES, ROOT

# The daemon stays small: 190 MB as it is. Each of these would add tens to hundreds.
DAEMON_NEVER = {"polars", "pyarrow", "sklearn", "lightgbm", "torch", "pandas", "textual", "tui"}
TUI_NEVER = {"trio", "ccxt", "apsw", "numba", "actors", "state", "supervisor", "exchanges", "bot"}


def loaded_by(statement: str) -> set[str]:
    """Return the top-level names of what a fresh interpreter has loaded after `statement`."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def exists(module: str) -> bool:
    package, _, _ = module.partition(".")
    return importlib.util.find_spec(package) is not None and (
        importlib.util.find_spec(module) is not None
    )


@pytest.mark.parametrize("entry", ["bot.daemon", "bot.cli"])
def test_daemon_loads_none_of_the_heavy_packages(entry: str) -> None:
    if not exists(entry):
        pytest.skip(f"{entry} is not written yet")
    assert loaded_by(f"import {entry}") & DAEMON_NEVER == set()


def test_bot_without_a_box_pays_for_no_numba() -> None:
    assert "numba" not in loaded_by("import bot.daemon, actors.tree")


def test_terminal_ui_loads_nothing_of_the_daemon() -> None:
    if not exists("tui.app"):
        pytest.skip("tui.app is not written yet")
    assert loaded_by("import tui.app") & TUI_NEVER == set()


def test_loaded_modules_are_seen() -> None:
    assert "numba" not in loaded_by("import json")
    assert "msgspec" in loaded_by("import msgspec")


def locked_names() -> set[str]:
    text = (ROOT / "requirements-dev.lock").read_text()
    return {_normal(name) for name in re.findall(r"^([A-Za-z0-9_.-]+)==", text, re.MULTILINE)}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_no_dependency_provides_the_names_of_our_packages() -> None:
    providers = metadata.packages_distributions()
    locked = locked_names()
    ours = {*PACKAGES, "tests"}
    taken = {
        name: provider
        for name in ours
        for provider in providers.get(name, [])
        if _normal(provider) in locked
    }
    assert taken == {}


def test_our_packages_are_those_of_this_tree() -> None:
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin == str(ROOT / name / "__init__.py")
