from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.grid import OffGridError, grid

STEPS = ("1", "0.5", "0.05", "0.01", "0.00000001", "25", "0.0025")


@given(st.sampled_from(STEPS), st.integers(min_value=-(10**15), max_value=10**15))
def test_grid_round_trip(step: str, units: int) -> None:
    text = grid(step).text(units)
    assert grid(step).units(text) == units
    assert Decimal(text) == Decimal(step) * units
    assert grid(step).units(f"{Decimal(text):E}") == units


@pytest.mark.parametrize(
    "text",
    [
        "",
        "NaN",
        "Infinity",
        "1_000",
        " 1",
        "1.005",
        "--1",
        "1e400",
        "1" * 65,
        "9" * 30,
        "0x1",
        "1,5",
    ],
)
def test_what_is_not_on_the_grid_is_refused(text: str) -> None:
    with pytest.raises(OffGridError):
        grid("0.01").units(text)


@pytest.mark.parametrize("text", ["1.10", "1.1", "001.1", "1.1000000", "+1.1", "1.1e0", "11E-1"])
def test_one_number_has_many_texts(text: str) -> None:
    assert grid("0.01").units(text) == 110
