"""The daemon's side of shadow replay: runs the helper now and then, and pages what it finds."""

import logging
import subprocess
import sys
from pathlib import Path

import msgspec
import trio

from bot.shadow import Diverged, Report, Subject, Subjects, code_digest, own_root
from bot.text import time_of
from messages.money import Alert, Severity
from supervisor.journal import RUNTIME
from supervisor.system import System

logger = logging.getLogger("shadow")

ALERTS = "/alerts"
SECONDS_PER_MINUTE = 60
# At the lowest priority a round can take long on a busy machine; longer than this it hangs.
ROUND_S_MAX = 300.0
# Divergences that were told are told once.
TOLD_MAX = 1_000


class Shadowing:
    """Replays what the running actors did, every so often."""

    def __init__(self, folder: Path, every_minutes: int) -> None:
        self._folder = folder
        self._every_s = every_minutes * SECONDS_PER_MINUTE
        self._told: set[tuple[str, int]] = set()
        self._system: System | None = None
        self._code = code_digest(own_root())
        self.told = "not replayed yet" if every_minutes else "off: [shadow] every_minutes is 0"
        """The newest round in words, for status and doctor."""
        self.diverged = 0
        """How many actors came out differently since the start."""

    def attach(self, system: System) -> None:
        """Say which tree runs."""
        self._system = system

    async def run(self, system: System) -> None:
        """Run rounds until cancelled; returns at once if there are to be none."""
        self.attach(system)
        since_ns = system.clock.now_ns()
        while self._every_s:
            await trio.sleep(self._every_s)
            await self.round(since_ns)

    async def round(self, since_ns: int) -> None:
        """Have the helper replay once, and take what it says."""
        assert self._system is not None, "a tree runs"
        subjects = Subjects(actors=_subjects(self._system), code=self._code)
        command = [sys.executable, "-m", "bot.shadow", str(self._folder), str(since_ns)]
        with trio.move_on_after(ROUND_S_MAX) as scope:
            done = await trio.run_process(
                command,
                stdin=msgspec.msgpack.encode(subjects),
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                cwd=own_root(),
            )
        if scope.cancelled_caught:
            self._failed(f"it took more than {ROUND_S_MAX:g} s")
        else:
            self._take(done)

    def _take(self, done: "subprocess.CompletedProcess[bytes]") -> None:
        try:
            report = msgspec.json.decode(done.stdout, type=Report)
        except msgspec.DecodeError:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            self._failed(
                f"exit code {done.returncode}: {lines[-1] if lines else 'it said nothing'}"
            )
            return
        assert self._system is not None, "a tree runs"
        when = time_of(self._system.clock.now_ns())
        if report.refused:
            self.told = f"not replayed at {when}: {report.refused}"
            logger.warning("shadow replay: %s", report.refused)
            return
        self._page(report.diverged)
        verdict = f"{len(report.diverged)} DIVERGED" if report.diverged else "identical"
        self.told = (
            f"{verdict} at {when}: {report.messages} messages of {report.actors} actors, "
            f"{report.cpu_ms} ms, {report.memory_bytes / 1e6:.0f} MB"
        )
        for address, why in report.skipped.items():
            logger.warning("%s: not replayed in the shadow: %s", address, why)
        logger.debug("shadow replay: %s", self.told)

    def _page(self, diverged: list[Diverged]) -> None:
        assert self._system is not None, "a tree runs"
        for found in diverged:
            key = (found.address, found.seq)
            if key in self._told or len(self._told) >= TOLD_MAX:
                continue
            self._told.add(key)
            self.diverged += 1
            text = (
                f"shadow replay: it would act otherwise than it did: message {found.seq} was "
                f"recorded with {found.recorded} and has {found.found} now. Keep a bundle "
                f"(`bot bundle {found.address} --around …`), then `bot replay {found.address} "
                f"--from {found.seq}`"
            )
            logger.error("%s: %s", found.address, text)
            alert = Alert(severity=Severity.PAGE, subject=found.address, text=text)
            self._system.router.post(RUNTIME, ALERTS, alert)

    def _failed(self, why: str) -> None:
        self.told = f"the last round failed: {why}"
        logger.warning("shadow replay failed: %s", why)


def _subjects(system: System) -> list[Subject]:
    """Return the actors that can be made anew by their class alone, as all pure ones can."""
    return [
        Subject(address, cell.spec.start.__module__, cell.spec.start.__qualname__)
        for address, cell in system.cells.items()
        if isinstance(cell.spec.start, type)
    ]
