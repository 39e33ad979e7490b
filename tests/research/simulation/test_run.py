"""Whole runs: one seed is one run, whoever runs it, and what they hold holds."""

import json
import os
import subprocess
import sys

import pytest
from msgspec.structs import replace

from bot.simulating import shipped_settings
from research.simulation.plan import PROFILES, draw
from research.simulation.run import Result, simulate
from tests.tidy.sources import ROOT

SECONDS = 8.0
_SHOW = f"""
import json, logging
logging.disable(logging.CRITICAL)
from bot.simulating import shipped_settings
from research.simulation.plan import PROFILES, draw
from research.simulation.run import simulate
shipped = shipped_settings()
plans = [draw(seed, {SECONDS}, PROFILES["all"]) for seed in (2, 7)]
print(json.dumps([simulate(plan, shipped).digest for plan in plans]))
"""


def of(seed: int, profile: str = "all", seconds: float = SECONDS, *, swarm: bool = True) -> Result:
    return simulate(draw(seed, seconds, PROFILES[profile], swarm=swarm), shipped_settings())


def test_a_seed_is_the_same_run_in_this_process_and_in_others() -> None:
    expected = [of(2).digest, of(7).digest]
    assert len(set(expected)) == 2
    assert [of(2).digest, of(7).digest] == expected
    shown = subprocess.run(
        [sys.executable, "-c", _SHOW],
        env={**os.environ, "PYTHONHASHSEED": "77"},
        cwd=ROOT, capture_output=True, check=True, text=True,
    )  # fmt: skip
    assert json.loads(shown.stdout) == expected


def test_a_change_of_a_fault_is_another_run() -> None:
    plan = draw(2, SECONDS, PROFILES["all"])
    assert plan.kinds
    calm = simulate(replace(plan, kinds=()), shipped_settings())
    assert calm.digest != of(2).digest
    assert calm.faults.total() == 0


@pytest.mark.parametrize("seed", range(101, 121))
def test_short_runs_hold(seed: int) -> None:
    result = of(seed)
    assert result.violations == []
    assert result.checked > 10
    assert result.fills > 0


@pytest.mark.check
@pytest.mark.parametrize("ten", range(20))
def test_more_runs_hold(ten: int) -> None:
    for seed in range(1_000 + 10 * ten, 1_010 + 10 * ten):
        assert of(seed, seconds=15.0).violations == [], f"bot sim --seed {seed}"
