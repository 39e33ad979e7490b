"""Whether a document holds a secret: as it is, or in a form in which programs write such things."""

import base64
import binascii
from collections.abc import Iterable, Iterator
from urllib.parse import quote, quote_plus

import msgspec

# Shorter texts occur by chance; no key of any venue is so short.
SECRET_CHARACTERS_MIN = 8
# How many characters of base64 depend on what stands before, by how many bytes of a group of three
# do.
_LEADING = (0, 2, 3)


def holds_any(document: bytes, secrets: Iterable[str]) -> bool:
    """Return whether one of `secrets` is in `document`, in any form of `forms`."""
    return any(form in document for secret in secrets for form in forms(secret))


def forms(secret: str) -> Iterator[bytes]:
    """Yield what a text looks like where it was written plainly, escaped, or encoded.

    Plain, in JSON, in a URL, in hexadecimal, in base64 wherever it begins in what was encoded; and
    if it is itself base64 (venues give out such), the bytes that it stands for, likewise.
    """
    plain = secret.encode()
    yield plain
    yield quote(secret).encode()
    yield quote(secret, safe="").encode()
    yield quote_plus(secret).encode()
    yield msgspec.json.encode(secret)[1:-1]
    yield from _encoded(plain)
    meant = _meant(secret)
    if len(meant) >= SECRET_CHARACTERS_MIN:
        yield meant
        yield from _encoded(meant)


def _encoded(plain: bytes) -> Iterator[bytes]:
    yield plain.hex().encode()
    yield plain.hex().upper().encode()
    for before, leading in enumerate(_LEADING):
        padded = bytes(before) + plain
        whole = len(padded) // 3 * 4
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # The last group may go on in what follows: it is left out.
            yield encode(padded)[leading:whole]


def _meant(secret: str) -> bytes:
    try:
        return base64.b64decode(secret, validate=True)
    except (binascii.Error, ValueError):
        return b""
