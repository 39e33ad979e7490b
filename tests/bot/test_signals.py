"""What the process is told by signals, and what it tells systemd over a real socket."""

import signal
import socket
import subprocess
from pathlib import Path

from tests.bot.test_daemon import config, start

__all__ = ["config"]
WAIT_S = 30.0


def until_said(daemon: "subprocess.Popen[str]", words: str) -> list[str]:
    """Return the lines of the log up to the one with `words`; the daemon's end fails the test."""
    assert daemon.stderr is not None
    lines: list[str] = []
    for line in daemon.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"it ended without {words!r}: {''.join(lines)}")


def end(daemon: "subprocess.Popen[str]") -> None:
    daemon.kill()
    daemon.wait()
    assert daemon.stderr is not None
    daemon.stderr.close()


def test_a_hangup_says_what_is_not_reloaded_and_a_second_interrupt_ends_at_once(
    tmp_path: Path, config: Path
) -> None:
    daemon = start(tmp_path / "data", config)
    try:
        until_said(daemon, "the bot runs")
        daemon.send_signal(signal.SIGHUP)
        until_said(daemon, "nothing is reloaded while running; restart for bot.toml")
        assert daemon.poll() is None
        # Stopped in its tracks, so that both interrupts are there before it can act on one.
        daemon.send_signal(signal.SIGSTOP)
        daemon.send_signal(signal.SIGINT)
        daemon.send_signal(signal.SIGTERM)
        daemon.send_signal(signal.SIGCONT)
        until_said(daemon, "stopping at once; what was acknowledged is safe")
        assert daemon.wait(WAIT_S) == 1
    finally:
        end(daemon)


def test_systemd_is_told_of_readiness_life_and_end(tmp_path: Path, config: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(WAIT_S)
        told_where = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "200000"}
        daemon = start(tmp_path / "data", config, **told_where)
        try:
            told = [listener.recv(4_096).decode() for _ in range(2)]
            while told.count("WATCHDOG=1") < 3 or not any("READY=1" in one for one in told):
                told.append(listener.recv(4_096).decode())
            assert "READY=1\nSTATUS=the bot runs" in told
            daemon.send_signal(signal.SIGTERM)
            while told[-1] != "STOPPING=1":
                told.append(listener.recv(4_096).decode())
            assert daemon.wait(WAIT_S) == 0
        finally:
            end(daemon)


def test_without_a_systemd_that_listens_the_bot_runs_all_the_same(
    tmp_path: Path, config: Path
) -> None:
    daemon = start(tmp_path / "data", config, NOTIFY_SOCKET="/no/such", WATCHDOG_USEC="100000")
    try:
        # READY=1 is refused first: it is told just behind this line.
        until_said(daemon, "systemd cannot be told")
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(WAIT_S) == 0
    finally:
        end(daemon)
