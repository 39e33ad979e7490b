"""What a view is: columns, the lines made from the store, details of one line, where it leads."""

from collections.abc import Iterable
from dataclasses import dataclass

from messages.control import View
from messages.views import ViewRow, matches
from tui.store import Store
from tui.text import Glyphs, clean
from tui.widgets.board import Column, Line
from tui.widgets.painted import Run

# What states look like, besides their word. Anything not named here is neutral.
_STATE_TONES = {
    "running": "plain", "active": "plain", "filled": "plain", "open": "accent",
    "starting": "dim", "restoring": "warn", "backoff": "warn", "suspended": "warn",
    "pausing": "warn", "paused": "warn", "reconciling": "warn", "untrusted": "warn",
    "pending_submit": "accent", "pending_cancel": "accent", "pending_amend": "accent",
    "unknown": "fail",
    "blocked": "fail", "halted": "fail", "frozen": "fail", "rejected": "fail", "denied": "warn",
    "absent": "warn", "cancelled": "dim", "expired": "dim", "stopped": "dim", "stopping": "dim",
    "idle": "dim", "no record": "dim", "reducing": "warn", "exits_only": "warn",
}  # fmt: skip


@dataclass(frozen=True)
class Jump:
    """Where Enter leads: another page, showing what this filter lets through."""

    page: str
    filter: str


class Page:
    """One view. Its only state is a cache of formatted lines and the rows they were made from."""

    name = ""
    view: View
    columns: tuple[Column, ...] = ()
    also: tuple[View, ...] = ()
    """Views that the details are made from."""
    follow = False
    empty = "nothing here yet"

    def __init__(self, glyphs: Glyphs) -> None:
        self.glyphs = glyphs
        self._made: dict[str, tuple[ViewRow, Line]] = {}

    def lines(self, store: Store, query: str) -> list[Line]:
        """Return the lines to show, filtered by `query`."""
        raise NotImplementedError(f"the page {self.name} has no lines")

    def detail(self, store: Store, key: str) -> list[list[Run]]:
        """Return lines that tell more about the row `key`."""
        return []

    def target(self, store: Store, key: str) -> str:
        """Return the address of the actor that the row is about; empty if there is none."""
        return ""

    def acts_on(self, store: Store, key: str) -> str:
        """Return the address below which the sleeves of the row `key` are."""
        return self.target(store, key)

    def leads_to(self, store: Store, key: str) -> Jump | None:
        """Return where Enter goes from the row `key`."""
        return None

    def toggle(self, key: str) -> None:
        """Fold or unfold the row `key`, if this view can."""

    def _cached(self, rows: Iterable[tuple[ViewRow, str]], query: str) -> list[Line]:
        """Format the rows that match, anew only where a row is another than before."""
        made: dict[str, tuple[ViewRow, Line]] = {}
        lines: list[Line] = []
        for row, key in rows:
            if query and not matches(row, query):
                continue
            known = self._made.get(key)
            if known is None or known[0] is not row:
                known = (row, self.format(row, key))
            made[key] = known
            lines.append(known[1])
        self._made = made
        return lines

    def format(self, row: ViewRow, key: str) -> Line:
        """Return the line of one row."""
        raise NotImplementedError(f"the page {self.name} does not format rows")

    def state(self, word: str) -> str:
        """Return a state's word with the sign of its kind before it."""
        tone = state_tone(word)
        glyphs = self.glyphs
        sign = {"fail": glyphs.failed, "warn": glyphs.waiting, "dim": glyphs.stopped}
        return f"{sign.get(tone, glyphs.running)} {clean(word)}"

    def side(self, side: str) -> str:
        """Return a side with its shape."""
        return f"{self.glyphs.up if side == 'buy' else self.glyphs.down} {clean(side)}"


def state_tone(word: str) -> str:
    """Return the tone of a state's word."""
    return _STATE_TONES.get(word, "plain")


def labelled(pairs: Iterable[tuple[str, str]]) -> list[Run]:
    """Return `name value  name value` with the names dimmed; empty values are left out."""
    runs: list[Run] = []
    for name, value in pairs:
        if value:
            runs += [Run(f"{name} ", "dim"), Run(f"{clean(value)}  ")]
    return runs
