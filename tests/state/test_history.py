"""Whatever is appended, in whatever groups and restarts, reads back as a plain model says."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from state.store import Store
from supervisor.journal import Input, Pending, RecordedTurn, SetAside, Snapshot, Turn
from supervisor.threads import InlineThreads, use
from tests.state.conftest import SMALL
from tests.state.samples import CHAIN, START_NS, snapshot

ACTORS = (1, 2, 3)
KINDS = ("durable", "stream", "turn", "snapshot", "conclude", "aside", "release", "configure")
# An hour and more between two steps now and then: groups go to tables of several hours.
STEPS_NS = (1, 1_000_000, 4_000_000_000_000)

Step = tuple[str, int, int]
steps = st.lists(
    st.tuples(
        st.sampled_from((*KINDS, "durable", "turn", "turn", "commit", "commit", "restart")),
        st.integers(0, 2**16),
        st.integers(0, 2),
    ),
    max_size=60,
)


@dataclass
class Model:
    """What the store must give back."""

    now_ns: int = START_NS
    position: int = 0
    posts: dict[int, Input] = field(default_factory=dict)
    durable: dict[int, int] = field(default_factory=dict)
    """Position → what it concludes, of every durable message."""
    waiting: list[int] = field(default_factory=list)
    """What some actor may still handle."""
    inbox: set[int] = field(default_factory=set)
    aside: dict[int, SetAside] = field(default_factory=dict)
    turns: dict[int, list[Turn]] = field(default_factory=dict)
    snapshots: dict[int, Snapshot] = field(default_factory=dict)
    configurations: dict[int, bytes] = field(default_factory=dict)

    def seq(self, actor: int) -> int:
        own = self.turns.get(actor, [])
        return own[-1].first_seq + len(own[-1].inputs) if own else 1

    def post(self, size: int) -> Input:
        self.position += 1 + size % 3
        body = b"%d" % self.position * (size % 50)
        post = Input(self.position, size % 5, 1 + size % 7, self.now_ns, body)
        self.posts[self.position] = post
        return post

    def recorded(self, turn: Turn) -> RecordedTurn:
        inputs = [Input(*self.posts[position]) for position in turn.inputs]
        effects = [
            (kind, target, position, number, self.posts[position][4] if position else body)
            for kind, target, position, number, body in turn.effects
        ]
        return RecordedTurn(turn.first_seq, turn.now_ns, inputs, turn.counts, effects, turn.chain)


class Run:
    """The store and the model, step by step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model = Model()
        self.store = Store.open(folder, SMALL)

    async def play(self, script: list[Step]) -> None:
        left = iter(script)
        restarts = True
        while restarts:
            async with trio.open_nursery() as nursery:
                await nursery.start(self.store.run)
                restarts = await self.until_restart(left)
                await self.store.aclose()
            self.store = Store.open(self.folder, SMALL)
            self.compare()
        await self.store.aclose()

    async def until_restart(self, left: Iterator[Step]) -> bool:
        for kind, number, pace in left:
            self.model.now_ns += STEPS_NS[pace]
            if kind == "restart":
                return True
            if kind == "commit":
                await self.store.committed()
                self.compare()
            else:
                getattr(self, kind)(number)
        return False

    def durable(self, number: int) -> None:
        concludes = number % 11 if number % 4 == 0 else 0
        post = self.model.post(number)
        self.store.durable(post, concludes)
        self.model.durable[post[0]] = concludes
        self.model.waiting.append(post[0])
        self.model.inbox.add(post[0])

    def stream(self, number: int) -> None:
        post = self.model.post(number)
        self.store.stream(post)
        self.model.waiting.append(post[0])

    def turn(self, number: int) -> None:
        model = self.model
        taken = model.waiting[number % 3 : number % 3 + 1 + number % 5]
        if not taken:
            return
        actor = ACTORS[number % len(ACTORS)]
        emitted = [model.post(number) for _ in range(number % 3)]
        for post in emitted:
            self.store.durable(post)
            model.durable[post[0]] = 0
        concluded = sorted(model.inbox - set(taken))[: number % 2]
        effects = [(0, post[2], post[0], 0, b"") for post in emitted] + [(2, 1, 0, 9, b"inline")]
        counts = [0] * (len(taken) - 1) + [len(effects)]
        turn = Turn(actor, model.seq(actor), model.now_ns, taken, counts, effects, concluded, CHAIN)
        self.store.turn(turn)
        model.turns.setdefault(actor, []).append(turn)
        model.waiting = [each for each in model.waiting if each not in taken + concluded]
        model.waiting += [post[0] for post in emitted]
        model.inbox |= {post[0] for post in emitted}
        model.inbox -= {*taken, *concluded}

    def snapshot(self, number: int) -> None:
        actor = ACTORS[number % len(ACTORS)]
        made = snapshot(actor, self.model.seq(actor) - 1, b"%d" % number, self.model.now_ns)
        self.store.snapshot(made)
        self.model.snapshots[actor] = made

    def conclude(self, number: int) -> None:
        for position in sorted(self.model.inbox)[: number % 2]:
            self.store.conclude(position)
            self.model.inbox.discard(position)
            self.model.waiting.remove(position)

    def aside(self, number: int) -> None:
        for position in self.model.waiting[: number % 2]:
            _, sender, _, at_ns, body = self.model.posts[position]
            item = SetAside(position, 2, sender, at_ns, body, "Error", bool(number % 4))
            self.store.set_aside(item)
            self.model.aside[position] = item
            self.model.waiting.remove(position)
            self.model.inbox.discard(position)

    def release(self, number: int) -> None:
        for position in sorted(self.model.aside)[:1]:
            discard = bool(number % 2)
            self.store.release(position, discard=discard, operator="ada", reason="why")
            del self.model.aside[position]
            if not discard and position in self.model.durable:
                self.model.inbox.add(position)
                self.model.waiting.append(position)

    def configure(self, number: int) -> None:
        actor = ACTORS[number % len(ACTORS)]
        self.store.configured(actor, b"%d" % number)
        self.model.configurations[actor] = b"%d" % number
        self.store.enroll(f"/name/{number}")

    def compare(self) -> None:
        model, store = self.model, self.store
        assert list(store.inbox()) == [
            Pending(*model.posts[position], model.durable[position])
            for position in sorted(model.inbox)
        ]
        assert sorted(store.quarantined()) == sorted(model.aside.values())
        assert store.next_position() == model.position + 1
        assert sorted(store.names().values()) == list(range(1, len(store.names()) + 1))
        for actor in ACTORS:
            assert store.configuration(actor) == model.configurations.get(actor)
            found, turns = store.restore(actor)
            assert found == model.snapshots.get(actor)
            own = model.turns.get(actor, [])
            after = found.seq if found is not None else 0
            assert list(turns) == [model.recorded(turn) for turn in own if turn.first_seq > after]
            assert store.horizon(actor) == 1
            whole = list(store.turns(actor, 1, 10**9))
            assert whole == [model.recorded(turn) for turn in own]


@settings(max_examples=60, deadline=None)
@given(script=steps)
def test_what_is_appended_reads_back_as_the_model_says(script: list[Step]) -> None:
    with tempfile.TemporaryDirectory() as folder, use(InlineThreads()):
        trio.run(Run(Path(folder)).play, script)
