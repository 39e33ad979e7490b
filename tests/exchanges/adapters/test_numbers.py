"""Numbers and times as venues write them."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.adapters.numbers import decimals, plain, text_of_ns, whole_lots
from exchanges.grid import OffGridError
from exchanges.timestamps import rfc3339_ns


def test_dust_below_a_lot_is_cut_off() -> None:
    assert whole_lots("0.01", "1.23") == 123
    assert whole_lots("0.01", "1.239999") == 123
    assert whole_lots("0.01", "0.004") == 0
    for text in ("-1.005", "1_0.005", "nan", "1e400", "9" * 20 + ".001", ""):
        with pytest.raises(OffGridError):
            whole_lots("0.01", text)


def test_plain_numbers() -> None:
    assert [plain(n) for n in ("1E-8", "10.500", "0.00", 7)] == ["0.00000001", "10.5", "0", "7"]
    assert [decimals(Decimal(n)) for n in ("0.010", "1", "5E+1")] == [2, 0, 0]


@given(st.integers(0, 4_000_000_000), st.integers(0, 999_999))
def test_times_are_read_as_they_are_written(seconds: int, microseconds: int) -> None:
    at_ns = seconds * 10**9 + microseconds * 1_000
    assert rfc3339_ns(text_of_ns(at_ns)) == at_ns


def test_times_of_other_lengths() -> None:
    assert rfc3339_ns("2026-08-09T21:05:48Z") == 1_786_309_548 * 10**9
    assert rfc3339_ns("2026-08-09T21:05:48.228568804Z") == 1_786_309_548_228_568_804
    for text in ("2026-08-09T21:05:48.2+02:00", "soon", "2026-08-09T21:05:48.Zx"):
        with pytest.raises(ValueError, match=r"."):
            rfc3339_ns(text)
