"""A port: the kind of child that touches the outside, and the context through which it is reached.

A port owns no state that matters. What it is told to do are durable commands, each concluded once
by an outcome; after a crash the unconcluded ones go to `recover`, which asks the outside what
became of them and never blindly executes again.
"""

from collections.abc import Sequence
from typing import ClassVar, NamedTuple, Protocol

import trio
from msgspec import Struct

from messages.base import Message


class Command(NamedTuple):
    """Something a port was sent: a durable command, or a stream message it subscribed to."""

    position: int
    sender: str
    """The address of who sent it; the topic, for a stream message."""
    at_ns: int
    """When its cause entered the process."""
    message: Message


class PortContext(Protocol):
    """What the runtime does for a port."""

    address: str
    nursery: trio.Nursery
    """The port's own: what runs in it ends with the port."""

    def now_ns(self) -> int:
        """Return the process clock."""

    def random(self) -> float:
        """Return a number in [0, 1); reproducible in simulation."""

    def new_id(self) -> str:
        """Return a new UUID-shaped id, never given out before by this lineage."""

    def started(self) -> None:
        """Say that the port is ready; those started after it wait if it `announces_start`."""

    def send(self, address: str, message: Message) -> None:
        """Send a durable message to an actor: journalled at once, delivered at once."""

    def publish(self, topic: str, message: Message) -> None:
        """Publish a stream message."""

    async def receive(self) -> Command:
        """Wait for the next command; durable ones arrive after their commit, never before."""

    def conclude(self, command: Command, outcome: Message | None) -> bool:
        """End `command`: `outcome` goes to its sender, or nobody if None.

        Return False, with nothing sent, if it had been concluded already.
        """

    async def ready(self) -> None:
        """Wait while mailboxes or the journal are over their soft limits: then read the outside."""

    async def committed(self) -> None:
        """Wait until everything sent so far is durable."""


class Port:
    """The base of all ports."""

    commands: ClassVar[tuple[type[Message], ...]] = ()
    """What the port can be sent; anything else is a dead letter."""
    announces_start: ClassVar[bool] = False
    """Whether those started after it wait until it calls `ctx.started()`."""

    def standing(self) -> Struct | None:
        """Return how it stands, for people; asked at any time while it runs."""
        return None

    async def recover(self, pending: Sequence[Command], ctx: PortContext) -> None:
        """Find out what became of commands that an earlier incarnation did not conclude.

        Called before `run`, only if there are any. A port that takes commands must override it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} was left {len(pending)} commands and cannot recover them"
        )

    def circuit(self, now_ns: int) -> str:
        """Say, for a person, whether it leaves something that fails alone; "" if it never does."""
        return ""

    async def run(self, ctx: PortContext) -> None:
        """Do the port's work until cancelled; returning is ending normally."""
        raise NotImplementedError
