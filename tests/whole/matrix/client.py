"""The venue's client as ports hold it, over a network that fails when it is told to."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

import trio

from exchanges import types
from exchanges.errors import Code, VenueError
from exchanges.feed import Feed
from exchanges.streams import StreamStatistics
from tests.actors.venue_client import LISTED
from tests.whole.matrix.venue import Fill, Order, Venue, usdt

T = TypeVar("T")
FLIGHT_S = 0.02
TIMEOUT_S = 5.0
# A feed is heard from once a second, as a quiet market's is.
TOP_EVERY_S = 0.5


class Peer(Protocol):
    """The venue's end of a connection."""

    def cut(self) -> None: ...


class Network:
    """What lies between a life of the bot and the venue."""

    def __init__(self, venue: Venue, at: Callable[[str], None]) -> None:
        self.venue = venue
        self.at = at
        """Told of each point that a request passes: `submit:durable`, `:sent`, `:accepted`."""
        self.answer = ""
        """What becomes of the next answer: "" it comes, `late`, or `5xx`."""
        self.lost: dict[str, int] = {}
        """Requests of which the next answers are lost, and how many."""
        self.before: dict[str, Callable[[], None]] = {}
        """What else happens at the venue just before it acts on a request, once."""
        self.after: dict[str, Callable[[], None]] = {}
        self.muted = False
        """Whether the private stream says nothing."""
        self.doubled = False
        """Whether it says everything twice."""
        self.cuts = 0
        self.alive = True
        self.feeds: list[Feed[Any]] = []
        self.by_socket = False
        """Whether orders go over a WebSocket, and how many of their requests were acted on."""
        self.socket_requests = 0
        self.peers: list[Peer] = []
        self.serving: trio.Nursery | None = None
        venue.listeners.append(self._hear)

    def cut(self) -> None:
        """Cut every connection."""
        self.cuts += 1
        lost = types.Untrusted(stream="executions", kind="disconnected", detail="", received_ns=0)
        for feed in self.feeds:
            feed.put(lost)
            feed.put(types.Subscribed(stream="executions", received_ns=0))
        for peer in self.peers:
            peer.cut()
        self.peers.clear()

    def die(self) -> None:
        """Let nothing reach the process any more, and nothing come from it."""
        self.alive = False
        self.venue.listeners.remove(self._hear)

    def _hear(self, report: types.Execution) -> None:
        if self.muted:
            return
        for feed in self.feeds:
            for _ in range(2 if self.doubled else 1):
                feed.put(report)

    async def ask(self, name: str, act: Callable[[], T]) -> T:
        """Carry one request there and its answer back."""
        cuts = self.cuts
        self.at(f"{name}:durable")
        if not self.alive:
            await trio.sleep_forever()
        if self.cuts != cuts:
            raise VenueError(
                Code.UNAVAILABLE, "matrix", "the connection was cut before a byte left"
            )
        self.at(f"{name}:sent")
        await trio.sleep(FLIGHT_S)
        answer = self.act(name, act)
        fate = self.fate(name)
        if fate:
            await trio.sleep(TIMEOUT_S if fate == "late" else FLIGHT_S)
            raise VenueError(Code.AMBIGUOUS, "matrix", f"no verdict came: {fate}")
        await trio.sleep(FLIGHT_S)
        if self.cuts != cuts:
            raise VenueError(Code.AMBIGUOUS, "matrix", "the connection was cut")
        if isinstance(answer, VenueError):
            raise answer
        return answer

    def act(self, name: str, act: Callable[[], T]) -> T | VenueError:
        """Have the venue act on a request that has arrived."""
        if name in self.before:
            self.before.pop(name)()
        answer: T | VenueError
        try:
            answer = act()
        except VenueError as error:
            answer = error
        if name in self.after:
            self.after.pop(name)()
        self.at(f"{name}:accepted")
        return answer

    def fate(self, name: str) -> str:
        """Return what becomes of the answer to a request."""
        fate, self.answer = self.answer, ""
        if self.lost.get(name, 0):
            self.lost[name] -= 1
            fate = fate or "late"
        return fate


class Client:
    """Fulfils `AccountClient`, `PrivateClient` and `PublicClient`."""

    def __init__(self, network: Network, nursery: trio.Nursery | None = None) -> None:
        self._network = network
        self._venue = network.venue
        self._nursery = nursery
        self.time_step_ns = 1

    async def load_instruments(self, *, reload: bool = False) -> list[types.Instrument]:
        await trio.sleep(FLIGHT_S)
        return [self._venue.listed]

    async def fetch_time_ns(self) -> int:
        raise VenueError(Code.UNAVAILABLE, "matrix", "its clock is not asked for")

    def statistics(self) -> StreamStatistics:
        return StreamStatistics(frames=0, events=0, malformed={}, resubscriptions=0, dropped=0)

    def instrument(self, symbol: str) -> types.Instrument:
        assert symbol == self._venue.listed.symbol, "there is one market"
        return self._venue.listed

    # --- orders

    async def submit(self, ticket: types.OrderTicket) -> types.Accepted:
        order = await self._network.ask("submit", lambda: self._venue.submit(ticket))
        return types.Accepted(
            client_order_id=ticket.client_order_id, venue_order_id=order.venue_id, received_ns=0
        )

    async def amend(self, change: types.OrderChange) -> None:
        def act() -> None:
            order = self._venue.open_named(change.client_order_id, change.venue_order_id)
            self._venue.amend(order, change.price_ticks, change.quantity_lots)

        await self._network.ask("amend", act)

    async def cancel(
        self, *, client_order_id: str | None = None, venue_order_id: str | None = None
    ) -> types.CancelAccepted:
        def act() -> None:
            self._venue.cancel(self._venue.open_named(client_order_id or "", venue_order_id or ""))

        await self._network.ask("cancel", act)
        return types.CancelAccepted(count=1, received_ns=0)

    # --- reads

    async def fetch_balances(self) -> types.Balances:
        def act() -> types.Balances:
            held = self._venue.balances
            if self._venue.position is not None:
                asset, total = self._venue.listed.symbol, _contracts(self._venue.position.lots)
            else:
                asset, total = "ETH", f"{held['ETH'] // 10**8}.{held['ETH'] % 10**8:08d}"
            return types.Balances(
                balances=(
                    types.Balance(asset="USDT", total=usdt(held["USDT"])),
                    types.Balance(asset=asset, total=total),
                ),
                snapshot=True,
                received_ns=0,
            )

        return await self._network.ask("balances", act)

    async def fetch_open_orders(
        self, client_order_id: str | None = None
    ) -> list[types.OrderReport]:
        return await self._orders("open", client_order_id, is_open=True)

    async def fetch_closed_orders(
        self, since_ns: int, client_order_id: str | None = None
    ) -> list[types.OrderReport]:
        return await self._orders("closed", client_order_id, is_open=False)

    async def _orders(
        self, name: str, client_order_id: str | None, *, is_open: bool
    ) -> list[types.OrderReport]:
        venue = self._venue

        def act() -> list[types.OrderReport]:
            return [
                _report(order, venue.listed)
                for order in venue.orders
                if order.is_open is is_open
                and venue.is_visible(order.accepted_ns)
                and client_order_id in (None, order.ticket.client_order_id)
            ]

        return await self._network.ask(name, act)

    async def fetch_my_trades(self, since_ns: int) -> list[types.FillReport]:
        venue = self._venue

        def act() -> list[types.FillReport]:
            return [
                _fill(each, venue.listed)
                for each in venue.fills
                if each.at_ns >= since_ns and venue.is_visible(each.at_ns - venue.skew_ns)
            ]

        return await self._network.ask("trades", act)

    async def prepare(self, symbols: Sequence[str], terms: types.DerivativeTerms) -> None:
        """Leave the account as it is."""

    async def fetch_funding(self, since_ns: int) -> list[types.FundingReport]:
        def act() -> list[types.FundingReport]:
            return [
                types.FundingReport(
                    symbol=self._venue.listed.symbol,
                    asset="USDT",
                    amount=usdt(each.amount),
                    reference=each.reference,
                    at_ns=each.at_ns,
                )
                for each in self._venue.funding
                if each.at_ns >= since_ns
            ]

        return await self._network.ask("funding", act)

    async def fetch_fees(self, symbols: Sequence[str]) -> tuple[types.AccountFee, ...]:
        return ()

    async def fetch_transfers(self, since_ns: int) -> list[types.TransferReport]:
        def act() -> list[types.TransferReport]:
            return [
                types.TransferReport(
                    asset="USDT",
                    amount=usdt(each.amount),
                    kind=each.kind,
                    reference=each.reference,
                    at_ns=each.at_ns,
                )
                for each in self._venue.transfers
                if each.at_ns >= since_ns
            ]

        return await self._network.ask("transfers", act)

    # --- streams

    def watch_executions(self) -> Feed[Any]:
        feed: Feed[Any] = Feed("executions", conflated=False, on_close=lambda: None)
        feed.put(types.Subscribed(stream="executions", received_ns=0))
        self._network.feeds = [feed]
        return feed

    def watch_balances(self) -> Feed[Any]:
        return Feed("balances", conflated=False, on_close=lambda: None)

    def watch_trades(self, symbol: str) -> Feed[Any]:
        return Feed("trades", conflated=False, on_close=lambda: None)

    def watch_candles(self, symbol: str, interval_s: int = 60) -> Feed[Any]:
        return Feed("candles", conflated=False, on_close=lambda: None)

    def watch_book(self, symbol: str, depth: int = 10) -> Feed[Any]:
        assert self._nursery is not None, "a client that places orders watches no book"
        feed: Feed[Any] = Feed("book", conflated=True, on_close=lambda: None)
        self._nursery.start_soon(self._show_books, feed)
        return feed

    async def _show_books(self, feed: Feed[Any]) -> None:
        """Have the feed heard from twice a second, for as long as anybody listens."""
        first = True
        while True:
            await trio.sleep(TOP_EVERY_S)
            bid = self._venue.bid_ticks
            book = types.Book(
                symbol=self._venue.listed.symbol,
                bids=((bid, 50_000),),
                asks=((bid + 10, 50_000),),
                snapshot=first,
                at_ns=0,
                received_ns=0,
            )
            if not feed.put(book):
                return
            first = False


def opener(network: Network) -> Callable[[], Any]:
    """Return what opens clients."""

    @asynccontextmanager
    async def open_client() -> AsyncIterator[Client]:
        async with trio.open_nursery() as nursery:
            yield Client(network, nursery)
            nursery.cancel_scope.cancel()

    return open_client


def _contracts(lots: int) -> str:
    return f"-{LISTED.quantity_text(-lots)}" if lots < 0 else LISTED.quantity_text(lots)


def _report(order: Order, listed: types.Instrument) -> types.OrderReport:
    ticket = order.ticket
    status = order.status
    if status == "open" and order.filled_lots:
        status = "partially_filled"
    return types.OrderReport(
        venue_order_id=order.venue_id,
        client_order_id=ticket.client_order_id,
        symbol=listed.symbol,
        side=ticket.side,
        type=ticket.type,
        status=status,
        quantity=LISTED.quantity_text(order.quantity_lots),
        filled=LISTED.quantity_text(order.filled_lots),
        price=LISTED.price_text(order.price_ticks) if order.price_ticks else None,
        average_price=None,
        cost="0",
        fees=(),
        created_ns=order.accepted_ns,
        updated_ns=order.closed_ns or order.accepted_ns,
    )


def _fill(fill: Fill, listed: types.Instrument) -> types.FillReport:
    return types.FillReport(
        exec_id=fill.exec_id,
        venue_order_id=fill.order.venue_id,
        client_order_id=None,
        symbol=listed.symbol,
        side=fill.order.ticket.side,
        price=LISTED.price_text(fill.ticks),
        quantity=LISTED.quantity_text(fill.lots),
        cost=usdt(fill.cost),
        fees=(types.Fee(asset="USDT", amount=usdt(fill.fee)),),
        liquidity="maker",
        at_ns=fill.at_ns,
        realised=usdt(fill.realised),
    )
