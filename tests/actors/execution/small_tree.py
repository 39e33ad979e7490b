"""A tree of one account without the runtime: pure actors in probes, ports on real sockets.

Messages are delivered at once, timers on real time. A few lines of books stand for the ledger.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import trio
from msgspec.structs import replace

from actors.doors import SOCKET_PATHS
from actors.execution.limits import VenueBudget
from actors.execution.line import Line
from actors.execution.orders import Orders
from actors.execution.reconcile import Reconcile
from actors.execution.stream import PrivateStream
from actors.execution.translate import Scales
from actors.feeds.stream import MarketFeed
from actors.risk.gate import Risk
from exchanges.types import Credentials, Endpoints
from exchanges.venue_client import VenueClient, open_venue
from messages.base import Message, Stream
from messages.market import BookTop, Instrument, InstrumentListed
from messages.money import AccountConfigured, Alert, BooksReported, FundsMoved, ReportBalances
from messages.orders import TERMINAL, Fill, OrderRequest, OrderUpdate, Side
from messages.runtime import Settled
from supervisor.clock import ProcessClock
from supervisor.port import Command
from supervisor.probe import Outcome, Probe, Published, Sent
from tests.actors.port_context import RecordingContext
from tests.actors.trading import (
    ACCOUNT,
    ALERTS,
    LEDGER,
    LINE,
    ORDERS,
    RECONCILE,
    RISK,
    SECOND_NS,
    risk_configured,
)

SCALES = Scales({"USDT": 8, "ETH": 10, "USD": 8})


class Books:
    """What the ledger would hold, and what it was told of each order's end."""

    def __init__(self) -> None:
        self.totals_minor: dict[str, int] = {}
        self.instrument: Instrument | None = None
        self.fills: dict[str, Fill] = {}
        self.ends: dict[str, OrderUpdate] = {}

    def take(self, message: Message) -> Message | None:
        """Book a message; return the answer it wants."""
        if isinstance(message, InstrumentListed):
            self.instrument = message.instrument
        elif isinstance(message, FundsMoved):
            self._add(message.asset, message.amount_minor)
        elif isinstance(message, OrderUpdate) and message.state in TERMINAL:
            assert message.client_order_id not in self.ends
            self.ends[message.client_order_id] = message
        elif isinstance(message, Fill):
            self._fill(message)
        elif isinstance(message, ReportBalances):
            return BooksReported(
                request_id=message.request_id,
                vault="kraken-sim-usdt",
                totals_minor=dict(self.totals_minor),
            )
        return None

    def _fill(self, message: Fill) -> None:
        assert message.fill.exec_id not in self.fills
        assert self.instrument is not None
        self.fills[message.fill.exec_id] = message
        fill = message.fill
        sign = 1 if fill.side is Side.BUY else -1
        self._add(self.instrument.base, sign * self.instrument.base_minor(fill.quantity_lots))
        self._add(self.instrument.quote, -sign * fill.cost_minor)
        self._add(fill.fee_asset, -fill.fee_minor)

    def _add(self, asset: str, amount_minor: int) -> None:
        self.totals_minor[asset] = self.totals_minor.get(asset, 0) + amount_minor


class TreeContext(RecordingContext):
    """A port's context whose messages go on into the tree."""

    def __init__(self, tree: "SmallTree", address: str, nursery: trio.Nursery) -> None:
        super().__init__(address, nursery)
        self._tree = tree

    def now_ns(self) -> int:
        return self._tree.clock.now_ns()

    def send(self, address: str, message: Message) -> None:
        super().send(address, message)
        self._tree.deliver(address, message, self.address)

    def publish(self, topic: str, message: Message) -> None:
        super().publish(topic, message)
        self._tree.heard(message)

    def conclude(self, command: Command, outcome: Message | None) -> bool:
        concluded = super().conclude(command, outcome)
        if concluded and outcome is not None:
            self._tree.deliver(command.sender, outcome, self.address)
        return concluded


class SmallTree:
    """Risk, orders, reconcile; line, private stream, feed; against a venue at `port`."""

    def __init__(
        self,
        port: int,
        credentials: Credentials,
        protocol: str = "kraken",
        account: AccountConfigured | None = None,
    ) -> None:
        self.clock = ProcessClock()
        self._protocol = protocol
        self._account = account or QUICK_ACCOUNT
        self._port = port
        self._credentials = credentials
        now_ns = self.clock.now_ns()
        self.actors = {
            RISK: Probe(Risk(), RISK, now_ns=now_ns),
            ORDERS: Probe(Orders(), ORDERS, now_ns=now_ns),
            RECONCILE: Probe(Reconcile(), RECONCILE, now_ns=now_ns),
        }
        self.ports: dict[str, TreeContext] = {}
        self.books = Books()
        self.alerts: list[Alert] = []
        self.top: BookTop | None = None
        self.sent: list[Message] = []
        self.changed = trio.Event()

    def client(self) -> VenueClient:
        url = f"127.0.0.1:{self._port}"
        public, private = SOCKET_PATHS[self._protocol]
        client = open_venue(
            self._protocol,
            self.clock,
            credentials=self._credentials,
            endpoints=Endpoints(
                rest=f"http://{url}",
                websocket_public=f"ws://{url}{public}",
                websocket_private=f"ws://{url}{private}",
            ),
            rate_limited=False,
            request_timeout_ms=1_000,
        )
        client.trades_only(("ETH/USDT",))
        return client

    def deliver(self, address: str, message: Message, sender: str) -> None:
        self.sent.append(message)
        self._note_change()
        if address in self.actors:
            probe = self.actors[address]
            now_ns = self.clock.now_ns()
            self.effects(address, probe.handle(message, now_ns=max(now_ns, probe.now_ns)))
        elif address in self.ports:
            self.ports[address].order(message, sender)
        elif address == LEDGER:
            answer = self.books.take(message)
            if answer is not None:
                self.deliver(RECONCILE, answer, LEDGER)
        elif address == ALERTS and isinstance(message, Alert):
            self.alerts.append(message)

    def effects(self, sender: str, outcomes: list[Outcome]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Sent):
                self.deliver(outcome.address, outcome.message, sender)
            if isinstance(outcome, Published):
                assert isinstance(outcome.message, Settled)

    def heard(self, message: Message) -> None:
        assert isinstance(message, Stream)
        if isinstance(message, BookTop):
            self.top = message
        self._note_change()

    def _note_change(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    def request(self, order: OrderRequest) -> None:
        """Place an order as the ledger would."""
        self.deliver(RISK, order, LEDGER)

    async def timers(self) -> None:
        while True:
            now_ns = self.clock.now_ns()
            for address, probe in self.actors.items():
                for name, (due_ns, _) in list(probe.fold.timers.items()):
                    if due_ns <= now_ns and name in probe.fold.timers:
                        probe.now_ns = max(probe.now_ns, now_ns)
                        self.effects(address, probe.fire(name))
            await trio.sleep(0.01)

    async def start(self, nursery: trio.Nursery) -> None:
        """Start the ports, then configure the actors, as the assembly does."""
        budget = VenueBudget(per_second=200.0, burst=100)
        listeners = (ORDERS, LEDGER, RISK)
        running = {
            LINE: Line(RISK, self.client, SCALES, budget),
            "/stream": PrivateStream(ORDERS, RECONCILE, ALERTS, self.client, SCALES),
            "/feed": MarketFeed(
                "kraken-sim", ("ETH/USDT",), self.client, SCALES, listeners, ALERTS
            ),
        }
        notional_max = {"USDT": 10**12}
        limits = risk_configured(
            order_notional_max=notional_max,
            position_notional_max=notional_max,
            orders_per_minute_max=1_000,
        )
        for address in running:
            self.ports[address] = TreeContext(self, address, nursery)
        self.deliver(RISK, limits, "/test")
        for address in (ORDERS, RECONCILE):
            self.deliver(address, self._account, "/test")
        for address, port in running.items():
            nursery.start_soon(port.run, self.ports[address])
        nursery.start_soon(self.timers)

    async def until(self, done: Callable[[], bool], within_s: float = 20.0) -> None:
        """Wait until something holds."""
        with trio.fail_after(within_s):
            while not done():
                await self.changed.wait()


QUICK_ACCOUNT = replace(
    ACCOUNT,
    visibility_lag_ns=SECOND_NS // 2,
    submit_expiry_ns=3 * SECOND_NS,
    reconcile_every_ns=SECOND_NS // 2,
)


@asynccontextmanager
async def small_tree(
    port: int,
    credentials: Credentials,
    protocol: str = "kraken",
    account: AccountConfigured | None = None,
) -> AsyncIterator[SmallTree]:
    """Run a small tree for the length of the block."""
    async with trio.open_nursery() as nursery:
        tree = SmallTree(port, credentials, protocol, account)
        await tree.start(nursery)
        yield tree
        nursery.cancel_scope.cancel()
