"""Bybit's codes and texts, and which of the venue's refusals each stands for, spot and linear.

Sources: bybit-exchange.github.io/docs/v5/error, and ccxt 4.5.90's table of the codes.
"""

from venue.protocols.bybit_names import LINEAR, SPOT
from venue.refusals import Refusal

OK = 200
FORBIDDEN = 403
NOT_FOUND = 404

Headers = tuple[tuple[str, str], ...]


class BybitError(Exception):
    """A request that is answered with a `retCode` and a `retMsg`; mostly with HTTP 200, too."""

    def __init__(self, code: int, text: str, status: int = OK, headers: Headers = ()) -> None:
        self.code = code
        self.text = text
        self.status = status
        self.headers = headers
        super().__init__(f"{code} {text}")


_PERMISSION = (10005, "Permission denied, please check your API key permissions.")
_TOO_MANY = (170810, "Cannot exceed maximum of 500 conditional, TP/SL and active orders.")
_NOT_SPOT = (170227, "This feature is not supported.")
_PRICE_RANGE = (110003, "Order price exceeds the allowable range.")

REFUSALS: dict[str, dict[Refusal, tuple[int, str]]] = {
    SPOT: {
        Refusal.INSUFFICIENT_FUNDS: (170131, "Insufficient balance."),
        Refusal.ORDER_MINIMUM: (170136, "Order quantity lower than the minimum."),
        Refusal.COST_MINIMUM: (170140, "Order value exceeded lower limit."),
        Refusal.UNKNOWN_ORDER: (170213, "Order does not exist."),
        Refusal.DUPLICATE_CLIENT_ID: (170141, "Duplicate clientOrderId"),
        Refusal.POST_ONLY: (170218, "The LIMIT-MAKER order is rejected due to invalid price."),
        Refusal.INVALID_PRICE: (170132, "Order price too high."),
        Refusal.INVALID_VOLUME: (170135, "Order quantity too large."),
        Refusal.ORDERS_LIMIT: _TOO_MANY,
        Refusal.NO_LIQUIDITY: (170149, "Create order failed."),
        Refusal.PERMISSION: _PERMISSION,
        Refusal.TRIGGERS_NOW: (170210, "New order rejected."),
        Refusal.REDUCE_ONLY: _NOT_SPOT,
        Refusal.WAITING_LIMIT: _TOO_MANY,
        Refusal.LEVERAGE: _NOT_SPOT,
        Refusal.HAS_POSITION: _NOT_SPOT,
        Refusal.HALTED: (170157, "The trading pair is not available for api trading."),
    },
    LINEAR: {
        Refusal.INSUFFICIENT_FUNDS: (110007, "ab not enough for new order"),
        Refusal.ORDER_MINIMUM: (10001, "The number of contracts exceeds minimum limit allowed"),
        Refusal.COST_MINIMUM: (110094, "Order does not meet minimum order value"),
        Refusal.UNKNOWN_ORDER: (110001, "order not exists or too late to cancel"),
        Refusal.DUPLICATE_CLIENT_ID: (110072, "OrderLinkedID is duplicate"),
        Refusal.POST_ONLY: _PRICE_RANGE,
        Refusal.INVALID_PRICE: _PRICE_RANGE,
        Refusal.INVALID_VOLUME: (
            10001,
            "The number of contracts exceeds maximum limit allowed: too large",
        ),
        Refusal.ORDERS_LIMIT: (110020, "Not allowed to have more than 500 active orders"),
        Refusal.NO_LIQUIDITY: (110032, "Illegal order"),
        Refusal.PERMISSION: _PERMISSION,
        Refusal.TRIGGERS_NOW: (110092, "expect Rising, but trigger_price <= current"),
        Refusal.REDUCE_ONLY: (
            110017,
            "current position is zero, cannot fix reduce-only order qty",
        ),
        Refusal.WAITING_LIMIT: (
            110009,
            "The number of stop orders exceeds maximum limit allowed",
        ),
        Refusal.LEVERAGE: (110013, "Cannot set leverage due to risk limit level"),
        Refusal.HAS_POSITION: (110073, "Set margin mode failed"),
        Refusal.HALTED: (110066, "Trading is currently not allowed"),
    },
}


def parameter(text: str) -> BybitError:
    """Return the error for a parameter that is missing or wrong."""
    return BybitError(10001, f"params error: {text}")


def invalid(category: str, spot_code: int, spot_text: str, linear_text: str) -> BybitError:
    """Return the error for what spot has a code of its own for; linear has one for all."""
    return BybitError(spot_code, spot_text) if category == SPOT else parameter(linear_text)
