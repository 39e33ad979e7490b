"""The trio base of every ccxt exchange: what its hand-written base does, without asyncio.

It stands in the method resolution order below every exchange class and directly above ccxt's async
base (`factory.trio_class` sees to that), so that overrides in exchange classes which call `super()`
keep working. Only the hand-written base is replaced; everything ccxt knows about a venue is used as
it is. Helper names start with an underscore because ccxt's constructor walks over all others.
"""

import logging
import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from types import TracebackType
from typing import Self

import trio

from exchanges import rest
from exchanges.ccxt_names import (
    BaseExchange,
    ExchangeClosedByUser,
    ExchangeError,
)
from exchanges.errors import CCXT_RAISES
from exchanges.flight import current_flight
from exchanges.futures import FutureCancelledError, TrioFuture
from exchanges.http import Transport
from exchanges.json_text import Json, decode_json
from exchanges.socket_client import SocketClient, is_call
from exchanges.throttle import Throttler
from exchanges.turns import KeyTurns, Turn
from exchanges.types import FrameKind
from supervisor.clock import Clock

MILLISECONDS_PER_SECOND = 1000
NANOSECONDS_PER_MICROSECOND = 1_000
NANOSECONDS_PER_MILLISECOND = 1_000_000
NANOSECONDS_PER_SECOND = 1_000_000_000
# Closing must not wait for a venue that does not answer.
CLOSE_TIMEOUT_S = 1.0

# Sees a decoded message (None: not JSON) before ccxt does; True means ccxt must not have it.
Tap = Callable[[SocketClient, Json], bool]
TextHook = Callable[[FrameKind, SocketClient, str], None]
# Sees the URL and the text of each good answer to a request that carries no key.
AnswerHook = Callable[[str, str], None]
# What turn a request to (kind of API, path) must wait for; None: it may go at once.
TurnOf = Callable[[str, str], Turn | None]

logger = logging.getLogger("exchanges")


@lru_cache(maxsize=8)  # one per CA file; 16 ms and 0.5 MB each, so exchanges share them
def _shared_ssl_context(cafile: str, *, verify: bool, with_system_cas: bool) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cafile)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif with_system_cas:
        context.load_default_certs()
    return context


class TrioExchange(BaseExchange):  # type: ignore[misc]  # ccxt has no types
    """A ccxt exchange on trio. WebSockets need `async with`; REST needs it only to be closed."""

    asyncio_loop = None
    timeout_on_exit = 0
    # ccxt sets these without saying what they are.
    clients: dict[str, SocketClient]
    closed_by_user: bool
    markets_loading: TrioFuture | None
    ssl_context: ssl.SSLContext | None
    _clock: Clock
    _turns: KeyTurns
    _turn_of: TurnOf | None = None
    _nursery: trio.Nursery | None = None
    _nursery_manager: Json = None
    _transport: Transport | None = None
    # Whether fractional numbers reach ccxt's code as the texts that the venue sent. Adapters are
    # written for that; ccxt's own handlers of other venues calculate with what they are given.
    numbers_as_text = False
    tap: Tap | None = None
    text_hook: TextHook | None = None
    answer_hook: AnswerHook | None = None
    _socket_class: type[SocketClient] = SocketClient

    # -- life

    def __del__(self) -> None:
        if self._transport is not None and not self.closed_by_user:
            logger.warning("%s was never closed: use `async with`", self.id)

    def __repr__(self) -> str:
        return f"TrioExchange({self.id!r})"

    async def __aenter__(self) -> Self:
        self._nursery_manager = trio.open_nursery(strict_exception_groups=True)
        self._nursery = await self._nursery_manager.__aenter__()
        self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._nursery is not None, "left before it was entered"
        self._nursery.cancel_scope.cancel()
        manager, self._nursery_manager = self._nursery_manager, None
        try:
            await manager.__aexit__(None, None, None)
        finally:
            self._nursery = None
            await self.close()

    def open(self, lazy: object = None) -> None:
        if lazy and self.closed_by_user:
            raise ExchangeClosedByUser(f"{self.id} was closed: make a new client")
        self.closed_by_user = False

    async def close(self, clean_instance_data: object = None) -> None:
        self.closed_by_user = True
        transport, self._transport = self._transport, None
        # Shielded: a port is mostly closed by being cancelled, and its sockets must not be left.
        with trio.move_on_after(CLOSE_TIMEOUT_S) as scope:
            scope.shield = True
            await self.close_ws_clients()
            if transport is not None:
                await transport.aclose()
        if clean_instance_data:
            self.clean_ws_data()
            self.clean_rest_data()

    async def close_ws_clients(self) -> None:
        clients, self.clients = list((self.clients or {}).values()), {}
        for client in clients:
            await client.close()

    async def close_connector(self) -> None:
        return

    async def close_proxy_sessions(self) -> None:
        return

    def get_event_loop(self) -> None:
        return

    def secret_texts(self) -> tuple[str, ...]:
        """Return what must never appear in a text."""
        return tuple(
            text
            for text in (self.apiKey, self.secret, self.password, self.token, self.privateKey)
            if isinstance(text, str) and text
        )

    def tls_context(self) -> ssl.SSLContext:
        """Return the context of all connections: ccxt's `cafile`, `verify` and options decide."""
        if self.ssl_context is None:
            self.ssl_context = _shared_ssl_context(
                self.cafile,
                verify=bool(self.verify),
                with_system_cas=bool(self.options.get("include_OS_certificates")),
            )
        return self.ssl_context

    def start_soon(
        self, function: Callable[..., Awaitable[object]], *args: object, name: str
    ) -> None:
        if self._nursery is None:
            raise RuntimeError(f"{self.id}: WebSockets need `async with` around the client")
        self._nursery.start_soon(function, *args, name=name)

    # -- time: the injected clock, never the system's

    def milliseconds(self) -> int:
        return self._clock.now_ns() // NANOSECONDS_PER_MILLISECOND

    def microseconds(self) -> int:
        return self._clock.now_ns() // NANOSECONDS_PER_MICROSECOND

    def seconds(self) -> int:
        return self._clock.now_ns() // NANOSECONDS_PER_SECOND

    async def sleep(self, milliseconds: float) -> None:
        await trio.sleep(milliseconds / MILLISECONDS_PER_SECOND)

    # -- tasks

    def spawn(self, method: Callable[..., Awaitable[Json]], *args: object) -> TrioFuture:
        """Run a method in the exchange's nursery; its error goes to the future, never further."""
        future = TrioFuture()
        name = getattr(method, "__name__", repr(method))

        async def run() -> None:
            try:
                future.resolve(await method(*args))
            except CCXT_RAISES as error:
                if not future.waited_for():
                    logger.warning(
                        "%s: background %s failed: %s", self.id, name, type(error).__name__
                    )
                future.reject(error)
            finally:
                future.cancel()

        self.start_soon(run, name=f"{self.id} {name}")
        return future

    def delay(
        self, milliseconds: float, method: Callable[..., Awaitable[Json]], *args: object
    ) -> trio.CancelScope:
        """Run a method that many milliseconds from now; the scope cancels it."""
        scope = trio.CancelScope()

        async def later() -> None:
            with scope:
                await self.sleep(milliseconds)
                self.spawn(method, *args)

        self.start_soon(later, name=f"{self.id} delayed")
        return scope

    def init_throttler(self, cost: object = None) -> None:
        self.throttler = Throttler(self.tokenBucket)

    async def throttle(self, cost: float | None = None) -> None:
        await self.throttler(cost)

    async def load_markets(
        self, reload: object = None, params: Mapping[str, Json] | None = None
    ) -> Json:
        """Load the markets once for all who ask at the same time.

        The first caller does the work and the others wait. If that caller is cancelled, one of the
        waiting takes over; nobody else is cancelled with it.
        """
        while True:
            if (reload and not self.reloading_markets) or not self.markets_loading:
                return await self._lead_load_markets(reload, params or {})
            flight = self.markets_loading
            try:
                return await flight
            except FutureCancelledError:
                if not flight.cancelled():
                    raise

    async def _lead_load_markets(self, reload: object, params: object) -> Json:
        self.reloading_markets = True
        flight = self.markets_loading = TrioFuture()
        try:
            result = await self.load_markets_helper(reload, params)
            flight.resolve(result)
            return result
        except CCXT_RAISES as error:
            flight.reject(error)
            raise
        finally:
            # Still pending only when this task was cancelled.
            flight.cancel()
            self.reloading_markets = False
            if self.markets_loading is flight and (flight.cancelled() or flight.exception()):
                self.markets_loading = None

    # -- REST

    def take_turns(self, turns: KeyTurns, turn_of: TurnOf) -> None:
        """Share nonces and turns with other clients of the same key."""
        self._turns = turns
        self._turn_of = turn_of

    def nonce_above(self, fresh: int) -> int:
        """Return a nonce that no request of the key has had."""
        return self._turns.nonce(fresh)

    async def fetch2(
        self,
        path: str,
        api: Json = ("public",),
        method: str = "GET",
        params: Json = None,
        config: Json = None,
    ) -> Json:
        """Sign and send one request, in its key's turn where the venue needs that."""
        turn = self._turn_of(api[0], path) if self._turn_of is not None else None
        request = (path, api, method, {} if params is None else params, config or {})
        if turn is None:
            return await super().fetch2(*request)
        if turn is Turn.ORDER and current_flight().reduces:
            turn = Turn.EXIT
        async with self._turns.taken(turn):
            return await super().fetch2(*request)

    def on_json_response(self, response_body: str) -> Json:
        return self.decoded(response_body)

    def decoded(self, text: str) -> Json:
        """Return the decoded document, as ccxt decodes it or exact. Raises `ValueError`."""
        return decode_json(text) if self.numbers_as_text else super().on_json_response(text)

    async def fetch(
        self,
        url: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: Json = None,
    ) -> Json:
        """Send one request and return its decoded answer. Raises ccxt's errors."""
        return await rest.fetch(self, url, method, headers, body)

    def work_offline(self, transport: Transport, socket_class: type[SocketClient]) -> None:
        """Answer requests by `transport`, and have sockets of a class that connects nowhere."""
        self._transport = transport
        self._socket_class = socket_class

    def transport(self) -> Transport:
        """Return the pool of connections, made on first use."""
        if self._transport is None:
            self._transport = Transport(self.tls_context())
        return self._transport

    # -- WebSockets

    def client(self, url: str) -> SocketClient:
        """Return the client of `url`, made on first use."""
        self.open()
        self.clients = self.clients or {}
        self.ws_dial_backoff = getattr(self, "ws_dial_backoff", None) or {}
        if url not in self.clients:
            options = self.extend(
                self.streaming,
                {
                    "ping": getattr(self, "ping", None),
                    "throttle": Throttler(self.tokenBucket),
                    "decompressBinary": self.safe_bool(self.options, "decompressBinary", True),
                    "exchange": self,
                    "proxy": next((each for each in self.check_ws_proxy_settings() if each), None),
                },
                self.safe_value(self.options, "ws", {}),
            )
            self.clients[url] = self._socket_class(
                url, self.handle_message, self.on_error, self.on_close, self.on_connected, options
            )
        return self.clients[url]

    def watch(
        self,
        url: str,
        message_hash: str,
        message: object = None,
        subscribe_hash: str | None = None,
        subscription: object = None,
    ) -> TrioFuture:
        backoff_delay_s = self.ws_dial_delay(url)
        client = self.client(url)
        if subscribe_hash is None and message_hash in client.futures:
            return client.futures[message_hash]
        future = client.future(message_hash)
        # ccxt uses None as a name too: its socket then subscribes without one, once.
        name = str(subscribe_hash)
        is_new = not client.subscriptions.get(name)
        if is_new:
            if is_call(message, message_hash, subscribe_hash):
                client.remember_call(name, future)
            client.subscriptions[name] = subscription or True
        self._send_when_connected(client, backoff_delay_s, message if is_new else None)
        return future

    def watch_multiple(
        self,
        url: str,
        message_hashes: list[str],
        message: object = None,
        subscribe_hashes: list[str] | None = None,
        subscription: object = None,
    ) -> TrioFuture:
        backoff_delay_s = self.ws_dial_delay(url)
        client = self.client(url)
        future = TrioFuture.race([client.future(each) for each in message_hashes])
        missing = [each for each in subscribe_hashes or [] if each not in client.subscriptions]
        for each in missing:
            client.subscriptions[each] = subscription or True
        self._send_when_connected(client, backoff_delay_s, message if missing else None)
        return future

    def _send_when_connected(
        self, client: SocketClient, backoff_delay_s: float, message: object
    ) -> None:
        if not client.connected.done():
            client.connect(None, backoff_delay_s)
        if message:
            ws_options = self.safe_value(self.options, "ws")
            cost = self.safe_value(ws_options, "cost", 1) if self.enableRateLimit else None
            client.queue_send(message, cost)

    async def load_order_book(
        self,
        client: SocketClient,
        message_hash: str,
        symbol: str,
        limit: int | None = None,
        params: Mapping[str, Json] | None = None,
    ) -> None:
        """Fetch a snapshot and apply the deltas that were cached meanwhile (venues without one)."""
        if symbol not in self.orderbooks:
            client.reject(
                ExchangeError(f"{self.id}: no order book of {symbol} to load"), message_hash
            )
            return
        try:
            if await self._synchronised(client, message_hash, symbol, limit, params or {}):
                return
            failure: Exception = ExchangeError(
                f"{self.id}: {symbol}: snapshot older than its deltas"
            )
        except CCXT_RAISES as error:
            failure = error
        client.reject(failure, message_hash)
        if client.error is None:
            # Set, so that the closing is not taken for the venue's.
            client.error = failure
        if self.clients.get(client.url) is client:
            del self.clients[client.url]
        self.orderbooks[symbol] = self.order_book()
        self.start_soon(client.close, name=f"{self.id} close")

    async def _synchronised(
        self, client: SocketClient, message_hash: str, symbol: str, limit: object, params: object
    ) -> bool:
        stored = self.orderbooks[symbol]
        for _ in range(self.handle_option("watchOrderBook", "maxRetries", 3)):
            cache = stored.cache
            snapshot = await self.fetch_rest_order_book_safe(symbol, limit, params)
            index = self.get_cache_index(snapshot, cache)
            if index >= 0:
                stored.reset(snapshot)
                self.handle_book_deltas(stored, cache[index:])
                cache.clear()
                client.resolve(stored, message_hash)
                return True
        return False

    # -- the facade's hooks

    def tapped(self, client: SocketClient, message: object) -> bool:
        return self.tap is not None and self.tap(client, message)

    def saw_text(self, kind: FrameKind, client: SocketClient, text: str) -> None:
        if self.text_hook is not None:
            self.text_hook(kind, client, text)

    def saw_answer(self, url: str, text: str) -> None:
        if self.answer_hook is not None and not self.secret_texts():
            self.answer_hook(url, text)
