"""Orders from a sleeve's wish to the venue's last word. The way is architecture.md section 2.

    sleeve ─Intent▶ ledger ─OrderRequest▶ risk ─Order▶ orders ─Submit▶ line ─▶ venue
    sleeve ◀SleeveUpdate─ ledger ◀OrderUpdate, Fill─ orders ◀SubmitOutcome, VenueFill─ line, stream

Prices are ticks, quantities lots, money minor units of the asset named beside it.
"""

from enum import Enum

import msgspec

from messages.base import Message


class Side(Enum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"


class OrderType(Enum):
    """How an order names its price."""

    LIMIT = "limit"
    MARKET = "market"
    STOP = "stop"
    """At the market, or from then on at its limit, once the price has come down (a sell) to the
    trigger."""
    TAKE_PROFIT = "take_profit"
    """The same, once the price has come up (a sell) to the trigger."""
    TRAILING_STOP = "trailing_stop"
    """A stop that follows the best price at a distance: guard's, at every venue."""


TRIGGERED = frozenset({OrderType.STOP, OrderType.TAKE_PROFIT})


class TimeInForce(Enum):
    """How long an order may rest."""

    GOOD_TILL_CANCELLED = "gtc"
    IMMEDIATE_OR_CANCEL = "ioc"


class OrderState(Enum):
    """The life of an order; the legal moves are a table in `actors/execution/orders.py`."""

    PENDING_SUBMIT = "pending_submit"
    """Durable, on its way to the line."""
    UNKNOWN = "unknown"
    """Sent, and nobody knows whether it arrived: the venue is being asked. Never sent again."""
    OPEN = "open"
    PENDING_AMEND = "pending_amend"
    """Open, and it is not known yet whether with its old or its new price and quantity."""
    PENDING_CANCEL = "pending_cancel"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"
    """The venue refused it."""
    DENIED = "denied"
    """We refused it: risk, the kill switch, or staleness. It never left."""
    ABSENT = "absent"
    """Asked by the stated procedure, the venue never had it."""


TERMINAL = frozenset(
    {
        OrderState.FILLED,
        OrderState.CANCELLED,
        OrderState.EXPIRED,
        OrderState.REJECTED,
        OrderState.DENIED,
        OrderState.ABSENT,
    }
)


class Terms(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is ordered, on whose behalf; unchanged from the ledger to the venue."""

    client_order_id: str
    user: str
    vault: str
    """The vault's name, `<venue>-<asset>`."""
    sleeve: str
    venue: str
    """With its environment: `kraken-sim`."""
    environment: str
    symbol: str
    side: Side
    type: OrderType
    quantity_lots: int
    limit_ticks: int
    """0 for a market order, and for a stop or take-profit that then trades at the market."""
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCELLED
    post_only: bool = False
    reduces: bool = False
    """Closes or shrinks a position: allowed when entries are not."""
    protective: bool = False
    """Placed by guard."""
    ledger: str
    """The ledger's address, to which updates and fills go."""
    trigger_ticks: int = 0
    """Of a stop or take-profit order."""


# --- sleeve → ledger


class Intent(Message, frozen=True, kw_only=True, tag="orders.Intent"):
    """A sleeve's wish. The ledger answers with `SleeveUpdate`, whatever becomes of it."""

    intent_id: str
    sleeve: str
    symbol: str
    side: Side
    type: OrderType
    quantity_lots: int
    """0 on a buy: as much as the sleeve's cash allows; 0 on a sell: the whole position."""
    limit_ticks: int
    """0 for a market order; of a stop or take-profit where it then rests, 0 for the market."""
    reference_ticks: int
    """The price the wish was formed at; a market buy reserves from it."""
    post_only: bool = False
    time_to_live_ns: int = 0
    """Cancelled when still open after this; 0 for never."""
    stop_ticks: int = 0
    """The protective stop that guard holds once an entry fills; 0 for none."""
    take_ticks: int = 0
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCELLED
    """Of a limit order; the others are immediate, or wait for their trigger."""
    trigger_ticks: int = 0
    """Of a stop or take-profit sale. Where the venue has none, guard holds the level instead. Of a
    trailing stop: how far behind the best price since then it follows."""


class CancelIntent(Message, frozen=True, kw_only=True, tag="orders.CancelIntent"):
    """A sleeve no longer wants what it wished with `intent_id`."""

    intent_id: str
    sleeve: str


# --- ledger → risk → orders


class OrderRequest(Message, frozen=True, kw_only=True, tag="orders.OrderRequest"):
    """The money is there and reserved; may we?"""

    terms: Terms
    reference_ticks: int
    reserved_minor: int
    reserved_asset: str
    time_to_live_ns: int = 0


class Order(Message, frozen=True, kw_only=True, tag="orders.Order"):
    """Risk approved: to be placed."""

    terms: Terms
    time_to_live_ns: int = 0
    approved_ns: int


class CancelOrder(Message, frozen=True, kw_only=True, tag="orders.CancelOrder"):
    """Cancel one of our orders; by ledger, guard or operator."""

    client_order_id: str
    reason: str


# --- orders ↔ line (commands to a port, each concluded by its outcome)


class Submit(Message, frozen=True, kw_only=True, tag="orders.Submit"):
    """Place this order at the venue; written at most once, ever."""

    terms: Terms
    expires_ns: int
    """The venue must not accept it after this moment, where the venue can be told so."""


class Cancel(Message, frozen=True, kw_only=True, tag="orders.Cancel"):
    """Cancel at the venue; safe to repeat."""

    client_order_id: str
    venue_order_id: str
    symbol: str


class Inquire(Message, frozen=True, kw_only=True, tag="orders.Inquire"):
    """Ask the venue what became of an order, by open orders, closed orders and trades."""

    client_order_id: str
    venue_order_id: str
    symbol: str
    since_ns: int


class SubmitResult(Enum):
    """What the line can say of a submit."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"
    """Provably no byte of it left."""
    DENIED = "denied"
    """The kill switch or the account's mode stopped it at the line."""
    UNKNOWN = "unknown"


class SubmitOutcome(Message, frozen=True, kw_only=True, tag="orders.SubmitOutcome"):
    """What became of a `Submit`, as far as the line can tell."""

    client_order_id: str
    result: SubmitResult
    venue_order_id: str = ""
    reason: str = ""
    sent_ns: int = 0


class CancelResult(Enum):
    """What the line can say of a cancel."""

    ACCEPTED = "accepted"
    NOT_FOUND = "not_found"
    UNKNOWN = "unknown"


class CancelOutcome(Message, frozen=True, kw_only=True, tag="orders.CancelOutcome"):
    """What became of a `Cancel`."""

    client_order_id: str
    result: CancelResult
    reason: str = ""


class VenueOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the venue tells it."""

    client_order_id: str
    """"" for an order that is not ours."""
    venue_order_id: str
    symbol: str
    side: Side
    type: OrderType
    quantity_lots: int
    limit_ticks: int
    filled_lots: int
    state: OrderState
    """OPEN, FILLED, CANCELLED, EXPIRED or REJECTED."""
    reason: str = ""
    updated_ns: int = 0


class VenueFill(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An execution as the venue tells it; `exec_id` is unique per account."""

    exec_id: str
    client_order_id: str
    venue_order_id: str
    symbol: str
    side: Side
    price_ticks: int
    quantity_lots: int
    cost_minor: int
    """What the venue moved in the quote asset, fee not included, in its minor units."""
    fee_minor: int
    fee_asset: str
    maker: bool
    at_ns: int
    realised_minor: int = 0
    """Of a perpetual: the profit that the venue moved to the account with it, fee not included."""
    forced: bool = False
    """The venue itself closed a position: liquidation, or auto-deleveraging."""


class InquiryOutcome(Message, frozen=True, kw_only=True, tag="orders.InquiryOutcome"):
    """What the venue said; `complete` only if all three reads succeeded."""

    client_order_id: str
    complete: bool
    order: VenueOrder | None
    fills: tuple[VenueFill, ...] = ()
    read_ns: int = 0


# --- private stream → orders


class OrderReported(Message, frozen=True, kw_only=True, tag="orders.OrderReported"):
    """The private stream, or a reconciliation, told of an order."""

    order: VenueOrder


class FillReported(Message, frozen=True, kw_only=True, tag="orders.FillReported"):
    """The private stream, or a reconciliation, told of an execution; duplicates are expected."""

    fill: VenueFill


# --- orders → ledger


class OrderUpdate(Message, frozen=True, kw_only=True, tag="orders.OrderUpdate"):
    """An order moved to a new state."""

    client_order_id: str
    state: OrderState
    filled_lots: int
    venue_order_id: str = ""
    reason: str = ""


class Fill(Message, frozen=True, kw_only=True, tag="orders.Fill"):
    """An execution of one of our orders, or a sale by hand, once per exec_id."""

    client_order_id: str
    """"" for a sale by hand at the venue, which may have closed a sleeve's position."""
    fill: VenueFill


# --- orders → risk


class Exposure(Message, frozen=True, kw_only=True, tag="orders.Exposure"):
    """What an order has just filled, and what of it may still fill: how risk knows positions."""

    client_order_id: str
    """"" for a sale by hand at the venue."""
    user: str
    venue: str
    vault: str
    sleeve: str
    symbol: str
    side: Side
    filled_lots: int
    """Of this message alone; 0 when only `working_lots` changed."""
    price_ticks: int
    """Of the fill; 0 for none."""
    working_lots: int
    """0 once the order is at its end."""


# --- ledger → sleeve, guard


class SleeveUpdate(Message, frozen=True, kw_only=True, tag="orders.SleeveUpdate"):
    """What became of an intent, and how the sleeve stands after it."""

    intent_id: str
    symbol: str
    state: OrderState
    reason: str
    filled_lots: int
    price_ticks: int
    """Of the fill that this update tells of; 0 for none."""
    cash_minor: int
    position_lots: int
    average_entry_ticks: int
    guarded: bool = False
    """No order was made of it: guard holds its level."""


class Protect(Message, frozen=True, kw_only=True, tag="orders.Protect"):
    """To guard: hold these exits for a sleeve's position; lots 0 lets go."""

    sleeve: str
    symbol: str
    position_lots: int
    stop_ticks: int
    take_ticks: int
    base: str = ""
    """The base asset, and the whole position in its minor units."""
    base_minor: int = 0
    trail_ticks: int = 0
    """How far behind the best price the stop follows; 0: it stays where it is."""
    selling_lots: int = 0
    """How much of the position the sleeve's own open sells already offer, and those orders."""
    open_sells: tuple[str, ...] = ()
    short: bool = False
    """A short position, which a buy closes; `position_lots` has no sign."""


class ProtectiveExit(Message, frozen=True, kw_only=True, tag="orders.ProtectiveExit"):
    """Guard's order to close; to risk like any other, to orders directly when risk is blocked."""

    sleeve: str
    symbol: str
    quantity_lots: int
    reason: str
    exit_id: str = ""
    reference_ticks: int = 0
    """The bid at which it was decided."""
    expires_ns: int = 0
    """The ledger refuses it after this, so that guard may then go another way; 0 for never."""
    client_order_id: str = ""
    """Set when guard has placed the order itself: the ledger books it and sends nothing."""


class ExitUpdate(Message, frozen=True, kw_only=True, tag="orders.ExitUpdate"):
    """Ledger → guard: what became of a protective exit."""

    exit_id: str
    sleeve: str
    symbol: str
    client_order_id: str
    """"" when no order was made of it."""
    state: OrderState
    reason: str = ""
