"""A venue of a few lines whose books outlive every death of the bot: what it says is the truth.

It does what venues do and no more: a submit executes at most once, client ids are unique among open
orders, what is new is not visible to readings for a while, a final report counts all fills.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec.structs import replace

from exchanges.errors import Code, Reason, VenueError
from exchanges.types import Execution, ExecutionKind, Fee, Instrument, OrderStatus, OrderTicket
from tests.actors.venue_client import LISTED
from venue.positions import Position

SECOND_NS = 1_000_000_000
VISIBLE_AFTER_NS = SECOND_NS
FEE_PPM = 2_600
# Minor units: a tick times a lot is one unit of USDT (6 decimals), a lot 10 000 units of ETH (8).
LOT_UNITS = 10_000
# Coins in the account that no vault has: whoever sells twice sells these.
OUTSIDE_ETH = 10**8
ENDED = ("filled", "canceled", "expired")
PERPETUAL = replace(LISTED, symbol="ETH/USDT:USDT")
LEVERAGE = 5


@dataclass
class Order:
    """One order at the venue."""

    venue_id: str
    ticket: OrderTicket
    accepted_ns: int
    price_ticks: int
    quantity_lots: int
    status: OrderStatus = "open"
    filled_lots: int = 0
    closed_ns: int = 0

    @property
    def is_open(self) -> bool:
        return self.status not in ENDED


@dataclass
class Fill:
    """One execution, in minor units."""

    exec_id: str
    order: Order
    ticks: int
    lots: int
    cost: int
    fee: int
    at_ns: int
    realised: int = 0


@dataclass
class Transfer:
    """One movement that is no trade, or one settlement of funding."""

    reference: str
    kind: str
    amount: int
    at_ns: int


@dataclass
class Venue:
    """Orders, fills, balances; `now_ns` is the world's clock."""

    now_ns: Callable[[], int]
    orders: list[Order] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    funding: list[Transfer] = field(default_factory=list)
    listed: Instrument = LISTED
    position: Position | None = None
    """Of a venue of perpetuals."""
    balances: dict[str, int] = field(
        default_factory=lambda: {"USDT": 10_000 * 10**6, "ETH": OUTSIDE_ETH}
    )
    bid_ticks: int = 200_000
    skew_ns: int = 0
    """How far its clock is off."""
    market_lots: int = 10**9
    """What stands at the best price: market orders fill no more."""
    listeners: list[Callable[[Execution], None]] = field(default_factory=list)

    @classmethod
    def of_perpetuals(cls, now_ns: Callable[[], int]) -> "Venue":
        """Return one that lists a perpetual; contracts lie among the balances, in lots."""
        symbol = PERPETUAL.symbol
        position = Position(account=1, symbol=symbol, leverage=LEVERAGE)
        balances = {"USDT": 10_000 * 10**6, symbol: 0}
        return cls(now_ns, listed=PERPETUAL, position=position, balances=balances)

    def clock_ns(self) -> int:
        """Return what its clock says."""
        return self.now_ns() + self.skew_ns

    def submit(self, ticket: OrderTicket) -> Order:
        """Take an order; one at the market fills at once, what does not is cancelled."""
        if ticket.expires_at_ns and self.clock_ns() > ticket.expires_at_ns:
            raise refusal("the deadline elapsed", reason="deadline_elapsed")
        if any(
            o.is_open and o.ticket.client_order_id == ticket.client_order_id for o in self.orders
        ):
            raise refusal("duplicate cl_ord_id", reason="duplicate_client_order_id")
        if ticket.side == "sell" and ticket.quantity_lots > self._sellable_lots():
            raise VenueError(Code.INSUFFICIENT_FUNDS, "matrix", "insufficient funds")
        order = Order(
            venue_id=f"V{len(self.orders) + 1}",
            ticket=ticket,
            accepted_ns=self.now_ns(),
            price_ticks=ticket.price_ticks or 0,
            quantity_lots=ticket.quantity_lots,
        )
        self.orders.append(order)
        self._tell(order, "accepted")
        if ticket.type == "market":
            ticks = self.bid_ticks + (10 if ticket.side == "buy" else 0)
            lots = min(order.quantity_lots, self.market_lots)
            if lots:
                self.fill(order, lots, ticks)
            if order.is_open:
                self.cancel(order)
        return order

    def amend(self, order: Order, price_ticks: int, quantity_lots: int) -> None:
        """Give an open order another price and quantity."""
        if quantity_lots <= order.filled_lots:
            raise refusal("so much has filled already")
        order.price_ticks, order.quantity_lots = price_ticks, quantity_lots
        self._tell(order, "amended")

    def cancel(self, order: Order) -> None:
        """End an open order."""
        self._close(order, "canceled")
        self._tell(order, "canceled")

    def fill(self, order: Order, lots: int, ticks: int = 0) -> None:
        """Execute so much of an open order."""
        assert order.is_open, "what has ended fills no more"
        lots = min(lots, order.quantity_lots - order.filled_lots)
        ticks = ticks or order.price_ticks
        cost = ticks * lots
        fill = Fill(
            exec_id=f"E{len(self.fills) + 1}",
            order=order,
            ticks=ticks,
            lots=lots,
            cost=cost,
            fee=cost * FEE_PPM // 10**6,
            at_ns=self.clock_ns(),
        )
        self.fills.append(fill)
        order.filled_lots += lots
        self._book(fill, 1 if order.ticket.side == "buy" else -1)
        if order.filled_lots == order.quantity_lots:
            self._close(order, "filled")
        self._tell(order, "fill", fill)

    def _book(self, fill: Fill, sign: int) -> None:
        if self.position is None:
            self.balances["ETH"] += sign * fill.lots * LOT_UNITS
            self.balances["USDT"] -= sign * fill.cost + fill.fee
            return
        fill.realised = self.position.fill(sign, fill.lots, fill.cost, fill.at_ns)
        self.balances["USDT"] += fill.realised - fill.fee
        self.balances[self.listed.symbol] = self.position.lots

    def _sellable_lots(self) -> int:
        if self.position is not None:
            return max(0, self.position.lots)
        return self.balances["ETH"] // LOT_UNITS

    def settle(self, amount: int) -> None:
        """Have the position pay (below zero) or get funding."""
        self.balances["USDT"] += amount
        reference = f"F{len(self.funding) + 1}"
        self.funding.append(Transfer(reference, "funding", amount, self.clock_ns()))

    def transfer(self, kind: str, amount: int) -> None:
        """Move money in or out."""
        self.balances["USDT"] += amount
        reference = f"T{len(self.transfers) + 1}"
        self.transfers.append(Transfer(reference, kind, amount, self.clock_ns()))

    def open_named(self, client_order_id: str, venue_id: str) -> Order:
        """Return an open order by either id; raise NOT_FOUND."""
        for order in self.orders:
            ids = (order.ticket.client_order_id, order.venue_id)
            if order.is_open and (client_order_id == ids[0] or venue_id == ids[1]):
                return order
        raise VenueError(Code.NOT_FOUND, "matrix", "unknown order")

    def is_visible(self, at_ns: int) -> bool:
        """Whether readings show what happened at `at_ns` of the world's clock."""
        return at_ns <= self.now_ns() - VISIBLE_AFTER_NS

    def _close(self, order: Order, status: OrderStatus) -> None:
        order.status = status
        order.closed_ns = self.now_ns()

    def _tell(self, order: Order, kind: ExecutionKind, fill: Fill | None = None) -> None:
        status = order.status
        if status == "open" and order.filled_lots:
            status = "partially_filled"
        report = Execution(
            kind=kind,
            venue_order_id=order.venue_id,
            client_order_id=order.ticket.client_order_id,
            symbol=self.listed.symbol,
            side=order.ticket.side,
            status=status,
            at_ns=self.clock_ns(),
            received_ns=self.now_ns(),
            snapshot=False,
            quantity=LISTED.quantity_text(order.quantity_lots),
            price=LISTED.price_text(order.price_ticks) if order.price_ticks else None,
            filled=LISTED.quantity_text(order.filled_lots),
            exec_id=fill.exec_id if fill else "",
            last_price=LISTED.price_text(fill.ticks) if fill else "",
            last_quantity=LISTED.quantity_text(fill.lots) if fill else "",
            fees=(Fee(asset="USDT", amount=usdt(fill.fee)),) if fill else (),
            liquidity="maker",
            realised=usdt(fill.realised) if fill else "0",
        )
        for listener in list(self.listeners):
            listener(report)


def refusal(detail: str, *, reason: Reason = "other") -> VenueError:
    """Return the venue's no."""
    return VenueError(Code.REJECTED, "matrix", detail, reason=reason)


def usdt(minor: int) -> str:
    """Write an amount as the venue does."""
    sign = "-" if minor < 0 else ""
    return f"{sign}{abs(minor) // 10**6}.{abs(minor) % 10**6:06d}"
