"""Coinbase Advanced's words for what is wrong, and which of the venue's refusals each stands for.

An order is refused with HTTP 200 and `success` false, in two words: why there is no new order, and
what a preview of it would say. Everything else is refused with a status and an error. Source: the
enums of docs.cdp.coinbase.com (orders), ccxt 4.5.90's table.
"""

from typing import NamedTuple

from venue.refusals import Refusal

BAD_REQUEST = 400
UNAUTHORIZED = 401
FORBIDDEN = 403
NOT_FOUND = 404
TOO_MANY = 429


class Words(NamedTuple):
    """A refusal of an order."""

    failure: str
    preview: str
    message: str


REFUSALS: dict[Refusal, Words] = {
    Refusal.INSUFFICIENT_FUNDS: Words(
        "INSUFFICIENT_FUND", "PREVIEW_INSUFFICIENT_FUND", "Insufficient balance in source account"
    ),
    Refusal.ORDER_MINIMUM: Words(
        "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_SMALL", "Order size is too small"
    ),
    Refusal.COST_MINIMUM: Words(
        "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_QUOTE_SIZE_TOO_SMALL", "Order value is too small"
    ),
    Refusal.UNKNOWN_ORDER: Words(
        "INVALID_REQUEST", "UNKNOWN_PREVIEW_FAILURE_REASON", "order with this orderID was not found"
    ),
    Refusal.DUPLICATE_CLIENT_ID: Words(
        "INVALID_REQUEST", "UNKNOWN_PREVIEW_FAILURE_REASON", "client_order_id is taken"
    ),
    Refusal.POST_ONLY: Words(
        "INVALID_LIMIT_PRICE_POST_ONLY",
        "PREVIEW_INVALID_LIMIT_PRICE_POST_ONLY",
        "Post only order would take",
    ),
    Refusal.INVALID_PRICE: Words(
        "INVALID_LIMIT_PRICE", "PREVIEW_INVALID_PRICE_TOO_LARGE", "Limit price is out of bounds"
    ),
    Refusal.INVALID_VOLUME: Words(
        "UNKNOWN_FAILURE_REASON", "PREVIEW_INVALID_BASE_SIZE_TOO_LARGE", "Order size is too large"
    ),
    Refusal.ORDERS_LIMIT: Words(
        "COMMANDER_REJECTED_NEW_ORDER", "UNKNOWN_PREVIEW_FAILURE_REASON", "Too many open orders"
    ),
    Refusal.NO_LIQUIDITY: Words(
        "INVALID_NO_LIQUIDITY", "PREVIEW_INVALID_NO_LIQUIDITY", "There is nothing to trade against"
    ),
    Refusal.PERMISSION: Words(
        "ORDER_ENTRY_DISABLED", "UNKNOWN_PREVIEW_FAILURE_REASON", "The key may not trade"
    ),
    Refusal.TRIGGERS_NOW: Words(
        "UNKNOWN_FAILURE_REASON",
        "PREVIEW_STOP_PRICE_ABOVE_LAST_TRADE_PRICE",
        "The stop price would trigger at once",
    ),
    Refusal.REDUCE_ONLY: Words(
        "UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_INVALID_ORDER_CONFIG", "There is no position"
    ),
    Refusal.WAITING_LIMIT: Words(
        "COMMANDER_REJECTED_NEW_ORDER", "UNKNOWN_PREVIEW_FAILURE_REASON", "Too many stop orders"
    ),
    Refusal.LEVERAGE: Words(
        "INVALID_LEVERAGE", "PREVIEW_INVALID_LEVERAGE", "Leverage is not allowed"
    ),
    Refusal.HAS_POSITION: Words(
        "INVALID_MARGIN_TYPE", "PREVIEW_INVALID_MARGIN_TYPE", "Not while there is a position"
    ),
    Refusal.HALTED: Words(
        "UNTRADABLE_PRODUCT", "PREVIEW_INVALID_PRODUCT_ID", "The product takes cancels only"
    ),
}


class CoinbaseError(Exception):
    """A request that is answered with a status, an error and what it means."""

    def __init__(self, error: str, text: str, status: int = BAD_REQUEST) -> None:
        self.error = error
        self.text = text
        self.status = status
        super().__init__(f"{error} {text}")


class OrderError(Exception):
    """An order that cannot be, for what its configuration says."""

    def __init__(self, words: Words) -> None:
        self.words = words
        super().__init__(words.message)


class UnauthorizedError(Exception):
    """Who sends a request is not who it should be; the answer is no JSON."""


def invalid(text: str) -> CoinbaseError:
    """Return the error for a parameter that is missing or wrong."""
    return CoinbaseError("INVALID_ARGUMENT", text)


def not_found(text: str) -> CoinbaseError:
    """Return the error for what is not there."""
    return CoinbaseError("NOT_FOUND", text, NOT_FOUND)


def unsupported(text: str) -> OrderError:
    """Return the error for a configuration that is none."""
    words = ("UNSUPPORTED_ORDER_CONFIGURATION", "PREVIEW_INVALID_ORDER_CONFIG", text)
    return OrderError(Words(*words))
