import pytest

from messages.settings import BoxSettings, MarketSettings
from venue.box import check_config
from venue.config import VenueConfigError
from venue.settings import box_config

BOX = BoxSettings(markets=(MarketSettings(symbol="ETH/USDT", open_price="2500.00"),))


def test_a_pair_means_what_the_venue_lists() -> None:
    for protocol, symbol in (
        ("kraken", "ETH/USDT"),
        ("binance", "ETH/USDT"),
        ("binanceusdm", "ETH/USDT:USDT"),
    ):
        config = box_config("v", BOX, ["alice"], data_file=None, protocol=protocol)
        check_config(config)
        (market,) = config.markets
        assert (market.spec.symbol, market.perpetual is not None) == (symbol, ":" in symbol)


def test_an_account_has_what_any_venue_issues() -> None:
    (alice,) = box_config("v", BOX, ["alice"], data_file=None).accounts
    (bob,) = box_config("v", BOX, ["bob"], data_file=None).accounts
    assert len({alice.api_key, alice.api_secret, alice.passphrase}) == 3
    assert not {alice.api_key, alice.api_secret, alice.passphrase} & {bob.api_key, bob.passphrase}


def test_a_protocol_that_is_none_is_named() -> None:
    with pytest.raises(VenueConfigError, match="the box speaks: binance"):
        check_config(box_config("v", BOX, [], data_file=None, protocol="fax"))
