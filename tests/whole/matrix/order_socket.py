"""Order entry over a WebSocket in the matrix: our own client of it, over streams in memory.

What is hit is everything from the line down to the frames. What answers is a few lines that speak
Kraken's methods before the matrix's venue, over a network that fails when it is told to.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import trio
from trio.abc import HalfCloseableStream, Listener
from trio.testing import memory_stream_pair
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from exchanges import types
from exchanges.adapters.kraken import KrakenAdapter
from exchanges.adapters.kraken_orders import KrakenOrders
from exchanges.adapters.wires import LOG_ON_NUMBER, OrderWire
from exchanges.errors import Code, VenueError
from exchanges.factory import build_exchange
from exchanges.timestamps import rfc3339_ns
from exchanges.venue_client import VenueClient
from exchanges.websocket import unmasked
from messages.settings import OrderEntry
from tests.actors.venue_client import LISTED
from tests.whole.matrix.client import FLIGHT_S, TIMEOUT_S, Client, Network
from tests.whole.matrix.venue import Venue

if TYPE_CHECKING:
    from exchanges.exchange import TrioExchange

PLACES = {"add_order": "submit", "amend_order": "amend", "cancel_order": "cancel"}
_WORDS = {
    "deadline_elapsed": "EService:Deadline elapsed",
    "duplicate_client_order_id": "EOrder:Duplicate cl_ord_id",
}
_CODES = {
    Code.NOT_FOUND: "EOrder:Unknown order",
    Code.INSUFFICIENT_FUNDS: "EOrder:Insufficient funds",
}
Row = dict[str, Any]


class _Wire(KrakenOrders):
    """Needs no token: there is nobody else to be told from."""

    async def log_on(self, exchange: "TrioExchange") -> bytes | None:
        await trio.lowlevel.checkpoint()
        return b'{"method":"subscribe","params":{},"req_id":%d}' % LOG_ON_NUMBER


class _Adapter(KrakenAdapter):
    """Kraken's, whose other way is the matrix's requests."""

    def __init__(self, by_rest: Client) -> None:
        super().__init__()
        self._by_rest = by_rest
        self.instruments[LISTED.symbol] = LISTED

    def order_wire(self) -> OrderWire | None:
        return _Wire()

    async def submit(
        self,
        exchange: "TrioExchange",
        ticket: types.OrderTicket,
        instrument: types.Instrument,
        now_ns: int,
    ) -> str:
        return (await self._by_rest.submit(ticket)).venue_order_id

    async def amend(
        self,
        exchange: "TrioExchange",
        change: types.OrderChange,
        instrument: types.Instrument,
        now_ns: int,
    ) -> None:
        await self._by_rest.amend(change)

    async def cancel(
        self, exchange: "TrioExchange", client_order_id: str | None, venue_order_id: str | None
    ) -> int:
        asked = self._by_rest.cancel(client_order_id=client_order_id, venue_order_id=venue_order_id)
        return (await asked).count


class _Clock:
    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.now_ns = now_ns


class SocketClient(Client):
    """The matrix's client for all but orders; those go by our own order desk."""

    def __init__(self, network: Network, orders: VenueClient) -> None:
        super().__init__(network)
        self._client = orders

    async def submit(self, ticket: types.OrderTicket) -> types.Accepted:
        self._network.at("submit:durable")
        return await self._client.submit(ticket)

    async def amend(self, change: types.OrderChange) -> None:
        self._network.at("amend:durable")
        await self._client.amend(change)

    async def cancel(
        self, *, client_order_id: str | None = None, venue_order_id: str | None = None
    ) -> types.CancelAccepted:
        self._network.at("cancel:durable")
        return await self._client.cancel(
            client_order_id=client_order_id, venue_order_id=venue_order_id
        )


def socket_opener(network: Network) -> Callable[[], Any]:
    """Return what opens clients whose orders go over a socket while it is up."""

    @asynccontextmanager
    async def open_client() -> AsyncIterator[Client]:
        clock = _Clock(network.venue.now_ns)
        adapter = _Adapter(Client(network))
        exchange = build_exchange(
            adapter,
            clock,
            credentials=types.Credentials("key", "c2VjcmV0"),
            endpoints=types.Endpoints(
                rest="http://matrix",
                websocket_public="ws://matrix",
                websocket_private="ws://matrix",
            ),
            request_timeout_ms=int(TIMEOUT_S * 1_000),
            rate_limited=False,
        )
        orders = VenueClient(adapter, exchange, clock, order_entry=OrderEntry.AUTO)
        async with trio.open_nursery() as network.serving, orders:
            yield SocketClient(network, orders)
            network.serving.cancel_scope.cancel()

    return open_client


class SocketNetwork:
    """What `supervisor.net` gives in a life whose orders go over a socket: one peer, the venue."""

    def __init__(self, network: Network) -> None:
        self._network = network

    async def open_tcp_stream(self, host: str, port: int) -> HalfCloseableStream:
        """Connect to the venue."""
        if not self._network.alive or self._network.serving is None:
            raise OSError("there is no venue")
        ours, theirs = memory_stream_pair()
        peer = _Peer(self._network, theirs)
        self._network.peers.append(peer)
        self._network.serving.start_soon(peer.run)
        return _Watched(ours, self._network, peer)

    async def open_tcp_listeners(
        self, host: str, port: int
    ) -> Sequence[Listener[HalfCloseableStream]]:
        """Listen: nobody does here."""
        raise OSError("nobody listens in the matrix")

    async def open_unix_stream(self, path: Path) -> HalfCloseableStream:
        """Connect: to nobody."""
        raise OSError("nobody listens in the matrix")

    async def open_unix_listener(self, path: Path) -> Listener[HalfCloseableStream]:
        """Listen: nobody does here."""
        raise OSError("nobody listens in the matrix")


class _Watched(HalfCloseableStream):
    """Our end: what is written there is a point of the matrix."""

    def __init__(
        self, under: trio.StapledStream[Any, Any], network: Network, peer: "_Peer"
    ) -> None:
        self._under = under
        self._network = network
        self._peer = peer

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        if self._peer.is_cut:
            raise trio.BrokenResourceError("the connection was cut")
        await self._under.send_all(data)
        frame = unmasked(bytes(data))
        for method, name in PLACES.items():
            if f'"{method}"'.encode() in frame:
                self._network.at(f"{name}:sent")

    async def wait_send_all_might_not_block(self) -> None:
        await self._under.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._under.receive_some(max_bytes)

    async def send_eof(self) -> None:
        await self._under.send_eof()

    async def aclose(self) -> None:
        await self._under.aclose()


class _Peer:
    """The venue's end of one connection."""

    def __init__(self, network: Network, stream: trio.StapledStream[Any, Any]) -> None:
        self._network = network
        self._stream = stream
        self._protocol = ServerProtocol()
        self.is_cut = False

    def cut(self) -> None:
        """Let nothing more through; what had arrived is acted on."""
        self.is_cut = True
        self._stream.send_stream.close()

    async def run(self) -> None:
        """Serve until either side ends it; each request is one task."""
        async with trio.open_nursery() as nursery:
            while True:
                data = await self._stream.receive_some(65_536)
                if not data:
                    return
                self._protocol.receive_data(bytes(data))
                for event in self._protocol.events_received():
                    if isinstance(event, Request):
                        self._protocol.send_response(self._protocol.accept(event))
                    elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                        nursery.start_soon(self._answer, msgspec.json.decode(event.data))
                await self._flush()

    async def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data and not self.is_cut:
                await self._stream.send_all(data)

    async def _say(self, message: Row) -> None:
        if self.is_cut or not self._network.alive:
            return
        for _ in range(2 if self._network.doubled else 1):
            self._protocol.send_text(msgspec.json.encode(message))
        await self._flush()

    async def _answer(self, request: Row) -> None:
        network, method = self._network, request["method"]
        head = {"method": method, "req_id": request["req_id"]}
        if method not in PLACES:
            await self._say({**head, "success": True, "result": {}})
            return
        if not network.alive:
            return
        await trio.sleep(FLIGHT_S)
        params, venue = request["params"], network.venue
        answer = network.act(PLACES[method], lambda: _ACTS[method](venue, params))
        network.socket_requests += 1
        fate = network.fate(PLACES[method])
        await trio.sleep(TIMEOUT_S + 1 if fate == "late" else FLIGHT_S)
        if fate == "5xx":
            await self._say({**head, "success": False, "error": "EService:Unavailable"})
        elif isinstance(answer, VenueError):
            text = _WORDS.get(answer.reason) or _CODES.get(answer.code) or f"EOrder:{answer.detail}"
            await self._say({**head, "success": False, "error": text})
        else:
            await self._say({**head, "success": True, "result": {"order_id": answer}})


def _add(venue: Venue, params: Row) -> str:
    is_limit = params["order_type"] == "limit"
    ticket = types.OrderTicket(
        client_order_id=params["cl_ord_id"],
        symbol=params["symbol"],
        side=params["side"],
        type="limit" if is_limit else "market",
        quantity_lots=LISTED.lots(str(params["order_qty"])),
        price_ticks=LISTED.ticks(str(params["limit_price"])) if is_limit else None,
        expires_at_ns=rfc3339_ns(params["deadline"]),
    )
    return venue.submit(ticket).venue_id


def _amend(venue: Venue, params: Row) -> str:
    order = venue.open_named("", params["order_id"])
    ticks, lots = str(params["limit_price"]), str(params["order_qty"])
    venue.amend(order, LISTED.ticks(ticks), LISTED.lots(lots))
    return order.venue_id


def _cancel(venue: Venue, params: Row) -> str:
    (ours,) = params.get("cl_ord_id") or ("",)
    (theirs,) = params.get("order_id") or ("",)
    order = venue.open_named(ours, theirs)
    venue.cancel(order)
    return order.venue_id


_ACTS: dict[str, Callable[[Venue, Row], str]] = {
    "add_order": _add,
    "amend_order": _amend,
    "cancel_order": _cancel,
}
