"""What differs between the three Binances that the box speaks: spot, Binance.US, and USD-M."""

from typing import NamedTuple

from venue.limits import BanRule, Window
from venue.protocols.binance_errors import FUTURES_REFUSALS, SPOT_REFUSALS
from venue.refusals import Refusal


class Flavor(NamedTuple):
    """One of them."""

    name: str
    prefix: str
    """What REST paths begin with."""
    socket_api: str
    """Where the WebSocket API is; empty where there is none."""
    is_futures: bool
    weight_per_minute: int
    order_windows: tuple[Window, ...]
    refusals: dict[Refusal, tuple[int, str]]
    notional_filter: str


# Going on after a 429 bans the address: from two minutes up to three days.
BAN = BanRule(refusals=10, first_s=120, longest_s=259_200)

SPOT = Flavor(
    name="binance",
    prefix="/api/v3",
    socket_api="/ws-api/v3",
    is_futures=False,
    weight_per_minute=6_000,
    order_windows=(Window(10, 100), Window(86_400, 200_000)),
    refusals=SPOT_REFUSALS,
    notional_filter="NOTIONAL",
)
US = SPOT._replace(
    name="binanceus",
    weight_per_minute=1_200,
    order_windows=(Window(10, 100), Window(86_400, 200_000)),
    refusals={**SPOT_REFUSALS, Refusal.COST_MINIMUM: (-1013, "Filter failure: MIN_NOTIONAL")},
    notional_filter="MIN_NOTIONAL",
)
USDM = Flavor(
    name="binanceusdm",
    prefix="/fapi/v1",
    socket_api="/ws-fapi/v1",
    is_futures=True,
    weight_per_minute=2_400,
    order_windows=(Window(10, 300), Window(60, 1_200)),
    refusals=FUTURES_REFUSALS,
    notional_filter="MIN_NOTIONAL",
)
