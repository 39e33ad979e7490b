"""The dialogs: a question with its focus on No, a word to type, the kill switch, the help."""

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from tui.actions import Grade, for_view, key_label

_HELP_KEYS_WIDTH = 12


class Dialog(ModalScreen[bool]):
    """A question; Escape is No."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "answer(False)", "no", show=False),
        Binding("H", "app.do('halt')", "halt", show=False),
    ]
    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background; }
    Dialog > #box { width: 76; max-width: 100%; height: auto; max-height: 100%;
                    border: heavy $accent; padding: 0 1; background: $background; }
    Dialog #title { text-style: bold; }
    Dialog #buttons { height: 1; margin-top: 1; }
    Dialog Button { height: 1; min-width: 9; border: none; margin-right: 2; background: $panel;
                    color: $foreground; text-style: none; }
    Dialog Button:focus { background: $cursor; color: $cursor-text; text-style: bold reverse; }
    Dialog Input { border: none; height: 1; background: $panel; padding: 0; margin-top: 1; }
    """

    def __init__(self, title: str, body: str) -> None:
        super().__init__()
        self._title = title
        self._body = body

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            # Texts hold addresses and reasons from elsewhere: never markup.
            yield Static(self._title, id="title", markup=False)
            yield Static(self._body, id="body", markup=False)
            yield from self.controls()

    def controls(self) -> ComposeResult:
        """Yield what the answer is given with."""
        yield from ()

    def action_answer(self, yes: bool) -> None:  # noqa: FBT001 - actions have positions only
        """Close with an answer."""
        self.dismiss(yes)


class Confirm(Dialog):
    """Yes or No, with the focus on No: Tab, then Enter is Yes."""

    AUTO_FOCUS = "#no"

    def controls(self) -> ComposeResult:
        with Horizontal(id="buttons"):
            yield Button("No", id="no")
            yield Button("Yes", id="yes")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class Typed(Dialog):
    """A word must be typed; anything else is No."""

    AUTO_FOCUS = "Input"

    def __init__(self, title: str, body: str, word: str) -> None:
        super().__init__(title, f"{body}\n\nType {word} and press Enter; Esc leaves.")
        self._word = word

    def controls(self) -> ComposeResult:
        word = Input(placeholder=self._word)
        word.cursor_blink = False
        yield word

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() == self._word)


class Halt(Dialog):
    """The kill switch: either of its keys, once more (the program answers it)."""

    DEFAULT_CSS = """
    Halt > #box { border: heavy $error; }
    """


class Help(Dialog):
    """The keys and commands of one view, made from the registry."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,question_mark,enter", "answer(False)", "close", show=False),
        Binding("down,j", "scroll(1)", "down", show=False),
        Binding("up,k", "scroll(-1)", "up", show=False),
        Binding("pagedown,space", "scroll(10)", "page down", show=False),
        Binding("pageup", "scroll(-10)", "page up", show=False),
    ]
    DEFAULT_CSS = """
    Help #scroll { height: auto; max-height: 1fr; }
    """

    def __init__(self, view: str) -> None:
        super().__init__(f"Keys of {view} (Esc closes)", help_text(view))

    def compose(self) -> ComposeResult:
        with Vertical(id="box"):
            yield Static(self._title, id="title", markup=False)
            with VerticalScroll(id="scroll", can_focus=False):
                yield Static(self._body, id="body", markup=False)

    def action_scroll(self, by: int) -> None:
        """Scroll by so many lines."""
        self.query_one("#scroll").scroll_relative(y=by, animate=False)


def help_text(view: str) -> str:
    """Return the help of one view: a line per action."""
    lines: list[str] = []
    for action in for_view(view):
        keys = " ".join(key_label(key) for key in action.keys)
        if not keys:
            keys = f":{action.commands[0]}"
        named = ", ".join(f":{command}" for command in action.commands) if action.keys else ""
        argument = f" {action.argument}" if action.argument else ""
        note = f"  ({named}{argument})" if named else argument
        mark = {Grade.LOOK: " ", Grade.CONFIRM: "*", Grade.TYPED: "!", Grade.HALT: "!"}
        lines.append(f"{keys.ljust(_HELP_KEYS_WIDTH)}{mark[action.grade]} {action.help}{note}")
    lines += [
        "",
        "* asks first, needs :rw   ! far-reaching",
        "The screen starts read-only; :rw allows acts for ten minutes.",
        "The kill switch needs no :rw and works from everywhere: H H, or Ctrl+x twice.",
    ]
    return "\n".join(lines)
