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
# Exchanges whose every call is compared in `make check`: the largest with WebSockets.
SAMPLE = ("binance", "bybit", "coinbase", "kucoin", "okx", "bitfinex", "gate", "hyperliquid")


def run(module: str, side: str, ids: tuple[str, ...]) -> dict[str, Any]:
    """Run one side in a process of its own: the stock side needs asyncio."""
    done = subprocess.run(
        [sys.executable, "-m", f"tests.exchanges.{module}", side, *ids],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=300,
        env={**os.environ, "PYTHONHASHSEED": "0"},
    )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def test_replaced_functions_have_not_changed() -> None:
    pinned, now = json.loads(drift.PINNED.read_text()), drift.scan()
    changed = [name for name in now["hashes"] if now["hashes"][name] != pinned["hashes"].get(name)]
    assert not changed, f"ccxt changed what we replace or rely on: follow docs/ccxt-upgrade.md: {changed}"
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


def compare(module: str, ids: tuple[str, ...], calls_min: int) -> None:
    stock, ours = run(module, "stock", ids), run(module, "trio", ids)
    assert len(stock) >= calls_min
    assert sum(bool(each) for each in stock.values()) > 0
    different = {key: (stock[key], ours.get(key)) for key in stock if stock[key] != ours.get(key)}
    assert not different


def test_every_kraken_call_equals_stock() -> None:
    compare("parity_run", ("kraken",), 500)


def test_kraken_requests_equal_stock_byte_for_byte() -> None:
    compare("wire_run", ("kraken",), 20)


@pytest.mark.check
@pytest.mark.parametrize("exchange", SAMPLE)
def test_every_call_of_the_sample_equals_stock(exchange: str) -> None:
    compare("parity_run", (exchange,), 300)
