"""OKX's names and ways to write numbers and times.

Numbers are text without trailing zeros. A perpetual's quantities are counted in contracts, of which
each is `ctVal` of the base asset.
"""

from datetime import UTC, datetime

from venue.instruments import Instrument, format_units, parse_units
from venue.orders import BUY, Order, OrderStatus, TimeInForce

MS_NS = 1_000_000
US_NS = 1_000
SPOT, SWAP = "SPOT", "SWAP"
AVERAGE_DECIMALS = 10
# A contract is 10**-n of the base asset, as OKX lists them; of other assets it is one whole.
_CONTRACT_DECIMALS = {"BTC": 2, "ETH": 1}
# Minutes of each bar that begins at a multiple of its length in UTC.
INTERVALS = {
    "1m": 1, "3m": 3, "5m": 5, "15m": 15, "30m": 30, "1H": 60, "2H": 120, "4H": 240,
    "6Hutc": 360, "12Hutc": 720, "1Dutc": 1_440, "2Dutc": 2_880, "3Dutc": 4_320,
}  # fmt: skip


def inst_id(instrument: Instrument) -> str:
    """Return the id of a pair, `ETH-USDT`, or of a perpetual, `ETH-USDT-SWAP`."""
    return family(instrument) + ("" if instrument.contract is None else "-SWAP")


def family(instrument: Instrument) -> str:
    """Return the underlying: `ETH-USDT`."""
    return f"{instrument.base.name}-{instrument.quote.name}"


def inst_type(instrument: Instrument) -> str:
    """Return the kind of an instrument."""
    return SPOT if instrument.contract is None else SWAP


def milliseconds(at_ns: int) -> str:
    """Return a time as OKX writes it."""
    return str(at_ns // MS_NS)


def microseconds(at_ns: int) -> str:
    """Return a time as OKX writes those of its gateway."""
    return str(at_ns // US_NS)


def parse_iso(text: str) -> int | None:
    """Return the nanoseconds of a timestamp like `2020-12-08T09:08:57.715Z`, None for another."""
    try:
        at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
    except ValueError:
        return None
    return round(at.timestamp() * 1_000) * MS_NS


def side_name(side: int) -> str:
    """Return OKX's word for a side."""
    return "buy" if side == BUY else "sell"


def trimmed(text: str) -> str:
    """Return a number without trailing zeros, as OKX writes all of them."""
    return text.rstrip("0").rstrip(".") if "." in text else text


def decimal(units: int, decimals: int) -> str:
    """Return units of 10**-`decimals` as text."""
    return trimmed(format_units(units, decimals))


class Numbers:
    """How the amounts of one instrument are read and written."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        is_swap = instrument.contract is not None
        self._shift = _CONTRACT_DECIMALS.get(instrument.base.name, 0) if is_swap else 0

    @property
    def contract_value(self) -> str:
        """One contract in base."""
        return decimal(1, self._shift)

    def price(self, ticks: int) -> str:
        """Return a price; 0 is that of nothing."""
        return trimmed(self.instrument.format_price(ticks))

    def size(self, lots: int) -> str:
        """Return a quantity: of base for a pair, of contracts for a perpetual."""
        decimals = self.instrument.lot_decimals - self._shift
        units = lots * self.instrument.lot_units
        return decimal(units, decimals) if decimals >= 0 else str(units * 10**-decimals)

    def lots(self, text: str) -> int:
        """Return the lots of a size. Raises `MalformedNumberError`."""
        instrument = self.instrument
        if not self._shift:
            return instrument.parse_quantity(text)
        decimals = max(0, instrument.lot_decimals - self._shift)
        parse_units(text, decimals)
        whole, _, fraction = text.partition(".")
        # A contract of a tenth: the point moves by one place to the left.
        digits = whole.rjust(self._shift + 1, "0")
        at = len(digits) - self._shift
        return instrument.parse_quantity(f"{digits[:at]}.{digits[at:]}{fraction}")

    def base(self, lots: int) -> str:
        """Return a quantity in base, whatever it is counted in."""
        return trimmed(self.instrument.format_quantity(lots))

    def quote(self, units: int) -> str:
        """Return an amount of quote."""
        return decimal(units, self.instrument.quote.decimals)

    def average(self, cost_units: int, lots: int) -> str:
        """Return a mean price; empty where nothing was filled."""
        if not lots:
            return ""
        wide = self.instrument._replace(price_decimals=AVERAGE_DECIMALS)
        return decimal(wide.average_price_units(cost_units, lots), AVERAGE_DECIMALS)

    def turnover(self, turnover: int) -> str:
        """Return ticks times lots in quote."""
        instrument = self.instrument
        units = turnover * instrument.tick_units * instrument.lot_units
        return decimal(units, instrument.price_decimals + instrument.lot_decimals)

    def fee(self, units: int, asset: str) -> str:
        """Return a fee, negative as OKX writes what it takes."""
        instrument = self.instrument
        is_base = asset == instrument.base.name
        decimals = (instrument.base if is_base else instrument.quote).decimals
        return decimal(-units, decimals) if units else "0"


def state_name(order: Order) -> str:
    """Return OKX's word for the state of an order."""
    if order.is_open:
        return "partially_filled" if order.filled_lots else "live"
    return "filled" if order.status is OrderStatus.CLOSED else "canceled"


def order_type(order: Order) -> str:
    """Return the type of a plain order."""
    if order.is_market:
        return "market"
    if order.post_only:
        return "post_only"
    names = {TimeInForce.IOC: "ioc", TimeInForce.FOK: "fok"}
    return names.get(order.time_in_force, "limit")


# Why an order was cancelled, as `cancelSource` and its explanation say.
_SOURCES = {
    "User requested": ("1", "Order canceled by user"),
    "Self trade": ("33", "The order was canceled by self trade prevention"),
    "IOC order not filled": ("14", "Order canceled: IOC order was partially canceled"),
    "Post only order would take": ("31", "The post-only order will take liquidity in taker orders"),
    "Nothing left to reduce": ("9", "Order canceled: reduce-only order without a position"),
    "Insufficient funds at the trigger": ("3", "Order canceled: insufficient balance"),
    "Liquidation": ("2", "Order canceled: pre-liquidation"),
    "Cancel all orders after": ("20", "Cancel all after triggered"),
}


def cancel_source(order: Order) -> tuple[str, str]:
    """Return code and explanation of a cancellation; empty for other orders."""
    if state_name(order) != "canceled":
        return "", ""
    if order.time_in_force is TimeInForce.FOK and order.reason == "IOC order not filled":
        return "13", "Order canceled: FOK order was canceled due to incompletely filled"
    return _SOURCES.get(order.reason, ("0", "Order canceled by system"))
