"""KuCoin's numbered changes over a snapshot: what is kept, what fits, what is not known."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchanges.adapters.known_book import GapError
from exchanges.adapters.kucoin_book import SNAPSHOT_LEVELS, NumberedBook
from tests.exchanges.adapters.listening import LISTED, Untyped


def change(first: int, bids: Untyped = (), asks: Untyped = (), last: int = 0) -> Untyped:
    """Return a frame's data; changes are (price, size), numbered from `first`."""
    rows = {"bids": list(bids), "asks": list(asks)}
    numbered: Untyped = {"bids": [], "asks": []}
    number = first
    for side, levels in rows.items():
        for price, size in levels:
            numbered[side].append([str(price), str(size), str(number)])
            number += 1
    return {"sequenceStart": first, "sequenceEnd": last or number - 1, "changes": numbered}


def snapshot(number: int, bids: Untyped, asks: Untyped) -> Untyped:
    return {
        "sequence": str(number),
        "bids": [[str(p), str(q)] for p, q in bids],
        "asks": [[str(p), str(q)] for p, q in asks],
    }


def test_what_was_kept_is_applied_behind_the_snapshot() -> None:
    book = NumberedBook(LISTED, 2)
    assert not book.change(change(5, [(9, 1)]))
    # Its first change is in the snapshot, its second is not.
    assert not book.change(change(6, [(9, 2), (8, 7)]))
    book.begin(snapshot(6, [(9, 3), (8, 1)], [(10, 1), (11, 1)]))
    assert book.sides() == (((9, 3), (8, 7)), ((10, 1), (11, 1)))
    assert not book.change(change(7, [(8, 1)])), "it is known already"
    assert book.change(change(8, [], [(10, 0), (12, 4)]))
    assert book.sides()[1] == ((11, 1), (12, 4))


def test_what_does_not_fit_is_a_gap() -> None:
    book = NumberedBook(LISTED, 1)
    book.change(change(8, [(9, 1)]))
    with pytest.raises(GapError, match="older"):
        book.begin(snapshot(6, [(9, 1)], [(10, 1)]))
    book = NumberedBook(LISTED, 1)
    book.begin(snapshot(6, [(9, 1)], [(10, 1)]))
    with pytest.raises(GapError, match="6 was followed by 8"):
        book.change(change(8, [(9, 2)]))


def test_numbers_without_a_price_are_used_up() -> None:
    book = NumberedBook(LISTED, 1)
    book.begin(snapshot(6, [(9, 1)], [(10, 1)]))
    assert book.change(change(7, [(0, 0)]))
    assert book.change(change(8, [(9, 5)]))
    assert book.sides() == (((9, 5),), ((10, 1),))


def test_beyond_a_snapshot_that_is_cut_nothing_is_known() -> None:
    bids = [(1_000 - at, 1) for at in range(SNAPSHOT_LEVELS)]
    asks = [(1_001 + at, 1) for at in range(SNAPSHOT_LEVELS)]
    for is_whole, worst in ((False, 901), (True, 899)):
        book = NumberedBook(LISTED, SNAPSHOT_LEVELS + is_whole)
        book.begin(snapshot(0, bids, asks), is_whole=is_whole)
        book.change(change(1, [(899, 1)], [(1_102, 1)]))
        assert book.sides()[0][-1] == (worst, 1)


LEVEL = st.tuples(st.booleans(), st.integers(1, 20), st.integers(0, 3))


@given(st.lists(LEVEL, max_size=200))
def test_changes_leave_the_book_that_they_describe(changes: list[tuple[bool, int, int]]) -> None:
    book = NumberedBook(LISTED, 10)
    bids, asks = {100: 1, 99: 1}, {101: 1, 102: 1}
    book.begin(snapshot(0, bids.items(), asks.items()))
    for number, (is_bid, away, size) in enumerate(changes, 1):
        price = 101 - away if is_bid else 100 + away
        (bids if is_bid else asks)[price] = size
        level = [(price, size)]
        book.change(change(number, bids=level if is_bid else (), asks=() if is_bid else level))
        best = [sorted((p, q) for p, q in side.items() if q) for side in (bids, asks)]
        assert book.sides() == (tuple(best[0][::-1][:10]), tuple(best[1][:10]))
