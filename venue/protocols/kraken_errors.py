"""Kraken's error strings, and which of the venue's refusals each stands for."""

from venue.refusals import Refusal

INVALID_KEY = "EAPI:Invalid key"
INVALID_SIGNATURE = "EAPI:Invalid signature"
INVALID_NONCE = "EAPI:Invalid nonce"
RATE_LIMIT = "EAPI:Rate limit exceeded"
ORDER_RATE_LIMIT = "EOrder:Rate limit exceeded"
INVALID_ARGUMENTS = "EGeneral:Invalid arguments"
UNKNOWN_METHOD = "EGeneral:Unknown method"
UNKNOWN_PAIR = "EQuery:Unknown asset pair"
UNKNOWN_ASSET = "EQuery:Unknown asset"
UNAVAILABLE = "EService:Unavailable"
DEADLINE = "EService:Deadline elapsed"
TICK_SIZE = "EOrder:Tick size check failed"
UNKNOWN_ORDER = "EOrder:Unknown order"
INVALID_SESSION = "ESession:Invalid session"

REFUSALS: dict[Refusal, str] = {
    Refusal.INSUFFICIENT_FUNDS: "EOrder:Insufficient funds",
    Refusal.ORDER_MINIMUM: "EOrder:Order minimum not met",
    Refusal.COST_MINIMUM: "EOrder:Cost minimum not met",
    Refusal.UNKNOWN_ORDER: UNKNOWN_ORDER,
    Refusal.DUPLICATE_CLIENT_ID: "EOrder:Duplicate cl_ord_id",
    Refusal.POST_ONLY: "EOrder:Post only order",
    Refusal.INVALID_PRICE: "EOrder:Invalid price",
    Refusal.INVALID_VOLUME: f"{INVALID_ARGUMENTS}:volume",
    Refusal.ORDERS_LIMIT: "EOrder:Orders limit exceeded",
    Refusal.NO_LIQUIDITY: "EOrder:Insufficient liquidity",
    Refusal.PERMISSION: "EGeneral:Permission denied",
    Refusal.TRIGGERS_NOW: "EOrder:Invalid price",
    Refusal.WAITING_LIMIT: "EOrder:Orders limit exceeded",
    Refusal.HALTED: "EService:Market in cancel_only mode",
}


class KrakenError(Exception):
    """A request that is answered with an error string."""

    def __init__(self, text: str) -> None:
        self.text = text
        super().__init__(text)


def invalid(argument: str) -> KrakenError:
    """Return the error for a malformed `argument`."""
    return KrakenError(f"{INVALID_ARGUMENTS}:{argument}")
