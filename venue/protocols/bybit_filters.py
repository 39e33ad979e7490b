"""The bounds of a symbol: what instruments-info tells, and what an order's numbers are held to."""

from venue.instruments import Contract, Instrument, MalformedNumberError
from venue.listing import Listing
from venue.orders import BUY
from venue.protocols.bybit_errors import BybitError, invalid, parameter
from venue.protocols.bybit_names import SPOT, Numbers, category_of, milliseconds, plain, symbol_id

Json = dict[str, object]

PRICE_TICKS_MAX = 1 << 24
QUANTITY_LOTS_MAX = 1 << 40
# A buy may be limited this far above the last price, a sale this far below: priceLimitRatio.
PRICE_PERCENT = 5
OPEN_ORDERS_MAX = 500
WAITING_ORDERS_MAX = 30


def instrument_row(listing: Listing) -> Json:
    """Return a listing as instruments-info shows it."""
    instrument = listing.instrument
    numbers = Numbers(instrument)
    common: Json = {
        "symbol": symbol_id(instrument),
        "baseCoin": instrument.base.name,
        "quoteCoin": instrument.quote.name,
        "status": "Closed" if listing.is_halted else "Trading",
        "riskParameters": {"priceLimitRatioX": "0.05", "priceLimitRatioY": "0.05"},
    }
    sizes: Json = {
        "minOrderQty": numbers.quantity(instrument.order_minimum_lots),
        "maxOrderQty": numbers.quantity(QUANTITY_LOTS_MAX),
    }
    least_cost = plain(instrument.cost_minimum_units, instrument.quote.decimals)
    if instrument.contract is not None:
        return common | _contract_row(listing, instrument.contract, sizes, least_cost)
    sizes |= {
        "basePrecision": numbers.quantity(1),
        "quotePrecision": plain(1, instrument.quote.decimals),
        "minOrderAmt": least_cost,
        "maxOrderAmt": "4000000",
    }
    return common | {
        "innovation": "0",
        "marginTrading": "none",
        "stTag": "0",
        "lotSizeFilter": sizes,
        "priceFilter": {"tickSize": numbers.price(1)},
    }


def _contract_row(listing: Listing, contract: Contract, sizes: Json, least_cost: str) -> Json:
    numbers = Numbers(listing.instrument)
    most = numbers.quantity(QUANTITY_LOTS_MAX)
    return {
        "contractType": "LinearPerpetual",
        "launchTime": milliseconds(listing.epoch_ns),
        "deliveryTime": "0",
        "deliveryFeeRate": "",
        "priceScale": str(listing.instrument.price_decimals),
        "leverageFilter": {
            "minLeverage": "1",
            "maxLeverage": f"{contract.leverage_max}.00",
            "leverageStep": "1",
        },
        "priceFilter": {
            "minPrice": numbers.price(1),
            "maxPrice": numbers.price(PRICE_TICKS_MAX),
            "tickSize": numbers.price(1),
        },
        "lotSizeFilter": sizes
        | {
            "qtyStep": numbers.quantity(1),
            "maxMktOrderQty": most,
            "postOnlyMaxOrderQty": most,
            "minNotionalValue": least_cost,
        },
        "unifiedMarginTrade": True,
        "fundingInterval": contract.funding_interval_s // 60,
        "settleCoin": listing.instrument.quote.name,
        "copyTrading": "none",
        "isPreListing": False,
    }


def price_ticks(listing: Listing, name: str, text: str) -> int:
    """Return the ticks of a price. Raises `BybitError`."""
    category = category_of(listing)
    try:
        ticks = listing.instrument.parse_price(text)
    except MalformedNumberError as error:
        words = "Order price has too many decimals."
        raise invalid(category, 170134, words, f"{name} invalid") from error
    if not 1 <= ticks <= PRICE_TICKS_MAX:
        raise invalid(category, 170132, "Order price too high.", f"{name} invalid")
    return ticks


def quantity_lots(listing: Listing, text: str) -> int:
    """Return the lots of a quantity of base. Raises `BybitError`."""
    category = category_of(listing)
    try:
        lots = listing.instrument.parse_quantity(text)
    except MalformedNumberError as error:
        words = "Order quantity has too many decimals."
        raise invalid(category, 170137, words, "Qty invalid") from error
    if lots > QUANTITY_LOTS_MAX:
        words = "The number of contracts exceeds maximum limit allowed: too large"
        raise invalid(category, 170135, "Order quantity too large.", words)
    return lots


def cost_units(instrument: Instrument, text: str) -> int:
    """Return the units of an amount of quote. Raises `BybitError`."""
    try:
        return instrument.quote.parse(text)
    except MalformedNumberError as error:
        raise BybitError(170148, "Market order amount decimal too long.") from error


def check_price(listing: Listing, side: int, ticks: int) -> None:
    """Raise `BybitError` for a buy far above, or a sale far below, the last price."""
    last = listing.last_ticks
    high, low = last * (100 + PRICE_PERCENT) // 100, -(-last * (100 - PRICE_PERCENT) // 100)
    numbers = Numbers(listing.instrument)
    is_spot = category_of(listing) == SPOT
    if side == BUY and ticks > high:
        if is_spot:
            text = f"Buy order price cannot be higher than {numbers.price(high)}."
            raise BybitError(170193, text)
        raise BybitError(110003, "Order price exceeds the allowable range.")
    if side != BUY and ticks < low:
        if is_spot:
            text = f"Sell order price cannot be lower than {numbers.price(low)}."
            raise BybitError(170194, text)
        raise BybitError(110003, "Order price exceeds the allowable range.")


def check_number(name: str, text: str) -> str:
    """Return the text of a number that must be there. Raises `BybitError`."""
    if not text:
        raise parameter(f"{name} is required")
    return text
