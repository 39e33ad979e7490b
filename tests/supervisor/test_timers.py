"""Timers that wait after a start until somebody knows what happened meanwhile."""

from collections.abc import Iterable

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from messages.runtime import Settled
from supervisor.actor import Actor, Context, State
from supervisor.clock import ManualClock
from supervisor.journal import MemoryJournal, RecordedTurn, Snapshot
from supervisor.spec import ChildSpec, SpecError, SupervisorSpec
from supervisor.system import System
from supervisor.timers import SETTLED_TOPIC
from tests.supervisor.demo import (
    BOOT_NS,
    SECOND_NS,
    Add,
    SetTimer,
    book,
    post,
    recorder,
    running,
    settled,
)


class Snapshots(MemoryJournal):
    """Keeps what actors write when they stop in good order: enough for a next start."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: dict[int, Snapshot] = {}

    def snapshot(self, snapshot: Snapshot) -> None:
        self.kept[snapshot.actor] = snapshot

    def restore(self, actor: int) -> tuple[Snapshot | None, Iterable[RecordedTurn]]:
        return self.kept.get(actor), ()


class Settler(Actor[State]):
    """Says that it has settled when it is told to."""

    def on_add(self, state: State, message: Add, ctx: Context) -> None:
        ctx.publish(SETTLED_TOPIC, Settled())


def tree(*children: ChildSpec) -> SupervisorSpec:
    settlers = [ChildSpec(name=name, start=Settler) for name in ("alice", "bob")]
    return SupervisorSpec(name="", children=(*settlers, *children), intensity=10)


WAITING = tree(
    recorder("a", timers_after="/alice"),
    recorder("b", timers_after="/alice"),
    recorder("c", timers_after="/bob"),
    recorder("free"),
)


def fired(system: "System", address: str) -> list[str]:
    """Return what timers an actor heard of in this process, and what each had missed."""
    seen = book(system, address).seen
    since_boot = seen[len(seen) - seen[::-1].index("booted 2") :]
    return [" ".join(line.split()[1:4]) for line in since_boot]


async def test_overdue_timers_fire_once_in_due_order_when_it_is_known_what_happened(
    autojump_clock: trio.testing.MockClock,
) -> None:
    journal = Snapshots()
    async with running(WAITING, journal) as run:
        for name in ("alice", "bob"):
            post(run.system, f"/{name}", Add(amount=1))
        post(run.system, "/a", SetTimer(name="late", delay_ns=9 * SECOND_NS))
        post(run.system, "/a", SetTimer(name="soon", delay_ns=5 * SECOND_NS))
        post(run.system, "/a", SetTimer(name="p", delay_ns=0, period_ns=7 * SECOND_NS))
        post(run.system, "/b", SetTimer(name="t", delay_ns=6 * SECOND_NS))
        post(run.system, "/c", SetTimer(name="t", delay_ns=5 * SECOND_NS))
        post(run.system, "/free", SetTimer(name="t", delay_ns=5 * SECOND_NS))
        await settled()
    journal.boot += 1
    order: list[str] = []
    async with running(WAITING, journal, lambda: BOOT_NS + 100 * SECOND_NS) as run:
        system = run.system
        for address in ("/a", "/b", "/c"):
            listen(system, address, order)
        await settled()
        assert fired(system, "/free") == ["t missed 0"]
        assert order == []
        assert sorted(system.timers.waits_for()) == ["/alice", "/bob"]
        post(system, "/alice", Add(amount=1))
        await settled()
        assert order == ["/a soon", "/b t", "/a p", "/a late"]
        assert fired(system, "/a") == ["soon missed 0", "p missed 13", "late missed 0"]
        # Bob's account cannot be compared: only what is his waits.
        assert fired(system, "/c") == []
        post(system, "/a", SetTimer(name="new", delay_ns=SECOND_NS))
        await trio.sleep(1.5)
        assert fired(system, "/a")[-1] == "new missed 0"


def listen(system: System, address: str, order: list[str]) -> None:
    """Note in `order` whose timer fires."""
    cell = system.cells[address]
    fire = cell.fire

    def note(name: str, due_ns: int, missed: int) -> None:
        order.append(f"{address} {name}")
        fire(name, due_ns, missed)

    cell.fire = note  # type: ignore[method-assign]  # it goes on to the cell


async def test_a_timer_set_anew_while_it_is_held_is_held_once(
    autojump_clock: trio.testing.MockClock,
) -> None:
    async with running(WAITING) as run:
        for delay_ns in range(1, 50):
            post(run.system, "/a", SetTimer(name="t", delay_ns=delay_ns))
            await settled()
        assert book(run.system, "/a").seen == ["booted 1"]
        post(run.system, "/alice", Add(amount=1))
        await settled()
        (line,) = book(run.system, "/a").seen[1:]
        assert line.startswith("timer t missed 0")


def test_nobody_waits_for_an_actor_that_is_not_there() -> None:
    spec = replace(recorder("a"), timers_after="/nobody")
    with pytest.raises(SpecError, match="/a: timers_after is /nobody, where no actor stands"):
        System(SupervisorSpec(name="", children=(spec,)), MemoryJournal(), ManualClock(BOOT_NS))
