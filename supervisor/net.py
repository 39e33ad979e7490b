"""The only door to sockets: every connection in or out of the process goes through here.

Production uses `SystemNetwork`. A simulation installs its own `Network` with `use`, and every port,
server and client in the process then talks over it without knowing.
"""

import errno
import fcntl
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import trio
from trio.abc import HalfCloseableStream, Listener

UNIX_SOCKET_PATH_BYTES_MAX = 107  # sockaddr_un.sun_path holds 108 bytes on Linux, one is the NUL
# What journald asks for before it reads a file that it was sent.
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
LISTEN_BACKLOG = 64  # connections waiting for accept; local clients and a handful of peers


class Network(Protocol):
    """What a network must be able to do; all raise `OSError` if the peer cannot be reached."""

    async def open_tcp_stream(self, host: str, port: int) -> HalfCloseableStream:
        """Connect to `host`:`port`."""

    async def open_tcp_listeners(
        self, host: str, port: int
    ) -> Sequence[Listener[HalfCloseableStream]]:
        """Listen on `host`:`port`; port 0 takes a free one."""

    async def open_unix_stream(self, path: Path) -> HalfCloseableStream:
        """Connect to the Unix socket at `path`."""

    async def open_unix_listener(self, path: Path) -> Listener[HalfCloseableStream]:
        """Listen on a Unix socket at `path`, mode 0600, replacing a socket file nobody serves."""


class SystemNetwork:
    """The operating system's own network."""

    async def open_tcp_stream(self, host: str, port: int) -> HalfCloseableStream:
        return await trio.open_tcp_stream(host, port)

    async def open_tcp_listeners(
        self, host: str, port: int
    ) -> Sequence[Listener[HalfCloseableStream]]:
        return await trio.open_tcp_listeners(port, host=host)

    async def open_unix_stream(self, path: Path) -> HalfCloseableStream:
        return await trio.open_unix_socket(str(path))

    async def open_unix_listener(self, path: Path) -> Listener[HalfCloseableStream]:
        if len(os.fsencode(path)) > UNIX_SOCKET_PATH_BYTES_MAX:
            raise OSError(
                f"the socket path {path} is longer than {UNIX_SOCKET_PATH_BYTES_MAX} bytes: "
                "choose a shorter runtime folder"
            )
        await _remove_dead_socket(path)
        listening = _bound(path)
        listening.listen(LISTEN_BACKLOG)
        return trio.SocketListener(trio.socket.from_stdlib_socket(listening))


def _bound(path: Path) -> socket.socket:
    """Return a socket at `path` that nobody else may open, bound without trio.

    Trio binds to a path in a thread: other tasks would meet the changed umask, and virtual time
    would run away meanwhile.
    """
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous_umask = os.umask(0o177)
    try:
        listening.bind(str(path))
    except OSError:
        listening.close()
        raise
    finally:
        os.umask(previous_umask)
    listening.setblocking(False)
    return listening


async def _remove_dead_socket(path: Path) -> None:
    if not path.exists():
        return
    try:
        stream = await trio.open_unix_socket(str(path))
    except OSError:
        path.unlink(missing_ok=True)
        return
    await stream.aclose()
    raise OSError(f"another process already serves the socket {path}")


def socket_pair() -> tuple[trio.SocketStream, socket.socket]:
    """Return two ends of a connection: ours, and one whose descriptor a child process inherits."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return trio.SocketStream(trio.socket.from_stdlib_socket(ours)), theirs


class UnixDatagrams:
    """Sends datagrams to one Unix socket (`@…` is an abstract one) and never waits: systemd's ways.

    May be used from any thread. Whoever sends decides what a lost one means.
    """

    def __init__(self, address: str) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket: socket.socket | None = None

    def send(self, data: bytes, files: tuple[int, ...] = ()) -> str:
        """Send one datagram; return why that was not possible, "" if it was."""
        try:
            sending = self._socket
            if sending is None:
                kind = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
                sending = self._socket = socket.socket(socket.AF_UNIX, kind)
                sending.connect(self._address)
            socket.send_fds(sending, [data], files) if files else sending.send(data)
        except BlockingIOError:
            return "its queue is full"
        except OSError as error:
            # Whoever listens may have been started anew: the next one connects again.
            self.close()
            return error.strerror or str(error)
        return ""

    def send_long(self, data: bytes) -> str:
        """Send `data` as one datagram, or if it is too long for that, as a file in memory.

        The file is sealed: who receives its descriptor may rely on it (journald demands that).
        """
        failure = self.send(data)
        return self._send_file(data) if failure == os.strerror(errno.EMSGSIZE) else failure

    def _send_file(self, data: bytes) -> str:
        try:
            file = os.memfd_create("entry", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            try:
                with open(file, "wb", closefd=False) as writing:
                    writing.write(data)
                fcntl.fcntl(file, fcntl.F_ADD_SEALS, _SEALS)
                failure = self.send(b"", (file,))
            finally:
                os.close(file)
        except OSError as error:
            return error.strerror or str(error)
        return failure

    def close(self) -> None:
        """Close the socket, if there is one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None


_network: Network = SystemNetwork()


def network() -> Network:
    """Return the network in force."""
    return _network


@contextmanager
def use(replacement: Network) -> Iterator[Network]:
    """Put `replacement` in force for the length of a `with` block (simulation, tests)."""
    global _network  # noqa: PLW0603 - the one switch that simulation flips
    previous = _network
    _network = replacement
    try:
        yield replacement
    finally:
        _network = previous
