"""ccxt's own base against ours: drift of what we replaced, and how payloads are read."""

import json

import pytest

from exchanges.exchange import TrioExchange
from exchanges.socket_client import SocketClient
from tests.exchanges import drift
from tests.exchanges.parity_compare import differences
from tests.exchanges.parity_report import run_sides


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


@pytest.mark.parametrize(
    ("file", "ours"),
    [
        ("async_support/base/exchange.py", TrioExchange),
        ("async_support/base/ws/client.py", SocketClient),
    ],
)
def test_nothing_that_uses_asyncio_is_left(file: str, ours: type) -> None:
    class_name, pinned = drift.REPLACED[file]
    replaced = set(vars(ours))
    asynchronous = drift.asynchronous(file)
    left = asynchronous - replaced - drift.GATHERING - drift.UNREACHED[class_name]
    assert not left, "give them a counterpart: see docs/ccxt-upgrade.md"
    assert drift.UNREACHED[class_name] <= asynchronous - replaced
    # And whatever stands in for something of ccxt's is pinned.
    theirs = {name for name, value in vars(ours.__mro__[1]).items() if callable(value)}
    own = {"__del__", "__init__", "__repr__", "__aenter__", "__aexit__"}
    unpinned = {name for name in replaced & theirs - own if name not in pinned.split()}
    assert not unpinned


@pytest.mark.check
def test_kraken_reads_strings_as_stock_reads_floats() -> None:
    stock, ours = (side["payloads"] for side in run_sides("payloads", []))
    # An empty comparison proves nothing.
    assert sum(bool(each) for each in stock.values()) >= 12
    assert not differences(stock, ours)
