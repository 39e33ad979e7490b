"""The door to threads: urgent work gets the interpreter, and a slow one does not keep the loop."""

import threading

import pytest
import trio

from supervisor.threads import SystemThreads

# Far longer than anything here takes: a test that gets there hangs.
PATIENCE_S = 20.0


class WorkError(Exception):
    """What work raises."""


async def test_urgent_work_is_done_before_the_loop_goes_on() -> None:
    order: list[str] = []

    async def other() -> None:
        order.append("loop")

    def work() -> int:
        order.append("work")
        return 7

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        result = await SystemThreads().run_urgent(work)
        order.append("done")
    assert result == 7
    assert order == ["work", "done", "loop"]


async def test_urgent_work_runs_on_a_thread_of_its_own() -> None:
    assert await SystemThreads().run_urgent(threading.get_ident) != threading.get_ident()


async def test_slow_urgent_work_gives_the_loop_back() -> None:
    may_end = threading.Event()
    with trio.fail_after(PATIENCE_S):
        async with trio.open_nursery() as nursery:
            # Runs only once the loop is free again, while the work still waits for it.
            nursery.start_soon(trio.sleep, 0)

            async def let_go() -> None:
                may_end.set()

            nursery.start_soon(let_go)
            assert await SystemThreads().run_urgent(lambda: may_end.wait(PATIENCE_S))


async def test_what_urgent_work_raises_is_raised() -> None:
    def work() -> None:
        raise WorkError

    with pytest.raises(WorkError):
        await SystemThreads().run_urgent(work)


async def test_cancelled_before_its_start_urgent_work_is_not_done() -> None:
    done: list[int] = []
    with trio.CancelScope() as scope:
        scope.cancel()
        await SystemThreads().run_urgent(lambda: done.append(1))
    assert scope.cancelled_caught
    assert not done


async def test_cancelled_half_way_urgent_work_is_waited_for() -> None:
    may_end = threading.Event()
    done: list[bool] = []

    def work() -> None:
        done.append(may_end.wait(PATIENCE_S))

    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:

            async def cancel() -> None:
                scope.cancel()
                may_end.set()

            nursery.start_soon(cancel)
            await SystemThreads().run_urgent(work)
    assert done == [True]
