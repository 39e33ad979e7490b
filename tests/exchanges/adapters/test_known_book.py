"""A book of which the best levels are known."""

import pytest

from exchanges.adapters.known_book import GapError, KnownBook
from exchanges.grid import OffGridError
from tests.exchanges.adapters.listening import LISTED

BIDS = [(str(1_000 - at), "1") for at in range(10)]
ASKS = [(str(1_001 + at), "1") for at in range(10)]


def test_beyond_a_snapshot_that_is_cut_nothing_is_known() -> None:
    book = KnownBook(LISTED, 4)
    book.begin(BIDS, ASKS, 5)
    book.change([("995", "7"), ("996", "8")], [("1006", "7"), ("1005", "8")])
    assert book.sides()[0] == ((1_000, 1), (999, 1), (998, 1), (997, 1))
    book.change([("1000", "0")], [])
    assert book.sides()[0][-1] == (996, 8)
    book.change([], [("1001", "0"), ("1002", "0")])
    with pytest.raises(GapError, match="only 3 levels of 4"):
        book.sides()


def test_a_shorter_side_is_known_to_its_end() -> None:
    book = KnownBook(LISTED, 12)
    book.begin(BIDS, ASKS, 11)
    book.change([("1", "5")], [("5000", "6")])
    bids, asks = book.sides()
    assert (bids[-1], asks[-1]) == ((1, 5), (5_000, 6))
    assert not book.crossed()
    book.change([("1001", "1")], [])
    assert book.crossed()


def test_what_is_finer_than_a_lot_or_no_number() -> None:
    book = KnownBook(LISTED, 2)
    book.begin([("10", "1.7"), ("9", "2")], [("11", "1")], 2)
    assert book.sides()[0] == ((10, 1), (9, 2))
    for row in (("10.5", "1"), ("10", "many")):
        with pytest.raises(OffGridError):
            book.change([row], [])
