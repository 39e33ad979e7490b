"""Orders and fills: what was asked of the venue, and what it did."""

from messages.control import View
from messages.views import FillView, OrderView, ViewRow
from tui.screens.page import Jump, Page, labelled, state_tone
from tui.store import Store
from tui.text import clean, clock
from tui.widgets.board import Column, Line
from tui.widgets.painted import Run

_SIDE, _STATE = 2, 7


class OrdersPage(Page):
    """Orders, newest first."""

    name = "orders"
    view = View.ORDERS
    also = (View.FILLS,)
    empty = "no order yet: 2 shows what each sleeve waits for"
    columns = (
        Column("time UTC", 8, 1),
        Column("symbol", 8, 1, grow=True),
        Column("side", 6, 1),
        Column("quantity", 8, 1, right=True),
        Column("price", 8, 1, right=True),
        Column("filled", 8, 2, right=True, marked=True),
        Column("average", 8, 4, right=True),
        Column("state", 10, 1, grow=True),
        Column("sleeve", 6, 3, grow=True),
        Column("type", 6, 6),
        Column("user", 8, 7),
        Column("our id", 12, 5, grow=True),
        Column("why", 10, 8, grow=True),
    )

    def lines(self, store: Store, query: str) -> list[Line]:
        return self._cached(((row, row.key()) for row in store.orders()), query)

    def format(self, row: ViewRow, key: str) -> Line:
        assert isinstance(row, OrderView), "orders consist of orders"
        tone = state_tone(row.state)
        side_tone = "up" if row.side == "buy" else "down"
        over = tone == "dim"
        return Line(
            key=key,
            cells=(
                clock(row.created_ns), clean(row.symbol), self.side(row.side),
                clean(row.quantity), clean(row.price) or "market", clean(row.filled),
                clean(row.average_price), self.state(row.state), clean(row.sleeve),
                clean(row.type), clean(row.user), clean(row.client_order_id), clean(row.reason),
            ),
            tone="dim" if over else "plain",
            accents=() if over else ((_SIDE, side_tone), (_STATE, tone)),
        )  # fmt: skip

    def detail(self, store: Store, key: str) -> list[list[Run]]:
        row = next((row for row in store.orders() if row.key() == key), None)
        if row is None:
            return []
        lines = [
            labelled(
                (
                    (row.state, f"{row.side} {row.quantity} {row.symbol}"),
                    ("at", row.price or "market"), ("filled", row.filled),
                    ("average", row.average_price), ("because", row.reason),
                )
            ),
            labelled(
                (
                    ("our id", row.client_order_id), ("venue's", row.venue_order_id),
                    ("at", row.venue), ("updated", clock(row.updated_ns)),
                    ("sleeve", f"{row.user}/{row.vault}/{row.sleeve}"),
                )
            ),
        ]  # fmt: skip
        fills = [fill for fill in store.fills() if fill.client_order_id == row.client_order_id]
        return lines + [_fill_line(fill) for fill in fills[:8]]

    def target(self, store: Store, key: str) -> str:
        row = next((row for row in store.orders() if row.key() == key), None)
        return _sleeve_of(store, row.vault, row.sleeve) if row else ""

    def leads_to(self, store: Store, key: str) -> Jump | None:
        return Jump("fills", key)


class FillsPage(Page):
    """Fills, newest first."""

    name = "fills"
    view = View.FILLS
    empty = "no fill yet: 3 shows the orders that wait for one"
    columns = (
        Column("time UTC", 8, 1),
        Column("symbol", 8, 1, grow=True),
        Column("side", 6, 1),
        Column("quantity", 8, 1, right=True),
        Column("price", 8, 1, right=True),
        Column("fee", 6, 2, right=True),
        Column("in", 5, 2),
        Column("as", 6, 3),
        Column("sleeve", 6, 4, grow=True),
        Column("our id", 12, 5, grow=True),
        Column("venue's id", 12, 6, grow=True),
    )

    def lines(self, store: Store, query: str) -> list[Line]:
        return self._cached(((row, row.key()) for row in store.fills()), query)

    def format(self, row: ViewRow, key: str) -> Line:
        assert isinstance(row, FillView), "fills consist of fills"
        return Line(
            key=key,
            cells=(
                clock(row.at_ns), clean(row.symbol), self.side(row.side), clean(row.quantity),
                clean(row.price), clean(row.fee), clean(row.fee_asset), clean(row.liquidity),
                clean(row.sleeve), clean(row.client_order_id), clean(row.exec_id),
            ),
            accents=((_SIDE, "up" if row.side == "buy" else "down"),),
        )  # fmt: skip

    def detail(self, store: Store, key: str) -> list[list[Run]]:
        row = next((row for row in store.fills() if row.key() == key), None)
        if row is None:
            return []
        return [
            _fill_line(row),
            labelled(
                (
                    ("our order", row.client_order_id), ("venue's id", row.exec_id),
                    ("at", row.venue), ("environment", row.environment),
                )
            ),
        ]  # fmt: skip

    def target(self, store: Store, key: str) -> str:
        row = next((row for row in store.fills() if row.key() == key), None)
        return _sleeve_of(store, row.vault, row.sleeve) if row else ""

    def leads_to(self, store: Store, key: str) -> Jump | None:
        row = next((row for row in store.fills() if row.key() == key), None)
        return Jump("orders", row.client_order_id) if row else None


def _fill_line(fill: FillView) -> list[Run]:
    return labelled(
        (
            ("fill", f"{clock(fill.at_ns)} {fill.side} {fill.quantity} {fill.symbol}"),
            ("at", fill.price), ("fee", f"{fill.fee} {fill.fee_asset}"), ("as", fill.liquidity),
        )
    )  # fmt: skip


def _sleeve_of(store: Store, vault_name: str, sleeve_name: str) -> str:
    for vault, sleeve in store.sleeves():
        if vault.vault == vault_name and sleeve.sleeve == sleeve_name:
            return sleeve.address
    return ""
