"""Coinbase's names and ways to write numbers and times."""

from datetime import UTC, datetime

from venue.instruments import Instrument, format_units
from venue.orders import BUY, Order, OrderStatus, TimeInForce, TriggerKind

SECOND_NS = 1_000_000_000
_MICROSECOND_NS = 1_000
# Minutes of each granularity.
GRANULARITIES = {
    "ONE_MINUTE": 1, "FIVE_MINUTE": 5, "FIFTEEN_MINUTE": 15, "THIRTY_MINUTE": 30, "ONE_HOUR": 60,
    "TWO_HOUR": 120, "FOUR_HOUR": 240, "SIX_HOUR": 360, "ONE_DAY": 1_440,
}  # fmt: skip
TIMES = {
    TimeInForce.GTC: "GOOD_UNTIL_CANCELLED",
    TimeInForce.GTD: "GOOD_UNTIL_DATE_TIME",
    TimeInForce.IOC: "IMMEDIATE_OR_CANCEL",
    TimeInForce.FOK: "FILL_OR_KILL",
}
UNTRIGGERED = "STOP_PENDING"
TRIGGERED = "STOP_TRIGGERED"
NO_STOP = "INVALID_ORDER_TYPE"
_ORDER_ID = "b0c50000-0000-4000-9000-{:012x}"
_FILL_ID = "b0c50000-0000-4000-a000-{:012x}"
_ACCOUNT_ID = "b0c50000-0000-4000-b000-{:012x}"
_ID_DIGITS = 12


def product_id(instrument: Instrument) -> str:
    """Return the id of a pair: `ETH-USDT`."""
    return f"{instrument.base.name}-{instrument.quote.name}"


def order_id(number: int) -> str:
    """Return the id of an order, a UUID."""
    return _ORDER_ID.format(number)


def order_number(text: str) -> int:
    """Return the number of an order's id, 0 for what is none."""
    digits = text[-_ID_DIGITS:]
    try:
        number = int(digits, 16)
    except ValueError:
        return 0
    return number if text == order_id(number) else 0


def fill_id(number: int) -> str:
    """Return the id of a fill, a UUID."""
    return _FILL_ID.format(number)


def account_id(number: int, asset_at: int) -> str:
    """Return the id of an account's wallet, a UUID."""
    return _ACCOUNT_ID.format(number << 16 | asset_at)


def time_text(at_ns: int) -> str:
    """Return a time as Coinbase writes it: RFC 3339 with microseconds."""
    seconds, rest_ns = divmod(at_ns, SECOND_NS)
    begun = datetime.fromtimestamp(seconds, UTC)
    return f"{begun:%Y-%m-%dT%H:%M:%S}.{rest_ns // _MICROSECOND_NS:06d}Z"


def time_ns(text: str) -> int:
    """Return an RFC 3339 time in ns. Raises `ValueError`."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(f"{text} has no time zone")
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    microseconds = (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds
    return microseconds * _MICROSECOND_NS


def side_name(side: int) -> str:
    """Return Coinbase's word for a side."""
    return "BUY" if side == BUY else "SELL"


def order_type(order: Order) -> str:
    """Return Coinbase's word for a type."""
    if order.trigger_kind is not TriggerKind.NONE:
        return "STOP_LIMIT"
    return "MARKET" if order.is_market else "LIMIT"


def time_in_force(order: Order) -> str:
    """Return Coinbase's word for how long an order may rest."""
    return TIMES[TimeInForce.IOC if order.is_market else order.time_in_force]


def status_name(order: Order) -> str:
    """Return Coinbase's word for the state of an order."""
    if order.is_open:
        return "OPEN"
    return {
        OrderStatus.CLOSED: "FILLED",
        OrderStatus.EXPIRED: "EXPIRED",
    }.get(order.status, "CANCELLED")


def trigger_status(order: Order) -> str:
    """Return whether an order that waits for a price has got it."""
    if order.trigger_kind is TriggerKind.NONE:
        return NO_STOP
    return TRIGGERED if order.triggered_ns else UNTRIGGERED


def stop_direction(order: Order) -> str:
    """Return which way the price must come."""
    upwards = (order.side == BUY) == (order.trigger_kind is TriggerKind.STOP)
    return "STOP_DIRECTION_STOP_UP" if upwards else "STOP_DIRECTION_STOP_DOWN"


class Numbers:
    """How the amounts of one instrument are written."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument

    def price(self, ticks: int) -> str:
        return self._instrument.format_price(ticks)

    def quantity(self, lots: int) -> str:
        return self._instrument.format_quantity(lots)

    def quote(self, units: int) -> str:
        return self._instrument.quote.format(units)

    def average(self, cost_units: int, lots: int) -> str:
        """Return a mean price with all its digits."""
        wide = self._instrument._replace(price_decimals=_AVERAGE_DECIMALS)
        return format_units(wide.average_price_units(cost_units, lots), _AVERAGE_DECIMALS)

    def turnover(self, turnover: int) -> str:
        """Return ticks times lots in quote."""
        instrument = self._instrument
        units = turnover * instrument.tick_units * instrument.lot_units
        return format_units(units, instrument.price_decimals + instrument.lot_decimals)


_AVERAGE_DECIMALS = 12
