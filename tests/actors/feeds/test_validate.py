import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.feeds.validate import (
    JUMP_REPEATS,
    TRADE_IDS_MAX,
    BookCheck,
    Top,
    TradeCheck,
    crossed,
    jumped,
    top_of,
)

SECOND_NS = 1_000_000_000
GOOD = Top(200_000, 5, 200_010, 7, 10 * SECOND_NS)


def test_a_good_book_has_no_fault() -> None:
    check = BookCheck()
    assert check.fault(GOOD) == ""
    assert check.fault(GOOD._replace(bid_ticks=199_990)) == ""


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"bid_ticks": 200_010}, "the book is crossed: bid 200010, ask 200010 ticks"),
        ({"bid_ticks": 200_011}, "the book is crossed: bid 200011, ask 200010 ticks"),
        ({"bid_ticks": 0}, "the best bid is 0 ticks"),
        ({"ask_lots": 0}, "a best level holds nothing"),
    ],
)
def test_nonsense_is_a_fault(change: dict[str, int], fault: str) -> None:
    assert crossed(GOOD._replace(**change)) == fault
    assert BookCheck().fault(GOOD._replace(**change)) == fault


def test_a_book_from_the_past_is_a_fault_until_a_resync() -> None:
    check = BookCheck()
    assert check.fault(GOOD) == ""
    late = GOOD._replace(at_ns=GOOD.at_ns - 2 * SECOND_NS - 1_000_000)
    assert check.fault(late) == "the book is 2001 ms older than the one before"
    assert check.fault(GOOD._replace(at_ns=0)) == "", "a venue that gives no stamp is never late"
    check.resync()
    assert check.fault(late) == ""


def test_a_jump_is_believed_when_it_repeats() -> None:
    check = BookCheck()
    check.fault(GOOD)
    far = GOOD._replace(bid_ticks=230_000, ask_ticks=230_010)
    faults = []
    for _ in range(JUMP_REPEATS):
        faults.append(check.fault(far))
        check.resync()
    assert faults[0] == (
        "the price jumped from 200000 to 230000 ticks within one book (seen 1 of 3 times)"
    )
    assert faults[1] != ""
    assert faults[2] == ""
    assert check.fault(far) == ""


def test_an_outlier_that_does_not_repeat_changes_nothing() -> None:
    check = BookCheck()
    check.fault(GOOD)
    for _ in range(5):
        assert check.fault(GOOD._replace(ask_ticks=999_999)) != ""
        assert check.fault(GOOD) == ""


@given(st.integers(1, 10**9), st.integers(1, 10**6))
def test_a_jump_is_symmetric_in_what_it_allows(bid: int, spread: int) -> None:
    top = Top(bid, 1, bid + spread, 1, 0)
    assert not jumped(top, top)
    assert jumped(Top(bid * 2, 1, (bid + spread) * 2, 1, 0), top)


def test_an_empty_side_has_no_top() -> None:
    assert top_of((), ((1, 1),), 0) is None
    assert top_of(((1, 1),), (), 0) is None
    assert top_of(((3, 4), (2, 2)), ((5, 6),), 9) == Top(3, 4, 5, 6, 9)


def test_trades_that_are_doubled_late_or_empty_are_left_out() -> None:
    check = TradeCheck()
    assert check.is_new("a", 10 * SECOND_NS, 1, 1)
    assert not check.is_new("a", 10 * SECOND_NS, 1, 1)
    assert check.is_new("b", 9 * SECOND_NS, 1, 1)
    assert not check.is_new("c", 7 * SECOND_NS, 1, 1)
    assert not check.is_new("d", 10 * SECOND_NS, 0, 1)
    assert not check.is_new("e", 10 * SECOND_NS, 1, -1)
    assert (check.doubled, check.late) == (1, 1)


def test_trade_ids_are_bounded() -> None:
    check = TradeCheck()
    for number in range(3 * TRADE_IDS_MAX):
        assert check.is_new(str(number), 0, 1, 1)
    assert len(check._ids) == TRADE_IDS_MAX
