"""Capturing: what is kept, for how long, and what a full disk does."""

import errno
from pathlib import Path

import pytest
import trio
from msgspec.structs import replace
from trio.testing import MockClock

from actors.feeds import capture, segments
from actors.feeds.capture import Capture, Tape
from actors.feeds.segments import FORMAT, Frame, Head, SegmentError, kept, read
from messages.money import Alert
from messages.settings import CaptureSettings
from supervisor.clock import ManualClock
from supervisor.threads import InlineThreads, use
from tests.actors.port_context import running
from tests.actors.trading import ALERTS

HEAD = Head(format=FORMAT, venue="kraken-sim", protocol="kraken", symbols=("A/B",), began_ns=0)


def port(tape: Tape, folder: Path, **settings: int) -> Capture:
    return Capture(HEAD, tape, folder, replace(CaptureSettings(), **settings), ALERTS)


def put(tape: Tape, at_ns: int, place: str, text: str) -> None:
    clock = tape._clock
    assert isinstance(clock, ManualClock)
    clock.advance(at_ns - clock.now_ns())
    tape.frame("in", place, text)


def frames_in(folder: Path) -> list[Frame]:
    return [frame for each in kept(folder) for frame in read(Path(each.path))[1]]


async def test_frames_are_on_disk_within_a_second_and_after_a_crash(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    tape = Tape(ManualClock())
    put(tape, 1, "kraken/public", "before anybody writes")
    with use(InlineThreads()):
        async with running(port(tape, tmp_path), "/capture"):
            await trio.sleep(0.1)
            put(tape, 2, "kraken/public", '{"a":1}')
            await trio.sleep(1.1)
            # As a crash would leave it: not finished.
            (left,) = kept(tmp_path)
            assert not left.complete
            assert frames_in(tmp_path) == [Frame(2, "in", "kraken/public", '{"a":1}')]
        (done,) = kept(tmp_path)
        assert done.complete
        assert read(Path(done.path))[0].symbols == ("A/B",)


async def test_segments_are_begun_anew_and_the_oldest_deleted(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    tape = Tape(ManualClock())
    with use(InlineThreads()):
        async with running(port(tape, tmp_path, keep_hours=1, segment_minutes=10), "/capture"):
            await trio.sleep(3 * 3_600)
    assert 6 <= len(kept(tmp_path)) <= 8


async def test_a_disk_that_is_full_stops_the_capture_and_says_so_once(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tape = Tape(ManualClock())
    full = True

    def write(self: segments.Segment, frames: list[Frame]) -> None:
        if full:
            raise OSError(errno.ENOSPC, "No space left on device")
        before(self, frames)

    before = segments.Segment.write
    monkeypatch.setattr(segments.Segment, "write", write)
    with use(InlineThreads()):
        async with running(port(tape, tmp_path), "/capture") as context:
            for number in range(200):
                await trio.sleep(1)
                put(tape, number, "kraken/public", "x")
            (alert,) = context.sent_to(ALERTS)
            assert isinstance(alert, Alert)
            assert "No space left on device" in alert.text
            full = False
            await trio.sleep(61)
            put(tape, 1_000, "kraken/public", "y")
            await trio.sleep(2)
    assert Frame(1_000, "in", "kraken/public", "y") in frames_in(tmp_path)


async def test_nearly_full_is_full(
    autojump_clock: MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(capture, "FREE_BYTES_MIN", 2**62)
    tape = Tape(ManualClock())
    with use(InlineThreads()):
        async with running(port(tape, tmp_path), "/capture") as context:
            await trio.sleep(10)
            assert not tape.is_running
            (alert,) = context.sent_to(ALERTS)
    assert isinstance(alert, Alert)
    assert "MB are free" in alert.text


def test_a_slow_disk_loses_frames_and_says_how_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "WAITING_CHARACTERS_MAX", 3)
    tape = Tape(ManualClock())
    tape.is_running = True
    for number in range(4):
        put(tape, number, "p", "xx")
    assert [each.at_ns for each in tape.take()] == [0, 1]
    put(tape, 9, "p", "xx")
    assert tape.take()[0] == Frame(9, "lost", "", "2")


def test_what_is_no_segment_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "1.jsonl.gz"
    file.write_bytes(b"nonsense")
    with pytest.raises(SegmentError, match="cannot be read"):
        read(file)
