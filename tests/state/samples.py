"""Journal entries for tests: small actors, small bodies."""

from messages.base import Row, encode
from supervisor.actor import RECORD, SEND
from supervisor.journal import Post, Snapshot, StoredEffect, Turn

START_NS = 1_800_000_000_000_000_000
CHAIN = bytes(16)


def post(position: int, sender: int = 1, target: int = 2, body: bytes = b"") -> Post:
    return (position, sender, target, START_NS + position, body or b"body %d" % position)


def turn(
    actor: int,
    first_seq: int,
    inputs: list[int],
    emitted: tuple[int, ...] = (),
    rows: tuple[Row, ...] = (),
    concluded: tuple[int, ...] = (),
    now_ns: int = 0,
) -> Turn:
    """Return a turn whose last input had all the effects."""
    effects: list[StoredEffect] = [(SEND, 2, position, 0, b"") for position in emitted]
    effects += [(RECORD, 3, 0, START_NS, encode(row)) for row in rows]
    counts = [0] * (len(inputs) - 1) + [len(effects)]
    at_ns = now_ns or START_NS + first_seq
    return Turn(actor, first_seq, at_ns, inputs, counts, effects, list(concluded), CHAIN)


def snapshot(actor: int, seq: int, state: bytes = b"state", now_ns: int = 0) -> Snapshot:
    return Snapshot(actor, seq, 1, now_ns or START_NS + seq, CHAIN, 3, {"tick": (seq, 5)}, state)
