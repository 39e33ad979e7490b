"""Amending an order: another price or quantity for one that rests. The way is that of an order.

    sleeve ─AmendIntent▶ ledger ─AmendRequest▶ risk ─AmendOrder▶ orders ─Amend▶ line ─▶ venue
    sleeve ◀SleeveUpdate─ ledger ◀─────OrderAmended────────────── orders ◀AmendOutcome─ line

Until it is known which of the two the venue has, the ledger holds the money of both, whichever is
more, and nothing else is asked of the order but its cancellation.
"""

from enum import Enum

from messages.base import Message
from messages.orders import Terms


class AmendIntent(Message, frozen=True, kw_only=True, tag="orders.AmendIntent"):
    """A sleeve wants what it wished with `intent_id` at another price, or more or less of it.

    The ledger answers with a `SleeveUpdate` whose reason says whether it was amended.
    """

    intent_id: str
    sleeve: str
    limit_ticks: int
    """0: as it is."""
    quantity_lots: int = 0
    """All of it, what has filled included; 0: as it is."""


class AmendRequest(Message, frozen=True, kw_only=True, tag="orders.AmendRequest"):
    """Ledger → risk: the money for the amended order is reserved; may we?"""

    amend_id: str
    terms: Terms
    """As they would be."""
    filled_lots: int
    """As far as the ledger knows: only the rest is judged."""
    reference_ticks: int


class AmendOrder(Message, frozen=True, kw_only=True, tag="orders.AmendOrder"):
    """Risk approved: to be amended."""

    amend_id: str
    terms: Terms


class Amend(Message, frozen=True, kw_only=True, tag="orders.Amend"):
    """Orders → line: amend at the venue. Written at most once, like a submit."""

    amend_id: str
    venue_order_id: str
    terms: Terms
    """As they are to be."""
    expires_ns: int


class AmendResult(Enum):
    """What the line can say of an amendment."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_FOUND = "not_found"
    """The venue has no such order open."""
    NOT_SENT = "not_sent"
    """Provably no byte of it left, or the kill switch or the account's mode stopped it."""
    UNKNOWN = "unknown"


class AmendOutcome(Message, frozen=True, kw_only=True, tag="orders.AmendOutcome"):
    """What became of an `Amend`, as far as the line can tell."""

    amend_id: str
    client_order_id: str
    result: AmendResult
    reason: str = ""


class OrderAmended(Message, frozen=True, kw_only=True, tag="orders.OrderAmended"):
    """Orders (or risk, for a denial) → ledger: which of the two it is; once per amendment."""

    amend_id: str
    client_order_id: str
    applied: bool
    limit_ticks: int
    """Of the order as it is now, and its quantity."""
    quantity_lots: int
    reason: str = ""
