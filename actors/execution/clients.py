"""What ports need of a venue's client, and how it is opened.

`exchanges.venue_client.VenueClient` is one; tests and the simulation have others.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from exchanges import types


class AccountClient(Protocol):
    """One account at one venue, over REST. Methods raise `VenueError` and nothing else."""

    async def load_instruments(self, *, reload: bool = False) -> list[types.Instrument]: ...

    def instrument(self, symbol: str) -> types.Instrument: ...

    async def fetch_balances(self) -> types.Balances: ...

    async def fetch_fees(self, symbols: Sequence[str]) -> tuple[types.AccountFee, ...]: ...

    async def prepare(self, symbols: Sequence[str], terms: types.DerivativeTerms) -> None: ...

    async def fetch_funding(self, since_ns: int) -> list[types.FundingReport]: ...

    async def fetch_open_orders(
        self, client_order_id: str | None = None
    ) -> list[types.OrderReport]: ...

    async def fetch_closed_orders(
        self, since_ns: int, client_order_id: str | None = None
    ) -> list[types.OrderReport]: ...

    async def fetch_my_trades(self, since_ns: int) -> list[types.FillReport]: ...

    async def fetch_transfers(self, since_ns: int) -> list[types.TransferReport]: ...

    async def submit(self, ticket: types.OrderTicket) -> types.Accepted: ...

    async def amend(self, change: types.OrderChange) -> None: ...

    async def cancel(
        self, *, client_order_id: str | None = None, venue_order_id: str | None = None
    ) -> types.CancelAccepted: ...


OpenAccount = Callable[[], AbstractAsyncContextManager[AccountClient]]
