from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.venue.exchanges import PERPETUAL, SPEC
from venue.config import MarketConfig, PerpetualConfig, instrument_of
from venue.orders import BUY, SELL
from venue.positions import (
    Position,
    entry_ticks_units,
    funding_units,
    liquidation_ticks,
    maintenance_units,
    margin_units,
    position_of,
    unrealised_units,
    value_units,
)

INSTRUMENT = instrument_of(
    MarketConfig(spec=replace(SPEC, symbol=PERPETUAL), perpetual=PerpetualConfig())
)


def filled(position: Position, side: int, ticks: int, lots: int) -> int:
    return position.fill(side, lots, INSTRUMENT.cost_units(ticks, lots), 1)


def test_a_long_that_is_closed_higher_earns_the_difference() -> None:
    position = Position(1, PERPETUAL, 10)
    assert filled(position, BUY, 200_000, 100_000) == 0  # 1 ETH at 2 000
    assert filled(position, BUY, 300_000, 100_000) == 0
    assert entry_ticks_units(INSTRUMENT, position) == 250_000
    assert filled(position, SELL, 260_000, 50_000) == 50 * 10**8
    assert filled(position, SELL, 240_000, 150_000) == -150 * 10**8
    assert (position.lots, position.cost_units) == (0, 0)


def test_an_order_through_zero_turns_the_position_round() -> None:
    position = Position(1, PERPETUAL, 10)
    filled(position, SELL, 250_000, 100_000)
    assert filled(position, BUY, 240_000, 150_000) == 100 * 10**8
    assert (position.lots, entry_ticks_units(INSTRUMENT, position)) == (50_000, 240_000)


def test_margin_and_maintenance_are_rounded_against_the_holder() -> None:
    position = Position(1, PERPETUAL, 3)
    contract = INSTRUMENT.contract
    assert contract is not None
    assert margin_units(position, 100) == margin_units(position, -100) == 34
    assert maintenance_units(contract, 1) == 1


def test_longs_pay_shorts_at_a_positive_rate() -> None:
    paid = funding_units(INSTRUMENT, 100_000, 250_000, 100_000)
    assert paid == 2_500 * 10**8 // 10_000
    assert funding_units(INSTRUMENT, -100_000, 250_000, 100_000) == -paid
    assert funding_units(INSTRUMENT, 100_000, 250_000, -100_000) == -paid


def test_at_the_liquidation_price_the_margin_is_what_must_be_kept() -> None:
    contract = INSTRUMENT.contract
    assert contract is not None
    for side in (BUY, SELL):
        position = Position(1, PERPETUAL, 10)
        filled(position, side, 250_000, 100_000)
        margin = margin_units(position, position.cost_units)
        ticks = liquidation_ticks(INSTRUMENT, position, margin)
        assert 220_000 < ticks < 280_000
        left = margin + unrealised_units(INSTRUMENT, position, ticks)
        kept = maintenance_units(contract, value_units(INSTRUMENT, position.lots, ticks))
        assert abs(left - kept) <= 2 * INSTRUMENT.cost_units(1, 100_000)


def test_a_row_and_back_is_the_same_position() -> None:
    position = Position(1, PERPETUAL, 10, is_isolated=True)
    filled(position, BUY, 250_000, 7)
    assert position_of(position.row()) == position


FILLS = st.lists(
    st.tuples(st.sampled_from([BUY, SELL]), st.integers(1, 1_000_000), st.integers(1, 10**6)),
    max_size=30,
)


@given(FILLS, st.integers(1, 1_000_000))
def test_profit_is_what_the_trades_at_their_prices_earned(
    fills: list[tuple[int, int, int]], mark: int
) -> None:
    """No unit appears or vanishes, in whatever parts a position is opened and closed."""
    position = Position(1, PERPETUAL, 10)
    realised = cash = lots_held = 0
    for side, ticks, lots in fills:
        realised += filled(position, side, ticks, lots)
        cash -= side * INSTRUMENT.cost_units(ticks, lots)
        lots_held += side * lots
    assert position.lots == lots_held
    value = value_units(INSTRUMENT, lots_held, mark)
    assert realised + unrealised_units(INSTRUMENT, position, mark) == cash + value
