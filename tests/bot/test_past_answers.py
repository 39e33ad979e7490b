"""What the control socket says of the past, from rows recorded at known moments."""

from pathlib import Path

from bot.past_answers import answer_then, listed, tree_then
from messages.base import Row
from messages.control import Fills, Log, Moment, Orders, Vaults, View
from messages.rows import AlertRow, OrderRow, SleeveStateRow, VaultRow
from messages.views import LogLine, MomentView, OrderView, TreeNode, VaultView
from state.rows import Reader
from state.store import Store
from tests.state.conftest import running
from tests.state.samples import START_NS, post, turn

VAULT = "/users/alice/vaults/kraken-sim-usdt"


def vault(total_minor: int) -> VaultRow:
    return VaultRow(
        user="alice", vault="kraken-sim-usdt", venue="kraken-sim", environment="sim", asset="USDT",
        asset_scale=2, total_minor=total_minor, tradeable_minor=0, remaining_minor=0,
        reserve_minor=0, realised_minor=0, unrealised_minor=0, fees_minor=0, mode="active",
        address=f"{VAULT}/ledger",
    )  # fmt: skip


def order(state: str) -> OrderRow:
    return OrderRow(
        client_order_id="one", venue_order_id="", environment="sim", venue="kraken-sim",
        user="alice", vault="kraken-sim-usdt", sleeve="flash", symbol="ETH/USDT", side="buy",
        type="limit", quantity_lots=5, limit_ticks=7, filled_lots=0, cost_minor=0, tick="0.01",
        lot="0.1", quote_scale=2, state=state, reason="", created_ns=START_NS, updated_ns=START_NS,
    )  # fmt: skip


async def record(store: Store, actor: int, seq: int, at_ns: int, *rows: Row) -> None:
    position = store.next_position()
    store.durable(post(position))
    store.turn(turn(actor, seq, [position], rows=rows, now_ns=START_NS + at_ns))
    await store.committed()


def node(address: str, kind: str, *children: TreeNode) -> TreeNode:
    return TreeNode(
        address=address, kind=kind, state="running", incarnation=3, restarts=2, mailbox=1,
        handled=999, children=children,
    )  # fmt: skip


async def test_vaults_orders_and_alerts_as_they_were(tmp_path: Path) -> None:
    alert = AlertRow(
        alert_id="a", severity="page", subject="/risk", text="look", at_ns=START_NS + 20
    )
    async with running(tmp_path) as store:
        await record(store, 2, 1, 10, vault(100_00), order("open"))
        await record(store, 2, 2, 20, vault(90_00), order("filled"), alert)
        reader = Reader(store.database)
        was, then = START_NS + 15, START_NS + 20
        totals = []
        for at_ns in (was, then):
            found = await answer_then(reader, Vaults(request_id="1", as_of_ns=at_ns))
            assert found is not None
            totals += [(row.address, row.total) for row in found if isinstance(row, VaultView)]
        assert totals == [(VAULT, "100.00"), (VAULT, "90.00")]
        assert await answer_then(reader, Vaults(request_id="1", as_of_ns=START_NS)) == []
        assert await answer_then(reader, Vaults(request_id="1")) is None
        for at_ns, only_open, states in (
            (was, True, ["open"]), (was, False, ["open"]), (then, True, []),
            (0, False, ["filled"]), (START_NS, False, []),
        ):  # fmt: skip
            request = Orders(request_id="1", as_of_ns=at_ns, only_open=only_open)
            rows = await listed(reader, request)
            assert [row.state for row in rows if isinstance(row, OrderView)] == states
        assert await listed(reader, Fills(request_id="1", as_of_ns=then)) == []
        assert await answer_then(reader, Log(request_id="1", as_of_ns=was)) == []
        line = LogLine(number=1, at_ns=then, level="error", address="/risk", text="look")
        assert await answer_then(reader, Log(request_id="1", as_of_ns=then)) == [line]
        step = Moment(request_id="1", view=View.ORDERS, at_ns=then)
        assert await answer_then(reader, step) == [MomentView(at_ns=START_NS + 10)]
        step = Moment(request_id="1", view=View.FILLS, at_ns=then)
        assert await answer_then(reader, step) == []
        await reader.aclose()


async def test_the_tree_is_what_was_recorded_of_it(tmp_path: Path) -> None:
    async with running(tmp_path) as store:
        names = {name: store.enroll(name) for name in ("/risk", "/a/old", "/a/s", "/a/late")}
        await record(store, names["/risk"], 1, 10)
        await record(store, names["/a/old"], 1, 11)
        frozen = SleeveStateRow(address="/a/s", state="frozen", reason="it crashed")
        await record(store, names["/a/s"], 1, 12, frozen)
        await record(store, names["/risk"], 2, 20)
        await record(store, names["/a/late"], 1, 21)
        reader = Reader(store.database)
        sleeves = node("/a", "supervisor", node("/a/s", "actor"), node("/a/late", "actor"))
        today = node("/", "supervisor", node("/risk", "actor"), node("/p", "port"), sleeves)
        then = await tree_then(reader, today, {"/risk": "ValueError"}, START_NS + 15)
        risk, port, a = then.children
        assert (then.state, then.handled) == ("recorded", 3)
        assert (risk.state, risk.reason, risk.handled) == ("blocked", "ValueError", 1)
        assert (port.state, port.handled) == ("no record", 0)
        below = [(each.address, each.state, each.handled) for each in a.children]
        assert below == [
            ("/a/s", "frozen", 1), ("/a/late", "stopped", 0), ("/a/old", "recorded", 1)
        ]  # fmt: skip
        assert (risk.restarts, risk.mailbox, risk.incarnation) == (0, 0, 0)
        await reader.aclose()
