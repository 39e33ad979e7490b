"""Who sends a request: the X-BAPI headers, and `auth` on sockets, checked as Bybit does.

The signature is the hex of HMAC-SHA256, keyed with the secret, over timestamp, key, receive window,
and the query of a GET or the body of a POST, each exactly as sent.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence

from venue.accounts import Account
from venue.http import HttpRequest
from venue.protocols.bybit_errors import BybitError
from venue.protocols.bybit_names import MS_NS

RECEIVE_WINDOW_MS = "5000"
AHEAD_MS_MAX = 1_000
_WHOLE = re.compile(r"[0-9]{1,18}")
_AUTH_ARGUMENTS = 3


def authenticate(
    accounts_by_key: Mapping[str, Account], request: HttpRequest, now_ns: int
) -> Account:
    """Return the account behind a signed request. Raises `BybitError`."""
    headers = request.headers
    key, given = headers.get("x-bapi-api-key", ""), headers.get("x-bapi-sign", "")
    timestamp = headers.get("x-bapi-timestamp", "")
    window = headers.get("x-bapi-recv-window", RECEIVE_WINDOW_MS)
    if not (key and given and timestamp):
        text = f"empty value: apiTimestamp[{timestamp}] apiKey[{key}] apiSignature[{given}]"
        raise BybitError(10001, f"{text}: openapi sign params error!")
    account = _account_of(accounts_by_key, key)
    check_time(timestamp, window, now_ns)
    payload = request.body.decode(errors="replace") if request.method == "POST" else request.query
    if not _is_signed(account, timestamp + key + window + payload, given):
        # Bybit repeats what was signed, which would differ with each clock.
        raise BybitError(10004, "error sign! please check your signature generation algorithm.")
    return account


def authenticate_socket(
    accounts_by_key: Mapping[str, Account], arguments: Sequence[str], now_ns: int
) -> Account:
    """Return the account behind `auth` with key, expiry and signature. Raises `BybitError`."""
    if len(arguments) != _AUTH_ARGUMENTS or not _WHOLE.fullmatch(arguments[1]):
        raise BybitError(10001, "Params Error")
    key, expires, given = arguments
    account = _account_of(accounts_by_key, key)
    if int(expires) <= now_ns // MS_NS:
        raise BybitError(10004, "Params Error: expires has passed")
    if not _is_signed(account, f"GET/realtime{expires}", given):
        raise BybitError(10004, "Params Error: signature is invalid")
    return account


def check_time(timestamp: str, window: str, now_ns: int) -> None:
    """Raise `BybitError` unless a request was sent within its window."""
    now_ms = now_ns // MS_NS
    is_number = _WHOLE.fullmatch(timestamp) and _WHOLE.fullmatch(window)
    if is_number and now_ms - int(window) <= int(timestamp) < now_ms + AHEAD_MS_MAX:
        return
    raise BybitError(
        10002,
        "invalid request, please check your server timestamp or recv_window param. "
        f"req_timestamp[{timestamp}],server_timestamp[{now_ms}],recv_window[{window}]",
    )


def _account_of(accounts_by_key: Mapping[str, Account], key: str) -> Account:
    account = accounts_by_key.get(key)
    if account is None:
        raise BybitError(10003, "API key is invalid.")
    return account


def _is_signed(account: Account, signed: str, given: str) -> bool:
    mac = hmac.new(account.api_secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    return hmac.compare_digest(mac.encode(), given.encode())
