"""The terminal under the screen: how far behind it is, and whether it is still there."""

import os
import select
import signal
import sys

from textual.drivers.linux_driver import LinuxDriver

# The process has nothing to save: when its terminal is gone it only has to be gone too.
HANGUP_EXIT = 128 + signal.SIGHUP


class Terminal(LinuxDriver):
    """Textual's driver, with a count of bytes and a look at what waits to be written."""

    written_bytes = 0

    def write(self, data: str) -> None:
        """Queue `data` for the terminal; never block for one that hung up."""
        if self.backlog > 1 and hung_up():
            end_now()
        self.written_bytes += len(data.encode())
        super().write(data)

    @property
    def backlog(self) -> int:
        """How many writes wait: above none, what is painted now would be old when it arrives."""
        if self._writer_thread is None:
            return 0
        return self._writer_thread._queue.qsize()  # noqa: SLF001 - Textual shows it nowhere else


def take_signals() -> None:
    """Let a hang-up end the process, also when it was started with hang-ups ignored (nohup)."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def hung_up() -> bool:
    """Say whether the terminal on standard input is gone."""
    try:
        descriptor = sys.__stdin__.fileno() if sys.__stdin__ is not None else -1
    except ValueError:
        return True
    poll = select.poll()
    poll.register(descriptor, select.POLLHUP)
    return any(event & (select.POLLHUP | select.POLLNVAL) for _, event in poll.poll(0))


def end_now() -> None:
    """End the process at once: the orderly way would write to a terminal that is not there."""
    os._exit(HANGUP_EXIT)
