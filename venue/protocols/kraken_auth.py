"""Who sends a private request: API-Key, API-Sign and nonce, checked as Kraken checks them.

API-Sign is the base64 of HMAC-SHA512, keyed with the decoded secret, over the path followed by the
SHA-256 of nonce and body. A nonce must be greater than every nonce used before with the key.
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

import msgspec

from venue.accounts import Account
from venue.http import HttpRequest
from venue.protocols.kraken_errors import (
    INVALID_KEY,
    INVALID_NONCE,
    INVALID_SIGNATURE,
    KrakenError,
    invalid,
)

_NONCE = re.compile(r"[0-9]{1,19}")
NONCE_MAX = (1 << 63) - 1  # Kraken's are unsigned 64-bit; SQLite keeps signed ones


def parameters_of(request: HttpRequest) -> dict[str, str]:
    """Return the body's parameters, form or JSON, all as text. Raises `KrakenError`."""
    if "json" not in request.headers.get("content-type", ""):
        try:
            return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
        except UnicodeDecodeError as error:
            raise invalid("body") from error
    try:
        body = msgspec.json.decode(request.body, type=dict[str, msgspec.Raw])
        return {name: _text(bytes(raw)) for name, raw in body.items()}
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise invalid("body") from error


def _text(raw: bytes) -> str:
    """Return a JSON value as a form would carry it; lists are joined by commas."""
    if raw.startswith(b'"'):
        return msgspec.json.decode(raw, type=str)
    if raw.startswith(b"["):
        return ",".join(str(item) for item in msgspec.json.decode(raw, type=list[str | int]))
    return raw.decode()


def authenticate(
    accounts_by_key: Mapping[str, Account], request: HttpRequest, parameters: Mapping[str, str]
) -> Account:
    """Return the account behind a request, its nonce used up. Raises `KrakenError`."""
    account = accounts_by_key.get(request.headers.get("api-key", ""))
    if account is None:
        raise KrakenError(INVALID_KEY)
    nonce = parameters.get("nonce", "")
    given = request.headers.get("api-sign", "")
    if not hmac.compare_digest(given.encode(), signature(account, request, nonce)):
        raise KrakenError(INVALID_SIGNATURE)
    value = int(nonce) if _NONCE.fullmatch(nonce) else 0
    if not account.last_nonce < value <= NONCE_MAX:
        raise KrakenError(INVALID_NONCE)
    account.last_nonce = value
    return account


def signature(account: Account, request: HttpRequest, nonce: str) -> bytes:
    """Return the API-Sign that `request` must carry."""
    digest = hashlib.sha256(nonce.encode() + request.body).digest()
    key = base64.b64decode(account.api_secret)
    mac = hmac.new(key, request.path.encode() + digest, hashlib.sha512)
    return base64.b64encode(mac.digest())
