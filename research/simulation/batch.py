"""Many runs: what they did together, kept in a file so that a long batch can be stopped."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from messages.settings import TreeSettings
from research.simulation.plan import PROFILES, Kind, Plan, draw
from research.simulation.run import Result, simulate
from research.simulation.sometimes import SEEDS_JUDGED_MIN, SOMETIMES, reached

# Every so many seeds the same seed is run a second time: the two must be one.
REPEATED_EVERY = 20
FAILURES_KEPT = 100
# A person waits for it: some minutes at a second a run.
SHRINKING_RUNS_MAX = 200


class Failure(msgspec.Struct, kw_only=True):
    """A seed under which something did not hold."""

    seed: int
    violations: list[str]
    command: str = ""
    """What runs it again."""


class Tally(msgspec.Struct, kw_only=True):
    """What a batch has come to so far."""

    commit: str
    faults_allowed: list[str]
    seconds_each: float
    next_seed: int
    acts: tuple[str, ...] | None = None
    """As in a plan: which of the faults that are done one by one are."""
    seeds: int = 0
    seconds: float = 0.0
    cpu_s: float = 0.0
    checked: int = 0
    lives: int = 0
    orders: int = 0
    fills: int = 0
    repeated: int = 0
    faults: dict[str, int] = {}
    sometimes: dict[str, int] = {}
    failures: list[Failure] = []
    failed: int = 0

    @property
    def unreached(self) -> list[str]:
        """Rare states that no run was in, if the batch is large enough to be judged by them."""
        if self.seeds < SEEDS_JUDGED_MIN or len(self.faults_allowed) < len(PROFILES["all"]):
            return []
        return [name for name in SOMETIMES if not self.sometimes.get(name)]

    @property
    def holds(self) -> bool:
        """Whether nothing failed, and all was reached."""
        return not self.failed and not self.unreached

    @property
    def speed(self) -> float:
        """Virtual seconds per second of processor time."""
        return self.seconds / self.cpu_s if self.cpu_s else 0.0

    def add(self, result: Result, cpu_ns: int) -> None:
        """Count one run."""
        self.seeds += 1
        self.next_seed = result.plan.seed + 1
        self.seconds += result.seconds
        self.cpu_s += cpu_ns / 1e9
        self.checked += result.checked
        self.lives += result.lives
        self.orders += result.orders
        self.fills += result.fills
        self.faults = dict(Counter(self.faults) + result.faults)
        self.sometimes = dict(Counter(self.sometimes) + Counter(reached([result])))
        if result.violations:
            self.failed += 1
            if len(self.failures) < FAILURES_KEPT:
                failure = Failure(
                    seed=result.plan.seed,
                    violations=result.violations,
                    command=result.plan.command,
                )
                self.failures.append(failure)


def run_batch(
    tally: Tally,
    count: int,
    shipped: TreeSettings,
    cpu_ns: Callable[[], int],
    tell: Callable[[Result, Tally], None],
) -> None:
    """Run the next `count` seeds of `tally`; `tell` is called after each."""
    allowed = tuple(Kind(name) for name in tally.faults_allowed)
    for _ in range(count):
        began_ns = cpu_ns()
        plan = msgspec.structs.replace(
            draw(tally.next_seed, tally.seconds_each, allowed), acts=tally.acts
        )
        result = simulate(plan, shipped)
        took_ns = cpu_ns() - began_ns
        if tally.seeds % REPEATED_EVERY == 0:
            tally.repeated += 1
            if simulate(plan, shipped).digest != result.digest:
                result.violations.append("two runs of this seed differ: something is not from it")
        tally.add(result, took_ns)
        tell(result, tally)


def save(tally: Tally, path: Path) -> None:
    """Write `tally`, whole or not at all."""
    scratch = path.with_suffix(".new")
    scratch.write_bytes(msgspec.json.format(msgspec.json.encode(tally)))
    scratch.replace(path)


def load(path: Path) -> Tally | None:
    """Return what `save` wrote, or None."""
    return msgspec.json.decode(path.read_bytes(), type=Tally) if path.exists() else None


def shrink(plan: Plan, shipped: TreeSettings, tell: Callable[[Plan], None]) -> Plan:
    """Return a smaller plan that fails too: shorter, fewer kinds of faults, fewer faults.

    Raises `ValueError` if `plan` does not fail.
    """
    return _Shrinker(plan, shipped, tell).smallest()


class _Shrinker:
    """Looks for a smaller plan, within a number of runs."""

    def __init__(self, plan: Plan, shipped: TreeSettings, tell: Callable[[Plan], None]) -> None:
        self._best = plan
        self._shipped = shipped
        self._tell = tell
        self._runs = 0
        self._acts: tuple[str, ...] = ()

    def smallest(self) -> Plan:
        if not self._fails(self._best):
            raise ValueError(f"seed {self._best.seed} holds: there is nothing to shrink")
        while self._best.seconds > 1 and self._try(seconds=self._best.seconds / 2):
            pass
        self._fewer_acts()
        for kind in self._best.kinds:
            self._try(kinds=tuple(each for each in self._best.kinds if each is not kind))
        return self._best

    def _fewer_acts(self) -> None:
        """Leave out halves of the faults, then quarters, down to single ones."""
        acts, size = self._acts, len(self._acts)
        while size:
            for start in range(0, len(acts), size):
                if self._try(acts=acts[:start] + acts[start + size :]):
                    self._fewer_acts()
                    return
            size //= 2

    def _try(self, **changes: object) -> bool:
        candidate = msgspec.structs.replace(self._best, **changes)
        if self._runs >= SHRINKING_RUNS_MAX or not self._fails(candidate):
            return False
        self._best = candidate
        self._tell(candidate)
        return True

    def _fails(self, candidate: Plan) -> bool:
        self._runs += 1
        result = simulate(candidate, self._shipped)
        if result.violations:
            self._acts = result.acts
        return bool(result.violations)
