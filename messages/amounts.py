"""Amounts as people read them."""

from decimal import Decimal

# Most venues count most assets to the eighth decimal; configuration names the others.
SCALE_COMMON = 8


def minor_text(amount_minor: int, scale: int) -> str:
    """Write minor units as a decimal of the asset, all places shown."""
    return f"{Decimal(amount_minor).scaleb(-scale):f}"


def short_text(amount_minor: int, scale: int) -> str:
    """Write minor units as a decimal of the asset, without zeros at the end."""
    text = minor_text(amount_minor, scale)
    return text.rstrip("0").rstrip(".") if "." in text else text
