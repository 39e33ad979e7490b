"""The whole bot in a market that really happened."""

import json
from pathlib import Path

import pytest

from tests.venue.recordings import SHARED, needs_recordings
from tests.whole.processes import Bot, box_toml, closing

CANDLES = SHARED / "selskas_binance_spot_1m" / "ETH_USDT-1m.json"
GENERATED = """open_price = "2500.00"
order_minimum = "0.002"
events_per_second = 30
cycle_period_s = 2
cycle_amplitude_bps = 80.0
"""
MINUTES = 6
FILL_S = 60.0


def liveliest(rows: list[list[float]]) -> list[list[float]]:
    """Return the minutes in a row of which even the calmest moved most."""
    swings = [(row[2] - row[3]) / row[1] for row in rows]
    starts = range(len(rows) - MINUTES)
    best = max(starts, key=lambda start: min(swings[start : start + MINUTES]))
    return rows[best : best + MINUTES]


@needs_recordings
@pytest.mark.check
def test_the_bot_trades_in_a_recorded_market(tmp_path: Path) -> None:
    minutes = tmp_path / "minutes.json"
    minutes.write_text(json.dumps(liveliest(json.loads(CANDLES.read_bytes()))))
    market = f'order_minimum = "0.002"\ncandles = "{minutes}"\nat_end = "repeat"\n'
    toml = box_toml().replace(GENERATED, market).replace("window_ns = 1_", "window_ns = 15_")
    assert str(minutes) in toml
    bot = Bot(tmp_path, toml)
    with closing(bot):
        bot.begin()
        bot.until("filled", lambda status: bool(status["fills"] >= 2), FILL_S)
        fills = bot.ask("fills")
        prices = [price for row in json.loads(minutes.read_bytes()) for price in row[1:5]]
        assert all(min(prices) * 0.99 < float(fill["price"]) < max(prices) * 1.01 for fill in fills)
        assert bot.stop() == 0
