"""What systemd is told (`Type=notify`): how the start goes, that we are ready, alive, stopping."""

import logging
from collections.abc import Callable

import trio

from bot.environment import Environment
from supervisor.clock import perf_ns
from supervisor.net import UnixDatagrams

logger = logging.getLogger("daemon")

MICROSECONDS_PER_SECOND = 1_000_000
NANOSECONDS_PER_MICROSECOND = 1_000
# A step of the start during which nothing else can be said: kernels are compiled, the database is
# opened, a large journal is folded. Longer is a hang.
STEP_S = 300.0
# While the loop turns, more time is asked for this often, for a little more than until then.
EXTEND_EVERY_S = 5.0
EXTEND_S = 15.0


class Notifier:
    """Tells systemd, if it asked to be told. What it has not taken is told with the next word."""

    def __init__(self, environment: Environment) -> None:
        address = environment.notify_socket
        self._way = UnixDatagrams(address) if address else None
        self.watchdog_s = (
            environment.watchdog_us / MICROSECONDS_PER_SECOND if self._way is not None else 0.0
        )
        """How long systemd waits for `WATCHDOG=1`; 0 if it does not."""
        self._owed: dict[str, str] = {}
        self._failure = ""

    def tell(self, *lines: str) -> None:
        """Send `READY=1`, `STOPPING=1`, `STATUS=…`, `WATCHDOG=1`, `EXTEND_TIMEOUT_USEC=…`."""
        if self._way is None:
            return
        self._owed.update((line.partition("=")[0], line) for line in lines)
        failure = self._way.send("\n".join(self._owed.values()).encode())
        if failure:
            # A pulse is about now.
            self._owed.pop("WATCHDOG", None)
        else:
            self._owed.clear()
        if failure and failure != self._failure:
            logger.warning("systemd cannot be told (%s); the bot runs on", failure)
        self._failure = failure

    def begin(self, step: str) -> None:
        """Say what is being done, and that it may take its time."""
        self.tell(f"STATUS={step}", _extension(STEP_S))

    async def keep_extending(self, status: Callable[[], str]) -> None:
        """Ask for more time, with what is being done, for as long as the event loop turns."""
        while True:
            self.tell(f"STATUS={status()}", _extension(EXTEND_S))
            await trio.sleep(EXTEND_EVERY_S)

    def close(self) -> None:
        """Close the socket."""
        if self._way is not None:
            self._way.close()


def monotonic_us() -> int:
    """Return the time by which systemd orders what it is told of a reload."""
    # On Linux Python's counter is the CLOCK_MONOTONIC that systemd means.
    return perf_ns() // NANOSECONDS_PER_MICROSECOND


def _extension(seconds: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={int(seconds * MICROSECONDS_PER_SECOND)}"
