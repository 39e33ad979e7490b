"""A secret is found in whatever form it was written, and nowhere else."""

import base64
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.secret_search import SECRET_CHARACTERS_MIN, holds_any

# A secret as Kraken gives them out, and one with characters that are escaped everywhere.
KRAKEN = base64.b64encode(bytes(range(200, 256)) + bytes(8)).decode()
HARD = 'a"b/c+d=e&f g'
secrets = st.text(st.characters(codec="utf-8"), min_size=SECRET_CHARACTERS_MIN, max_size=80)


@pytest.mark.parametrize("secret", [KRAKEN, HARD])
@pytest.mark.parametrize(
    "written",
    [
        lambda text: text.encode(),
        lambda text: quote(text).encode(),
        lambda text: quote(text, safe="").encode(),
        lambda text: msgspec.json.encode({"key": text}),
        lambda text: text.encode().hex().encode(),
        lambda text: text.encode().hex().upper().encode(),
        lambda text: base64.b64encode(text.encode()),
        lambda text: base64.b64encode(b"user:" + text.encode() + b"\n"),
        lambda text: base64.urlsafe_b64encode(b"us" + text.encode()),
    ],
)
def test_it_is_found_as_programs_write_it(secret: str, written: object) -> None:
    assert callable(written)
    document = b"before " + written(secret) + b" after"
    assert holds_any(document, [secret])
    assert not holds_any(document, ["another secret"])


def test_the_bytes_that_a_key_stands_for_are_found_too() -> None:
    meant = base64.b64decode(KRAKEN)
    assert holds_any(b"x" + meant + b"y", [KRAKEN])
    assert holds_any(b"x" + meant.hex().encode() + b"y", [KRAKEN])


@given(secrets, st.binary(max_size=7), st.binary(max_size=7))
def test_wherever_it_stands_in_what_is_encoded(secret: str, before: bytes, after: bytes) -> None:
    assert holds_any(base64.b64encode(before + secret.encode() + after), [secret])
    assert holds_any(base64.urlsafe_b64encode(before + secret.encode() + after), [secret])


@given(secrets)
def test_a_document_without_it_does_not_hold_it(secret: str) -> None:
    assert not holds_any(b"", [secret])
    assert not holds_any(b"nothing of the kind", [secret + "\x00"])
