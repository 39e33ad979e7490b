r"""What an account's order is, and what happens to it: the life cycle as a table.

PENDING --accept--> OPEN --fill--> CLOSED
                     |  \--cancel--> CANCELED
                     +----expire--> EXPIRED
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

BUY = 1
SELL = -1


class OrderStatus(StrEnum):
    """Kraken's words for an order's state."""

    PENDING = "pending"
    OPEN = "open"
    CLOSED = "closed"
    CANCELED = "canceled"
    EXPIRED = "expired"


class OrderEvent(StrEnum):
    """What moves an order from one state to the next."""

    ACCEPT = "accept"
    COMPLETE = "complete"
    CANCEL = "cancel"
    EXPIRE = "expire"


TRANSITIONS: dict[tuple[OrderStatus, OrderEvent], OrderStatus] = {
    (OrderStatus.PENDING, OrderEvent.ACCEPT): OrderStatus.OPEN,
    (OrderStatus.OPEN, OrderEvent.COMPLETE): OrderStatus.CLOSED,
    (OrderStatus.OPEN, OrderEvent.CANCEL): OrderStatus.CANCELED,
    (OrderStatus.OPEN, OrderEvent.EXPIRE): OrderStatus.EXPIRED,
}


class TimeInForce(StrEnum):
    """How long an order may rest."""

    GTC = "GTC"
    IOC = "IOC"
    FOK = "FOK"
    GTD = "GTD"


class TriggerKind(StrEnum):
    """What an order that waits is for; with its side it says from where the price must come."""

    NONE = ""
    STOP = "stop"
    TAKE_PROFIT = "take-profit"


class TriggerBy(StrEnum):
    """Which price fires a trigger."""

    LAST = "last"
    MARK = "mark"


class Trigger(NamedTuple):
    """A stop buy fires at or above its price, a stop sale at or below; take-profits reversed."""

    kind: TriggerKind
    ticks: int
    by: TriggerBy = TriggerBy.LAST


NO_TRIGGER = Trigger(TriggerKind.NONE, 0)


class IllegalTransitionError(Exception):
    """An order was told to do what its state does not allow: a bug of the venue."""

    def __init__(self, txid: str, status: OrderStatus, event: OrderEvent) -> None:
        self.txid = txid
        super().__init__(f"order {txid} is {status} and cannot {event}")


class OrderRequest(NamedTuple):
    """A new order, already parsed into ticks and lots."""

    symbol: str
    side: int
    is_market: bool
    price_ticks: int
    quantity_lots: int
    post_only: bool = False
    time_in_force: TimeInForce = TimeInForce.GTC
    expire_ns: int = 0
    client_order_id: str = ""
    user_reference: int = 0
    by_hand: bool = False
    reduce_only: bool = False
    """Perpetuals only: it may make a position smaller, never larger or the other way round."""
    trigger: Trigger = NO_TRIGGER


@dataclass(slots=True)
class Order:
    """One order of an account. Mutated only by `venue.exchange`."""

    number: int
    txid: str
    account: int
    symbol: str
    side: int
    is_market: bool
    price_ticks: int
    quantity_lots: int
    post_only: bool
    time_in_force: TimeInForce
    expire_ns: int
    client_order_id: str
    user_reference: int
    by_hand: bool
    opened_ns: int
    book_id: int
    """The order's id in the matching engine; changes when the order is amended or reloaded."""
    status: OrderStatus = OrderStatus.PENDING
    filled_lots: int = 0
    cost_units: int = 0
    fee_units: int = 0
    held_units: int = 0
    closed_ns: int = 0
    changed_ns: int = 0
    reason: str = ""
    reduce_only: bool = False
    trigger_kind: TriggerKind = TriggerKind.NONE
    trigger_by: TriggerBy = TriggerBy.LAST
    trigger_ticks: int = 0
    triggered_ns: int = 0
    """When its trigger fired; 0 while it waits outside the book."""
    fills: list[str] = field(default_factory=list)

    @property
    def remaining_lots(self) -> int:
        return self.quantity_lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        return self.status in (OrderStatus.PENDING, OrderStatus.OPEN)

    @property
    def is_waiting(self) -> bool:
        """Whether it is open and waits for its trigger: the book does not know it yet."""
        return self.is_open and bool(self.trigger_ticks) and not self.triggered_ns

    def is_fired_by(self, low_ticks: int, high_ticks: int) -> bool:
        """Whether prices between these two reach the trigger."""
        upwards = (self.side == BUY) == (self.trigger_kind is TriggerKind.STOP)
        return high_ticks >= self.trigger_ticks if upwards else low_ticks <= self.trigger_ticks

    def move(self, event: OrderEvent) -> None:
        """Apply `event`. Raises `IllegalTransitionError`."""
        following = TRANSITIONS.get((self.status, event))
        if following is None:
            raise IllegalTransitionError(self.txid, self.status, event)
        self.status = following


class Fill(NamedTuple):
    """One execution of one order. Cost in minor units of quote, the fee in those of its asset."""

    number: int
    txid: str
    order_number: int
    order_txid: str
    account: int
    symbol: str
    side: int
    price_ticks: int
    quantity_lots: int
    cost_units: int
    fee_units: int
    is_maker: bool
    is_market: bool
    trade_number: int
    at_ns: int
    fee_asset: str = ""
    realised_units: int = 0
    """Perpetuals: what closing part of a position earned, in quote."""


class LedgerEntry(NamedTuple):
    """One change of one balance of one account."""

    number: int
    txid: str
    account: int
    asset: str
    kind: str
    """deposit, withdrawal, trade, funding or insurance."""
    reference: str
    amount_units: int
    fee_units: int
    balance_units: int
    """The balance after the entry."""
    at_ns: int


class ReportKind(StrEnum):
    """Execution report types, in Kraken's words."""

    PENDING_NEW = "pending_new"
    NEW = "new"
    TRADE = "trade"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    AMENDED = "amended"
    TRIGGERED = "triggered"


class Report(NamedTuple):
    """What an account is told about one of its orders; `order` is a copy as of then."""

    kind: ReportKind
    order: Order
    fill: Fill | None
    at_ns: int
