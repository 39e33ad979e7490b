"""What Pekko's SupervisionSpec and SupervisorHierarchySpec ask beyond OTP's suite."""

import random

import pytest
import trio

from supervisor import limits
from supervisor.child import Child, ChildState
from supervisor.lifecycle import is_supervisor
from supervisor.spec import KILLED, Backoff, ChildSpec, Ended, Spec, Strategy
from supervisor.supervisor import Supervisor
from tests.supervisor.conformance.world import (
    AT_ONCE,
    CRASH,
    ONE_FOR_ALL,
    REST_FOR_ONE,
    Told,
    Worker,
    World,
    below,
    conforms,
    quiet,
    run_case,
    sup,
    tree,
)
from tests.supervisor.demo import SECOND_NS, Add, Explode, Tick, book, post, recorder
from tests.supervisor.test_registry import Bind, Observer

WAIT = Backoff(min_ns=10 * SECOND_NS, max_ns=40 * SECOND_NS, jitter=0)


@conforms
async def test_the_first_setup_fails_the_supervisor_a_later_one_is_tried_again(
    world: World,
) -> None:
    """Exception in setup, first and later."""
    async with tree(world, sup(world.child("c1", backoff=WAIT), intensity=9)):
        world.modes["c1"] = ["fail", "fail", "ok"]
        await world.exit("c1", CRASH)
        assert world.sup.which_child("c1").state is ChildState.BACKOFF
        await trio.sleep(9)
        assert world.starts["c1"] == 1
        await trio.sleep(2)
        # The second failure doubled the wait.
        assert world.sup.which_child("c1").state is ChildState.BACKOFF
        await trio.sleep(20)
        assert world.up() == ["c1"]
    first = World()
    first.modes["c1"] = ["fail"]
    async with tree(first, sup(first.child("c1", backoff=WAIT))):
        assert (await first.ended()).ended is Ended.START_FAILED


@conforms
async def test_waits_follow_the_formula_and_are_forgiven(world: World) -> None:
    """Backoff: min * 2^n up to max; after (min + max) / 2 of life it begins anew."""
    async with tree(world, sup(world.child("c1", backoff=WAIT), intensity=99)):
        waits = []
        for _ in range(5):
            began_s = trio.current_time()
            await world.exit("c1", CRASH)
            for _ in range(400):
                await trio.sleep(0 if world.up() else 0.25)
            waits.append(round(trio.current_time() - began_s))
        assert waits == [0, 10, 20, 40, 40]
        await trio.sleep(26)
        began_s = trio.current_time()
        await world.exit("c1", CRASH)
        assert world.up() == ["c1"]
        assert trio.current_time() == began_s


@conforms
@pytest.mark.parametrize("strategy", list(Strategy)[:3])
async def test_others_are_stopped_or_kept_while_one_waits(world: World, strategy: Strategy) -> None:
    """Children stopped, or kept, on restart and on backoff."""
    names = ("c1", "c2", "c3")
    children = [world.child(name, backoff=WAIT) for name in names]
    async with tree(world, sup(*children, strategy=strategy, intensity=9)):
        await world.exit("c2", CRASH)
        assert world.up() == list(names)
        await world.exit("c2", CRASH)
        kept = {Strategy.ONE_FOR_ONE: ["c1", "c3"], ONE_FOR_ALL: [], REST_FOR_ONE: ["c1"]}
        assert world.up() == kept[strategy]
        await trio.sleep(11)
        assert world.up() == list(names)


@conforms
async def test_an_earlier_one_that_ends_meanwhile_takes_over(world: World) -> None:
    """rest_for_one: a child that waits is started with the earlier one, and waits no more."""
    children = [world.child("c1"), world.child("c2", backoff=WAIT)]
    async with tree(world, sup(*children, strategy=REST_FOR_ONE, intensity=9)):
        await world.exit("c2", CRASH)
        await world.exit("c2", CRASH)
        assert world.up() == ["c1"]
        await world.exit("c1", CRASH)
        assert world.up() == ["c1", "c2"]
        starts = world.starts["c2"]
        await trio.sleep(60)
        assert world.starts["c2"] == starts


@conforms
async def test_what_waits_is_kept_across_a_restart_in_order(world: World) -> None:
    """Stash retention across restarts, and a second failure while unstashing."""
    async with tree(world, sup(recorder("a", backoff=WAIT), intensity=9)):
        post(world.system, "/a", Add(amount=0), Explode(times=3))
        await quiet()
        assert world.sup.which_child("a").state is ChildState.BACKOFF
        # Waiting: poison once more, then messages around it.
        post(world.system, "/a", Add(amount=1), Explode(times=4), Add(amount=2))
        await trio.sleep(120)
        assert world.up() == ["a"]
        seen = book(world.system, "/a").seen[1:]
        assert [line for line in seen if line.startswith("add")] == ["add 0", "add 1", "add 2"]
        assert world.system.conserved


@conforms
async def test_a_full_stash_makes_dead_letters_and_the_gap_is_told(world: World) -> None:
    """Drops are published when the stash of a backoff is full; what is durable is never one."""
    async with tree(world, sup(recorder("a", topics=("/t",), backoff=WAIT), intensity=9)):
        world.sup.find("a").kill(KILLED)
        await quiet()
        world.sup.find("a").kill(KILLED)
        await quiet()
        assert world.sup.which_child("a").state is ChildState.BACKOFF
        extra = 7
        for number in range(limits.STASH_MAX + extra):
            world.system.router.publish(0, "/t", Tick(number=number))
            post(world.system, "/a", Add(amount=1))
        letters = list(world.system.router.dead_letters)
        assert [letter.reason for letter in letters] == [
            "it waits to be restarted, and its stash is full"
        ] * extra
        mailbox = world.system.cells["/a"].mailbox.statistics()
        assert (mailbox.dead, mailbox.dropped) == (extra, 0)
        await trio.sleep(11)
        seen = book(world.system, "/a").seen
        assert seen.count("add 1") == limits.STASH_MAX + extra
        assert sum(line.startswith("tick") for line in seen) == limits.STASH_MAX
        world.system.router.publish(0, "/t", Tick(number=999))
        await quiet()
        assert book(world.system, "/a").seen[-2:] == [f"gap {extra}", "tick 999"]


@conforms
async def test_a_restarted_supervisor_begins_its_childrens_waits_anew(world: World) -> None:
    """Reset of nested backoffs."""
    inner = below("inner", world.child("c1", backoff=WAIT), intensity=2)
    async with tree(world, sup(inner, intensity=9)):
        at = world.at("inner")
        await world.exit("c1", CRASH, at)
        await world.exit("c1", CRASH, at)
        assert at.which_child("c1").state is ChildState.BACKOFF
        await trio.sleep(11)
        await world.exit("c1", CRASH, at)
        # Too often: inner is restarted, and c1 with it.
        assert world.incarnation("inner") == 2
        began_s = trio.current_time()
        await world.exit("c1", CRASH, at)
        assert world.up(at) == ["c1"]
        assert trio.current_time() == began_s


class Chaos(World):
    """Children that fail at any of their moments, by chance."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.random = random.Random(seed)  # noqa: S311 - no secrets
        self.chance = 0.0

    def _make(self, name: str, *arguments: object) -> Worker:
        if self.random.random() < self.chance:
            raise Told("in its constructor")
        return super()._make(name)

    def mode_of(self, name: str) -> str:
        self.sore.discard(name)
        if self.random.random() < self.chance:
            self.sore.add(name)
        return "fail" if self.random.random() < self.chance else "ok"

    def branch(self, name: str, depth: int) -> Spec:
        """Return a random tree."""
        if depth == 0 or (depth < 3 and self.random.random() < 0.3):
            return self.child(name, shutdown_ns=SECOND_NS)
        strategy = self.random.choice(list(Strategy)[:3])
        children = [self.branch(f"{name}{n}", depth - 1) for n in range(self.random.randint(1, 3))]
        return below(name, *children, strategy=strategy, intensity=10_000)


def everybody(supervisor: Supervisor) -> list[Child]:
    found = []
    for child in supervisor.children:
        found.append(child)
        if isinstance(child.runner, Supervisor):
            found += everybody(child.runner)
    return found


def survives(seed: int) -> None:
    chaos = Chaos(seed)

    async def case(world: World) -> None:
        spec = sup(*(chaos.branch(f"n{n}", 3) for n in range(3)), intensity=100_000)
        async with tree(chaos, spec):
            names = [child.address for child in everybody(chaos.sup)]
            chaos.chance = 0.15
            for _ in range(60):
                victim = chaos.random.choice(everybody(chaos.sup))
                if victim.is_up:
                    victim.kill(chaos.random.choice((CRASH, KILLED)))
                await trio.sleep(chaos.random.choice((0, 0, 0.01, 1)))
            chaos.chance = 0.0
            await trio.sleep(30)
            assert chaos.is_running
            assert [child.address for child in everybody(chaos.sup)] == names
            assert {child.state for child in everybody(chaos.sup)} == {ChildState.RUNNING}
            assert set(chaos.system.registry.running) == set(names)
            assert any(is_supervisor(child) for child in everybody(chaos.sup))

    run_case(case, seed)


@pytest.mark.parametrize("seed", range(3))
def test_a_random_tree_survives_being_stressed(seed: int) -> None:
    """SupervisorHierarchySpec, survive being stressed: failures in constructor, start and stop."""
    survives(seed)


@pytest.mark.check
def test_more_random_trees_survive_being_stressed() -> None:
    """The same, with other trees and other failures."""
    for seed in range(3, 25):
        survives(seed)


@pytest.mark.soak
def test_a_thousand_random_trees_survive_being_stressed() -> None:
    """The same again."""
    for seed in range(25, 1_025):
        survives(seed)


@conforms
async def test_who_ends_with_another_is_restarted(world: World) -> None:
    """DeathPact recovery: an end by a link is an end like any other."""
    linked = ChildSpec(name="o", start=Observer, backoff=AT_ONCE)
    async with tree(world, sup(linked, world.child("c1"), intensity=9)):
        post(world.system, "/o", Bind(address="/c1"))
        await quiet()
        await world.exit("c1", CRASH)
        assert world.up() == ["o", "c1"]
        assert world.incarnation("o") == 2
        assert world.last_exit("o").ended is Ended.CRASH
