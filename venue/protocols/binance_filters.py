"""The filters of a symbol: what exchangeInfo tells, and what an order's numbers are held to."""

import re

from venue.instruments import Instrument, MalformedNumberError
from venue.listing import Listing
from venue.orders import BUY
from venue.protocols.binance_errors import BinanceError, illegal, mandatory
from venue.protocols.binance_flavor import Flavor
from venue.protocols.binance_names import DECIMALS, Numbers, decimal

Json = dict[str, object]

PRICE_TICKS_MAX = 1 << 24
QUANTITY_LOTS_MAX = 1 << 40
OPEN_ORDERS_MAX = 200
WAITING_ORDERS_MAX = 5
# A price may lie between a fifth and five times of the last one; futures allow 5 % only.
MULTIPLIER = 5
FUTURES_PERCENT = 5
_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20}")
_NUMBER_RANGE = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"


def price_ticks(instrument: Instrument, name: str, text: str) -> int:
    """Return the ticks of a price. Raises `BinanceError`."""
    _check_number(name, text)
    try:
        ticks = instrument.parse_price(text)
    except MalformedNumberError as error:
        raise BinanceError(-1013, "Filter failure: PRICE_FILTER") from error
    if not 1 <= ticks <= PRICE_TICKS_MAX:
        raise BinanceError(-1013, "Filter failure: PRICE_FILTER")
    return ticks


def quantity_lots(instrument: Instrument, text: str) -> int:
    """Return the lots of a quantity. Raises `BinanceError`."""
    _check_number("quantity", text)
    try:
        lots = instrument.parse_quantity(text)
    except MalformedNumberError as error:
        raise BinanceError(-1013, "Filter failure: LOT_SIZE") from error
    if not 1 <= lots <= QUANTITY_LOTS_MAX:
        raise BinanceError(-1013, "Filter failure: LOT_SIZE")
    return lots


def check_percent_price(flavor: Flavor, listing: Listing, side: int, ticks: int) -> None:
    """Raise `BinanceError` for a price too far from the last one."""
    last = listing.last_ticks
    if flavor.is_futures:
        up = last * (100 + FUTURES_PERCENT)
        down = last * (100 - FUTURES_PERCENT)
        if side == BUY and ticks * 100 > up:
            text = f"Limit price can't be higher than {listing.instrument.format_price(up // 100)}."
            raise BinanceError(-4016, text)
        if side != BUY and ticks * 100 < down:
            text = (
                f"Limit price can't be lower than {listing.instrument.format_price(down // 100)}."
            )
            raise BinanceError(-4024, text)
    elif not last <= ticks * MULTIPLIER <= last * MULTIPLIER * MULTIPLIER:
        raise BinanceError(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")


def filters_of(flavor: Flavor, instrument: Instrument) -> list[Json]:
    """Return the filters of a symbol as exchangeInfo shows them."""
    numbers = Numbers(instrument, is_futures=flavor.is_futures)
    sizes: Json = {
        "minQty": numbers.quantity(instrument.order_minimum_lots),
        "maxQty": numbers.quantity(QUANTITY_LOTS_MAX),
        "stepSize": numbers.quantity(1),
    }
    prices: Json = {
        "minPrice": numbers.price(1),
        "maxPrice": numbers.price(PRICE_TICKS_MAX),
        "tickSize": numbers.price(1),
    }
    least_cost = decimal(instrument.cost_minimum_units, instrument.quote.decimals)
    return [
        {"filterType": "PRICE_FILTER", **prices},
        {"filterType": "LOT_SIZE", **sizes},
        {"filterType": "MARKET_LOT_SIZE", **sizes},
        *(_futures(least_cost) if flavor.is_futures else _spot(flavor, least_cost)),
    ]


def _futures(least_cost: str) -> list[Json]:
    percent = {"multiplierUp": "1.0500", "multiplierDown": "0.9500", "multiplierDecimal": "4"}
    return [
        {"filterType": "MAX_NUM_ORDERS", "limit": OPEN_ORDERS_MAX},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": 2 * WAITING_ORDERS_MAX},
        {"filterType": "MIN_NOTIONAL", "notional": least_cost},
        {"filterType": "PERCENT_PRICE", **percent},
    ]


def _spot(flavor: Flavor, least_cost: str) -> list[Json]:
    notional: Json = {"filterType": flavor.notional_filter, "minNotional": least_cost}
    if flavor.notional_filter == "NOTIONAL":
        extra = {"applyMinToMarket": True, "maxNotional": "9000000.00000000"}
        notional |= {**extra, "applyMaxToMarket": False, "avgPriceMins": 5}
    else:
        notional |= {"applyToMarket": True, "avgPriceMins": 5}
    bid = {"bidMultiplierUp": "5", "bidMultiplierDown": "0.2"}
    ask = {"askMultiplierUp": "5", "askMultiplierDown": "0.2", "avgPriceMins": 5}
    return [
        {"filterType": "PERCENT_PRICE_BY_SIDE", **bid, **ask},
        notional,
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": OPEN_ORDERS_MAX},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "maxNumAlgoOrders": WAITING_ORDERS_MAX},
    ]


def _check_number(name: str, text: str) -> None:
    if not text:
        raise mandatory(name)
    if not _NUMBER.fullmatch(text):
        raise illegal(name, _NUMBER_RANGE)
    if len(text.partition(".")[2].rstrip("0")) > DECIMALS:
        raise BinanceError(-1111, f"Parameter '{name}' has too much precision.")
