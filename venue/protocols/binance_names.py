"""Binance's names and ways to write numbers and times."""

from datetime import UTC, datetime

from venue.instruments import Instrument, format_units
from venue.orders import BUY, Order, OrderStatus, TriggerKind

MS_NS = 1_000_000
DECIMALS = 8
# Minutes of each interval that the box has; weeks and months begin where its minutes do not tell.
INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1h": 60, "2h": 120, "4h": 240,
    "6h": 360, "8h": 480, "12h": 720, "1d": 1_440, "3d": 4_320,
}  # fmt: skip


def symbol_id(instrument: Instrument) -> str:
    """Return the id of a pair: `ETHUSDT`."""
    return instrument.base.name + instrument.quote.name


def milliseconds(at_ns: int) -> int:
    """Return a time as Binance writes it."""
    return at_ns // MS_NS


def date_text(at_ns: int) -> str:
    """Return a time as the wallet's histories write it."""
    return f"{datetime.fromtimestamp(at_ns // 1_000_000_000, UTC):%Y-%m-%d %H:%M:%S}"


def side_name(side: int) -> str:
    """Return Binance's word for a side."""
    return "BUY" if side == BUY else "SELL"


def decimal(units: int, decimals: int, *, digits: int = DECIMALS) -> str:
    """Return units of 10**-`decimals` with exactly `digits` decimals, truncated."""
    shift = digits - decimals
    factor: int = 10 ** abs(shift)
    scaled = units * factor if shift >= 0 else int(abs(units) // factor) * (1 if units >= 0 else -1)
    return format_units(scaled, digits)


class Numbers:
    """How the amounts of one instrument are written: spot with 8 decimals, futures with its own."""

    def __init__(self, instrument: Instrument, *, is_futures: bool) -> None:
        self._instrument = instrument
        self._price_digits = instrument.price_decimals if is_futures else DECIMALS
        self._quantity_digits = instrument.lot_decimals if is_futures else DECIMALS

    def price(self, ticks: int) -> str:
        instrument = self._instrument
        units, decimals = ticks * instrument.tick_units, instrument.price_decimals
        return decimal(units, decimals, digits=self._price_digits)

    def quantity(self, lots: int) -> str:
        instrument = self._instrument
        units, decimals = lots * instrument.lot_units, instrument.lot_decimals
        return decimal(units, decimals, digits=self._quantity_digits)

    def quote(self, units: int) -> str:
        return decimal(units, self._instrument.quote.decimals)

    def average(self, cost_units: int, lots: int) -> str:
        """Return a mean price with all its digits."""
        wide = self._instrument._replace(price_decimals=DECIMALS)
        return format_units(wide.average_price_units(cost_units, lots), DECIMALS)

    def turnover(self, turnover: int) -> str:
        """Return ticks times lots in quote."""
        instrument = self._instrument
        units = turnover * instrument.tick_units * instrument.lot_units
        return decimal(units, instrument.price_decimals + instrument.lot_decimals)


_ENDED = {
    "IOC order not filled": "EXPIRED",
    "Self trade": "EXPIRED_IN_MATCH",
    "Post only order would take": "EXPIRED",
    "Nothing left to reduce": "EXPIRED",
    "Insufficient funds at the trigger": "EXPIRED",
    "Liquidation": "EXPIRED",
}


def status_name(order: Order) -> str:
    """Return Binance's word for the state of an order."""
    if order.is_open:
        return "PARTIALLY_FILLED" if order.filled_lots else "NEW"
    if order.status is OrderStatus.CLOSED:
        return "FILLED"
    if order.status is OrderStatus.EXPIRED:
        return "EXPIRED"
    return _ENDED.get(order.reason, "CANCELED")


def spot_type(order: Order) -> str:
    """Return the type of a spot order."""
    if order.trigger_kind is not TriggerKind.NONE:
        name = "STOP_LOSS" if order.trigger_kind is TriggerKind.STOP else "TAKE_PROFIT"
        return name if order.is_market else f"{name}_LIMIT"
    if order.is_market:
        return "MARKET"
    return "LIMIT_MAKER" if order.post_only else "LIMIT"


def futures_type(order: Order) -> str:
    """Return the type of a futures order as it was asked for."""
    if order.trigger_kind is not TriggerKind.NONE:
        name = "STOP" if order.trigger_kind is TriggerKind.STOP else "TAKE_PROFIT"
        return f"{name}_MARKET" if order.is_market else name
    return "MARKET" if order.is_market else "LIMIT"


def time_in_force(order: Order, *, is_futures: bool) -> str:
    """Return the time in force; post-only futures orders are `GTX`."""
    return "GTX" if is_futures and order.post_only else order.time_in_force.value
