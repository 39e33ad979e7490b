"""The base of widgets that draw their own lines and repaint only those that changed.

Textual sends a dirty region from the widget's left edge to the region's right end, once per region:
so one region per line, ended at the last changed cell, and few style runs in it (each costs about
38 bytes).
"""

import textwrap
from collections.abc import Iterable
from typing import ClassVar, NamedTuple

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

TONES = (
    "plain",
    "dim",
    "good",
    "warn",
    "fail",
    "up",
    "down",
    "accent",
    "cursor",
    "header",
    "alert",
)


class Run(NamedTuple):
    """Some text in one tone; the text has been cleaned."""

    text: str
    tone: str = "plain"


class Painted(Widget):
    """A widget that is a column of lines, each a list of runs."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"tone--{tone}" for tone in TONES}
    DEFAULT_CSS = """
    Painted { width: 1fr; height: 1fr; background: $background; color: $foreground; }
    Painted > .tone--plain { color: $foreground; }
    Painted > .tone--dim { color: $dim; }
    Painted > .tone--good { color: $up; }
    Painted > .tone--warn { color: $warning; text-style: bold; }
    Painted > .tone--fail { color: $error; text-style: bold; }
    Painted > .tone--up { color: $up; }
    Painted > .tone--down { color: $down; }
    Painted > .tone--accent { color: $accent; text-style: bold; }
    Painted > .tone--cursor { background: $cursor; color: $cursor-text; }
    Painted > .tone--header { color: $dim; text-style: underline; }
    Painted > .tone--alert { text-style: bold reverse; }
    """
    can_focus = False

    def __init__(self, identity: str = "") -> None:
        super().__init__(id=identity or None)
        self._shown: list[tuple[Run, ...]] = []

    def runs(self, y: int) -> tuple[Run, ...]:
        """Return the runs of line `y` of the window as they should look now."""
        raise NotImplementedError(f"{type(self).__name__} does not say how its lines look")

    def repaint(self) -> None:
        """Compare every visible line with what was last painted and repaint what differs."""
        height, width = self.size.height, self.size.width
        if len(self._shown) != height:
            self._shown = [()] * height
        for y in range(height):
            wanted = self.runs(y)
            if wanted != self._shown[y]:
                self.refresh(Region(0, y, _last_change(self._shown[y], wanted, width), 1))
                self._shown[y] = wanted

    def render_line(self, y: int) -> Strip:
        """Draw one line (Textual calls this for dirty regions only)."""
        width = self.size.width
        segments = [Segment(run.text, self._style(run.tone)) for run in self.runs(y) if run.text]
        return Strip(segments).adjust_cell_length(width, self._style("plain")).crop(0, width)

    def on_resize(self) -> None:
        """Forget what was painted: everything is drawn anew in the new size."""
        self._shown = []
        self.repaint()

    def _style(self, tone: str) -> Style:
        return self.get_component_rich_style(f"tone--{tone}")


def _last_change(old: tuple[Run, ...], new: tuple[Run, ...], width: int) -> int:
    if not old:
        return width
    old_cells, new_cells = _cells(old, width), _cells(new, width)
    for x in range(width - 1, -1, -1):
        if old_cells[x] != new_cells[x]:
            return x + 1
    return 1


def _cells(runs: Iterable[Run], width: int) -> list[tuple[str, str]]:
    cells = [(char, run.tone) for run in runs for char in run.text][:width]
    return cells + [(" ", "plain")] * (width - len(cells))


class Lines(Painted):
    """A few lines of free text: status, details, keys."""

    def __init__(self, identity: str = "") -> None:
        super().__init__(identity)
        self._lines: list[tuple[Run, ...]] = []

    def show(self, lines: Iterable[Iterable[Run]]) -> None:
        """Show `lines`, repainting those that differ from before."""
        self._lines = [tuple(line) for line in lines]
        self.repaint()

    def runs(self, y: int) -> tuple[Run, ...]:
        return self._lines[y] if y < len(self._lines) else ()

    def show_wrapped(self, lines: Iterable[Iterable[Run]]) -> None:
        """Show `lines`, broken before a dimmed label where they are too long for the window."""
        self.show(part for line in lines for part in _broken(line, self.size.width))

    def text(self) -> str:
        """Return what is shown as plain text."""
        return "\n".join("".join(run.text for run in line) for line in self._lines)


def _broken(line: Iterable[Run], width: int) -> list[list[Run]]:
    parts: list[list[Run]] = [[]]
    room = width
    # A label and its value stay together: a pair begins with the dimmed label.
    pair: list[Run] = []
    for run in [*line, Run("", "dim")]:
        if run.tone == "dim" and pair:
            need = sum(len(member.text.rstrip()) for member in pair)
            if need > room and parts[-1]:
                parts.append([])
                room = width
            if need > width:
                parts[-1:] = _wrapped(pair, width)
                room = 0
            else:
                parts[-1] += pair
                room -= sum(len(member.text) for member in pair)
            pair = []
        pair.append(run)
    return parts


def _wrapped(pair: list[Run], width: int) -> list[list[Run]]:
    """Break what is longer than a line between words, or inside one that is longer still."""
    label = [run for run in pair if run.tone == "dim"]
    value = [run for run in pair if run.tone != "dim"]
    indent = sum(len(run.text) for run in label)
    text = textwrap.wrap(
        "".join(run.text for run in value), max(width, indent + 8), initial_indent=" " * indent
    )
    if not text:
        return [label]
    tone = value[0].tone
    return [[*label, Run(text[0][indent:], tone)], *([Run(part, tone)] for part in text[1:])]
