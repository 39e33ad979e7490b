"""The log: what the bot says about itself, newest last."""

from messages.control import View
from messages.views import LogLine, ViewRow
from tui.screens.page import Page
from tui.store import Store
from tui.text import clean, clock
from tui.widgets.board import Column, Line
from tui.widgets.painted import Run

_LEVEL = 1
_TONES = {"debug": "dim", "info": "plain", "warning": "warn", "error": "fail", "critical": "fail"}
# Continuation lines of the detail pane: a traceback is cut there, the whole of it is in the log
# file.
_WRAPPED_MAX = 8


class LogPage(Page):
    """The log as a table: time, level, who, what."""

    name = "log"
    view = View.LOG
    follow = True
    empty = "nothing was logged yet"
    columns = (
        Column("time UTC", 8, 1),
        Column("level", 8, 1),
        Column("who", 16, 2, grow=1),
        Column("what", 24, 1, grow=4),
    )

    def lines(self, store: Store, query: str) -> list[Line]:
        return self._cached(((row, row.key()) for row in store.log()), query)

    def format(self, row: ViewRow, key: str) -> Line:
        assert isinstance(row, LogLine), "the log consists of log lines"
        tone = _TONES.get(row.level, "plain")
        first = clean(row.text.split("\n", 1)[0])
        who = clean(_who(row.address))
        return Line(
            key=key,
            cells=(clock(row.at_ns), clean(row.level.upper()), who, first),
            tone="dim" if tone == "dim" else "plain",
            accents=((_LEVEL, tone),) if tone in ("warn", "fail") else (),
        )

    def detail(self, store: Store, key: str) -> list[list[Run]]:
        row = next((row for row in store.log() if row.key() == key), None)
        if row is None:
            return []
        lines = [[Run(f"{clean(row.address or 'runtime')} ", "dim")]]
        return lines + [[Run(clean(part))] for part in row.text.split("\n")[:_WRAPPED_MAX]]

    def target(self, store: Store, key: str) -> str:
        row = next((row for row in store.log() if row.key() == key), None)
        return row.address if row else ""


def _who(address: str) -> str:
    """Return the end of an address, which tells more than its beginning."""
    return "/".join(address.split("/")[-2:]).lstrip("/")
