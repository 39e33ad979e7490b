"""Sharing out a table's width: figures are whole or absent, text is cut and marked."""

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from tui.screens.log import LogPage
from tui.screens.orders import FillsPage, OrdersPage
from tui.screens.tree import TreePage
from tui.screens.vaults import VaultsPage
from tui.widgets.columns import Column, Needs, Place, arrange, cell_of

PAGES = (TreePage, VaultsPage, OrdersPage, FillsPage, LogPage)
COLUMNS = (
    Column("name", 6, 1, grow=True),
    Column("total", 5, 1, right=True, marked=True),
    Column("fee", 3, 2, right=True),
    Column("why", 4, 3, grow=True),
)


def drawn(rows: list[tuple[str, str, str, str]], width: int) -> tuple[list[Place], list[str]]:
    needs = Needs(COLUMNS)
    for row in rows:
        needs.see(row)
    places = arrange(COLUMNS, needs, width)
    lines = [
        "".join(cell_of(row[place.column], place, "…") + " " * place.gap for place in places)
        for row in rows
    ]
    return places, lines


def test_decimal_points_stand_below_one_another() -> None:
    _, lines = drawn([("a", "10005.16", "1", ""), ("b", "7.5", "0.25", "")], 40)
    assert lines == ["a      10005.16  1         ", "b          7.5   0.25      "]


def test_a_figure_without_room_is_left_out_with_its_whole_column() -> None:
    places, lines = drawn([("alice kraken", "12345678.90", "1.25", "x")], 23)
    assert [place.column for place in places] == [0, 1]
    assert lines == ["alice kr… 12345678.90  "]


amounts = st.decimals(0, 10**9, places=2).map(str)


@given(st.lists(st.tuples(st.text("abc ", max_size=30), amounts, amounts, st.text("xy"))),
       st.integers(40, 200))  # fmt: skip
def test_no_figure_is_ever_cut(rows: list[tuple[str, str, str, str]], width: int) -> None:
    places, lines = drawn(rows, width)
    for row, line in zip(rows, lines, strict=True):
        assert len(line) <= width
        shown = {word for word in line.split() if word[0].isdigit()}
        for place in places:
            if place.right:
                assert row[place.column] in shown
        assert all(Decimal(word) >= 0 for word in shown)


def test_a_window_narrower_than_one_figure_shows_none_of_it() -> None:
    assert cell_of("12345.67", Place(0, 5, True, 1, 3), "…") == "#####"


def test_text_that_is_cut_is_marked() -> None:
    place = Place(0, 4, False, 1, 0)
    assert cell_of("123456", place, "…") == "123…"
    assert cell_of("12", place, "…") == "12  "


def test_columns_only_grow() -> None:
    needs = Needs(COLUMNS)
    assert needs.see(("a", "100.00", "1", ""))
    assert not needs.see(("b", "9.50", "0", ""))
    assert needs.width(1) == len("100.00")


@given(st.sampled_from(PAGES), st.integers(40, 250))
def test_columns_fit_and_the_most_important_stay(page: type[TreePage], width: int) -> None:
    places = arrange(page.columns, Needs(page.columns), width)
    assert sum(place.width + place.gap for place in places) <= width
    kept = {place.column for place in places}
    worst = max(page.columns[index].priority for index in kept)
    left_out = [column for index, column in enumerate(page.columns) if index not in kept]
    assert all(column.priority >= worst for column in left_out)


def test_at_80_columns_everything_vital_fits() -> None:
    for page in PAGES:
        kept = {place.column for place in arrange(page.columns, Needs(page.columns), 80)}
        vital = {index for index, column in enumerate(page.columns) if column.priority == 1}
        assert vital <= kept


def test_a_window_narrower_than_one_column_still_shows_it() -> None:
    columns = (Column("a", 20, 1), Column("b", 5, 2))
    (place,) = arrange(columns, Needs(columns), 10)
    assert (place.column, place.width) == (0, 9)
