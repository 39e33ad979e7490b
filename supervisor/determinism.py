"""The private switches of trio that make a run repeatable, and the proof that they still do.

Stock trio shuffles what is runnable, with a generator of its own that nobody seeds, and orders it
by memory addresses before. `_ALLOW_DETERMINISTIC_SCHEDULING` orders by the tasks' numbers and `_r`
is the generator; both are private, so `self_test` runs a scenario twice before anything relies on
them.
"""

import hashlib
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import trio
from trio._core import _run
from trio.abc import Clock

Result = TypeVar("Result")
_SELF_TEST_TASKS = 12
_SELF_TEST_STEPS = 20
_SELF_TEST_SEEDS = 3
_NEVER_S = float("inf")


class NotDeterministicError(Exception):
    """The same seed gave two different runs: nothing that a simulation says can be repeated."""

    def __init__(self, detail: str) -> None:
        super().__init__(
            f"trio {trio.__version__} does not schedule the same way twice ({detail}): install the "
            "locked version with `make install`"
        )


class VirtualClock(Clock):
    """Time that jumps to the next deadline as soon as nothing can run; it begins at 0.

    For worlds without input from outside: unlike `trio.testing.MockClock` it jumps without a look
    at the sockets first, which costs a pass of the loop per jump and a fifth of a simulation.
    """

    def __init__(self) -> None:
        self._now_s = 0.0

    def start_clock(self) -> None:
        """Do nothing: time passes only by jumps."""

    def current_time(self) -> float:
        return self._now_s

    def deadline_to_sleep_time(self, deadline: float) -> float:
        # trio asks this when no task is runnable; the deadline is the earliest of all. Who waits
        # for just that, in `wait_all_tasks_blocked`, is woken before time passes.
        if self._now_s < deadline < _NEVER_S and not _runner().waiting_for_idle:
            self._now_s = deadline
        return deadline - self._now_s

    def jump(self, seconds: float) -> None:
        """Let `seconds` pass in which nothing runs."""
        assert seconds >= 0, "time does not go back"
        self._now_s += seconds


def _runner() -> _run.Runner:
    return _run.GLOBAL_RUN_CONTEXT.runner


@contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Have every `trio.run` in a `with` block choose the order of tasks from `seed` alone.

    The clock must be virtual as well, or real time decides what is runnable together.
    """
    was_allowed, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[misc]  # Final there
    _run._r.seed(seed)
    try:
        yield
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = was_allowed  # type: ignore[misc]  # as above
        _run._r.setstate(state)


def run(main: Callable[[], Awaitable[Result]], seed: int) -> Result:
    """Run `main` to its end on virtual time that begins at 0, scheduled from `seed`."""
    with deterministic(seed):
        return trio.run(main, clock=VirtualClock())


async def run_mortal(main: Callable[[], Awaitable[object]], death: trio.Event) -> None:
    """Run `main` to its end, or until `death`: then nothing in it waits for anything any more.

    What dying code raises is nobody's; what `main` raises alive is raised here.
    """
    scope = trio.CancelScope()

    async def end_it() -> None:
        await death.wait()
        while True:
            # Clean-up shields itself anew: again and again, until all of it has ended.
            unshield(scope)
            await trio.lowlevel.checkpoint()

    raised: Exception | None = None
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_it)
        try:
            with scope:
                await main()
        except Exception as error:
            raised = error
        nursery.cancel_scope.cancel()
    # Raised outside the nursery, which would wrap it in a group.
    if raised is not None and not death.is_set():
        raise raised


def unshield(scope: trio.CancelScope) -> None:
    """Cancel `scope` and take away the shields below it that stand now, as a power cut would."""
    scope.cancel()
    waiting = [scope._cancel_status]
    while waiting:
        status = waiting.pop()
        if status is None:
            continue
        inner = status._scope
        if inner is not scope and inner.shield:
            inner.shield = False
        waiting += status._children


def turns_taken(task: trio.lowlevel.Task) -> int:
    """Return how often a task took a turn of the event loop: OTP's reductions, more or less."""
    return task._schedule_points


def self_test() -> None:
    """Raise `NotDeterministicError` unless seeds decide the order of tasks, and nothing else."""
    traces = []
    for seed in range(_SELF_TEST_SEEDS):
        first = _trace(seed)
        # The second run finds the memory otherwise: what is ordered by addresses shows.
        clutter = [trio.Event() for _ in range(1 + 7 * seed)]
        if _trace(seed) != first:
            raise NotDeterministicError(f"two runs with seed {seed} differ")
        assert len(clutter) > 0, "it stands in the way until here"
        traces.append(first)
    if len(set(traces)) < _SELF_TEST_SEEDS:
        raise NotDeterministicError("two seeds give the same run: they decide nothing")


def _trace(seed: int) -> str:
    """Return what identifies the order of a run in which deadlines, wake-ups and cancels tie."""
    said = hashlib.blake2b(digest_size=16)
    # Lengths only: the order is trio's own.
    lengths = random.Random(0)  # noqa: S311 - no secret
    together = trio.Event()
    send, receive = trio.open_memory_channel[int](_SELF_TEST_TASKS)

    async def work(number: int) -> None:
        for step in range(_SELF_TEST_STEPS):
            said.update(f"{number}:{step}:{trio.current_time()} ".encode())
            with trio.move_on_after(lengths.choice((0, 1, 1, 2))) as scope:
                if step % 3:
                    await together.wait()
                await trio.sleep(1)
            said.update(b"late " if scope.cancelled_caught else b"in time ")
            await send.send(number)

    async def listen() -> None:
        async for number in receive:
            said.update(b"%d " % number)

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(listen)
            async with trio.open_nursery() as workers:
                for number in range(_SELF_TEST_TASKS):
                    workers.start_soon(work, number)
            nursery.cancel_scope.cancel()

    run(main, seed)
    return said.hexdigest()
