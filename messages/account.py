"""What a reading of a venue account returns, and how orders stand beside it."""

import msgspec

from messages.base import Message
from messages.money import VenueBalance
from messages.orders import VenueFill, VenueOrder


class VenueTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit (positive) or withdrawal (negative) in the venue's own ledger."""

    asset: str
    amount_minor: int
    reference: str
    """The venue's id of the entry, unique per account."""
    at_ns: int


class VenueFunding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a position in a perpetual got (positive) or paid at a settlement."""

    symbol: str
    asset: str
    amount_minor: int
    reference: str
    """The venue's id of the entry, unique per account."""
    at_ns: int
    insurance: bool = False
    """No funding: what a liquidation took beyond the account's money, made good."""


class AccountFee(msgspec.Struct, frozen=True, kw_only=True):
    """What the account pays in one market, in millionths of an order's value."""

    symbol: str
    maker_ppm: int
    taker_ppm: int


class FeesTold(Message, frozen=True, kw_only=True, tag="account.FeesTold"):
    """Reconcile → ledgers, sleeves: the account's own fees, told by the venue, where they changed.

    Entries are judged by them; what the venue lists is its first tier.
    """

    user: str
    venue: str
    fees: tuple[AccountFee, ...]


class AccountRead(Message, frozen=True, kw_only=True, tag="account.AccountRead"):
    """Line → reconcile: what the venue says; `complete` only if every read succeeded."""

    request_id: str
    complete: bool
    reason: str = ""
    open_orders: tuple[VenueOrder, ...] = ()
    fills: tuple[VenueFill, ...] = ()
    balances: tuple[VenueBalance, ...] = ()
    transfers: tuple[VenueTransfer, ...] = ()
    fees: tuple[AccountFee, ...] = ()
    """Of the account's markets; none where the venue did not tell."""
    funding: tuple[VenueFunding, ...] = ()
    read_ns: int = 0
    """When the first of the reads began, by our clock: what happened later may be missing."""


class AccountSeen(Message, frozen=True, kw_only=True, tag="account.AccountSeen"):
    """Reconcile → orders: all orders open at the venue, and the fills since the cursor."""

    request_id: str
    reply_to: str
    open_orders: tuple[VenueOrder, ...]
    fills: tuple[VenueFill, ...]
    read_ns: int


class OrdersStand(Message, frozen=True, kw_only=True, tag="account.OrdersStand"):
    """Orders → reconcile: how much is still moving, after all of an `AccountSeen` was taken in."""

    request_id: str
    unsettled: tuple[str, ...]
    """Orders whose outcome or fills are being asked for: their money cannot be compared yet."""
    newest_fill_ns: int
    """Our clock when the newest fill was passed on to a ledger; 0 for none."""
    foreign: tuple[str, ...] = ()
    """What the venue has and we did not make: venue order ids and execution ids, newest last."""
