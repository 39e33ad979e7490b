"""Replaying recorded turns step by step: what is shown, where it stops, what is different."""

import msgspec
import pytest

from messages.base import Message, encode
from supervisor.actor import Actor, Context, State
from supervisor.fold import Divergence, Fold
from supervisor.journal import Input, RecordedTurn
from supervisor.replay import Before, Replay, Step, Watcher, changes
from tests.supervisor.demo import BOOT_NS

LINEAGE = bytes(16)
NAMES = {1: "/sender", 2: "/total", 3: "/printer"}


class Give(Message, frozen=True, kw_only=True, tag="replaytest.Give"):
    amount: int


class Total(State):
    value: int = 0
    parts: dict[str, int] = msgspec.field(default_factory=dict)


class Adder(Actor[Total]):
    factor = 1

    def on_give(self, state: Total, message: Give, ctx: Context) -> None:
        assert message.amount != 13, "unlucky"
        state.value += message.amount * self.factor
        state.parts[str(ctx.seq)] = message.amount
        ctx.send("/printer", Give(amount=state.value))


class Doubler(Adder):
    factor = 2


def fold(actor: Adder) -> Fold:
    return Fold(actor, LINEAGE, 2, "/total")


def recorded(*turns: list[int]) -> list[RecordedTurn]:
    """Return the turns that an adder would have recorded for these amounts."""
    live = fold(Adder())
    found = []
    position = 0
    for amounts in turns:
        inputs = []
        for amount in amounts:
            position += 1
            inputs.append(Input(position, 1, 2, BOOT_NS, encode(Give(amount=amount))))
        first_seq = live.seq + 1
        ran = live.run(inputs, BOOT_NS, timed=False)
        effects = [(kind, 3, 0, number, body) for kind, _, body, number in ran.effects]
        chain = live.seal(ran.counts, ran.effects)
        found.append(RecordedTurn(first_seq, BOOT_NS, inputs, ran.counts, effects, chain))
    return found


class Notes(Watcher):
    def __init__(self, stop_at: int = 0) -> None:
        self.steps: list[Step] = []
        self.befores: list[Before] = []
        self._stop_at = stop_at

    def before(self, before: Before) -> bool:
        self.befores.append(before)
        return before.seq == self._stop_at

    def after(self, step: Step) -> None:
        self.steps.append(step)


def test_the_same_code_is_identical_and_every_step_is_shown() -> None:
    notes = Notes()
    verdict = Replay(fold(Adder()), NAMES, notes).run(recorded([1, 2], [3]))
    assert (verdict.first_seq, verdict.last_seq, verdict.turns) == (1, 3, 2)
    assert verdict.divergence is None
    assert verdict.chain == recorded([1, 2], [3])[-1].chain
    assert notes.steps[1] == Step(
        seq=2,
        now_ns=BOOT_NS,
        at_ns=BOOT_NS,
        sender="/sender",
        tag="replaytest.Give",
        message='{"tag":"replaytest.Give","amount":2}',
        changes=["state.value: 1 → 3", "state.parts.2: nothing → 2"],
        effects=['send /printer {"tag":"replaytest.Give","amount":3}'],
    )
    assert notes.befores[2].message == Give(amount=3)


def test_other_code_diverges_at_the_first_other_effect() -> None:
    verdict = Replay(fold(Doubler()), NAMES, Watcher()).run(recorded([0, 2], [3]))
    assert verdict.divergence == Divergence(
        2,
        0,
        'send /printer {"tag":"replaytest.Give","amount":2}',
        'send /printer {"tag":"replaytest.Give","amount":4}',
    )


def test_a_crash_is_a_divergence() -> None:
    (turn,) = recorded([1])
    unlucky = Input(2, 1, 2, BOOT_NS, encode(Give(amount=13)))
    verdict = Replay(fold(Adder()), NAMES, Watcher()).run([turn._replace(inputs=[unlucky])])
    assert verdict.divergence is not None
    assert verdict.divergence.found.startswith("a crash: AssertionError: unlucky")


def test_only_the_range_is_shown_and_all_before_it_is_folded() -> None:
    notes = Notes()
    turns = recorded([1, 2], [3, 4], [5])
    verdict = Replay(fold(Adder()), NAMES, notes, from_seq=2, to_seq=3).run(turns)
    assert [step.seq for step in notes.steps] == [2, 3]
    assert (verdict.last_seq, verdict.divergence) == (4, None)


def test_a_watcher_ends_the_replay_after_the_message_it_wanted() -> None:
    notes = Notes(stop_at=2)
    verdict = Replay(fold(Adder()), NAMES, notes).run(recorded([1, 2, 3]))
    assert [step.seq for step in notes.steps] == [1, 2]
    assert (verdict.last_seq, verdict.divergence) == (2, None)


def test_nothing_to_replay() -> None:
    assert Replay(fold(Adder()), NAMES, Watcher()).run([]).turns == 0


@pytest.mark.parametrize(
    ("was", "now", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"b": 1}, ["state.a: 1 → nothing", "state.b: nothing → 1"]),
        ({"a": [1, 2]}, {"a": [1, 3]}, ["state.a[1]: 2 → 3"]),
        ({"a": [1]}, {"a": [1, 3]}, ["state.a: [1] → [1,3]"]),
        ({"a": {"b": None}}, {"a": {"b": "x"}}, ['state.a.b: null → "x"']),
        ("x" * 300, "y", [f'state: "{"x" * 199}… → "y"']),
    ],
)
def test_changes_name_the_place_and_both_values(was: object, now: object, lines: list[str]) -> None:
    assert changes(was, now) == lines
