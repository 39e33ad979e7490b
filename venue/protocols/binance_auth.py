"""Who sends a request: X-MBX-APIKEY, timestamp, recvWindow and signature, checked as Binance does.

The signature is the hex of HMAC-SHA256, keyed with the secret, over query and body as sent without
the signature itself; over the WebSocket API, over the parameters sorted by name.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from venue.accounts import Account
from venue.http import HttpRequest
from venue.protocols.binance_errors import UNAUTHORIZED, BinanceError, mandatory
from venue.protocols.binance_names import MS_NS

RECEIVE_WINDOW_MS = 5_000
RECEIVE_WINDOW_MS_MAX = 60_000
AHEAD_MS_MAX = 1_000
_WHOLE = re.compile(r"[0-9]{1,18}")
_SIGNATURE = re.compile(r"&?signature=[^&]*")

Parameters = Mapping[str, str]


def parameters_of(request: HttpRequest) -> dict[str, str]:
    """Return query and body parameters. Raises `BinanceError`."""
    try:
        body = parse_qsl(request.body.decode(), keep_blank_values=True)
    except UnicodeDecodeError as error:
        raise BinanceError(-1104, "Not all sent parameters were read.") from error
    return request.query_parameters() | dict(body)


def account_of(accounts_by_key: Mapping[str, Account], key: str) -> Account:
    """Return the account of a key. Raises `BinanceError`."""
    if not key:
        raise BinanceError(-2014, "API-key format invalid.", UNAUTHORIZED)
    account = accounts_by_key.get(key)
    if account is None:
        text = "Invalid API-key, IP, or permissions for action."
        raise BinanceError(-2015, text, UNAUTHORIZED)
    return account


def authenticate(
    accounts_by_key: Mapping[str, Account],
    request: HttpRequest,
    parameters: Parameters,
    now_ns: int,
) -> Account:
    """Return the account behind a signed request. Raises `BinanceError`."""
    account = account_of(accounts_by_key, request.headers.get("x-mbx-apikey", ""))
    query = _SIGNATURE.sub("", request.query)
    body = _SIGNATURE.sub("", request.body.decode())
    _check_signature(account, (query + body).lstrip("&"), parameters)
    check_time(parameters, now_ns)
    return account


def authenticate_socket(
    accounts_by_key: Mapping[str, Account], parameters: Parameters, now_ns: int
) -> Account:
    """Return the account behind a request of the WebSocket API. Raises `BinanceError`."""
    account = account_of(accounts_by_key, parameters.get("apiKey", ""))
    signed = "&".join(
        f"{name}={value}" for name, value in sorted(parameters.items()) if name != "signature"
    )
    _check_signature(account, signed, parameters)
    check_time(parameters, now_ns)
    return account


def check_time(parameters: Parameters, now_ns: int) -> None:
    """Raise `BinanceError` unless the request was sent within its window."""
    timestamp = parameters.get("timestamp", "")
    if not _WHOLE.fullmatch(timestamp):
        raise mandatory("timestamp")
    window = parameters.get("recvWindow", str(RECEIVE_WINDOW_MS))
    if not _WHOLE.fullmatch(window):
        raise mandatory("recvWindow")
    if int(window) > RECEIVE_WINDOW_MS_MAX:
        raise BinanceError(-1131, "recvWindow must be less than 60000.")
    now_ms = now_ns // MS_NS
    if int(timestamp) >= now_ms + AHEAD_MS_MAX:
        text = "Timestamp for this request was 1000ms ahead of the server's time."
        raise BinanceError(-1021, text)
    if now_ms - int(timestamp) > int(window):
        raise BinanceError(-1021, "Timestamp for this request is outside of the recvWindow.")


def _check_signature(account: Account, signed: str, parameters: Parameters) -> None:
    given = parameters.get("signature", "")
    if not given:
        raise mandatory("signature")
    mac = hmac.new(account.api_secret.encode(), signed.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(mac.encode(), given.encode()):
        raise BinanceError(-1022, "Signature for this request is not valid.")
