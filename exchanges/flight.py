"""What is known about a request while it flies: had a byte of it been written, what came back.

The transport writes it, the error table reads it. It travels in a context variable because ccxt's
generated code lies between the two; child tasks share the object.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import msgspec


class Flight(msgspec.Struct):
    """One call of a client: usually one request, at times several after each other.

    `is_order` says that it places an order: then only the venue's own word is a refusal. `reduces`
    says that the order reduces a position: such do not queue behind entries.
    `sent` is about the newest request: it turns True before its first byte is handed to the socket
    and never back while it flies. `status` is the newest answer's HTTP status, None while there is
    none.
    """

    is_order: bool = False
    reduces: bool = False
    sent: bool = False
    status: int | None = None
    retry_after_ms: int | None = None

    def begin(self) -> None:
        """Start another request."""
        self.sent = False
        self.status = None
        self.retry_after_ms = None


_current: ContextVar[Flight | None] = ContextVar("flight", default=None)


def current_flight() -> Flight:
    """Return the flight of the running call, or one that nobody reads."""
    return _current.get() or Flight()


@contextmanager
def flying(flight: Flight) -> Iterator[None]:
    """Make `flight` the one that the transport writes to, in this task and its children."""
    token = _current.set(flight)
    try:
        yield
    finally:
        _current.reset(token)
