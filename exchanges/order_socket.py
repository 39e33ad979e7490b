"""Order entry over a WebSocket of its own: requests carry a number, replies repeat it.

The connection is kept up in the background. It is *up* from the venue's answer to the log-on until
anything about it is in doubt: a request without its reply in time, a ping without its pong, a frame
that cannot be read. Then it is closed and another is made; meanwhile the caller goes by REST.

A request that had a byte written and has no verdict is AMBIGUOUS, as with REST, and is never
written again. What a reply says is judged by the very code that judges REST's answers. A reply that
nobody waits for (late, a second one, a number never given) is counted and changes nothing.
"""

import itertools
import logging
import math
from collections.abc import Callable

import msgspec
import trio

from exchanges.adapters.base import Adapter
from exchanges.adapters.wires import LOG_ON_NUMBER, OrderWire, Reply, UnreadableReplyError
from exchanges.ccxt_names import ExchangeError, NetworkError, RequestTimeout
from exchanges.errors import CCXT_RAISES, VenueError
from exchanges.exchange import TrioExchange
from exchanges.flight import Flight
from exchanges.types import FrameHook
from exchanges.websocket import BrokenConnectionError, DialError, Kind, WebSocket, dial

# Requests without a reply at once: far more than the lines' budgets let fly.
PENDING_MAX = 1_024
# A connection on which nothing was heard for two of these is gone, whatever TCP says.
PING_EVERY_S = 5.0
CONNECT_TIMEOUT_S = 10.0
# As with streams: the first pause is short, the last does not hammer a venue that is down.
PAUSE_S_MIN = 0.1
PAUSE_S_MAX = 10.0
_ENDS: tuple[type[Exception], ...] = (DialError, VenueError, *CCXT_RAISES)
# An unreadable reply is quoted in the log; more is not worth it.
DETAIL_CHARACTERS_MAX = 200
MILLISECONDS_PER_SECOND = 1000

logger = logging.getLogger("exchanges")


class OrderSocketStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the client was built. `stray`: replies that nobody waited for."""

    up: bool
    connections: int
    requests: int
    replies: int
    stray: int
    unreadable: int


class _Awaited:
    """One request that has no reply yet."""

    __slots__ = ("reply", "told")

    def __init__(self) -> None:
        self.told = trio.Event()
        self.reply: Reply | None = None


class OrderSocket:
    """One account's order entry. `run` keeps it connected; `request` sends once."""

    def __init__(
        self,
        adapter: Adapter,
        wire: OrderWire,
        exchange: TrioExchange,
        on_frame: FrameHook | None = None,
    ) -> None:
        self._venue = adapter.venue
        self.wire = wire
        self._exchange = exchange
        self._on_frame = on_frame
        self._timeout_s = exchange.timeout / MILLISECONDS_PER_SECOND
        self._socket: WebSocket | None = None
        self._scope = trio.CancelScope()
        self._numbers = itertools.count(LOG_ON_NUMBER + 1)
        self._awaited: dict[int, _Awaited] = {}
        self._heard_s = -math.inf
        self._lost = ""
        self._connections = self._requests = self._replies = self._stray = self._unreadable = 0

    @property
    def is_up(self) -> bool:
        """Whether orders may leave this way now."""
        return self._socket is not None and self._socket.may_send

    def statistics(self) -> OrderSocketStatistics:
        """Return what was counted."""
        return OrderSocketStatistics(
            up=self.is_up,
            connections=self._connections,
            requests=self._requests,
            replies=self._replies,
            stray=self._stray,
            unreadable=self._unreadable,
        )

    async def request(
        self, frame_of: Callable[[int], bytes | None], flight: Flight
    ) -> Reply | None:
        """Send one request, once, and return its reply; None: the wire has no frame for it.

        Nothing is awaited between the call and the first byte. Raises ccxt's errors, and
        `VenueError` for what `frame_of` refuses; `flight` knows whether a byte was written.
        """
        socket = self._socket
        if socket is None or not socket.may_send:
            raise NetworkError("the order socket is not connected: nothing was sent")
        if len(self._awaited) >= PENDING_MAX:
            raise NetworkError(f"{PENDING_MAX} orders wait for their reply: nothing was sent")
        number = next(self._numbers)
        frame = frame_of(number)
        if frame is None:
            return None
        reply = await self._exchange_of(socket, number, frame, flight)
        flight.status = reply.status
        if reply.refusal is not None:
            self._refuse(reply.status, reply.refusal)
        return reply

    async def _exchange_of(
        self, socket: WebSocket, number: int, frame: bytes, flight: Flight
    ) -> Reply:
        awaited = self._awaited[number] = _Awaited()
        self._requests += 1
        self._saw("out", len(frame))
        flight.begin()
        flight.sent = True
        try:
            with trio.fail_after(self._timeout_s):
                await socket.send_text(frame)
                await awaited.told.wait()
        except trio.TooSlowError:
            # What hangs here would hang the next ones too.
            self._give_up(f"no reply in {self._timeout_s} s")
            raise RequestTimeout(f"no reply on the order socket in {self._timeout_s} s") from None
        except BrokenConnectionError as error:
            raise NetworkError(f"the order socket: {error}") from error
        finally:
            self._awaited.pop(number, None)
        if awaited.reply is None:
            raise NetworkError("the order socket was lost before the reply came")
        return awaited.reply

    def _refuse(self, status: int, refusal: dict[str, object]) -> None:
        """Have ccxt's class raise what it raises for the same refusal over REST."""
        body = msgspec.json.encode(refusal).decode()
        exchange, url = self._exchange, self.wire.url(self._exchange)
        exchange.handle_errors(status, "", url, "POST", {}, body, exchange.parse_json(body), {}, "")
        exchange.handle_http_status_code(status, "", url, "POST", body)
        raise ExchangeError(f"{exchange.id} {body}")

    # -- the connection

    async def run(self) -> None:
        """Keep a connection for ever; whatever ends one is told in the log, never raised."""
        pause_s = PAUSE_S_MIN
        while True:
            replies = self._replies
            try:
                await self._serve()
            except _ENDS as error:
                self._lost = f"{type(error).__name__}: {error}"
            logger.info("%s: order socket: %s", self._venue, self._harmless(self._lost))
            pause_s = PAUSE_S_MIN if self._replies > replies else pause_s
            await trio.sleep(pause_s)
            pause_s = min(pause_s * 2, PAUSE_S_MAX)

    async def _serve(self) -> None:
        """Make one connection, and keep it until it is lost."""
        exchange = self._exchange
        with trio.move_on_after(CONNECT_TIMEOUT_S) as patience:
            first = await self.wire.log_on(exchange)
            socket = await dial(
                self.wire.url(exchange),
                exchange.tls_context(),
                compress=False,
                proxy_url=next((p for p in exchange.check_ws_proxy_settings() if p), None),
            )
        if patience.cancelled_caught:
            self._lost = f"no connection in {CONNECT_TIMEOUT_S} s"
            return
        try:
            with trio.CancelScope() as self._scope:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._read, socket)
                    nursery.start_soon(self._ping, socket)
                    nursery.start_soon(self._begin, socket, first)
        finally:
            self._socket = None
            for awaited in self._awaited.values():
                awaited.told.set()
            await socket.aclose()

    async def _begin(self, socket: WebSocket, first: bytes | None) -> None:
        """Log on; then orders may leave."""
        try:
            if first is not None:
                reply = await self._exchange_of(socket, LOG_ON_NUMBER, first, Flight())
                if reply.refusal is not None:
                    self._refuse(reply.status, reply.refusal)
        except CCXT_RAISES as error:
            self._give_up(f"{type(error).__name__}: {error}")
            return
        self._connections += 1
        self._socket = socket

    def _give_up(self, reason: str) -> None:
        """Let nothing more leave by this connection, and have it closed."""
        self._socket = None
        self._lost = reason
        self._scope.cancel()

    async def _read(self, socket: WebSocket) -> None:
        self._heard_s = trio.current_time()
        while True:
            for kind, data in await socket.receive():
                self._heard_s = trio.current_time()
                if kind is Kind.CLOSE:
                    self._give_up(f"closed, code {data!r}")
                    return
                if isinstance(data, str):
                    self._take(data)

    def _take(self, text: str) -> None:
        self._saw("in", len(text))
        try:
            reply = self.wire.reply(text)
        except UnreadableReplyError as error:
            # It may have been the reply to any of those that wait.
            self._unreadable += 1
            self._give_up(f"a frame could not be read: {error}")
            return
        if reply is None:
            return
        awaited = self._awaited.pop(reply.number, None)
        if awaited is None:
            self._stray += 1
            return
        self._replies += 1
        awaited.reply = reply
        awaited.told.set()

    async def _ping(self, socket: WebSocket) -> None:
        while True:
            await trio.sleep(PING_EVERY_S)
            if trio.current_time() - self._heard_s > 2 * PING_EVERY_S:
                self._give_up("the venue answers no pings")
            try:
                await socket.send_ping()
            except BrokenConnectionError as error:
                self._give_up(str(error))

    # -- what is told

    def _saw(self, direction: str, characters: int) -> None:
        if self._on_frame is not None:
            label, shown = f"{self._venue}/private", f'{{"redacted_characters":{characters}}}'
            self._on_frame("in" if direction == "in" else "out", label, shown)

    def _harmless(self, text: str) -> str:
        for secret in self._exchange.secret_texts():
            text = text.replace(secret, "***")
        return text[:DETAIL_CHARACTERS_MAX]
