"""The whole bot on USD-M perpetuals, simulated under faults; funding is settled every 5 s."""

import pytest
from msgspec.structs import replace

from bot.simulating import shipped_settings
from messages.settings import MarketSettings, Protocol, TreeSettings
from research.simulation.plan import PROFILES, draw
from research.simulation.run import simulate

SYMBOL = "ETH/USDT:USDT"


def perpetual_settings() -> TreeSettings:
    """Return the shipped settings, for a perpetual instead of a pair."""
    shipped = shipped_settings()
    ((name, venue),) = shipped.venues.items()
    assert venue.box is not None, "what is shipped has a box"
    markets: tuple[MarketSettings, ...] = tuple(
        replace(market, symbol=SYMBOL) for market in venue.box.markets
    )
    usdm = replace(
        venue,
        protocol=Protocol.BINANCE_USDM,
        symbols=(SYMBOL,),
        leverage=5,
        box=replace(venue.box, markets=markets, funding_interval_s=5),
    )
    vaults = tuple(
        replace(vault, sleeves=tuple(replace(each, symbols=(SYMBOL,)) for each in vault.sleeves))
        for vault in shipped.roster.vaults
    )
    limits = replace(
        shipped.limits,
        order_notional_max={"USDT": "5000"},
        position_notional_max={"USDT": "9000"},
    )
    roster = replace(shipped.roster, vaults=vaults)
    return replace(shipped, venues={name: usdm}, limits=limits, roster=roster)


def holds(seed: int, seconds: float) -> None:
    result = simulate(draw(seed, seconds, PROFILES["all"]), perpetual_settings())
    assert result.violations == []
    assert result.fills > 0
    assert result.checked > 10


@pytest.mark.parametrize("seed", [121])
def test_short_runs_hold(seed: int) -> None:
    holds(seed, 8.0)


@pytest.mark.check
@pytest.mark.parametrize("seed", range(100, 104))
def test_more_runs_hold(seed: int) -> None:
    holds(seed, 15.0)
