"""Which of two sets of limits is tighter, limit by limit."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bot.limits_change import limit_changes, tighter
from bot.roster_change import Change
from messages.settings import RiskSettings

AMOUNTS = st.dictionaries(
    st.sampled_from(["USDT", "EUR", "BTC"]),
    st.decimals(0, 10**6, places=2).map(str),
)
LIMITS = st.builds(
    RiskSettings,
    order_notional_max=AMOUNTS,
    position_notional_max=AMOUNTS,
    orders_per_minute_max=st.integers(1, 100),
    stale_ms_max=st.integers(50, 60_000),
)


def amount(limits: dict[str, str], asset: str) -> Decimal:
    # Without a limit an asset may not be traded at all.
    return Decimal(limits.get(asset, "-1"))


@given(LIMITS, LIMITS)
def test_the_tighter_is_at_most_either(one: RiskSettings, other: RiskSettings) -> None:
    found = tighter(one, other)
    for limits in (one, other):
        assert found.orders_per_minute_max <= limits.orders_per_minute_max
        assert found.stale_ms_max <= limits.stale_ms_max
        for asset in ("USDT", "EUR", "BTC"):
            order, position = found.order_notional_max, found.position_notional_max
            assert amount(order, asset) <= amount(limits.order_notional_max, asset)
            assert amount(position, asset) <= amount(limits.position_notional_max, asset)
    assert limit_changes(tighter(other, one), found) == []
    assert limit_changes(tighter(found, one), found) == []


@given(LIMITS)
def test_nothing_differs_from_itself(limits: RiskSettings) -> None:
    assert limit_changes(limits, limits) == []


def test_a_change_names_what_was_and_what_is() -> None:
    before = RiskSettings(order_notional_max={"USDT": "10"}, position_notional_max={"USDT": "9.0"})
    after = RiskSettings(
        order_notional_max={"EUR": "5"}, position_notional_max={"USDT": "9"}, stale_ms_max=100
    )
    assert limit_changes(before, after) == [
        Change("limits.order_notional_max.USDT", "changed", "10 -> none"),
        Change("limits.order_notional_max.EUR", "changed", "none -> 5"),
        Change("limits.stale_ms_max", "changed", "2000 -> 100"),
    ]
