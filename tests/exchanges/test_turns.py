import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from exchanges.ccxt_names import RateLimitExceeded
from exchanges.turns import WAITING_MAX, KeyTurns, Turn
from exchanges.types import Credentials
from exchanges.venue_client import VenueClient
from supervisor.clock import ManualClock
from tests.exchanges.boxed import box_clients, resting
from tests.exchanges.conftest import client_of
from tests.exchanges.fake_kraken import API_KEY, API_SECRET, FakeKraken
from tests.venue.boxes import running_box

ORDERS = 20


async def test_one_at_a_time_cancels_first(autojump_clock: MockClock) -> None:
    turns = KeyTurns()
    entered: list[str] = []
    inside = 0

    async def ask(name: str, turn: Turn) -> None:
        nonlocal inside
        async with turns.taken(turn):
            entered.append(name)
            inside += 1
            assert inside == 1
            await trio.sleep(1)
            inside -= 1

    async with trio.open_nursery() as nursery:
        for name, turn in (
            ("first", Turn.OTHER),
            ("read", Turn.OTHER),
            ("order 1", Turn.ORDER),
            ("order 2", Turn.ORDER),
            ("cancel", Turn.CANCEL),
        ):
            nursery.start_soon(ask, name, turn)
            await wait_all_tasks_blocked()
    assert entered == ["first", "cancel", "order 1", "order 2", "read"]


async def test_who_gives_up_waiting_loses_no_turn_of_others(autojump_clock: MockClock) -> None:
    turns = KeyTurns()
    entered: list[int] = []

    async def ask(number: int, patience_s: float) -> None:
        with trio.move_on_after(patience_s):
            async with turns.taken(Turn.ORDER):
                entered.append(number)
                await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        # Those whose patience ends at the very moment in which the turn is handed to them, too.
        for number, patience_s in enumerate((9.0, 0.5, 1.0, 9.0, 2.0, 9.0)):
            nursery.start_soon(ask, number, patience_s)
            await wait_all_tasks_blocked()
    assert {0, 3, 5} <= set(entered)
    with trio.fail_after(1):
        async with turns.taken(Turn.OTHER):
            pass


async def test_nobody_waits_in_a_queue_without_end() -> None:
    turns = KeyTurns()
    async with trio.open_nursery() as nursery, turns.taken(Turn.OTHER):
        for _ in range(WAITING_MAX):
            nursery.start_soon(turns._acquire, Turn.OTHER)
        await wait_all_tasks_blocked()
        with pytest.raises(RateLimitExceeded):
            await turns._acquire(Turn.CANCEL)
        nursery.cancel_scope.cancel()


def test_nonces_rise_though_the_clock_stands() -> None:
    turns = KeyTurns()
    assert [turns.nonce(each) for each in (5, 5, 3, 9)] == [5, 6, 7, 9]


async def test_clients_of_one_key_share_its_turns(fake: FakeKraken, clock: ManualClock) -> None:
    credentials = Credentials(API_KEY, API_SECRET)
    async with (
        client_of(fake, clock, credentials=credentials) as one,
        client_of(fake, clock, credentials=credentials) as other,
        trio.open_nursery() as nursery,
    ):
        for client in (one, other) * 5:
            nursery.start_soon(client.fetch_balances)
    nonces = [int(request.params["nonce"]) for request in fake.seen("BalanceEx")]
    assert len(nonces) == 10
    assert nonces == sorted(set(nonces))


async def test_many_orders_at_once_are_all_taken() -> None:
    accepted: list[str] = []
    async with running_box() as box:
        line, stream = box_clients(box, 2)
        async with line, stream:
            await line.load_instruments()
            async with stream.watch_executions(), trio.open_nursery() as nursery:
                for number in range(ORDERS):
                    nursery.start_soon(_submit, line, number, accepted)
                    nursery.start_soon(stream.fetch_balances)
            assert len(set(accepted)) == ORDERS
            assert len(await line.fetch_open_orders()) == ORDERS


async def _submit(client: VenueClient, number: int, accepted: list[str]) -> None:
    accepted.append((await client.submit(resting(number))).venue_order_id)
