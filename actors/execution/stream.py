"""The private stream of one account: executions and balances, as they happen.

It makes nothing certain: what it tells may be late, twice or missing, and `orders` knows that. So
that nothing stays missing, `reconcile` is told to read the account after every (re)connection,
after anything that could not be understood, and when balances move without an execution, as in a
deposit or by funding.
The client reconnects by itself with backoff; a whole client that fails is opened anew here.
"""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

import trio

from actors.execution.translate import Scales, streamed_fill, streamed_order
from exchanges.errors import VenueError
from exchanges.feed import Feed
from exchanges.grid import OffGridError
from exchanges.types import Balances, Execution, Instrument, Subscribed, Untrusted
from messages.money import Alert, ReconcileNow, Severity
from messages.orders import FillReported, OrderReported
from supervisor.port import Port, PortContext

RETRY_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
# Balances move a moment before or after the execution that moved them.
EXECUTION_NEAR_S = 3.0
# Streams that cannot be believed again and again ask for one reading of the account in this time.
RECONCILE_EVERY_S = 2.0


class PrivateClient(Protocol):
    """What the port needs of a venue's client."""

    async def load_instruments(self, *, reload: bool = False) -> list[Instrument]: ...

    def instrument(self, symbol: str) -> Instrument: ...

    def watch_executions(self) -> Feed[Execution | Subscribed | Untrusted]: ...

    def watch_balances(self) -> Feed[Balances | Subscribed | Untrusted]: ...


OpenPrivate = Callable[[], AbstractAsyncContextManager[PrivateClient]]


class PrivateStream(Port):
    """One account's private stream; it takes no commands. See the module's docstring."""

    def __init__(
        self,
        orders: str,
        reconcile: str,
        alerts: str,
        open_private: OpenPrivate,
        scales: Scales,
    ) -> None:
        self._orders = orders
        self._reconcile = reconcile
        self._alerts = alerts
        self._open = open_private
        self._scales = scales
        self._doubt = trio.Event()
        self._execution_at_s = float("-inf")
        self._refused = False

    async def run(self, ctx: PortContext) -> None:
        for attempt in itertools.count():
            try:
                async with self._open() as client:
                    await client.load_instruments()
                    await self._read(client, ctx)
            except* VenueError:
                wait_s = RETRY_S[min(attempt, len(RETRY_S) - 1)]
                await trio.sleep(wait_s * (0.8 + 0.4 * ctx.random()))

    async def _read(self, client: PrivateClient, ctx: PortContext) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._ask_when_in_doubt, ctx)
            nursery.start_soon(self._executions, client, ctx)
            nursery.start_soon(self._balances, client, ctx)

    async def _executions(self, client: PrivateClient, ctx: PortContext) -> None:
        async with client.watch_executions() as feed:
            async for event in feed:
                await ctx.ready()
                if isinstance(event, Untrusted):
                    self._distrust(event, ctx)
                elif isinstance(event, Subscribed):
                    self._refused = False
                    self._doubt.set()
                else:
                    self._tell(event, client, ctx)

    async def _balances(self, client: PrivateClient, ctx: PortContext) -> None:
        async with client.watch_balances() as feed:
            async for event in feed:
                if isinstance(event, Untrusted):
                    self._distrust(event, ctx)
                elif isinstance(event, Subscribed) or event.snapshot:
                    continue
                elif event.funding:
                    # No execution explains it, however many there are: it is read at once.
                    self._doubt.set()
                elif not self._execution_near():
                    await trio.sleep(EXECUTION_NEAR_S)
                    if not self._execution_near():
                        self._doubt.set()

    def _execution_near(self) -> bool:
        return trio.current_time() - self._execution_at_s < 2 * EXECUTION_NEAR_S

    def _tell(self, event: Execution, client: PrivateClient, ctx: PortContext) -> None:
        """Tell orders what this says; what it does not say for certain is read by reconcile."""
        self._execution_at_s = trio.current_time()
        try:
            listed = client.instrument(event.symbol)
            fill = streamed_fill(event, listed, self._scales) if event.kind == "fill" else None
            order = streamed_order(event, listed)
        except (OffGridError, VenueError):
            self._doubt.set()
            return
        if fill is not None:
            ctx.send(self._orders, FillReported(fill=fill))
        # A fill opens or ends its order by itself, unless one before it was missed.
        if order is not None and (fill is None or event.status == "filled"):
            ctx.send(self._orders, OrderReported(order=order))
        ended = event.status in ("filled", "canceled", "expired", "rejected")
        if (event.kind == "fill" and fill is None) or (ended and order is None and fill is None):
            self._doubt.set()

    def _distrust(self, event: Untrusted, ctx: PortContext) -> None:
        self._doubt.set()
        if event.kind == "refused" and not self._refused:
            self._refused = True
            text = (
                f"the venue refuses the private stream ({event.detail}): check the key and its "
                "permissions; until then orders are followed by reading the account"
            )
            alert = Alert(severity=Severity.PAGE, subject=ctx.address, text=text)
            ctx.send(self._alerts, alert)

    async def _ask_when_in_doubt(self, ctx: PortContext) -> None:
        while True:
            await self._doubt.wait()
            self._doubt = trio.Event()
            ctx.send(self._reconcile, ReconcileNow())
            await trio.sleep(RECONCILE_EVERY_S)
