"""Books and trades in the order of the venue's time."""

from hypothesis import given
from hypothesis import strategies as st

from actors.feeds.merge import WAIT_NS, WAITING_MAX, Event, Merger
from messages.market import BookTop, Trade

MS = 1_000_000


def book(venue_ns: int) -> BookTop:
    return BookTop(
        venue="v", symbol="A/B", bid_ticks=1, bid_lots=1, ask_ticks=2, ask_lots=1, venue_ns=venue_ns
    )


def trade(venue_ns: int) -> Trade:
    return Trade(
        venue="v", symbol="A/B", trade_id="1", side="buy", price_ticks=1, quantity_lots=1,
        venue_ns=venue_ns,
    )  # fmt: skip


def stamps(events: list[Event]) -> list[tuple[str, int]]:
    return [(type(each).__name__, each.venue_ns) for each in events]


def test_what_happened_first_comes_first_though_it_arrived_second() -> None:
    merger = Merger()
    assert merger.put(book(20), 0) == []
    assert stamps(merger.put(trade(10), 1)) == [("Trade", 10)]
    assert stamps(merger.put(trade(30), 2)) == [("BookTop", 20)]


def test_a_stream_that_is_quiet_holds_the_other_up_no_longer_than_the_bound() -> None:
    merger = Merger()
    merger.put(book(20), 0)
    merger.put(book(30), 50 * MS)
    assert merger.due_ns() == WAIT_NS
    assert merger.due(WAIT_NS - 1) == []
    assert stamps(merger.due(WAIT_NS)) == [("BookTop", 20)]
    assert merger.due_ns() == WAIT_NS + 50 * MS


def test_who_waits_behind_an_earlier_stamp_waits_no_longer_either() -> None:
    merger = Merger()
    merger.put(book(20), 0)
    merger.put(book(10), 150 * MS)
    assert stamps(merger.due(WAIT_NS)) == [("BookTop", 10), ("BookTop", 20)]


def test_late_ones_are_counted_and_never_out_of_order() -> None:
    merger = Merger()
    merger.put(book(20), 0)
    merger.due(WAIT_NS)
    assert merger.put(trade(10), WAIT_NS + 1) == []
    assert (merger.late, merger.due(10 * WAIT_NS)) == (1, [])


def test_what_has_no_stamp_cannot_be_merged() -> None:
    merger = Merger()
    assert merger.put(book(0), 0) == []
    assert merger.unstamped == 1


def test_more_than_the_bound_do_not_wait() -> None:
    merger = Merger()
    out: list[Event] = []
    for number in range(1, WAITING_MAX + 3):
        out += merger.put(book(number), 0)
    assert stamps(out) == [("BookTop", 1), ("BookTop", 2)]
    assert merger.early == 2


ARRIVALS = st.lists(
    st.tuples(st.booleans(), st.integers(1, 400), st.integers(0, 60)), min_size=1, max_size=60
)


@given(ARRIVALS)
def test_any_arrivals_come_out_in_order_each_once_in_time(
    arrivals: list[tuple[bool, int, int]],
) -> None:
    merger = Merger()
    now_ns, out, arrived = 0, list[int](), list[tuple[int, int]]()
    for is_book, stamp, after_ms in arrivals:
        now_ns += after_ms * MS
        out += [e.venue_ns for e in merger.due(now_ns)]
        before = merger.late
        out += [e.venue_ns for e in merger.put((book if is_book else trade)(stamp), now_ns)]
        if merger.late == before:
            arrived.append((now_ns, stamp))
        overdue = sorted(s for at_ns, s in arrived if now_ns - at_ns >= WAIT_NS)
        assert all(s in out for s in overdue)
    due_ns = merger.due_ns()
    assert due_ns is None or due_ns <= now_ns + WAIT_NS
    out += [e.venue_ns for e in merger.due(now_ns + WAIT_NS)]
    assert out == sorted(out)
    assert sorted(out) == sorted(s for _, s in arrived)
    assert len(out) + merger.late == len(arrivals)
