"""Every check can fail: each is shown what it is there to find."""

from pathlib import Path

import pytest
from msgspec.structs import replace
from websockets.frames import Frame, Opcode

from messages.base import Row, encode
from messages.rows import BalanceRow, FillRow, OrderRow, SwitchRow, TransferRow
from research.simulation.checks import Checks
from state.database import Settings
from state.store import Store
from supervisor.journal import Commit

VAULT = "/users/alice/vaults/kraken-sim-usdt"
TRANSFER = TransferRow(
    vault_address=VAULT, number=1, asset="USDT", debit="external", credit="tradeable",
    amount_minor=5, kind="deposit", reference="r", at_ns=1,
)  # fmt: skip
FILL = FillRow(
    exec_id="e1", client_order_id="c1", environment="sim", venue="kraken-sim", user="alice",
    vault="kraken-sim-usdt", sleeve="quiet", symbol="ETH/USDT", side="buy", quantity_lots=3,
    price_ticks=1, cost_minor=1, fee_minor=0, fee_asset="USDT", fee_scale=8, tick="0.01",
    lot="0.1", quote_scale=8, liquidity="taker", at_ns=1,
)  # fmt: skip
ORDER = OrderRow(
    client_order_id="c1", venue_order_id="v1", environment="sim", venue="kraken-sim",
    user="alice", vault="kraken-sim-usdt", sleeve="quiet", symbol="ETH/USDT", side="buy",
    type="limit", quantity_lots=3, limit_ticks=1, filled_lots=2, cost_minor=1, tick="0.01",
    lot="0.1", quote_scale=8, state="open", reason="", created_ns=1, updated_ns=1,
)  # fmt: skip
BALANCE = BalanceRow(
    vault_address=VAULT, account="tradeable", asset="USDT", balance_minor=-1, may_be_negative=False
)
SWITCH = SwitchRow(engaged=True, confirmed=True, operator="o", reason="r", at_ns=1)
ENTRY = b"POST /0/private/AddOrder HTTP/1.1\r\n\r\nnonce=1&cl_ord_id=abc&type=buy"


@pytest.fixture
def checks() -> Checks:
    return Checks(lambda text: None)


def tell(checks: Checks, store: Store, *rows: Row, position: int = 1) -> None:
    told = [(row.table, 1, 1, encode(row)) for row in rows]
    checks.committed(store, Commit(position, told))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path, Settings(ballast_bytes=0))


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ((TRANSFER, TRANSFER), "comes after"),
        ((replace(TRANSFER, amount_minor=0),), "moves 0"),
        ((BALANCE,), "is -1"),
        ((FILL, FILL), "recorded twice"),
        ((ORDER, replace(ORDER, filled_lots=4)), "beyond its quantity"),
        ((ORDER, replace(ORDER, filled_lots=1)), "lost fills"),
    ],
)
def test_rows_that_may_not_be(
    checks: Checks, store: Store, rows: tuple[Row, ...], found: str
) -> None:
    tell(checks, store, *rows)
    assert len(checks.violations) == 1
    assert found in checks.violations[0]


def test_rows_that_may_be(checks: Checks, store: Store) -> None:
    tell(checks, store, TRANSFER, replace(TRANSFER, number=2), FILL, ORDER)
    outside = replace(BALANCE, account="external", may_be_negative=True)
    tell(checks, store, outside, position=2)
    assert checks.violations == []
    checks.settled()
    assert checks.violations == []
    assert checks.held_minor("USDT") == 10
    assert checks.positions["alice", "kraken-sim-usdt", "quiet", "ETH/USDT"] == 3


def test_a_journal_that_lost_what_it_acknowledged(checks: Checks, store: Store) -> None:
    tell(checks, store, TRANSFER, FILL, position=9)
    checks.restored(store)
    assert [text.split()[0] for text in checks.violations] == ["the", VAULT, "fill"]


def test_a_start_tells_what_became_of_orders_unheard(checks: Checks, store: Store) -> None:
    """Seed 139: the end of an order was durable, and its process died before it heard so."""
    tell(checks, store, ORDER)
    store.database.writer.execute("DROP TABLE orders_current")
    store.database.writer.execute(
        "CREATE TABLE orders_current AS SELECT ? AS client_order_id, 'filled' AS state, "
        "? AS filled_lots",
        (ORDER.client_order_id, ORDER.filled_lots),
    )
    checks.restored(store)
    assert checks.orders[ORDER.client_order_id].state == "filled"


def test_two_orders_of_one_wish(checks: Checks) -> None:
    checks.intent_of = lambda client_order_id: "wish"
    checks.sent(ENTRY)
    checks.sent(ENTRY.replace(b"abc", b"def"))
    assert "are of one wish" in checks.violations[0]


def test_a_commit_before_an_earlier_one(checks: Checks, store: Store) -> None:
    tell(checks, store, position=9)
    tell(checks, store, position=8)
    assert "after one at 9" in checks.violations[0]


def test_an_order_written_twice(checks: Checks) -> None:
    checks.sent(ENTRY)
    assert checks.violations == []
    checks.sent(ENTRY)
    assert "written twice" in checks.violations[0]


@pytest.mark.parametrize(
    ("side", "is_found"), [(b"type=buy", True), (b"type=sell", False)], ids=["entry", "exit"]
)
def test_an_entry_against_the_kill_switch(
    checks: Checks, store: Store, side: bytes, is_found: bool
) -> None:
    tell(checks, store, replace(SWITCH, confirmed=False))
    checks.sent(ENTRY)
    assert checks.violations == []
    tell(checks, store, SWITCH, position=2)
    checks.sent(ENTRY.replace(b"abc", b"def").replace(b"type=buy", side))
    assert bool(checks.violations) is is_found


def test_an_order_written_by_both_ways_or_over_the_socket_against_the_switch(
    checks: Checks, store: Store
) -> None:
    frame = Frame(
        Opcode.TEXT, b'{"method":"add_order","params":{"cl_ord_id":"abc","side":"buy"}}'
    ).serialize(mask=True)
    checks.sent(ENTRY)
    checks.sent(frame)
    assert "written twice" in checks.violations[0]
    tell(checks, store, SWITCH)
    checks.sent(frame)
    assert "kill switch" in checks.violations[2]


def test_a_position_that_its_fills_do_not_make(checks: Checks, store: Store) -> None:
    tell(checks, store, FILL)
    checks.sleeves["alice", "kraken-sim-usdt", "quiet", "ETH/USDT"] = 2
    checks.settled()
    assert "its fills sum to 3" in checks.violations[0]


def test_money_that_was_never_there(checks: Checks, store: Store) -> None:
    tell(checks, store, TRANSFER)
    checks.settled()
    assert "is -5" in checks.violations[0]
