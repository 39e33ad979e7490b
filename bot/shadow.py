"""The helper that replays beside a running bot: `python -m bot.shadow FOLDER SINCE_NS`.

It is a process of its own, the lowest in priority and bounded in memory, and it only reads. On its
standard input it is told whom to replay (`Subjects`), on its standard output it says what it found
(`Report`). It imports actors alone, not the tree: that would be twice the memory.
"""

import hashlib
import importlib
import os
import resource
import sys
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import msgspec

from bot.past import Past
from state.errors import StateError
from state.look import Look
from supervisor.actor import Actor
from supervisor.clock import NANOSECONDS_PER_SECOND, wall_ns
from supervisor.fold import Divergence
from supervisor.journal import RecordedTurn, Snapshot
from supervisor.replay import Replay, Watcher

# How far back is replayed; from the snapshot before that on, so up to half an hour more.
WINDOW_NS = 3_600 * NANOSECONDS_PER_SECOND
NICE = 19
# Data of its own: interpreter, actors and blocks take some 30 MB. Far beyond it something is wrong
# with the helper, and the bot must not pay for that.
MEMORY_BYTES_MAX = 200_000_000
# Blocks read back are used once, in order.
CACHE_BYTES = 2_000_000
# No tree has more: what the daemon reads of a helper gone mad is bounded by these two.
ACTORS_MAX = 20_000
DIVERGED_MAX = 20


class Subject(msgspec.Struct, frozen=True, array_like=True):
    """An actor that runs: where, and what class it is of."""

    address: str
    module: str
    name: str


class Subjects(msgspec.Struct, frozen=True, kw_only=True):
    """Whom to replay, and by which code they run."""

    actors: list[Subject]
    code: str
    """`code_digest` when the bot started."""


class Diverged(msgspec.Struct, frozen=True, kw_only=True):
    """An actor whose past came out differently."""

    address: str
    seq: int
    recorded: str
    found: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What one round found."""

    actors: int = 0
    """Replayed, at least one message of each."""
    messages: int = 0
    diverged: list[Diverged] = []
    skipped: dict[str, str] = {}
    """Who could not be replayed, and why."""
    refused: str = ""
    """Why nobody was."""
    cpu_ms: int = 0
    memory_bytes: int = 0


def code_digest(root: Path) -> str:
    """Return what differs when a source file of ours does: names, sizes, times of change."""
    digest = hashlib.blake2b(digest_size=16)
    for package in ("actors", "messages", "supervisor"):
        for path in sorted((root / package).rglob("*.py")):
            stat = path.stat()
            digest.update(f"{path} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def own_root() -> Path:
    """Return the folder that holds our packages."""
    return Path(__file__).resolve().parent.parent


def shadow(look: Look, subjects: Subjects, since_ns: int, now_ns: int) -> Report:
    """Replay what `subjects` handled lately, from snapshots that this boot wrote.

    `since_ns` is when the bot started: what was made before may have been made by other code, and
    is not compared.
    """
    names = look.names()
    by_number = {number: name for name, number in names.items()}
    booted_ns, since_ns = since_ns, max(since_ns, now_ns - WINDOW_NS)
    actors = messages = 0
    diverged: list[Diverged] = []
    skipped: dict[str, str] = {}
    history = look.history(CACHE_BYTES)
    for subject in subjects.actors[:ACTORS_MAX]:
        number = names.get(subject.address)
        if number is None:
            continue
        make = partial(_make, subject)
        past = Past(subject.address, number, look.lineages(), by_number, make, history)
        try:
            handled, divergence = _replay(past, since_ns, booted_ns)
        except (StateError, apsw.Error) as error:
            # Its tables may be retired while they are read; whether data is sound, doctor says.
            skipped[subject.address] = str(error)
            continue
        actors += bool(handled)
        messages += handled
        if divergence is not None and len(diverged) < DIVERGED_MAX:
            diverged.append(
                Diverged(
                    address=subject.address,
                    seq=divergence.seq,
                    recorded=divergence.recorded,
                    found=divergence.found,
                )
            )
    return Report(actors=actors, messages=messages, diverged=diverged, skipped=skipped)


def _replay(past: Past, since_ns: int, booted_ns: int) -> tuple[int, Divergence | None]:
    """Return how many messages were handled again, and where they differ."""
    start = _start(past, since_ns, booted_ns)
    if start is None:
        return 0, None
    fold = past.begin(start + 1)
    if fold.seq != start:
        return 0, None
    first = fold.seq
    verdict = Replay(fold, past.names, Watcher()).run(past.turns(first))
    return fold.seq - first, verdict.divergence


def _start(past: Past, since_ns: int, booted_ns: int) -> int | None:
    """Return after which message to begin: with what was handled at `since_ns`, or after it.

    Before the first message, or the newest usable snapshot from before that moment, or the oldest.
    """
    first = next(iter(_first_turns(past)), None)
    if first is not None and first.now_ns >= since_ns:
        return 0
    version = past.make().version
    start: int | None = None
    for snapshot in _snapshots(past):
        if snapshot.now_ns < booted_ns or snapshot.version != version:
            break
        start = snapshot.seq
        if snapshot.now_ns < since_ns:
            break
    return start


def _snapshots(past: Past) -> Iterable[Snapshot]:
    seq = 2**62
    while seq > 1 and seq >= past.horizon():
        snapshot = past.source.snapshot_before(past.number, seq)
        if snapshot is None:
            return
        yield snapshot
        seq = snapshot.seq


def _first_turns(past: Past) -> Iterable[RecordedTurn]:
    return past.turns(0) if past.horizon() == 1 else ()


def _make(subject: Subject) -> Actor[Any]:
    kind: object = importlib.import_module(subject.module)
    for part in subject.name.split("."):
        kind = getattr(kind, part)
    assert isinstance(kind, type), f"{subject.name} is a class of actors"
    made = kind()
    assert isinstance(made, Actor), f"{subject.name} is a class of actors"
    return made


def _memory_bytes() -> int:
    """Return the most that was resident; `ru_maxrss` would count who started us, too."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith("VmHWM:"))
    return int(peak.split()[1]) * 1_024


def main(arguments: list[str]) -> None:
    """Replay one round, as lowly as a process can be."""
    os.nice(NICE)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    folder, since_ns = Path(arguments[0]), int(arguments[1])
    subjects = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Subjects)
    if code_digest(own_root()) != subjects.code:
        refused = "the code on disk is no longer what the bot started with: restart the bot"
        report = Report(refused=refused)
    else:
        with Look(folder) as look:
            report = shadow(look, subjects, since_ns, wall_ns())
    used = resource.getrusage(resource.RUSAGE_SELF)
    report = msgspec.structs.replace(
        report,
        cpu_ms=int((used.ru_utime + used.ru_stime) * 1_000),
        memory_bytes=_memory_bytes(),
    )
    sys.stdout.buffer.write(msgspec.json.encode(report))


if __name__ == "__main__":
    main(sys.argv[1:])
