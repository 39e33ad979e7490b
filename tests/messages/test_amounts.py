"""Amounts are written exactly."""

import pytest

from messages.amounts import minor_text, short_text


@pytest.mark.parametrize(
    ("minor", "scale", "full", "short"),
    [
        (1_000_000_000, 8, "10.00000000", "10"),
        (1, 8, "0.00000001", "0.00000001"),
        (-250, 2, "-2.50", "-2.5"),
        (0, 8, "0.00000000", "0"),
        (100, 0, "100", "100"),
    ],
)
def test_amounts_are_written_exactly(minor: int, scale: int, full: str, short: str) -> None:
    assert minor_text(minor, scale) == full
    assert short_text(minor, scale) == short
