"""How a table's width is shared out: which columns have room, and how wide each one is.

A figure is never cut: a column of numbers is as wide as its widest number, with the decimal points
below one another, and one that has no room is left out whole. Text is cut where it must be.
"""

from collections.abc import Sequence
from dataclasses import dataclass

# Columns of this priority are there in every window.
VITAL = 1
# What names a line is shown whole up to here, before columns of less importance get room.
NAME_WIDTH_MAX = 28


@dataclass(frozen=True)
class Column:
    """One column; those with a low `priority` number stay longest when the window is narrow."""

    title: str
    width: int
    """The least it needs; a number takes more if it is longer."""
    priority: int
    right: bool = False
    """Numbers: aligned at their decimal points, never cut."""
    grow: bool = False
    """Text that takes what it needs of the width that is left over."""
    marked: bool = False
    """A number whose changes are marked in a cell of its own behind it."""

    @property
    def gap(self) -> int:
        """The cells behind it: a blank, and before that one for the mark."""
        return 2 if self.marked else 1


@dataclass(frozen=True)
class Place:
    """A column that has room, and how it is drawn."""

    column: int
    width: int
    right: bool
    gap: int
    decimals: int
    """Cells behind the decimal point, the point included."""


class Needs:
    """The widest of each column so far: it only grows, so that columns do not jump about."""

    def __init__(self, columns: Sequence[Column]) -> None:
        self._columns = columns
        self.whole = [0] * len(columns)
        self.decimals = [0] * len(columns)

    def see(self, cells: Sequence[str]) -> bool:
        """Take one line's cells into account; say whether some column needs more than before."""
        grew = False
        for at, cell in enumerate(cells):
            decimals = _decimals(cell) if self._columns[at].right else 0
            whole = len(cell) - decimals
            if whole > self.whole[at] or decimals > self.decimals[at]:
                self.whole[at] = max(whole, self.whole[at])
                self.decimals[at] = max(decimals, self.decimals[at])
                grew = True
        return grew

    def width(self, at: int) -> int:
        """Return how many cells column `at` needs to show everything."""
        return self.whole[at] + self.decimals[at]


def arrange(columns: Sequence[Column], needs: Needs, width: int) -> list[Place]:
    """Choose the columns that fit, most important first; text then takes what is left."""
    widths: dict[int, int] = {}
    left = width
    level = VITAL
    for at in sorted(range(len(columns)), key=lambda at: columns[at].priority):
        column = columns[at]
        if level == VITAL != column.priority:
            level = column.priority
            left = _grow(columns, needs, widths, left, NAME_WIDTH_MAX)
        least = max(column.width, needs.width(at)) if column.right else column.width
        if least + column.gap > left and widths:
            # What matters less does not take the room of what matters more.
            break
        widths[at] = min(least, max(left - column.gap, 1))
        left -= widths[at] + column.gap
    _grow(columns, needs, widths, left, width)
    return [
        Place(at, widths[at], columns[at].right, columns[at].gap, needs.decimals[at])
        for at in sorted(widths)
    ]


def _grow(
    columns: Sequence[Column], needs: Needs, widths: dict[int, int], left: int, at_most: int
) -> int:
    """Give text columns what they need, the important ones first; return what is left over."""
    for at in sorted(widths, key=lambda at: columns[at].priority):
        if columns[at].grow:
            more = max(0, min(left, min(needs.width(at), at_most) - widths[at]))
            widths[at] += more
            left -= more
    return left


def cell_of(text: str, place: Place, more: str) -> str:
    """Return `text` in exactly the cells of its place; a number that is too long as `####`."""
    if not place.right:
        return text.ljust(place.width) if len(text) <= place.width else _cut(text, place, more)
    if text and place.decimals and _is_number(text):
        text += " " * (place.decimals - _decimals(text))
    if len(text) > place.width:
        # Half a number is a wrong number.
        return "#" * place.width if _is_number(text.rstrip()) else _cut(text, place, more)
    return text.rjust(place.width)


def _cut(text: str, place: Place, more: str) -> str:
    return text[: place.width - 1] + more


def _decimals(cell: str) -> int:
    return len(cell) - cell.index(".") if "." in cell and _is_number(cell) else 0


def _is_number(cell: str) -> bool:
    return cell.replace(".", "", 1).lstrip("+-").isdigit()
