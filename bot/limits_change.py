"""From the limits in force to others: which are tighter, and what may be taken over unasked."""

from collections.abc import Iterator
from decimal import Decimal

from msgspec.structs import replace

from bot.roster_change import CHANGED, Change
from messages.settings import RiskSettings

_PER_ASSET = ("order_notional_max", "position_notional_max")
_PLAIN = ("orders_per_minute_max", "stale_ms_max")
"""In every one of them less is tighter."""


def limit_changes(before: RiskSettings, after: RiskSettings) -> list[Change]:
    """Return each limit that differs."""
    return list(_changes(before, after))


def _changes(before: RiskSettings, after: RiskSettings) -> Iterator[Change]:
    for field in _PER_ASSET:
        old, new = getattr(before, field), getattr(after, field)
        for asset in dict.fromkeys((*old, *new)):
            if not _same(old.get(asset), new.get(asset)):
                detail = f"{old.get(asset, 'none')} -> {new.get(asset, 'none')}"
                yield Change(f"limits.{field}.{asset}", CHANGED, detail)
    for field in _PLAIN:
        if getattr(before, field) != getattr(after, field):
            detail = f"{getattr(before, field)} -> {getattr(after, field)}"
            yield Change(f"limits.{field}", CHANGED, detail)


def tighter(before: RiskSettings, after: RiskSettings) -> RiskSettings:
    """Return the stricter of the two, limit by limit.

    An asset without a limit may not be traded: to take one away is tighter.
    """
    found = before
    for field in _PER_ASSET:
        old, new = getattr(before, field), getattr(after, field)
        stricter = {
            asset: min(old[asset], new[asset], key=Decimal) for asset in old if asset in new
        }
        found = replace(found, **{field: stricter})
    for field in _PLAIN:
        found = replace(found, **{field: min(getattr(before, field), getattr(after, field))})
    return found


def _same(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    return Decimal(one) == Decimal(other)
