import subprocess
import sys

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from messages.control import Delta, Snapshot, View, Welcome
from messages.views import AnyView, OrderView
from tests.tui.fake import NOON_NS, fill, log_line, order, plausible_tree, tree_row
from tui.store import WINDOWS, Store


def welcome(boot_id: str) -> Welcome:
    return Welcome(
        protocol=1,
        daemon_version="0.1.0",
        boot_id=boot_id,
        pid=1,
        started_ns=NOON_NS,
        now_ns=NOON_NS,
        config_hash="",
        environment="sim",
        read_only=False,
    )


def snapshot(view: View, seq: int, *rows: AnyView) -> Snapshot:
    return Snapshot(view=view, seq=seq, rows=rows)


def test_a_delta_adds_replaces_and_removes_rows() -> None:
    store = Store()
    assert store.apply(snapshot(View.ORDERS, 7, order(1), order(2)))
    newer = msgspec.structs.replace(order(2), state="cancelled")
    delta = Delta(
        view=View.ORDERS, seq=8, changed=(newer, order(3)), removed=(order(1).client_order_id,)
    )
    assert store.apply(delta)
    assert store.orders() == [order(3), newer]
    assert store.changed == {View.ORDERS}


def test_a_gap_is_noticed_and_nothing_is_applied_until_the_next_snapshot() -> None:
    store = Store()
    store.apply(snapshot(View.ORDERS, 1, order(1)))
    assert not store.apply(Delta(view=View.ORDERS, seq=3, changed=(order(2),)))
    assert not store.expects(View.ORDERS)
    assert not store.apply(Delta(view=View.ORDERS, seq=4, changed=(order(3),)))
    assert store.orders() == [order(1)]
    assert store.apply(snapshot(View.ORDERS, 9, order(5)))
    assert store.apply(Delta(view=View.ORDERS, seq=10, changed=(order(6),)))
    assert store.orders() == [order(6), order(5)]


def test_a_snapshot_replaces_everything() -> None:
    store = Store()
    store.apply(snapshot(View.ORDERS, 1, order(1), order(2)))
    store.apply(snapshot(View.ORDERS, 2, order(3)))
    assert store.orders() == [order(3)]


def test_a_view_that_is_larger_than_a_frame_is_known_to_be_partial() -> None:
    store = Store()
    store.apply(Snapshot(view=View.TREE, seq=1, rows=(tree_row("/", 0),), complete=False))
    assert store.partial == {View.TREE}
    store.apply(snapshot(View.TREE, 2, tree_row("/", 0)))
    assert store.partial == set()


def test_rows_survive_a_restart_until_their_snapshot_comes() -> None:
    store = Store()
    assert store.greet(welcome("a")) is None
    store.apply(snapshot(View.ORDERS, 1, order(1)))
    assert store.greet(welcome("a")) is None
    former = store.greet(welcome("b"))
    assert former is not None
    assert former.boot_id == "a"
    assert store.orders() == [order(1)]
    assert not store.expects(View.ORDERS)
    assert store.loaded == set()


def test_views_that_grow_keep_their_newest_rows() -> None:
    store = Store()
    window = WINDOWS[View.LOG]
    store.apply(snapshot(View.LOG, 1))
    for number in range(1, window + 51):
        delta = Delta(view=View.LOG, seq=number + 1, changed=(log_line(number),))
        assert store.apply(delta)
    assert [line.number for line in store.log()] == list(range(51, window + 51))


def test_rows_are_read_in_their_order() -> None:
    store = Store()
    store.apply(snapshot(View.FILLS, 1, fill(1), fill(3), fill(2)))
    store.apply(snapshot(View.LOG, 1, log_line(2), log_line(1)))
    assert store.fills() == [fill(3), fill(2), fill(1)]
    assert store.log() == [log_line(1), log_line(2)]


def test_the_tree_is_nested_by_parent_and_place() -> None:
    store = Store()
    store.apply(snapshot(View.TREE, 1, tree_row("/b", 2), tree_row("/a", 3), tree_row("/", 0)))
    assert [row.address for row in store.tree()["/"]] == ["/b", "/a"]
    store.apply(Delta(view=View.TREE, seq=2, changed=(tree_row("/a", 1),)))
    assert [row.address for row in store.tree()["/"]] == ["/a", "/b"]
    store.apply(snapshot(View.TREE, 3, *plausible_tree()))
    assert len(store.tree()[""]) == 1


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(["put", "drop"])), max_size=40))
def test_deltas_leave_what_a_snapshot_would_show(steps: list[tuple[int, str]]) -> None:
    store = Store()
    store.apply(snapshot(View.ORDERS, 0))
    model: dict[str, OrderView] = {}
    for seq, (number, step) in enumerate(steps, start=1):
        row = msgspec.structs.replace(order(number), updated_ns=seq)
        if step == "put":
            model[row.key()] = row
            delta = Delta(view=View.ORDERS, seq=seq, changed=(row,))
        else:
            model.pop(row.key(), None)
            delta = Delta(view=View.ORDERS, seq=seq, removed=(row.key(),))
        assert store.apply(delta)
    assert {row.key(): row for row in store.orders()} == model


def test_the_store_needs_no_screen() -> None:
    code = "import sys, tui.store; sys.exit('textual' in sys.modules or 'asyncio' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_program_loads_nothing_of_the_bot() -> None:
    ours = "supervisor state exchanges venue actors research bot trio ccxt apsw numba numpy torch"
    code = f"import sys, tui.app; sys.exit(' '.join(set({ours.split()!r}) & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
