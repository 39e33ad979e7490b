"""The recorded past of one actor, wherever it is kept: in a data folder, or in a bundle."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from state.history import History
from state.lineages import Lineages
from supervisor.actor import Actor
from supervisor.fold import Fold, Ran
from supervisor.journal import Envelope, Input, RecordedTurn, SetAside, Snapshot

LAST_SEQ = 2**62


class PastError(Exception):
    """There is nothing to replay; the text says why."""


class Source(Protocol):
    """Where turns and snapshots come from; `state.history.History` is one, by number of actor."""

    def turns(self, actor: int, from_seq: int, to_seq: int) -> Iterable[RecordedTurn]:
        """Yield the turns that hold messages `from_seq` to `to_seq`, in order."""

    def snapshot_before(self, actor: int, seq: int) -> Snapshot | None:
        """Return the newest snapshot without message `seq`; `None`: fold from the beginning."""

    def turns_since(self, actor: int, at_ns: int) -> Iterable[RecordedTurn]:
        """Yield the turns committed with anything of `at_ns` or later, and some before perhaps."""

    def horizon(self, actor: int) -> int:
        """Return the first message that can be replayed."""

    def quarantined(self) -> list[SetAside]:
        """Return what is in quarantine, in order of position."""


class FoldOfThen(Fold):
    """A fold over a past in which a backup may have been restored: each turn under its lineage."""

    def __init__(self, actor: Actor[Any], lineages: Lineages, actor_id: int, address: str) -> None:
        super().__init__(actor, lineages.now, actor_id, address)
        self._lineages = lineages
        self._first_ns, self._last_ns = 0, -1

    def run(self, batch: Sequence[Envelope] | Sequence[Input], now_ns: int, *, timed: bool) -> Ran:
        if not self._first_ns <= now_ns <= self._last_ns:
            lineage, self._first_ns, self._last_ns = self._lineages.at(now_ns)
            self.context.continue_as(lineage)
        return super().run(batch, now_ns, timed=timed)


class Past(NamedTuple):
    """One actor's: make it anew as often as needed, and fold it to any message that is kept."""

    address: str
    number: int
    lineages: Lineages
    names: Mapping[int, str]
    make: Callable[[], Actor[Any]]
    source: Source

    def horizon(self) -> int:
        """Return the first message that can be replayed."""
        return self.source.horizon(self.number)

    def begin(self, seq: int) -> Fold:
        """Return a fold in the newest state kept from before message `seq`.

        Raises `HistoryRetiredError` when there is none.
        """
        lineages = self.lineages
        if lineages.before:
            fold: Fold = FoldOfThen(self.make(), lineages, self.number, self.address)
        else:
            fold = Fold(self.make(), lineages.now, self.number, self.address)
        snapshot = self.source.snapshot_before(self.number, seq)
        if snapshot is not None:
            fold.load(snapshot)
        return fold

    def turns(self, after_seq: int) -> Iterable[RecordedTurn]:
        """Yield what it handled after message `after_seq`."""
        return self.source.turns(self.number, after_seq + 1, LAST_SEQ)

    def restores(self, first_seq: int, last_seq: int) -> list[int]:
        """Return the newest moment of each backup that was restored between two messages."""
        if not self.lineages.before:
            return []
        times = [
            turn.now_ns
            for seq in (first_seq, last_seq)
            for turn in self.source.turns(self.number, seq, seq)
        ]
        return [
            past.until_ns
            for past in self.lineages.before
            if times and times[0] <= past.until_ns < times[-1]
        ]


class Sent(NamedTuple):
    """Which message of which actor sent something."""

    actor: int
    seq: int


def seq_at(source: Source, number: int, at_ns: int) -> int:
    """Return the first message that the actor handled at `at_ns` or later.

    Raises `PastError` if it handled none since.
    """
    for turn in source.turns_since(number, at_ns):
        if turn.now_ns >= at_ns:
            return max(turn.first_seq, source.horizon(number))
    raise PastError("it has handled no message since then")


def sender_of(history: History, position: int) -> Sent:
    """Return who sent the message at `position`, in which step. Raises `PastError`."""
    message = history.message(position)
    if message is None:
        raise PastError(f"no message is kept at {position}: the ids are those that `bot log` shows")
    for turn in history.turns_since(message.sender, message.at_ns):
        positions = [effect[2] for effect in turn.effects]
        if position in positions:
            index = positions.index(position)
            return Sent(message.sender, turn.first_seq + _offset(turn.counts, index))
        if min((each for each in positions if each), default=0) > position:
            break
    raise PastError(
        f"what was sent at {position} came from a port, or its sender's past is no longer kept"
    )


def _offset(counts: list[int], index: int) -> int:
    """Return which message of a turn had effect number `index`."""
    for offset, count in enumerate(counts):
        if index < count:
            return offset
        index -= count
    raise AssertionError("a turn's counts add up to its effects")


def last_crash(source: Source, number: int) -> SetAside:
    """Return the newest message that was set aside because it crashed the actor.

    Raises `PastError`.
    """
    found = [item for item in source.quarantined() if item.actor == number]
    if not found:
        raise PastError(
            "no message of it is in quarantine: crashes that a second try survived, and messages "
            "that an operator released, leave none; see `bot log`"
        )
    return found[-1]
