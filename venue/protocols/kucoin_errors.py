"""KuCoin's error codes and texts, and which of the venue's refusals each stands for.

Sources: ccxt 4.5.90's own tables, and KuCoin's page of error codes (docs-new, spot). Orders are
refused with HTTP 200 and a code; who may not ask gets 401, who asks too often 429.
"""

from venue.refusals import Refusal

OK = "200000"
BAD_REQUEST = "400100"
NO_ORDER = "order_not_exist_or_not_allow_to_cancel"
_ACCEPTED = 200
_UNAUTHORIZED = 401
_NOT_FOUND = 404
_TOO_MANY = 429


class KucoinError(Exception):
    """A request that is answered with a code and a text."""

    def __init__(self, code: str, text: str, status: int = _ACCEPTED) -> None:
        self.code = code
        self.text = text
        self.status = status
        super().__init__(f"{code} {text}")


REFUSALS: dict[Refusal, tuple[str, str]] = {
    Refusal.INSUFFICIENT_FUNDS: ("200004", "Balance insufficient!"),
    Refusal.ORDER_MINIMUM: (BAD_REQUEST, "Order size below the minimum requirement."),
    Refusal.COST_MINIMUM: ("600101", "The order funds should more then the minimum."),
    Refusal.UNKNOWN_ORDER: (BAD_REQUEST, NO_ORDER),
    Refusal.DUPLICATE_CLIENT_ID: ("126044", "clientOid duplicate"),
    Refusal.POST_ONLY: ("400200", "Forbidden to place an order: post only would take"),
    Refusal.INVALID_PRICE: ("126029", "The maximum order price is exceeded"),
    Refusal.INVALID_VOLUME: (BAD_REQUEST, "Order size above the maximum requirement."),
    Refusal.ORDERS_LIMIT: ("126011", "There are too many orders in the order"),
    Refusal.NO_LIQUIDITY: ("126015", "It is prohibited to place orders on this trading pair"),
    Refusal.PERMISSION: ("400007", "Access denied, require more permission"),
    Refusal.TRIGGERS_NOW: ("300000", "The stop price would trigger at once"),
    Refusal.REDUCE_ONLY: (BAD_REQUEST, "reduceOnly is not supported"),
    Refusal.WAITING_LIMIT: ("300004", "Stop order quantity limit exceeded"),
    Refusal.LEVERAGE: (BAD_REQUEST, "leverage is not supported"),
    Refusal.HAS_POSITION: (BAD_REQUEST, "positions are not supported"),
    Refusal.HALTED: ("126009", "Trading pair is suspended from creating orders"),
}


def invalid(text: str) -> KucoinError:
    """Return the error for a parameter that is missing or wrong."""
    return KucoinError(BAD_REQUEST, text)


def unauthorized(code: str, text: str) -> KucoinError:
    """Return the error for a request whose sender is not who it should be."""
    return KucoinError(code, text, _UNAUTHORIZED)


def no_such_symbol() -> KucoinError:
    """Return the error for a symbol that is not listed."""
    return KucoinError("400000", "symbol not exists")


def no_such_order() -> KucoinError:
    """Return the error of a query for an order that is not there."""
    return KucoinError(BAD_REQUEST, "order not exist.")


def no_such_path() -> KucoinError:
    """Return the error for an address that there is not."""
    return KucoinError("404000", "Url Not Found", _NOT_FOUND)


class LimitError(KucoinError):
    """A request that was refused before anybody looked at it."""

    def __init__(self, headers: tuple[tuple[str, str], ...]) -> None:
        super().__init__("429000", "Too many requests in a short period of time", _TOO_MANY)
        self.headers = headers
