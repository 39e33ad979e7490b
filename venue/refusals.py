"""Why the venue refuses a request: one word per reason, mapped to text by each protocol."""

from enum import StrEnum


class Refusal(StrEnum):
    """Reasons of the matching venue itself, in no protocol's words."""

    INSUFFICIENT_FUNDS = "insufficient funds"
    ORDER_MINIMUM = "order minimum not met"
    COST_MINIMUM = "cost minimum not met"
    UNKNOWN_ORDER = "unknown order"
    DUPLICATE_CLIENT_ID = "client order id in use by an open order"
    POST_ONLY = "post-only order would take"
    INVALID_PRICE = "price outside the book"
    INVALID_VOLUME = "quantity outside the book"
    ORDERS_LIMIT = "too many open orders"
    NO_LIQUIDITY = "nothing to trade against"
    PERMISSION = "permission denied"
    TRIGGERS_NOW = "trigger would fire at once"
    REDUCE_ONLY = "reduce-only order would not reduce"
    WAITING_LIMIT = "too many waiting trigger orders"
    LEVERAGE = "leverage not allowed"
    HAS_POSITION = "not while there is a position or an open order"
    HALTED = "market takes cancels only"


class RefusedError(Exception):
    """The venue refuses; nothing was changed."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.value)
