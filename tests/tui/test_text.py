import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui.text import clean, clock, money, short, signed, span, step_ms


@given(st.text())
def test_cleaned_text_has_no_control_characters(text: str) -> None:
    assert all(char.isprintable() for char in clean(text))


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("12.40", "+12.40"), ("-3.1", "-3.1"), ("0.00", "0.00"), ("-0.00", "0.00"), ("", "")],
)
def test_profit_carries_its_sign(amount: str, shown: str) -> None:
    assert signed(amount) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(-1, "0s"), (59.9, "59s"), (60, "1m"), (7_200, "2h"), (200_000, "2d")]
)
def test_spans(seconds: float, shown: str) -> None:
    assert span(seconds) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0, "<50ms"), (0.04, "<50ms"), (0.7, "<1000ms"), (99.0, ">10000ms")]
)
def test_short_times_come_in_steps(seconds: float, shown: str) -> None:
    assert step_ms(seconds) == shown


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0"), (999, "999"), (1_000, "1.0k"), (99_960, "100k"), (4_500_000, "4.5M")],
)
def test_counts_are_short(count: int, shown: str) -> None:
    assert short(count) == shown
    assert len(shown) <= 5


def test_the_time_of_day_is_utc() -> None:
    assert clock(1_795_262_587_000_000_000) == "12:03:07"
    assert clock(0) == ""


@pytest.mark.parametrize(
    ("amount", "asset", "shown"),
    [
        ("10005.15824146", "USDT", "10005.16"),
        ("1", "EUR", "1.00"),
        ("1234.5", "JPY", "1234"),
        ("0.00012345", "BTC", "0.00012345"),
        ("", "USDT", ""),
        ("x", "USDT", "x"),
    ],
)
def test_amounts_have_the_decimals_of_their_asset(amount: str, asset: str, shown: str) -> None:
    assert money(amount, asset) == shown
