"""The keys of a box's accounts, which bots and boxes reckon without being told.

An account of a box needs a key as at a real venue. It is nobody's secret: it follows from the name
of the venue, the user's and the seed, so that a bot and a box standing alone agree.
"""

import base64
import hashlib
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

# Kraken's own: 56 characters of key, 64 bytes of secret in base64.
_KEY_BYTES = 42
_SECRET_BYTES = 64
# Coinbase's: a name with two UUIDs, and an EC private key on P-256.
_UUID_BYTES = 16
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def account_passphrase(venue: str, user: str, seed: int) -> str:
    """Return the passphrase that venues like OKX and KuCoin want beside the key."""
    name = f"{venue} {user} {seed}".encode()
    return hashlib.blake2b(name, digest_size=8, person=b"canopy-box-pas").hexdigest()


def account_key(venue: str, user: str, seed: int) -> tuple[str, str]:
    """Return the API key and the secret of `user` at the box `venue`."""
    name = f"{venue} {user} {seed}".encode()
    key = hashlib.blake2b(name, digest_size=_KEY_BYTES, person=b"canopy-box-key").digest()
    secret = hashlib.blake2b(name, digest_size=_SECRET_BYTES, person=b"canopy-box-sec").digest()
    return base64.b64encode(key).decode(), base64.b64encode(secret).decode()


def ec_key(venue: str, user: str, seed: int) -> tuple[str, str]:
    """Return the key's name and the private key in PEM of `user` at a box that speaks Coinbase."""
    name = f"{venue} {user} {seed}".encode()
    drawn = hashlib.blake2b(name, digest_size=2 * _UUID_BYTES, person=b"canopy-box-org").digest()
    ids = (UUID(bytes=part) for part in (drawn[:_UUID_BYTES], drawn[_UUID_BYTES:]))
    seeded = hashlib.blake2b(name, digest_size=_SECRET_BYTES, person=b"canopy-box-ec").digest()
    number = int.from_bytes(seeded) % (_P256_ORDER - 1) + 1
    pem = ec.derive_private_key(number, ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    organization, key = ids
    return f"organizations/{organization}/apiKeys/{key}", pem.decode()


def key_for(protocol: str, venue: str, user: str, seed: int) -> tuple[str, str]:
    """Return key and secret in the form that the venue behind `protocol` issues them."""
    own = ec_key if protocol == "coinbase" else account_key
    return own(venue, user, seed)
