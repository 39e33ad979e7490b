"""Batches: what they count, how they go on, and how a failure is made smaller."""

from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from bot.simulating import kinds_of, shipped_settings
from research.simulation import batch
from research.simulation.batch import Tally, load, run_batch, save, shrink
from research.simulation.plan import PROFILES, Kind, Plan, draw
from research.simulation.report import page
from research.simulation.run import Result
from research.simulation.sometimes import SEEDS_JUDGED_MIN, SOMETIMES

PLAN = draw(1, 64.0, PROFILES["all"], swarm=False)


def result_of(plan: Plan, *violations: str) -> Result:
    return Result(
        plan=plan, digest="d", violations=list(violations), seconds=plan.seconds, events=1,
        checked=1, faults=Counter({"host.kill": 2}), sometimes=Counter(calm=1), fills=1, orders=1,
        lives=1, acts=("host.kill:1",), lines=[],
    )  # fmt: skip


def tally() -> Tally:
    return Tally(
        commit="c", faults_allowed=[kind.value for kind in Kind], seconds_each=64.0, next_seed=1
    )


def test_a_batch_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = []

    def simulate(plan: Plan, shipped: object) -> Result:
        run.append(plan.seed)
        return result_of(plan)

    monkeypatch.setattr(batch, "simulate", simulate)
    first = tally()
    run_batch(first, 3, shipped_settings(), lambda: 0, lambda result, so_far: None)
    save(first, tmp_path / "soak.json")
    again = load(tmp_path / "soak.json")
    assert again == first
    assert again is not None
    run_batch(again, 2, shipped_settings(), lambda: 0, lambda result, so_far: None)
    assert run == [1, 1, 2, 3, 4, 5]
    assert (again.seeds, again.next_seed, again.faults) == (5, 6, {"host.kill": 10})
    assert load(tmp_path / "other.json") is None


def test_two_runs_that_differ_are_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    digests = iter("ab")

    def simulate(plan: Plan, shipped: object) -> Result:
        found = result_of(plan)
        found.digest = next(digests)
        return found

    monkeypatch.setattr(batch, "simulate", simulate)
    so_far = tally()
    run_batch(so_far, 1, shipped_settings(), lambda: 0, lambda result, so_far: None)
    assert "differ" in so_far.failures[0].violations[0]
    assert not so_far.holds


def test_a_large_batch_must_reach_every_rare_state() -> None:
    so_far = tally()
    for seed in range(SEEDS_JUDGED_MIN - 1):
        so_far.add(result_of(replace(PLAN, seed=seed)), 0)
    assert so_far.holds
    so_far.add(result_of(replace(PLAN, seed=SEEDS_JUDGED_MIN)), 0)
    assert len(so_far.unreached) == len(SOMETIMES) - 1
    assert not so_far.holds
    assert "**never**" in page(so_far)


def test_the_smallest_plan_that_fails_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    needed, culprits = {Kind.KILL, Kind.RESET}, {"host.kill:2", "host.kill:9"}

    def simulate(plan: Plan, shipped: object) -> Result:
        every = [f"host.kill:{number}" for number in range(1, 12)]
        acts = tuple(act for act in every if plan.acts is None or act in plan.acts)
        is_bad = plan.seconds >= 10 and needed <= set(plan.kinds) and culprits <= set(acts)
        return replace(result_of(plan, *(["bad"] if is_bad else [])), acts=acts)

    monkeypatch.setattr(batch, "simulate", simulate)
    smallest = shrink(PLAN, shipped_settings(), lambda plan: None)
    assert set(smallest.kinds) == needed
    assert smallest.seconds == 16.0
    assert smallest.acts == ("host.kill:2", "host.kill:9")
    with pytest.raises(ValueError, match="nothing to shrink"):
        shrink(replace(PLAN, kinds=()), shipped_settings(), lambda plan: None)


@pytest.mark.parametrize("seed", range(20))
def test_the_command_that_is_printed_draws_the_same_plan(seed: int) -> None:
    plan = draw(seed, 30.0, PROFILES["all"])
    words = plan.command.split()
    hours, faults = float(words[5]), kinds_of(words[7])
    assert draw(int(words[3]), round(hours * 3_600, 6), faults) == plan


def test_a_profile_that_does_not_exist() -> None:
    assert kinds_of("none") == ()
    assert kinds_of("host,actor.crash") == (
        Kind.CRASH, Kind.POWER_CUT, Kind.KILL, Kind.RESTART, Kind.NO_FILES, Kind.SECOND
    )  # fmt: skip
    with pytest.raises(LookupError, match=r"host\.power-cut"):
        kinds_of("hosts")
