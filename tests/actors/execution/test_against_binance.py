"""One account's whole way to Binance and back, against the box: stops that rest, lost reports."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from msgspec.structs import replace

from exchanges.types import Credentials
from messages.money import AccountConfigured, Mode
from messages.orders import CancelOrder, FillReported, OrderState, OrderType, Side
from supervisor.clock import ProcessClock
from tests.actors.execution.small_tree import QUICK_ACCOUNT, SmallTree, small_tree
from tests.actors.execution.test_against_box import IDS, buy, check_books, end_of, mode
from tests.actors.trading import ORDERS, SECOND_NS, request
from tests.venue.binance_client import ALICE, config
from tests.venue.boxes import RestClient, running_box

# Longer than a test: nothing is found by the schedule then.
SELDOM = replace(QUICK_ACCOUNT, reconcile_every_ns=600 * SECOND_NS)


@asynccontextmanager
async def trading(
    account: AccountConfigured | None = None,
) -> AsyncIterator[tuple[RestClient, SmallTree]]:
    credentials = Credentials(ALICE.api_key, ALICE.api_secret)
    async with (
        running_box(config(), ProcessClock()) as box,
        small_tree(box.port, credentials, "binance", account) as tree,
    ):
        await tree.until(lambda: mode(tree) is Mode.ACTIVE and bool(tree.top))
        yield box, tree


@pytest.mark.check
async def test_a_stop_and_a_take_profit_rest_at_binance() -> None:
    async with trading() as (box, tree):
        buy(tree, IDS[0])
        await tree.until(lambda: end_of(tree, IDS[0]) is not None)
        assert tree.top is not None
        levels = {
            OrderType.STOP: tree.top.bid_ticks * 9 // 10,
            # So far that the market has not passed it before the order arrives.
            OrderType.TAKE_PROFIT: tree.top.ask_ticks + 100,
        }
        for ours, (kind, ticks) in zip(IDS[1:], levels.items(), strict=False):
            sale = request(
                ours,
                side=Side.SELL,
                reduces=True,
                type=kind,
                # A buy's fee was taken from what it brought.
                quantity_lots=4_000,
                limit_ticks=0,
                trigger_ticks=ticks,
            )
            tree.request(sale)
        await tree.until(lambda: end_of(tree, IDS[2]) is not None)
        end = end_of(tree, IDS[2])
        assert end is not None
        assert (end.state, end.filled_lots) == (OrderState.FILLED, 4_000)
        assert tree.actors[ORDERS].state.live[IDS[1]].state is OrderState.OPEN
        (resting,) = [o for o in (await box.admin("books"))["orders"] if o["status"] == "open"]
        assert resting["client_order_id"] == IDS[1]
        assert resting["trigger"] is not None
        tree.deliver(ORDERS, CancelOrder(client_order_id=IDS[1], reason="test"), "/ledger")
        await tree.until(lambda: end_of(tree, IDS[1]) is not None)
        await check_books(box, tree)


@pytest.mark.parametrize(
    "found_by", ["the schedule", pytest.param("a reconnection", marks=pytest.mark.check)]
)
async def test_an_event_of_the_account_that_was_lost_is_found(found_by: str) -> None:
    """Binance's account events have no numbers: what is lost no gap tells of."""
    async with trading(None if found_by == "the schedule" else SELDOM) as (box, tree):
        # All that the stream would tell of what follows.
        await box.admin("faults/arm", {"fault": "gap", "target": "user", "count": 500})
        buy(tree, IDS[0])
        if found_by == "a reconnection":
            await tree.until(lambda: _orders_at(tree) is OrderState.OPEN)
            await box.admin("sockets/drop", {})
        await tree.until(lambda: end_of(tree, IDS[0]) is not None)
        end = end_of(tree, IDS[0])
        assert end is not None
        assert (end.state, end.filled_lots) == (OrderState.FILLED, 10_000)
        assert not any(isinstance(message, FillReported) for message in tree.sent)
        await check_books(box, tree)


def _orders_at(tree: SmallTree) -> OrderState | None:
    record = tree.actors[ORDERS].state.live.get(IDS[0])
    return None if record is None else record.state
