"""Paper trading: the whole bot, the prices of a venue that another box stands for."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from actors.execution.line import Line
from exchanges.venue_client import VenueClient
from messages.money import Mode, ReconcileNow
from messages.settings import BoxSettings, MarketSettings, RateTier
from tests.venue.boxes import RestClient, running_box
from tests.whole.processes import box_toml
from tests.whole.world import World, rows, running
from venue.settings import box_config

VENUE = "/venues/kraken-paper"
_PLACE = """
[venues.kraken-paper]
protocol = "kraken"
environment = "paper"
symbols = ["ETH/USDT"]
submit_expiry_ms = 3_000
visibility_lag_ms = 1_000
rest = "http://127.0.0.1:{port}"
websocket_public = "ws://127.0.0.1:{port}/v2"
websocket_private = "ws://127.0.0.1:{port}/v2"
[venues.kraken-paper.paper]
# What a real account pays at first makes this quick strategy wait.
fee_tier = 9
balances = {{ USDT = "7000" }}
"""


@asynccontextmanager
async def prices() -> AsyncIterator[RestClient]:
    """Run what stands for the real venue; nobody has an account there but `alice`."""
    market = MarketSettings(
        symbol="ETH/USDT",
        open_price="2500.00",
        events_per_second=30,
        cycle_period_s=2,
        cycle_amplitude_bps=80.0,
    )
    settings = BoxSettings(markets=(market,), rate_tier=RateTier.NONE, balances={"USDT": "1"})
    async with running_box(box_config("real", settings, ("alice",), data_file=None)) as client:
        yield client


def paper_toml(port: int) -> str:
    """Return a configuration whose only venue is on paper."""
    text = box_toml().replace("kraken-sim", "kraken-paper")
    return text[: text.index("[venues.kraken-paper]")] + _PLACE.format(port=port)


@pytest.mark.check
async def test_a_bot_trades_on_paper_at_the_prices_of_the_venue(tmp_path: Path) -> None:
    async with prices() as real:
        text = paper_toml(real.port)
        async with running(tmp_path, text=text) as world:
            await world.trades(3)
            await _compared(world)
            low, high = await _range(real)
            line = world.system.ports[f"{VENUE}/accounts/alice/line"]._port
            assert isinstance(line, Line)
            assert isinstance(line._client, VenueClient)
            by_socket = line._client.order_statistics()
            assert by_socket is not None
            assert by_socket.requests >= 3, "orders leave over the account's socket"
            assert (await real.admin("books"))["orders"] == []
        filled = rows(tmp_path, "SELECT price_ticks, environment, venue FROM fills")
        assert {each[1:] for each in filled} == {("paper", "kraken-paper")}
        assert all(low <= price <= high for price, _, _ in filled)
        sold = _trades(tmp_path)
        # Its money outlives the restart: the books agree with what was left there.
        async with running(tmp_path, text=text) as world:
            await world.until(lambda: world.answers.status().trading)
            await _compared(world)
            assert world.answers.status().environment == "paper"
        assert rows(tmp_path, "SELECT count(*) FROM transfers WHERE kind = 'deposit'") == [(1,)]
        assert _trades(tmp_path) >= sold


def _trades(folder: Path) -> int:
    return len(rows(folder, "SELECT 1 FROM fills"))


async def _range(real: RestClient) -> tuple[int, int]:
    """Return between which prices, in ticks, the venue has traded, spread included."""
    (candles, *_) = (await real.public("OHLC", pair="ETHUSDT"))["result"].values()
    low, high = min(float(c[3]) for c in candles), max(float(c[2]) for c in candles)
    return int(low * 100) - 300, int(high * 100) + 300


async def _compared(world: World) -> None:
    reconcile = f"{VENUE}/accounts/alice/reconcile"
    world.post(reconcile, ReconcileNow(operator="test"))
    await trio.sleep(0.05)
    risk = world.state("/risk")
    await world.until(lambda: risk.standings["alice@kraken-paper"].mode is Mode.ACTIVE)
