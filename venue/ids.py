"""Identifiers in the shape real venues use, made from counters so that a restart continues them.

A counter is scrambled by a bijection on 80 bits (odd multipliers, shifts, a seeded offset), so ids
look random, never repeat, and are the same again for the same seed and counter.
"""

_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_BITS = 80  # 16 characters of 5 bits: the length of Kraken's transaction ids
_MASK = (1 << _BITS) - 1
# Any odd constant is invertible modulo 2**80; this one spreads neighbouring counters well.
_MULTIPLIER = 0x9E37_79B9_7F4A_7C15_F39D


def _scramble(counter: int, seed: int) -> int:
    value = (counter * _MULTIPLIER + (seed + 1) * 0xD1B5_4A32_D192_ED03_94A7) & _MASK
    for shift in (37, 41, 29):
        value = ((value ^ (value >> shift)) * _MULTIPLIER) & _MASK
    return value ^ (value >> 40)


def _characters(value: int) -> str:
    return "".join(_ALPHABET[(value >> shift) & 31] for shift in range(_BITS - 5, -1, -5))


def transaction_id(prefix: str, counter: int, seed: int) -> str:
    """Return an id like `OQCLML-BW3P3-BUCMWZ`: `prefix`, then 5, 5 and 6 characters."""
    assert counter >= 0, "counters start at zero"
    text = _characters(_scramble(counter, seed))
    return f"{prefix}{text[:5]}-{text[5:10]}-{text[10:16]}"


def token(counter: int, seed: int) -> str:
    """Return a WebSocket token: 48 characters, unguessable enough for loopback."""
    parts = (_characters(_scramble(counter * 3 + part, seed ^ 0x5EED)) for part in range(3))
    return "".join(parts)
