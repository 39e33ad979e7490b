"""The log: what the bot says about itself, newest last."""

from messages.control import View
from messages.views import LogLine, ViewRow
from tui.screens.page import Page, labelled
from tui.store import Store
from tui.text import clean, clock
from tui.widgets.board import Column, Line
from tui.widgets.painted import Run

_LEVEL = 1
# Short enough to leave the room to the text.
_LEVELS = {
    "debug": "debug", "info": "info", "warning": "WARN", "error": "ERROR", "critical": "CRIT"
}  # fmt: skip
_TONES = {"debug": "dim", "info": "plain", "warning": "warn", "error": "fail", "critical": "fail"}
# Continuation lines of the detail pane: a traceback is cut there, the whole of it is in the log
# file.
_WRAPPED_MAX = 8


class LogPage(Page):
    """The log as a table: time, level, what; who it is about begins the text."""

    name = "log"
    view = View.LOG
    follow = True
    empty = "nothing was logged since the start: before that, <data folder>/log/bot.log"
    columns = (
        Column("time UTC", 8, 1),
        Column("level", 5, 1, grow=True),
        Column("what", 24, 2, grow=True),
    )

    def lines(self, store: Store, query: str) -> list[Line]:
        return self._cached(((row, row.key()) for row in store.log()), query)

    def format(self, row: ViewRow, key: str) -> Line:
        assert isinstance(row, LogLine), "the log consists of log lines"
        tone = _TONES.get(row.level, "plain")
        return Line(
            key=key,
            cells=(clock(row.at_ns), clean(_LEVELS.get(row.level, row.level)), _first(row)),
            tone="dim" if tone == "dim" else "plain",
            accents=((_LEVEL, tone),) if tone in ("warn", "fail") else (),
        )

    def detail(self, store: Store, key: str) -> list[list[Run]]:
        row = next((row for row in store.log() if row.key() == key), None)
        if row is None:
            return []
        lines = [[Run(clean(part))] for part in row.text.split("\n")[:_WRAPPED_MAX]]
        return [*lines, labelled((("actor", row.address),))]

    def target(self, store: Store, key: str) -> str:
        row = next((row for row in store.log() if row.key() == key), None)
        return row.address if row else ""


def _first(row: LogLine) -> str:
    """Return the first line of the text; of an address only the end, which tells most."""
    text = row.text.split("\n", 1)[0]
    text = text.removeprefix(row.address).removeprefix(": ")
    name = row.address.rpartition("/")[2]
    return clean(text if not name or text.startswith(f"{name}:") else f"{name}: {text}")
