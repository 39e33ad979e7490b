"""ccxt's WebSocket client on trio: the same surface, none of the asyncio.

One task per socket, with a ping task and a sender as its children, all in the exchange's nursery.
Subscriptions go out in the order of the watch calls. An error never leaves the task: it settles the
futures that wait on this socket.
"""

import logging
import math
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import trio

from exchanges.ccxt_names import (
    BaseError,
    Client,
    ExchangeError,
    NetworkError,
    RequestTimeout,
)
from exchanges.errors import CCXT_RAISES
from exchanges.futures import TrioFuture
from exchanges.websocket import (
    MESSAGE_BYTES_MAX,
    BrokenConnectionError,
    DialError,
    Kind,
    Received,
    WebSocket,
    dial,
)
from supervisor.buggify import LATE_S, buggify

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

# Subscriptions waiting to be sent on one socket; venues allow some hundred.
OUTBOX_MESSAGES_MAX = 2_000
# How venues call the id of a request that is answered by it.
CALL_IDS = ("id", "req_id", "reqId", "reqid", "request_id", "requestId")
PING_FAILS: tuple[type[Exception], ...] = (BrokenConnectionError, *CCXT_RAISES)
CCXT_ERRORS: tuple[type[Exception], ...] = (BaseError,)
MILLISECONDS_PER_SECOND = 1000
# zlib's "expect gzip's header".
GZIP_WINDOW_BITS = zlib.MAX_WBITS | 16

logger = logging.getLogger("exchanges")


class SocketClient(Client):  # type: ignore[misc]  # ccxt has no types
    """What `exchange.client(url)` returns. The base's registry of futures is used as it is."""

    exchange: "TrioExchange"
    # ccxt sets these by name from its configuration.
    url: str
    proxy: str | None
    connection: WebSocket | None
    connecting = False
    # Whether the facade reads this socket; set by exchanges/streams.py.
    tapped = False

    def __init__(
        self,
        url: str,
        on_message: object,
        on_error: object,
        on_close: object,
        on_connected: object,
        config: Mapping[str, Any],
    ) -> None:
        # Not the base's: that one makes an asyncio future, which needs an event loop.
        self.url = url
        self.futures: dict[str, TrioFuture] = {}
        self.subscriptions: dict[str, Any] = {}
        self.rejections: dict[str, Any] = {}
        self.on_message_callback: Any = on_message
        self.on_error_callback: Any = on_error
        self.on_close_callback: Any = on_close
        self.on_connected_callback: Any = on_connected
        for name, value in config.items():
            setattr(self, name, value)
        self.options: Mapping[str, Any] = config.get("options", config)
        self.connected = TrioFuture()
        self.last_retry_after: float | None = None
        self.dial_failed = False
        self.last_message_at: int | None = None
        self.error: BaseException | None = None
        # Those that nobody has given up yet: as many as are awaited at once.
        self._calls = deque[tuple[str, TrioFuture]]()
        self._scope = trio.CancelScope()
        self._outbox, self._inbox = trio.open_memory_channel[tuple[str, float | None]](
            OUTBOX_MESSAGES_MAX
        )
        self._finished = trio.Event()
        self._finished.set()

    # -- futures

    def future(self, message_hash: str) -> TrioFuture:
        found = self.futures.get(message_hash)
        if found is None or found.cancelled():
            found = self.futures[message_hash] = TrioFuture()
        if message_hash in self.rejections:
            found.reject(self.rejections.pop(message_hash))
        return found

    def remember_call(self, name: str, future: TrioFuture) -> None:
        """Note what is asked once, by an id of its own; forget the calls that are over.

        ccxt keeps an entry of each, for ever. It is forgotten at the next call only, since ccxt's
        handlers may still look at it after they have given the answer.
        """
        going_on = deque[tuple[str, TrioFuture]]()
        for each in self._calls:
            if each[1].done() or not each[1].waited_for():
                for registry in (self.subscriptions, self.futures, self.rejections):
                    registry.pop(each[0], None)
            else:
                going_on.append(each)
        self._calls = going_on
        self._calls.append((name, future))

    # -- one connection's life

    def connect(self, session: object = None, backoff_delay_s: float = 0) -> TrioFuture:
        if self.connection is None and not self.connecting:
            self.connecting = True
            self._finished = trio.Event()
            self.exchange.start_soon(self._run, backoff_delay_s, name=f"socket {self.url}")
        return self.connected

    async def _run(self, backoff_delay_s: float) -> None:
        try:
            with self._scope:
                if buggify("socket.late-dial"):
                    backoff_delay_s += LATE_S
                if backoff_delay_s:
                    await trio.sleep(backoff_delay_s)
                if await self._dial():
                    await self._serve()
        finally:
            self.connected.cancel()
            try:
                if self.connection is not None:
                    await self.connection.aclose()
            finally:
                self._finished.set()

    async def _dial(self) -> bool:
        self.connectionStarted = self.exchange.milliseconds()
        timeout_ms = self.connectionTimeout or math.inf
        try:
            with trio.fail_after(timeout_ms / MILLISECONDS_PER_SECOND):
                self.connection = await dial(
                    self.url,
                    self.exchange.tls_context(),
                    self._headers(),
                    compress=bool(self.options.get("compress", 15)),
                    proxy_url=self.proxy,
                )
        except trio.TooSlowError:
            self.dial_failed = True
            self.on_error(RequestTimeout(f"{self.url}: no WebSocket connection in {timeout_ms} ms"))
            return False
        except DialError as error:
            self.dial_failed = True
            self.last_retry_after = error.retry_after_s
            self.on_error(NetworkError(f"{self.url}: {error}"))
            return False
        self.connecting = False
        self.connectionEstablished = self.exchange.milliseconds()
        self.isConnected = True
        self.connected.resolve(self.url)
        return self._told(self.on_connected_callback, self)

    def _headers(self) -> dict[str, str]:
        headers = dict(self.options.get("headers") or {})
        cookies = self.options.get("cookies")
        if cookies:
            headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        return headers

    async def _serve(self) -> None:
        async with trio.open_nursery() as nursery:
            # ccxt's own `reset` stops the pings by calling `cancel()` on this.
            self.ping_looper = trio.CancelScope()
            nursery.start_soon(self._ping)
            nursery.start_soon(self._send_outbox)
            await self._receive()
            nursery.cancel_scope.cancel()

    async def _receive(self) -> None:
        assert self.connection is not None, "receiving starts after dialing"
        while True:
            for message in await self.connection.receive():
                self.last_message_at = self.exchange.milliseconds()
                if not self._handle(message):
                    return

    def _handle(self, message: Received) -> bool:
        kind, data = message
        if kind is Kind.CLOSE:
            self.isConnected = False
            self._told(self.on_close, data)
            return False
        if kind is Kind.PONG:
            self.lastPong = self.exchange.milliseconds()
            return True
        return self._told(self._take, data)

    def _told(self, handler: Callable[..., object], *args: object) -> bool:
        """Run a handler of ccxt's; False when it failed, and the connection is then given up."""
        try:
            handler(*args)
        except CCXT_RAISES as error:
            # In ccxt the socket would stay deaf for ever; here every watcher learns of it.
            self.on_error(as_ccxt_error(error))
            return False
        return True

    def _take(self, data: str | bytes) -> None:
        if isinstance(data, bytes):
            if self.gunzip:
                data = decompressed(data, GZIP_WINDOW_BITS).decode("utf-8", errors="replace")
            elif self.inflate:
                data = decompressed(data, -zlib.MAX_WBITS)
        self.handle_text_or_binary_message(data)

    def handle_text_or_binary_message(self, data: str | bytes) -> None:
        """Decode one message and hand it to the tap or to ccxt."""
        if isinstance(data, bytes) and not self.decompressBinary:
            # Protocol buffers: ccxt's own handler of that venue reads them.
            if not self.exchange.tapped(self, None):
                self.on_message_callback(self, data)
            return
        text = data if isinstance(data, str) else data.decode("utf-8", errors="replace")
        self.exchange.saw_text("in", self, text)
        # As ccxt has it: a lone brace is a word of the venue's, not JSON.
        is_json = len(text) > 1 and text[0] in "{["
        try:
            message = self.exchange.decoded(text) if is_json else text
        except ValueError as error:
            if self.exchange.tapped(self, None):
                return
            raise ExchangeError(f"{self.url}: a frame is not JSON: {error}") from error
        if not self.exchange.tapped(self, message):
            self.on_message_callback(self, message)

    async def _ping(self) -> None:
        with self.ping_looper:
            while self.keepAlive and not self.closed():
                await trio.sleep(self.keepAlive / MILLISECONDS_PER_SECOND)
                now_ms = self.exchange.milliseconds()
                if self.lastPong is None:
                    self.lastPong = now_ms
                if self.lastPong + self.keepAlive * self.maxPingPongMisses < now_ms:
                    self.on_error(RequestTimeout(f"{self.url}: the venue answers no pings"))
                    return
                await self._ping_once()

    async def _ping_once(self) -> None:
        assert self.connection is not None, "pings start after dialing"
        try:
            if self.ping:
                await self.send(self.ping(self))
            else:
                await self.connection.send_ping()
        except PING_FAILS as error:
            self.on_error(as_ccxt_error(error))

    # -- sending

    def queue_send(self, message: object, cost: float | None = None) -> None:
        """Send `message` after those queued before it, as soon as there is a connection."""
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        try:
            self._outbox.send_nowait((text, cost))
        except trio.WouldBlock:
            self.on_error(NetworkError(f"{self.url}: {OUTBOX_MESSAGES_MAX} messages wait unsent"))

    async def _send_outbox(self) -> None:
        async for text, cost in self._inbox:
            if cost is not None:
                await self.throttle(cost)
            try:
                await self.send(text)
            except BaseError as error:
                self.on_error(error)

    async def send(self, message: object) -> None:
        text = message if isinstance(message, str) else msgspec.json.encode(message).decode()
        if self.connection is None or self.connection.closed:
            raise NetworkError(f"{self.url}: not connected: nothing was sent")
        self.exchange.saw_text("out", self, text)
        try:
            await self.connection.send_text(text)
        except BrokenConnectionError as error:
            raise NetworkError(f"{self.url}: {error}") from error

    # -- the end

    def closed(self) -> bool:
        return self.connection is None or self.connection.closed

    def on_error(self, error: BaseException) -> None:
        self.error = error
        self.exchange.saw_text("closed", self, f"{type(error).__name__}: {error}")
        self.reject(error)
        self.connected.reject(error)
        self.on_error_callback(self, error)
        self._scope.cancel()

    def on_close(self, code: object) -> None:
        if self.error is None:
            self.exchange.saw_text("closed", self, f"closed by the venue, code {code}")
            self.reject(NetworkError(f"{self.url}: closed by the venue, code {code}"))
        self.on_close_callback(self, code)

    async def close(self, code: int = 1000) -> None:
        """Wake every watcher with an error and wait until the socket's task is gone."""
        for future in list(self.futures.values()):
            if self.error is None:
                future.cancel()
            else:
                future.reject(NetworkError(str(self.error)))
        await self.aiohttp_close()

    async def aiohttp_close(self) -> None:
        self._scope.cancel()
        await self._finished.wait()


def is_call(message: object, message_hash: object, subscribe_hash: object) -> bool:
    """Whether a message asks something once: it is awaited by the number that it carries."""
    name = str(message_hash)
    if not isinstance(message, dict) or message_hash != subscribe_hash or not name.isdecimal():
        return False
    bodies = (message, message.get("payload"))
    return any(
        str(body.get(key)) == name for body in bodies if isinstance(body, dict) for key in CALL_IDS
    )


def decompressed(data: bytes, window_bits: int) -> bytes:
    """Return what a venue compressed. Raises ccxt's `ExchangeError` when it is damaged or huge."""
    inflater = zlib.decompressobj(window_bits)
    try:
        content = inflater.decompress(data, MESSAGE_BYTES_MAX)
    except zlib.error as error:
        raise ExchangeError(f"a frame's compressed data is damaged: {error}") from error
    if not inflater.eof:
        raise ExchangeError("a frame's compressed data is cut off, or too large")
    return content


def as_ccxt_error(error: BaseException) -> BaseException:
    """Return an error that ccxt's callers expect."""
    if isinstance(error, CCXT_ERRORS):
        return error
    translated: BaseException = ExchangeError(f"{type(error).__name__}: {error}")
    return translated
