import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venue.playing import play
from tests.venue.recordings import SHARED, needs_recordings
from venue import matching as mt
from venue.candle_market import CandleMarket
from venue.candles import MINUTE_NS, Candle, CandleBuilder
from venue.market import Market
from venue.matching import BUY, LIMIT, SELL, OrderBook

START = 1_000 * 10**9


def candle(open_ns: int, open_: int, high: int, low: int, close: int, volume: int) -> Candle:
    return Candle(open_ns, open_, high, low, close, volume, 0, 0)


bars = st.tuples(
    st.integers(1, 5000), st.integers(0, 300), st.integers(0, 300), st.integers(0, 10**12),
    st.integers(0, 600),
).map(
    lambda t: (t[0] + t[2], t[0] + t[1] + t[2], t[0], t[0] + t[4] % (t[1] + t[2] + 1), t[3])
)  # fmt: skip


@given(st.lists(bars, min_size=1, max_size=4), st.sampled_from([4, 7, 61]))
def test_the_trades_of_a_candle_make_that_candle_again(
    shapes: list[tuple[int, int, int, int, int]], steps: int
) -> None:
    candles = [candle(k * MINUTE_NS, *shape) for k, shape in enumerate(shapes)]
    of = CandleMarket(candles, [(1, 50), (3, 80)], steps=steps)
    events, _ = play(of, OrderBook(512), len(candles) * MINUTE_NS)
    builder = CandleBuilder()
    made = []
    for event in events:
        made += builder.add(event.at_ns, event.price_ticks, event.quantity_lots)
    made += builder.advance(len(candles) * MINUTE_NS)
    traded = [c for c in candles if c.volume_lots > 0]
    assert [(c.open_ns, c.volume_lots) for c in made] == [
        (c.open_ns, c.volume_lots) for c in traded
    ]
    for got, wanted in zip(made, traded, strict=True):
        if wanted.volume_lots >= 4:
            assert got[:6] == wanted[:6]


def test_a_candle_market_quotes_around_its_path_and_fills_who_waits() -> None:
    of: Market = CandleMarket([candle(0, 1000, 1100, 900, 1050, 6100)], [(2, 30), (5, 60)])
    book = OrderBook(64)
    _, index = play(of, book, 0)
    assert [side.tolist() for side in book.depth(5)] == [
        [[998, 30], [995, 60]],
        [[1002, 30], [1005, 60]],
    ]
    book.submit(1, 1, BUY, LIMIT, 910, 40, 0, 0)
    book.submit(2, 1, SELL, LIMIT, 1101, 40, 0, 0)
    events, index = play(of, book, MINUTE_NS, index)
    assert [e.maker_id for e in events if e.maker_owner == 1] == [1]
    assert book.is_open(2)
    book.cancel(2, 0)
    assert of.rebuild(index).snapshot()[12:] == book.snapshot()[12:]


@given(st.integers(0, 6 * 61 - 1), st.booleans())
def test_index_and_time_of_a_candle_market_agree(index: int, repeat: bool) -> None:
    bars = [candle(k * 2 * MINUTE_NS, 1000, 1100, 900, 1050, 6100) for k in range(2)]
    of = CandleMarket(bars, [(2, 30)], START, repeat=repeat)
    index = index if repeat else index % (2 * 61)
    at_ns = of.event_time_ns(index)
    assert of.index_at(at_ns) == index + 1
    assert of.index_at(at_ns - 1) == index


@pytest.mark.parametrize(
    ("candles", "ladder", "complaint"),
    [
        ([], [(1, 1)], "no candles"),
        ([candle(0, 5, 1 << 25, 4, 5, 1)], [(1, 1)], "not a bar"),
        ([candle(0, 5, 4, 3, 4, 1)], [(1, 1)], "not a bar"),
        ([candle(0, 5, 6, 0, 5, 1)], [(1, 1)], "not a bar"),
        ([candle(0, 5, 6, 4, 5, 1), candle(1, 5, 6, 4, 5, 1)], [(1, 1)], "overlap"),
        ([candle(0, 5, 6, 4, 5, 1)], [], "ladder"),
        ([candle(0, 5, 6, 4, 5, 1)], [(0, 1)], "ladder"),
    ],
)
def test_candles_that_cannot_be_walked_are_refused(
    candles: list[Candle], ladder: list[tuple[int, int]], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        CandleMarket(candles, ladder)


@needs_recordings
def test_real_minutes_come_back_exactly_across_an_outage() -> None:
    path = next((SHARED / "selskas_binance_spot_1m").rglob("*ETH*.json*"), None)
    if path is None:
        pytest.skip("the ETH candles are not there")
    rows = msgspec.json.decode(path.read_bytes(), type=list[list[float]])[26_000:27_500]
    candles = []
    for at_ms, *prices, volume in rows:
        open_, high, low, close = (round(price * 100) for price in prices)
        candles.append(candle(int(at_ms) * 1_000_000, open_, high, low, close, round(volume * 1e5)))
    of = CandleMarket(candles, [(1, 50)], steps=7)
    events, _ = play(of, OrderBook(64), candles[-1].open_ns + MINUTE_NS)
    builder = CandleBuilder()
    made = []
    for event in events:
        assert event.kind == mt.TRADE
        made += builder.add(event.at_ns, event.price_ticks, event.quantity_lots)
    made += builder.advance(candles[-1].open_ns + MINUTE_NS)
    assert [bar[:6] for bar in made] == [bar[:6] for bar in candles if bar.volume_lots >= 4]


def test_candles_begin_again_after_their_end_or_fall_silent() -> None:
    bars = [candle(0, 1000, 1100, 900, 1050, 6100), candle(MINUTE_NS, 1050, 1060, 1000, 1001, 610)]
    again = CandleMarket(bars, [(2, 30)], START, repeat=True)
    book = OrderBook(64)
    events, index = play(again, book, START + 5 * MINUTE_NS - 1)
    assert index == 5 * 61 == again.index_at(START + 5 * MINUTE_NS - 1)
    builder = CandleBuilder(MINUTE_NS)
    made = []
    for event in events:
        made += builder.add(event.at_ns - START, event.price_ticks, event.quantity_lots)
    assert [bar[1:6] for bar in made] == [bar[1:6] for bar in (bars + bars)]
    assert not again.has_ended(index)
    once = CandleMarket(bars, [(2, 30)], START)
    _, index = play(once, OrderBook(64), START + 5 * MINUTE_NS)
    assert index == 2 * 61 == once.index_at(START + 5 * MINUTE_NS)
    assert once.has_ended(index)
    assert once.flow(index, START + 9 * MINUTE_NS, OrderBook(64)) == ([], index, True)
