"""What the orders actor of an account remembers: live orders, and the newest of the ended ones.

Ended orders are kept so that what the venue repeats about them (a private stream repeats its last
fifty executions after each connection, a reconciliation reads a minute of overlap) is recognised as
known. The window is CLOSED_KEPT_MAX orders; `forgotten_ns` is the time of the newest fill that left
it, and nothing older is taken for new.
"""

import msgspec

from messages.market import Instrument
from messages.money import AccountConfigured
from messages.orders import OrderState, Terms, VenueFill
from supervisor.actor import State

# Four hours at one order a minute, four minutes at sixty: well over the minute of overlap that a
# reconciliation reads. 256 × 700 bytes is 180 kB of snapshot.
CLOSED_KEPT_MAX = 256
# Live orders of one account: twice what venues allow to rest per pair, 350 kB of snapshot.
LIVE_MAX = 500
# Fills that came before their order's venue id is known: one burst of a market order.
UNMATCHED_MAX = 128
# Orders and fills that are not ours, of which a person was told.
FOREIGN_KEPT_MAX = 64
# Executions by hand that were handed to a ledger: more than the venue repeats at a connection, and
# more than a person makes within the minute that a reconciliation reads again.
BY_HAND_KEPT_MAX = 256
# Executions of one order: a large order against crumbs. What is over is still passed on.
FILLS_PER_ORDER_MAX = 5_000


class AmendWait(msgspec.Struct, kw_only=True):
    """An amendment of which nobody knows yet whether the venue has taken it."""

    amend_id: str
    limit_ticks: int
    quantity_lots: int
    expires_ns: int
    sent: bool = True
    """It is with the line."""


class Record(msgspec.Struct, kw_only=True):
    """One order as we know it."""

    terms: Terms
    state: OrderState = OrderState.PENDING_SUBMIT
    reason: str = ""
    created_ns: int
    ttl_due_ns: int = 0
    """When to cancel it; 0 for never."""
    due_ns: int = 0
    """When to submit again or to ask the venue; 0 while nothing is to be done."""
    attempts: int = 0
    submitting: bool = False
    """A `Submit` is with the line."""
    expires_ns: int = 0
    cancelling: bool = False
    """A `Cancel` is with the line."""
    cancel_reason: str = ""
    inquiring: bool = False
    inquiries: int = 0
    """Without a clear answer, in a row."""
    absent_ns: int = 0
    """The first complete reading that counts and did not show it; 0 for none."""
    venue_order_id: str = ""
    filled_lots: int = 0
    cost_minor: int = 0
    exec_ids: list[str] = msgspec.field(default_factory=list)
    newest_fill_ns: int = 0
    """The venue's stamp."""
    closing: OrderState | None = None
    """The venue's last word, held until the fills it speaks of have come."""
    closing_lots: int = 0
    amend: AmendWait | None = None
    amended_ns: int = 0
    """When it was last learned which terms are in force; readings from before may be older."""
    told_end: bool = False
    """The ledger has been told an end, and has let the reservation go."""

    @property
    def client_order_id(self) -> str:
        """Our id of it."""
        return self.terms.client_order_id

    @property
    def most_lots(self) -> int:
        """The quantity ordered; while it is being amended, the larger of the two."""
        amended = self.amend.quantity_lots if self.amend is not None else 0
        return max(self.terms.quantity_lots, amended)

    @property
    def working_lots(self) -> int:
        """What may still fill."""
        return max(0, self.most_lots - self.filled_lots)


class CancelWait(msgspec.Struct):
    """Who waits for the end of which orders."""

    reply_to: str
    request_id: str
    orders: list[str]


class OrdersState(State):
    """See the module's docstring; all keys are ids."""

    settings: AccountConfigured | None = None
    instruments: dict[str, Instrument] = msgspec.field(default_factory=dict)
    live: dict[str, Record] = msgspec.field(default_factory=dict)
    closed: dict[str, Record] = msgspec.field(default_factory=dict)
    by_venue_id: dict[str, str] = msgspec.field(default_factory=dict)
    """Venue order id → our id, for every order of `live` and `closed` that has one."""
    unmatched: dict[str, VenueFill] = msgspec.field(default_factory=dict)
    """By exec_id: fills whose order we cannot tell yet."""
    foreign: list[str] = msgspec.field(default_factory=list)
    by_hand: dict[str, int] = msgspec.field(default_factory=dict)
    """By exec_id, with the venue's stamp: executions by hand that a ledger was given."""
    opened_ns: int = 0
    """When the account was first read; 0 for not yet."""
    forgotten_ns: int = 0
    cancel_waits: list[CancelWait] = msgspec.field(default_factory=list)
    newest_fill_ns: int = 0
    """Our clock when the newest fill was passed on."""


def find(state: OrdersState, client_order_id: str, venue_order_id: str) -> Record | None:
    """Return the order with one of these ids, live or ended; None for one that is not ours."""
    if client_order_id not in state.live and client_order_id not in state.closed:
        client_order_id = state.by_venue_id.get(venue_order_id, "")
    return state.live.get(client_order_id) or state.closed.get(client_order_id)


def keep_closed(state: OrdersState, record: Record) -> None:
    """Move an order from the live ones to the ended ones, forgetting the oldest of those."""
    del state.live[record.client_order_id]
    state.closed[record.client_order_id] = record
    while len(state.closed) > CLOSED_KEPT_MAX:
        oldest = state.closed.pop(next(iter(state.closed)))
        for venue_id in [
            v for v, ours in state.by_venue_id.items() if ours == oldest.client_order_id
        ]:
            del state.by_venue_id[venue_id]
        state.forgotten_ns = max(state.forgotten_ns, oldest.newest_fill_ns)


def bring_back(state: OrdersState, record: Record) -> None:
    """Make an ended order live again."""
    del state.closed[record.client_order_id]
    state.live[record.client_order_id] = record


def learn_venue_id(state: OrdersState, record: Record, venue_order_id: str) -> list[VenueFill]:
    """Note under which id the venue has the order; return the fills that waited for this."""
    if not venue_order_id or state.by_venue_id.get(venue_order_id) == record.client_order_id:
        return []
    record.venue_order_id = record.venue_order_id or venue_order_id
    state.by_venue_id[venue_order_id] = record.client_order_id
    waited = [f for f in state.unmatched.values() if f.venue_order_id == venue_order_id]
    for fill in waited:
        del state.unmatched[fill.exec_id]
    return waited
