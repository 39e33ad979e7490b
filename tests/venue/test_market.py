import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from venue import flow
from venue import matching as mt
from venue.market import FLOW_BOOK_CAPACITY, GeneratedMarket, MarketSpec
from venue.matching import BUY, LIMIT, SELL, BookEvent, OrderBook

SECOND = 1_000_000_000
EPOCH = 1_700_000_000 * SECOND
MONTH = 30 * 86_400 * SECOND


def market(**changes: object) -> GeneratedMarket:
    return GeneratedMarket(msgspec.structs.replace(MarketSpec(), **changes), EPOCH)


def run(
    of: GeneratedMarket, book: OrderBook, index: int, until_index: int
) -> tuple[list[BookEvent], int]:
    """Apply the events from `index` to before `until_index`."""
    events: list[BookEvent] = []
    while index < until_index:
        result = of.flow(index, of.event_time_ns(until_index - 1), book)
        events += result.events
        index = result.next_index
    return events, index


@settings(max_examples=8)
@given(st.integers(0, 2**70), st.integers(1, 3000), st.integers(1, 3000))
def test_stopping_and_rebuilding_anywhere_changes_nothing(seed: int, first: int, more: int) -> None:
    of = market(seed=seed)
    whole = OrderBook(FLOW_BOOK_CAPACITY)
    expected, _ = run(of, whole, 0, first + more)
    half = OrderBook(FLOW_BOOK_CAPACITY)
    before, _ = run(of, half, 0, first)
    assert of.rebuild(first).snapshot() == half.snapshot()
    rebuilt = of.rebuild(first)
    after, _ = run(of, rebuilt, first, first + more)
    assert before + after == expected
    assert rebuilt.snapshot() == whole.snapshot()


@pytest.mark.parametrize("past", [-1, 0, 1, 700])
def test_rebuilding_is_exact_around_the_end_of_a_block(past: int) -> None:
    of = market()
    index = flow.BLOCK + past
    book = OrderBook(FLOW_BOOK_CAPACITY)
    run(of, book, 0, index)
    assert of.rebuild(index).snapshot() == book.snapshot()


def test_the_same_index_is_the_same_event_for_ever() -> None:
    """Changing this changes every market people have running: their venue files depend on it."""
    of = market()
    prices = [round(of.fair_price_ticks(EPOCH + k * 3600 * SECOND), 6) for k in range(4)]
    assert prices == PINNED_PRICES
    book = of.rebuild(500)
    assert (book.best_bid_ticks(), book.best_ask_ticks()) == PINNED_TOP


PINNED_PRICES = [251337.293651, 250108.52654, 249854.902138, 248066.183758]
PINNED_TOP = (247931, 247936)


@given(st.integers(0, 10**9))
def test_index_and_time_agree(index: int) -> None:
    of = market()
    at_ns = of.event_time_ns(index)
    assert of.index_at(at_ns) == index + 1
    assert of.index_at(at_ns - 1) == index
    assert of.event_time_ns(index + 1) > at_ns


def test_before_the_epoch_nothing_has_happened() -> None:
    of = market()
    assert of.index_at(EPOCH - 1) == 0
    assert of.flow(0, EPOCH - 1, OrderBook(256)) == ([], 0, True)


@settings(max_examples=30)
@given(st.integers(0, 2**63), st.integers(0, 60 * MONTH))
def test_the_price_stays_within_its_stated_bounds_for_years(seed: int, since_ns: int) -> None:
    of = market(seed=seed)
    low, high = of.spec.price_bounds_ticks()
    assert 100_000 < low <= of.fair_price_ticks(EPOCH + since_ns) <= high < 400_000


def test_ten_minutes_look_like_a_market() -> None:
    of = market()
    book = OrderBook(FLOW_BOOK_CAPACITY)
    index, sides, tops = 0, [0, 0], []
    for second in range(1, 601):
        result = of.flow(index, EPOCH + second * SECOND, book)
        assert result.complete
        index = result.next_index
        for event in result.events:
            sides[event.side == BUY] += 1
        tops.append((book.best_bid_ticks(), book.best_ask_ticks()))
        bids, asks = book.depth(100)
        assert min(len(bids), len(asks)) >= 15
    bids_, asks_ = np.array(tops).T
    spread_bps = (asks_ - bids_) / bids_ * 10_000
    assert 0.2 < np.median(spread_bps) < 5
    assert spread_bps.max() < 25
    assert np.percentile(spread_bps, 90) > 2 * np.percentile(spread_bps, 10)
    assert 0.01 < (bids_.max() - bids_.min()) / 250_000 < 0.06
    assert min(sides) > 500


def round_trips(prices: list[float], threshold: float) -> int:
    """How often buying `threshold` below the last high and selling as far above completes."""
    high, bought, count = prices[0], 0.0, 0
    for price in prices:
        if not bought:
            high = max(high, price)
            bought = price if price <= high * (1 - threshold) else 0.0
        elif price >= bought * (1 + threshold):
            count, bought, high = count + 1, 0.0, price
    return count


@pytest.mark.parametrize("seed", [1, 2, 3, 6])
def test_a_cycle_rule_trades_about_once_a_minute(seed: int) -> None:
    of = market(seed=seed)
    prices = [of.fair_price_ticks(EPOCH + k * SECOND // 2) for k in range(1200)]
    assert round_trips(prices, 0.004) >= 8


def test_an_accounts_orders_are_filled_when_the_price_passes_them() -> None:
    of = market()
    book = OrderBook(FLOW_BOOK_CAPACITY)
    _, index = run(of, book, 0, 200)
    bid, ask = book.best_bid_ticks(), book.best_ask_ticks()
    book.submit(1, 1, BUY, LIMIT, bid - 300, 50_000, 0, 0)
    book.submit(2, 1, SELL, LIMIT, ask + 300, 50_000, 0, 0)
    events, _ = run(of, book, index, index + 3000)
    filled = {e.maker_id: e.maker_remaining_lots for e in events if e.maker_owner == 1}
    assert filled == {1: 0, 2: 0}


def test_what_an_account_takes_is_missed_for_a_while_and_then_replaced() -> None:
    of = market(cycle_amplitude_bps=0.0, wander_bps=0.0, rough_bps=0.0)
    book = OrderBook(FLOW_BOOK_CAPACITY)
    _, index = run(of, book, 0, 1000)
    _, asks = book.depth(10)
    before = book.best_ask_ticks()
    book.submit(1, 1, BUY, mt.MARKET, 0, int(asks[:, 1].sum()), 0, 0)
    assert book.best_ask_ticks() > asks[9, 0]
    run(of, book, index, index + 400)
    assert abs(book.best_ask_ticks() - before) < 40


def test_events_are_bounded_per_call_and_none_is_lost() -> None:
    of = market(taker_probability=0.3)
    until_ns = EPOCH + 60 * SECOND
    whole = of.flow(0, until_ns, OrderBook(FLOW_BOOK_CAPACITY), 100_000)
    book, index, events = OrderBook(FLOW_BOOK_CAPACITY), 0, []
    while True:
        result = of.flow(index, until_ns, book, 10)
        assert len(result.events) < 10 + 200
        events += result.events
        index = result.next_index
        if result.complete:
            break
    assert (events, index) == (whole.events, whole.next_index)
    assert len(events) > 100


def test_even_the_smallest_book_gets_through_a_requoting_full_of_accounts_orders() -> None:
    of = market(levels_per_side=8)
    book = OrderBook(32)
    for order_id in range(1, 33):
        book.submit(order_id, 1, BUY, LIMIT, 260_000 + order_id, 1, 0, 0)
    result = of.flow(0, of.event_time_ns(0), book, 1)
    assert result.next_index == 1
    # Every order stood above the price: the asks of the first quoting bought into all of them.
    assert [event.maker_owner for event in result.events[:32]] == [1] * 32


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"events_per_second": 0}, "events_per_second"),
        ({"levels_per_side": 1000}, "levels_per_side"),
        ({"open_price_ticks": 5}, "open_price_ticks"),
        ({"typical_lots": 0}, "typical_lots"),
        ({"taker_probability": 0.9}, "taker_probability"),
        ({"cycle_period_s": 0}, "cycle_period_s"),
        ({"tick": "0"}, "positive"),
        ({"slow_swing_bps": 5999.0}, "stray"),
        ({"wander_bps": -1.0}, "wander_bps"),
    ],
)
def test_a_market_that_cannot_be_is_refused(changes: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        market(**changes)
