"""The newest rows in memory, as they are committed: what views are made of.

Loaded once from the read models, then fed by the journal's commits: no screen costs a query.
Bounded: orders and fills beyond the newest `ROWS_MAX` are asked for from the database.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

from bot.views import fill_view, order_view, sleeve_view, vault_view
from messages.base import Row
from messages.control import ROWS_MAX, View
from messages.rows import (
    FillRow,
    OrderRow,
    SleeveRow,
    SleeveStateRow,
    SwitchRow,
    VaultRow,
)
from messages.views import FillView, OrderView, SleeveView, VaultView
from state.rows import Reader
from state.tables import decode_row
from supervisor.journal import Commit

SomeRow = TypeVar("SomeRow", bound=Row)
# Vaults and sleeves of one bot are tens; a thousand is a mistake somewhere.
ENTITIES_MAX = 4_096

_VIEWS: dict[type[Row], View] = {
    VaultRow: View.VAULTS,
    SleeveRow: View.VAULTS,
    SleeveStateRow: View.VAULTS,
    OrderRow: View.ORDERS,
    FillRow: View.FILLS,
}


class Board:
    """What is known of vaults, sleeves, orders, fills and the kill switch."""

    def __init__(self) -> None:
        self.vaults: dict[str, VaultRow] = {}
        self.sleeves: dict[str, SleeveRow] = {}
        self.sleeve_states: dict[str, SleeveStateRow] = {}
        self.orders: OrderedDict[str, OrderRow] = OrderedDict()
        self.fills: OrderedDict[str, FillRow] = OrderedDict()
        self.switch: SwitchRow | None = None
        self.orders_ever = 0
        self.fills_ever = 0
        self.versions: Counter[View] = Counter()
        """Raised whenever the rows of a view changed."""
        self.on_row: Callable[[Row], None] = _ignore
        """Called with every row that is committed after the load."""
        self.is_there: Callable[[str], bool] = _everything
        """Whether an actor still stands at an address: rows outlive sleeves that were removed."""
        self._early: list[Commit] | None = []

    def take(self, commit: Commit) -> None:
        """Take the rows of a commit; the journal's listener."""
        if self._early is not None:
            self._early.append(commit)
            return
        for _, _, _, body in commit.rows:
            _, row = decode_row(body)
            self.put(row)
            self.on_row(row)

    async def load(self, reader: Reader) -> None:
        """Fetch what was recorded before, then what was committed meanwhile."""
        self.orders_ever = await reader.count(OrderRow)
        self.fills_ever = await reader.count(FillRow)
        await self._load_kind(reader, VaultRow, ENTITIES_MAX)
        await self._load_kind(reader, SleeveRow, ENTITIES_MAX)
        await self._load_kind(reader, SleeveStateRow, ENTITIES_MAX)
        await self._load_kind(reader, SwitchRow, 1)
        await self._load_kind(reader, OrderRow, ROWS_MAX)
        await self._load_kind(reader, FillRow, ROWS_MAX)
        early, self._early = self._early or [], None
        for commit in early:
            self.take(commit)

    async def _load_kind(self, reader: Reader, kind: type[SomeRow], newest: int) -> None:
        rows = await reader.current(kind, newest=newest)
        for row in reversed(rows):
            self.put(row, is_new=False)

    def put(self, row: Row, *, is_new: bool = True) -> None:
        """Take one row; `is_new` counts entities not known before."""
        if isinstance(row, VaultRow):
            self.vaults[row.key()] = row
        elif isinstance(row, SleeveRow):
            self.sleeves[row.key()] = row
        elif isinstance(row, SleeveStateRow):
            self.sleeve_states[row.key()] = row
        elif isinstance(row, SwitchRow):
            self.switch = row
        elif isinstance(row, OrderRow):
            self._put_order(row, is_new=is_new)
        elif isinstance(row, FillRow):
            self.fills_ever += is_new and row.key() not in self.fills
            _put_newest(self.fills, row)
        view = _VIEWS.get(type(row))
        if view is not None:
            self.versions[view] += 1

    def _put_order(self, row: OrderRow, *, is_new: bool) -> None:
        if row.key() not in self.orders:
            oldest = next(iter(self.orders.values()), None)
            if len(self.orders) >= ROWS_MAX and oldest and row.created_ns < oldest.created_ns:
                return  # one that fell out of the newest ends late
            self.orders_ever += is_new
        _put_newest(self.orders, row)

    # --- views

    def vault_views(self) -> list[VaultView]:
        """Return vaults by address, each with its sleeves."""
        return [vault_view(vault, self._sleeves_of(vault)) for vault in self.vaults_there()]

    def vaults_there(self) -> list[VaultRow]:
        """Return the rows of those vaults that run, by address."""
        return [row for address, row in sorted(self.vaults.items()) if self.is_there(address)]

    def _sleeves_of(self, vault: VaultRow) -> list[SleeveView]:
        return [
            sleeve_view(sleeve, self.sleeve_states.get(address))
            for address, sleeve in sorted(self.sleeves.items())
            if (sleeve.user, sleeve.vault) == (vault.user, vault.vault) and self.is_there(address)
        ]

    def order_views(self) -> list[OrderView]:
        """Return the newest orders, newest first."""
        rows = sorted(self.orders.values(), key=lambda row: row.created_ns, reverse=True)
        return [order_view(row) for row in rows]

    def fill_views(self) -> list[FillView]:
        """Return the newest fills, newest first."""
        rows = sorted(self.fills.values(), key=lambda row: row.at_ns, reverse=True)
        return [fill_view(row) for row in rows]

    def asset_scales(self) -> dict[str, int]:
        """Return the scales that rows have told of."""
        scales = {vault.asset: vault.asset_scale for vault in self.vaults.values()}
        return scales | {fill.fee_asset: fill.fee_scale for fill in self.fills.values()}


def _everything(address: str) -> bool:
    return True


def _ignore(row: Row) -> None:
    """Take a row that nobody asked for."""


def _put_newest(kept: "OrderedDict[str, SomeRow]", row: SomeRow) -> None:
    """Keep `row` at the place of its entity, a new one as the newest."""
    kept[row.key()] = row
    while len(kept) > ROWS_MAX:
        kept.popitem(last=False)


def total_by_asset(vaults: Sequence[VaultRow], field: str) -> dict[str, tuple[int, int]]:
    """Sum a field of all vaults: asset → (minor units, scale)."""
    totals: dict[str, tuple[int, int]] = {}
    for vault in vaults:
        sum_minor, _ = totals.get(vault.asset, (0, 0))
        totals[vault.asset] = (sum_minor + int(getattr(vault, field)), vault.asset_scale)
    return totals
