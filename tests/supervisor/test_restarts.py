"""A crashed actor that is restarted at once is so in its own task: nothing may tell the difference.

Random scripts of crashes are played twice: as it is, and with every end told to the supervisor's
loop, which decides it event by event.
"""

import logging
import random
from collections.abc import Iterator
from functools import partial

import pytest
import trio
import trio.testing

from supervisor import determinism, limits
from supervisor.spec import Backoff, ChildSpec, Poison, Restart, Strategy, SupervisorSpec
from supervisor.statistics import Node
from supervisor.supervising import Supervising
from tests.supervisor.conformance.world import silent
from tests.supervisor.demo import SECOND_NS, Add, Explode, Recorder, post, recorder, running

NAMES = ("a", "b", "c")
STEPS = 12


def spec_of(draw: random.Random) -> SupervisorSpec:
    """Return a tree in which some ends are plain, and others are not."""
    children = tuple(
        recorder(
            name,
            restart=draw.choice([Restart.PERMANENT, Restart.PERMANENT, Restart.TRANSIENT]),
            backoff=draw.choice([Backoff(), Backoff(min_ns=0, max_ns=0)]),
            poison=draw.choice([Poison.SKIP, Poison.BLOCK]),
            monitored_by=draw.choice([(), ("/watch",)]),
        )
        for name in NAMES
    )
    inner = SupervisorSpec(
        name="inner",
        children=children,
        strategy=draw.choice([Strategy.ONE_FOR_ONE, Strategy.REST_FOR_ONE]),
        intensity=draw.choice([2, 6, 50]),
    )
    return SupervisorSpec(name="", children=(recorder("watch"), inner), bulkhead=True)


def nodes(node: Node) -> Iterator[Node]:
    yield node
    for below in node.children:
        yield from nodes(below)


async def play(seed: int) -> list[object]:
    """Return everything that a script of crashes leaves to be seen."""
    draw = random.Random(seed)  # noqa: S311 - no secret
    trace: list[object] = []
    async with running(spec_of(draw)) as run:
        for _ in range(STEPS):
            address = f"/inner/{draw.choice(NAMES)}"
            post(run.system, address, Explode(times=draw.choice([1, 2])), Add(amount=1))
            await trio.sleep(draw.choice([0.01, 0.05, 2, 16]))
            # What crashes in the same moment may be decided in either order.
            for _ in range(60):
                if all(node.state != "backoff" for node in nodes(run.system.tree())):
                    break
                await trio.sleep(1)
            cell = run.system.cells[address]
            if cell.blocked is not None and draw.random() < 0.5:
                cell.release(discard=draw.random() < 0.5, operator="alice", reason="a test")
        await trio.sleep(40)
        for at, cell in run.system.cells.items():
            child = run.system.child_at(at)
            seen = cell.fold.state if cell.fold is not None else None
            figures = (child.state, child.restarts, child.streak, child.last_exit)
            counted = cell.mailbox.statistics()
            counts = (counted.sent, counted.handled, counted.dead)
            trace.append((at, cell.incarnation, str(figures), str(seen), counts))
        trace += [run.reports, run.system.restarts, run.system.registry.running]
    return trace


SEEDS = [*range(5), *(pytest.param(seed, marks=pytest.mark.check) for seed in range(5, 40))]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_restart_in_place_is_told_from_no_other(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with silent():
        found = determinism.run(partial(play, seed), seed)
        monkeypatch.setattr(Supervising, "_is_plain", lambda *_: False)
        assert determinism.run(partial(play, seed), seed) == found


async def test_a_plain_restart_takes_no_turn_of_another_task(
    autojump_clock: trio.testing.MockClock,
) -> None:
    tasks: list[trio.lowlevel.Task] = []

    class Noted(Recorder):
        def on_add(self, state: object, message: Add, ctx: object) -> None:
            tasks.append(trio.lowlevel.current_task())
            assert len(tasks) > 1, "told to"

    spec = ChildSpec(name="n", start=Noted)
    async with running(SupervisorSpec(name="", children=(spec,))) as run:
        post(run.system, "/n", Add(amount=1))
        await trio.sleep(SECOND_NS / 1e9)
        assert run.system.cells["/n"].incarnation == 2
    assert tasks == [tasks[0]] * 2


async def test_who_does_not_stay_up_is_logged_louder(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    spec = SupervisorSpec(name="", children=(recorder("a"),), intensity=50)
    async with running(spec) as run:
        for _ in range(limits.CRITICAL_STREAK):
            post(run.system, "/a", Explode(times=10**9))
            await trio.sleep(3)
    loud = [line.getMessage() for line in caplog.records if line.levelno == logging.CRITICAL]
    assert loud
    assert loud[0].startswith(f"/a does not stay up: restart {limits.CRITICAL_STREAK} in a row, ")
