"""KuCoin's names and ways to write numbers and times."""

from venue.instruments import Instrument, format_units
from venue.orders import BUY, Fill, Order, OrderStatus, TimeInForce, TriggerKind

MS_NS = 1_000_000
SECOND_NS = 1_000_000_000
# Minutes of each interval that the box has; weeks and months begin where its minutes do not tell.
INTERVALS = {
    "1min": 1, "3min": 3, "5min": 5, "15min": 15, "30min": 30, "1hour": 60, "2hour": 120,
    "4hour": 240, "6hour": 360, "8hour": 480, "12hour": 720, "1day": 1_440,
}  # fmt: skip
_ID_DIGITS = 23


def symbol_id(instrument: Instrument) -> str:
    """Return the id of a pair: `ETH-USDT`."""
    return f"{instrument.base.name}-{instrument.quote.name}"


def order_id(number: int) -> str:
    """Return the id of an order: 24 hexadecimal digits."""
    return f"6{number:0{_ID_DIGITS}x}"


def order_number(text: str) -> int:
    """Return the number of an order's id, 0 for what is none."""
    is_one = len(text) == _ID_DIGITS + 1 and text[0] == "6"
    try:
        return int(text[1:], 16) if is_one else 0
    except ValueError:
        return 0


def milliseconds(at_ns: int) -> int:
    """Return a time as KuCoin's REST API writes it."""
    return at_ns // MS_NS


def side_name(side: int) -> str:
    """Return KuCoin's word for a side."""
    return "buy" if side == BUY else "sell"


def order_type(order: Order) -> str:
    """Return KuCoin's word for a type."""
    return "market" if order.is_market else "limit"


def time_in_force(order: Order) -> str:
    """Return KuCoin's word for how long an order may rest."""
    return "GTT" if order.time_in_force is TimeInForce.GTD else order.time_in_force.value


def stop_name(order: Order) -> str:
    """Return which way the price must come: `loss` from above, `entry` from below."""
    upwards = (order.side == BUY) == (order.trigger_kind is TriggerKind.STOP)
    return "entry" if upwards else "loss"


def is_cancelled(order: Order) -> bool:
    """Whether an order ended with a part of it unfilled."""
    return order.status in (OrderStatus.CANCELED, OrderStatus.EXPIRED)


class Numbers:
    """How the amounts of one instrument are written: as many decimals as its steps have."""

    def __init__(self, instrument: Instrument) -> None:
        self._instrument = instrument

    def price(self, ticks: int) -> str:
        return self._instrument.format_price(ticks)

    def quantity(self, lots: int) -> str:
        return self._instrument.format_quantity(lots)

    def quote(self, units: int) -> str:
        return self._instrument.quote.format(units)

    def fee(self, fill: Fill) -> str:
        """Return the fee of a fill in its asset."""
        base, quote = self._instrument.base, self._instrument.quote
        return (base if fill.fee_asset == base.name else quote).format(fill.fee_units)

    def turnover(self, turnover: int) -> str:
        """Return ticks times lots in quote."""
        instrument = self._instrument
        units = turnover * instrument.tick_units * instrument.lot_units
        return format_units(units, instrument.price_decimals + instrument.lot_decimals)
