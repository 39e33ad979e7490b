"""The rebuilt book against figures others published, and against the venue's own best prices."""

from bisect import bisect_right
from itertools import chain, takewhile

import pytest

from tests.venue.recordings import USDM, needs_recordings
from venue.capture import BookTicker, DepthSnapshot, DepthUpdate, Line, read_lines, to_units
from venue.l2 import ChainState, DepthChain, L2Book
from venue.matching import BUY, SELL

FILES = {"btcusdt": ("20240718", "20240719"), "ethusdt": ("20240718", "20240719")}
DECIMALS = {"btcusdt": (1, 3), "ethusdt": (2, 3)}
Top = tuple[int, int, int, int]


def lines_of(pair: str, *days: str) -> list[Line]:
    return list(chain.from_iterable(read_lines(USDM / f"{pair}_{day}.gz") for day in days))


@pytest.fixture(scope="module")
def first_file() -> list[Line]:
    return lines_of("btcusdt", "20240718")


def feed(book: DepthChain, lines: list[Line]) -> list[ChainState]:
    states = []
    for line in lines:
        if isinstance(line.message, DepthSnapshot):
            book.snapshot(line.message)
        elif isinstance(line.message, DepthUpdate):
            states.append(book.update(line.message))
    return states


def book_states(lines: list[Line], pair: str) -> list[tuple[int, Top]]:
    """(last id, top of book after it) of every applied update."""
    depth = DepthChain(L2Book(*DECIMALS[pair]))
    states = []
    for line in lines:
        if isinstance(line.message, DepthSnapshot):
            depth.snapshot(line.message)
        elif isinstance(line.message, DepthUpdate):
            assert depth.update(line.message) is not ChainState.GAP
            if depth.is_trusted:
                states.append((line.message.last_id, depth.book.top()))
    return states


def shown_by(ticker: BookTicker, pair: str) -> Top:
    price_decimals, quantity_decimals = DECIMALS[pair]
    return (
        to_units(ticker.bid, price_decimals),
        to_units(ticker.bid_quantity, quantity_decimals),
        to_units(ticker.ask, price_decimals),
        to_units(ticker.ask_quantity, quantity_decimals),
    )


def compare_with_tickers(lines: list[Line], pair: str) -> tuple[int, int]:
    """Count (updates compared, different): the book after each against the venue's best prices.

    The venue sends a ticker at every change of its best prices, with the id of the change. So the
    book after an update must show what the last ticker up to the update's last id shows.
    """
    messages = [line.message for line in lines]
    tickers = sorted(
        (message for message in messages if isinstance(message, BookTicker)),
        key=lambda ticker: ticker.update_id,
    )
    ids = [ticker.update_id for ticker in tickers]
    compared = different = 0
    for last_id, top in book_states(lines, pair):
        at = bisect_right(ids, last_id) - 1
        if at >= 0 and last_id <= ids[-1]:
            compared += 1
            different += shown_by(tickers[at], pair) != top
    return compared, different


@needs_recordings
def test_best_prices_agree_with_the_venues_own_in_a_slice(first_file: list[Line]) -> None:
    compared, different = compare_with_tickers(first_file[:4000], "btcusdt")
    assert compared > 1000
    assert different == 0


@needs_recordings
@pytest.mark.check
@pytest.mark.parametrize("pair", list(FILES))
def test_best_prices_agree_with_the_venues_own_everywhere(pair: str) -> None:
    compared, different = compare_with_tickers(lines_of(pair, *FILES[pair]), pair)
    assert compared > 5000
    assert different == 0


PUBLISHED_START_NS = 1721347261533000000
PUBLISHED_TOPS: list[Top] = [
    (639799, 17429, 639800, 1661),
    (639313, 2656, 639314, 40245),
    (638708, 10989, 638709, 1147),
    (638484, 11010, 638485, 15426),
    (638890, 5758, 638891, 9029),
]


def tops_at(count: int) -> list[Top]:
    """Best prices at the first `count` published moments, on the publisher's clock."""
    depth = DepthChain(L2Book(1, 3))
    tops: list[Top] = []
    for day, offset_ns in (("20240718", 1_522_101_448), ("20240719", 1_523_469_656)):
        for line in read_lines(USDM / f"btcusdt_{day}.gz"):
            if line.local_ns + offset_ns > PUBLISHED_START_NS + len(tops) * 60_000_000_000:
                tops.append(depth.book.top())
                if len(tops) == count:
                    return tops
            feed(depth, [line])
    return tops


@needs_recordings
def test_the_first_published_best_prices() -> None:
    assert tops_at(1) == PUBLISHED_TOPS[:1]


@needs_recordings
@pytest.mark.check
def test_all_published_best_prices() -> None:
    assert tops_at(5) == PUBLISHED_TOPS


@needs_recordings
def test_the_chain_of_updates_has_no_gap_and_a_missing_line_makes_one(
    first_file: list[Line],
) -> None:
    depth = DepthChain(L2Book(1, 3))
    states = feed(depth, first_file[:3000])
    assert set(states) == {ChainState.BUFFERED, ChainState.APPLIED}
    assert depth.is_trusted

    updates = [i for i, line in enumerate(first_file) if isinstance(line.message, DepthUpdate)]
    missing = updates[500]
    holed = DepthChain(L2Book(1, 3))
    states = feed(holed, first_file[:missing] + first_file[missing + 1 : missing + 200])
    assert states[500] is ChainState.GAP
    assert set(states[501:]) == {ChainState.BUFFERED}
    assert not holed.is_trusted


@needs_recordings
def test_after_a_gap_a_snapshot_makes_the_book_whole_again(first_file: list[Line]) -> None:
    whole = DepthChain(L2Book(1, 3))
    feed(whole, first_file[:2000])
    bids, asks = whole.book.depth(1000)
    snapshot = DepthSnapshot(
        last_id=whole.last_id,
        bids=[(f"{p // 10}.{p % 10}", f"{q // 1000}.{q % 1000:03}") for p, q in bids.tolist()],
        asks=[(f"{p // 10}.{p % 10}", f"{q // 1000}.{q % 1000:03}") for p, q in asks.tolist()],
    )
    holed = DepthChain(L2Book(1, 3))
    before = list(takewhile(lambda line: line is not first_file[1500], first_file))
    feed(holed, before)
    holed.last_id -= 1
    feed(holed, first_file[1500:2000])
    assert not holed.is_trusted
    holed.snapshot(snapshot)
    feed(whole, first_file[2000:3000])
    assert ChainState.GAP not in feed(holed, first_file[2000:3000])
    assert holed.is_trusted
    assert holed.book.top() == whole.book.top()


def test_a_level_that_crosses_the_other_side_removes_what_it_crosses() -> None:
    book = L2Book(0, 0)
    book.apply([("10", "1")], [("11", "2"), ("12", "3"), ("14", "4")])
    book.apply([("12", "5")], [])
    assert book.top() == (12, 5, 14, 4)
    book.set(SELL, 12, 0)
    assert book.top() == (12, 5, 14, 4)
    book.set(BUY, 12, 0)
    assert book.top() == (10, 1, 14, 4)


def update(first_id: int, last_id: int, previous_id: int) -> DepthUpdate:
    return DepthUpdate(0, first_id, last_id, previous_id, [(str(last_id), "1")], [])


def test_updates_older_than_the_snapshot_are_dropped_and_the_overlapping_one_kept() -> None:
    depth = DepthChain(L2Book(0, 0))
    assert depth.update(update(1, 5, 0)) is ChainState.BUFFERED
    assert depth.update(update(6, 12, 5)) is ChainState.BUFFERED
    depth.snapshot(DepthSnapshot(10, [("3", "1")], []))
    assert depth.last_id == 12
    assert depth.update(update(6, 9, 5)) is ChainState.STALE
    assert depth.update(update(13, 15, 12)) is ChainState.APPLIED
    assert depth.update(update(18, 20, 16)) is ChainState.GAP
    depth.snapshot(DepthSnapshot(19, [("3", "1")], []))
    assert depth.last_id == 20
