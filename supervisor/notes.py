"""What is noted of a running actor to be looked at: what it did, and how long that took.

A cell notes each turn here. What is kept is bounded, and nothing of it is needed for anything but
being looked at (`supervisor/introspect.py`).
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

import msgspec
import trio

from messages.base import Message
from messages.inspection import ActorFrame, ActorStep, ActorWaiting
from messages.views import matches
from supervisor.actor import Effect
from supervisor.clock import Clock
from supervisor.determinism import turns_taken
from supervisor.effects import readable, words
from supervisor.journal import RUNTIME, Envelope, RecordedTurn

logger = logging.getLogger("supervisor")

Hook = Callable[[ActorStep], bool]
"""Called with each step of an actor; to be called no more it returns False."""
# What a person reads of what has just happened; a turn's worth of references for each actor.
RING_MESSAGES = 32
# Messages are hundreds of bytes; of a turn with larger ones only the last is kept alive by us.
RING_BYTES = 65_536
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
# A person looks with one or two.
HOOKS_MAX = 8
_SECOND_NS = 1_000_000_000
# Enough turns for a percentile, and the newest only: what was slow last week is of no help.
TIMES_KEPT = 512


class StepTimes:
    """How long the messages of the newest turns took."""

    __slots__ = ("_turns", "max_ns")

    def __init__(self) -> None:
        self._turns: list[tuple[int, int]] = []
        self.max_ns = 0
        """The longest mean of a turn since the process started."""

    def note(self, turn_ns: int, messages: int) -> None:
        """Note a turn of so many messages."""
        turns = self._turns
        turns.append((turn_ns, messages))
        if turn_ns > self.max_ns and turn_ns // messages > self.max_ns:
            self.max_ns = turn_ns // messages
        if len(turns) >= 2 * TIMES_KEPT:
            # Not one by one: that would cost each turn as much as all the rest of this.
            del turns[:TIMES_KEPT]

    def percentile_ns(self, percent: float) -> int:
        """Return the time that `percent` of the newest messages did not exceed; 0 of none."""
        means = sorted((turn_ns // messages, messages) for turn_ns, messages in self._turns)
        rest = sum(messages for _, messages in means) * percent / 100
        for mean_ns, messages in means:
            rest -= messages
            if rest <= 0:
                return mean_ns
        return 0


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

    def note(
        self,
        turn: RecordedTurn,
        effects: list[Effect],
        names: Mapping[int, str],
        digest: Callable[[], str],
    ) -> None:
        """Look at a turn."""
        second = turn.now_ns // _SECOND_NS
        if second != self._second:
            self._second, self._left = second, self._per_s
        # What is put into words costs the loop: a turn is not looked through beyond the cap.
        if not self._left and not self._filter:
            self.skipped += len(turn.inputs)
            return
        for step in steps_of(turn, effects, names, digest()):
            if not matches(step, self._filter):
                continue
            if self._left:
                self._left -= 1
                self.steps.append(step)
            else:
                self.skipped += 1


class Notes:
    """What is noted of one cell. Ten thousand idle ones must not weigh: an empty deque is 600 B."""

    __slots__ = (
        "_kept", "_points", "_turns", "hooks", "overruns", "started_ns", "struck", "task", "times",
        "trace",
    )  # fmt: skip

    def __init__(self) -> None:
        self.hooks: dict[str, Hook] | None = None
        """Debug hooks by name; None where there are none, as nearly everywhere."""
        self.times = StepTimes()
        self.overruns = 0
        self.struck = 0
        self.started_ns = 0
        self.task: trio.lowlevel.Task | None = None
        """The incarnation's."""
        self.trace: Trace | None = None
        self._turns: list[tuple[RecordedTurn, list[Effect]]] = []
        self._kept = 0
        self._points = 0

    def begin(self, now_ns: int) -> None:
        """Note that an incarnation begins, in the task that runs it."""
        self.started_ns = now_ns
        self.task = trio.lowlevel.current_task()
        self._points = turns_taken(self.task)

    @property
    def reductions(self) -> int:
        """How often the incarnation's task took a turn of the event loop."""
        return turns_taken(self.task) - self._points if self.task is not None else 0

    def is_watched(self, clock: Clock) -> bool:
        """Whether each message is handled in a turn of its own, to be seen with its state."""
        if self.hooks is not None:
            return True
        return self.trace is not None and clock.now_ns() < self.trace.until_ns

    def install(self, name: str, hook: "Hook") -> None:
        """Have `hook` called with each step from now on; one of the same name is replaced."""
        hooks = self.hooks or {}
        assert name in hooks or len(hooks) < HOOKS_MAX, "hooks are for looking, not for working"
        self.hooks = hooks | {name: hook}

    def remove(self, name: str) -> bool:
        """Take a hook out; return whether it was there."""
        left = {other: hook for other, hook in (self.hooks or {}).items() if other != name}
        was_there = len(left) < len(self.hooks or {})
        self.hooks = left or None
        return was_there

    def turn(
        self,
        turn: RecordedTurn,
        effects: list[Effect],
        size: int,
        names: Mapping[int, str],
        digest: Callable[[], str],
    ) -> None:
        """Note a turn, whose messages have `size` bytes, and what it did.

        `digest` returns the hash of the state after it.
        """
        if self.trace is not None or self.hooks is not None:
            self._watch(turn, effects, names, digest)
        if size > RING_BYTES or len(effects) > RING_EFFECTS:
            turn, effects = _least(turn, effects)
        turns = self._turns
        turns.append((turn, effects))
        kept = self._kept + len(turn[2])
        while kept - len(turns[0][0][2]) >= RING_MESSAGES:
            kept -= len(turns.pop(0)[0][2])
        self._kept = kept

    def _watch(
        self,
        turn: RecordedTurn,
        effects: list[Effect],
        names: Mapping[int, str],
        digest: Callable[[], str],
    ) -> None:
        trace = self.trace
        if trace is not None and turn.now_ns > trace.until_ns + TRACE_NS_MAX:
            self.trace = trace = None
        if trace is not None and turn.now_ns < trace.until_ns:
            trace.note(turn, effects, names, digest)
        for name, hook in (self.hooks or {}).items():
            try:
                goes_on = all(hook(step) for step in steps_of(turn, effects, names, digest()))
            except Exception:
                # As in OTP: a hook that fails is taken out, and the actor goes on.
                logger.exception("the debug hook %s failed and is removed", name)
                goes_on = False
            if not goes_on:
                self.remove(name)

    def traced(self, now_ns: int) -> bool:
        """Whether a trace is being taken."""
        return self.trace is not None and now_ns < self.trace.until_ns

    def steps(self, names: Mapping[int, str]) -> list[ActorStep]:
        """Return the newest steps, oldest first: the trace's, or what was handled last."""
        if self.trace is not None:
            return list(self.trace.steps)
        found = [step for turn in self._turns for step in steps_of(*turn, names)]
        return found[-RING_MESSAGES:]


def _least(turn: RecordedTurn, effects: list[Effect]) -> tuple[RecordedTurn, list[Effect]]:
    """Return what is kept of a turn that is too large to be kept: its last message."""
    count = turn.counts[-1]
    last = RecordedTurn(
        turn.first_seq + len(turn.inputs) - 1,
        turn.now_ns,
        turn.inputs[-1:],
        [count],
        [],
        turn.chain,
    )
    return last, effects[len(effects) - count :][:RING_EFFECTS]


def steps_of(
    turn: RecordedTurn, effects: list[Effect], names: Mapping[int, str], state_hash: str = ""
) -> Iterator[ActorStep]:
    """Put a turn into words, message by message; the hash is of the state after the last."""
    at = 0
    last = len(turn.inputs) - 1
    for offset, (item, count) in enumerate(zip(turn.inputs, turn.counts, strict=True)):
        # Envelopes and inputs begin alike.
        yield ActorStep(
            seq=turn.first_seq + offset,
            now_ns=turn.now_ns,
            sender=name_of(item[1], names),
            message=shown(item[4]),
            effects=tuple(cut(words(effect)) for effect in effects[at : at + count]),
            chain=turn.chain.hex(),
            state_hash=state_hash if offset == last else "",
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
