"""A fold is deterministic, notices when it is not, and survives changed code."""

from typing import ClassVar

import msgspec
import pytest
import xxhash

from messages.base import Message, encode
from messages.runtime import StateReplaced
from supervisor.actor import Actor, Context, State
from supervisor.effects import inline_body, travels
from supervisor.fold import Fold, NondeterminismError
from supervisor.journal import RUNTIME, Input, RecordedTurn

LINEAGE = bytes(range(16))


class Coin(Message, frozen=True, kw_only=True, tag="fold.Coin"):
    value: int


class OldCoin(Message, frozen=True, kw_only=True, tag="fold.OldCoin"):
    """Counted in tens, before `Coin`."""

    superseded_by: ClassVar[type[Message] | None] = Coin
    tens: int

    def upcast(self) -> Coin:
        return Coin(value=self.tens * 10)


class Sum(State):
    total: int = 0
    drawn: list[float] = msgspec.field(default_factory=list)


class Adder(Actor[Sum]):
    """Adds, draws, sets timers, sends; with `extra`, one effect more."""

    def __init__(self, extra: int = 0, fails_on: int = -1) -> None:
        self.extra = extra
        self.fails_on = fails_on

    def on_coin(self, state: Sum, message: Coin, ctx: Context) -> None:
        state.total += message.value
        state.drawn.append(ctx.random())
        ctx.send("/elsewhere", Coin(value=state.total + self.extra))
        ctx.after("soon", message.value)
        if message.value == self.fails_on:
            raise ValueError("no such coin")


class Forgetful(Actor[Sum]):
    """Keeps a count outside its state: not deterministic."""

    calls = 0

    def on_coin(self, state: Sum, message: Coin, ctx: Context) -> None:
        Forgetful.calls += 1
        ctx.send("/elsewhere", Coin(value=Forgetful.calls))


def fold_of(actor: Actor[Sum], *, paranoid: bool = False) -> Fold:
    return Fold(actor, LINEAGE, 7, "/adder", paranoid=paranoid)


def inputs(*messages: Message, sender: int = 1) -> list[Input]:
    return [Input(n, sender, 7, 100 + n, encode(m)) for n, m in enumerate(messages, 1)]


def record(fold: Fold, messages: list[Input], now_ns: int = 50) -> RecordedTurn:
    first_seq = fold.seq + 1
    ran = fold.run(messages, now_ns, timed=False)
    assert ran.crash is None
    effects = [
        (e[0], 9, 1, e[3], e[2]) if travels(e[0]) else (e[0], 0, 0, e[3], inline_body(e))
        for e in ran.effects
    ]
    return RecordedTurn(
        first_seq, now_ns, messages, ran.counts, effects, fold.seal(ran.counts, ran.effects)
    )


NAMES = {9: "/elsewhere"}


def test_the_same_messages_give_the_same_state_and_chain() -> None:
    turn = record(fold_of(Adder()), inputs(Coin(value=1), Coin(value=2)))
    again = fold_of(Adder())
    assert again.replay(turn, NAMES) is None
    assert again.chain == turn.chain
    assert again.state.total == 3


def test_the_chain_is_what_it_was_when_first_released() -> None:
    """Whoever changes how the chain is made breaks every journal there is."""
    fold = fold_of(Adder())
    turn = record(fold, inputs(Coin(value=5)))
    effects = [
        (0, "/elsewhere", encode(Coin(value=5)), 101),
        (2, "soon", b"", 55),
    ]
    encoded = msgspec.msgpack.encode(([2], effects))
    assert turn.chain == xxhash.xxh3_128_digest(bytes(16) + encoded)


def test_changed_code_is_named_at_its_first_other_effect() -> None:
    turn = record(fold_of(Adder()), inputs(Coin(value=1), Coin(value=2)))
    divergence = fold_of(Adder(extra=1)).replay(turn, NAMES)
    assert divergence is not None
    assert (divergence.seq, divergence.ordinal) == (1, 0)
    assert divergence.recorded == 'send /elsewhere {"tag":"fold.Coin","value":1}'
    assert divergence.found == 'send /elsewhere {"tag":"fold.Coin","value":2}'
    assert "bot replay /adder --from 1" in str(NondeterminismError("/adder", divergence))


def test_a_crash_in_a_fold_is_a_divergence() -> None:
    turn = record(fold_of(Adder()), inputs(Coin(value=1), Coin(value=2)))
    divergence = fold_of(Adder(fails_on=2)).replay(turn, NAMES)
    assert divergence is not None
    assert (divergence.seq, divergence.recorded) == (2, "handled")
    assert "no such coin" in divergence.found


def test_changed_code_can_follow_what_was_recorded() -> None:
    turn = record(fold_of(Adder()), inputs(Coin(value=1), Coin(value=2), Coin(value=3)))
    follower = fold_of(Adder(fails_on=2))
    follower.follow(turn)
    assert follower.seq == 3
    assert follower.state.total == 4
    assert follower.chain == turn.chain


def test_a_crashed_message_leaves_no_effects_and_those_before_it_stand() -> None:
    fold = fold_of(Adder(fails_on=2))
    ran = fold.run(inputs(Coin(value=1), Coin(value=2), Coin(value=3)), 50, timed=False)
    assert ran.handled == 1
    assert len(ran.effects) == 2
    assert isinstance(ran.crash, ValueError)
    assert fold.seq == 1


def test_a_snapshot_continues_as_if_nothing_had_happened() -> None:
    whole = fold_of(Adder())
    record(whole, inputs(Coin(value=1)))
    snapshot = whole.snapshot(60)
    turn = record(whole, inputs(Coin(value=2)), now_ns=70)
    restored = fold_of(Adder())
    restored.load(snapshot)
    assert restored.replay(turn, NAMES) is None
    assert restored.state == whole.state
    assert restored.timers == whole.timers


def test_old_messages_are_read_as_new_ones() -> None:
    fold = fold_of(Adder())
    record(fold, inputs(OldCoin(tens=4)))
    assert fold.state.total == 40


def test_a_replaced_state_is_the_state() -> None:
    fold = fold_of(Adder())
    replaced = StateReplaced(
        state=msgspec.msgpack.encode(Sum(total=1_000)), operator="alice", reason="a test"
    )
    record(fold, inputs(replaced, sender=RUNTIME))
    record(fold, inputs(Coin(value=1)))
    assert fold.state.total == 1_001


def test_paranoia_catches_what_is_kept_outside_the_state() -> None:
    ran = fold_of(Forgetful(), paranoid=True).run(inputs(Coin(value=1)), 50, timed=False)
    assert isinstance(ran.crash, AssertionError)
    assert "handled Coin twice with different results" in str(ran.crash)


def test_paranoia_changes_nothing_for_an_honest_actor() -> None:
    plain, paranoid = fold_of(Adder()), fold_of(Adder(), paranoid=True)
    messages = inputs(*(Coin(value=n) for n in range(20)))
    assert record(plain, messages).chain == record(paranoid, messages).chain
    assert plain.state == paranoid.state


class Migrating(Actor[Sum]):
    """The next version of `Adder`: counts in cents."""

    version = 2

    def migrate(self, state: bytes, from_version: int) -> Sum:
        assert from_version == 1
        old = msgspec.msgpack.decode(state, type=Sum)
        return Sum(total=old.total * 100, drawn=old.drawn)

    def on_coin(self, state: Sum, message: Coin, ctx: Context) -> None:
        state.total += message.value * 100


def test_an_older_snapshot_is_migrated() -> None:
    old = fold_of(Adder())
    record(old, inputs(Coin(value=3)))
    new = fold_of(Migrating())
    new.load(old.snapshot(60))
    assert new.state.total == 300


def test_an_older_snapshot_without_a_migration_names_the_remedy() -> None:
    class Unmigrated(Adder):
        version = 2

    old = fold_of(Adder())
    with pytest.raises(NotImplementedError, match="start the release that wrote it, or restore"):
        fold_of(Unmigrated()).load(old.snapshot(60))
