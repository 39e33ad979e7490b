import contextlib
import itertools

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from messages import control, framing
from messages.framing import Fault, FrameReader, ProtocolError, encode_frame
from messages.readers import client_reader, server_reader

requests = st.one_of(
    st.builds(control.Hello, client=st.text(max_size=64)),
    st.builds(control.Ping, number=st.integers(0, 2**62), sent_ns=st.integers(0, 2**62)),
    st.builds(
        control.Subscribe,
        view=st.sampled_from(control.View),
        rate_hz=st.floats(control.RATE_HZ_MIN, control.RATE_HZ_MAX),
        filter=st.text(max_size=100),
        limit=st.integers(1, control.ROWS_MAX),
    ),
    st.builds(
        control.KillSwitch,
        request_id=st.text(min_size=1, max_size=64),
        action=st.sampled_from(control.SwitchAction),
        reason=st.text(min_size=1, max_size=500),
    ),
)


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(st.lists(requests, max_size=8), st.lists(st.integers(0, 10_000), max_size=12))
def test_frames_arrive_whole_and_in_order_however_the_bytes_are_cut(
    frames: list[control.ClientFrame], points: list[int]
) -> None:
    reader = server_reader()
    received: list[control.ClientFrame] = []
    for piece in cut(b"".join(encode_frame(frame) for frame in frames), points):
        received += reader.feed(piece)
    reader.close()
    assert received == frames


@given(st.binary(max_size=2_000), st.lists(st.integers(0, 2_000), max_size=5))
def test_garbage_gives_frames_or_a_protocol_error_and_nothing_else(
    data: bytes, points: list[int]
) -> None:
    reader = server_reader()
    with contextlib.suppress(ProtocolError):
        for piece in cut(data, points):
            reader.feed(piece)
        reader.close()


@given(requests, st.data())
def test_a_truncated_frame_is_reported_at_the_end(
    frame: control.ClientFrame, data: st.DataObject
) -> None:
    whole = encode_frame(frame)
    kept = data.draw(st.integers(1, len(whole) - 1))
    reader = server_reader()
    assert reader.feed(whole[:kept]) == []
    with pytest.raises(ProtocolError) as caught:
        reader.close()
    assert caught.value.fault is Fault.TRUNCATED


@given(requests, st.data())
def test_a_flipped_byte_never_escapes_as_another_exception(
    frame: control.ClientFrame, data: st.DataObject
) -> None:
    whole = bytearray(encode_frame(frame))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= data.draw(st.integers(1, 255))
    with contextlib.suppress(ProtocolError):
        server_reader().feed(bytes(whole))


def test_an_oversized_frame_is_refused_from_its_length_alone() -> None:
    announced = (control.REQUEST_BYTES_MAX + 1).to_bytes(framing.LENGTH_BYTES, "big")
    with pytest.raises(ProtocolError) as caught:
        server_reader().feed(announced)
    assert caught.value.fault is Fault.OVERSIZED


def test_a_frame_that_no_reader_would_accept_is_not_encoded() -> None:
    answer = control.Answer(
        request_id="1", outcome=control.Outcome.OK, text="x" * framing.FRAME_BYTES_MAX
    )
    with pytest.raises(ProtocolError) as caught:
        encode_frame(answer)
    assert caught.value.fault is Fault.OVERSIZED


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(ProtocolError) as caught:
        server_reader().feed(bytes(framing.LENGTH_BYTES))
    assert caught.value.fault is Fault.EMPTY


def framed(plain: object) -> bytes:
    body = msgspec.msgpack.encode(plain)
    return len(body).to_bytes(framing.LENGTH_BYTES, "big") + body


def test_a_field_that_a_request_does_not_have_is_refused() -> None:
    misspelt = framed({"tag": "control.Orders", "request_id": "1", "limits": 5})
    with pytest.raises(ProtocolError) as caught:
        server_reader().feed(misspelt)
    assert caught.value.fault is Fault.MALFORMED
    assert "limits" in caught.value.detail


def test_hello_of_a_newer_client_is_understood() -> None:
    newer = framed({"tag": "control.Hello", "protocol": 2, "colour": "blue"})
    assert server_reader().feed(newer) == [control.Hello(protocol=2)]


@pytest.mark.parametrize(
    "plain",
    [
        {"tag": "control.Orders", "request_id": ""},
        {"tag": "control.Orders", "request_id": "1", "limit": 0},
        {"tag": "control.Orders", "request_id": "1", "limit": control.ROWS_MAX + 1},
        {"tag": "control.Subscribe", "view": "tree", "rate_hz": 1_000.0},
        {"tag": "control.Pause", "request_id": "1", "address": "no-slash"},
        {"tag": "control.KillSwitch", "request_id": "1", "action": "engage", "reason": ""},
        {"tag": "control.Fate", "request_id": "1"},
    ],
    ids=lambda plain: "-".join(str(value)[:12] for value in plain.values()),
)
def test_values_out_of_range_are_refused(plain: dict[str, object]) -> None:
    with pytest.raises(ProtocolError) as caught:
        server_reader().feed(framed(plain))
    assert caught.value.fault is Fault.MALFORMED


def test_the_daemon_refuses_an_unknown_tag_and_a_client_passes_over_it() -> None:
    unknown = framed({"tag": "control.Firework", "colour": "red"})
    with pytest.raises(ProtocolError) as caught:
        server_reader().feed(unknown)
    assert caught.value.fault is Fault.UNKNOWN_TAG
    client = client_reader()
    pong = control.Pong(number=1, sent_ns=2, now_ns=3, loop_lag_ns=4)
    assert client.feed(unknown + encode_frame(pong)) == [pong]
    assert client.skipped == 1


def test_a_daemon_frame_is_not_a_client_frame() -> None:
    pong = encode_frame(control.Pong(number=1, sent_ns=2, now_ns=3, loop_lag_ns=4))
    with pytest.raises(ProtocolError):
        server_reader().feed(pong)


def test_a_reader_keeps_no_more_than_one_unfinished_frame() -> None:
    reader: FrameReader[control.ClientFrame] = server_reader()
    ping = encode_frame(control.Ping(number=1, sent_ns=2))
    assert len(reader.feed(ping * 1_000 + ping[:5])) == 1_000
    assert len(reader._buffer) == 5
