"""Names, routes and topics: the way of a message from who emits it to who handles it.

Every message gets a global position here, is appended to the journal, and only then delivered: at
once to an actor, after its commit to a port.
"""

import logging
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from messages.base import Message, encode, tag_in
from messages.runtime import Gap, Undeliverable
from supervisor import limits
from supervisor.actor import PUBLISH, SEND, Effect
from supervisor.effects import inline_body
from supervisor.journal import RUNTIME, STREAMED, Envelope, Journal, Post, StoredEffect

logger = logging.getLogger("supervisor")


class DeadLetter(NamedTuple):
    """A message that nobody could be given."""

    position: int
    sender: str
    target: str
    tag: str
    reason: str
    at_ns: int


class Receiver(Protocol):
    """Whoever has an address: a cell of an actor or of a port."""

    address: str
    actor_id: int
    waits_for_commit: bool
    """Ports touch the outside: they are given nothing that is not durable."""

    def deliver(self, batch: list[Envelope]) -> None:
        """Take durable messages."""

    def deliver_stream(self, envelope: Envelope) -> bool:
        """Take a stream message, or refuse it and return False."""

    def gap(self, topic: int) -> int:
        """Return how many of `topic` were refused since the last one taken, and forget it."""


class Router:
    """Gives out positions, journals, delivers."""

    def __init__(self, journal: Journal, now_ns: Callable[[], int]) -> None:
        self.journal = journal
        self._now_ns = now_ns
        self._position = journal.next_position()
        self._ids = journal.names()
        self.names = {number: name for name, number in self._ids.items()}
        self._receivers: dict[str, Receiver] = {}
        self._subscribers: dict[str, tuple[Receiver, ...]] = {}
        self._letters_logged = 0
        self._letters_since_ns = 0
        self.dead_letters: deque[DeadLetter] = deque(maxlen=limits.DEAD_LETTERS_KEPT)
        self.dead = 0

    # --- names

    def enroll(self, name: str) -> int:
        """Return the number that stands for `name` in the journal."""
        number = self._ids.get(name)
        if number is None:
            number = self._ids[name] = self.journal.enroll(name)
            self.names[number] = name
        return number

    def register(self, receiver: Receiver, topics: Sequence[str]) -> None:
        """Give `receiver` its address and its subscriptions."""
        assert receiver.address not in self._receivers, f"{receiver.address} is taken"
        self._receivers[receiver.address] = receiver
        for topic in topics:
            self.subscribe(topic, receiver)

    def unregister(self, receiver: Receiver) -> None:
        """Take the address and all subscriptions of `receiver` back."""
        del self._receivers[receiver.address]
        for topic, subscribers in self._subscribers.items():
            if receiver in subscribers:
                self._subscribers[topic] = tuple(s for s in subscribers if s is not receiver)

    def subscribe(self, topic: str, receiver: Receiver) -> None:
        """Have what is published on `topic` delivered to `receiver`, in order of subscription."""
        subscribers = self._subscribers.get(topic, ())
        if receiver not in subscribers:
            self._subscribers[topic] = (*subscribers, receiver)

    def is_known(self, name: str) -> bool:
        """Whether `name` was ever given a number: then the journal may hold something of it."""
        return name in self._ids

    def find(self, address: str) -> Receiver | None:
        """Return who has `address`."""
        return self._receivers.get(address)

    # --- messages

    def emit(self, sender: int, effects: list[Effect]) -> tuple[list[StoredEffect], "Outboxes"]:
        """Journal the effects of a turn; return their record, and what is to be delivered."""
        stored: list[StoredEffect] = []
        outboxes: Outboxes = {}
        posts: list[Post] = []
        # Most sends of a turn go where the one before went.
        outbox: list[Envelope] = []
        address: str | None = None
        target_id = 0
        position = self._position
        for effect in effects:
            kind, target, body, number = effect
            if kind == SEND:
                if target != address:
                    address, target_id = target, self.enroll(target)
                    outbox = outboxes.setdefault(target, [])
                envelope = (position, sender, target_id, number, body, "", 0)
                posts.append(envelope)
                outbox.append(envelope)
                stored.append((kind, target_id, position, number, b""))
                position += 1
            elif kind == PUBLISH:
                # Journalled at once, so what has an earlier position must be before it.
                self.journal.durables(posts)
                posts.clear()
                self._position = position
                stored.append(self._emit_stream(sender, target, body, number))
                position = self._position
            else:
                stored.append((kind, 0, 0, number, inline_body(effect)))
        self._position = position
        self.journal.durables(posts)
        return stored, outboxes

    def deliver(self, outboxes: "Outboxes") -> None:
        """Deliver durable messages that have been journalled."""
        for address, batch in outboxes.items():
            receiver = self._receivers.get(address)
            if receiver is None:
                for envelope in batch:
                    self._undeliverable(envelope, address)
            elif receiver.waits_for_commit:
                self.journal.after_commit(_delivery(receiver, batch))
            else:
                receiver.deliver(batch)

    def post(
        self,
        sender: int,
        address: str,
        message: Message,
        *,
        at_ns: int | None = None,
        concludes: int = 0,
    ) -> int:
        """Journal and deliver one durable message; return its position."""
        body = encode(message)
        target_id = self.enroll(address)
        position = self.next_position()
        stamp_ns = self._now_ns() if at_ns is None else at_ns
        self.journal.durable((position, sender, target_id, stamp_ns, body), concludes)
        self.deliver({address: [(position, sender, target_id, stamp_ns, body, "", concludes)]})
        return position

    def publish(self, sender: int, topic: str, message: Message, at_ns: int | None = None) -> None:
        """Journal and deliver one stream message to whoever subscribed."""
        stamp_ns = self._now_ns() if at_ns is None else at_ns
        key = message.conflation_key()
        self._emit_stream(sender, topic, encode(message), stamp_ns, key)

    def next_position(self) -> int:
        """Give out a position."""
        position = self._position
        self._position += 1
        return position

    def _emit_stream(
        self, sender: int, topic: str, body: bytes, at_ns: int, key: str = ""
    ) -> StoredEffect:
        topic_id = self.enroll(topic)
        position = self.next_position()
        subscribers = self._subscribers.get(topic, ())
        if subscribers:
            self.journal.stream((position, sender, topic_id, at_ns, body))
            slot = f"{topic_id} {key}" if key else ""
            envelope = (position, sender, topic_id, at_ns, body, slot, STREAMED)
            for receiver in subscribers:
                self._deliver_stream(receiver, topic, envelope)
        return PUBLISH, topic_id, position, at_ns, b""

    def _deliver_stream(self, receiver: Receiver, topic: str, envelope: Envelope) -> None:
        missed = receiver.gap(envelope[2])
        if missed:
            body = encode(Gap(topic=topic, missed=missed))
            position = self.next_position()
            self.journal.stream((position, RUNTIME, envelope[2], envelope[3], body))
            receiver.deliver_stream(
                (position, RUNTIME, envelope[2], envelope[3], body, "", STREAMED)
            )
        receiver.deliver_stream(envelope)

    def _undeliverable(self, envelope: Envelope, address: str) -> None:
        position, sender, _, at_ns, body = envelope[:5]
        tag = tag_in(body)
        name = self.names.get(sender, "")
        self.bury(DeadLetter(position, name, address, tag, "nobody has this address", at_ns))
        self.journal.conclude(position)
        if name and self._receivers.get(name) is not None:
            self.post(RUNTIME, name, Undeliverable(address=address, tag_sent=tag))

    def bury(self, letter: DeadLetter) -> None:
        """Count and keep a message that nobody could be given; log it, but not without end."""
        self.dead += 1
        self.dead_letters.append(letter)
        if letter.at_ns - self._letters_since_ns >= limits.DEAD_LETTER_PERIOD_NS:
            self._letters_since_ns, self._letters_logged = letter.at_ns, 0
        self._letters_logged += 1
        if self._letters_logged > limits.DEAD_LETTER_LINES:
            return
        logger.warning(
            "%s from %s for %s is a dead letter: %s",
            letter.tag or "a message", letter.sender or "the runtime", letter.target, letter.reason,
        )  # fmt: skip
        if self._letters_logged == limits.DEAD_LETTER_LINES:
            logger.warning(
                "more dead letters are only counted for %d s: %d until now",
                limits.DEAD_LETTER_PERIOD_NS // 1_000_000_000, self.dead,
            )  # fmt: skip


Outboxes = dict[str, list[Envelope]]


def _delivery(receiver: Receiver, batch: list[Envelope]) -> Callable[[], None]:
    return lambda: receiver.deliver(batch)
