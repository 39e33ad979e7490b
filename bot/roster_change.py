"""From the roster in force to another one: what changes, and what money or open orders forbid."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol, TypeVar

import msgspec
from msgspec.structs import asdict

from actors.wiring import sleeve_address, vault_address
from bot.text import trimmed
from bot.views import OPEN_STATES, minor_text
from messages.rows import OrderRow, SleeveRow, VaultRow
from messages.settings import Roster, SleeveSettings, VaultSettings

ADDED, CHANGED, REMOVED = "added", "changed", "removed"
# What a position was entered by: it cannot be exchanged under it.
_FIXED_WHILE_HOLDING = ("style", "strategy", "symbols")

Item = TypeVar("Item")


class Change(NamedTuple):
    """One difference; with a `refusal` nothing of the new roster may be applied."""

    subject: str
    what: str
    detail: str = ""
    refusal: str = ""


class Holdings(Protocol):
    """What is known of money and orders: `bot.board.Board`."""

    vaults: dict[str, VaultRow]
    sleeves: dict[str, SleeveRow]

    @property
    def orders(self) -> Mapping[str, OrderRow]:
        """The newest orders."""


def roster_changes(stored: Roster, wanted: Roster, holdings: Holdings) -> list[Change]:
    """Return everything in which `wanted` differs from `stored`."""
    return [*_users(stored, wanted), *_vaults(stored, wanted, holdings)]


def accounts_of(roster: Roster) -> frozenset[tuple[str, str]]:
    """Return the (user, venue) pairs that have an account."""
    return frozenset((vault.user, vault.venue) for vault in roster.vaults)


def _users(stored: Roster, wanted: Roster) -> Iterator[Change]:
    ours = {user.name for user in stored.users}
    theirs = {user.name for user in wanted.users}
    yield from (Change(f"/users/{name}", ADDED) for name in sorted(theirs - ours))
    # What a user still has is refused with his vaults: they must go first, or with him.
    yield from (Change(f"/users/{name}", REMOVED) for name in sorted(ours - theirs))


def _vaults(stored: Roster, wanted: Roster, holdings: Holdings) -> Iterator[Change]:
    ours = {vault_address(vault): vault for vault in stored.vaults}
    theirs = {vault_address(vault): vault for vault in wanted.vaults}
    for address, vault in theirs.items():
        if address not in ours:
            yield Change(address, ADDED, f"a pool of {vault.tradeable} {vault.asset}")
            yield from (
                Change(sleeve_address(vault, sleeve), ADDED, f"allocated {sleeve.allocated}")
                for sleeve in vault.sleeves
            )
    for address, vault in ours.items():
        after = theirs.get(address)
        if after is None:
            yield Change(address, REMOVED, refusal=_vault_is_not_empty(address, holdings))
        elif after != vault:
            yield from _vault(address, vault, after, holdings)


def _vault(
    address: str, before: VaultSettings, after: VaultSettings, holdings: Holdings
) -> Iterator[Change]:
    detail = _differing(before, after, leave_out="sleeves")
    if detail:
        yield Change(address, CHANGED, detail)
    ours = {sleeve.name: sleeve for sleeve in before.sleeves}
    theirs = {sleeve.name: sleeve for sleeve in after.sleeves}
    for name, sleeve in theirs.items():
        here = sleeve_address(after, sleeve)
        if name not in ours:
            yield Change(here, ADDED, f"allocated {sleeve.allocated} {after.asset}")
        elif sleeve != ours[name]:
            yield _sleeve(here, ours[name], sleeve, holdings)
    for name, sleeve in ours.items():
        if name not in theirs:
            here = sleeve_address(before, sleeve)
            yield Change(here, REMOVED, refusal=_sleeve_is_not_empty(here, holdings))


def _sleeve(
    address: str, before: SleeveSettings, after: SleeveSettings, holdings: Holdings
) -> Change:
    refusal = ""
    fixed = [name for name in _FIXED_WHILE_HOLDING if getattr(before, name) != getattr(after, name)]
    held = _in_use(address, holdings)
    if fixed and held:
        refusal = (
            f"it has {held}, and another {' and '.join(fixed)} would not know what to do with "
            f"that: `bot close {address}` first"
        )
    return Change(address, CHANGED, _differing(before, after), refusal)


def _differing(before: msgspec.Struct, after: msgspec.Struct, leave_out: str = "") -> str:
    """Name the fields that differ: `tradeable 6000 -> 7000`."""
    old, new = asdict(before), asdict(after)
    return ", ".join(
        f"{name} {_text(old[name])} -> {_text(new[name])}"
        for name in old
        if name != leave_out and old[name] != new[name]
    )


def _text(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {each}" for key, each in value.items()) + "}"
    if isinstance(value, tuple):
        return " ".join(str(each) for each in value)
    return str(getattr(value, "value", value))


# --- is it empty?


def _in_use(address: str, holdings: Holdings) -> str:
    """Say what a sleeve has at the venue: positions and orders."""
    row = holdings.sleeves.get(address)
    parts = []
    if row is not None and row.position_lots:
        parts.append(f"a position of {row.position_lots} lots of {row.symbol}")
    orders = [
        order
        for order in holdings.orders.values()
        if order.state in OPEN_STATES
        and address == f"/users/{order.user}/vaults/{order.vault}/sleeves/{order.sleeve}"
    ]
    if orders:
        parts.append(f"{len(orders)} open orders" if len(orders) > 1 else "an open order")
    return " and ".join(parts)


def _sleeve_is_not_empty(address: str, holdings: Holdings) -> str:
    held = _in_use(address, holdings)
    if held:
        return f"it has {held}: `bot close {address}` first"
    row = holdings.sleeves.get(address)
    if row is not None and (row.allocated_minor or row.cash_minor or row.reserved_minor):
        amount = trimmed(minor_text(max(row.allocated_minor, row.cash_minor), row.asset_scale))
        return f"{amount} are allocated to it: `bot allocate {address} 0` first"
    return ""


def _vault_is_not_empty(address: str, holdings: Holdings) -> str:
    for sleeve in holdings.sleeves:
        if sleeve.startswith(f"{address}/"):
            text = _sleeve_is_not_empty(sleeve, holdings)
            if text:
                return f"{sleeve}: {text}"
    row = holdings.vaults.get(f"{address}/ledger")
    if row is not None and row.total_minor:
        amount = trimmed(minor_text(row.total_minor, row.asset_scale))
        return (
            f"it holds {amount} {row.asset}, which nobody would watch over: withdraw them at the "
            "venue first, or leave the vault and set its pool to 0 with `bot tradeable`"
        )
    return ""
