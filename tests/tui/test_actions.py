import pytest

from tui.actions import ACTIONS, BY_NAME, Grade, for_view, parse
from tui.program import Tui
from tui.screens.dialogs import help_text
from tui.shell import Shell


def test_every_action_can_be_done() -> None:
    pages = {"tree", "vaults", "orders", "fills", "log"}
    for action in ACTIONS:
        assert action.name in pages or callable(getattr(Tui, f"do_{action.name}"))
        assert action.keys or action.commands


def test_every_binding_comes_from_the_registry() -> None:
    bound = {binding.key for binding in Tui.BINDINGS if not isinstance(binding, tuple)}
    assert bound == {key for action in ACTIONS for key in action.keys}
    assert issubclass(Tui, Shell)


def test_only_capitals_change_the_bot() -> None:
    for action in ACTIONS:
        if action.grade is not Grade.LOOK:
            assert all(key.isupper() or key.startswith("ctrl+") for key in action.keys)


@pytest.mark.parametrize(
    ("text", "name", "argument"),
    [
        ("orders", "orders", ""),
        ("orders btc !filled", "orders", "btc !filled"),
        ("ord", "orders", ""),
        ("sleeves", "vaults", ""),
        ("pause /users/alice", "pause", "/users/alice"),
    ],
)
def test_commands_and_their_beginnings(text: str, name: str, argument: str) -> None:
    assert parse(text) == (BY_NAME[name], argument)


@pytest.mark.parametrize("text", ["r", "re", "xyz", "ORDERS"])
def test_ambiguous_and_unknown_commands_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="there is no command"):
        parse(text)


def test_help_tells_every_action_of_the_view() -> None:
    for view in ("tree", "orders"):
        text = help_text(view)
        assert all(action.help in text for action in for_view(view))
    assert "fold" not in help_text("orders")
