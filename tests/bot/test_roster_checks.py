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
