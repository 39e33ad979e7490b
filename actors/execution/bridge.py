"""Brokers behind a bridge (MT5 and the like): what a bridge must do, and a simulated one.

A bridge stands between us and a terminal, or a provider's REST service, that has no client order
ids of its own. So every order carries a `tag` made of ours, which the terminal keeps in its comment
and gives back with orders, history and deals; by it `BridgeClient` is an `AccountClient` like any
venue's, and line, orders and reconcile do not know the difference. A reply that does not come is
AMBIGUOUS: the order is looked up by its tag, never sent again.
"""

import itertools
from collections.abc import Callable, Sequence
from decimal import Decimal
from enum import Enum
from typing import Protocol

import msgspec
from msgspec.structs import replace

from exchanges import types
from exchanges.errors import Code, VenueError

# MT5 keeps 31 characters of a comment; our ids have 32 hexadecimal digits. 124 bits are enough.
TAG_CHARACTERS = 31
# Tags of which the whole id is known: more than an account has orders that are live.
TAGS_KEPT_MAX = 1_000
# Deals that a simulated terminal remembers: more than any test makes.
DEALS_KEPT_MAX = 10_000


class Retcode(Enum):
    """What a terminal answers, in our words; `BridgeClient` maps them to venue errors."""

    DONE = "done"
    REJECTED = "rejected"
    NO_MONEY = "no money"
    INVALID = "invalid"
    CLOSED = "market closed"
    NOT_FOUND = "no such order"
    OFFLINE = "terminal not connected"
    """Provably nothing was done."""
    NO_REPLY = "no reply"
    """Nobody knows what was done."""


class BridgeOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the terminal has it; decimal text as in `exchanges.types`."""

    ticket: str
    tag: str
    symbol: str
    side: types.Side
    type: types.OrderType
    quantity: str
    filled: str
    price: str | None
    status: types.OrderStatus
    created_ns: int
    updated_ns: int


class BridgeDeal(msgspec.Struct, frozen=True, kw_only=True):
    """An execution as the terminal has it."""

    deal: str
    ticket: str
    tag: str
    symbol: str
    side: types.Side
    price: str
    quantity: str
    cost: str
    commission: str
    currency: str
    at_ns: int


class BridgeReply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to what was asked."""

    retcode: Retcode
    ticket: str = ""
    text: str = ""


class Bridge(Protocol):
    """What a bridge does. Nothing is retried in it, and no method raises but for a bug."""

    async def symbols(self) -> list[types.Instrument]: ...

    async def holdings(self) -> tuple[types.Balance, ...]: ...

    async def orders(self) -> list[BridgeOrder]: ...

    async def history(self, since_ns: int) -> list[BridgeOrder]: ...

    async def deals(self, since_ns: int) -> list[BridgeDeal]: ...

    async def send(self, tag: str, ticket: types.OrderTicket) -> BridgeReply: ...

    async def modify(self, ticket: str, price: str, quantity: str) -> BridgeReply: ...

    async def remove(self, ticket: str) -> BridgeReply: ...


_CODES: dict[Retcode, Code] = {
    Retcode.REJECTED: Code.REJECTED,
    Retcode.NO_MONEY: Code.INSUFFICIENT_FUNDS,
    Retcode.INVALID: Code.INVALID,
    Retcode.CLOSED: Code.REJECTED,
    Retcode.NOT_FOUND: Code.NOT_FOUND,
    Retcode.OFFLINE: Code.UNAVAILABLE,
    Retcode.NO_REPLY: Code.AMBIGUOUS,
}
assert {*_CODES, Retcode.DONE} == set(Retcode), "every answer means something"


def tag_of(client_order_id: str) -> str:
    """Return the tag under which a terminal keeps one of our orders."""
    return client_order_id.replace("-", "")[:TAG_CHARACTERS]


class BridgeClient:
    """An `AccountClient` over a bridge. `broker` names it in errors."""

    def __init__(self, bridge: Bridge, broker: str, now_ns: Callable[[], int]) -> None:
        self._bridge = bridge
        self._broker = broker
        self._now_ns = now_ns
        self._instruments: dict[str, types.Instrument] = {}
        self._ids: dict[str, str] = {}
        """Tag → our id, as far as this client has been told it."""

    async def load_instruments(self, *, reload: bool = False) -> list[types.Instrument]:
        if reload or not self._instruments:
            self._instruments = {each.symbol: each for each in await self._bridge.symbols()}
        return list(self._instruments.values())

    def instrument(self, symbol: str) -> types.Instrument:
        if symbol not in self._instruments:
            raise VenueError(Code.INVALID, self._broker, f"no instrument {symbol}")
        return self._instruments[symbol]

    async def fetch_balances(self) -> types.Balances:
        holdings = await self._bridge.holdings()
        return types.Balances(balances=holdings, snapshot=True, received_ns=self._now_ns())

    async def fetch_open_orders(
        self, client_order_id: str | None = None
    ) -> list[types.OrderReport]:
        return self._reports(await self._bridge.orders(), client_order_id)

    async def fetch_closed_orders(
        self, since_ns: int, client_order_id: str | None = None
    ) -> list[types.OrderReport]:
        return self._reports(await self._bridge.history(since_ns), client_order_id)

    async def fetch_my_trades(self, since_ns: int) -> list[types.FillReport]:
        return [_fill(deal) for deal in await self._bridge.deals(since_ns)]

    async def prepare(self, symbols: Sequence[str], terms: types.DerivativeTerms) -> None:
        """Leave the account as it is: its leverage is the broker's."""

    async def fetch_funding(self, since_ns: int) -> list[types.FundingReport]:
        """Return nothing: a terminal tells of swaps only in its balance."""
        return []

    async def fetch_fees(self, symbols: Sequence[str]) -> tuple[types.AccountFee, ...]:
        return ()

    async def fetch_transfers(self, since_ns: int) -> list[types.TransferReport]:
        """Return nothing: a terminal tells of deposits only in its balance."""
        return []

    async def submit(self, ticket: types.OrderTicket) -> types.Accepted:
        if ticket.expires_at_ns and self._now_ns() >= ticket.expires_at_ns:
            raise VenueError(
                Code.REJECTED, self._broker, "it came too late", reason="deadline_elapsed"
            )
        tag = self._learn(ticket.client_order_id)
        reply = self._checked(await self._bridge.send(tag, ticket))
        return types.Accepted(
            client_order_id=ticket.client_order_id,
            venue_order_id=reply.ticket,
            received_ns=self._now_ns(),
        )

    async def amend(self, change: types.OrderChange) -> None:
        instrument = self.instrument(change.symbol)
        price = instrument.price_text(change.price_ticks)
        quantity = instrument.quantity_text(change.quantity_lots)
        self._checked(await self._bridge.modify(change.venue_order_id, price, quantity))

    async def cancel(
        self, *, client_order_id: str | None = None, venue_order_id: str | None = None
    ) -> types.CancelAccepted:
        ticket = venue_order_id or await self._ticket_of(client_order_id or "")
        self._checked(await self._bridge.remove(ticket))
        return types.CancelAccepted(count=1, received_ns=self._now_ns())

    async def _ticket_of(self, client_order_id: str) -> str:
        for order in await self._bridge.orders():
            if order.tag == tag_of(client_order_id):
                return order.ticket
        raise VenueError(Code.NOT_FOUND, self._broker, "no open order has this tag")

    def _learn(self, client_order_id: str) -> str:
        tag = tag_of(client_order_id)
        self._ids[tag] = client_order_id
        if len(self._ids) > TAGS_KEPT_MAX:
            del self._ids[next(iter(self._ids))]
        return tag

    def _reports(
        self, orders: list[BridgeOrder], client_order_id: str | None
    ) -> list[types.OrderReport]:
        wanted = self._learn(client_order_id) if client_order_id is not None else None
        return [
            _report(order, self._ids.get(order.tag))
            for order in orders
            if wanted in (None, order.tag)
        ]

    def _checked(self, reply: BridgeReply) -> BridgeReply:
        if reply.retcode is Retcode.DONE:
            return reply
        detail = reply.text or reply.retcode.value
        raise VenueError(_CODES[reply.retcode], self._broker, detail)


class SimulatedBridge:
    """A terminal in memory: what crosses `price_ticks` fills at once, the rest waits for `fill`.

    `answers` are given instead of DONE, one each; NO_REPLY has done what was asked.
    """

    def __init__(self, instrument: types.Instrument, now_ns: Callable[[], int]) -> None:
        self.price_ticks = 0
        self.answers: list[Retcode] = []
        self.open: dict[str, BridgeOrder] = {}
        self.closed: dict[str, BridgeOrder] = {}
        self.made: list[BridgeDeal] = []
        self.balances: dict[str, str] = {}
        self._instrument = instrument
        self._now_ns = now_ns
        self._numbers = itertools.count(1)

    async def symbols(self) -> list[types.Instrument]:
        return [self._instrument]

    async def holdings(self) -> tuple[types.Balance, ...]:
        return tuple(types.Balance(asset=a, total=text) for a, text in self.balances.items())

    async def orders(self) -> list[BridgeOrder]:
        return list(self.open.values())

    async def history(self, since_ns: int) -> list[BridgeOrder]:
        return [order for order in self.closed.values() if order.updated_ns >= since_ns]

    async def deals(self, since_ns: int) -> list[BridgeDeal]:
        return [deal for deal in self.made if deal.at_ns >= since_ns]

    async def send(self, tag: str, ticket: types.OrderTicket) -> BridgeReply:
        answer = self._answer()
        if answer not in (Retcode.DONE, Retcode.NO_REPLY):
            return BridgeReply(retcode=answer)
        number = str(next(self._numbers))
        limit = ticket.price_ticks
        self.open[number] = BridgeOrder(
            ticket=number,
            tag=tag,
            symbol=ticket.symbol,
            side=ticket.side,
            type=ticket.type,
            quantity=self._instrument.quantity_text(ticket.quantity_lots),
            filled=self._instrument.quantity_text(0),
            price=None if limit is None else self._instrument.price_text(limit),
            status="open",
            created_ns=self._now_ns(),
            updated_ns=self._now_ns(),
        )
        crosses = limit is None or (
            self.price_ticks <= limit if ticket.side == "buy" else self.price_ticks >= limit
        )
        if crosses and self.price_ticks:
            self.fill(number)
        return BridgeReply(retcode=answer, ticket=number)

    async def modify(self, ticket: str, price: str, quantity: str) -> BridgeReply:
        answer = self._answer()
        if ticket not in self.open:
            return BridgeReply(retcode=Retcode.NOT_FOUND)
        if answer in (Retcode.DONE, Retcode.NO_REPLY):
            order = self.open[ticket]
            self.open[ticket] = replace(order, price=price, quantity=quantity)
        return BridgeReply(retcode=answer, ticket=ticket)

    async def remove(self, ticket: str) -> BridgeReply:
        answer = self._answer()
        if ticket not in self.open:
            return BridgeReply(retcode=Retcode.NOT_FOUND)
        if answer in (Retcode.DONE, Retcode.NO_REPLY):
            self._close(ticket, "canceled")
        return BridgeReply(retcode=answer, ticket=ticket)

    def fill(self, ticket: str) -> None:
        """Execute all of an open order at `price_ticks`."""
        order = self.open[ticket]
        assert len(self.made) < DEALS_KEPT_MAX, "a simulation that runs away"
        price = self._instrument.price_text(self.price_ticks)
        self.made.append(
            BridgeDeal(
                deal=f"D{next(self._numbers)}",
                ticket=ticket,
                tag=order.tag,
                symbol=order.symbol,
                side=order.side,
                price=price,
                quantity=order.quantity,
                cost=_product(price, order.quantity),
                commission="0",
                currency=self._instrument.quote,
                at_ns=self._now_ns(),
            )
        )
        self.open[ticket] = replace(order, filled=order.quantity)
        self._close(ticket, "filled")

    def _close(self, ticket: str, status: types.OrderStatus) -> None:
        order = self.open.pop(ticket)
        self.closed[ticket] = replace(order, status=status, updated_ns=self._now_ns())

    def _answer(self) -> Retcode:
        return self.answers.pop(0) if self.answers else Retcode.DONE


def _product(price: str, quantity: str) -> str:
    return format(Decimal(price) * Decimal(quantity), "f")


def _report(order: BridgeOrder, client_order_id: str | None) -> types.OrderReport:
    return types.OrderReport(
        venue_order_id=order.ticket,
        client_order_id=client_order_id,
        symbol=order.symbol,
        side=order.side,
        type=order.type,
        status=order.status,
        quantity=order.quantity,
        filled=order.filled,
        price=order.price,
        average_price=None,
        cost="0",
        fees=(),
        created_ns=order.created_ns,
        updated_ns=order.updated_ns,
    )


def _fill(deal: BridgeDeal) -> types.FillReport:
    fees = (types.Fee(asset=deal.currency, amount=deal.commission),)
    return types.FillReport(
        exec_id=deal.deal,
        venue_order_id=deal.ticket,
        # Found by the ticket: the tag is not our whole id.
        client_order_id=None,
        symbol=deal.symbol,
        side=deal.side,
        price=deal.price,
        quantity=deal.quantity,
        cost=deal.cost,
        fees=fees if Decimal(deal.commission) else (),
        liquidity="unknown",
        at_ns=deal.at_ns,
    )
