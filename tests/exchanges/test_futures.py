import pytest
import trio
import trio.testing

from exchanges.ccxt_names import ExchangeError
from exchanges.futures import FutureCancelledError, TrioFuture
from exchanges.json_text import Json


async def test_every_waiter_gets_the_result() -> None:
    future = TrioFuture()
    results: list[Json] = []

    async def wait() -> None:
        results.append(await future)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        future.resolve(5)
        future.resolve(6)
        future.reject(ValueError())
    assert results == [5, 5, 5]
    assert await future == 5


async def test_cancelling_a_waiter_leaves_the_future_alone() -> None:
    future = TrioFuture()
    with trio.move_on_after(0):
        await future
    assert not future.done()
    future.resolve(1)
    assert await future == 1


async def test_rejection_and_cancellation() -> None:
    rejected, cancelled = TrioFuture(), TrioFuture()
    rejected.reject({"raw": "payload"})
    cancelled.cancel()
    with pytest.raises(ExchangeError, match="payload"):
        await rejected
    with pytest.raises(FutureCancelledError):
        await cancelled
    assert cancelled.cancelled()
    assert not rejected.cancelled()


async def test_race_takes_the_first_and_forgets_the_rest() -> None:
    futures = [TrioFuture() for _ in range(3)]
    first = TrioFuture.race(futures)
    futures[1].resolve("b")
    futures[0].resolve("a")
    assert await first == "b"
    assert not futures[2].waited_for()
    assert await TrioFuture.race([futures[2], futures[0]]) == "a"
    with pytest.raises(ExchangeError):
        await TrioFuture.race([])
