"""One account's whole way to a venue and back, over real sockets, against the exchange in a box."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Any

import pytest
from msgspec.structs import replace

from actors.execution.order_state import Record
from exchanges.types import Credentials
from messages.account import AccountSeen
from messages.amends import AmendOrder, OrderAmended
from messages.money import Mode, ReconcileNow, Severity
from messages.orders import CancelOrder, OrderState, OrderType, OrderUpdate, Side
from tests.actors.execution.small_tree import SmallTree, small_tree
from tests.actors.trading import ORDERS, RECONCILE, RISK, request
from tests.venue.boxes import RestClient, running_box

# Ids as the ledger makes them: the venue takes UUIDs.
IDS = [f"00000000-0000-4000-8000-{number:012d}" for number in range(40)]


@asynccontextmanager
async def trading() -> AsyncIterator[tuple[RestClient, SmallTree]]:
    """Run box and tree until the account is reconciled and the market known."""
    async with (
        running_box() as box,
        small_tree(box.port, Credentials("ALICE", box.secret)) as tree,
    ):
        await tree.until(lambda: mode(tree) is Mode.ACTIVE and bool(tree.top))
        yield box, tree


def mode(tree: SmallTree) -> Mode:
    found = tree.actors[RECONCILE].state.mode
    assert isinstance(found, Mode)
    return found


def end_of(tree: SmallTree, client_order_id: str) -> OrderUpdate | None:
    return tree.books.ends.get(client_order_id)


def buy(tree: SmallTree, client_order_id: str, *, away_ticks: int = -50) -> None:
    """Buy 0.1 ETH `away_ticks` below the ask: by default at once."""
    assert tree.top is not None
    price = tree.top.ask_ticks - away_ticks
    order = request(client_order_id, quantity_lots=10_000, limit_ticks=price)
    tree.request(order)


async def check_books(box: RestClient, tree: SmallTree) -> list[dict[str, Any]]:
    """Compare our books with the venue's own, to the last digit; return its orders."""
    theirs = await box.admin("books")
    balances = theirs["balances"]["alice"]
    assert tree.books.totals_minor["USDT"] == Decimal(balances["USDT"]) * 10**8
    assert tree.books.totals_minor.get("ETH", 0) == (Decimal(balances["ETH"]) - 5) * 10**10
    orders: list[dict[str, Any]] = [o for o in theirs["orders"] if o["account"] == "alice"]
    ids = [order["client_order_id"] for order in orders]
    assert len(ids) == len(set(ids)), "an order was placed twice"
    for order in orders:
        end = end_of(tree, order["client_order_id"])
        assert end is not None
        assert end.filled_lots == Decimal(order["filled"]) * 10**5
        assert end.state is not OrderState.ABSENT
    return orders


async def test_orders_are_filled_and_cancelled_and_the_books_agree() -> None:
    async with trading() as (box, tree):
        bought, rests, sold = IDS[:3]
        buy(tree, bought)
        buy(tree, rests, away_ticks=50_000)
        await tree.until(lambda: end_of(tree, bought) is not None)
        tree.deliver(ORDERS, CancelOrder(client_order_id=rests, reason="test"), "/ledger")
        assert tree.top is not None
        exit_order = request(
            sold,
            side=Side.SELL,
            reduces=True,
            quantity_lots=10_000,
            limit_ticks=tree.top.bid_ticks - 50,
        )
        tree.request(exit_order)
        await tree.until(lambda: len(tree.books.ends) == 3)
        ends = {ours: end.state for ours, end in tree.books.ends.items()}
        assert ends == {
            bought: OrderState.FILLED,
            rests: OrderState.CANCELLED,
            sold: OrderState.FILLED,
        }
        assert len(await check_books(box, tree)) == 3
        tree.deliver(RECONCILE, ReconcileNow(), "/test")
        await tree.until(lambda: tree.actors[RECONCILE].state.request_id == "")
        assert mode(tree) is Mode.ACTIVE
        assert tree.alerts == []


def live_one(tree: SmallTree) -> Record:
    record = tree.actors[ORDERS].state.live[IDS[0]]
    assert isinstance(record, Record)
    return record


def amended(tree: SmallTree) -> list[OrderAmended]:
    return [message for message in tree.sent if isinstance(message, OrderAmended)]


@pytest.mark.parametrize(
    "fault",
    ["", *(pytest.param(f, marks=pytest.mark.check) for f in ("lose_ack", "http_5xx", "hang"))],
)
async def test_an_order_is_amended_whether_or_not_the_answer_comes(fault: str) -> None:
    async with trading() as (box, tree):
        if fault:
            await box.admin("faults/arm", {"fault": fault, "target": "AmendOrder", "count": 1})
        buy(tree, IDS[0], away_ticks=50_000)
        await tree.until(lambda: live_one(tree).state is OrderState.OPEN)
        before = live_one(tree).terms
        wanted = replace(before, limit_ticks=before.limit_ticks + 100, quantity_lots=20_000)
        tree.deliver(ORDERS, AmendOrder(amend_id=IDS[1], terms=wanted), "/risk")
        await tree.until(lambda: bool(amended(tree)))
        assert [message.applied for message in amended(tree)] == [True]
        (order,) = (await box.admin("books"))["orders"]
        assert Decimal(order["quantity"]) * 10**5 == 20_000
        tree.deliver(ORDERS, CancelOrder(client_order_id=IDS[0], reason="test"), "/ledger")
        await tree.until(lambda: end_of(tree, IDS[0]) is not None)
        await check_books(box, tree)


@pytest.mark.check
@pytest.mark.parametrize("fault", ["lose_ack", "refuse", "http_5xx", "hang", "garbage"])
async def test_a_submit_that_goes_wrong_is_neither_lost_nor_doubled(fault: str) -> None:
    async with trading() as (box, tree):
        await box.admin("faults/arm", {"fault": fault, "target": "AddOrder", "count": 1})
        buy(tree, IDS[0])
        await tree.until(lambda: end_of(tree, IDS[0]) is not None)
        await check_books(box, tree)
        end = end_of(tree, IDS[0])
        assert end is not None
        assert end.state in (OrderState.FILLED, OrderState.ABSENT, OrderState.EXPIRED), end.reason


async def test_under_faults_at_random_no_order_is_lost_or_doubled() -> None:
    async with trading() as (box, tree):
        rates = {"lose_ack": 150_000, "http_5xx": 99_999, "duplicate": 50_000, "drop_socket": 2_000}
        await box.admin("faults/rates", {"rates": rates})
        for number, ours in enumerate(IDS[:12]):
            buy(tree, ours, away_ticks=200 if number % 3 == 0 else -50)
            if number % 3 == 0:
                tree.deliver(ORDERS, CancelOrder(client_order_id=ours, reason="test"), "/ledger")
        await tree.until(lambda: len(tree.books.ends) == 12, within_s=20)
        await box.admin("faults/rates", {"rates": {}})
        for order in await check_books(box, tree):
            assert order["status"] != "open"
        assert [a.text for a in tree.alerts if a.severity is Severity.PAGE] == []


async def test_a_stop_rests_at_the_venue_and_sells_when_the_price_comes() -> None:
    async with trading() as (box, tree):
        buy(tree, IDS[0])
        await tree.until(lambda: end_of(tree, IDS[0]) is not None)
        assert tree.top is not None
        below = tree.top.bid_ticks // 2
        for ours, trigger in ((IDS[1], below), (IDS[2], tree.top.ask_ticks)):
            kind = OrderType.STOP if trigger == below else OrderType.TAKE_PROFIT
            # The ask of now is reached by the next buyer or two.
            sale = request(
                ours,
                side=Side.SELL,
                reduces=True,
                type=kind,
                quantity_lots=5_000,
                limit_ticks=0,
                trigger_ticks=trigger + (0 if trigger == below else 1),
            )
            tree.request(sale)
        await tree.until(lambda: end_of(tree, IDS[2]) is not None)
        end = end_of(tree, IDS[2])
        assert end is not None
        assert (end.state, end.filled_lots) == (OrderState.FILLED, 5_000)
        waiting = tree.actors[ORDERS].state.live[IDS[1]]
        assert waiting.state is OrderState.OPEN
        (resting,) = [o for o in (await box.admin("books"))["orders"] if o["status"] == "open"]
        assert resting["client_order_id"] == IDS[1]
        tree.deliver(ORDERS, CancelOrder(client_order_id=IDS[1], reason="test"), "/ledger")
        await tree.until(lambda: end_of(tree, IDS[1]) is not None)
        await check_books(box, tree)


async def test_a_stop_with_a_limit_waits_then_rests_and_is_never_taken_for_amended() -> None:
    async with trading() as (box, tree):
        buy(tree, IDS[0])
        await tree.until(lambda: end_of(tree, IDS[0]) is not None)
        assert tree.top is not None
        bid = tree.top.bid_ticks
        # Once the price has come down to it, it rests far above the market.
        sale = request(
            IDS[1],
            side=Side.SELL,
            reduces=True,
            type=OrderType.STOP,
            quantity_lots=5_000,
            limit_ticks=bid + 20_000,
            # So far that the market has not passed it before the order arrives.
            trigger_ticks=bid - 200,
        )
        tree.request(sale)
        await tree.until(lambda: _live_state(tree, IDS[1]) is OrderState.OPEN)
        before = _readings(tree)
        await tree.until(lambda: _readings(tree) >= before + 3)
        record = tree.actors[ORDERS].state.live[IDS[1]]
        assert record.state is OrderState.OPEN
        assert (record.terms.limit_ticks, record.amend) == (bid + 20_000, None)
        (resting,) = [o for o in (await box.admin("books"))["orders"] if o["status"] == "open"]
        assert (resting["client_order_id"], bool(resting["trigger"])) == (IDS[1], True)
        tree.deliver(ORDERS, CancelOrder(client_order_id=IDS[1], reason="test"), "/ledger")
        await tree.until(lambda: end_of(tree, IDS[1]) is not None)
        await check_books(box, tree)


def _live_state(tree: SmallTree, client_order_id: str) -> OrderState | None:
    record = tree.actors[ORDERS].state.live.get(client_order_id)
    return None if record is None else record.state


def _readings(tree: SmallTree) -> int:
    return sum(isinstance(message, AccountSeen) for message in tree.sent)


async def test_a_deposit_is_booked_and_trading_goes_on() -> None:
    async with trading() as (box, tree):
        before = tree.books.totals_minor["USDT"]
        await box.admin("deposit", {"account": "alice", "asset": "USDT", "amount": "10.5"})
        await tree.until(lambda: tree.books.totals_minor["USDT"] == before + 1_050_000_000)
        await check_books(box, tree)
        assert mode(tree) is Mode.ACTIVE


async def test_an_order_by_hand_pages_and_leaves_only_exits() -> None:
    async with trading() as (box, tree):
        by_hand = {"account": "alice", "symbol": "ETH/USDT", "side": "buy", "quantity": "0.1"}
        await box.admin("order", by_hand)
        await tree.until(lambda: mode(tree) is Mode.EXITS_ONLY)
        texts = [each.text for each in tree.alerts if each.severity is Severity.PAGE]
        assert any("differ from the venue's" in text for text in texts)
        buy(tree, IDS[0])
        end = end_of(tree, IDS[0])
        assert end is not None
        assert end.state is OrderState.DENIED


async def test_a_sale_by_hand_is_booked_and_trading_goes_on() -> None:
    async with trading() as (box, tree):
        buy(tree, IDS[0])
        await tree.until(lambda: end_of(tree, IDS[0]) is not None)
        by_hand = {"account": "alice", "symbol": "ETH/USDT", "side": "sell", "quantity": "0.1"}
        await box.admin("order", by_hand)
        await tree.until(lambda: tree.books.totals_minor["ETH"] == 0)
        assert [each.client_order_id for each in tree.books.fills.values()][-1] == ""
        assert tree.actors[RISK].state.positions == {}
        before = tree.clock.now_ns()
        rounds = tree.actors[RECONCILE]
        await tree.until(lambda: not rounds.state.request_id and rounds.state.read_ns > before)
        theirs = (await box.admin("books"))["balances"]["alice"]
        assert tree.books.totals_minor["USDT"] == Decimal(theirs["USDT"]) * 10**8
        assert mode(tree) is Mode.ACTIVE
        assert tree.alerts == []
