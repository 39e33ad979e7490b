"""Books of numbered differences: what fits is applied, what is missing is noticed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.book import Level
from exchanges.depth import WAITING_MAX, DepthBook, Difference, SequenceError


def difference(first: int, last: int, previous: int = 0, lots: int = 1) -> Difference:
    return Difference(first, last, previous, (Level(10, lots, ""),), ())


def test_spot_follows_by_the_first_number() -> None:
    book = DepthBook()
    assert book.take(difference(8, 9)) == 0
    assert book.take(difference(10, 12, lots=5)) == 0
    assert book.start(9, [Level(9, 1, "")], [Level(11, 1, "")]) == 1
    assert (book.stale, book.bids(5)) == (1, ((10, 5), (9, 1)))
    assert book.take(difference(13, 13, lots=0)) == 1
    assert book.bids(5) == ((9, 1),)
    with pytest.raises(SequenceError, match="13 was followed by 15 to 16"):
        book.take(difference(15, 16))
    assert not book.is_ready


def test_futures_follow_by_the_number_before() -> None:
    book = DepthBook()
    book.start(100, [], [])
    assert book.take(difference(90, 99, 89)) == 0
    assert book.take(difference(99, 105, 98)) == 1
    assert book.take(difference(110, 120, 105)) == 1
    with pytest.raises(SequenceError, match="after 119"):
        book.take(difference(121, 125, 119))


def test_a_snapshot_older_than_what_waits_is_refused() -> None:
    book = DepthBook()
    book.take(difference(20, 21))
    with pytest.raises(SequenceError):
        book.start(10, [], [])
    assert not book.is_ready


def test_no_more_wait_than_the_bound() -> None:
    book = DepthBook()
    for number in range(WAITING_MAX):
        book.take(difference(number + 1, number + 1))
    with pytest.raises(SequenceError, match="no snapshot came"):
        book.take(difference(5_000, 5_000))


@given(
    st.lists(st.integers(1, 4), min_size=3, max_size=30),
    st.data(),
    st.booleans(),
)
def test_a_frame_that_is_lost_is_always_noticed(
    sizes: list[int], data: st.DataObject, is_future: bool
) -> None:
    frames, last = [], 100
    for size in sizes:
        frames.append(difference(last + 1, last + size, last if is_future else 0))
        last += size
    lost = data.draw(st.integers(0, len(frames) - 2))
    book = DepthBook()
    book.start(100, [], [])
    for frame in frames[:lost]:
        assert book.take(frame) == 1
    with pytest.raises(SequenceError):
        book.take(frames[lost + 1])
    whole = DepthBook()
    whole.start(100, [], [])
    assert sum(whole.take(frame) for frame in frames) == len(frames)
