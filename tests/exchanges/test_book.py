from hypothesis import given
from hypothesis import strategies as st

from exchanges.book import Level, LevelBook

LEVELS = st.lists(
    st.tuples(st.integers(min_value=1, max_value=30), st.integers(min_value=0, max_value=5)),
    max_size=60,
)


@given(LEVELS, LEVELS, st.integers(min_value=1, max_value=40))
def test_book_equals_a_sorted_dictionary(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]], depth: int
) -> None:
    book = LevelBook(depth=1000)
    book.apply([Level(*each, "") for each in bids], [Level(*each, "") for each in asks])
    expected_bids = dict(bids)
    expected_asks = dict(asks)
    best_bids = sorted((each for each in expected_bids.items() if each[1]), reverse=True)
    best_asks = sorted(each for each in expected_asks.items() if each[1])
    assert [each[:2] for each in book.bids(depth)] == best_bids[:depth]
    assert [each[:2] for each in book.asks(depth)] == best_asks[:depth]
    assert book.bid_pairs(depth) == tuple(best_bids[:depth])
    assert book.ask_pairs(depth) == tuple(best_asks[:depth])
    expected_crossed = bool(best_bids and best_asks and best_bids[0][0] >= best_asks[0][0])
    assert book.crossed() is expected_crossed


def test_book_is_cut_to_its_depth() -> None:
    book = LevelBook(depth=3)
    book.apply([Level(price, 1, "") for price in range(1, 9)], [])
    assert [level.price_ticks for level in book.bids(10)] == [8, 7, 6]


def test_what_is_read_of_a_side_follows_its_changes() -> None:
    book = LevelBook(depth=10)
    book.apply([Level(5, 1, "a"), Level(4, 1, "b")], [Level(7, 1, "c")])
    assert (book.bid_text(10), book.bid_text(1), book.ask_text(10)) == ("ab", "a", "c")
    book.apply([Level(5, 0, "")], [Level(6, 2, "d")])
    assert (book.bid_text(10), book.ask_text(10)) == ("b", "dc")
    assert (book.bid_pairs(10), book.ask_pairs(1)) == (((4, 1),), ((6, 2),))
    assert book.ask_pairs(2) == ((6, 2), (7, 1))
