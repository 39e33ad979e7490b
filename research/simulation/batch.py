"""Many runs: what they did together, kept in a file so that a long batch can be stopped."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from messages.settings import TreeSettings
from research.simulation.plan import Kind, Plan, draw
from research.simulation.run import Result, simulate
from research.simulation.sometimes import SEEDS_JUDGED_MIN, SOMETIMES, reached

# Every so many seeds the same seed is run a second time: the two must be one.
REPEATED_EVERY = 20
SECONDS_PER_HOUR = 3_600
FAILURES_KEPT = 100


class Failure(msgspec.Struct, kw_only=True):
    """A seed under which something did not hold."""

    seed: int
    violations: list[str]


class Tally(msgspec.Struct, kw_only=True):
    """What a batch has come to so far."""

    commit: str
    faults_allowed: list[str]
    seconds_each: float
    next_seed: int
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
        if self.seeds < SEEDS_JUDGED_MIN or len(self.faults_allowed) < len(Kind):
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
                failure = Failure(seed=result.plan.seed, violations=result.violations)
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
        plan = draw(tally.next_seed, tally.seconds_each, allowed)
        result = simulate(plan, shipped)
        if tally.seeds % REPEATED_EVERY == 0:
            tally.repeated += 1
            if simulate(plan, shipped).digest != result.digest:
                result.violations.append("two runs of this seed differ: something is not from it")
        tally.add(result, cpu_ns() - began_ns)
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
    """Return a smaller plan that fails too: shorter, with fewer kinds of faults.

    Raises `ValueError` if `plan` does not fail.
    """

    def fails(candidate: Plan) -> bool:
        found = bool(simulate(candidate, shipped).violations)
        if found:
            tell(candidate)
        return found

    if not fails(plan):
        raise ValueError(f"seed {plan.seed} holds: there is nothing to shrink")
    smallest = plan
    while smallest.seconds > 1:
        shorter = msgspec.structs.replace(smallest, seconds=smallest.seconds / 2)
        if not fails(shorter):
            break
        smallest = shorter
    for kind in plan.kinds:
        kinds = tuple(each for each in smallest.kinds if each is not kind)
        fewer = msgspec.structs.replace(smallest, kinds=kinds)
        if fails(fewer):
            smallest = fewer
    return smallest
