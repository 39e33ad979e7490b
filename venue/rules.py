"""What differs between venues inside the matching of orders: each protocol names its own rules."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from venue.accounts import FEE_SCHEDULE, FeeSchedule
from venue.config import ASSET_DECIMALS


class ClientIds(StrEnum):
    """How long a client order id is taken."""

    WHILE_OPEN = "while open"
    """It may be used again once its order has ended (Kraken, Binance)."""
    EVER = "ever"
    """An id names one order for good, as far back as the box remembers orders (Bybit, KuCoin)."""


class Rules(NamedTuple):
    """The rules of one venue. The defaults are Kraken's."""

    client_ids: ClientIds = ClientIds.WHILE_OPEN
    open_orders_max: int = 225
    """Per account and symbol, waiting triggers included."""
    waiting_orders_max: int = 100
    """Stop and take-profit orders per account and symbol that wait for their trigger."""
    post_only_cancels: bool = False
    """A post-only order that would take is accepted and then cancelled, not refused."""
    fee_in_received: bool = False
    """Spot: fees are taken from what the trade brings (a buy's from base), not always in quote."""
    fee_schedule: FeeSchedule = FEE_SCHEDULE
    """(30-day volume from which it holds, taker ppm, maker ppm); an account names its row."""
    contract_fee_schedule: FeeSchedule | None = None
    """Of perpetuals, row by row beside the other, where it differs."""
    asset_decimals: Mapping[str, int] = ASSET_DECIMALS
    """Decimals of minor units where they are not 8."""


KRAKEN_RULES = Rules()
