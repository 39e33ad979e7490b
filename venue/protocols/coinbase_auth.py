"""Who sends a request: a JWT signed with ES256, checked as Coinbase does.

A key is a name, `organizations/ID/apiKeys/ID`, and an EC private key on P-256, of which the venue
keeps the public half. A token is good for two minutes and for one method and address (`uri`); over
a socket it names none.
"""

import base64
import binascii
import re
from collections.abc import Mapping

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from venue.accounts import Account
from venue.http import HttpRequest
from venue.protocols.coinbase_errors import UnauthorizedError
from venue.protocols.coinbase_names import SECOND_NS

KEY_NAME = re.compile(r"organizations/[0-9a-f-]{36}/apiKeys/[0-9a-f-]{36}")
TOKEN_S_MAX = 120
_ISSUERS = ("cdp", "coinbase-cloud")
_HALF_BYTES = 32
_SCHEME = re.compile(r"https?://")


class _Header(msgspec.Struct, frozen=True):
    alg: str
    kid: str
    nonce: str = ""


class _Claims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    nbf: int
    exp: int
    uri: str = ""


def public_key(secret: str) -> ec.EllipticCurvePublicKey:
    """Return the public half of a secret in PEM. Raises `ValueError`."""
    key = load_pem_private_key(secret.encode(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("the key is not an EC key on P-256")  # noqa: TRY004 - the text's fault
    return key.public_key()


class Tokens:
    """Checks tokens of the accounts of one box."""

    def __init__(self, accounts_by_key: Mapping[str, Account]) -> None:
        self._accounts = {
            name: (account, public_key(account.api_secret))
            for name, account in accounts_by_key.items()
        }

    def of_request(self, request: HttpRequest, now_ns: int) -> Account:
        """Return the account behind a request. Raises `UnauthorizedError`."""
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            raise UnauthorizedError("there is no bearer token")
        account, claims = self._opened(token, now_ns)
        uri = f"{request.method} {request.headers.get('host', '')}{request.path}"
        if _SCHEME.sub("", claims.uri, count=1) != uri:
            raise UnauthorizedError(f"the token is for {claims.uri!r}, not for {uri!r}")
        return account

    def of_socket(self, token: str, now_ns: int) -> Account:
        """Return the account behind a subscription. Raises `UnauthorizedError`."""
        return self._opened(token, now_ns)[0]

    def _opened(self, token: str, now_ns: int) -> tuple[Account, _Claims]:
        signed, _, signature = token.rpartition(".")
        head, _, body = signed.partition(".")
        try:
            header = msgspec.json.decode(_unpadded(head), type=_Header)
            claims = msgspec.json.decode(_unpadded(body), type=_Claims)
            raw = _unpadded(signature)
        except (msgspec.MsgspecError, binascii.Error, ValueError) as error:
            raise UnauthorizedError("the token is not a JWT") from error
        if header.alg != "ES256" or header.kid not in self._accounts or claims.sub != header.kid:
            raise UnauthorizedError("the token's key is not known")
        account, key = self._accounts[header.kid]
        _verify(key, signed, raw)
        _check_claims(claims, now_ns)
        return account, claims


def _verify(key: ec.EllipticCurvePublicKey, signed: str, raw: bytes) -> None:
    if len(raw) != 2 * _HALF_BYTES:
        raise UnauthorizedError("the signature is not of ES256")
    halves = (int.from_bytes(part) for part in (raw[:_HALF_BYTES], raw[_HALF_BYTES:]))
    try:
        key.verify(encode_dss_signature(*halves), signed.encode(), ec.ECDSA(SHA256()))
    except InvalidSignature as error:
        raise UnauthorizedError("the signature is wrong") from error


def _check_claims(claims: _Claims, now_ns: int) -> None:
    now_s = now_ns // SECOND_NS
    if claims.iss not in _ISSUERS:
        raise UnauthorizedError(f"the issuer is {claims.iss!r}")
    if not claims.nbf <= now_s < claims.exp or claims.exp - claims.nbf > TOKEN_S_MAX:
        raise UnauthorizedError("the token is not good now")


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars="-_", validate=True)
