from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venue.playing import play
from tests.venue.recordings import USDM, needs_recordings
from venue.capture import DepthSnapshot, DepthUpdate, Line, parse_line, read_lines, to_units
from venue.l2 import DepthChain, L2Book
from venue.matching import BUY, LIMIT, SELL, OrderBook
from venue.recorded import Grid, RecordedMarket, rows_of
from venue.replay import DEPTH, RESET, TRADE

SECOND = 1_000_000_000
START = 1_000 * SECOND
Row = tuple[int, int, int, int, int]


def market(*rows: Row, repeat: bool = False, epoch_ns: int = START) -> RecordedMarket:
    return RecordedMarket(np.array(rows, np.int64), epoch_ns, repeat=repeat)


def test_depth_makes_levels_and_trades_are_reported_with_their_time() -> None:
    of = market(
        (0, RESET, 0, 0, 0),
        (0, DEPTH, BUY, 100, 5),
        (0, DEPTH, SELL, 102, 7),
        (SECOND, TRADE, BUY, 102, 3),
        (2 * SECOND, DEPTH, SELL, 102, 4),
    )
    book = OrderBook(16)
    (trade,), index = play(of, book, START + SECOND)
    assert (trade.side, trade.price_ticks, trade.quantity_lots) == (BUY, 102, 3)
    assert trade.at_ns == START + SECOND
    assert book.level_lots(SELL, 102) == 7
    assert of.index_at(START + SECOND) == index == 4
    assert play(of, book, START + 99 * SECOND, index) == ([], 5)
    assert book.level_lots(SELL, 102) == 4


def test_an_account_waits_behind_what_was_there_and_before_what_joins() -> None:
    of = market(
        (0, DEPTH, BUY, 100, 5),
        (SECOND, DEPTH, BUY, 100, 25),
        (2 * SECOND, DEPTH, BUY, 100, 12),
        (3 * SECOND, TRADE, SELL, 100, 8),
    )
    book = OrderBook(16)
    _, index = play(of, book, START)
    book.submit(1, 1, BUY, LIMIT, 100, 4, 0, 0)
    _, index = play(of, book, START + SECOND, index)
    assert (book.level_lots(BUY, 100), book.queue_ahead_lots(1)) == (29, 5)
    # A decrease is taken from the queue's end: nobody before the account is assumed to leave.
    _, index = play(of, book, START + 2 * SECOND, index)
    assert (book.level_lots(BUY, 100), book.queue_ahead_lots(1)) == (16, 5)
    events, _ = play(of, book, START + 3 * SECOND, index)
    assert [(e.maker_owner, e.quantity_lots) for e in events] == [(0, 5), (1, 3)]
    assert book.remaining_lots(1) == 1


def test_a_level_that_comes_to_stand_across_an_accounts_order_fills_it() -> None:
    of = market((0, DEPTH, SELL, 105, 5), (SECOND, DEPTH, SELL, 99, 6))
    book = OrderBook(16)
    _, index = play(of, book, START)
    book.submit(1, 1, BUY, LIMIT, 100, 4, 0, 0)
    events, _ = play(of, book, START + SECOND, index)
    assert [(e.maker_id, e.price_ticks, e.quantity_lots) for e in events] == [(1, 100, 4)]
    assert book.level_lots(SELL, 99) == 6


def test_a_record_repeats_after_its_end_with_a_clean_book() -> None:
    rows = ((0, RESET, 0, 0, 0), (0, DEPTH, BUY, 100, 5), (SECOND, DEPTH, BUY, 90, 5))
    of = market(*rows, repeat=True)
    book = OrderBook(16)
    _, index = play(of, book, START + 2 * SECOND)
    assert index == 5
    assert of.event_time_ns(3) == START + 2 * SECOND
    assert book.depth(5)[0].tolist() == [[100, 5]]
    assert [of.index_at(START + s * SECOND) for s in (-1, 0, 1, 2, 3, 4)] == [0, 2, 3, 5, 6, 8]


levels = st.tuples(
    st.integers(0, 3), st.just(DEPTH), st.sampled_from([BUY, SELL]), st.integers(95, 105),
    st.integers(0, 9),
)  # fmt: skip


@given(st.lists(levels, min_size=1, max_size=60), st.integers(0, 200), st.booleans())
def test_rebuilding_a_recorded_market_anywhere_changes_nothing(
    steps: list[Row], index: int, repeat: bool
) -> None:
    rows = [(0, RESET, 0, 0, 0)]
    for gap, *rest in steps:
        rows.append((rows[-1][0] + gap, *rest))  # type: ignore[arg-type]  # rest has four
    of = market(*rows, repeat=repeat)
    index = index if repeat else min(index, len(rows))
    book = OrderBook(256)
    done = 0
    while done < index:
        until_ns = of.event_time_ns(index - 1)
        done = of.flow(done, until_ns, book).next_index
    rebuilt = of.rebuild(done)
    assert [side.tolist() for side in rebuilt.depth(50)] == [s.tolist() for s in book.depth(50)]


def test_a_record_that_cannot_be_replayed_is_refused() -> None:
    with pytest.raises(ValueError, match="empty"):
        RecordedMarket(np.zeros((0, 5), np.int64))
    late = parse_line(
        b'5 {"stream":"x","data":{"e":"trade","T":1,"t":1,"p":"1.5","q":"2","m":true}}'
    )
    with pytest.raises(ValueError, match="backwards"):
        rows_of([late, late._replace(local_ns=4)], Grid(1, 0))


def trade_at(price: str, quantity: str) -> Line:
    line = '5 {"stream":"x","data":{"e":"trade","T":1,"t":1,"p":"%s","q":"%s","m":true}}'
    return parse_line((line % (price, quantity)).encode())


@pytest.mark.parametrize(
    ("price", "quantity", "complaint"),
    [
        ("1.25", "2", "finer tick"),
        ("1.3", "2", "finer tick"),
        ("1.5", "3", "finer lot"),
        ("16777216", "2", "larger tick"),
        ("1.5", "2000000000000000", "larger lot"),
    ],
)
def test_a_number_that_does_not_fit_the_grid_is_refused(
    price: str, quantity: str, complaint: str
) -> None:
    grid = Grid(1, 0, tick_units=5, lot_units=2)
    assert rows_of([trade_at("1.5", "4")], grid)[0].tolist() == [5, TRADE, SELL, 3, 2]
    with pytest.raises(ValueError, match=complaint):
        rows_of([trade_at(price, quantity)], grid)


@pytest.mark.parametrize(
    "line",
    [b"", b"x {}", b"5", b"5 {", b'5 {"stream":"x","data":{"e":"other"}}', b'5 {"lastUpdateId":1}'],
)
def test_a_line_that_is_no_message_says_so(line: bytes) -> None:
    with pytest.raises(ValueError, match="not a recorded market message"):
        parse_line(line)


@given(st.integers(0, 10**12), st.integers(0, 8))
def test_decimals_become_units_exactly(units: int, decimals: int) -> None:
    whole, fraction = divmod(units, 10**decimals)
    text = f"{whole}.{fraction:0{decimals}}" if decimals else str(whole)
    assert to_units(text, decimals) == units
    assert to_units(text + ("00" if decimals else ".00"), decimals) == units


@pytest.mark.parametrize("text", ["", "-1", "1e5", "1.23", "nan", " 1", "1.2.3", "٣"])
def test_what_is_no_such_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a decimal"):
        to_units(text, 1)


@needs_recordings
@pytest.mark.parametrize("pair", ["btcusdt", "ethusdt"])
@pytest.mark.parametrize("after_snapshot", [1, 2000])
def test_a_recorded_market_shows_the_books_that_were_recorded(
    pair: str, after_snapshot: int
) -> None:
    decimals = {"btcusdt": (1, 3), "ethusdt": (2, 3)}[pair]
    lines = list(islice(read_lines(USDM / f"{pair}_20240718.gz"), 3000))
    at = next(i for i, line in enumerate(lines) if isinstance(line.message, DepthSnapshot))
    lines = lines[: at + after_snapshot]
    of = RecordedMarket(rows_of(lines, Grid(*decimals)), repeat=False)
    book = OrderBook()
    _, index = play(of, book, lines[-1].local_ns)
    assert of.index_at(lines[-1].local_ns) == index
    depth = DepthChain(L2Book(*decimals))
    for message in (line.message for line in lines):
        if isinstance(message, DepthSnapshot):
            depth.snapshot(message)
        elif isinstance(message, DepthUpdate):
            depth.update(message)
    assert depth.is_trusted
    for ours, theirs in zip(book.depth(900), depth.book.depth(900), strict=True):
        assert len(ours) == 900
        assert np.array_equal(ours, theirs)
