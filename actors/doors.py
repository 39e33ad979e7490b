"""How ports reach a venue: at the addresses configured, or wherever its embedded box listens."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

import trio
from msgspec.structs import replace

from actors.books import is_contract
from exchanges.types import Credentials, DerivativeTerms, Endpoints, FrameHook
from exchanges.venue_client import VenueClient, open_venue
from messages.settings import OrderEntry, VenueSettings
from supervisor.clock import Clock
from supervisor.port import Port, PortContext
from supervisor.threads import threads

if TYPE_CHECKING:
    from venue.config import VenueConfig

LOOPBACK = "127.0.0.1"
# Where a box serves its public and its private socket, by protocol: in the form that the venue's
# adapter takes addresses.
SOCKET_PATHS = {
    # KuCoin says itself where its sockets are.
    "kucoin": ("/endpoint", "/endpoint"),
    "coinbase": ("/", "/"),
    "kraken": ("/v2", "/v2"),
    "binance": ("/stream/ws", "/ws-api/v3"),
    "binanceus": ("/stream/ws", "/stream/ws"),
    "binanceusdm": ("/ws", "/ws"),
    "bybit": ("/v5/public/spot", "/v5/private"),
    "okx": ("/ws/v5/public", "/ws/v5/private"),
}


class Door:
    """Where one venue is; of an embedded box that is not up yet, or down, one waits for it."""

    def __init__(
        self,
        protocol: str,
        endpoints: Endpoints | None,
        clock: Clock,
        proxy_url: str = "",
        symbols: tuple[str, ...] = (),
    ) -> None:
        self._protocol = protocol
        self._proxy_url = proxy_url
        self._symbols = symbols
        self._endpoints = endpoints
        self._clock = clock
        self._opened = trio.Event()
        self.port = 0
        """Where a box listened last: there its clients look for it again."""
        if endpoints is not None:
            self._opened.set()

    def opened_at(self, port: int) -> None:
        """Say that the box listens on `port` of this machine."""
        self.port = port
        address = f"{LOOPBACK}:{port}"
        public, private = SOCKET_PATHS[self._protocol]
        self._endpoints = Endpoints(
            rest=f"http://{address}",
            websocket_public=f"ws://{address}{public}",
            websocket_private=f"ws://{address}{private}",
        )
        self._opened.set()

    def closed(self) -> None:
        """Say that the box does not listen any more."""
        self._endpoints = None
        self._opened = trio.Event()

    def opener(
        self,
        credentials: Callable[[], Credentials] | None = None,
        order_entry: OrderEntry = OrderEntry.REST,
        on_frame: FrameHook | None = None,
    ) -> Callable[[], AbstractAsyncContextManager[VenueClient]]:
        """Return what opens a client of this venue, each time a new one.

        Requests are not paced here: the lines share the venue's budget. `order_entry` is for a
        client that places orders.
        """
        return lambda: self._open(credentials, order_entry, on_frame)

    @asynccontextmanager
    async def _open(
        self,
        credentials: Callable[[], Credentials] | None,
        order_entry: OrderEntry,
        on_frame: FrameHook | None,
    ) -> AsyncIterator[VenueClient]:
        await self._opened.wait()
        client = open_venue(
            self._protocol,
            self._clock,
            credentials=credentials() if credentials is not None else None,
            endpoints=self._endpoints,
            proxy_url=self._proxy_url,
            rate_limited=False,
            order_entry=order_entry,
            on_frame=on_frame,
        )
        client.trades_only(self._symbols)
        async with client:
            yield client


class BoxPort(Port):
    """An exchange in a box, embedded; what it knows is in a file of its own."""

    announces_start = True

    def __init__(self, config: "VenueConfig", clock: Clock, door: Door) -> None:
        # Nothing is imported once the tree runs.
        from venue.box import serve_venue  # noqa: PLC0415 - numba: a second and 80 MB, box only
        from venue.kernels import warm  # noqa: PLC0415 - as above

        self._serve_venue = serve_venue
        self._warm = warm
        self._config = config
        self._clock = clock
        self._door = door

    async def run(self, ctx: PortContext) -> None:
        # Compiled or read from the cache before anything waits for the loop.
        await threads().run(self._warm)
        try:
            async with trio.open_nursery() as nursery:
                config = replace(self._config, port=self._config.port or self._door.port)
                port = await nursery.start(self._serve_venue, config, self._clock)
                self._door.opened_at(port)
                ctx.started()
        finally:
            self._door.closed()


def derivative_terms(settings: VenueSettings) -> DerivativeTerms | None:
    """Return how accounts of a venue trade perpetuals; None at a spot venue."""
    if not any(map(is_contract, settings.symbols)):
        return None
    return DerivativeTerms(
        leverage=settings.leverage,
        margin=settings.margin.value,
        trigger_by=settings.trigger_by.value,
    )


def endpoints_of(settings: VenueSettings) -> Endpoints | None:
    """Return the configured addresses of a venue; None for a box, or where ccxt knows them."""
    if settings.box is not None or not settings.rest:
        return None
    return Endpoints(
        rest=settings.rest,
        websocket_public=settings.websocket_public,
        websocket_private=settings.websocket_private,
    )
