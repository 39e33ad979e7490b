from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from venue.config import MarketConfig, VenueConfigError, instrument_of
from venue.ids import token, transaction_id
from venue.instruments import (
    MalformedNumberError,
    fee_units,
    format_units,
    hold_units,
    parse_units,
)
from venue.market import MarketSpec

ETH = instrument_of(MarketConfig())


@given(st.integers(-(2**63), 2**63), st.integers(0, 18))
def test_text_and_units_are_the_same_number(units: int, decimals: int) -> None:
    text = format_units(units, decimals)
    assert Decimal(text) == Decimal(units).scaleb(-decimals)
    assert len(text.partition(".")[2]) == decimals
    if units >= 0:
        assert parse_units(text, decimals) == units


@pytest.mark.parametrize(
    "text", ["", ".", "-1", "+1", "1e3", "1_000", " 1", "0x1", "1.001", "٣", "1" * 41, "nan"]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(MalformedNumberError):
        parse_units(text, 2)


def test_trailing_zeros_beyond_the_unit_are_harmless() -> None:
    assert parse_units("1.2300000", 2) == 123
    assert parse_units(".5", 2) == 50
    assert parse_units("5.", 2) == 500


@given(st.integers(1, 33_000_000), st.lists(st.integers(1, 10**9), min_size=1, max_size=30))
def test_a_hold_covers_every_way_to_fill(ticks: int, fills: list[int]) -> None:
    debited = 0
    for lots in fills:
        cost = ETH.cost_units(ticks, lots)
        debited += cost + fee_units(cost, 4_000)
    assert debited <= hold_units(ETH.cost_units(ticks, sum(fills)), 4_000)


def test_amounts_of_the_shipped_pair_are_exact() -> None:
    ticks, lots = ETH.parse_price("2504.47"), ETH.parse_quantity("0.12345")
    exact = Decimal("2504.47") * Decimal("0.12345")
    assert Decimal(ETH.quote.format(ETH.cost_units(ticks, lots))) == exact
    assert Decimal(ETH.base.format(ETH.base_units(lots))) == Decimal("0.12345")


def test_a_coarse_tick_is_checked() -> None:
    coarse = instrument_of(MarketConfig(spec=MarketSpec(tick="0.05")))
    assert coarse.parse_price("10.15") == 203
    assert coarse.format_price(203) == "10.15"
    with pytest.raises(MalformedNumberError):
        coarse.parse_price("10.12")


@pytest.mark.parametrize(
    "market",
    [
        MarketConfig(order_minimum="0"),
        MarketConfig(cost_minimum="cheap"),
        MarketConfig(spec=MarketSpec(symbol="BTC/USDT")),
        MarketConfig(spec=MarketSpec(lot="0.000000000001")),
    ],
)
def test_a_market_that_cannot_be_is_refused(market: MarketConfig) -> None:
    with pytest.raises(VenueConfigError):
        instrument_of(market)


@given(st.integers(0, 2**40), st.integers(0, 2**32))
def test_ids_have_krakens_shape_and_are_the_same_again(counter: int, seed: int) -> None:
    txid = transaction_id("O", counter, seed)
    assert [len(part) for part in txid.split("-")] == [6, 5, 6]
    assert txid == transaction_id("O", counter, seed)
    assert txid != transaction_id("O", counter + 1, seed)


def test_ids_do_not_repeat() -> None:
    assert len({transaction_id("T", counter, 5) for counter in range(50_000)}) == 50_000
    assert len({token(counter, 5) for counter in range(1_000)}) == 1_000
