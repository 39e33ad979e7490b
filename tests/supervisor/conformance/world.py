"""A supervisor, children that do what a test tells them, and what must hold after every run.

`@conforms` runs a case once for each seed of the scheduler, on virtual time.
"""

import inspect
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial, wraps

import pytest
import trio
import trio.testing
from msgspec.structs import replace

from messages.base import Message
from supervisor.child import ChildState
from supervisor.determinism import deterministic
from supervisor.journal import Journal, MemoryJournal
from supervisor.port import Port, PortContext
from supervisor.spec import (
    KILLED,
    NORMAL,
    SHUTDOWN,
    Backoff,
    ChildSpec,
    Ended,
    ExitReason,
    Ignore,
    Restart,
    Spec,
    Strategy,
    SupervisorSpec,
)
from supervisor.supervisor import Supervisor
from supervisor.system import System
from tests.supervisor.demo import SECOND_NS, Running, running

# `make test` shows that a case holds, `make check` and `make soak` that no order of tasks breaks
# it.
SEEDS_TEST, SEEDS_CHECK, SEEDS_SOAK = 3, 100, 1_000

PERMANENT, TRANSIENT, TEMPORARY = Restart.PERMANENT, Restart.TRANSIENT, Restart.TEMPORARY
SHUTDOWN_TERM = ExitReason(Ended.SHUTDOWN, "with a term")
CRASH = ExitReason(Ended.CRASH, "told to")
REASONS = (NORMAL, SHUTDOWN, SHUTDOWN_TERM, CRASH, KILLED)
AT_ONCE = Backoff(min_ns=0, max_ns=0)
# Longer than anything waits, in virtual time.
CASE_S_MAX = 1_000


class Told(Exception):  # noqa: N818 - it is what a child was told to raise
    """A crash that a test asked for."""


class Worker(Port):
    """A child that logs its starts and ends and otherwise waits to be told how to end."""

    announces_start = True

    def __init__(self, world: "World", name: str, *arguments: Message) -> None:
        self._world = world
        self._name = name
        self._arguments = arguments

    async def run(self, ctx: PortContext) -> None:
        world, name = self._world, ctx.address.rpartition("/")[2]
        world.arguments[name] = self._arguments
        mode = world.mode_of(name)
        if mode == "fail":
            raise Told("cannot start")
        if mode == "ignore":
            raise Ignore
        if mode == "hang":
            await trio.sleep_forever()
        ctx.started()
        world.log.append(f"start {name}")
        world.starts[name] += 1
        event = world.endings[name] = trio.Event()
        try:
            await event.wait()
        finally:
            if name in world.stubborn:
                with trio.CancelScope(shield=True):
                    await trio.sleep(world.stubborn[name])
            world.log.append(f"stop {name}")
            if name in world.sore:
                raise Told("while stopping")
        if world.crashing.pop(name, False):
            raise Told("told to")


class World:
    """What a case holds: the running tree, and its hand on every child."""

    def __init__(self) -> None:
        self.run: Running | None = None
        self.log: list[str] = []
        self.starts: Counter[str] = Counter()
        self.modes: dict[str, list[str]] = {}
        self.endings: dict[str, trio.Event] = {}
        self.crashing: dict[str, bool] = {}
        self.stubborn: dict[str, float] = {}
        self.sore: set[str] = set()
        self.arguments: dict[str, tuple[Message, ...]] = {}
        self.is_bad: set[str] = set()

    # --- building

    def child(self, name: str, restart: Restart = PERMANENT, **settings: object) -> ChildSpec:
        """Return the spec of a worker that does what this world says."""
        start = partial(self._make, name)
        spec = ChildSpec(name=name, start=start, restart=restart, backoff=AT_ONCE)
        return replace(spec, **settings)

    def _make(self, name: str, *arguments: Message) -> Worker:
        if name in self.is_bad:
            raise Told("no such device")
        return Worker(self, name, *arguments)

    def mode_of(self, name: str) -> str:
        """Return how the next start of a child goes; the last mode given stays."""
        modes = self.modes.get(name, ["ok"])
        return modes.pop(0) if len(modes) > 1 else modes[0]

    # --- looking

    @property
    def system(self) -> System:
        assert self.run is not None
        return self.run.system

    @property
    def sup(self) -> Supervisor:
        return self.system.root

    @property
    def reason(self) -> ExitReason:
        assert self.run is not None
        assert self.run.reason is not None
        return self.run.reason

    def at(self, *names: str) -> Supervisor:
        """Return the supervisor that stands below the root at these names."""
        found = self.sup
        for name in names:
            runner = found.find(name).runner
            assert isinstance(runner, Supervisor)
            found = runner
        return found

    async def ended(self) -> ExitReason:
        """Wait until the whole tree ended; return why."""
        assert self.run is not None
        with trio.fail_after(CASE_S_MAX):
            await self.run.ended.wait()
        return self.reason

    @property
    def is_running(self) -> bool:
        assert self.run is not None
        return self.run.reason is None

    def names(self, sup: Supervisor | None = None) -> list[str]:
        return [info.name for info in (sup or self.sup).which_children()]

    def up(self, sup: Supervisor | None = None) -> list[str]:
        """Return the names of the children that run."""
        children = (sup or self.sup).which_children()
        return [info.name for info in children if info.state is ChildState.RUNNING]

    def counts(self, sup: Supervisor | None = None) -> list[int]:
        counted = (sup or self.sup).count_children()
        return [counted.specs, counted.active, counted.supervisors, counted.workers]

    def incarnation(self, name: str, sup: Supervisor | None = None) -> int:
        return (sup or self.sup).which_child(name).incarnation

    def last_exit(self, name: str, sup: Supervisor | None = None) -> ExitReason:
        reason = (sup or self.sup).find(name).last_exit
        assert reason is not None
        return reason

    # --- acting

    async def exit(self, name: str, reason: ExitReason, sup: Supervisor | None = None) -> None:
        """End a child for `reason` and let what follows happen."""
        self.tell(name, reason, sup)
        await quiet()

    def tell(self, name: str, reason: ExitReason, sup: Supervisor | None = None) -> None:
        """End a child: by itself if normally or by a crash, else by an exit signal."""
        child = (sup or self.sup).find(name)
        if reason.ended in (Ended.NORMAL, Ended.CRASH) and name in self.endings:
            if reason.ended is Ended.CRASH:
                self.crashing[name] = True
            self.endings[name].set()
        else:
            child.kill(reason)


async def quiet() -> None:
    """Let everything that can happen without time passing happen."""
    await trio.testing.wait_all_tasks_blocked()
    await trio.testing.wait_all_tasks_blocked()


def sup(*children: Spec, **settings: object) -> SupervisorSpec:
    """Return a root with OTP's defaults of the suite: at most 2 restarts in an hour."""
    spec = SupervisorSpec(
        name="", children=children, intensity=2, period_ns=3_600 * SECOND_NS, durable=False
    )
    return replace(spec, **settings)


def below(name: str, *children: Spec, **settings: object) -> SupervisorSpec:
    """Return a supervisor below the root."""
    return replace(sup(*children, backoff=AT_ONCE), name=name, **settings)


ONE_FOR_ALL, REST_FOR_ONE = Strategy.ONE_FOR_ALL, Strategy.REST_FOR_ONE


@asynccontextmanager
async def tree(
    world: World, spec: SupervisorSpec, journal: Journal | None = None
) -> AsyncIterator[World]:
    """Run a tree; afterwards no task is left, no name bound, and no message lost."""
    before = trio.lowlevel.current_statistics().tasks_living
    async with running(spec, journal or MemoryJournal()) as run:
        world.run = run
        yield world
    await quiet()
    assert trio.lowlevel.current_statistics().tasks_living == before
    assert run.system.registry.running == []
    assert run.system.conserved


@contextmanager
def silent() -> Iterator[None]:
    """Have the crashes that a case asks for not fill the output."""
    logger = logging.getLogger("supervisor")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def run_case(case: Callable[..., Awaitable[None]], seed: int, **arguments: object) -> None:
    """Run a case once under one seed of the scheduler."""

    async def main() -> None:
        with trio.fail_after(2 * CASE_S_MAX):
            await case(World(), **arguments)

    with silent(), deterministic(seed):
        trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))


SEEDS = [
    pytest.param(range(SEEDS_TEST), id="seeds"),
    pytest.param(range(SEEDS_TEST, SEEDS_CHECK), id="check", marks=pytest.mark.check),
    pytest.param(range(SEEDS_CHECK, SEEDS_SOAK), id="soak", marks=pytest.mark.soak),
]


class Noted:
    """Says under which circumstances something failed."""

    def __init__(self, note: str) -> None:
        self._note = note

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            error.add_note(self._note)


def conforms(case: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """Make a test of a case: it holds under every seed."""

    @wraps(case)
    def test(seeds: range, **arguments: object) -> None:
        for seed in seeds:
            with Noted(f"with seed {seed} of the scheduler"):
                run_case(case, seed, **arguments)

    own = list(inspect.signature(case).parameters.values())[1:]
    seeds = inspect.Parameter("seeds", inspect.Parameter.KEYWORD_ONLY)
    keywords = [one.replace(kind=inspect.Parameter.KEYWORD_ONLY) for one in own]
    setattr(test, "__signature__", inspect.Signature([seeds, *keywords]))  # noqa: B010 - for mypy
    marked: Callable[..., None] = pytest.mark.parametrize("seeds", SEEDS)(test)
    return marked
