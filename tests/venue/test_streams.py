from typing import cast

import pytest

from venue.commits import Outgoing
from venue.streams import STREAMS_PER_SESSION_MAX, Streams, TooManyStreamsError
from venue.websocket import WebSocketSession


def session(name: str) -> WebSocketSession:
    # It is only a key here.
    return cast(WebSocketSession, name)


def test_frames_go_to_whoever_subscribed() -> None:
    streams: Streams[str] = Streams()
    one, two = session("one"), session("two")
    assert streams.subscribe(one, "a")
    assert streams.subscribe(one, "b")
    assert streams.subscribe(two, "a")
    assert not streams.subscribe(two, "a")
    assert streams.to("a", b"x", "book") == [
        Outgoing(one, b"x", "book"),
        Outgoing(two, b"x", "book"),
    ]
    assert (streams.of(one), streams.keys()) == (["a", "b"], ["a", "b"])
    assert streams.unsubscribe(one, "a")
    assert not streams.unsubscribe(one, "a")
    streams.forget(two)
    assert streams.keys() == ["b"]
    assert streams.to("a", b"x", "book") == []


def test_a_connection_has_a_bound() -> None:
    streams: Streams[int] = Streams()
    for number in range(STREAMS_PER_SESSION_MAX):
        streams.subscribe(session("one"), number)
    with pytest.raises(TooManyStreamsError):
        streams.subscribe(session("one"), -1)
