#!/usr/bin/env python3
"""Run the suite area by area, each within its slice of time (`tests/slices.toml`).

    .venv/bin/python tests/run_slices.py test|check|soak [--only AREA ...]

Areas run one after another, so that none disturbs another's timing; only `lint` runs beside the
first one. Exits 0 if every area passed within its budget, 1 otherwise; the last line is the sum,
`N passed, N failed`, where a slice that outgrew its budget counts as one failure.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MARKERS = {
    "test": "not check and not soak",
    "check": "check and not soak",
    "soak": "soak",
}
# An area is ended at twice its budget: late enough to show what it does, soon enough to go on.
BUDGET_FACTOR_MAX = 2
PYTEST_ENDS_WELL = (0, 1, 5)  # passed, some failed, none selected
SLOWEST_SHOWN = 5


@dataclass
class Outcome:
    """What one area did."""

    area: str
    budget_seconds: float | None
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    remarks: list[str] = field(default_factory=list)

    @property
    def over_budget(self) -> bool:
        """Whether the area outgrew its slice."""
        return self.budget_seconds is not None and self.seconds > self.budget_seconds

    @property
    def failures(self) -> int:
        """Failed tests, and one more for an outgrown slice."""
        return self.failed + self.over_budget

    @property
    def verdict(self) -> str:
        """What the table says."""
        if self.over_budget:
            return "OVER BUDGET"
        if self.failed:
            return "FAILED"
        return "ok" if self.passed else "no tests"


class Run:
    """One area's process; its output goes to `log`, or straight to the terminal."""

    def __init__(self, root: Path, outcome: Outcome, command: list[str], log: Path | None) -> None:
        self._outcome = outcome
        self._began = time.monotonic()
        with contextlib.ExitStack() as stack:
            output = None if log is None else stack.enter_context(log.open("w"))
            self._process = subprocess.Popen(
                command, cwd=root, stdout=output, stderr=output, start_new_session=True
            )

    def wait(self) -> int | None:
        """Wait for the process; at twice its budget end it with all it started, return None."""
        budget = self._outcome.budget_seconds
        limit = None if budget is None else budget * BUDGET_FACTOR_MAX
        try:
            return self._process.wait(limit)
        except subprocess.TimeoutExpired:
            self._outcome.remarks.append(f"{self._outcome.area} was ended, unfinished")
            return None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._outcome.seconds = time.monotonic() - self._began


class Lint:
    """The linters, in the background until `wait`."""

    def __init__(self, root: Path, budget_seconds: float | None, scratch: Path) -> None:
        self._outcome = Outcome("lint", budget_seconds)
        self._report, self._log = scratch / "lint.json", scratch / "lint.log"
        command = [sys.executable, "tests/lint.py", "--report", str(self._report)]
        self._run = Run(root, self._outcome, command, self._log)

    def wait(self) -> Outcome:
        """Wait for the linters, print what they said, return how they did."""
        self._run.wait()
        print(f"\n=== lint\n{self._log.read_text()}", end="", flush=True)
        if not self._report.exists():
            self._outcome.failed += 1
            self._outcome.remarks.append("lint left no report")
            return self._outcome
        results: dict[str, tuple[bool, float]] = json.loads(self._report.read_text())
        self._outcome.passed = sum(passed for passed, _ in results.values())
        self._outcome.failed = len(results) - self._outcome.passed
        self._outcome.seconds = sum(seconds for _, seconds in results.values())
        return self._outcome


def run_area(
    root: Path, area: str, markers: str, budget_seconds: float | None, scratch: Path
) -> Outcome:
    """Run the tests under tests/`area` that `markers` select; print pytest's output as it comes."""
    outcome = Outcome(area, budget_seconds)
    folder = root / "tests" / area
    if not any(folder.rglob("test_*.py")):
        return outcome
    print(f"\n=== {area}", flush=True)
    report = scratch / f"{area}.xml"
    command = [sys.executable, "-m", "pytest", str(folder), "-q", "-m", markers]
    if markers == MARKERS["soak"]:
        # There, a test that takes long does not hang.
        command += ["-o", "faulthandler_timeout=0"]
    command.append(f"--junit-xml={report}")
    code = Run(root, outcome, command, None).wait()
    read_report(outcome, report)
    if code is not None and code not in PYTEST_ENDS_WELL:
        outcome.failed += 1
        outcome.remarks.append(f"{area}: pytest ended with exit code {code}")
    return outcome


def read_report(outcome: Outcome, report: Path) -> None:
    """Add what pytest's report counts to `outcome`; name the slowest tests of an outgrown slice."""
    if not report.exists():
        return
    suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314 - pytest wrote it
    tests = sum(int(suite.get("tests", "0")) for suite in suites)
    bad = sum(int(suite.get(key, "0")) for suite in suites for key in ("failures", "errors"))
    outcome.skipped = sum(int(suite.get("skipped", "0")) for suite in suites)
    outcome.failed = bad
    outcome.passed = max(0, tests - bad - outcome.skipped)
    if outcome.over_budget:
        cases = [case for suite in suites for case in suite.iter("testcase")]
        cases.sort(key=lambda case: -float(case.get("time", "0")))
        outcome.remarks += [
            f"  {float(case.get('time', '0')):6.1f} s  {case.get('classname')}::{case.get('name')}"
            for case in cases[:SLOWEST_SHOWN]
        ]


def over_budget_line(outcome: Outcome) -> str:
    """Say which slice was outgrown, by how much, and what to do."""
    return (
        f"{outcome.area} took {outcome.seconds:.1f} s, and its slice is "
        f"{outcome.budget_seconds:.0f} s: make its slowest tests faster, or move seconds to it "
        "in tests/slices.toml"
    )


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the closing table."""
    lines = [f"{'area':<12}{'tests':>6}{'failed':>8}{'skipped':>9}{'seconds':>9}{'budget':>8}"]
    for outcome in outcomes:
        budget = "-" if outcome.budget_seconds is None else f"{outcome.budget_seconds:.0f}"
        count = outcome.passed + outcome.failed + outcome.skipped
        lines.append(
            f"{outcome.area:<12}{count:>6}{outcome.failed:>8}{outcome.skipped:>9}"
            f"{outcome.seconds:>9.1f}{budget:>8}  {outcome.verdict}"
        )
    return "\n".join(lines)


def closing_line(outcomes: Sequence[Outcome]) -> str:
    """Return the line that machines read."""
    passed = sum(outcome.passed for outcome in outcomes)
    failed = sum(outcome.failures for outcome in outcomes)
    skipped = sum(outcome.skipped for outcome in outcomes)
    return f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")


def budgets(root: Path, kind: str) -> dict[str, float | None]:
    """Return the areas of `kind` with their budgets in seconds; a soak's areas have none."""
    tables: dict[str, dict[str, float]] = tomllib.loads((root / "tests/slices.toml").read_text())
    if kind == "soak":
        return dict.fromkeys(tables["check"])
    return dict(tables[kind])


def run(root: Path, kind: str, only: Sequence[str] = ()) -> list[Outcome]:
    """Run the areas of `kind`, all of them or those named in `only`."""
    areas = budgets(root, kind)
    unknown = sorted(set(only) - set(areas))
    if unknown:
        sys.exit(f"no area {', '.join(unknown)} in slices.toml: choose from {', '.join(areas)}")
    chosen = {area: budget for area, budget in areas.items() if not only or area in only}
    with tempfile.TemporaryDirectory(prefix="canopy-slices-") as folder:
        scratch = Path(folder)
        lint = Lint(root, chosen.pop("lint"), scratch) if "lint" in chosen else None
        outcomes: list[Outcome] = []
        for area, budget in chosen.items():
            outcomes.append(run_area(root, area, MARKERS[kind], budget, scratch))
            if lint is not None:
                outcomes.insert(0, lint.wait())
                lint = None
        return outcomes if lint is None else [lint.wait()]


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description="Run the test suite area by area.")
    parser.add_argument("kind", choices=sorted(MARKERS))
    parser.add_argument("--only", nargs="+", default=[], metavar="AREA")
    options = parser.parse_args(arguments)
    outcomes = run(root, options.kind, options.only)
    print(f"\n=== make {options.kind}\n{table(outcomes)}\n")
    for outcome in outcomes:
        if outcome.over_budget:
            print(over_budget_line(outcome))
        for remark in outcome.remarks:
            print(remark)
    print(closing_line(outcomes), flush=True)
    return 1 if any(outcome.failures for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
