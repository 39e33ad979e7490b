"""Runs the two sides of the comparisons, and writes what the whole run has shown.

`python -m tests.exchanges.parity_report` compares every exchange (minutes) and writes
docs/ccxt-parity.md. It fails, and writes nothing, when there is a difference without a reason.
"""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

from exchanges import ccxt_names
from exchanges.json_text import Json
from tests.exchanges.parity_calls import all_ids, split_key
from tests.exchanges.parity_compare import (
    EXPLAINED,
    Parity,
    Sides,
    Wire,
    differences,
    parity_figures,
    unexplained,
    wire_differences,
    wire_figures,
)

ROOT = Path(__file__).parents[2]
REPORT = ROOT / "docs" / "ccxt-parity.md"
TEMPLATE = Path(__file__).with_name("parity_page.txt")
# Two shared cores need ten minutes for everything.
PATIENCE_S = 3_600
Suites = dict[str, Sides]


def run_sides(suites: str, ids: list[str] | tuple[str, ...]) -> tuple[Suites, Suites]:
    """Run both sides, each in a process of its own: the stock side needs asyncio."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.exchanges.side_run", side, suites, *ids],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONHASHSEED": "0"},
        )
        for side in ("stock", "trio")
    ]
    found: list[Suites] = []
    try:
        for process in processes:
            out, problem = process.communicate(timeout=PATIENCE_S)
            assert process.returncode == 0, problem.decode()[-2_000:]
            found.append(json.loads(out))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return found[0], found[1]


def report(stock: Suites, ours: Suites) -> str:
    """Return the page. Raises `AssertionError` for a difference without a reason."""
    parity = differences(stock["parity"], ours["parity"])
    wire = wire_differences(stock["wire"], ours["wire"])
    assert not unexplained("parity", parity), unexplained("parity", parity)
    assert not unexplained("wire", wire), unexplained("wire", wire)
    parts = {
        "parity": _parity_table(parity_figures(stock["parity"], ours["parity"])),
        "parity_differences": _differences("parity", {k: _logs(v) for k, v in parity.items()}),
        "wire": _wire_table(wire_figures(stock["wire"], ours["wire"])),
        "wire_differences": _differences("wire", wire),
        "exchanges": _exchange_table(stock["parity"], ours["parity"]),
    }
    texts = {name: "\n".join(lines) for name, lines in parts.items()}
    page = TEMPLATE.read_text(encoding="utf-8")
    return page.format(version=ccxt_names.ccxt_version(), **texts)


def _logs(both: tuple[Json, Json]) -> tuple[Json, Json]:
    return both[0][0], both[1][0]


def _parity_table(figures: Parity) -> list[str]:
    return [
        "| | identical |",
        "| --- | --- |",
        f"| exchange classes | {figures.exchanges} compared |",
        f"| methods | {figures.pairs} |",
        f"| … that the exchange implements | {figures.implemented} |",
        f"| … that send requests or frames | {figures.traffic} |",
        f"| … of these, `watch_…` and `un_watch_…` | {figures.watching} |",
        f"| calls (each method on spot and swap, and on both answers) | {figures.calls} |",
        f"| requests and frames | {figures.messages:,} compared |".replace(",", " "),
    ]


def _wire_table(figures: Wire) -> list[str]:
    rest = figures.requests - figures.identical - figures.by_agent
    return [
        "| | requests |",
        "| --- | --- |",
        f"| of {figures.calls} calls | {figures.requests} |",
        f"| the same to the byte | {figures.identical} |",
        f"| the same but for `User-Agent` (see below) | {figures.by_agent} |",
        f"| of calls that differ (the next table) | {rest} |",
    ]


def _differences(suite: str, differing: dict[str, tuple[Json, Json]]) -> list[str]:
    _, reason = EXPLAINED[suite]
    lines = [reason, "", "| call that differs | ccxt sends | ours sends |", "| --- | --- | --- |"]
    lines += [
        f"| `{key.replace('|', ' ')}` | {len(theirs)} | {len(mine)} |"
        for key, (theirs, mine) in differing.items()
    ]
    return lines


def _exchange_table(stock: Sides, ours: Sides) -> list[str]:
    by_exchange: dict[str, Sides] = {}
    for key, value in stock.items():
        by_exchange.setdefault(split_key(key)[0], {})[key] = value
    lines = [
        "| exchange | identical | watching |",
        "| --- | --- | --- |",
    ]
    for exchange, calls in by_exchange.items():
        figures = parity_figures(calls, {key: ours.get(key) for key in calls})
        lines.append(f"| {exchange} | {figures.traffic} | {figures.watching} |")
    return lines


def main() -> None:
    importlib.import_module("exchanges.lazy").install()
    REPORT.write_text(report(*run_sides("wire,parity", all_ids())), encoding="utf-8")


if __name__ == "__main__":
    main()
