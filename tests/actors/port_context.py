"""A runtime for one port: its commands, and a record of what it did. Time is trio's."""

import contextlib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import trio

from messages.base import Message, encode
from supervisor.clock import trio_monotonic_ns
from supervisor.port import Command, Port
from tests.actors.trading import START_NS


class RecordingContext:
    """A `PortContext` that records."""

    def __init__(self, address: str, nursery: trio.Nursery) -> None:
        self.address = address
        self.nursery = nursery
        self.sent: list[tuple[str, Message]] = []
        self.published: list[tuple[str, Message]] = []
        self.outcomes: dict[int, Message | None] = {}
        self.readable = trio.Event()
        self.readable.set()
        self._zero_ns = trio_monotonic_ns()
        self._position = 0
        self._concluded = trio.lowlevel.ParkingLot()
        self._give, self._take = trio.open_memory_channel[Command](1_000)

    def now_ns(self) -> int:
        return START_NS + trio_monotonic_ns() - self._zero_ns

    def random(self) -> float:
        return 0.5

    def new_id(self) -> str:
        self._position += 1
        return f"id-{self._position}"

    def started(self) -> None:
        pass

    def send(self, address: str, message: Message) -> None:
        encode(message)
        self.sent.append((address, message))

    def publish(self, topic: str, message: Message) -> None:
        encode(message)
        self.published.append((topic, message))

    async def receive(self) -> Command:
        return await self._take.receive()

    def conclude(self, command: Command, outcome: Message | None) -> bool:
        if command.position in self.outcomes:
            return False
        self.outcomes[command.position] = outcome
        self._concluded.unpark_all()
        return True

    async def ready(self) -> None:
        await self.readable.wait()

    async def committed(self) -> None:
        await trio.lowlevel.checkpoint()

    # --- for tests

    def command(self, message: Message, sender: str = "/orders") -> Command:
        """Make a command without delivering it."""
        self._position += 1
        return Command(self._position, sender, self.now_ns(), message)

    def order(self, message: Message, sender: str = "/orders") -> int:
        """Deliver a command; return its position, under which its outcome will be found."""
        command = self.command(message, sender)
        self._give.send_nowait(command)
        return command.position

    async def outcome(self, message: Message) -> Message | None:
        """Deliver a command and wait for its outcome."""
        position = self.order(message)
        with trio.fail_after(600):
            while position not in self.outcomes:
                await self._concluded.park()
        return self.outcomes[position]

    def sent_to(self, address: str) -> list[Message]:
        """Return what was sent to one address, in order."""
        return [message for to, message in self.sent if to == address]

    def on(self, topic: str) -> list[Message]:
        """Return what was published on one topic, in order."""
        return [message for at, message in self.published if at == topic]


@asynccontextmanager
async def running(
    port: Port, address: str, pending: Sequence[Message] = ()
) -> AsyncIterator[RecordingContext]:
    """Run `port` as the runtime would, recovering `pending` first; cancel it at the end."""
    async with trio.open_nursery() as nursery:
        context = RecordingContext(address, nursery)
        left = [context.command(message) for message in pending]
        if left:
            await port.recover(left, context)
        nursery.start_soon(port.run, context)
        with contextlib.ExitStack() as stack:
            stack.callback(nursery.cancel_scope.cancel)
            yield context
