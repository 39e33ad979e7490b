import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.sleeves import indicators as ind

SPAN_NS = 80


def test_an_average_starts_with_the_mean_and_then_weighs_exponentially() -> None:
    ema = ind.ema_begin()
    for value in (1.0, 2.0, 3.0):
        ema = ind.ema_step(ema, value, 3)
    assert ema.value == pytest.approx(2.0)
    assert ind.ema_step(ema, 4.0, 3).value == pytest.approx(3.0)


def test_a_true_range_counts_gaps_and_is_smoothed_by_wilder() -> None:
    atr = ind.atr_begin()
    for high, low, close in ((11.0, 9.0, 10.0), (15.0, 14.0, 14.0), (14.0, 10.0, 12.0)):
        atr = ind.atr_step(atr, high, low, close, 2)
    assert atr.value == pytest.approx((5.0 + 4.0) / 2)
    assert ind.atr_step(atr, 13.0, 12.0, 12.0, 2).value == pytest.approx((4.5 + 1.0) / 2)


def test_a_volume_weighted_price_starts_anew_each_session() -> None:
    vwap = ind.vwap_begin()
    assert ind.vwap_value(vwap) == 0.0
    vwap = ind.vwap_step(vwap, 10.0, 1.0, 5, 100)
    vwap = ind.vwap_step(vwap, 20.0, 3.0, 6, 100)
    assert ind.vwap_value(vwap) == pytest.approx(17.5)
    assert ind.vwap_value(ind.vwap_step(vwap, 7.0, 2.0, 100, 100)) == pytest.approx(7.0)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 1_000)), min_size=1))
def test_extremes_lie_between_those_of_seven_and_of_eight_parts(
    steps: list[tuple[int, int]],
) -> None:
    extremes, now, seen = ind.extremes_begin(), 1_000, []
    for wait, value in steps:
        now += wait
        seen.append((now, value))
        extremes = ind.extremes_step(extremes, value, now, SPAN_NS)
        part = now // 10
        inside = [v for at, v in seen if part - at // 10 < 8]
        assert ind.highest(extremes) == max(inside)
        assert ind.lowest(extremes) == min(inside)
