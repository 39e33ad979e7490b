"""The lock files: exact, hashed, up to date with pyproject.toml, and free of index addresses."""

import re
import tomllib

import pytest

from tests.tidy.sources import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock", "requirements-ml.lock")
HASHED = LOCKS[:2]
PIN = re.compile(r"^([A-Za-z0-9_.-]+)==([^\s;\\]+)", re.MULTILINE)


def pins(lock: str) -> dict[str, str]:
    return {name.lower(): version for name, version in PIN.findall((ROOT / lock).read_text())}


def declared() -> tuple[list[str], list[str], list[str]]:
    """Return what pyproject.toml asks for: at run time, for development, for models."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return (
        project["project"]["dependencies"],
        project["dependency-groups"]["dev"],
        project["project"]["optional-dependencies"]["ml"],
    )


def test_direct_dependencies_are_exact_and_locked() -> None:
    runtime, dev, models = declared()
    for lock, asked in zip(LOCKS, (runtime, runtime + dev, runtime + models), strict=True):
        wanted = dict(requirement.lower().split("==") for requirement in asked)
        assert {name: pins(lock).get(name) for name in wanted} == wanted, f"{lock}: run make lock"


def test_the_locks_agree_with_each_other() -> None:
    runtime, dev = pins(LOCKS[0]), pins(LOCKS[1])
    assert {name: dev.get(name) for name in runtime} == runtime


@pytest.mark.parametrize("lock", HASHED)
def test_every_pin_has_a_hash(lock: str) -> None:
    blocks = re.split(r"\n(?=[a-z0-9])", (ROOT / lock).read_text())
    pinned = [block for block in blocks if PIN.match(block)]
    assert len(pinned) == len(pins(lock))
    assert [block.split()[0] for block in pinned if "--hash=sha256:" not in block] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_no_lock_names_an_index(lock: str) -> None:
    text = (ROOT / lock).read_text()
    assert re.findall(r"://|--(?:extra-)?index|--find-links| @ |\bpypi\b|file:", text) == []


def test_torch_is_what_the_models_were_built_for() -> None:
    assert pins("requirements-ml.lock")["torch"] == "2.13.0"
    assert "torch" not in pins("requirements-dev.lock")
