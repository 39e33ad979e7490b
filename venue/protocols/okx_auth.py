"""Who sends a request or logs a socket in, checked as OKX does.

The signature is the base64 of HMAC-SHA256, keyed with the secret, over timestamp, method, path with
query, and body. A key is of demo trading or of production, and either refuses the other's: REST
says which by the header `x-simulated-trading`, a socket by `brokerId=9999` in its address.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping

from venue.accounts import Account
from venue.http import HttpRequest
from venue.protocols.okx_errors import UNAUTHORIZED, OkxError
from venue.protocols.okx_names import MS_NS, parse_iso
from venue.websocket import WebSocketSession

WINDOW_NS = 30_000 * MS_NS
_SECOND_NS = 1_000 * MS_NS
_WS_PATH = "/users/self/verify"
DEMO_BROKER = "brokerId=9999"


def authenticate(
    accounts_by_key: Mapping[str, Account], request: HttpRequest, now_ns: int, *, is_demo: bool
) -> Account:
    """Return the account behind a signed request. Raises `OkxError`."""
    key = _header(request, "OK-ACCESS-KEY", "50103")
    passphrase = _header(request, "OK-ACCESS-PASSPHRASE", "50104")
    given = _header(request, "OK-ACCESS-SIGN", "50106")
    timestamp = _header(request, "OK-ACCESS-TIMESTAMP", "50107")
    at_ns = parse_iso(timestamp)
    if at_ns is None:
        raise OkxError("50112", "Invalid OK-ACCESS-TIMESTAMP", UNAUTHORIZED)
    if abs(now_ns - at_ns) > WINDOW_NS:
        raise OkxError("50102", "Timestamp request expired", UNAUTHORIZED)
    account = accounts_by_key.get(key)
    if account is None:
        raise OkxError("50111", "Invalid OK-ACCESS-KEY", UNAUTHORIZED)
    if (request.headers.get("x-simulated-trading", "0") == "1") != is_demo:
        text = "APIKey does not match current environment."
        raise OkxError("50101", text, UNAUTHORIZED)
    path = request.path + (f"?{request.query}" if request.query else "")
    signed = timestamp + request.method + path + request.body.decode("utf-8", "replace")
    if not _is_signed(account, signed, given):
        raise OkxError("50113", "Invalid signature.", UNAUTHORIZED)
    if not hmac.compare_digest(account.passphrase.encode(), passphrase.encode()):
        raise OkxError("50105", "Request header OK-ACCESS-PASSPHRASE incorrect.", UNAUTHORIZED)
    return account


def login(
    accounts_by_key: Mapping[str, Account],
    session: WebSocketSession,
    given: Mapping[str, str],
    now_ns: int,
    *,
    is_demo: bool,
) -> Account:
    """Return the account that a socket logs in for. Raises `OkxError`."""
    names = (("apiKey", "60001"), ("sign", "60002"), ("passphrase", "60003"))
    for name, code in names:
        if not given.get(name):
            raise OkxError(code, f"{name} can not be empty")
    timestamp = given.get("timestamp", "")
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= len("1700000000")):
        raise OkxError("60004", "Invalid OK_ACCESS_TIMESTAMP")
    if abs(now_ns - int(timestamp) * _SECOND_NS) > WINDOW_NS:
        raise OkxError("60006", "Timestamp request expired")
    account = accounts_by_key.get(given["apiKey"])
    if account is None:
        raise OkxError("60005", "Invalid OK_ACCESS_KEY")
    if (DEMO_BROKER in session.query) != is_demo:
        raise OkxError("50101", "APIKey does not match current environment.")
    if not _is_signed(account, f"{timestamp}GET{_WS_PATH}", given["sign"]):
        raise OkxError("60007", "Invalid sign")
    if not hmac.compare_digest(account.passphrase.encode(), given["passphrase"].encode()):
        raise OkxError("60024", "Wrong passphrase")
    return account


def _header(request: HttpRequest, name: str, code: str) -> str:
    text = request.headers.get(name.lower(), "")
    if not text:
        raise OkxError(code, f'Request header "{name}" can not be empty.', UNAUTHORIZED)
    return text


def _is_signed(account: Account, signed: str, given: str) -> bool:
    mac = hmac.new(account.api_secret.encode(), signed.encode(), hashlib.sha256).digest()
    return hmac.compare_digest(base64.b64encode(mac), given.encode("utf-8", "replace"))
