"""ccxt's classes on asyncio and on trio, call by call: see docs/ccxt-parity.md."""

import pytest

from exchanges.ccxt_names import ccxt_version
from tests.exchanges.parity_calls import all_ids
from tests.exchanges.parity_compare import (
    differences,
    parity_figures,
    unexplained,
    wire_differences,
    wire_figures,
)
from tests.exchanges.parity_report import REPORT, Suites, report, run_sides

# Ours; one that makes its own tokens; the one that differs; one that takes nonces within a gather;
# a prediction market.
SAMPLE = ("kraken", "htx", "prediction/polymarket")
# The largest, and those that use most of what lies under them: gather, spawn, delay, snapshots.
LARGEST = (
    "binance", "binanceusdm", "bitget", "bullish", "bybit", "coinbase", "deribit", "gate",
    "hyperliquid", "krakenfutures", "kucoin", "lighter", "mexc", "okx", "whitebit", "xt",
    "prediction/kalshi",
)  # fmt: skip
# What the reference reached with ccxt 4.5.90.
TRAFFIC_MIN, WATCHING_MIN = 7_506, 1_012


def check_parity(both: tuple[Suites, Suites], methods_min: int) -> None:
    stock, ours = (side["parity"] for side in both)
    assert not unexplained("parity", differences(stock, ours))
    figures = parity_figures(stock, ours)
    # An empty comparison proves nothing.
    assert figures.traffic.identical >= methods_min
    assert figures.watching.identical == figures.watching.total


def test_a_sample_of_exchanges() -> None:
    both = run_sides("parity", SAMPLE)
    check_parity(both, methods_min=230)
    # The comparison can see a difference: this one is known.
    assert differences(both[0]["parity"], both[1]["parity"])


@pytest.mark.check
def test_the_largest_exchanges() -> None:
    check_parity(run_sides("parity", LARGEST), methods_min=1_800)


@pytest.mark.check
def test_the_bytes_of_every_exchange() -> None:
    stock, ours = (side["wire"] for side in run_sides("wire", all_ids()))
    assert not unexplained("wire", wire_differences(stock, ours))
    figures = wire_figures(stock, ours)
    assert figures.identical + figures.by_agent >= 2_000


@pytest.mark.soak
def test_every_method_of_every_exchange() -> None:
    both = run_sides("wire,parity", all_ids())
    check_parity(both, methods_min=TRAFFIC_MIN)
    figures = parity_figures(both[0]["parity"], both[1]["parity"])
    assert figures.watching.identical >= WATCHING_MIN
    # The figures of the page are those of this run; the wire's may differ by a request that was
    # cancelled a moment earlier or later.
    shown, now = (text.split("## Bytes")[0] for text in (REPORT.read_text(), report(*both)))
    assert shown == now, "run `python -m tests.exchanges.parity_report` and commit the page"


def test_the_page_is_about_this_ccxt() -> None:
    assert f"ccxt {ccxt_version()}:" in REPORT.read_text(encoding="utf-8"), (
        "ccxt has changed: follow docs/ccxt-upgrade.md"
    )
