"""Text for terminal cells: width one per character, signs on numbers, times in UTC."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from rich.cells import cell_len

_NS_PER_S = 1_000_000_000
# From here on a count has no decimals: `99.9k`, then `100k`.
_THREE_DIGITS = 99.95
# Ages and round trips are shown in these steps, so that a quiet screen sends nothing.
_STEPS_MS = (50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000)
# What is counted in cents, or in less; coins are counted in their hundred-millionths.
_DECIMALS = dict.fromkeys(
    ("USDT", "USDC", "USD", "DAI", "EUR", "GBP", "CHF", "AUD", "CAD"), 2
) | {"JPY": 0, "KRW": 0}  # fmt: skip
_DECIMALS_OF_COINS = 8
# Texts cleaned lately: a screen of a thousand rows has a few thousand different cells.
_CLEANED_KEPT = 8_192


@dataclass(frozen=True)
class Glyphs:
    """The signs that a terminal can show; every one is exactly one cell wide."""

    up: str
    down: str
    running: str
    waiting: str
    stopped: str
    failed: str
    folded: str
    unfolded: str
    changed: str
    more: str
    rule: str
    cursor: str


UNICODE = Glyphs("▲", "▼", "●", "◌", "○", "■", "▸", "▾", "•", "…", "│", "▌")
ASCII = Glyphs("^", "v", "+", "~", "-", "!", ">", "v", "*", "~", "|", ">")


@lru_cache(maxsize=_CLEANED_KEPT)
def clean(text: str) -> str:
    """Return foreign text as cells: what is not printable or not one cell wide becomes `?`.

    Log lines and venues' reasons can hold escape sequences and wide glyphs; neither may move
    columns.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        char if char.isprintable() and cell_len(char) == 1 else ("?" if char.strip() else " ")
        for char in text
    )


def clock(at_ns: int, *, seconds: bool = True) -> str:
    """Return the time of day in UTC: `14:03:07`."""
    if at_ns <= 0:
        return ""
    of_day = at_ns // _NS_PER_S % 86_400
    text = f"{of_day // 3600:02d}:{of_day // 60 % 60:02d}"
    return f"{text}:{of_day % 60:02d}" if seconds else text


def span(seconds: float) -> str:
    """Return a duration in its largest unit: `4s`, `12m`, `3h`, `9d`."""
    whole = int(max(seconds, 0))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if whole >= size:
            return f"{whole // size}{unit}"
    return f"{whole}s"


def step_ms(seconds: float) -> str:
    """Return a short time rounded up to a step, so that its text rarely changes: `<50ms`."""
    milliseconds = seconds * 1_000
    for step in _STEPS_MS:
        if milliseconds <= step:
            return f"<{step}ms"
    return f">{_STEPS_MS[-1]}ms"


def signed(amount: str) -> str:
    """Return a decimal string with its sign: `+12.40`, `-3.10`; zero has none."""
    if not amount.strip("-+0."):
        return amount.lstrip("-+")
    return amount if amount.startswith("-") else f"+{amount.lstrip('+')}"


def money(amount: str, asset: str) -> str:
    """Return an amount as a column shows it: as many decimals as its asset is counted in.

    Details show the whole amount. What is no number is returned as it is.
    """
    try:
        return f"{Decimal(amount):.{_DECIMALS.get(asset, _DECIMALS_OF_COINS)}f}"
    except InvalidOperation:
        return amount


def short(count: int) -> str:
    """Return a count in at most five characters: `987`, `12.3k`, `4.5M`."""
    for size, unit in ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k")):
        if count >= size:
            scaled = count / size
            return f"{scaled:.1f}{unit}" if scaled < _THREE_DIGITS else f"{scaled:.0f}{unit}"
    return str(count)
