import trio
from trio.testing import MockClock

from actors.execution.limits import Rank, VenueBudget


async def test_a_burst_passes_at_once_and_then_the_rate_holds(
    autojump_clock: MockClock,
) -> None:
    budget = VenueBudget(per_second=2.0, burst=4, kept=1)
    taken_s = []
    started_s = trio.current_time()
    for _ in range(6):
        await budget.take(Rank.ENTRY)
        taken_s.append(round(trio.current_time() - started_s, 3))
    assert taken_s == [0.0, 0.0, 0.0, 0.5, 1.0, 1.5]


async def test_cancels_go_first_and_use_what_is_kept(autojump_clock: MockClock) -> None:
    budget = VenueBudget(per_second=1.0, burst=3, kept=1)
    order: list[str] = []

    async def ask(rank: Rank, name: str) -> None:
        await budget.take(rank)
        order.append(f"{name} {trio.current_time() - started_s:.0f}")

    started_s = trio.current_time()
    async with trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(ask, Rank.ENTRY, f"entry-{number}")
            await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, Rank.READ, "read")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, Rank.CANCEL, "cancel")
        await trio.testing.wait_all_tasks_blocked()
        nursery.start_soon(ask, Rank.EXIT, "exit")
    assert order == [
        "entry-0 0",
        "entry-1 0",
        "cancel 0",
        "exit 1",
        "entry-2 3",
        "entry-3 4",
        "read 5",
    ]


async def test_a_cancelled_wait_takes_nothing(autojump_clock: MockClock) -> None:
    budget = VenueBudget(per_second=1.0, burst=2, kept=0)
    await budget.take(Rank.ENTRY)
    await budget.take(Rank.ENTRY)
    with trio.move_on_after(0.5):
        await budget.take(Rank.ENTRY)
    assert budget.waiting == 0
    started_s = trio.current_time()
    await budget.take(Rank.ENTRY)
    assert round(trio.current_time() - started_s, 3) == 0.5


async def test_a_pause_holds_everybody(autojump_clock: MockClock) -> None:
    budget = VenueBudget(per_second=10.0, burst=5)
    budget.pause_s(3.0)
    started_s = trio.current_time()
    await budget.take(Rank.CANCEL)
    assert trio.current_time() - started_s >= 3.0
