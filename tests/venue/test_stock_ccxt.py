"""The unmodified ccxt Kraken class cannot tell the box from Kraken, in what we use of it."""

import json
import subprocess
import sys

import trio

from tests.venue.boxes import CLIENT_ID, SYMBOL, running_box


async def test_stock_ccxt_trades_and_watches() -> None:
    async with running_box() as alice:
        command = [sys.executable, "-m", "tests.venue.stock_ccxt", str(alice.port)]
        with trio.fail_after(60):
            done = await trio.run_process(
                command, capture_stdout=True, stderr=subprocess.STDOUT, check=False
            )
        assert done.returncode == 0, done.stdout.decode()
        seen = json.loads(done.stdout)
    assert seen["symbols"] == [SYMBOL]
    assert seen["precision"] == {"amount": 1e-05, "price": 0.01}
    assert seen["spread"] > 0
    assert seen["levels"] == [5, 5]
    assert seen["candles"] >= 2
    assert seen["trades"] > 100
    assert (seen["status"], seen["taker"]) == ("ok", 0.004)
    assert seen["balance"] == {"USDT": 10_000.0, "ETH": 5.0}
    assert seen["found"] == [True, CLIENT_ID, True]
    assert seen["edited"] == [1501.0, 0.2, "open"]
    assert seen["cancelled"] == "canceled"
    assert seen["bought"] == ["closed", 0.05, True]
    assert seen["trade"] == [True, "taker", "USDT"]
    assert seen["closed"] == 2
    assert seen["ledger"] == 4
    assert seen["refusals"] == [
        "InsufficientFunds",
        "InvalidOrder",
        "OrderNotFound",
        "OrderNotFound",
        "ExchangeError",
    ]
    assert seen["watched_book"] == [10, True]
    assert seen["watched_trades"] is True
    assert seen["watched_ticker"] == SYMBOL
    assert seen["watched_candle"] == 6
    assert seen["watched_balance"] == 5.05
    assert seen["watched_order"] == [True, "open", 1500.0]
    assert seen["cancelled_ws"] is True
    assert seen["watched_trade"] == [True, "USDT"]
