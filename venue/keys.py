"""The keys of a box's accounts, which bots and boxes reckon without being told.

An account of a box needs a key as at a real venue. It is nobody's secret: it follows from the name
of the venue, the user's and the seed, so that a bot and a box standing alone agree.
"""

import base64
import hashlib

# Kraken's own: 56 characters of key, 64 bytes of secret in base64.
_KEY_BYTES = 42
_SECRET_BYTES = 64


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
