"""Bybit's names, ids, and ways to write numbers.

Spot's ids are numbers of nineteen digits, linear's are UUIDs. Both carry the venue's own number, so
that an order is found by its id without a table.
"""

import hashlib

from venue.exchange import (
    REASON_FUNDS,
    REASON_LIQUIDATION,
    REASON_POST_ONLY,
    REASON_REDUCE_ONLY,
    REASON_SELF_TRADE,
    REASON_UNFILLED,
    REASON_USER,
)
from venue.instruments import Instrument, format_units
from venue.listing import Listing
from venue.orders import BUY, Order, OrderStatus, TimeInForce, TriggerKind

MS_NS = 1_000_000
SPOT = "spot"
LINEAR = "linear"
CATEGORIES = (SPOT, LINEAR)
# What ccxt asks for, too, and of which the box lists nothing.
EMPTY_CATEGORIES = ("inverse", "option")
# Minutes of each interval; weeks and months begin where a box's minutes do not tell.
INTERVALS = {
    "1": 1, "3": 3, "5": 5, "15": 15, "30": 30, "60": 60, "120": 120, "240": 240, "360": 360,
    "720": 720, "D": 1_440,
}  # fmt: skip
AVERAGE_DECIMALS = 8
NUMBER_DIGITS_MAX = 19
# Where each kind of number begins: as long as Bybit's, and told apart at a glance.
_FIRST = {
    "order": 1_700_000_000_000_000_000,
    "exec": 2_100_000_000_000_000_000,
    "trade": 2_290_000_000_000_000_000,
}
# What `Order.user_reference` keeps here: that a waiting spot order was asked for as a tpslOrder.
PLAIN, TPSL = 0, 1


def category_of(listing: Listing) -> str:
    """Return under which category a listing is."""
    return SPOT if listing.instrument.contract is None else LINEAR


def symbol_id(instrument: Instrument) -> str:
    """Return the id of a pair, `ETHUSDT`; of a perpetual settled in USDC, `ETHPERP`."""
    if instrument.contract is not None and instrument.quote.name == "USDC":
        return f"{instrument.base.name}PERP"
    return instrument.base.name + instrument.quote.name


def milliseconds(at_ns: int) -> str:
    """Return a time as Bybit writes it."""
    return str(at_ns // MS_NS)


def side_name(side: int) -> str:
    """Return Bybit's word for a side."""
    return "Buy" if side == BUY else "Sell"


def venue_id(category: str, kind: str, number: int) -> str:
    """Return the id of an order, an execution (`exec`) or a public `trade`."""
    if category == SPOT:
        return str(_FIRST[kind] + number)
    digest = hashlib.blake2b(f"{kind} {number}".encode(), digest_size=11).hexdigest()
    parts = (f"{number:08x}", digest[:4], f"4{digest[4:7]}", f"8{digest[7:10]}", digest[10:])
    return "-".join(parts)


def number_of(category: str, kind: str, text: str) -> int:
    """Return the number behind an id, 0 for what is none of the venue's."""
    number = 0
    if category == SPOT and text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX:
        number = max(0, int(text) - _FIRST[kind])
    elif category == LINEAR:
        try:
            number = int(text.partition("-")[0][:NUMBER_DIGITS_MAX], 16)
        except ValueError:
            return 0
    return number if number > 0 and venue_id(category, kind, number) == text else 0


def plain(units: int, decimals: int) -> str:
    """Return units of 10**-`decimals` without trailing zeros, as Bybit writes amounts."""
    text = format_units(units, decimals)
    return text.rstrip("0").rstrip(".") if "." in text else text


class Numbers:
    """How the amounts of one instrument are written."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument

    def price(self, ticks: int) -> str:
        """Return a price with the tick's decimals, `0` for none."""
        return self._instrument.format_price(ticks) if ticks else "0"

    def quantity(self, lots: int) -> str:
        """Return a quantity of base with the lot's decimals, `0` for none."""
        return self._instrument.format_quantity(lots) if lots else "0"

    def quote(self, units: int) -> str:
        """Return an amount of quote."""
        return plain(units, self._instrument.quote.decimals)

    def average(self, cost_units: int, lots: int) -> str:
        """Return a mean price, empty for none."""
        if not lots:
            return ""
        wide = self._instrument._replace(price_decimals=AVERAGE_DECIMALS)
        return plain(wide.average_price_units(cost_units, lots), AVERAGE_DECIMALS)

    def turnover(self, turnover: int) -> str:
        """Return ticks times lots in quote."""
        instrument = self._instrument
        units = turnover * instrument.tick_units * instrument.lot_units
        return plain(units, instrument.price_decimals + instrument.lot_decimals)


_REJECTS = {
    REASON_USER: "EC_PerCancelRequest",
    REASON_POST_ONLY: "EC_PostOnlyWillTakeLiquidity",
    REASON_SELF_TRADE: "EC_BySelfMatch",
    REASON_UNFILLED: "EC_NoImmediateQtyToFill",
    "": "EC_NoError",
}
_CANCELS = {
    REASON_USER: "CancelByUser",
    REASON_REDUCE_ONLY: "CancelByReduceOnly",
    REASON_LIQUIDATION: "CancelByPrepareLiq",
    REASON_SELF_TRADE: "CancelBySmp",
    REASON_FUNDS: "CancelByRiskControl",
}


def status_name(order: Order, category: str) -> str:
    """Return Bybit's word for the state of an order."""
    if order.is_waiting:
        return "Untriggered"
    if order.is_open:
        return "PartiallyFilled" if order.filled_lots else "New"
    if order.status is OrderStatus.CLOSED:
        return "Filled"
    if order.trigger_ticks and not order.triggered_ns:
        return "Deactivated"
    return "PartiallyFilledCanceled" if order.filled_lots and category == SPOT else "Cancelled"


def reject_reason(order: Order) -> str:
    """Return the word for why an order ended without being filled."""
    if order.time_in_force is TimeInForce.FOK and order.reason == REASON_UNFILLED:
        return "EC_CancelForNoFullFill"
    return _REJECTS.get(order.reason, "EC_Others")


def cancel_type(order: Order) -> str:
    """Return who cancelled an order."""
    return "UNKNOWN" if order.is_open else _CANCELS.get(order.reason, "UNKNOWN")


def time_in_force(order: Order) -> str:
    """Return the time in force; a market order's is IOC."""
    if order.is_market:
        return "IOC"
    return "PostOnly" if order.post_only else order.time_in_force.value


def stop_order_type(order: Order) -> str:
    """Return the kind of a conditional order, empty for none."""
    if order.trigger_kind is TriggerKind.NONE:
        return ""
    return "tpslOrder" if order.user_reference == TPSL else "Stop"


def rises(order: Order) -> bool:
    """Whether a conditional order waits for the price to rise."""
    return (order.side == BUY) == (order.trigger_kind is TriggerKind.STOP)
