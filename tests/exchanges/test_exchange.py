"""ccxt's own base against ours: drift of what we replaced, parity of calls, bytes on the wire."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.exchanges import drift

ROOT = Path(__file__).parents[2]
# Exchanges whose every call is compared: ours in `make check`, with one that makes its own tokens;
# the largest, and one that takes nonces within a gather, ten seconds each, in `make soak`.
CHECKED = ("kraken", "coinbase")
SOAKED = ("hyperliquid", "binance", "bybit", "kucoin", "okx", "bitfinex", "gate")


def run(side: str, suites: str, *ids: str) -> dict[str, Any]:
    """Run one side in a process of its own: the stock side needs asyncio."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.exchanges.side_run", side, suites, *ids],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=300,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


@pytest.fixture(scope="module")
def both_sides() -> tuple[dict[str, Any], dict[str, Any]]:
    suites = "wire,payloads"
    return run("stock", suites, "kraken"), run("trio", suites, "kraken")


def test_replaced_functions_have_not_changed() -> None:
    pinned, now = json.loads(drift.PINNED.read_text()), drift.scan()
    changed = [name for name in now["hashes"] if now["hashes"][name] != pinned["hashes"].get(name)]
    assert not changed, (
        f"ccxt changed what we replace or rely on: follow docs/ccxt-upgrade.md: {changed}"
    )
    assert None not in now["hashes"].values()


def test_no_new_asyncio_name_is_used() -> None:
    pinned, now = json.loads(drift.PINNED.read_text()), drift.scan()
    assert now["asyncio"] == pinned["asyncio"], "follow docs/ccxt-upgrade.md"
    outside_base = {
        name
        for name, places in now["asyncio"].items()
        if any(not place.startswith("async_support/base/") for place in places)
    }
    assert outside_base == {"asyncio.gather"}


def differences(stock: dict[str, Any], ours: dict[str, Any]) -> dict[str, Any]:
    return {key: (stock[key], ours.get(key)) for key in stock if stock[key] != ours.get(key)}


# Calls that each suite must at least have compared: an empty comparison proves nothing.
@pytest.mark.check
@pytest.mark.parametrize(("suite", "calls_min"), [("wire", 15), ("payloads", 12)])
def test_kraken_equals_stock(
    both_sides: tuple[dict[str, Any], dict[str, Any]], suite: str, calls_min: int
) -> None:
    stock, ours = (side[suite] for side in both_sides)
    assert sum(bool(each) for each in stock.values()) >= calls_min
    assert not differences(stock, ours)


@pytest.mark.parametrize(
    "exchange",
    [
        *(pytest.param(name, marks=pytest.mark.check) for name in CHECKED),
        *(pytest.param(name, marks=pytest.mark.soak) for name in SOAKED),
    ],
)
def test_every_call_equals_stock(exchange: str) -> None:
    compared, found = compare(exchange)
    assert compared >= 300
    if found:
        # Calls that wait for more are cut short after half a second: on a busy machine too early.
        _, again = compare(exchange)
        found = {call: both for call, both in found.items() if call in again}
    assert not found


def compare(exchange: str) -> tuple[int, dict[str, Any]]:
    """Return how many calls were compared, and those that differ."""
    stock, ours = (run(side, "parity", exchange)["parity"] for side in ("stock", "trio"))
    return len(stock), differences(stock, ours)
