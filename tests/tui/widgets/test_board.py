from tui.themes import THEMES, load
from tui.widgets.painted import Run, _broken, _last_change


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
