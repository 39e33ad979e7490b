"""What a market of a box is made of; the other demands are shown in test_config.py."""

from pathlib import Path

import pytest

from bot.config import ConfigError, parse, shipped_file
from bot.environment import Environment

OPEN_PRICE = 'open_price = "2500.00"\n'


def text(source: str) -> str:
    shipped = shipped_file().read_text()
    assert OPEN_PRICE in shipped
    return shipped.replace(OPEN_PRICE, source)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("", "markets[0].open_price: is missing: a market needs it"),
        (OPEN_PRICE + 'candles = "{file}"\n', "markets[0].candles: remove it: open_price says"),
        ('recorded = ["{file}"]\ncandles = "{file}"\n', "candles: remove it: recorded says"),
        ('recorded = ["{file}", "/nowhere.gz"]\n', '"/nowhere.gz": there is no such file'),
    ],
)
def test_a_market_is_made_of_one_thing_that_is_there(
    tmp_path: Path, source: str, complaint: str
) -> None:
    file = tmp_path / "a.json"
    file.write_text("[]")
    with pytest.raises(ConfigError) as refused:
        parse(text(source.format(file=file)), "bot.toml", Environment({}))
    (problem,) = refused.value.problems
    assert complaint in problem


def test_recorded_files_and_candles_are_taken(tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    file.write_text("[]")
    for source in (f'recorded = ["{file}"]\nat_end = "repeat"\n', f'candles = "{file}"\n'):
        config = parse(text(source), "bot.toml", Environment({}))
        box = config.venues["kraken-sim"].box
        assert box is not None
        assert box.markets[0].open_price is None


PAPER = """
[venues.{name}]
protocol = "{protocol}"
environment = "paper"
symbols = ["ETH/USDT"]
{more}
"""


def with_venue(name: str, protocol: str = "kraken", more: str = "") -> str:
    shipped = shipped_file().read_text()
    table = PAPER.format(name=name, protocol=protocol, more=more)
    return shipped.replace("# --- Assets", f"{table}\n# --- Assets", 1)


def test_environments_stand_side_by_side() -> None:
    live = PAPER.format(name="kraken-live", protocol="kraken", more="").replace('"paper"', '"live"')
    source = with_venue("kraken-paper", more=f"{live}\n[venues.kraken-paper.paper]\nfee_tier = 2")
    config = parse("live = true\n" + source, "bot.toml", Environment({}))
    assert config.environment == "live+paper+sim"
    assert config.venues["kraken-paper"].paper.fee_tier == 2
    assert config.live_venues == ["kraken-live"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (with_venue("kraken-live"), "call it [venues.kraken-paper]"),
        (
            shipped_file().read_text() + "[venues.kraken-sim.paper]\nfee_tier = 1\n",
            'paper: remove it: the venue is "sim"',
        ),
        (
            with_venue("binanceus-paper", "binanceus", 'order_entry = "websocket"'),
            'allowed are "auto" and "rest": binanceus takes orders over REST only',
        ),
        (
            with_venue("kraken-paper", more="[venues.kraken-paper.paper]\nfee_tire = 1"),
            "fee_tier",
        ),
    ],
)
def test_what_a_venue_on_paper_may_not_be(source: str, complaint: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(source, "bot.toml", Environment({}))
    assert any(complaint in problem for problem in refused.value.problems), refused.value.problems
