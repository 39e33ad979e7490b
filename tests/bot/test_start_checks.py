"""What would fail after the start is said before it."""

from msgspec.structs import replace

from bot.config import config_file, load
from bot.environment import Environment
from bot.start_checks import start_problems
from messages.settings import Roster, SleeveSettings

CONFIG = load(config_file(Environment(), None), Environment())
SLEEVES = "/users/alice/vaults/kraken-sim-usdt/sleeves"


def roster_with(**changes: object) -> Roster:
    """Return the shipped roster with its first sleeve changed."""
    (vault,) = CONFIG.first_run.vaults
    sleeve: SleeveSettings = replace(vault.sleeves[0], **changes)
    changed = replace(vault, sleeves=(sleeve, *vault.sleeves[1:]))
    return replace(CONFIG.first_run, vaults=(changed,))


def test_the_shipped_configuration_has_no_problems() -> None:
    assert start_problems(CONFIG.venues, CONFIG.first_run) == []


def test_a_misspelt_strategy_is_named_with_the_nearest() -> None:
    (problem,) = start_problems({}, roster_with(strategy="buy_lo_sell_high"))
    assert problem.startswith(f"{SLEEVES}/quiet: there is no strategy buy_lo_sell_high; there are")
    assert problem.endswith("did you mean buy_low_sell_high?")


def test_a_misspelt_parameter_is_named_with_those_there_are() -> None:
    (problem,) = start_problems({}, roster_with(parameters={"dipp": 3.0}))
    assert problem.startswith(f"{SLEEVES}/quiet: dipp: buy_low_sell_high has no such parameter")


def test_a_sleeve_has_as_many_symbols_as_its_strategy_trades() -> None:
    problems = start_problems({}, roster_with(symbols=("ETH/USDT", "BTC/USDT")))
    assert problems == [f"{SLEEVES}/quiet: buy_low_sell_high trades 1 symbols, 2 are given"]


def test_a_box_that_cannot_be_is_refused() -> None:
    venue = CONFIG.venues["kraken-sim"]
    assert venue.box is not None
    market = replace(venue.box.markets[0], order_minimum="0.0000015")
    broken = replace(venue, box=replace(venue.box, markets=(market,)))
    (problem,) = start_problems({"kraken-sim": broken}, CONFIG.first_run)
    assert problem.startswith("venues.kraken-sim.box: ")
    assert "minimum" in problem
