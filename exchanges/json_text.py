"""JSON without floats: every fractional number arrives as the text the venue sent.

A float would lose what the venue wrote (`0.10000000` becomes `0.1`), and with it cents and book
checksums. Whole numbers become int, which is exact.
"""

from typing import Any

import msgspec

# Decoded JSON, and objects of ccxt's, which has no types.
Json = Any

_decoder = msgspec.json.Decoder(float_hook=str)


def decode_json(text: str | bytes) -> Json:
    """Return the decoded document. Raises `ValueError` when it is not JSON."""
    try:
        return _decoder.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from error
