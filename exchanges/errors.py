"""The closed set of venue errors, and the one table that maps ccxt's exceptions to it.

    VenueError(code=...)
      RATE_LIMITED        the venue refused before looking at the request; `retry_after_ms` if told;
                          a gateway's 429 to an order is AMBIGUOUS with the reason `rate_limited`
      REJECTED            the venue looked and said no; `reason` says why; nothing was done
      INSUFFICIENT_FUNDS  a rejection: the account cannot pay for it
      INVALID             the request is wrong in itself (a bug or a bad symbol); nothing was done
      AUTHENTICATION      key, signature or permission; nothing was done
      NOT_FOUND           no such order at the venue (also: already closed)
      UNAVAILABLE         provably not done: no byte of the request was written, or the venue
                          refused it before looking at it, as for a nonce that came out of order
      AMBIGUOUS           bytes may have left and no verdict came: the outcome is unknown

What matters most is AMBIGUOUS against UNAVAILABLE: an ambiguous submit must never be sent again,
and an unavailable one may. The transport notes whether the request's first byte had been written
(exchanges/flight.py); an answer that is not the venue's verdict (a 5xx, a page) is ambiguous.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from typing import Literal

import trio

from exchanges.ccxt_names import errors as ccxt_errors
from exchanges.flight import Flight

Reason = Literal[
    "",
    "deadline_elapsed",
    "duplicate_client_order_id",
    "limit_of_orders",
    "market_mode",
    "minimum",
    "nonce",
    "off_grid",
    "post_only_would_take",
    "rate_limited",
    "other",
]

# An error text is for people and logs; a venue's HTML page is not worth more.
DETAIL_CHARACTERS_MAX = 300
# ccxt parses what venues send with code generated for a hundred of them; these are what it raises
# on input it did not expect. A list, not `Exception`: a MemoryError or a trio error must pass.
CCXT_RAISES: tuple[type[Exception], ...] = (
    ccxt_errors.BaseError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    NameError,
    ImportError,
    EOFError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
)


class Code(StrEnum):
    """The closed set; the module's docstring says what each promises."""

    RATE_LIMITED = "rate_limited"
    REJECTED = "rejected"
    INSUFFICIENT_FUNDS = "insufficient_funds"
    INVALID = "invalid"
    AUTHENTICATION = "authentication"
    NOT_FOUND = "not_found"
    UNAVAILABLE = "unavailable"
    AMBIGUOUS = "ambiguous"


class VenueError(Exception):
    """A venue did not do what it was asked. `code` says what that means for money."""

    def __init__(
        self,
        code: Code,
        venue: str,
        detail: str,
        *,
        reason: Reason = "",
        retry_after_ms: int | None = None,
    ) -> None:
        self.code = code
        self.venue = venue
        self.detail = detail[:DETAIL_CHARACTERS_MAX]
        self.reason = reason
        self.retry_after_ms = retry_after_ms
        advice = _ADVICE_BY_REASON.get(reason) or _ADVICE[code]
        super().__init__(f"{venue}: {code.value}: {self.detail}. {advice}")

    @property
    def outcome_unknown(self) -> bool:
        """Whether the venue may have done it: ask before doing anything else."""
        return self.code is Code.AMBIGUOUS


_ADVICE = {
    Code.RATE_LIMITED: "Wait, then send it again; lower the rate budget of this venue if it recurs",
    Code.REJECTED: "Nothing was done; correct the order before sending another",
    Code.INSUFFICIENT_FUNDS: "Nothing was done; reconcile the account's balances",
    Code.INVALID: "Nothing was done; the request itself is wrong: report this as a bug",
    Code.AUTHENTICATION: "Nothing was done; check the key, its permissions and the system clock",
    Code.NOT_FOUND: "The venue does not have it open; look in its closed orders",
    Code.UNAVAILABLE: "Nothing was done; it may be sent again when the venue can be reached",
    Code.AMBIGUOUS: "The outcome is unknown; ask for the order by our id, never send it again",
}

_ADVICE_BY_REASON: dict[Reason, str] = {
    "nonce": "Nothing was done; it may be sent again; if it recurs, another program uses this key "
    "or the clock went back: give each program a key of its own",
}


# The table. The first class that the exception is an instance of counts, so special before general.
_TABLE: tuple[tuple[type[ccxt_errors.BaseError], Code], ...] = (
    (ccxt_errors.RateLimitExceeded, Code.RATE_LIMITED),
    (ccxt_errors.DDoSProtection, Code.RATE_LIMITED),
    (ccxt_errors.InvalidNonce, Code.UNAVAILABLE),
    (ccxt_errors.AuthenticationError, Code.AUTHENTICATION),
    (ccxt_errors.OrderNotFound, Code.NOT_FOUND),
    (ccxt_errors.OrderNotCached, Code.NOT_FOUND),
    (ccxt_errors.InsufficientFunds, Code.INSUFFICIENT_FUNDS),
    (ccxt_errors.InvalidOrder, Code.REJECTED),
    (ccxt_errors.OperationRejected, Code.REJECTED),
    (ccxt_errors.OnMaintenance, Code.REJECTED),
    (ccxt_errors.CancelPending, Code.REJECTED),
    (ccxt_errors.ArgumentsRequired, Code.INVALID),
    (ccxt_errors.BadRequest, Code.INVALID),
    (ccxt_errors.InvalidAddress, Code.INVALID),
    (ccxt_errors.NotSupported, Code.INVALID),
    (ccxt_errors.InvalidProxySettings, Code.INVALID),
    (ccxt_errors.ExchangeClosedByUser, Code.UNAVAILABLE),
    (ccxt_errors.NetworkError, Code.AMBIGUOUS),
    (ccxt_errors.OperationFailed, Code.AMBIGUOUS),
    (ccxt_errors.ExchangeError, Code.REJECTED),
)
_REASONS: tuple[tuple[type[ccxt_errors.BaseError], Reason], ...] = (
    (ccxt_errors.DuplicateOrderId, "duplicate_client_order_id"),
    (ccxt_errors.OrderImmediatelyFillable, "post_only_would_take"),
    (ccxt_errors.MarketClosed, "market_mode"),
    (ccxt_errors.OnMaintenance, "market_mode"),
    (ccxt_errors.InvalidNonce, "nonce"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A venue's own words: `pattern` found in the error's text decides over the class."""

    pattern: re.Pattern[str]
    code: Code
    reason: Reason = ""


def venue_error(
    error: BaseException,
    venue: str,
    *,
    flight: Flight,
    rules: tuple[Rule, ...] = (),
    secrets: tuple[str, ...] = (),
) -> VenueError:
    """Map what ccxt raised to the closed set.

    `flight` says what the transport knows, `rules` are the adapter's, `secrets` are cut out of the
    text. An exception that is no verdict of the venue and came after bytes were written (a broken
    connection, a time-out, a 5xx, an answer ccxt could not read) is AMBIGUOUS.
    """
    text = _clean(_text_of(error), secrets)
    code, reason = _verdict(error, text, flight, rules)
    return VenueError(code, venue, text, reason=reason, retry_after_ms=flight.retry_after_ms)


def _verdict(
    error: BaseException, text: str, flight: Flight, rules: tuple[Rule, ...]
) -> tuple[Code, Reason]:
    if not flight.sent:
        code = _code_by_class(error, otherwise=Code.INVALID)
        # Nothing left this process, whatever ccxt calls it.
        code = Code.UNAVAILABLE if code is Code.AMBIGUOUS else code
        return code, _reason_by_class(error, code)
    if flight.status is None:
        return Code.AMBIGUOUS, ""
    if flight.status == HTTPStatus.TOO_MANY_REQUESTS:
        # A gateway before or behind the venue says this; an order may have passed it.
        return (Code.AMBIGUOUS if flight.is_order else Code.RATE_LIMITED), "rate_limited"
    if flight.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Code.AMBIGUOUS, ""
    for rule in rules:
        if rule.pattern.search(text):
            return rule.code, rule.reason
    code = _code_by_class(error, otherwise=Code.AMBIGUOUS)
    return code, _reason_by_class(error, code)


def _code_by_class(error: BaseException, *, otherwise: Code) -> Code:
    for kind, code in _TABLE:
        if isinstance(error, kind):
            return code
    return otherwise


def _reason_by_class(error: BaseException, code: Code) -> Reason:
    for kind, reason in _REASONS:
        if isinstance(error, kind):
            return reason
    return "other" if code is Code.REJECTED else ""


def _text_of(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, ccxt_errors.BaseError):
        cause = error.__cause__
        return f"{text} ({cause})" if cause is not None else text
    return f"{type(error).__name__}: {text}"


def _clean(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text
