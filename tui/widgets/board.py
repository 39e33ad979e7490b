"""The table of every view: keyed lines, a cursor that stays on its line, columns by priority."""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

from tui.text import UNICODE, Glyphs
from tui.widgets.columns import Column, Needs, Place, arrange, cell_of
from tui.widgets.painted import Painted, Run

__all__ = ["Board", "Column", "Line"]

# A changed number stays marked this long: long enough to be seen by someone who looked away.
MARK_S = 3.0
_HEADER = 1
# The sign of the line under the cursor stands in a cell of its own before the columns.
_GUTTER = 1


@dataclass(frozen=True)
class Line:
    """One line: its identity, its cells (cleaned text, one per column), and its few tones."""

    key: str
    cells: tuple[str, ...]
    tone: str = "plain"
    accents: tuple[tuple[int, str], ...] = ()
    """(column, tone) of cells that differ from the line's."""


@dataclass
class _Mark:
    sign: str
    tone: str
    until_s: float


@dataclass
class Cursor:
    """Where a board stands. Without a key it keeps to the board's natural end."""

    key: str | None = None
    index: int = 0
    top: int = 0
    marks: dict[tuple[str, int], _Mark] = field(default_factory=dict)


class Board(Painted):
    """A live table. Its natural end is the top (newest first); `follow` makes it the bottom."""

    follow = False

    def __init__(
        self,
        columns: tuple[Column, ...],
        *,
        glyphs: Glyphs = UNICODE,
        identity: str = "",
    ) -> None:
        super().__init__(identity)
        self.columns = columns
        self._glyphs = glyphs
        self._lines: list[Line] = []
        self._by_key: dict[str, int] = {}
        self._cursor = Cursor()
        self._dimmed = False
        self._is_past = False
        self._needs = Needs(columns)
        self._places: tuple[int, list[Place]] = (-1, [])
        self.note = ""
        """Shown in place of lines when there are none."""

    # --- what is shown

    def show(self, lines: list[Line], now_s: float) -> None:
        """Show `lines`; the cursor stays on its line, and that line stays where it is."""
        self._mark_changes(lines, now_s)
        former = self._lines
        self._lines = lines
        if self._see(lines, former):
            self._places = (-1, [])
        self._by_key = {line.key: index for index, line in enumerate(lines)}
        cursor = self._cursor
        if cursor.key is None:
            self._settle_at_end()
        elif cursor.key in self._by_key:
            index = self._by_key[cursor.key]
            cursor.top += index - cursor.index
            cursor.index = index
        elif lines:
            cursor.index = min(cursor.index, len(lines) - 1)
            cursor.key = lines[cursor.index].key
        else:
            # The line may come back (a daemon that restarts is empty for a moment).
            cursor.top = 0
        self._keep_in_window()
        self.repaint()

    def belong(self, *, to_past: bool) -> None:
        """Say of when the next lines are: a journey in time is no change of a number."""
        if to_past != self._is_past:
            self._is_past = to_past
            self._cursor.marks.clear()
            self._by_key = {}

    def expire(self, now_s: float) -> None:
        """Take away the marks of changes that are old by now."""
        old = [place for place, mark in self._cursor.marks.items() if mark.until_s <= now_s]
        for place in old:
            del self._cursor.marks[place]
        if old:
            self.repaint()

    def dim(self, dimmed: bool) -> None:  # noqa: FBT001 - one switch, named by the method
        """Show everything dimmed (what is shown may not be true any more), or normally."""
        if dimmed is not self._dimmed:
            self._dimmed = dimmed
            self.repaint()

    # --- the cursor

    @property
    def selected(self) -> str | None:
        """The key of the line under the cursor."""
        return self._lines[self._cursor.index].key if self._lines else None

    @property
    def position(self) -> tuple[int, int]:
        """The cursor's line from 1 (0 when there is none), and how many there are."""
        return (self._cursor.index + 1 if self._lines else 0), len(self._lines)

    @property
    def below(self) -> int:
        """How many lines lie below the window."""
        return max(0, len(self._lines) - self._cursor.top - self._window())

    def move(self, by: int) -> None:
        """Move the cursor by so many lines."""
        if self._lines:
            self._put(self._cursor.index + by)

    def page(self, by: int) -> None:
        """Move the cursor by so many windows."""
        self.move(by * max(1, self._window() - 1))

    def jump(self, *, end: bool) -> None:
        """Go to the first or last line; at the natural end the cursor stays there as lines come."""
        self._cursor.key = None
        if end is self.follow:
            self._settle_at_end()
            self._keep_in_window()
            self.repaint()
        elif self._lines:
            self._put(len(self._lines) - 1 if end else 0)

    def select(self, key: str) -> None:
        """Put the cursor on the line with this key, now or when it comes."""
        self._cursor.key = key
        if key in self._by_key:
            self._put(self._by_key[key])

    def _put(self, index: int) -> None:
        index = max(0, min(index, len(self._lines) - 1))
        self._cursor.index = index
        self._cursor.key = self._lines[index].key
        if self.follow and index == len(self._lines) - 1:
            self._cursor.key = None
        self._keep_in_window()
        self.repaint()

    def _settle_at_end(self) -> None:
        self._cursor.index = max(0, len(self._lines) - 1) if self.follow else 0

    def _keep_in_window(self) -> None:
        cursor, window = self._cursor, self._window()
        cursor.top = max(cursor.index - window + 1, min(cursor.top, cursor.index))
        cursor.top = max(0, min(cursor.top, len(self._lines) - window))

    def _window(self) -> int:
        return max(1, self.size.height - _HEADER)

    def on_resize(self) -> None:
        """Keep the cursor in the window of the new size."""
        self._keep_in_window()
        super().on_resize()

    # --- drawing

    def runs(self, y: int) -> tuple[Run, ...]:
        if y < _HEADER:
            return (Run(self._header(), "header"),)
        index = self._cursor.top + y - _HEADER
        if index >= len(self._lines):
            return (Run(f" {self.note}", "dim"),) if not self._lines and y == _HEADER else ()
        line = self._lines[index]
        if index == self._cursor.index:
            # One run: the words and signs in the cells carry the meaning without their colours.
            cells = (
                self._cell(line, place) + self._gap(line, place)[0] for place in self._layout()
            )
            return (Run(f"{self._glyphs.cursor}{''.join(cells)}", "cursor"),)
        return self._styled(line)

    def _styled(self, line: Line) -> tuple[Run, ...]:
        base = "dim" if self._dimmed else line.tone
        accents = {} if self._dimmed else dict(line.accents)
        runs = [Run(" " * _GUTTER, base)]
        for place in self._layout():
            gap, gap_tone = self._gap(line, place)
            for text, tone in (
                (self._cell(line, place), accents.get(place.column, base)),
                (gap, base if self._dimmed else gap_tone or base),
            ):
                if runs[-1].tone == tone:
                    runs[-1] = Run(runs[-1].text + text, tone)
                else:
                    runs.append(Run(text, tone))
        return tuple(runs)

    def _cell(self, line: Line, place: Place) -> str:
        return cell_of(line.cells[place.column], place, self._glyphs.more)

    def _gap(self, line: Line, place: Place) -> tuple[str, str]:
        mark = self._cursor.marks.get((line.key, place.column))
        return (mark.sign.ljust(place.gap), mark.tone) if mark else (" " * place.gap, "")

    def _header(self) -> str:
        titles = (
            cell_of(self.columns[place.column].title, place, self._glyphs.more) + " " * place.gap
            for place in self._layout()
        )
        return " " * _GUTTER + "".join(titles)

    def _layout(self) -> list[Place]:
        width = self.size.width
        if self._places[0] != width:
            self._places = (width, arrange(self.columns, self._needs, width - _GUTTER))
        return self._places[1]

    def _see(self, lines: list[Line], former: list[Line]) -> bool:
        """Learn how wide the columns must be; most lines are the same objects as before."""
        known = {id(line) for line in former}
        grew = [self._needs.see(line.cells) for line in lines if id(line) not in known]
        return any(grew)

    def shown_columns(self) -> list[str]:
        """Return the titles of the columns that have room now."""
        return [self.columns[place.column].title for place in self._layout()]

    # --- marks

    def _mark_changes(self, lines: list[Line], now_s: float) -> None:
        marked = [index for index, column in enumerate(self.columns) if column.marked]
        if not marked:
            return
        marks = self._cursor.marks
        for line in lines:
            at = self._by_key.get(line.key)
            if at is None or self._lines[at] is line:
                continue
            before = self._lines[at]
            for column in marked:
                sign = self._sign(before.cells[column], line.cells[column])
                if sign is not None:
                    marks[line.key, column] = _Mark(*sign, now_s + MARK_S)

    def _sign(self, old: str, new: str) -> tuple[str, str] | None:
        if old == new:
            return None
        glyphs = self._glyphs
        try:
            rises = _number(new) > _number(old)
        except InvalidOperation:
            return glyphs.changed, "accent"
        return (glyphs.up, "up") if rises else (glyphs.down, "down")


def _number(cell: str) -> Decimal:
    return Decimal(cell.strip() or "0")
