import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.execution.line import submit_result
from exchanges.ccxt_names import InvalidNonce, RateLimitExceeded
from exchanges.errors import Code, VenueError
from exchanges.turns import PATIENCE_S, WAITING_MAX, KeyTurns, Turn
from exchanges.types import Credentials, OrderTicket
from exchanges.venue_client import VenueClient
from messages.orders import SubmitResult
from supervisor.clock import ManualClock
from tests.exchanges.boxed import box_clients, order_id, resting
from tests.exchanges.conftest import client_of
from tests.exchanges.fake_kraken import API_KEY, API_SECRET, FakeKraken, held
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
            await trio.sleep(PATIENCE_S / 5)
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


async def test_cancels_and_exits_overtake_what_hangs_and_nothing_else_does(
    autojump_clock: MockClock,
) -> None:
    turns = KeyTurns()
    entered: list[tuple[str, float]] = []
    began_s = trio.current_time()

    async def ask(name: str, turn: Turn, takes_s: float) -> None:
        async with turns.taken(turn):
            entered.append((name, round(trio.current_time() - began_s, 3)))
            await trio.sleep(takes_s)

    async with trio.open_nursery() as nursery:
        for name, turn, takes_s in (
            ("hung entry", Turn.ORDER, 5.0),
            ("entry", Turn.ORDER, 0.1),
            ("exit", Turn.EXIT, 0.1),
            ("hung cancel", Turn.CANCEL, 5.0),
            ("cancel", Turn.CANCEL, 0.1),
        ):
            nursery.start_soon(ask, name, turn, takes_s)
            await wait_all_tasks_blocked()
        await trio.sleep(0.65)
        # The turn is free again while the overtaken fly, and their answers take it from nobody.
        nursery.start_soon(ask, "slow read", Turn.OTHER, 10.0)
        await trio.sleep(6)
        nursery.start_soon(ask, "another read", Turn.OTHER, 0.1)
    assert entered == [
        ("hung entry", 0.0),
        ("hung cancel", PATIENCE_S),
        ("cancel", 2 * PATIENCE_S),
        ("exit", 2 * PATIENCE_S + 0.1),
        ("entry", 2 * PATIENCE_S + 0.2),
        ("slow read", 2 * PATIENCE_S + 0.3),
        ("another read", 2 * PATIENCE_S + 10.3),
    ]


async def test_what_was_overtaken_before_it_had_a_nonce_gets_none(
    autojump_clock: MockClock,
) -> None:
    turns = KeyTurns()
    drawn: list[int] = []

    async def slow() -> None:
        async with turns.taken(Turn.ORDER):
            await trio.sleep(1)
            with pytest.raises(InvalidNonce, match="nothing was sent"):
                turns.nonce(2)

    async def cancel() -> None:
        async with turns.taken(Turn.CANCEL):
            drawn.append(turns.nonce(1))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(slow)
        await wait_all_tasks_blocked()
        nursery.start_soon(cancel)
    assert drawn == [1]


async def test_a_cancel_and_an_exit_go_past_a_hung_entry_which_is_then_refused(
    fake: FakeKraken, clock: ManualClock
) -> None:
    late = trio.Event()
    credentials = Credentials(API_KEY, API_SECRET)
    async with client_of(fake, clock, credentials=credentials, request_timeout_ms=5_000) as client:
        await client.load_instruments()
        await client.submit(order(1))
        fake.faults["AddOrder"].append(held(late))
        refusals: list[VenueError] = []

        async def enter() -> None:
            with pytest.raises(VenueError) as caught:
                await client.submit(order(2))
            refusals.append(caught.value)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(enter)
            await fake.until(lambda: len(fake.seen("AddOrder")) == 2)
            with trio.fail_after(2):
                await client.cancel(client_order_id=order_id(1))
                await client.submit(replace(order(3), side="sell", reduces=True))
            assert refusals == []
            late.set()
    (refusal,) = refusals
    # The way to the venue was long: it arrived behind the cancel, and was not looked at.
    assert (refusal.code, refusal.reason) == (Code.UNAVAILABLE, "nonce")
    assert submit_result(refusal) is SubmitResult.NOT_SENT
    assert [placed["cl_ord_id"] for placed in fake.orders.values()] == [order_id(3)]


def order(number: int) -> OrderTicket:
    return replace(resting(number), symbol="ETH/USDT", quantity_lots=10_000_000)


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

    async def ask(turn: Turn) -> None:
        async with turns.taken(turn):
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery, turns.taken(Turn.OTHER):
        for _ in range(WAITING_MAX):
            nursery.start_soon(ask, Turn.OTHER)
        await wait_all_tasks_blocked()
        with pytest.raises(RateLimitExceeded):
            await ask(Turn.CANCEL)
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
