import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui.text import ASCII, UNICODE, brief, clean, clock, fit, short, signed, span, step_ms


@given(st.text(max_size=60), st.integers(1, 40))
def test_a_cell_is_exactly_as_wide_as_its_column(text: str, width: int) -> None:
    assert cell_len(fit(clean(text), width)) == width


@given(st.text())
def test_cleaned_text_has_no_control_characters(text: str) -> None:
    assert all(char.isprintable() for char in clean(text))


def test_what_is_cut_is_marked() -> None:
    assert fit("123456", 4) == "123…"
    assert fit("12", 4, right=True) == "  12"


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("12.40", "▲+12.40"), ("-3.1", "▼-3.1"), ("0.00", "0.00"), ("-0.00", "0.00"), ("", "")],
)
def test_numbers_carry_their_sign_and_an_arrow(amount: str, shown: str) -> None:
    assert signed(amount, UNICODE) == shown


def test_ascii_glyphs_are_ascii() -> None:
    assert signed("-1", ASCII) == "v-1"


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
    ("amount", "shown"), [("10005.15824146", "10005.1582"), ("1", "1.0000"), ("", ""), ("x", "x")]
)
def test_amounts_are_brief_in_columns(amount: str, shown: str) -> None:
    assert brief(amount) == shown
