"""What each venue can do with an order by itself; what it cannot is emulated, in a stated way.

* `amend` EMULATED: the ledger has the order cancelled, and when it has ended with all its fills
  places another, with an id of its own, for what is left: never are two of them live.
* `triggers` EMULATED: guard holds the level and sells at the market when the price reaches it,
  while the bot runs. NATIVE: a stop or take-profit order rests at the venue.
* `expiry` NONE: a submit carries no moment after which the venue refuses it.
"""

from enum import Enum

import msgspec


class Support(Enum):
    """How a venue comes by a feature."""

    NATIVE = "native"
    EMULATED = "emulated"
    NONE = "none"


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What one venue can do; the default is what every venue can."""

    amend: Support = Support.EMULATED
    triggers: Support = Support.EMULATED
    """Stop and take-profit, also with a limit."""
    trailing_stop: Support = Support.EMULATED
    """Guard's at every venue: venues measure it by prices of their own, and would double guard."""
    post_only: Support = Support.NONE
    immediate_or_cancel: Support = Support.NONE
    reduce_only: Support = Support.NONE
    expiry: Support = Support.NONE
    websocket_orders: Support = Support.NONE
    """Whether orders may be entered over the account's socket; then `order_entry` chooses."""
    paper: Support = Support.NONE
    """Emulated where the box speaks the venue's protocol: it fills orders by the venue's prices."""
    environments: tuple[str, ...] = ("live",)
    """Of the venue itself; a simulation of it is ours."""


LEAST = Capabilities()

_BINANCE_SPOT = Capabilities(
    triggers=Support.NATIVE,
    post_only=Support.NATIVE,
    immediate_or_cancel=Support.NATIVE,
    expiry=Support.NATIVE,
    paper=Support.EMULATED,
)

# Sources: the venues' own pages, as docs/venues.md lists them.
CAPABILITIES: dict[str, Capabilities] = {
    # Of what its edit makes of an order that has filled in part, its pages say nothing.
    "coinbase": Capabilities(
        post_only=Support.NATIVE,
        immediate_or_cancel=Support.NATIVE,
        expiry=Support.NATIVE,
        paper=Support.EMULATED,
    ),
    # An order that is altered or that fires becomes another there, with an id of its own.
    "kucoin": Capabilities(
        post_only=Support.NATIVE,
        immediate_or_cancel=Support.NATIVE,
        expiry=Support.NATIVE,
        paper=Support.EMULATED,
    ),
    "binance": msgspec.structs.replace(_BINANCE_SPOT, websocket_orders=Support.NATIVE),
    "binanceus": _BINANCE_SPOT,
    # Its triggers are orders of another kind, whose ids change when they fire: guard holds them.
    "binanceusdm": Capabilities(
        post_only=Support.NATIVE,
        immediate_or_cancel=Support.NATIVE,
        reduce_only=Support.NATIVE,
        expiry=Support.NATIVE,
    ),
    "bybit": Capabilities(
        amend=Support.NATIVE,
        websocket_orders=Support.NATIVE,
        triggers=Support.NATIVE,
        post_only=Support.NATIVE,
        immediate_or_cancel=Support.NATIVE,
        expiry=Support.NATIVE,
    ),
    "kraken": Capabilities(
        amend=Support.NATIVE,
        triggers=Support.NATIVE,
        post_only=Support.NATIVE,
        immediate_or_cancel=Support.NATIVE,
        expiry=Support.NATIVE,
        paper=Support.EMULATED,
        websocket_orders=Support.NATIVE,
    ),
    # What an algo order fires is another order there, of which fills tell our id no more.
    "okx": Capabilities(
        amend=Support.NATIVE,
        post_only=Support.NATIVE,
        immediate_or_cancel=Support.NATIVE,
        expiry=Support.NATIVE,
    ),
}


def capabilities_of(venue: str) -> Capabilities:
    """Return what a venue, named as ccxt does, can do; `LEAST` for one that is not in the table."""
    return CAPABILITIES.get(venue, LEAST)
