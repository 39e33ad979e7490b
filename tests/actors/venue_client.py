"""A venue's client in a few lines: what it is told to answer, and a record of what it was asked."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import trio
from msgspec.structs import replace

from exchanges import types
from exchanges.errors import Code, VenueError
from exchanges.feed import Feed
from exchanges.streams import StreamStatistics

LISTED = types.Instrument(
    symbol="ETH/USDT",
    venue_symbol="ETHUSDT",
    base="ETH",
    quote="USDT",
    tick_size="0.01",
    lot_size="0.0001",
    price_decimals=2,
    quantity_decimals=4,
    min_quantity_lots=10,
    min_notional="5",
    maker_fee="0.0016",
    taker_fee="0.0026",
)


class TinyClient:
    """Answers from its fields; `errors` are raised once each, per method, in order."""

    def __init__(self) -> None:
        self.listed = [LISTED]
        self.open_orders: list[types.OrderReport] = []
        self.closed_orders: list[types.OrderReport] = []
        self.trades: list[types.FillReport] = []
        self.transfers: list[types.TransferReport] = []
        self.balances: tuple[types.Balance, ...] = ()
        self.errors: dict[str, list[VenueError]] = {}
        self.tickets: list[types.OrderTicket] = []
        self.cancels: list[str] = []
        self.changes: list[types.OrderChange] = []
        self.opened = 0
        self.time_step_ns = 1
        self.time_ns: Callable[[], int] | None = None
        self._subscribed = trio.lowlevel.ParkingLot()
        self.answering = trio.Event()
        self.answering.set()
        self.feeds: dict[str, list[Feed[Any]]] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator["TinyClient"]:
        self.opened += 1
        yield self

    def fails(self, method: str, code: Code, times: int = 1) -> None:
        """Let the next calls of `method` raise."""
        error = VenueError(code, "tiny", "said so")
        self.errors.setdefault(method, []).extend([error] * times)

    async def _asked(self, method: str) -> None:
        await trio.lowlevel.checkpoint()
        if self.errors.get(method):
            raise self.errors[method].pop(0)

    async def load_instruments(self, *, reload: bool = False) -> list[types.Instrument]:
        await self._asked("load_instruments")
        return self.listed

    def instrument(self, symbol: str) -> types.Instrument:
        for each in self.listed:
            if each.symbol == symbol:
                return each
        raise VenueError(Code.INVALID, "tiny", f"no instrument {symbol}")

    async def fetch_time_ns(self) -> int:
        await self._asked("fetch_time_ns")
        if self.time_ns is None:
            raise VenueError(Code.UNAVAILABLE, "tiny", "it has no clock")
        return self.time_ns()

    def statistics(self) -> StreamStatistics:
        return StreamStatistics(frames=0, events=0, malformed={}, resubscriptions=0, dropped=0)

    async def fetch_balances(self) -> types.Balances:
        await self._asked("fetch_balances")
        return types.Balances(balances=self.balances, snapshot=True, received_ns=0)

    async def fetch_open_orders(
        self, client_order_id: str | None = None
    ) -> list[types.OrderReport]:
        await self._asked("fetch_open_orders")
        return [o for o in self.open_orders if client_order_id in (None, o.client_order_id)]

    async def fetch_closed_orders(
        self, since_ns: int, client_order_id: str | None = None
    ) -> list[types.OrderReport]:
        await self._asked("fetch_closed_orders")
        return [o for o in self.closed_orders if client_order_id in (None, o.client_order_id)]

    async def fetch_my_trades(self, since_ns: int) -> list[types.FillReport]:
        await self._asked("fetch_my_trades")
        return [each for each in self.trades if each.at_ns >= since_ns]

    async def prepare(self, symbols: Sequence[str], terms: types.DerivativeTerms) -> None:
        await self._asked("prepare")

    async def fetch_funding(self, since_ns: int) -> list[types.FundingReport]:
        return []

    async def fetch_fees(self, symbols: Sequence[str]) -> tuple[types.AccountFee, ...]:
        return ()

    async def fetch_transfers(self, since_ns: int) -> list[types.TransferReport]:
        await self._asked("fetch_transfers")
        return self.transfers

    async def submit(self, ticket: types.OrderTicket) -> types.Accepted:
        self.tickets.append(ticket)
        await self._asked("submit")
        await self.answering.wait()
        return types.Accepted(
            client_order_id=ticket.client_order_id,
            venue_order_id=f"V-{ticket.client_order_id}",
            received_ns=0,
        )

    async def amend(self, change: types.OrderChange) -> None:
        self.changes.append(change)
        await self._asked("amend")
        await self.answering.wait()

    async def cancel(
        self, *, client_order_id: str | None = None, venue_order_id: str | None = None
    ) -> types.CancelAccepted:
        self.cancels.append(client_order_id or venue_order_id or "")
        await self._asked("cancel")
        return types.CancelAccepted(count=1, received_ns=0)

    # --- streams: a test puts events into the newest feed of a name

    def watch_book(self, symbol: str, depth: int = 10) -> Feed[Any]:
        return self._feed("book")

    def watch_trades(self, symbol: str) -> Feed[Any]:
        return self._feed("trades")

    def watch_candles(self, symbol: str, interval_s: int = 60) -> Feed[Any]:
        return self._feed("candles")

    def watch_executions(self) -> Feed[Any]:
        return self._feed("executions")

    def watch_balances(self) -> Feed[Any]:
        return self._feed("balances")

    def _feed(self, name: str) -> Feed[Any]:
        feed: Feed[Any] = Feed(name, conflated=False, on_close=lambda: None)
        self.feeds.setdefault(name, []).append(feed)
        self._subscribed.unpark_all()
        return feed

    async def put(self, name: str, event: object) -> None:
        """Put an event into the newest feed of a name, and let the reader read it."""
        with trio.fail_after(600):
            while not self.feeds.get(name):
                await self._subscribed.park()
        self.feeds[name][-1].put(event)
        await trio.sleep(0.001)


def order_report(client_order_id: str = "order-1", **changes: object) -> types.OrderReport:
    """Return an open limit buy of 0.1 ETH at 2 000.00 USDT, in the venue's decimals."""
    usual = types.OrderReport(
        venue_order_id=f"V-{client_order_id}",
        client_order_id=client_order_id,
        symbol="ETH/USDT",
        side="buy",
        type="limit",
        status="open",
        quantity="0.1000",
        filled="0.0000",
        price="2000.00",
        average_price=None,
        cost="0",
        fees=(),
        created_ns=1,
        updated_ns=1,
    )
    return replace(usual, **changes)


def fill_report(exec_id: str, **changes: object) -> types.FillReport:
    """Return an execution of 0.04 ETH at 2 000.00 USDT, without our id, as Kraken tells it."""
    usual = types.FillReport(
        exec_id=exec_id,
        venue_order_id="V-order-1",
        client_order_id=None,
        symbol="ETH/USDT",
        side="buy",
        price="2000.00",
        quantity="0.0400",
        cost="80.0000009",
        fees=(types.Fee(asset="USDT", amount="0.208"),),
        liquidity="taker",
        at_ns=2**62,
    )
    return replace(usual, **changes)
