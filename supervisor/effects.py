"""Effects in the form in which they are recorded, and in words."""

import msgspec

from supervisor.actor import EFFECT_NAMES, PUBLISH, SEND, Effect
from supervisor.journal import StoredEffect


def travels(kind: int) -> bool:
    """Return whether an effect of this kind is a message, with a position of its own."""
    return kind in (SEND, PUBLISH)


def inline_body(effect: Effect) -> bytes:
    """Return what the turn's own record keeps of an effect that is no message."""
    kind, target, body, _ = effect
    assert not travels(kind), "a message is recorded by its position"
    return body or target.encode()


def words(effect: Effect) -> str:
    """Return a fresh effect in words: what it does, to whom, with what."""
    kind, target, body, number = effect
    if travels(kind):
        return _message(kind, target, body)
    return _inline(kind, inline_body(effect), number)


def words_of_stored(effect: StoredEffect, names: dict[int, str]) -> str:
    """Return a recorded effect in the words that `words` would have used."""
    kind, target, _, number, body = effect
    if travels(kind):
        return _message(kind, names.get(target, f"#{target}"), body)
    return _inline(kind, body, number)


def _message(kind: int, target: str, body: bytes) -> str:
    return f"{EFFECT_NAMES[kind]} {target} {readable(body)}"


def _inline(kind: int, body: bytes, number: int) -> str:
    return f"{EFFECT_NAMES[kind]} {readable(body)} {number}"


def readable(body: bytes) -> str:
    """Return an encoded message or row as JSON, anything else as text."""
    try:
        decoded = msgspec.msgpack.decode(body)
    except msgspec.DecodeError:
        return body.decode(errors="replace")
    if not isinstance(decoded, dict):
        return body.decode(errors="replace")
    return msgspec.json.encode(decoded).decode()
