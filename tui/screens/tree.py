"""The supervision tree: every supervisor, actor and port, and how it stands."""

from collections.abc import Iterator

from messages.control import View
from messages.views import TreeRow, ViewRow
from tui.inspecting import inspected_lines
from tui.screens.page import Jump, Page, labelled, state_tone
from tui.store import Store
from tui.text import Glyphs, clean, short
from tui.widgets.board import Column, Line
from tui.widgets.painted import Run

# The supervision tree is about eight levels deep; what is deeper is cut, not recursed into for
# ever.
_DEPTH_MAX = 64


class TreePage(Page):
    """The tree, indented; with a filter, the matching nodes with their whole addresses."""

    name = "tree"
    view = View.TREE
    empty = "no actor is shown: r asks for the tree again"
    columns = (
        Column("actor", 26, 1, grow=True),
        Column("state", 11, 1),
        Column("kind", 10, 4),
        Column("inc", 4, 6, right=True),
        Column("restarts", 8, 2, right=True, marked=True),
        Column("mailbox", 7, 2, right=True),
        Column("handled", 8, 3, right=True),
        Column("reason", 12, 5, grow=True),
    )

    def __init__(self, glyphs: Glyphs) -> None:
        super().__init__(glyphs)
        self._folded: set[str] = set()
        self._indents: dict[str, str] = {}

    def lines(self, store: Store, query: str) -> list[Line]:
        children = store.tree()
        self._indents = {}
        rows: list[tuple[ViewRow, str]] = []
        for row, depth in self._walk(children, "", 0, everything=bool(query)):
            sign = " "
            if row.address in children:
                sign = self.glyphs.folded if row.address in self._folded else self.glyphs.unfolded
            name = clean(row.address) if query else clean(_name(row.address))
            self._indents[row.address] = name if query else f"{'  ' * depth}{sign} {name}"
            rows.append((row, row.address))
        # The first cell depends on the fold and on the filter, not on the row alone.
        self._made = {
            key: known
            for key, known in self._made.items()
            if known[1].cells[0] == self._indents.get(key)
        }
        return self._cached(rows, query)

    def _walk(
        self, children: dict[str, list[TreeRow]], parent: str, depth: int, *, everything: bool
    ) -> Iterator[tuple[TreeRow, int]]:
        if depth > _DEPTH_MAX:
            return
        for row in children.get(parent, ()):
            yield row, depth
            if everything or row.address not in self._folded:
                yield from self._walk(children, row.address, depth + 1, everything=everything)

    def format(self, row: ViewRow, key: str) -> Line:
        assert isinstance(row, TreeRow), "the tree consists of tree rows"
        tone = state_tone(row.state)
        return Line(
            key=key,
            cells=(
                self._indents.get(key, key),
                self.state(row.state),
                clean(row.kind),
                *_now_only(row),
                short(row.handled),
                clean(row.reason),
            ),
            accents=((1, tone),) if tone != "plain" else (),
        )

    def detail(self, store: Store, key: str) -> list[list[Run]]:
        row = store.node(key)
        if row is None:
            return []
        below = store.tree().get(key, [])
        ill = [child for child in below if state_tone(child.state) in ("warn", "fail")]
        lines = [
            labelled(
                (
                    ("address", row.address), ("kind", row.kind), ("strategy", row.strategy),
                    ("state", row.state), ("children", str(len(below)) if below else ""),
                )
            ),
            labelled(
                (
                    *zip(("incarnation", "restarts", "mailbox"), _now_only(row), strict=True),
                    ("reason", row.reason),
                )
            ),
            *inspected_lines(store, key),
        ]  # fmt: skip
        return lines + [
            labelled(((child.state, child.address), ("because", child.reason))) for child in ill
        ]

    def target(self, store: Store, key: str) -> str:
        return key

    def leads_to(self, store: Store, key: str) -> Jump | None:
        if store.tree().get(key):
            self.toggle(key)
            return None
        return Jump("log", key)

    def toggle(self, key: str) -> None:
        self._folded ^= {key}


def _name(address: str) -> str:
    return address.rsplit("/", 1)[-1] or "root"


def _now_only(row: TreeRow) -> tuple[str, str, str]:
    """Return what is counted and not recorded: blank in the past, where nothing was started."""
    if not row.incarnation:
        return "", "", ""
    return str(row.incarnation), str(row.restarts), short(row.mailbox)
