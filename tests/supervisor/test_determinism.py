"""Schedules from seeds: the same seed is the same run, in this process and in any other."""

import os
import subprocess
import sys

import pytest
import trio

from supervisor import determinism
from supervisor.determinism import NotDeterministicError, deterministic, run, self_test, unshield
from tests.tidy.sources import ROOT

_SHOW = "from supervisor.determinism import _trace; print([_trace(seed) for seed in range(4)])"


def test_the_installed_trio_passes_the_self_test() -> None:
    self_test()


def test_other_processes_with_other_hash_seeds_give_the_same_traces() -> None:
    said = set()
    for hash_seed in ("0", "1", "77"):
        shown = subprocess.run(
            [sys.executable, "-c", _SHOW],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=ROOT, capture_output=True, check=True, text=True,
        )  # fmt: skip
        said.add(shown.stdout)
    assert said == {f"{[determinism._trace(seed) for seed in range(4)]}\n"}


def test_a_scheduler_that_does_not_heed_the_seed_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    traces = iter(["a", "b"])
    monkeypatch.setattr(determinism, "_trace", lambda seed: next(traces))
    with pytest.raises(NotDeterministicError, match="make install"):
        self_test()
    monkeypatch.setattr(determinism, "_trace", lambda seed: "always the same")
    with pytest.raises(NotDeterministicError, match="decide nothing"):
        self_test()


def test_the_switches_are_put_back() -> None:
    state = trio._core._run._r.getstate()
    allowed = trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING
    with deterministic(1):
        assert trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING
    assert trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING is allowed
    assert trio._core._run._r.getstate() == state


def test_time_is_virtual() -> None:
    async def main() -> float:
        await trio.sleep(3_600)
        return trio.current_time()

    assert run(main, 1) == 3_600


def test_what_is_unshielded_ends_whatever_it_shields() -> None:
    ended = []

    async def stubborn() -> None:
        with trio.CancelScope(shield=True):
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(10)
                    ended.append("in peace")

    async def main() -> float:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(stubborn)
                await trio.testing.wait_all_tasks_blocked()
                unshield(scope)
                with trio.CancelScope(shield=True):
                    await trio.testing.wait_all_tasks_blocked()
                unshield(scope)
        return trio.current_time()

    assert run(main, 1) == 0
    assert ended == []
