"""Running an actor's inbox again, message by message, and comparing its effects with the record.

Pure: the turns come from wherever they are kept, what is seen goes to a callback. The actor's own
code runs, through the same `Fold` as live, so what is seen is what happened.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from messages.base import Message, all_messages, tag_in, tag_of
from supervisor.actor import PUBLISH, SEND, Effect
from supervisor.effects import inline_body, readable, words
from supervisor.fold import Divergence, Fold, Ran, first_difference
from supervisor.journal import RUNTIME, Input, RecordedTurn

# Values longer than this are cut in a difference: a person reads it, the whole is in the state.
VALUE_CHARACTERS_MAX = 200
_TRAVELLING = (SEND, PUBLISH)


class Step(NamedTuple):
    """One message as it was handled again."""

    seq: int
    now_ns: int
    at_ns: int
    sender: str
    tag: str
    message: str
    """As JSON."""
    changes: list[str]
    """What became different in the state."""
    effects: list[str]


class Verdict(NamedTuple):
    """What a replay showed."""

    first_seq: int
    last_seq: int
    """0 if there was nothing to replay."""
    turns: int
    divergence: Divergence | None
    chain: bytes


class Before(NamedTuple):
    """What is known before a message is handled: for conditions and debuggers."""

    seq: int
    message: Message
    state: Any


class Watcher:
    """Who looks at a replay; the default looks at nothing, which is many times quicker."""

    def before(self, before: Before) -> bool:
        """Look before a message is handled; return True to end the replay after it."""
        return False

    def after(self, step: Step) -> None:
        """Look at what a message did."""


class Replay:
    """One replay of one actor, from the state that `fold` is in."""

    def __init__(
        self,
        fold: Fold,
        names: Mapping[int, str],
        watcher: Watcher,
        *,
        from_seq: int = 1,
        to_seq: int | None = None,
    ) -> None:
        self._fold = fold
        self._names = dict(names)
        self._watcher = watcher
        kind = type(watcher)
        self._is_watched = (kind.before, kind.after) != (Watcher.before, Watcher.after)
        self._from_seq = from_seq
        self._to_seq = to_seq
        self._is_ended = False

    def run(self, turns: Iterable[RecordedTurn]) -> Verdict:
        """Handle `turns` in order; stop at the first whose effects differ from the record.

        The turn that holds the last message asked for is handled whole, because the record has one
        hash per turn; messages beyond are not shown.
        """
        first_seq, count = 0, 0
        for turn in turns:
            if self._to_seq is not None and turn.first_seq > self._to_seq:
                break
            first_seq = first_seq or turn.first_seq
            divergence = self._turn(turn)
            count += 1
            if divergence is not None or self._is_ended:
                return Verdict(first_seq, self._fold.seq, count, divergence, self._fold.chain)
        return Verdict(first_seq, self._fold.seq, count, None, self._fold.chain)

    def _turn(self, turn: RecordedTurn) -> Divergence | None:
        fold = self._fold
        assert turn.first_seq == fold.seq + 1, "turns are folded in order, none left out"
        if not self._is_watched or turn.first_seq + len(turn.inputs) <= self._from_seq:
            ran = fold.run(turn.inputs, turn.now_ns, timed=False)
            if ran.crash is not None:
                return _crashed(fold, ran.crash)
            return self._compare(turn, ran)
        counts: list[int] = []
        effects: list[Effect] = []
        for one in turn.inputs:
            ran = self._message(one, turn.now_ns)
            if ran.crash is not None:
                return _crashed(fold, ran.crash)
            counts += ran.counts
            effects += ran.effects
            if self._is_ended:
                # Part of a turn has no recorded hash to be compared with.
                return None
        return self._compare(turn, Ran(len(counts), counts, effects, None))

    def _compare(self, turn: RecordedTurn, ran: Ran) -> Divergence | None:
        is_same = self._fold.seal(ran.counts, ran.effects) == turn.chain
        if is_same and self._are_stored(turn, ran.effects):
            return None
        return first_difference(turn, ran, self._names)

    def _are_stored(self, turn: RecordedTurn, effects: list[Effect]) -> bool:
        """Return whether a turn's record itself, beside its hash, says what the effects are."""
        if len(turn.effects) != len(effects):
            return False
        name = self._names.get
        for (kind, target_id, _, number, body), effect in zip(turn.effects, effects, strict=True):
            if kind != effect[0] or number != effect[3]:
                return False
            if kind in _TRAVELLING:
                # Of a message that nobody subscribed to, or that is retired, no body is kept.
                if name(target_id) != effect[1] or (body and body != effect[2]):
                    return False
            elif body != inline_body(effect):
                return False
        return True

    def _message(self, one: Input, now_ns: int) -> Ran:
        fold = self._fold
        seq = fold.seq + 1
        is_shown = seq >= self._from_seq and (self._to_seq is None or seq <= self._to_seq)
        if not is_shown:
            return fold.run([one], now_ns, timed=False)
        was = msgspec.to_builtins(fold.state)
        ends = self._watcher.before(Before(seq, decode_input(one), fold.state))
        ran = fold.run([one], now_ns, timed=False)
        if ran.crash is None:
            self._watcher.after(changed_step(fold, self._names, one, now_ns, was, ran))
        self._is_ended = ends
        return ran


def _crashed(fold: Fold, crash: BaseException) -> Divergence:
    return Divergence(fold.seq + 1, 0, "handled", f"a crash: {type(crash).__name__}: {crash}")


def decode_input(one: Input) -> Message:
    """Return the message that was handled."""
    kind = _kinds().get(tag_in(one.body), Message)
    return msgspec.msgpack.decode(one.body, type=kind)


@lru_cache(maxsize=1)
def _kinds() -> dict[str, type[Message]]:
    return {tag_of(kind): kind for kind in all_messages()}


def changed_step(
    fold: Fold, names: Mapping[int, str], one: Input, now_ns: int, was: object, ran: Ran
) -> Step:
    """Say what the message that `fold` handled last did; `was` is the state before it, as data."""
    sender = "runtime" if one.sender == RUNTIME else names.get(one.sender, "")
    return Step(
        seq=fold.seq,
        now_ns=now_ns,
        at_ns=one.at_ns,
        sender=sender or f"#{one.sender}",
        tag=tag_in(one.body),
        message=readable(one.body),
        changes=changes(was, msgspec.to_builtins(fold.state)),
        effects=[words(effect) for effect in ran.effects],
    )


def changes(was: object, now: object, path: str = "state") -> list[str]:
    """Say what differs between two documents, one line per place."""
    if was == now:
        return []
    if isinstance(was, dict) and isinstance(now, dict):
        keys = [*was, *(key for key in now if key not in was)]
        pairs = [(f"{path}.{key}", was.get(key, _ABSENT), now.get(key, _ABSENT)) for key in keys]
        return [line for name, old, new in pairs for line in changes(old, new, name)]
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        pairs = [(f"{path}[{at}]", was[at], now[at]) for at in range(len(was))]
        return [line for name, old, new in pairs for line in changes(old, new, name)]
    return [f"{path}: {_shown(was)} → {_shown(now)}"]


class _Absent:
    """Stands for a key that is not there."""


_ABSENT = _Absent()


def _shown(value: object) -> str:
    if isinstance(value, _Absent):
        return "nothing"
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= VALUE_CHARACTERS_MAX else f"{text[:VALUE_CHARACTERS_MAX]}…"
