"""The process that runs one actor's handlers: `python -m supervisor.process_child FD BYTES`.

It decodes, handles, and returns effects; it opens nothing and keeps nothing. When the bot ends, or
its cell closes the socket, it ends too.
"""

import ctypes
import importlib
import os
import resource
import signal
import sys
import traceback
from functools import partial
from typing import BinaryIO

import msgspec

from supervisor import process_frames
from supervisor.actor import Actor
from supervisor.fold import Divergence, Fold
from supervisor.journal import Input, RecordedTurn
from supervisor.process_frames import LENGTH, Begin, Handle, Handled, Past, Reached, Save, Saved

# Said by exit codes: where no memory is left, nothing else can be said.
MEMORY_EXIT = 77
_PR_SET_PDEATHSIG = 1


def main(file_number: int, memory_bytes: int) -> None:
    """Answer questions until there are no more."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # Ctrl-C in a terminal reaches the whole group: the bot then stops us in good order.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    try:
        with os.fdopen(file_number, "r+b", buffering=0) as socket_file:
            _answer(socket_file)
    except MemoryError:
        os._exit(MEMORY_EXIT)


def _answer(socket_file: BinaryIO) -> None:
    fold: Fold | None = None
    while (body := _read(socket_file)) is not None:
        question = process_frames.question_decoder.decode(body)
        if isinstance(question, Begin):
            fold = _begin(question)
        assert fold is not None, "the first question is Begin"
        reply: process_frames.Reply
        if isinstance(question, Handle):
            reply = _handle(fold, question)
        elif isinstance(question, Save):
            reply = Saved(snapshot=fold.snapshot(question.now_ns))
        else:
            divergence = None
            if isinstance(question, Past):
                divergence = _fold(fold, question)
            elif not isinstance(question, Begin):
                fold.context.continue_as(question.lineage)
            reply = Reached(
                seq=fold.seq, chain=fold.chain, timers=fold.timers, divergence=divergence
            )
        left = memoryview(process_frames.frame(reply))
        while left:
            left = left[socket_file.write(left) :]


def _begin(question: Begin) -> Fold:
    kind = getattr(importlib.import_module(question.module), question.name)
    arguments, keywords = msgspec.msgpack.decode(question.arguments)
    actor = partial(kind, *arguments, **keywords)()
    assert isinstance(actor, Actor), f"{question.name} is an actor"
    fold = Fold(
        actor, question.lineage, question.actor_id, question.address, paranoid=question.paranoid
    )
    if question.snapshot is not None:
        fold.load(question.snapshot)
    return fold


def _fold(fold: Fold, question: Past) -> Divergence | None:
    for turn in question.turns:
        recorded = RecordedTurn(
            turn.first_seq,
            turn.now_ns,
            [Input(*item) for item in turn.inputs],
            turn.counts,
            turn.effects,
            turn.chain,
        )
        if question.follow:
            fold.follow(recorded)
            continue
        divergence = fold.replay(recorded, question.names)
        if divergence is not None:
            return divergence
    return None


def _handle(fold: Fold, question: Handle) -> Handled:
    fold.timers_moved = False
    batch = [Input(*item) for item in question.batch]
    ran = fold.run(batch, question.now_ns, timed=True)
    if ran.handled:
        fold.seal(ran.counts, ran.effects)
    error = ran.crash
    return Handled(
        counts=ran.counts,
        effects=ran.effects,
        seq=fold.seq,
        timers=dict(fold.timers) if fold.timers_moved or ran.effects else None,
        error="" if error is None else f"{type(error).__name__}: {error}",
        traceback="" if error is None else "".join(traceback.format_exception(error)),
    )


def _read(socket_file: BinaryIO) -> bytes | None:
    head = _read_exactly(socket_file, LENGTH.size)
    if head is None:
        return None
    return _read_exactly(socket_file, LENGTH.unpack(head)[0])


def _read_exactly(socket_file: BinaryIO, size: int) -> bytes | None:
    parts: list[bytes] = []
    while size:
        part = socket_file.read(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
