"""What is noted of a running actor to be looked at: what it did, and how long that took.

A cell notes each turn here. What is kept is bounded, and nothing of it is needed for anything but
being looked at (`supervisor/introspect.py`).
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import NamedTuple

import msgspec
import trio

from messages.base import Message
from messages.inspection import ActorFrame, ActorStep, ActorWaiting
from messages.views import matches
from supervisor.actor import Effect
from supervisor.effects import readable, words
from supervisor.journal import RUNTIME, Envelope

# What a person reads of what has just happened; a turn's worth of references for each actor.
RING_MESSAGES = 32
# An actor that sends thousands of messages at once is not shown all of them, nor kept alive by us.
RING_EFFECTS = 256
# A trace is read while it is taken: some screens of it.
TRACE_STEPS = 512
# One that nobody came to read is forgotten after so long.
TRACE_NS_MAX = 3_600 * 1_000_000_000
# One message or effect in words: a line or two on a screen.
WORDS_MAX = 400
# One answer of the control socket holds 4 MiB: room for the largest part of it, and a bound on what
# a look at a state may cost the loop.
STATE_CHARACTERS_MAX = 1_000_000
# Stacks of a port with a task for each connection; deeper is a recursion.
TASKS_MAX = 64
FRAMES_MAX = 64
INBOX_MAX = 200
_SECOND_NS = 1_000_000_000
# Eight buckets for each doubling: a figure is at most an eighth too large.
_SUB_BITS = 3


class Noted(NamedTuple):
    """A turn, as it is kept to be shown."""

    first_seq: int
    now_ns: int
    inputs: list[Envelope]
    counts: list[int]
    effects: list[Effect]
    chain: bytes


class StepTimes:
    """How long messages take, in buckets: a histogram of nanoseconds."""

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.max_ns = 0

    def note(self, turn_ns: int, messages: int) -> None:
        """Count the messages of one turn, each with the turn's mean."""
        step_ns = turn_ns // messages
        shift = step_ns.bit_length() - _SUB_BITS - 1
        bucket = (shift << _SUB_BITS) + (step_ns >> shift) if shift > 0 else step_ns
        self._buckets[bucket] = self._buckets.get(bucket, 0) + messages
        if step_ns > self.max_ns:
            self.max_ns = step_ns

    def percentile_ns(self, percent: float) -> int:
        """Return the time that `percent` of the messages did not exceed; 0 if there were none."""
        rest = sum(self._buckets.values()) * percent / 100
        for bucket in sorted(self._buckets):
            rest -= self._buckets[bucket]
            if rest <= 0:
                return min(_top(bucket), self.max_ns)
        return 0


def _top(bucket: int) -> int:
    """Return the largest number of a bucket."""
    if bucket < 2 << _SUB_BITS:
        return bucket
    shift = (bucket >> _SUB_BITS) - 1
    first = bucket - (shift << _SUB_BITS)
    return ((first + 1) << shift) - 1


class Trace:
    """Keeps the steps that match a filter, so many a second, until its time is over."""

    def __init__(self, filter_text: str, per_s: int, until_ns: int) -> None:
        self._filter = filter_text
        self._per_s = per_s
        self.until_ns = until_ns
        self._second = 0
        self._left = per_s
        self.steps: deque[ActorStep] = deque(maxlen=TRACE_STEPS)
        self.skipped = 0
        """Steps that matched and were more than so many a second."""

    def note(self, turn: Noted, names: Mapping[int, str]) -> None:
        """Look at a turn."""
        second = turn.now_ns // _SECOND_NS
        if second != self._second:
            self._second, self._left = second, self._per_s
        # What is put into words costs the loop: a turn is not looked through beyond the cap.
        if not self._left and not self._filter:
            self.skipped += len(turn.inputs)
            return
        for step in steps_of(turn, names):
            if not matches(step, self._filter):
                continue
            if self._left:
                self._left -= 1
                self.steps.append(step)
            else:
                self.skipped += 1


class Notes:
    """What is noted of one cell."""

    def __init__(self) -> None:
        self.times = StepTimes()
        self.overruns = 0
        self.struck = 0
        self.started_ns = 0
        self.task: trio.lowlevel.Task | None = None
        """The incarnation's."""
        self.trace: Trace | None = None
        # Made with the first turn: thousands of idle actors never have one.
        self._turns: deque[Noted] | None = None
        self._kept = 0

    def begin(self, now_ns: int) -> None:
        """Note that an incarnation begins, in the task that runs it."""
        self.started_ns = now_ns
        self.task = trio.lowlevel.current_task()

    def turn(self, turn: Noted, names: Mapping[int, str]) -> None:
        """Note a turn."""
        if self.trace is not None:
            self._note_in_trace(self.trace, turn, names)
        count = len(turn.inputs)
        if count > RING_MESSAGES or len(turn.effects) > RING_EFFECTS:
            turn = _cut(turn)
            count = len(turn.inputs)
        turns = self._turns
        if turns is None:
            turns = self._turns = deque()
        turns.append(turn)
        self._kept += count
        while self._kept - len(turns[0].inputs) >= RING_MESSAGES:
            self._kept -= len(turns.popleft().inputs)

    def _note_in_trace(self, trace: Trace, turn: Noted, names: Mapping[int, str]) -> None:
        if turn.now_ns < trace.until_ns:
            trace.note(turn, names)
        elif turn.now_ns > trace.until_ns + TRACE_NS_MAX:
            self.trace = None

    def traced(self, now_ns: int) -> bool:
        """Whether a trace is being taken."""
        return self.trace is not None and now_ns < self.trace.until_ns

    def steps(self, names: Mapping[int, str]) -> list[ActorStep]:
        """Return the newest steps, oldest first: the trace's, or what was handled last."""
        if self.trace is not None:
            return list(self.trace.steps)
        found = [step for turn in self._turns or () for step in steps_of(turn, names)]
        return found[-RING_MESSAGES:]


def _cut(turn: Noted) -> Noted:
    skipped = max(0, len(turn.inputs) - RING_MESSAGES)
    first_effect = sum(turn.counts[:skipped])
    return Noted(
        turn.first_seq + skipped,
        turn.now_ns,
        turn.inputs[skipped:],
        turn.counts[skipped:],
        turn.effects[first_effect : first_effect + RING_EFFECTS],
        turn.chain,
    )


def steps_of(turn: Noted, names: Mapping[int, str]) -> Iterator[ActorStep]:
    """Put a turn into words, message by message."""
    at = 0
    for offset, (envelope, count) in enumerate(zip(turn.inputs, turn.counts, strict=True)):
        yield ActorStep(
            seq=turn.first_seq + offset,
            now_ns=turn.now_ns,
            sender=name_of(envelope[1], names),
            message=shown(envelope[4]),
            effects=tuple(cut(words(effect)) for effect in turn.effects[at : at + count]),
            chain=turn.chain.hex(),
        )
        at += count


def name_of(number: int, names: Mapping[int, str]) -> str:
    """Return the address of a sender."""
    return "runtime" if number == RUNTIME else names.get(number, f"#{number}")


def shown(body: bytes | Message) -> str:
    """Return a message as JSON, not too long."""
    if isinstance(body, Message):
        return cut(msgspec.json.encode(body).decode())
    return cut(readable(body))


def cut(text: str, most: int = WORDS_MAX) -> str:
    """Return `text`, or its beginning."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def waiting(
    envelopes: Iterable[Envelope], lane: str, names: Mapping[int, str]
) -> Iterator[ActorWaiting]:
    """Show messages that wait in a lane."""
    for envelope in envelopes:
        yield ActorWaiting(
            position=envelope[0],
            lane=lane,
            sender=name_of(envelope[1], names),
            at_ns=envelope[3],
            message=shown(envelope[4]),
        )


def frames(task: trio.lowlevel.Task | None) -> list[ActorFrame]:
    """Return where a task stands, and those below it: the stacks of one incarnation."""
    found: list[ActorFrame] = []
    left = [task] if task is not None else []
    for count in range(TASKS_MAX):
        if not left:
            break
        one = left.pop(0)
        name = f"{count} {one.name}"
        for depth, (frame, line) in enumerate(islice(one.iter_await_frames(), FRAMES_MAX)):
            code = frame.f_code
            where = f"{code.co_filename}:{line}"
            found.append(ActorFrame(task=name, depth=depth, where=where, function=code.co_qualname))
        for nursery in one.child_nurseries:
            left += list(nursery.child_tasks)
    return found
