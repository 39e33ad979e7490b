"""An actor: a state, handlers that are pure and synchronous, and the context of their effects.

    class Total(State):
        value: int = 0

    class Adder(Actor[Total]):
        def on_add(self, state: Total, message: Add, ctx: Context) -> None:
            state.value += message.amount
            ctx.send("/printer", Sum(value=state.value))

A handler's name is `on_` and what it handles; the type in its signature decides. It reads no
clock, draws no randomness and does no I/O but through `ctx`, so running its messages again gives
the same state and the same effects. If it raises, the state it was changing is thrown away.
"""

import hashlib
import inspect
import struct
from typing import Any, ClassVar, Generic, TypeVar, get_args, get_origin, get_type_hints

import msgspec

from messages.base import Delivery, Message, Row, encode
from messages.runtime import Demonitor, Link, Monitor, Unlink
from supervisor import limits

MONITORS = "//monitors"
"""Where the runtime takes monitors and links; a name that no actor can have."""


class State(msgspec.Struct):
    """The base of an actor's state: mutable, encodable; no sets, no floats as keys."""


AnyState = Any
"""The state of some actor, where which one it is cannot be said."""

# Effects are plain tuples (kind, target, body, number): a Struct would cost a third of a hop.
SEND, PUBLISH, AFTER, EVERY, CANCEL, RECORD, STOP = range(7)
Effect = tuple[int, str, bytes, int]
EFFECT_NAMES = ("send", "publish", "after", "every", "cancel", "record", "stop")

_DURABLE, _STREAM = Delivery.DURABLE, Delivery.STREAM
_DRAW = struct.Struct("<qq")
_ID = struct.Struct("<qqq")


class Context:
    """What a handler may do. One per incarnation, filled in anew for each message."""

    __slots__ = (
        "_ids",
        "_ids_seq",
        "_lineage",
        "actor_id",
        "address",
        "at_ns",
        "draws",
        "effects",
        "now_ns",
        "sender",
        "seq",
        "timers",
    )

    def __init__(self, lineage: bytes, actor_id: int, address: str) -> None:
        self._lineage = lineage
        self._ids = 0
        self._ids_seq = 0
        self.actor_id = actor_id
        self.address = address
        self.effects: list[Effect] = []
        self.timers: dict[str, tuple[int, int]] = {}
        self.draws = 0
        self.seq = 0
        """The number of the message being handled, dense per actor, from 1."""
        self.now_ns = 0
        """The process clock at the start of the turn; never decreasing."""
        self.at_ns = 0
        """When the cause of this message entered the process: tells how stale it is."""
        self.sender = 0

    def send(self, address: str, message: Message) -> None:
        """Send a durable message to an actor or port: exactly once, in order."""
        assert message.delivery is _DURABLE, "a stream message is published, not sent"
        self.effects.append((SEND, address, encode(message), self.at_ns))

    def publish(self, topic: str, message: Message) -> None:
        """Publish a stream message to whoever subscribed to `topic`."""
        assert message.delivery is _STREAM, "a durable message is sent, not published"
        self.effects.append((PUBLISH, topic, encode(message), self.at_ns))

    def after(self, name: str, delay_ns: int) -> None:
        """Have `TimerFired(name)` delivered once, `delay_ns` from now; replaces one of that name.

        The timer survives crashes and restarts; overdue ones fire after the restart, in due order.
        """
        assert delay_ns >= 0, "a timer is not due in the past"
        assert len(self.timers) < limits.TIMERS_PER_ACTOR_MAX, "too many timers"
        due_ns = self.now_ns + delay_ns
        self.timers[name] = (due_ns, 0)
        self.effects.append((AFTER, name, b"", due_ns))

    def every(self, name: str, period_ns: int) -> None:
        """Have `TimerFired(name)` delivered each `period_ns`; what is missed is counted."""
        assert period_ns > 0, "a period is longer than nothing"
        assert len(self.timers) < limits.TIMERS_PER_ACTOR_MAX, "too many timers"
        self.timers[name] = (self.now_ns + period_ns, period_ns)
        self.effects.append((EVERY, name, b"", period_ns))

    def cancel(self, name: str) -> None:
        """Forget the timer `name`, if there is one; it will not fire any more."""
        if self.timers.pop(name, None) is not None:
            self.effects.append((CANCEL, name, b"", 0))

    def record(self, row: Row) -> None:
        """Record a row for people, in the transaction of this turn."""
        self.effects.append((RECORD, row.table, encode(row), self.now_ns))

    def stop(self, reason: str) -> None:
        """End this incarnation normally after this message."""
        self.effects.append((STOP, reason, b"", 0))

    def monitor(self, address: str) -> str:
        """Be told once, with a `Down` of the ref returned, when who has `address` now ends.

        If nobody runs there, that is told at once, as `noproc`. Monitors survive crashes of both,
        and end with the process: ask again when told `Booted`.
        """
        ref = self.new_id()
        self.send(MONITORS, Monitor(ref=ref, address=address))
        return ref

    def demonitor(self, ref: str) -> None:
        """Forget a monitor: after this message no `Down` of that ref is handled."""
        self.send(MONITORS, Demonitor(ref=ref))

    def link(self, address: str) -> None:
        """End when who has `address` ends, not normally, and the other way round.

        With `trap_exit` in the spec, be told by `Exited` instead, and of normal ends too.
        """
        self.send(MONITORS, Link(address=address))

    def unlink(self, address: str) -> None:
        """Forget a link."""
        self.send(MONITORS, Unlink(address=address))

    def random(self) -> float:
        """Return a number in [0, 1): the next of a generator whose whole state is a counter."""
        self.draws += 1
        payload = self._lineage + _DRAW.pack(self.actor_id, self.draws)
        digest = hashlib.blake2b(payload, digest_size=8, person=b"canopy-random").digest()
        return int.from_bytes(digest, "little") / 2**64

    def new_id(self) -> str:
        """Return a new UUID-shaped id, a function of (lineage, actor, seq, n)."""
        if self._ids_seq != self.seq:
            self._ids_seq = self.seq
            self._ids = 0
        self._ids += 1
        payload = self._lineage + _ID.pack(self.actor_id, self.seq, self._ids)
        digest = hashlib.blake2b(payload, digest_size=16, person=b"canopy-id").hexdigest()
        return f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}"

    def continue_as(self, lineage: bytes) -> None:
        """Make ids and random numbers of another lineage from here on."""
        self._lineage = lineage

    def restart_ids(self) -> None:
        """Have `new_id` count from the start of this message again: it is handled once more."""
        self._ids_seq = 0


ActorState = TypeVar("ActorState", bound=State)


class Actor(Generic[ActorState]):
    """The base of all actors; see the module's docstring."""

    version: ClassVar[int] = 1
    """Raised when the meaning of the state changes; `migrate` then brings old snapshots over."""
    state_type: ClassVar[type[State]] = State

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        for base in getattr(cls, "__orig_bases__", ()):
            origin = get_origin(base)
            if inspect.isclass(origin) and issubclass(origin, Actor):
                (argument,) = get_args(base)
                if inspect.isclass(argument) and issubclass(argument, State):
                    cls.state_type = argument

    def initial(self) -> ActorState:
        """Return the state of an actor that has handled nothing yet."""
        return self.state_type()  # type: ignore[return-value]  # it is what ActorState stands for

    def migrate(self, state: bytes, from_version: int) -> ActorState:
        """Return the state encoded by version `from_version` of this class in today's form."""
        raise NotImplementedError(
            f"{type(self).__name__} version {self.version} cannot read the state of version "
            f"{from_version}: start the release that wrote it, or restore a backup"
        )


def handlers(actor: Actor[Any]) -> dict[type[Message], Any]:
    """Return the handler of each message type that `actor` handles, by its methods' signatures.

    Raises `TypeError` for a handler that does not say what it handles, or two for one type.
    """
    return {kind: getattr(actor, name) for kind, name in handler_names(type(actor)).items()}


def handler_names(actor_type: type[Actor[Any]]) -> dict[type[Message], str]:
    """Return the name of the method that handles each message type; raises as `handlers` does."""
    table: dict[type[Message], str] = {}
    for name, method in inspect.getmembers(actor_type, inspect.isfunction):
        if not name.startswith("on_"):
            continue
        kind = get_type_hints(method).get("message")
        if not (inspect.isclass(kind) and issubclass(kind, Message)):
            raise TypeError(f"{actor_type.__name__}.{name} must say which message it handles")
        if kind in table:
            raise TypeError(f"{actor_type.__name__} handles {kind.__name__} twice")
        table[kind] = name
    if not table:
        raise TypeError(f"{actor_type.__name__} handles nothing: give it an on_<message> method")
    return table
