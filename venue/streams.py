"""Who is subscribed to what: any hashable key per stream, in the order of subscription."""

from collections.abc import Hashable
from typing import Generic, TypeVar

from venue.commits import Outgoing
from venue.websocket import WebSocketSession

Key = TypeVar("Key", bound=Hashable)

# What one connection may subscribe to: Binance's bound, the largest of the venues' is alike.
STREAMS_PER_SESSION_MAX = 1_024


class TooManyStreamsError(Exception):
    """A connection has as many streams as the venue allows."""


class Streams(Generic[Key]):
    """Subscriptions of every connected client."""

    def __init__(self) -> None:
        self._sessions: dict[Key, dict[WebSocketSession, None]] = {}
        self._keys: dict[WebSocketSession, dict[Key, None]] = {}

    def subscribe(self, session: WebSocketSession, key: Key) -> bool:
        """Add a stream; False when the client has it already. Raises `TooManyStreamsError`."""
        own = self._keys.setdefault(session, {})
        if key in own:
            return False
        if len(own) >= STREAMS_PER_SESSION_MAX:
            raise TooManyStreamsError
        own[key] = None
        self._sessions.setdefault(key, {})[session] = None
        return True

    def unsubscribe(self, session: WebSocketSession, key: Key) -> bool:
        """Remove a stream; False when the client did not have it."""
        own = self._keys.get(session, {})
        if key not in own:
            return False
        del own[key]
        sessions = self._sessions[key]
        del sessions[session]
        if not sessions:
            del self._sessions[key]
        return True

    def forget(self, session: WebSocketSession) -> None:
        """Remove a client that is gone from everything."""
        for key in self.of(session):
            self.unsubscribe(session, key)
        self._keys.pop(session, None)

    def of(self, session: WebSocketSession) -> list[Key]:
        """Return the streams of a client, oldest first."""
        return list(self._keys.get(session, {}))

    def keys(self) -> list[Key]:
        """Return every stream that somebody has."""
        return list(self._sessions)

    def to(self, key: Key, frame: bytes, channel: str) -> list[Outgoing]:
        """Return `frame` for everybody who has the stream; faults know it as `channel`."""
        return [Outgoing(session, frame, channel) for session in self._sessions.get(key, {})]
