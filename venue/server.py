"""One port for HTTP and WebSocket; requests and messages, faults included, for an `Application`."""

from ipaddress import IPv6Address, ip_address
from typing import Protocol

import trio
from trio.abc import HalfCloseableStream

from venue.faults import Decision, Fault, FaultPlan
from venue.http import BadRequestError, HttpConnection, HttpReply, HttpRequest
from venue.websocket import WebSocketSession

# Bots, a terminal and tests; each costs some 100 kB of buffers at worst.
CONNECTIONS_MAX = 256
# How long a reply that never comes keeps the connection: longer than any client's own timeout.
HANG_S = 120.0

_HTML = "text/html; charset=UTF-8"
_HTTP_5XX = (502, 503, 520)


class Application(Protocol):
    """What stands behind the port."""

    async def answer(self, request: HttpRequest) -> HttpReply:
        """Answer one HTTP request, faults aside."""

    def fault_target(self, request: HttpRequest) -> str | None:
        """Return the name that faults know the request by; None exempts it."""

    def refusal(self) -> HttpReply:
        """Return what the venue says when it is unavailable."""

    def opened(self, session: WebSocketSession) -> None:
        """Note that a WebSocket client is there."""

    async def received(self, session: WebSocketSession, message: bytes) -> None:
        """Handle what a WebSocket client said."""

    def closed(self, session: WebSocketSession) -> None:
        """Note that a WebSocket client is gone."""


class Server:
    """Serves connections until cancelled."""

    def __init__(self, application: Application, faults: FaultPlan) -> None:
        self._application = application
        self._faults = faults
        self._connections = 0
        self._sessions = 0

    async def serve(self, stream: HalfCloseableStream) -> None:
        """Serve one connection to its end; what the peer does wrong ends only that."""
        if self._connections >= CONNECTIONS_MAX:
            await trio.aclose_forcefully(stream)
            return
        self._connections += 1
        try:
            await self._serve(stream)
        except* (
            trio.BrokenResourceError,
            trio.ClosedResourceError,
            trio.TooSlowError,
            BadRequestError,
        ):
            pass  # the peer left, stalled or talked nonsense: its connection is all that ends
        finally:
            self._connections -= 1
            with trio.CancelScope(shield=True):
                await trio.aclose_forcefully(stream)

    async def _serve(self, stream: HalfCloseableStream) -> None:
        connection = HttpConnection(stream)
        is_local, peer = is_from_this_machine(stream), _peer_of(stream)
        while (request := await connection.next_request()) is not None:
            # Clients with a connection pool upgrade a connection that has carried requests.
            request = request._replace(is_local=is_local, peer=peer)
            if request.is_websocket:
                await self._serve_websocket(stream, request, connection.unread())
                return
            target = self._application.fault_target(request)
            decision = None if target is None else self._faults.for_request(target)
            reply = await self._reply(request, decision)
            if reply is None:
                return
            await connection.reply(reply)
            if reply.cut:
                return

    async def _serve_websocket(
        self, stream: HalfCloseableStream, request: HttpRequest, unread: bytes
    ) -> None:
        self._sessions += 1
        session = WebSocketSession(self._sessions, request, stream, self._faults)
        if not await session.handshake(request.head() + unread):
            return
        self._application.opened(session)
        try:
            await session.run(self._application.received)
        finally:
            session.is_open = False
            self._application.closed(session)

    async def _reply(self, request: HttpRequest, decision: Decision | None) -> HttpReply | None:
        """Return the reply that the client gets; None closes the connection without one."""
        if decision is None:
            return await self._application.answer(request)
        wait_s = decision.duration_ms / 1_000
        if decision.fault is Fault.REFUSE:
            return self._application.refusal()
        if decision.fault is Fault.LATE_START:
            await trio.sleep(wait_s)
        reply = await self._application.answer(request)
        if decision.fault is Fault.SLOW_REPLY:
            await trio.sleep(wait_s)
        if decision.fault is Fault.HANG:
            await trio.sleep(HANG_S)
        if decision.fault in (Fault.LOSE_ACK, Fault.HANG):
            return None
        return _spoiled(reply, decision)


def is_from_this_machine(stream: HalfCloseableStream) -> bool:
    """Whether the peer is on the loopback interface, or no peer of a network at all."""
    if not isinstance(stream, trio.SocketStream):
        return True  # a simulated connection lies within the process
    try:
        return is_loopback(str(stream.socket.getpeername()[0]))
    except OSError:
        return False  # it is gone already


def _peer_of(stream: HalfCloseableStream) -> str:
    if not isinstance(stream, trio.SocketStream):
        return ""
    try:
        return str(stream.socket.getpeername()[0])
    except OSError:
        return ""


def is_loopback(host: str) -> bool:
    """Whether an IP address, perhaps with a zone, is one of this machine's own."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    inner = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (inner or address).is_loopback


def _spoiled(reply: HttpReply, decision: Decision) -> HttpReply:
    if decision.fault is Fault.HTTP_429:
        return HttpReply(429, b"<html><body>Too Many Requests</body></html>", _HTML)
    if decision.fault is Fault.HTTP_5XX:
        status = _HTTP_5XX[decision.draw % len(_HTTP_5XX)]
        return HttpReply(status, b"<html><body>cloudflare: error</body></html>", _HTML)
    if decision.fault is Fault.TRUNCATE:
        return reply._replace(cut=True)
    if decision.fault is Fault.GARBAGE:
        return reply._replace(body=b'{"error":[],"resu\x1f<<<')
    return reply
