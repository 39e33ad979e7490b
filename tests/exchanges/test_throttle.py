import pytest
import trio
import trio.testing

from exchanges.throttle import Throttler

BUCKET = {"refillRate": 0.001, "capacity": 1, "cost": 1, "tokens": 0}
WINDOW = {"algorithm": "rollingWindow", "windowSize": 1_000, "rateLimit": 500, "cost": 1}


async def passed_at(throttle: Throttler, count: int, cost: float | None = None) -> list[float]:
    """Return when each of so many requests, all asked for at once, might go; in seconds."""
    start, found = trio.current_time(), list[float]()

    async def one() -> None:
        await throttle(cost)
        found.append(round(trio.current_time() - start, 2))

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(one)
    return found


async def test_a_bucket_lets_one_through_and_then_one_in_each_interval(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert await passed_at(Throttler(BUCKET), 4) == [0.0, 1.0, 2.0, 3.0]


async def test_a_pause_is_credited_up_to_the_capacity(
    autojump_clock: trio.testing.MockClock,
) -> None:
    throttle = Throttler(BUCKET | {"capacity": 3})
    await throttle()
    await trio.sleep(60)
    assert await passed_at(throttle, 5) == [0.0, 0.0, 0.0, 0.0, 1.0]


async def test_an_expensive_request_makes_the_next_one_wait(
    autojump_clock: trio.testing.MockClock,
) -> None:
    throttle = Throttler(BUCKET)
    await throttle(5)
    assert await passed_at(throttle, 2) == [5.0, 6.0]


async def test_a_window_lets_through_what_it_holds(autojump_clock: trio.testing.MockClock) -> None:
    assert await passed_at(Throttler(WINDOW), 5) == [0.0, 0.0, 1.0, 1.0, 2.0]


async def test_what_no_window_can_hold_goes_through_an_empty_one(
    autojump_clock: trio.testing.MockClock,
) -> None:
    assert await passed_at(Throttler(WINDOW), 2, cost=100) == [0.0, 1.0]


@pytest.mark.parametrize("config", [BUCKET, WINDOW])
async def test_who_is_cancelled_while_waiting_costs_nothing(
    autojump_clock: trio.testing.MockClock, config: dict[str, object]
) -> None:
    throttle = Throttler(config)
    await passed_at(throttle, 2)
    start = trio.current_time()
    for _ in range(5):
        with trio.move_on_after(0.05):
            await passed_at(throttle, 1)
    await throttle()
    assert trio.current_time() - start == pytest.approx(1.0, abs=0.001)
