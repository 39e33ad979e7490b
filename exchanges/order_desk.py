"""By which way an order leaves: over the order socket while that is up, or over REST.

One order takes one way, and once a byte of it was written it takes no other. Only a cancellation,
which may be asked twice, goes by REST too when the socket does not answer it soon; and whatever is
configured, it goes by REST while there is no socket.
"""

import trio

from exchanges.adapters.base import Adapter
from exchanges.ccxt_names import NetworkError
from exchanges.errors import Code, VenueError
from exchanges.exchange import TrioExchange
from exchanges.flight import current_flight
from exchanges.order_socket import OrderSocket, OrderSocketStatistics
from exchanges.types import FrameHook, Instrument, OrderChange, OrderTicket
from messages.settings import OrderEntry
from supervisor.clock import Clock

# An ordinary answer takes a tenth of it.
CANCEL_PATIENCE_S = 1.0


class OrderDesk:
    """Places, amends and cancels for one client. Methods raise ccxt's errors and `VenueError`."""

    def __init__(
        self,
        adapter: Adapter,
        exchange: TrioExchange,
        clock: Clock,
        entry: OrderEntry,
        on_frame: FrameHook | None,
    ) -> None:
        self._adapter = adapter
        self._exchange = exchange
        self._clock = clock
        self._entry = entry
        wire = adapter.order_wire() if entry is not OrderEntry.REST else None
        if wire is None and entry is OrderEntry.WEBSOCKET:
            raise ValueError(
                f"{adapter.venue} takes no orders over a WebSocket here: "
                'set order_entry to "auto" or "rest"'
            )
        self._socket = None if wire is None else OrderSocket(adapter, wire, exchange, on_frame)

    def start(self) -> None:
        """Begin to keep the socket up, where there is one. The exchange was entered."""
        if self._socket is not None:
            self._exchange.start_soon(self._socket.run, name="order socket")

    def statistics(self) -> OrderSocketStatistics | None:
        """Return the counts of the order socket, None where there is none."""
        return None if self._socket is None else self._socket.statistics()

    async def submit(self, ticket: OrderTicket, instrument: Instrument) -> str:
        """Place an order; return the venue's id of it."""
        exchange, now_ns = self._exchange, self._clock.now_ns()
        socket = self._way()
        if socket is None:
            return await self._adapter.submit(exchange, ticket, instrument, now_ns)
        reply = await socket.request(
            lambda number: socket.wire.submit(exchange, number, ticket, instrument, now_ns),
            current_flight(),
        )
        if reply is None or not reply.venue_order_id:
            raise VenueError(
                Code.AMBIGUOUS, self._adapter.venue, "an order was answered without its id"
            )
        return reply.venue_order_id

    async def amend(self, change: OrderChange, instrument: Instrument) -> None:
        """Amend an order in place."""
        exchange, now_ns = self._exchange, self._clock.now_ns()
        socket = self._way()
        if socket is not None:
            reply = await socket.request(
                lambda number: socket.wire.amend(exchange, number, change, instrument, now_ns),
                current_flight(),
            )
            if reply is not None:
                return
        await self._adapter.amend(exchange, change, instrument, now_ns)

    async def cancel(self, client_order_id: str | None, venue_order_id: str | None) -> int:
        """Cancel an order; return how many the venue says."""
        socket = self._socket
        if (
            socket is not None
            and socket.is_up
            and await self._cancelled(socket, client_order_id, venue_order_id)
        ):
            return 1
        return await self._adapter.cancel(self._exchange, client_order_id, venue_order_id)

    async def _cancelled(
        self, socket: OrderSocket, client_order_id: str | None, venue_order_id: str | None
    ) -> bool:
        """Ask on the socket; return whether it took it, False too when it said nothing."""
        exchange, now_ns = self._exchange, self._clock.now_ns()
        ids = (client_order_id, venue_order_id)
        reply = None
        try:
            with trio.move_on_after(CANCEL_PATIENCE_S):
                reply = await socket.request(
                    lambda number: socket.wire.cancel(exchange, number, *ids, now_ns),
                    current_flight(),
                )
        except NetworkError:
            return False
        return reply is not None

    def _way(self) -> OrderSocket | None:
        """Return the socket if it is to be used now. Raises `VenueError`."""
        if self._socket is not None and self._socket.is_up:
            return self._socket
        if self._entry is OrderEntry.WEBSOCKET:
            raise VenueError(
                Code.UNAVAILABLE,
                self._adapter.venue,
                "the order socket is not connected, and orders go no other way here",
            )
        return None
