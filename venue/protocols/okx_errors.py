"""OKX's error codes and texts, and which of the venue's refusals each stands for.

Sources: ccxt 4.5.90's own table, and okx.com/docs-v5 (error codes). What an order is refused for
comes as `sCode` and `sMsg` of its row, everything else as `code` and `msg` of the answer.
"""

from venue.refusals import Refusal

BAD_REQUEST = 400
UNAUTHORIZED = 401
NOT_FOUND = 404
TOO_MANY = 429
UNAVAILABLE = 503
INCORRECT = "51000"
EXPIRED = ("50036", "The expTime can't be earlier than the current system time.")


class OkxError(Exception):
    """A request, or one order of it, that is answered with a code and a text."""

    def __init__(self, code: str, text: str, status: int = 200) -> None:
        self.code = code
        self.text = text
        self.status = status
        super().__init__(f"{code} {text}")


REFUSALS: dict[Refusal, tuple[str, str]] = {
    Refusal.INSUFFICIENT_FUNDS: ("51008", "Order failed. Insufficient balance in account"),
    Refusal.ORDER_MINIMUM: (
        "51020",
        "Your order should meet or exceed the minimum order amount.",
    ),
    Refusal.COST_MINIMUM: (
        "51020",
        "Your order should meet or exceed the minimum order amount.",
    ),
    Refusal.UNKNOWN_ORDER: (
        "51400",
        "Order cancellation failed as the order has been filled, canceled or does not exist.",
    ),
    Refusal.DUPLICATE_CLIENT_ID: ("51016", "Client order ID already exists."),
    Refusal.POST_ONLY: (
        "51511",
        "Operation failed as the order price doesn't meet the requirement for Post Only.",
    ),
    Refusal.INVALID_PRICE: ("51006", "Order price is not within the price limit."),
    Refusal.INVALID_VOLUME: ("51005", "Your order amount exceeds the max order amount."),
    Refusal.ORDERS_LIMIT: ("51174", "The number of pending orders reached the upper limit."),
    Refusal.NO_LIQUIDITY: ("51109", "There's no available offer."),
    Refusal.PERMISSION: ("50114", "Invalid authorization."),
    Refusal.TRIGGERS_NOW: ("51280", "SL trigger price cannot be higher than the last price"),
    Refusal.REDUCE_ONLY: (
        "51169",
        "Order failed because you don't have any positions in this direction to reduce or close.",
    ),
    Refusal.WAITING_LIMIT: ("51261", "Pending stop orders reached the upper limit."),
    Refusal.LEVERAGE: (
        "59102",
        "Leverage exceeds the maximum limit. Please lower the leverage.",
    ),
    Refusal.HAS_POSITION: (
        "59000",
        "Setting failed. Cancel any open orders, close positions, and stop trading bots first.",
    ),
    Refusal.HALTED: ("51022", "Contract suspended."),
}
# What an amendment is refused for where that has a code of its own.
AMEND_REFUSALS: dict[Refusal, tuple[str, str]] = {
    Refusal.INSUFFICIENT_FUNDS: (
        "51502",
        "Order modification failed for insufficient balance or margin.",
    ),
    Refusal.UNKNOWN_ORDER: ("51503", "Order modification failed as the order does not exist."),
}
LEVERAGE_REFUSALS: dict[Refusal, tuple[str, str]] = {
    Refusal.INSUFFICIENT_FUNDS: (
        "59103",
        "Leverage is too low, and there isn't enough margin in your account.",
    ),
}


def incorrect(name: str) -> OkxError:
    """Return the error for a parameter that has no such value."""
    return OkxError(INCORRECT, f"Parameter {name} error", BAD_REQUEST)


def empty(name: str) -> OkxError:
    """Return the error for a parameter that is missing."""
    return OkxError("50014", f"Parameter {name} can not be empty.", BAD_REQUEST)


def no_instrument() -> OkxError:
    """Return the error for an instrument that is not listed."""
    return OkxError("51001", "Instrument ID, Instrument ID code, or Spread ID doesn't exist.")


def no_such_order() -> OkxError:
    """Return the error of a query for an order that is not there."""
    return OkxError("51603", "Order does not exist")


def refused(refusal: Refusal, own: dict[Refusal, tuple[str, str]] | None = None) -> OkxError:
    """Return the venue's words for a refusal of the core."""
    code, text = (own or {}).get(refusal) or REFUSALS[refusal]
    return OkxError(code, text)
