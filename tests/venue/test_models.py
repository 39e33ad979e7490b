from decimal import Decimal
from fractions import Fraction
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venue.passive_backtest import Exchange, SimulatedOrder
from tests.venue.recordings import USDM, needs_recordings
from venue import models
from venue.capture import Line, read_lines
from venue.matching import BUY, LIMIT, MARKET, SELL
from venue.models import FeeTier, QueuePosition

MS = 1_000_000
SECOND = 1_000 * MS
TIERS = (FeeTier(0, 2500, 4000), FeeTier(10_000, 2000, 3500), FeeTier(50_000, -100, 3000))


@given(st.integers(-(2**62), 2**62), st.integers(-models.PPM, models.PPM))
def test_fees_are_truncated_exactly_and_never_overflow(notional: int, rate: int) -> None:
    assert models.fee_units(notional, rate) == int(Fraction(notional * rate, models.PPM))


@pytest.mark.parametrize(
    ("volume", "taker"), [(0, 4000), (9_999, 4000), (10_000, 3500), (10**9, 3000), (-5, 4000)]
)
def test_the_tier_is_the_highest_one_reached(volume: int, taker: int) -> None:
    assert models.tier_of(TIERS, volume).taker_ppm == taker


@pytest.mark.parametrize(
    ("venue", "low", "high"), [("binance", 50, 100), ("coinbase", 100, 200), ("kraken", 50, 200)]
)
def test_latencies_lie_in_their_range_but_for_rare_bounded_spikes(
    venue: str, low: int, high: int
) -> None:
    model = models.default_latency(venue)
    draws = [models.draw_latency_ns(model, 7, models.ORDER_ENTRY, k) for k in range(20_000)]
    spikes = [draw for draw in draws if draw > high * MS]
    assert min(draws) >= low * MS
    assert 10 <= len(spikes) <= 100
    assert max(spikes) <= model.spike_factor * high * MS
    assert draws[:50] == [
        models.draw_latency_ns(model, 7, models.ORDER_ENTRY, k) for k in range(50)
    ]
    assert draws[:50] != [models.draw_latency_ns(model, 7, models.FEED, k) for k in range(50)]


def test_a_constant_latency_is_constant() -> None:
    model = models.constant_latency(10 * MS)
    assert {models.draw_latency_ns(model, 1, models.FEED, k) for k in range(1000)} == {10 * MS}


def test_in_the_cautious_queue_only_trades_and_a_smaller_level_bring_us_forward() -> None:
    place = models.queue_joined(100)
    place = models.queue_after_depth(place, models.RISK_AVERSE, 100, 300)
    assert place == QueuePosition(100, 0)
    place = models.queue_after_depth(place, models.RISK_AVERSE, 300, 80)
    assert place == QueuePosition(80, 0)
    place = models.queue_after_trade(place, 80)
    assert not models.is_filled(place)
    assert models.is_filled(models.queue_after_trade(place, 1))


def test_trades_are_not_counted_again_when_the_depth_confirms_them() -> None:
    place = models.queue_after_trade(models.queue_joined(100), 30)
    place = models.queue_after_depth(place, models.PROPORTIONAL, 200, 170)
    assert place == QueuePosition(70, 0)


@pytest.mark.parametrize(("model", "ahead"), [(models.PROPORTIONAL, 50), (models.SQUARE, 48)])
def test_cancels_come_from_both_sides_of_us_in_the_other_models(model: int, ahead: int) -> None:
    # 60 before us and 30 behind; 15 leave: two thirds of them, or four fifths (12), stood before.
    place = models.queue_after_depth(QueuePosition(60, 0), model, 90, 75)
    assert place == QueuePosition(ahead, 0)


@given(
    st.integers(0, 1000), st.sampled_from([0, 1, 2]),
    st.lists(st.tuples(st.booleans(), st.integers(0, 1000)), max_size=20),
)  # fmt: skip
def test_no_event_ever_sends_us_back(
    level: int, model: int, events: list[tuple[bool, int]]
) -> None:
    place = models.queue_joined(level)
    for is_trade, lots in events:
        before = place.ahead_lots
        if is_trade:
            place = models.queue_after_trade(place, lots)
        else:
            place = models.queue_after_depth(place, model, level, lots)
            level = lots
        assert place.ahead_lots <= before


def test_fills_from_deep_in_the_queue_are_toxic() -> None:
    assert [models.is_toxic(ahead, 5) for ahead in (0, 50, 51)] == [False, False, True]


@pytest.fixture(scope="module")
def record() -> list[Line]:
    files = ("btcusdt_20240718.gz", "btcusdt_20240719.gz")
    return list(chain.from_iterable(read_lines(USDM / name) for name in files))


def at(seconds: float) -> int:
    """Moments as the publisher writes them: seconds after 1721347000."""
    return 1_721_347_000 * SECOND + round(seconds * 1000) * MS


def fee_of(order: SimulatedOrder) -> str:
    """2 bp for makers, 7 bp for takers, in quote; a tick is 0.1 and a lot 0.001."""
    notional_units = order.fill_price_ticks * order.quantity_lots * 10**4
    fee = models.fee_units(notional_units, 200 if order.is_maker else 700)
    return f"{Decimal(fee).scaleb(-8):.5f}"


@needs_recordings
@pytest.mark.check
def test_published_fills_of_a_risk_averse_queue(record: list[Line]) -> None:
    """Figure 2 of shared/data/README.md: latency 10 ms each way, no partial fills."""
    passive = SimulatedOrder(BUY, LIMIT, 639799, 1000, at(261.533))
    market = SimulatedOrder(SELL, MARKET, 0, 1000, at(261.533))
    patient = SimulatedOrder(BUY, LIMIT, 638857, 1000, at(231.533))
    prompt = SimulatedOrder(BUY, LIMIT, 630000, 1000, at(201.543))
    through = SimulatedOrder(BUY, LIMIT, 640900, 1000, at(201.543), post_only=True)
    exchange = Exchange([passive, market, patient, prompt, through])
    exchange.run(record, at(400))

    assert passive.status_at(at(321.553)) == "filled"
    assert passive.is_maker
    assert passive.fill_price_ticks == 639799
    assert fee_of(passive) == "12.79598"
    assert market.fill_price_ticks == 639799
    assert fee_of(market) == "44.78593"
    assert patient.status_at(at(351.533)) == "new"
    assert patient.status_at(at(381.533)) == "filled"
    assert prompt.seen[0] == ("new", at(201.563))
    assert through.seen == [("expired", at(201.563))]


@needs_recordings
@pytest.mark.check
def test_a_published_cancel_is_acknowledged_one_round_trip_later(record: list[Line]) -> None:
    order = SimulatedOrder(BUY, LIMIT, 630000, 1000, at(201.543))
    exchange = Exchange([order])
    exchange.run(record, at(201.863))
    exchange.cancel(order, at(201.853))
    assert order.seen == [("new", at(201.563)), ("canceled", at(201.873))]
