"""A market that is reported while it happens: whom it fills, and when it takes no orders."""

import pytest

from tests.venue.playing import play
from venue.live import LiveMarket
from venue.matching import BUY, LIMIT, SELL, OrderBook

SECOND = 1_000_000_000
ALICE = 1


class Reported:
    """A market and its book, moved on one second with each report."""

    def __init__(self) -> None:
        self.market = LiveMarket()
        self.book = OrderBook(64)
        self.now_ns = 0
        self.index = 0
        self.fills: list[tuple[int, int]] = []

    def show(self, bids: dict[int, int], asks: dict[int, int]) -> None:
        """Report levels: price → lots, the best first."""
        self.now_ns += SECOND
        self.market.show(list(bids.items()), list(asks.items()), self.now_ns)
        self.go_on()

    def trade(self, side: int, price: int, lots: int) -> None:
        self.now_ns += SECOND
        self.market.trade(side, price, lots, self.now_ns)
        self.go_on()

    def go_on(self) -> None:
        events, self.index = play(self.market, self.book, self.now_ns, self.index)
        self.fills += [(e.price_ticks, e.quantity_lots) for e in events if e.maker_owner == ALICE]

    def wait(self, number: int, side: int, price: int, lots: int) -> None:
        """Have alice's order rest."""
        self.book.submit(number, ALICE, side, LIMIT, price, lots, 0, self.now_ns)
        assert self.book.remaining_lots(number) == lots


@pytest.fixture
def told() -> Reported:
    reported = Reported()
    reported.show({100: 5, 99: 7}, {102: 5, 103: 7})
    return reported


def test_who_joins_a_level_waits_for_all_that_was_shown_there(told: Reported) -> None:
    told.wait(1, BUY, 100, 4)
    told.trade(SELL, 100, 3)
    told.show({100: 2, 99: 7}, {102: 5, 103: 7})
    assert told.fills == []
    told.trade(SELL, 100, 4)
    assert told.fills == [(100, 2)]
    # What joined afterwards stands behind.
    told.show({100: 50, 99: 7}, {102: 5, 103: 7})
    told.trade(SELL, 100, 9)
    assert told.fills == [(100, 2), (100, 2)]


def test_a_level_out_of_sight_stood_there_before(told: Reported) -> None:
    told.wait(1, BUY, 97, 4)
    told.show({98: 5, 97: 6}, {99: 5})
    assert told.book.queue_ahead_lots(1) == 6
    told.trade(SELL, 97, 11 + 3)
    assert told.fills == [(97, 3)]


def test_a_price_inside_the_spread_is_first_in_its_queue(told: Reported) -> None:
    told.wait(1, BUY, 101, 4)
    told.show({101: 3, 100: 5, 99: 7}, {102: 5, 103: 7})
    told.trade(SELL, 101, 2)
    assert told.fills == [(101, 2)]


def test_a_market_that_comes_through_a_price_fills_what_waits_there(told: Reported) -> None:
    told.wait(1, SELL, 103, 4)
    told.show({104: 9, 103: 2}, {105: 5})
    assert told.fills == [(103, 4)]


def test_a_trade_beyond_a_price_fills_what_waits_there(told: Reported) -> None:
    told.wait(1, BUY, 100, 4)
    told.trade(SELL, 99, 40)
    assert told.fills == [(100, 4)]


def test_what_one_takes_is_there_again_when_the_level_changes(told: Reported) -> None:
    told.book.submit(1, ALICE, BUY, LIMIT, 102, 5, 0, told.now_ns)
    assert told.book.level_lots(SELL, 102) == 0
    told.show({100: 5, 99: 7}, {102: 5, 103: 7})
    assert told.book.level_lots(SELL, 102) == 0
    told.show({100: 5, 99: 7}, {102: 6, 103: 7})
    assert told.book.level_lots(SELL, 102) == 6


def test_out_of_sight_it_takes_no_orders_and_begins_anew_behind_the_queue(told: Reported) -> None:
    assert not told.market.has_ended(told.index)
    told.wait(1, BUY, 100, 4)
    told.trade(SELL, 100, 5)
    assert told.book.queue_ahead_lots(1) == 0
    told.market.distrust()
    assert told.market.has_ended(told.index)
    told.trade(SELL, 100, 9)
    assert told.fills == []
    told.show({100: 8}, {102: 5})
    assert told.book.queue_ahead_lots(1) == 8
    assert told.book.level_lots(SELL, 103) == 0
    assert not told.market.has_ended(told.index)
    assert not LiveMarket().is_trusted


def test_levels_beyond_the_report_stay_until_it_reaches_them_again(told: Reported) -> None:
    told.show({101: 1}, {102: 5})
    assert told.book.level_lots(BUY, 99) == 7
    told.show({100: 5, 98: 1}, {102: 5})
    assert [told.book.level_lots(BUY, price) for price in (101, 100, 99, 98)] == [0, 5, 0, 1]
    told.show({}, {102: 5})
    assert told.book.best_bid_ticks() == 0
