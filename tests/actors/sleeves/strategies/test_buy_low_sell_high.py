from collections.abc import Iterator

import pytest

from actors.sleeves.strategies.buy_low_sell_high import (
    ENTER,
    FALLING,
    HOLDING,
    IN_FLIGHT,
    NO_EDGE,
    NO_PRICE,
    STOP,
    TARGET,
    WAITING,
    WARMING,
    BuyLowSellHigh,
)
from actors.sleeves.strategy import BUY, LIMIT, MARKET, NOTHING, SELL, Holding, Leg, Opinion, Wish
from venue.market import GeneratedMarket, MarketSpec

SECOND_NS = 10**9
START_NS = 1_800_000_000 * SECOND_NS
FLAT = Holding(0, 0, 0, 0, 0)


class Run:
    """The strategy, stepped price by price."""

    def __init__(self, cost_ppm: int = 2_000, edge_ppm: int = 500, **given: float) -> None:
        self.params = BuyLowSellHigh.settings(given)
        self.memory = BuyLowSellHigh.begin(self.params)
        self.now = START_NS
        self.costs = (cost_ppm, edge_ppm)

    def step(self, bid: int, ask: int = 0, holding: Holding = FLAT, wait_s: float = 0.25) -> Wish:
        self.now += int(wait_s * SECOND_NS)
        return self.at(bid, ask or bid + 10, holding, self.now)

    def at(self, bid: int, ask: int, holding: Holding, now_ns: int) -> Wish:
        leg = Leg(bid, 1, ask, 1, now_ns, 0, 0, 0, 0, 0, 0, *self.costs)
        nothing = Opinion(0.0, 0.0, 0.0, 0.0, 0)
        self.memory, (wish,) = BuyLowSellHigh.step(
            self.memory, now_ns, (leg,), (holding,), (nothing,), self.params
        )
        assert isinstance(wish, Wish)
        return wish

    def warm(self, bid: int = 200_000) -> None:
        for _ in range(40):
            assert self.step(bid).reason == WARMING


def test_it_watches_a_whole_window_before_its_first_buy() -> None:
    run = Run()
    run.warm()
    assert run.step(200_000).reason == WAITING


def test_it_buys_a_dip_that_has_turned_at_the_ask() -> None:
    run = Run()
    run.warm()
    assert run.step(199_000, wait_s=1).reason == WAITING
    assert run.step(198_000).reason == FALLING
    wish = run.step(198_100)
    assert (wish.kind, wish.side, wish.price_ticks, wish.reason) == (LIMIT, BUY, 198_110, ENTER)
    assert wish.stop_ticks == 198_110 - 23_000 * 198_110 // 10**6
    assert wish.time_to_live_ns == 2 * SECOND_NS


def test_it_enters_only_for_an_edge_above_costs() -> None:
    run = Run(cost_ppm=9_000, turn_ppm=0)
    run.warm()
    assert run.step(198_500, wait_s=1).reason == NO_EDGE
    assert run.step(197_900).reason == ENTER


def test_its_target_is_never_below_its_costs() -> None:
    cheap, dear = Run(), Run(cost_ppm=9_000)
    position = Holding(10, 200_000, 0, 0, 0)
    assert cheap.step(200_799, holding=position).reason == HOLDING
    assert cheap.step(200_800, holding=position).reason == TARGET
    assert dear.step(200_800, holding=position).reason == HOLDING
    wish = dear.step(201_900, holding=position)
    assert (wish.kind, wish.side, wish.price_ticks) == (LIMIT, SELL, 201_900)


def test_after_a_stop_it_rests() -> None:
    run = Run(turn_ppm=0)
    run.warm()
    wish = run.step(196_000, holding=Holding(10, 200_000, 0, 0, 0), wait_s=1)
    assert (wish.kind, wish.side, wish.reason) == (MARKET, SELL, STOP)
    assert run.step(196_000).reason == WAITING
    for _ in range(12):
        run.step(200_000, wait_s=1)
    assert run.step(196_000).reason == ENTER


@pytest.mark.parametrize(("bid", "ask"), [(0, 100), (100, 100), (101, 100)])
def test_it_does_nothing_on_a_crossed_or_empty_book(bid: int, ask: int) -> None:
    run = Run()
    wish = run.step(bid, ask)
    assert (wish.kind, wish.reason) == (NOTHING, NO_PRICE)


def test_it_waits_for_what_is_in_flight() -> None:
    run = Run(turn_ppm=0)
    run.warm()
    assert run.step(196_000, holding=Holding(0, 0, 1, 0, 0), wait_s=1).reason == IN_FLIGHT


def tops(seed: int, seconds: int) -> Iterator[tuple[int, int, int]]:
    """Yield the tops of book of the simulated market."""
    market = GeneratedMarket(MarketSpec(seed=seed, events_per_second=20), START_NS)
    now = START_NS + 7_200 * SECOND_NS
    end = now + seconds * SECOND_NS
    index = market.index_at(now)
    book = market.rebuild(index)
    last = (0, 0)
    while now < end:
        now += SECOND_NS // 20
        index = market.flow(index, now, book).next_index
        top = (book.best_bid_ticks(), book.best_ask_ticks())
        if top != last:
            last = top
            yield (now, *top)


@pytest.mark.check
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_with_its_defaults_it_trades_the_shipped_market_several_times_a_minute(seed: int) -> None:
    run, holding, trips, gain = Run(cost_ppm=2_400), FLAT, 0, 0.0
    for now, bid, ask in tops(seed, 120):
        wish = run.at(bid, ask, holding, now)
        if wish.side == SELL:
            trips += 1
            gain += bid / holding.entry_ticks - 1.0 - 0.0024
            holding = FLAT
        elif wish.kind:
            holding = Holding(10, ask, 0, 0, now)
    assert trips >= 3
    assert gain > 0.0
