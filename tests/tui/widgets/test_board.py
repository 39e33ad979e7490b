from hypothesis import given
from hypothesis import strategies as st

from tui.screens.log import LogPage
from tui.screens.orders import FillsPage, OrdersPage
from tui.screens.tree import TreePage
from tui.screens.vaults import VaultsPage
from tui.themes import THEMES, load
from tui.widgets.board import Column, _arrange
from tui.widgets.painted import Run, _broken, _last_change

PAGES = (TreePage, VaultsPage, OrdersPage, FillsPage, LogPage)


@given(st.sampled_from(PAGES), st.integers(40, 250))
def test_columns_fit_and_the_most_important_stay(page: type[TreePage], width: int) -> None:
    places = _arrange(page.columns, width)
    assert sum(place.width + 1 for place in places) <= width
    kept = {place.column for place in places}
    worst = max(page.columns[index].priority for index in kept)
    left_out = [column for index, column in enumerate(page.columns) if index not in kept]
    assert all(column.priority >= worst for column in left_out)


def test_at_80_columns_everything_vital_fits() -> None:
    for page in PAGES:
        kept = {place.column for place in _arrange(page.columns, 80)}
        vital = {index for index, column in enumerate(page.columns) if column.priority == 1}
        assert vital <= kept


def test_a_window_narrower_than_one_column_still_shows_it() -> None:
    (place,) = _arrange((Column("a", 20, 1), Column("b", 5, 2)), 10)
    assert (place.column, place.width) == (0, 9)


def test_a_line_is_sent_only_up_to_its_last_change() -> None:
    old = (Run("abc 123 xyz"),)
    assert _last_change((), old, 40) == 40
    assert _last_change(old, (Run("abc 124 xyz"),), 40) == 7
    assert _last_change(old, (Run("abc "), Run("123", "warn"), Run(" xyz")), 40) == 7
    assert _last_change(old, (Run("abc"),), 40) == 11


def test_long_details_break_before_a_label() -> None:
    pairs = [Run("one ", "dim"), Run("1111  "), Run("two ", "dim"), Run("2222  ")]
    assert _broken(pairs, 12) == [pairs[:2], pairs[2:]]
    assert _broken(pairs, 40) == [pairs]
    assert _broken([], 40) == [[]]


def test_all_themes_load_with_the_same_names() -> None:
    names = {frozenset(load(name).variables) - _ANSI for name in THEMES}
    assert len(names) == 1


_ANSI = {"ansi-background", "ansi-foreground"}
