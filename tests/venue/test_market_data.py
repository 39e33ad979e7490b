from supervisor.clock import ManualClock
from tests.venue.boxes import SYMBOL, config
from tests.venue.exchanges import limit, market
from venue.engine import Engine
from venue.market_data import BookDiff, BookSnapshot, MarketData
from venue.orders import BUY, SELL
from venue.storage import Storage

NOW_NS = 1_750_000_000 * 10**9
STEP_NS = 100_000_000


def still_engine() -> tuple[Engine, ManualClock]:
    clock = ManualClock(NOW_NS)
    return Engine(config(), clock, Storage(None), clock.now_ns()), clock


class Follower:
    """A client that starts from a snapshot and applies what lies behind it, gaps never."""

    def __init__(self, snapshot: BookSnapshot) -> None:
        self.last_id = snapshot.last_id
        self.sides = (dict(snapshot.bids), dict(snapshot.asks))

    def apply(self, diff: BookDiff) -> None:
        if diff.last_id <= self.last_id:
            return
        assert diff.first_id == diff.previous_id + 1 == self.last_id + 1
        for levels, side in zip((diff.bids, diff.asks), self.sides, strict=True):
            for ticks, lots in levels:
                if lots:
                    side[ticks] = lots
                else:
                    del side[ticks]
        self.last_id = diff.last_id


def test_a_snapshot_and_the_differences_behind_it_are_the_book() -> None:
    engine, clock = still_engine()
    data = MarketData(engine)
    followers: list[Follower] = []
    for step in range(40):
        clock.advance(STEP_NS)
        engine.advance()
        if step % 5 == 0:
            # Between two ticks, as a request would come.
            followers.append(Follower(data.snapshot(SYMBOL, 1_000, clock.now_ns())))
            clock.advance(STEP_NS // 2)
            engine.advance()
        for diff in data.tick(clock.now_ns())[SYMBOL].diffs:
            for follower in followers:
                follower.apply(diff)
    bids, asks = engine.listings[SYMBOL].book.depth(1_000)
    book = (dict(bids.tolist()), dict(asks.tolist()))
    assert len(followers) == 8
    assert all(follower.sides == book for follower in followers)


def test_too_many_changes_at_once_are_found_by_comparing() -> None:
    engine, clock = still_engine()
    data = MarketData(engine)
    follower = Follower(data.snapshot(SYMBOL, 1_000, NOW_NS))
    clock.advance(STEP_NS * 100)
    engine.advance()
    # What the kernels set when their list of changed levels is full.
    from venue import book as bk

    book = engine.listings[SYMBOL].book
    book.arrays.meta[bk.TOUCHED_LOST] = 1
    for diff in data.tick(clock.now_ns())[SYMBOL].diffs:
        follower.apply(diff)
    bids, asks = book.depth(1_000)
    assert follower.sides == (dict(bids.tolist()), dict(asks.tolist()))


def test_a_tick_tells_trades_and_best_prices_once() -> None:
    engine, _ = still_engine()
    data = MarketData(engine)
    alice = engine.exchange.accounts[1]
    before = data.tick(NOW_NS)[SYMBOL]
    assert (before.trades, before.diffs, before.top_changed) == ([], [], False)
    engine.exchange.place(alice, market(BUY, 5_000), NOW_NS)
    engine.exchange.place(alice, limit(BUY, before.top.ask_ticks - 1, 500), NOW_NS)
    tick = data.tick(NOW_NS)[SYMBOL]
    assert sum(trade.quantity_lots for trade in tick.trades) == 5_000
    assert {trade.side for trade in tick.trades} == {BUY} != {SELL}
    assert (tick.top.bid_ticks, tick.top_changed) == (before.top.ask_ticks - 1, True)
    assert data.tick(NOW_NS)[SYMBOL].trades == []
