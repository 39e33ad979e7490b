#!/usr/bin/env python3
"""Run every linter over the whole tree: ruff, ruff format, mypy --strict, import contracts.

    .venv/bin/python tests/lint.py [--report FILE]

Exits 0 if all are content, 1 otherwise. FILE receives {name: [passed, seconds]} as JSON.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = (
    "messages",
    "supervisor",
    "state",
    "exchanges",
    "venue",
    "actors",
    "research",
    "tui",
    "bot",
)


def commands(bin_dir: Path) -> dict[str, list[str]]:
    """Return the linters by name, each as a command to run at the root."""
    return {
        "ruff check": [str(bin_dir / "ruff"), "check", "--quiet", "."],
        "ruff format": [str(bin_dir / "ruff"), "format", "--check", "--quiet", "."],
        "mypy": [str(bin_dir / "mypy"), "--strict", *PACKAGES, "tests"],
        "import contracts": [str(bin_dir / "lint-imports"), "--no-logo"],
    }


def run(linters: dict[str, list[str]], root: Path) -> dict[str, tuple[bool, float]]:
    """Run the linters one after another, all of them; return who was content, and the seconds."""
    results: dict[str, tuple[bool, float]] = {}
    for name, command in linters.items():
        began = time.monotonic()
        code = subprocess.run(command, cwd=root, check=False).returncode
        results[name] = (code == 0, time.monotonic() - began)
        verdict = "passed" if code == 0 else "FAILED"
        print(f"{name}: {verdict} in {results[name][1]:.1f} s", flush=True)
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description="Run every linter over the whole tree.")
    parser.add_argument("--report", type=Path)
    options = parser.parse_args(arguments)
    results = run(commands(Path(sys.executable).parent), ROOT)
    if options.report is not None:
        options.report.write_text(json.dumps(results))
    return 0 if all(passed for passed, _ in results.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
