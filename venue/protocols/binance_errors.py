"""Binance's error codes and texts, and which of the venue's refusals each stands for.

Sources: ccxt 4.5.90's own tables, and developers.binance.com (spot and USD-M, error codes).
"""

from venue.refusals import Refusal

UNAUTHORIZED = 401
TOO_MANY = 429
BANNED = 418
BAD_REQUEST = 400
NOT_FOUND = 404


class BinanceError(Exception):
    """A request that is answered with a code and a text."""

    def __init__(self, code: int, text: str, status: int = BAD_REQUEST) -> None:
        self.code = code
        self.text = text
        self.status = status
        super().__init__(f"{code} {text}")


SPOT_REFUSALS: dict[Refusal, tuple[int, str]] = {
    Refusal.INSUFFICIENT_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Refusal.ORDER_MINIMUM: (-1013, "Filter failure: LOT_SIZE"),
    Refusal.COST_MINIMUM: (-1013, "Filter failure: NOTIONAL"),
    Refusal.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Refusal.DUPLICATE_CLIENT_ID: (-2010, "Duplicate order sent."),
    Refusal.POST_ONLY: (-2010, "Order would immediately match and take."),
    Refusal.INVALID_PRICE: (-1013, "Filter failure: PRICE_FILTER"),
    Refusal.INVALID_VOLUME: (-1013, "Filter failure: LOT_SIZE"),
    Refusal.ORDERS_LIMIT: (-1013, "Filter failure: MAX_NUM_ORDERS"),
    Refusal.NO_LIQUIDITY: (-2010, "Market is closed."),
    Refusal.PERMISSION: (-2015, "Invalid API-key, IP, or permissions for action."),
    Refusal.TRIGGERS_NOW: (-2010, "Stop price would trigger immediately."),
    Refusal.REDUCE_ONLY: (-1106, "Parameter 'reduceOnly' sent when not required."),
    Refusal.WAITING_LIMIT: (-1013, "Filter failure: MAX_NUM_ALGO_ORDERS"),
    Refusal.LEVERAGE: (-1130, "Data sent for parameter 'leverage' is not valid."),
    Refusal.HAS_POSITION: (-1130, "Data sent for parameter 'marginType' is not valid."),
    Refusal.HALTED: (-1013, "Market is closed."),
}

FUTURES_REFUSALS: dict[Refusal, tuple[int, str]] = {
    Refusal.INSUFFICIENT_FUNDS: (-2019, "Margin is insufficient."),
    Refusal.ORDER_MINIMUM: (-4003, "Quantity less than or equal to zero."),
    Refusal.COST_MINIMUM: (
        -4164,
        "Order's notional must be no smaller than the minimum (unless you choose reduce only).",
    ),
    Refusal.UNKNOWN_ORDER: (-2011, "Unknown order sent."),
    Refusal.DUPLICATE_CLIENT_ID: (-4116, "ClientOrderId is duplicated."),
    Refusal.POST_ONLY: (
        -5022,
        "Due to the order could not be executed as maker, the Post Only order will be rejected.",
    ),
    Refusal.INVALID_PRICE: (-4014, "Price not increased by tick size."),
    Refusal.INVALID_VOLUME: (-4005, "Quantity greater than max quantity."),
    Refusal.ORDERS_LIMIT: (-2025, "Reach max open order limit."),
    Refusal.NO_LIQUIDITY: (-2020, "Unable to fill."),
    Refusal.PERMISSION: (-2015, "Invalid API-key, IP, or permissions for action."),
    Refusal.TRIGGERS_NOW: (-2021, "Order would immediately trigger."),
    Refusal.REDUCE_ONLY: (-2022, "ReduceOnly Order is rejected."),
    Refusal.WAITING_LIMIT: (-4045, "Reach max stop order limit."),
    Refusal.LEVERAGE: (-4028, "Leverage is not valid"),
    Refusal.HAS_POSITION: (-4048, "Margin type cannot be changed if there exists position."),
    Refusal.HALTED: (-4108, "This contract is either delivering or not trading."),
}


def mandatory(name: str) -> BinanceError:
    """Return the error for a parameter that is missing."""
    text = f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed."
    return BinanceError(-1102, text)


def illegal(name: str, legal: str) -> BinanceError:
    """Return the error for a parameter with characters that it may not have."""
    text = f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
    return BinanceError(-1100, text)


def invalid_symbol() -> BinanceError:
    """Return the error for a symbol that is not listed."""
    return BinanceError(-1121, "Invalid symbol.")


def no_such_order() -> BinanceError:
    """Return the error of a query for an order that is not there."""
    return BinanceError(-2013, "Order does not exist.")
