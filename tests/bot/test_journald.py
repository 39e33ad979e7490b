"""The log in journald's protocol, over a real socket."""

import fcntl
import logging
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.environment import JOURNAL_SOCKET, Environment
from bot.journald import JournalHandler, encode

KEYS = st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ_", min_size=1).filter(lambda k: k[0] != "_")
ACTOR = "/users/alice/vaults/kraken-sim-usdt/ledger"


def decode(entry: bytes) -> dict[str, str]:
    """Read an entry as journald does."""
    fields: dict[str, str] = {}
    while entry:
        line, _, entry = entry.partition(b"\n")
        key, separator, value = line.partition(b"=")
        if not separator:
            (length,) = struct.unpack_from("<Q", entry)
            value, entry = entry[8 : 8 + length], entry[8 + length + 1 :]
        fields[key.decode()] = value.decode()
    return fields


@given(st.dictionaries(KEYS, st.text()))
def test_journald_reads_what_is_encoded(fields: dict[str, str]) -> None:
    expected = {key: value.encode(errors="replace").decode() for key, value in fields.items()}
    assert decode(encode(fields)) == expected


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(tmp_path / "journal"))
        listening.setblocking(False)
        yield listening


@pytest.fixture
def logger(listener: socket.socket) -> Iterator[logging.Logger]:
    handler = JournalHandler(listener.getsockname(), "sim", lambda actor: 3 * (actor == ACTOR))
    found = logging.Logger("trial")  # noqa: LOG001 - of no other's handlers
    found.addHandler(handler)
    yield found
    handler.close()


def test_each_fact_is_a_field_of_its_own(listener: socket.socket, logger: logging.Logger) -> None:
    logger.warning("%s: booked %d fills", ACTOR, 2)
    first = decode(listener.recv(65_536))
    assert first.pop("CODE_FILE") == __file__
    assert first.pop("CODE_LINE").isdigit()
    kind = first.pop("MESSAGE_ID")
    assert first == {
        "MESSAGE": "booked 2 fills", "PRIORITY": "4", "SYSLOG_IDENTIFIER": "bot",
        "LOGGER": "trial", "ENVIRONMENT": "sim", "ACTOR": ACTOR, "ACTOR_GEN": "3",
        "USER_ID": "alice", "VAULT": "kraken-sim-usdt",
        "CODE_FUNC": "test_each_fact_is_a_field_of_its_own",
    }  # fmt: skip
    assert len(kind) == 32
    logger.error("%s: booked %d fills", "/venues/kraken-sim/accounts/bob/orders", 5)
    second = decode(listener.recv(65_536))
    assert second["MESSAGE_ID"] == kind, "the same kind of event"
    assert (second["PRIORITY"], second["USER_ID"], second["VENUE"]) == ("3", "bob", "kraken-sim")
    assert "ACTOR_GEN" not in second
    logger.error("something else")
    third = decode(listener.recv(65_536))
    assert third["MESSAGE_ID"] != kind
    assert "ACTOR" not in third


def test_what_is_too_long_for_a_datagram_comes_as_a_sealed_file(
    listener: socket.socket, logger: logging.Logger
) -> None:
    long = "x" * 700_000
    logger.error("%s: %s", ACTOR, long)
    data, (file,), _, _ = socket.recv_fds(listener, 65_536, 1)
    assert data == b""
    with os.fdopen(file, "rb") as entry:
        seals = fcntl.fcntl(entry, fcntl.F_GET_SEALS)
        assert seals & fcntl.F_SEAL_WRITE
        assert seals & fcntl.F_SEAL_SHRINK
        assert decode(os.pread(file, 2 * len(long), 0))["MESSAGE"] == long


def test_a_traceback_is_one_entry(listener: socket.socket, logger: logging.Logger) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logger.exception("it failed")
    text = decode(listener.recv(65_536))["MESSAGE"]
    assert text.startswith("it failed\nTraceback")
    assert text.endswith("ValueError: broken")


def test_nothing_waits_for_journald_and_what_it_misses_is_counted(
    listener: socket.socket, logger: logging.Logger
) -> None:
    (handler,) = logger.handlers
    assert isinstance(handler, JournalHandler)
    for number in range(5_000):
        logger.info("line %d", number)
    dropped = handler.dropped
    assert dropped > 0
    held = []
    while True:
        try:
            held.append(listener.recv(65_536))
        except BlockingIOError:
            break
    assert len(held) + dropped == 5_000
    logger.info("after")
    assert decode(listener.recv(65_536))["DROPPED_BEFORE"] == str(dropped)
    logger.info("and then")
    assert "DROPPED_BEFORE" not in decode(listener.recv(65_536))


def test_a_journald_that_comes_again_is_told_again(
    tmp_path: Path, listener: socket.socket, logger: logging.Logger
) -> None:
    logger.info("one")
    listener.close()
    (tmp_path / "journal").unlink()
    logger.info("lost")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as again:
        again.bind(str(tmp_path / "journal"))
        again.setblocking(False)
        logger.info("two")
        assert decode(again.recv(65_536))["DROPPED_BEFORE"] == "1"


def test_journald_is_told_only_if_it_reads_our_output(tmp_path: Path) -> None:
    with (tmp_path / "out").open("w") as out, (tmp_path / "other").open("w") as other:
        found = (tmp_path / "out").stat()
        variables = {"JOURNAL_STREAM": f"{found.st_dev}:{found.st_ino}"}
        assert Environment(variables).journal_socket(out) == JOURNAL_SOCKET
        assert Environment(variables).journal_socket(other) == ""
        assert Environment({}).journal_socket(out) == ""
        assert Environment({"JOURNAL_STREAM": "x"}).journal_socket(out) == ""
