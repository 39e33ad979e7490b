"""Four actors in a row, as the benchmarks of the bus and the journal drive them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import trio

from messages.base import Message, encode
from state.store import Store
from supervisor.actor import Actor, Context, State
from supervisor.clock import ProcessClock
from supervisor.journal import Envelope, Journal
from supervisor.limits import TURN_MESSAGES_MAX
from supervisor.spec import ChildSpec, SupervisorSpec
from supervisor.system import System

STAGES = ("/first", "/second", "/third", "/fourth")
# What the market's way through the tree carries: a symbol, a side, three numbers and a time.
_AT_NS = 1_800_000_000_000_000_000


class Hop(Message, frozen=True, kw_only=True, tag="bench.Hop"):
    """A message of the size of a trade."""

    symbol: str
    side: str
    ticks: int
    lots: int
    number: int
    at_ns: int


SAMPLE = Hop(symbol="ETH/USDT", side="buy", ticks=345_678, lots=1_200, number=1, at_ns=_AT_NS)


class Total(State):
    """What passed a stage."""

    lots: int = 0


class Stage(Actor[Total]):
    """Adds up, and hands on if there is a next stage."""

    def __init__(self, to: str = "") -> None:
        self._to = to

    def on_hop(self, state: Total, message: Hop, ctx: Context) -> None:
        """Count one message."""
        state.lots += message.lots
        if self._to:
            ctx.send(self._to, message)


class Pipeline:
    """A running tree of four stages."""

    def __init__(self, system: System) -> None:
        self.system = system
        self._first = system.cells[STAGES[0]]
        self._last = system.cells[STAGES[-1]]
        self._sender = system.router.enroll("/bench")
        self._body = encode(SAMPLE)

    @property
    def passed(self) -> int:
        """How many messages went through all stages."""
        return self._last.mailbox.handled

    async def feed(self, batches: int) -> None:
        """Send full turns into the first stage, as fast as a port may."""
        router, journal = self.system.router, self.system.journal
        sender, body = self._sender, self._body
        target, at_ns = self._first.actor_id, self.system.clock.now_ns()
        for _ in range(batches):
            batch: list[Envelope] = [
                (router.next_position(), sender, target, at_ns, body, "", 0)
                for _ in range(TURN_MESSAGES_MAX)
            ]
            journal.durables(batch)
            self._first.deliver(batch)
            await self.system.ready()

    async def pump(self, batches: int) -> int:
        """Send full turns through all stages; return how many messages were handled."""
        goal = self.passed + batches * TURN_MESSAGES_MAX
        await self.feed(batches)
        while self.passed < goal:
            await trio.lowlevel.checkpoint()
        assert self.system.conserved, "a message was lost or made up"
        return batches * TURN_MESSAGES_MAX * len(STAGES)


@asynccontextmanager
async def storing(folder: Path) -> AsyncIterator[Store]:
    """Run a new store in `folder`, committing as in production, for the length of a block."""
    store = Store.open(folder)
    async with trio.open_nursery() as nursery:
        await nursery.start(store.run)
        try:
            yield store
        finally:
            await store.aclose()


@asynccontextmanager
async def pipeline(journal: Journal) -> AsyncIterator[Pipeline]:
    """Run a pipeline on `journal` for the length of a `with` block."""
    children = tuple(
        ChildSpec(name=stage[1:], start=partial(Stage, to))
        for stage, to in zip(STAGES, (*STAGES[1:], ""), strict=True)
    )
    system = System(SupervisorSpec(name="", children=children), journal, ProcessClock())
    opened = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(system.run, opened.set)
        await opened.wait()
        # As in the daemon.
        with system.sampler.installed():
            yield Pipeline(system)
        system.request_stop()
