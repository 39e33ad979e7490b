"""Vaults and their sleeves: whose money is where, and what it earned."""

from messages.control import View
from messages.views import SleeveView, VaultView, ViewRow, matches
from tui.screens.page import Jump, Page, labelled, state_tone
from tui.store import Store
from tui.text import clean, money, signed
from tui.widgets.board import Column, Line
from tui.widgets.painted import Run

_STATE, _REALISED, _UNREALISED = 1, 6, 7


class VaultsPage(Page):
    """One line per vault, its sleeves indented below it."""

    name = "vaults"
    view = View.VAULTS
    also = (View.ORDERS,)
    empty = "no vault yet: bot.toml names those of the first run; `bot doctor` says what is wrong"
    columns = (
        Column("vault / sleeve", 14, 1, grow=True),
        Column("state", 9, 1, grow=True),
        Column("total/alloc", 11, 1, right=True, marked=True),
        Column("free/cash", 9, 3, right=True, marked=True),
        Column("reserve/held", 12, 5, right=True),
        Column("position", 8, 2, right=True, marked=True),
        Column("realised", 8, 1, right=True, marked=True),
        Column("unrealised", 10, 4, right=True, marked=True),
        Column("entry", 7, 6, right=True),
        Column("fees", 6, 7, right=True),
        Column("swept", 6, 8, right=True),
        Column("symbol", 10, 6),
        Column("why", 10, 9, grow=True),
    )

    def lines(self, store: Store, query: str) -> list[Line]:
        rows: list[tuple[ViewRow, str]] = []
        for vault in store.vaults():
            matching = [sleeve for sleeve in vault.sleeves if matches(sleeve, query)]
            if matches(vault, query) or matching:
                rows.append((vault, vault.address))
                rows += [(sleeve, sleeve.address) for sleeve in matching or vault.sleeves]
        return self._cached(rows, "")

    def format(self, row: ViewRow, key: str) -> Line:
        if isinstance(row, VaultView):
            return self._vault(row)
        assert isinstance(row, SleeveView), "a vault consists of sleeves"
        return self._sleeve(row)

    def _vault(self, row: VaultView) -> Line:
        name = row.vault or row.address
        total, free, reserve, realised, unrealised, fees = (
            money(clean(amount), row.asset)
            for amount in (
                row.total, row.remaining, row.reserve, row.realised, row.unrealised, row.fees
            )
        )  # fmt: skip
        cells = (
            clean(f"{row.user} {name}".strip()), self.state(row.mode), total, free, reserve, "",
            signed(realised), signed(unrealised), "", fees, "", clean(row.asset),
            clean(row.environment),
        )  # fmt: skip
        return Line(row.address, cells, accents=self._accents(row.mode, cells))

    def _sleeve(self, row: SleeveView) -> Line:
        style = f" ({row.style})" if row.style != row.sleeve else ""
        asset = row.symbol.partition("/")[2].partition(":")[0]
        allocated, cash, held, realised, unrealised, fees, swept = (
            money(clean(amount), asset)
            for amount in (
                row.allocated, row.cash, row.reserved, row.realised, row.unrealised, row.fees,
                row.swept,
            )
        )  # fmt: skip
        cells = (
            clean(f"  {row.sleeve}{style}"), self.state(row.state), allocated, cash, held,
            clean(row.position), signed(realised), signed(unrealised), clean(row.average_entry),
            fees, swept, clean(row.symbol), clean(row.reason),
        )  # fmt: skip
        return Line(row.address, cells, accents=self._accents(row.state, cells))

    def _accents(self, state: str, cells: tuple[str, ...]) -> tuple[tuple[int, str], ...]:
        accents = [(_STATE, state_tone(state))]
        for column in (_REALISED, _UNREALISED):
            tone = "down" if "-" in cells[column] else "up" if "+" in cells[column] else "plain"
            accents.append((column, tone))
        return tuple(accent for accent in accents if accent[1] != "plain")

    def detail(self, store: Store, key: str) -> list[list[Run]]:
        for vault in store.vaults():
            if vault.address == key:
                return _vault_detail(vault)
        for vault, sleeve in store.sleeves():
            if sleeve.address == key:
                return _sleeve_detail(vault, sleeve, store)
        return []

    def target(self, store: Store, key: str) -> str:
        return key

    def acts_on(self, store: Store, key: str) -> str:
        for vault, sleeve in store.sleeves():
            if vault.address == key:
                return sleeve.address.rsplit("/", 1)[0]
        return key

    def leads_to(self, store: Store, key: str) -> Jump | None:
        for vault, sleeve in store.sleeves():
            if sleeve.address == key:
                return Jump("orders", sleeve.sleeve)
            if vault.address == key:
                return Jump("orders", vault.vault)
        return None


def _funding(vault: VaultView) -> tuple[tuple[str, str], ...]:
    """Return what only a vault of perpetuals has."""
    if not any(":" in sleeve.symbol for sleeve in vault.sleeves):
        return ()
    return (("funding", signed(vault.funding)),)


def _on_margin(sleeve: SleeveView) -> tuple[tuple[str, str], ...]:
    """Return what only a position in a perpetual has."""
    if ":" not in sleeve.symbol:
        return ()
    return (("margin", sleeve.margin), ("funding", signed(sleeve.funding)))


def _vault_detail(vault: VaultView) -> list[list[Run]]:
    return [
        labelled(
            (
                ("total", f"{vault.total} {vault.asset}"), ("tradeable", vault.tradeable),
                ("free", vault.remaining), ("reserve", vault.reserve),
                ("realised", signed(vault.realised)), ("unrealised", signed(vault.unrealised)),
                ("fees", vault.fees), *_funding(vault),
            )
        ),
        labelled(
            (
                ("vault", vault.address), ("venue", vault.venue),
                ("environment", vault.environment), ("mode", vault.mode),
            )
        ),
    ]  # fmt: skip


def _sleeve_detail(vault: VaultView, sleeve: SleeveView, store: Store) -> list[list[Run]]:
    lines = [
        labelled(
            (
                ("because", sleeve.reason), ("style", sleeve.style),
                ("strategy", sleeve.strategy),
            )
        ),
        labelled(
            (
                ("position", f"{sleeve.position} {sleeve.symbol.split('/')[0]}"),
                ("entry", sleeve.average_entry), ("cash", f"{sleeve.cash} {vault.asset}"),
                ("held", sleeve.reserved), ("realised", signed(sleeve.realised)),
                ("unrealised", signed(sleeve.unrealised)), ("swept", sleeve.swept),
                ("fees", sleeve.fees), *_on_margin(sleeve),
            )
        ),
        labelled((("sleeve", sleeve.address),)),
    ]  # fmt: skip
    orders = [
        order
        for order in store.orders()
        if order.sleeve == sleeve.sleeve and order.vault == vault.vault
    ]
    return lines + [
        labelled(
            (
                (order.state, f"{order.side} {order.quantity} {order.symbol}"),
                ("at", order.price), ("filled", order.filled), ("order", order.client_order_id),
            )
        )
        for order in orders[:8]
    ]  # fmt: skip
