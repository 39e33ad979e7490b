"""Words and tables for people: what verbs print without `--json`."""

from collections.abc import Sequence
from datetime import UTC, datetime

NANOSECONDS_PER_SECOND = 1_000_000_000


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Align columns; those numbered in `right` to the right, as numbers are."""
    lines = [list(headings), *[list(row) for row in rows]]
    widths = [max(len(line[at]) for line in lines) for at in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def time_of(at_ns: int) -> str:
    """Write a time as `2026-07-01 12:00:00Z`; "" for none."""
    if not at_ns:
        return ""
    at = datetime.fromtimestamp(at_ns // NANOSECONDS_PER_SECOND, UTC)
    return at.strftime("%Y-%m-%d %H:%M:%SZ")


def log_line(at_ns: int, level: str, address: str, text: str) -> str:
    """Write a line of the log; the grave levels in capitals, what follows the first line indented.

    Whom it is about stands before the text once, however the text begins.
    """
    word = level if level in ("debug", "info") else level.upper()
    about = f"{address}: " if address and not text.startswith(address) else ""
    first, *more = text.split("\n")
    lines = [f"{time_of(at_ns)} {word:<8} {about}{first}", *(f"    {line}" for line in more)]
    return "\n".join(lines)


def duration(seconds: int) -> str:
    """Write a duration in its two largest units: `3d 4h`, `5m 12s`."""
    parts: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, seconds = divmod(seconds, size)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def size(count_bytes: int) -> str:
    """Write a size: `190 MB`."""
    return f"{count_bytes / 1_000_000:.0f} MB"


def trimmed(decimal: str) -> str:
    """Write a decimal without zeros at its end."""
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal
