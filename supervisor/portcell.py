"""The cell of one port: the commands it has not concluded, and its contact with the tree."""

import logging
from collections import deque
from collections.abc import Iterable
from types import CodeType
from typing import ClassVar, Protocol

import trio
from msgspec import Struct

from messages.base import Delivery, Message, decoder, tag_in
from messages.runtime import Blocked, Down, Gap, Unblocked
from supervisor import limits
from supervisor.buggify import buggify
from supervisor.clock import Clock
from supervisor.ids import IdFactory
from supervisor.journal import RUNTIME, STREAMED, Envelope, Journal
from supervisor.mailbox import MailboxStatistics
from supervisor.notes import Notes
from supervisor.port import Command, Port
from supervisor.router import DeadLetter, Router
from supervisor.spec import NORMAL, ChildSpec, Ended, ExitReason
from supervisor.statistics import CellStatistics

logger = logging.getLogger("supervisor")


class Surroundings(Protocol):
    """What a port's cell needs of the system around it."""

    router: Router
    journal: Journal
    clock: Clock

    async def ready(self) -> None:
        """Wait while the tree is over its soft limits."""


class PortCell:
    """One port's place in the tree; also the `PortContext` that its incarnations are given."""

    kind = "port"
    waits_for_commit = True
    nursery: trio.Nursery

    def __init__(self, house: Surroundings, address: str, spec: ChildSpec) -> None:
        self.address = address
        self.actor_id = house.router.enroll(address)
        self.spec = spec
        self.incarnation = 0
        self._house = house
        self._port: Port | None = None
        self._decode = decoder((*_port(spec, address).commands, Gap)).decode
        self._queue: deque[Command] = deque()
        self._arrived = trio.Event()
        self._pending: dict[int, Command] = {}
        self._recover: list[Command] = []
        self._ids = IdFactory(house.journal.lineage, self.actor_id, house.journal.boot)
        self._gaps: dict[int, int] = {}
        self._started: trio.Event = trio.Event()
        self._scope: trio.CancelScope | None = None
        self._stopping = False
        self.sent = self.handled = self.dead = self.dropped = 0
        self.queued_max = 0
        self.notes = Notes()

    # --- what enters

    def deliver(self, batch: list[Envelope]) -> None:
        """Take durable commands; called after their commit."""
        self.sent += len(batch)
        for envelope in batch:
            command = self._command(envelope)
            if command is not None:
                self._pending[command.position] = command
                self._enqueue(command)

    def deliver_stream(self, envelope: Envelope) -> bool:
        self.sent += 1
        if len(self._queue) >= limits.PORT_QUEUE_MAX:
            self.dropped += 1
            self._gaps[envelope[2]] = self._gaps.get(envelope[2], 0) + 1
            return False
        command = self._command(envelope)
        if command is not None:
            self._enqueue(command)
        return True

    def gap(self, topic: int) -> int:
        if not self._gaps or len(self._queue) + 2 > limits.PORT_QUEUE_MAX:
            return 0
        return self._gaps.pop(topic, 0)

    def enter_inbox(self, pending: Iterable[Envelope]) -> None:
        """Take the commands that an earlier process left unconcluded: they are recovered first."""
        for envelope in pending:
            self.sent += 1
            command = self._command(envelope)
            if command is not None:
                self._pending[command.position] = command
                self._recover.append(command)

    def forsake(self) -> list[Command]:
        """Give up what is not concluded: the port is not coming back; return what that was."""
        left = list(self._pending.values())
        self.dead += len(self._queue)
        self._queue.clear()
        self._pending.clear()
        return left

    def _command(self, envelope: Envelope) -> Command | None:
        position, sender, target, at_ns, body, _, streamed = envelope
        name = self._house.router.names[target if streamed == STREAMED else sender or target]
        try:
            message = self._decode(body)
        except ValueError as error:
            self.dead += 1
            tag = tag_in(body)
            letter = DeadLetter(position, name, self.address, tag, str(error), at_ns)
            self._house.router.bury(letter)
            if streamed != STREAMED:
                self._house.journal.conclude(position)
            return None
        assert isinstance(message, Message), "ports are sent messages"
        return Command(position, name, at_ns, message)

    def _enqueue(self, command: Command) -> None:
        self._queue.append(command)
        self.queued_max = max(self.queued_max, len(self._queue))
        self._arrived.set()

    # --- an incarnation

    def prepare(self) -> None:
        """Make the next incarnation; raise if that cannot be done."""
        self._port = _port(self.spec, self.address)
        self.incarnation += 1
        self._stopping = False
        self._started = trio.Event()
        waiting = {command.position for command in self._queue}
        known = {command.position for command in self._recover}
        for position, command in self._pending.items():
            if position not in waiting and position not in known:
                self._recover.append(command)

    async def wait_started(self) -> None:
        """Wait until the port says that it is ready, if it is one that does."""
        assert self._port is not None, "an incarnation has a port"
        if self._port.announces_start:
            await self._started.wait()

    async def run(self) -> ExitReason:
        """Run the port until it ends, crashes, or is asked to stop; never raises but Cancelled."""
        port = self._port
        assert port is not None, "an incarnation has a port"
        reason = NORMAL
        self.notes.begin(self._house.clock.now_ns())
        try:
            async with trio.open_nursery() as nursery:
                self.nursery = nursery
                self._scope = nursery.cancel_scope
                if self._stopping:
                    nursery.cancel_scope.cancel()
                await self._recover_then_run(port)
                nursery.cancel_scope.cancel()
        except MemoryError:
            raise  # nothing that is restarted would fare better: it ends the process
        except Exception as error:
            worst = _worst(error)
            logger.exception("%s crashed", self.address)
            reason = ExitReason(Ended.CRASH, f"{type(worst).__name__}: {worst}", worst)
        finally:
            self._scope = None
        if self._stopping and reason is NORMAL:
            return ExitReason(Ended.SHUTDOWN)
        return reason

    async def _recover_then_run(self, port: Port) -> None:
        if self._recover:
            pending = [c for c in self._recover if c.position in self._pending]
            await port.recover(pending, self)
            self._recover = []
        if buggify("port.late-run"):
            await trio.sleep(self.random())
        await port.run(self)

    running: ClassVar[CodeType] = _recover_then_run.__code__
    """Where a port's own code is called from, for `supervisor/condemned.py`."""

    def request_stop(self) -> None:
        """Ask the incarnation to end: its waits are cancelled, its shielded clean-up runs."""
        self._stopping = True
        if self._scope is not None:
            self._scope.cancel()

    # --- PortContext

    def now_ns(self) -> int:
        return self._house.clock.now_ns()

    def random(self) -> float:
        return self._ids.random()

    def new_id(self) -> str:
        return self._ids.new_id()

    def started(self) -> None:
        self._started.set()

    def send(self, address: str, message: Message) -> None:
        assert message.delivery is Delivery.DURABLE, "a stream message is published, not sent"
        self._house.router.post(self.actor_id, address, message)

    def publish(self, topic: str, message: Message) -> None:
        assert message.delivery is Delivery.STREAM, "a durable message is sent, not published"
        self._house.router.publish(self.actor_id, topic, message)

    async def receive(self) -> Command:
        while not self._queue:
            self._arrived = trio.Event()
            await self._arrived.wait()
        if buggify("port.slow"):
            await trio.sleep(self.random())
        self.handled += 1
        return self._queue.popleft()

    def conclude(self, command: Command, outcome: Message | None) -> bool:
        if self._pending.pop(command.position, None) is None:
            return False
        if outcome is None:
            self._house.journal.conclude(command.position)
        else:
            self._house.router.post(
                self.actor_id, command.sender, outcome, concludes=command.position
            )
        return True

    def waiting(self) -> tuple[list[Command], list[Command]]:
        """Return the commands that it took and did not conclude, and those it did not take yet."""
        queued = {command.position for command in self._queue}
        pending = [c for position, c in self._pending.items() if position not in queued]
        return pending, list(self._queue)

    async def ready(self) -> None:
        await self._house.ready()

    async def committed(self) -> None:
        await self._house.journal.committed()

    def notify(self, message: Blocked | Unblocked | Down) -> None:
        """Tell those who monitor this cell."""
        for address in self.spec.monitored_by:
            self._house.router.post(RUNTIME, address, message)

    def standing(self) -> Struct | None:
        """Return how the port says that it stands; None: it says nothing, or never ran."""
        return self._port.standing() if self._port is not None else None

    @property
    def circuit(self) -> str:
        """Whether it leaves something that fails alone, in words."""
        return self._port.circuit(self._house.clock.now_ns()) if self._port is not None else ""

    def statistics(self) -> CellStatistics:
        """Return what is known of this cell."""
        mailbox = MailboxStatistics(
            sent=self.sent,
            handled=self.handled,
            dead=self.dead,
            dropped=self.dropped,
            conflated=0,
            queued=len(self._queue),
            queued_max=self.queued_max,
        )
        return CellStatistics(
            address=self.address,
            kind=self.kind,
            incarnation=self.incarnation,
            seq=0,
            mailbox=mailbox,
        )


def _port(spec: ChildSpec, address: str) -> Port:
    port = spec.start()
    assert isinstance(port, Port), f"{address} is the cell of a port"
    return port


def _worst(error: BaseException) -> BaseException:
    """Return the leaf that says most: of a group, the first that is not itself a consequence."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
