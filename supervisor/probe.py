"""Running a pure actor alone: for tests, and for looking at what one message does."""

from typing import Any, NamedTuple

from messages.base import Message, Row, all_messages, concrete, decoder, encode
from messages.runtime import TimerFired
from supervisor.actor import AFTER, CANCEL, EVERY, PUBLISH, RECORD, SEND, STOP, Actor, AnyState
from supervisor.fold import Fold
from supervisor.journal import RUNTIME, Input

PROBE_SENDER = 1


class Sent(NamedTuple):
    """A durable message to `address`."""

    address: str
    message: Message


class Published(NamedTuple):
    """A stream message on `topic`."""

    topic: str
    message: Message


class Armed(NamedTuple):
    """A timer set; `period_ns` is 0 for one that fires once at `due_ns`."""

    name: str
    due_ns: int
    period_ns: int


class Cancelled(NamedTuple):
    """A timer forgotten."""

    name: str


class Recorded(NamedTuple):
    """A row for people."""

    row: Row


class Stopped(NamedTuple):
    """The actor ended itself."""

    reason: str


Outcome = Sent | Published | Armed | Cancelled | Recorded | Stopped


class Probe:
    """One actor, handled message by message, each in a turn of its own.

    With `paranoid` every message is handled twice on copies of the state that went through the
    codec.
    """

    def __init__(
        self, actor: Actor[Any], address: str = "/probe", *, paranoid: bool = True, now_ns: int = 1
    ) -> None:
        self.fold = Fold(actor, bytes(16), PROBE_SENDER, address, paranoid=paranoid)
        self.now_ns = now_ns
        self._position = 0
        self._messages = decoder(all_messages())

    @property
    def state(self) -> AnyState:
        """The actor's state now."""
        return self.fold.state

    def handle(
        self,
        message: Message,
        *,
        now_ns: int | None = None,
        at_ns: int | None = None,
        runtime: bool = False,
    ) -> list[Outcome]:
        """Handle one message; return its effects in order. Raises what the handler raises."""
        if now_ns is not None:
            assert now_ns >= self.now_ns, "time does not go back"
            self.now_ns = now_ns
        self._position += 1
        runtime = runtime or type(message).__module__ == "messages.runtime"
        envelope = Input(
            position=self._position,
            sender=RUNTIME if runtime else PROBE_SENDER,
            target=PROBE_SENDER,
            at_ns=self.now_ns if at_ns is None else at_ns,
            body=encode(message),
        )
        ran = self.fold.run([envelope], self.now_ns, timed=False)
        if ran.crash is not None:
            raise ran.crash
        self.fold.seal(ran.counts, ran.effects)
        return [self._decoded(effect) for effect in ran.effects]

    def fire(self, name: str) -> list[Outcome]:
        """Let the timer `name` fall due: time moves to its due time if that is later."""
        due_ns, _ = self.fold.timers[name]
        self.now_ns = max(self.now_ns, due_ns)
        return self.handle(TimerFired(name=name, due_ns=due_ns))

    def sent(self, outcomes: list[Outcome], kind: type[Message]) -> list[Any]:
        """Return the messages of type `kind` among what was sent."""
        return [o.message for o in outcomes if isinstance(o, Sent) and isinstance(o.message, kind)]

    def _decoded(self, effect: tuple[int, str, bytes, int]) -> Outcome:
        kind, target, body, number = effect
        if kind in (SEND, PUBLISH):
            message = self._messages.decode(body)
            assert isinstance(message, Message), "only messages travel"
            return Sent(target, message) if kind == SEND else Published(target, message)
        if kind == AFTER:
            return Armed(target, number, 0)
        if kind == EVERY:
            return Armed(target, self.fold.timers[target][0], number)
        if kind == CANCEL:
            return Cancelled(target)
        if kind == STOP:
            return Stopped(target)
        assert kind == RECORD, "there are seven kinds of effect"
        row = decoder(concrete(Row)).decode(body)
        assert isinstance(row, Row), "only rows are recorded"
        return Recorded(row)
