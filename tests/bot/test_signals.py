"""What the process is told by signals, and what it tells systemd over a real socket."""

import re
import signal
import socket
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.bot.test_daemon import config, start, start_into

__all__ = ["config"]
WAIT_S = 30.0


def until_said(daemon: "subprocess.Popen[str]", words: str) -> list[str]:
    """Return the lines of the log up to the one with `words`; the daemon's end fails the test."""
    assert daemon.stdout is not None
    lines: list[str] = []
    for line in daemon.stdout:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(f"it ended without {words!r}: {''.join(lines)}")


def end(daemon: "subprocess.Popen[str]") -> None:
    daemon.kill()
    daemon.wait()
    assert daemon.stdout is not None
    daemon.stdout.close()


def test_a_hangup_reloads_what_is_safe_and_says_what_is_not(tmp_path: Path, config: Path) -> None:
    daemon = start(tmp_path / "data", config)
    try:
        until_said(daemon, "the bot runs: ")
        shipped = config.read_text()
        changed = shipped.replace("orders_per_minute_max = 60", "orders_per_minute_max = 50")
        changed = changed.replace("stale_ms_max = 2_000", "stale_ms_max = 3_000")
        changed = changed.replace("retention_hours = 24", "retention_hours = 48")
        changed = changed.replace('tradeable = "5000"', 'tradeable = "4000"')
        config.write_text(changed.replace('level = "info"', 'level = "debug"'))
        daemon.send_signal(signal.SIGHUP)
        lines = until_said(daemon, "not reloaded: data: only by a restart")
        said = "".join(lines)
        for words in (
            "the log is kept from level debug on",
            "reloaded: limits.orders_per_minute_max 60 -> 50",
            "not reloaded: limits.stale_ms_max 2000 -> 3000: looser, so only by `bot apply`",
            "changed /users/alice/vaults/kraken-sim-usdt tradeable 5000 -> 4000: only by",
        ):
            assert words in said, said
        config.write_text("nonsense")
        daemon.send_signal(signal.SIGHUP)
        until_said(daemon, "nothing was reloaded: ")
        assert daemon.poll() is None
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(WAIT_S) == 0
    finally:
        end(daemon)


def test_a_second_interrupt_ends_at_once(tmp_path: Path, config: Path) -> None:
    daemon = start(tmp_path / "data", config)
    try:
        until_said(daemon, "the bot runs: ")
        # Stopped in its tracks, so that both interrupts are there before it can act on one.
        daemon.send_signal(signal.SIGSTOP)
        daemon.send_signal(signal.SIGINT)
        daemon.send_signal(signal.SIGTERM)
        daemon.send_signal(signal.SIGCONT)
        until_said(daemon, "stopping at once; what was acknowledged is safe")
        assert daemon.wait(WAIT_S) == 1
    finally:
        end(daemon)


def told_until(listener: socket.socket, told: list[str], word: str) -> str:
    """Add what systemd hears to `told` up to the one with `word`, and return that."""
    while True:
        told.append(listener.recv(4_096).decode())
        if word in told[-1]:
            return told[-1]


def test_systemd_is_told_of_the_start_readiness_life_and_end(tmp_path: Path, config: Path) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(WAIT_S)
        told_where = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "1000000"}
        daemon = start(tmp_path / "data", config, "tests.bot.trial_settling", **told_where)
        told: list[str] = []
        try:
            told_until(listener, told, "STATUS=opening the database\nEXTEND_TIMEOUT_USEC=300000000")
            told_until(listener, told, "STATUS=restoring every actor")
            told_until(listener, told, "have compared their books: /reconcile")
            told_until(listener, told, "WATCHDOG=1")
            # All runs, but an account is not compared yet: no READY before it is.
            assert not any("READY=1" in word for word in told)
            (tmp_path / "data" / "compared").touch()
            ready = told_until(listener, told, "READY=1")
            assert ready.startswith("READY=1\nSTATUS=running, active: 0 orders open, 0 fills")
            told_until(listener, told, "WATCHDOG=1\nSTATUS=running")
            daemon.send_signal(signal.SIGHUP)
            began = told_until(listener, told, "RELOADING=1")
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", began)
            told_until(listener, told, "READY=1")
            daemon.send_signal(signal.SIGTERM)
            assert told_until(listener, told, "STOPPING=1") == "STOPPING=1"
            told_until(listener, told, "STATUS=stopping: every actor writes a snapshot\nEXTEND_")
            assert daemon.wait(WAIT_S) == 0
        finally:
            end(daemon)


def test_a_database_that_somebody_locks_stops_the_watchdogs_word(
    tmp_path: Path, config: Path
) -> None:
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(address))
        listener.settimeout(WAIT_S)
        told_where = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "1000000"}
        daemon = start(tmp_path / "data", config, **told_where)
        told: list[str] = []
        try:
            told_until(listener, told, "READY=1")
            told_until(listener, told, "WATCHDOG=1")
            with closing(sqlite3.connect(tmp_path / "data" / "canopy.db")) as database:
                database.isolation_level = None
                database.execute("BEGIN IMMEDIATE")
                assert told_until(listener, told, "no answer") == "STATUS=no answer from /store"
                listener.settimeout(1.5)
                with pytest.raises(TimeoutError):
                    told_until(listener, told, "WATCHDOG=1")
                database.execute("ROLLBACK")
            listener.settimeout(WAIT_S)
            told_until(listener, told, "WATCHDOG=1")
            lines = until_said(daemon, "all answer again")
            assert any("the tasks then" in line for line in lines)
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(WAIT_S) == 0
        finally:
            end(daemon)


def test_under_journald_the_log_goes_to_its_socket_and_nothing_to_the_output(
    tmp_path: Path, config: Path
) -> None:
    out = tmp_path / "out"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener, out.open("w") as output:
        listener.bind(str(tmp_path / "journal"))
        listener.settimeout(WAIT_S)
        found = out.stat()
        variables = {
            "JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}",
            "CANOPY_JOURNAL_SOCKET": str(tmp_path / "journal"),
        }
        daemon = start_into(output, tmp_path / "data", config, **variables)
        entries: list[bytes] = []
        try:
            while (
                not entries
                or b"\nMESSAGE_ID=" not in entries[-1]
                or (not entries[-1].startswith(b"MESSAGE=the bot runs"))
            ):
                entries.append(listener.recv(65_536))
            daemon.send_signal(signal.SIGTERM)
            assert daemon.wait(WAIT_S) == 0
        finally:
            daemon.kill()
            daemon.wait()
    assert out.read_text() == ""
    assert b"\nPRIORITY=6\nSYSLOG_IDENTIFIER=bot\n" in entries[-1]


def test_without_a_systemd_that_listens_the_bot_runs_all_the_same(
    tmp_path: Path, config: Path
) -> None:
    daemon = start(tmp_path / "data", config, NOTIFY_SOCKET="/no/such", WATCHDOG_USEC="100000")
    try:
        lines = until_said(daemon, "the bot runs: ")
        assert sum("systemd cannot be told" in line for line in lines) == 1
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(WAIT_S) == 0
    finally:
        end(daemon)
