"""Who sends a request: the KC-API headers, checked as KuCoin does.

The signature is the base64 of HMAC-SHA256, keyed with the secret, over timestamp, method, path with
its query, and body. From version 2 of keys on the passphrase is sent as such a signature too.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import unquote_plus

from venue.accounts import Account
from venue.http import HttpRequest
from venue.protocols.kucoin_errors import unauthorized
from venue.protocols.kucoin_names import MS_NS

WINDOW_MS = 5_000
_HEADERS = ("kc-api-key", "kc-api-sign", "kc-api-timestamp", "kc-api-passphrase")
_ENCRYPTED = ("2", "3")
_WHOLE = re.compile(r"[0-9]{1,18}")


def authenticate(
    accounts_by_key: Mapping[str, Account], request: HttpRequest, now_ns: int
) -> Account:
    """Return the account behind a signed request. Raises `KucoinError`."""
    key, sign, timestamp, passphrase = (request.headers.get(name, "") for name in _HEADERS)
    if not (key and sign and timestamp and passphrase):
        names = ", ".join(name.upper() for name in _HEADERS)
        raise unauthorized("400001", f"Any of {names} is missing in your request header.")
    _check_time(timestamp, now_ns)
    account = accounts_by_key.get(key)
    if account is None:
        raise unauthorized("400003", "KC-API-KEY not exists")
    if not hmac.compare_digest(passphrase.encode(), _passphrase(account, request).encode()):
        raise unauthorized("400004", "Invalid KC-API-PASSPHRASE")
    _check_signature(account, request, timestamp, sign)
    return account


def _check_time(timestamp: str, now_ns: int) -> None:
    known = _WHOLE.fullmatch(timestamp) is not None
    if not known or abs(now_ns // MS_NS - int(timestamp)) > WINDOW_MS:
        raise unauthorized("400002", "Invalid KC-API-TIMESTAMP")


def _passphrase(account: Account, request: HttpRequest) -> str:
    if request.headers.get("kc-api-key-version", "1") in _ENCRYPTED:
        return _signed(account, account.passphrase)
    return account.passphrase


def _check_signature(account: Account, request: HttpRequest, timestamp: str, sign: str) -> None:
    query = f"?{request.query}" if request.query else ""
    head = timestamp + request.method
    body = request.body.decode("utf-8", errors="replace")
    # What is signed is not escaped for an address; clients that escape before signing agree where
    # there is nothing to escape.
    for target in (request.path + query, request.path + unquote_plus(query)):
        if hmac.compare_digest(_signed(account, head + target + body).encode(), sign.encode()):
            return
    raise unauthorized("400005", "Invalid KC-API-SIGN")


def _signed(account: Account, text: str) -> str:
    mac = hmac.new(account.api_secret.encode(), text.encode(), hashlib.sha256)
    return base64.b64encode(mac.digest()).decode()
