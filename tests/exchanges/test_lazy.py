import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# Everything that `bot start` does with this package before it opens a socket.
SCRIPT = """
import asyncio, gc, sys
from exchanges.venue_client import open_venue
from supervisor.clock import ManualClock
venue = open_venue("kraken", ManualClock(1))
{check}
"""


CHECKS = """
parts = ("async_support.", "pro.", "prediction.")
own = [n for n in sys.modules if n.startswith(tuple(f"ccxt.{part}" for part in parts))]
own = sorted(name for name in own if ".base" not in name)
assert own == ["ccxt.async_support.kraken", "ccxt.pro.kraken"], own
import ccxt
sync = set(vars(ccxt)) & set(ccxt.exchanges)
assert sync <= {"kraken"}, sync
loops = [each for each in gc.get_objects() if isinstance(each, asyncio.AbstractEventLoop)]
assert not loops, loops
assert not {"torch", "polars", "pyarrow", "numpy", "apsw"} & set(sys.modules)

import ccxt.async_support
from ccxt import Exchange, NetworkError, errors
assert isinstance(ccxt.async_support.kraken, type)
assert ccxt.__version__ == "4.5.90"
assert "binance" in ccxt.exchanges
assert not hasattr(ccxt, "no_such_name")
"""


# Each of ccxt's exchanges, one after another: none may bring another's module.
EVERY = """
from exchanges.factory import trio_class
from tests.exchanges.parity_calls import all_ids
parts = tuple(f"ccxt.{part}." for part in ("async_support", "pro", "prediction"))
def loaded():
    return {name for name in sys.modules if name.startswith(parts) and ".base" not in name}
expected, before = set(), loaded()
ids = all_ids()
for exchange in ids:
    expected |= {base.__module__ for base in trio_class(exchange).__mro__}
    # What ccxt's own module with WebSockets builds upon.
    expected.add(f"ccxt.async_support.{exchange}")
    surplus = loaded() - expected - before
    assert not surplus, (exchange, surplus)
assert len(ids) > 100
synchronous = [f"ccxt.{exchange}" for exchange in ids if f"ccxt.{exchange}" in sys.modules]
assert not synchronous, synchronous
loops = [each for each in gc.get_objects() if isinstance(each, asyncio.AbstractEventLoop)]
assert not loops, loops
"""


def run_script(check: str) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT.format(check=check)],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr


def test_building_kraken_imports_only_kraken_and_makes_no_event_loop() -> None:
    run_script(CHECKS)


def test_an_exchange_brings_no_other() -> None:
    run_script(EVERY)
