"""What is said of messages that crash their actors."""

import msgspec

from messages.base import tag_in, tag_of
from messages.runtime import Quarantined, TimerFired
from supervisor.journal import Envelope


def quarantined(poison: Envelope, error: str) -> Quarantined:
    """Return what an actor is told of a message that was set aside."""
    position, body = poison[0], poison[4]
    tag = tag_in(body)
    if tag != tag_of(TimerFired):
        return Quarantined(position=position, tag_set_aside=tag, error=error)
    fired = msgspec.msgpack.decode(body, type=TimerFired)
    return Quarantined(
        position=position,
        tag_set_aside=tag,
        error=error,
        timer_name=fired.name,
        timer_due_ns=fired.due_ns,
    )


class NotBlockedError(Exception):
    """There is nothing to retry or discard."""

    def __init__(self, address: str) -> None:
        super().__init__(f"{address} has no message set aside that blocks it: see `bot tree`")
