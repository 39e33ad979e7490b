"""What a venue's public connection sent and got, kept on disk so that a fault can be replayed.

The feed's client puts frames on a `Tape`, the port writes them off the loop. If it cannot (the disk
is full, or nearly), capturing stops and says so; trading goes on. Private connections have no tape.
"""

import contextlib
import shutil
from collections import deque
from functools import partial
from pathlib import Path

import trio

from actors.feeds.segments import FORMAT, Frame, Head, Segment, What, finish_left, retire
from messages.money import Alert, Severity
from messages.settings import CaptureSettings
from supervisor.clock import Clock
from supervisor.port import Port, PortContext
from supervisor.threads import threads

WRITE_S = 1.0
# Frames that wait for the disk: some seconds of the wildest market. Beyond it they are lost.
WAITING_CHARACTERS_MAX = 32 * 1024 * 1024
# The journal needs the disk more: capturing stops while less than this is free.
FREE_BYTES_MIN = 1_000_000_000
# A disk is not freed within seconds.
RETRY_S = 60.0
NANOSECONDS_PER_MINUTE = 60 * 1_000_000_000
NANOSECONDS_PER_HOUR = 60 * NANOSECONDS_PER_MINUTE
BYTES_PER_GB = 1_000_000_000


class Tape:
    """Frames between the loop that sees them and the port that writes them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._frames: deque[Frame] = deque()
        self._characters = 0
        self._lost = 0
        self.is_running = False
        """Whether anybody writes; else nothing is kept."""

    def frame(self, what: What, place: str, text: str) -> None:
        """Note a frame; forget it if nobody writes, or too many wait."""
        if not self.is_running or place.endswith("/private"):
            return
        at_ns = self._clock.now_ns()
        if self._characters > WAITING_CHARACTERS_MAX:
            self._lost += 1
            return
        if self._lost:
            self._frames.append(Frame(at_ns, "lost", "", str(self._lost)))
            self._lost = 0
        self._frames.append(Frame(at_ns, what, place, text))
        self._characters += len(text)

    def take(self) -> list[Frame]:
        """Return what waits, and forget it."""
        taken = list(self._frames)
        self._frames.clear()
        self._characters = 0
        return taken


class Capture(Port):
    """Writes one venue's tape to segments below `folder`; it takes no commands.

    The feed starts when it is ready, or cannot be: what the feed begins with has to be kept.
    """

    announces_start = True

    def __init__(
        self,
        head: Head,
        tape: Tape,
        folder: Path,
        settings: CaptureSettings,
        alerts: str,
    ) -> None:
        self._head = head
        self._tape = tape
        self._folder = folder
        self._settings = settings
        self._alerts = alerts
        self._segment: Segment | None = None
        self._began_ns = 0
        self._is_told = False

    async def run(self, ctx: PortContext) -> None:
        try:
            while True:
                try:
                    await self._write_on(ctx)
                except OSError as error:
                    self._stopped(error, ctx)
                    ctx.started()
                await trio.sleep(RETRY_S)
        finally:
            self._tape.is_running = False
            # What cannot be finished now is at the next beginning.
            with contextlib.suppress(OSError):
                if self._segment is not None:
                    self._segment.write(self._tape.take())
                self._close()

    async def _write_on(self, ctx: PortContext) -> None:
        """Write until the disk refuses. Raises `OSError`."""
        await threads().run(partial(self._prepare, ctx.now_ns()))
        self._tape.is_running = True
        ctx.started()
        while True:
            await trio.sleep(WRITE_S)
            frames = self._tape.take()
            await threads().run(partial(self._write, frames, ctx.now_ns()))
            self._is_told = self._is_told and not frames

    def _prepare(self, now_ns: int) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        finish_left(self._folder)
        self._begin(now_ns)

    def _check_room(self) -> None:
        free_bytes = shutil.disk_usage(self._folder).free
        if free_bytes < FREE_BYTES_MIN:
            raise OSError(f"only {free_bytes // 1_000_000} MB are free")

    def _begin(self, now_ns: int) -> None:
        self._check_room()
        settings = self._settings
        bytes_max = int(settings.keep_gb * BYTES_PER_GB)
        retire(self._folder, bytes_max, settings.keep_hours * NANOSECONDS_PER_HOUR, now_ns)
        head = Head(
            format=FORMAT,
            venue=self._head.venue,
            protocol=self._head.protocol,
            symbols=self._head.symbols,
            began_ns=now_ns,
        )
        # Names sort by time: nanoseconds have as many digits for two centuries.
        self._segment = Segment(self._folder, head, str(now_ns))
        self._began_ns = now_ns

    def _write(self, frames: list[Frame], now_ns: int) -> None:
        assert self._segment is not None, "writing begins with a segment"
        if frames:
            self._check_room()
            self._segment.write(frames)
        if now_ns - self._began_ns >= self._settings.segment_minutes * NANOSECONDS_PER_MINUTE:
            self._close()
            self._begin(now_ns)

    def _close(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()

    def _stopped(self, error: OSError, ctx: PortContext) -> None:
        self._tape.is_running = False
        self._tape.take()
        with contextlib.suppress(OSError):
            self._close()
        if self._is_told:
            return
        self._is_told = True
        text = (
            f"capturing {self._head.venue} has stopped: {error}. Trading goes on; make room, or "
            "lower keep_gb, and it begins again within a minute"
        )
        ctx.send(self._alerts, Alert(severity=Severity.NOTICE, subject=ctx.address, text=text))
