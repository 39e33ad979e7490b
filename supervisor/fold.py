"""The fold of an actor over its inbox: the one piece of code that handles messages.

Live cells, recovery after a crash, `bot replay` and tests all run an actor through a `Fold`, so
what they see is the same by construction. It does no I/O.
"""

from collections.abc import Callable, Sequence
from types import CodeType
from typing import Any, ClassVar, NamedTuple

import msgspec
from xxhash import xxh3_128_digest

from messages.base import Message, all_messages, decoder
from messages.runtime import (
    Blocked,
    Booted,
    Down,
    Gap,
    Quarantined,
    StateReplaced,
    Stuck,
    TimerFired,
    Unblocked,
    Undeliverable,
)
from supervisor import limits
from supervisor.actor import Actor, AnyState, Context, Effect, handler_names
from supervisor.clock import perf_ns
from supervisor.effects import words, words_of_stored
from supervisor.journal import RUNTIME, Envelope, Input, RecordedTurn, Snapshot
from supervisor.stuck import StruckError

RUNTIME_MESSAGES: tuple[type[Message], ...] = (
    Booted,
    TimerFired,
    Down,
    Undeliverable,
    Gap,
    StateReplaced,
    Quarantined,
    Blocked,
    Unblocked,
    Stuck,
)
# What the chain is to show is code that does not do the same again, and damage; a forger could as
# well rewrite the whole database. So it is a hash for that: a cryptographic one took a tenth of a
# hop's time.
CHAIN_BYTES = 16
Handler = Callable[[Any, Message, Context], None]
_encode_state = msgspec.msgpack.Encoder().encode


class Ran(NamedTuple):
    """What became of a batch: how much of it was handled, and the crash that ended it early."""

    handled: int
    counts: list[int]
    effects: list[Effect]
    crash: BaseException | None
    """What the next message raised: an `Exception`, or `StruckError`."""


class Divergence(NamedTuple):
    """Where a fold's effects first differ from the recorded ones."""

    seq: int
    ordinal: int
    """Which effect of that message, from 0."""
    recorded: str
    found: str


class NondeterminismError(Exception):
    """A fold over recorded messages had other effects than the ones recorded."""

    def __init__(self, address: str, divergence: Divergence) -> None:
        self.divergence = divergence
        super().__init__(
            f"{address} is not deterministic: at message {divergence.seq}, effect "
            f"{divergence.ordinal} was recorded as {divergence.recorded} and is now "
            f"{divergence.found}: run `bot replay {address} --from {divergence.seq}`"
        )


class TailDivergedError(Exception):
    """Code of another version folded the journalled tail of a money or order actor differently."""

    exit_code = 8

    def __init__(self, address: str, cause: NondeterminismError) -> None:
        super().__init__(
            f"{cause}\nThis release would have acted differently than the one that wrote the "
            "journal. Either start the release that wrote it, stop it in good order (it then takes "
            "a snapshot) and upgrade; or restore a backup"
        )
        self.address = address


class Fold:
    """An actor with its state at some message number."""

    def __init__(
        self,
        actor: Actor[Any],
        lineage: bytes,
        actor_id: int,
        address: str,
        *,
        paranoid: bool = False,
    ) -> None:
        self.actor = actor
        self.context = Context(lineage, actor_id, address)
        self.state = actor.initial()
        self.chain = bytes(CHAIN_BYTES)
        plan = _plan(type(actor))
        self._own = plan.own
        self._table = plan.table(actor)
        if paranoid:
            self._table = {kind: self._twice(handler) for kind, handler in self._table.items()}
        self._decode = plan.decode
        self._decode_state = plan.decode_state
        self.timers_moved = False
        """Set when a timer fired or was set; whoever arms timers clears it."""

    @property
    def seq(self) -> int:
        """The number of the last message handled; 0 before the first."""
        return self.context.seq

    @property
    def timers(self) -> dict[str, tuple[int, int]]:
        """Timers that are set: name → (due_ns, period_ns)."""
        return self.context.timers

    @property
    def kinds(self) -> frozenset[type[Message]]:
        """What the actor has handlers for."""
        return self._own

    @property
    def state_type(self) -> type[AnyState]:
        """The class of the actor's state."""
        return self.actor.state_type

    def encoded_state(self) -> bytes:
        """Return the state as a snapshot holds it."""
        return _encode_state(self.state)

    def digest(self) -> str:
        """Return a hash of the state, as hex; "" where the state is not here."""
        return xxh3_128_digest(self.encoded_state()).hex()

    def load(self, snapshot: Snapshot) -> None:
        """Go to the state of `snapshot`, migrating it if an older version of the class wrote it."""
        if snapshot.version == self.actor.version:
            self.state = self._decode_state(snapshot.state)
        else:
            self.state = self.actor.migrate(snapshot.state, snapshot.version)
        self.chain = snapshot.chain
        self.context.seq = snapshot.seq
        self.context.draws = snapshot.draws
        self.context.timers = dict(snapshot.timers)

    def snapshot(self, now_ns: int) -> Snapshot:
        """Return the whole state after the last message handled."""
        state = _encode_state(self.state)
        assert len(state) <= limits.STATE_BYTES_MAX, (
            f"the state of {self.context.address} is {len(state)} bytes: something in it grows"
        )
        return Snapshot(
            actor=self.context.actor_id,
            seq=self.context.seq,
            version=self.actor.version,
            now_ns=now_ns,
            chain=self.chain,
            draws=self.context.draws,
            timers=dict(self.context.timers),
            state=state,
        )

    def run(self, batch: Sequence[Envelope] | Sequence[Input], now_ns: int, *, timed: bool) -> Ran:
        """Handle `batch` as one turn at `now_ns`; stop at the first crash or, if timed, at 5 ms.

        A message that crashed leaves no effects, but the state is then unusable: build a new fold.
        """
        context = self.context
        context.now_ns = now_ns
        effects: list[Effect] = []
        context.effects = effects
        counts: list[int] = []
        count = counts.append
        decode, table = self._decode, self._table
        give_up_ns = perf_ns() + limits.TURN_NS_MAX if timed else 0
        seq = context.seq
        look_at = seq + limits.TURN_CLOCK_EVERY
        mark = 0
        for envelope in batch:
            seq += 1
            context.seq = seq
            context.at_ns = envelope[3]
            context.sender = sender = envelope[1]
            try:
                message = decode(envelope[4])
                # The bookkeeping may replace the state, so it comes before the state is looked up.
                if sender != RUNTIME or self._account(message):
                    table[type(message)](self.state, message, context)
            except MemoryError:
                raise  # nothing that is restarted would fare better: it ends the process
            except (Exception, StruckError) as error:
                del effects[mark:]
                context.seq = seq - 1
                return Ran(len(counts), counts, effects, error)
            end = len(effects)
            count(end - mark)
            mark = end
            if timed and seq == look_at:
                if perf_ns() > give_up_ns:
                    break
                look_at += limits.TURN_CLOCK_EVERY
        return Ran(len(counts), counts, effects, None)

    def seal(self, counts: list[int], effects: list[Effect]) -> bytes:
        """Extend the hash chain by the effects of a turn and return it."""
        if effects:
            self.chain = xxh3_128_digest(self.chain + _encode_state((counts, effects)))
        return self.chain

    def replay(self, turn: RecordedTurn, names: dict[int, str]) -> Divergence | None:
        """Handle a recorded turn again; return where its effects differ from what was recorded."""
        assert turn.first_seq == self.seq + 1, "turns are folded in order, none left out"
        ran = self.run(turn.inputs, turn.now_ns, timed=False)
        if ran.crash is not None:
            found = f"a crash: {type(ran.crash).__name__}: {ran.crash}"
            return Divergence(turn.first_seq + ran.handled, 0, "handled", found)
        if self.seal(ran.counts, ran.effects) == turn.chain:
            return None
        return first_difference(turn, ran, names)

    def follow(self, turn: RecordedTurn) -> None:
        """Handle a recorded turn with changed code: its effects stand as they were recorded.

        A message that crashes the changed code leaves the state as it was before it.
        """
        for item in turn.inputs:
            before = _encode_state(self.state)
            if self.run([item], turn.now_ns, timed=False).crash is not None:
                self.state = self._decode_state(before)
                self.context.seq += 1
        self.chain = turn.chain

    def _account(self, message: Message) -> bool:
        """Do the runtime's own bookkeeping; return whether the actor is to see the message."""
        if isinstance(message, TimerFired):
            return self._advance(message.name, message.due_ns, message.missed)
        if isinstance(message, Quarantined) and message.timer_name:
            self._advance(message.timer_name, message.timer_due_ns, 0)
        elif isinstance(message, StateReplaced):
            self.state = self._decode_state(message.state)
        return True

    def _advance(self, name: str, due_ns: int, missed: int) -> bool:
        """Account for a firing; return whether that timer was still set for `due_ns`."""
        set_for_ns, period_ns = self.context.timers.get(name, (-1, 0))
        if set_for_ns != due_ns:
            return False  # cancelled or set anew while this firing was on its way
        self.timers_moved = True
        if period_ns:
            self.context.timers[name] = (due_ns + period_ns * (missed + 1), period_ns)
        else:
            del self.context.timers[name]
        return True

    running: ClassVar[CodeType] = run.__code__
    """Where handlers are called from, for `supervisor/stuck.py`."""
    bookkeeping: ClassVar[frozenset[CodeType]] = frozenset({_account.__code__, perf_ns.__code__})
    """What is called from there beside handlers: nothing is struck in it."""

    def _twice(self, handler: Handler) -> Handler:
        """Return a handler that works on two copies of the state: both must do the same."""

        def handle(state: AnyState, message: Message, context: Context) -> None:
            before = _encode_state(state)
            draws, timers, mark = context.draws, dict(context.timers), len(context.effects)
            outcomes = []
            for _ in range(2):
                context.draws, context.timers = draws, dict(timers)
                context.restart_ids()
                del context.effects[mark:]
                copy = self._decode_state(before)
                handler(copy, message, context)
                outcomes.append((_encode_state(copy), context.effects[mark:]))
            assert outcomes[0] == outcomes[1], (
                f"{context.address} handled {type(message).__name__} twice with different results"
            )
            self.state = self._decode_state(outcomes[1][0])

        return handle


def _ignore(state: AnyState, message: Message, ctx: Context) -> None:
    """Handle what the runtime says and the actor did not ask for."""


class _Plan(NamedTuple):
    """What folds of one class of actors have in common."""

    own: frozenset[type[Message]]
    """What it has handlers for."""
    names: dict[type[Message], str]
    """Those handlers' names, of superseded types too."""
    decode: Callable[[bytes], Message]
    decode_state: Callable[[bytes], Any]

    def table(self, actor: Actor[Any]) -> dict[type[Message], Handler]:
        """Return the handler of each type in the union: own, superseded, and the runtime's."""
        table: dict[type[Message], Handler] = dict.fromkeys(RUNTIME_MESSAGES, _ignore)
        for kind, name in self.names.items():
            handler: Handler = getattr(actor, name)
            table[kind] = handler if kind in self.own else _upcasting(handler)
        return table


# A restart makes a fold, and reading signatures and building decoders takes longer than it may.
_plans: dict[type[Actor[Any]], _Plan] = {}


def _plan(actor_type: type[Actor[Any]]) -> _Plan:
    plan = _plans.get(actor_type)
    if plan is None:
        plan = _plans[actor_type] = _make_plan(actor_type)
    return plan


def _make_plan(actor_type: type[Actor[Any]]) -> _Plan:
    own = handler_names(actor_type)
    names = dict(own)
    for old in all_messages():
        newest = _newest(old)
        if newest is not old and newest in own:
            names[old] = own[newest]
    decode: Any = decoder((*names, *RUNTIME_MESSAGES)).decode
    decode_state = msgspec.msgpack.Decoder(actor_type.state_type).decode
    return _Plan(frozenset(own), names, decode, decode_state)


def _newest(kind: type[Any]) -> type[Any]:
    while kind.superseded_by is not None:
        kind = kind.superseded_by
    return kind


def _upcasting(handler: Handler) -> Handler:
    def handle(state: AnyState, message: Message, ctx: Context) -> None:
        while type(message).superseded_by is not None:
            message = message.upcast()
        handler(state, message, ctx)

    return handle


def first_difference(turn: RecordedTurn, ran: Ran, names: dict[int, str]) -> Divergence:
    """Return the first effect in which a recorded turn and a new run of it differ."""
    recorded = [words_of_stored(effect, names) for effect in turn.effects]
    found = [words(effect) for effect in ran.effects]
    old_at = new_at = 0
    for offset, old_count in enumerate(turn.counts):
        new_count = ran.counts[offset] if offset < len(ran.counts) else 0
        for ordinal in range(max(old_count, new_count)):
            old = recorded[old_at + ordinal] if ordinal < old_count else "nothing"
            new = found[new_at + ordinal] if ordinal < new_count else "nothing"
            if old != new:
                return Divergence(turn.first_seq + offset, ordinal, old, new)
        old_at += old_count
        new_at += new_count
    return Divergence(turn.first_seq, 0, f"the chain {turn.chain.hex()}", "another chain")
