"""Everything a person can do, in one table: keys, help, command names and how dangerous it is.

Lower-case keys look, capital letters change something. Bindings, the help screen, the key line and
the command line are all made from `ACTIONS`.
"""

import difflib
from dataclasses import dataclass
from enum import Enum


class Grade(Enum):
    """How much it takes to do it."""

    LOOK = "look"
    """Changes nothing but the screen."""
    CONFIRM = "confirm"
    """Reversible: armed with `:rw`, and a dialog that has its focus on No."""
    TYPED = "typed"
    """Far-reaching: armed with `:rw`, and a word to type."""
    HALT = "halt"
    """The kill switch: no arming, from everywhere, the same key twice."""


@dataclass(frozen=True)
class Action:
    """One thing that can be done."""

    name: str
    keys: tuple[str, ...]
    help: str
    grade: Grade = Grade.LOOK
    views: tuple[str, ...] = ()
    """Where it makes sense; empty for everywhere."""
    commands: tuple[str, ...] = ()
    """What it is called on the `:` line."""
    label: str = ""
    """One word for the key line; empty to leave it out there."""
    argument: str = ""
    """What the command takes, for its help."""
    in_past: bool | None = None
    """Whether the key line names it in the past only, or in the present only."""


_SLEEVES = ("tree", "vaults")

ACTIONS: tuple[Action, ...] = (
    Action("tree", ("1",), "supervision tree", commands=("tree", "actors"), label="tree"),
    Action("vaults", ("2",), "vaults and sleeves", commands=("vaults", "sleeves"), label="vaults"),
    Action("orders", ("3",), "orders, newest first", commands=("orders",), label="orders"),
    Action("fills", ("4",), "fills, newest first", commands=("fills",), label="fills"),
    Action("log", ("5",), "log, newest last", commands=("log",), label="log"),
    Action("up", ("up", "k"), "up one line"),
    Action("down", ("down", "j"), "down one line"),
    Action("page_up", ("pageup", "ctrl+b"), "up one page"),
    Action("page_down", ("pagedown", "ctrl+f"), "down one page"),
    Action("first", ("home", "g"), "to the first line"),
    Action("last", ("end", "G"), "to the last line; in the log: follow it"),
    Action("open", ("enter",), "open: the orders of a sleeve, the fills of an order, a log"),
    Action("back", ("escape",), "back; first closes the bottom line, then clears the filter"),
    Action("fold", ("space",), "fold or unfold this part of the tree", views=("tree",)),
    Action("log_of", ("l",), "the log of this line's actor"),
    Action("state", ("s",), "show or hide the state of this actor", views=("tree",)),
    Action("filter", ("slash",), "filter: words that must occur, !word must not", label="find"),
    Action("command", ("colon",), "command line", label="cmd"),
    Action("freeze", ("p",), "pause or resume painting; data still flows"),
    Action("refresh", ("r",), "ask for this view again", commands=("refresh",)),
    Action("yank", ("y",), "copy this line's id or address"),
    Action("redraw", ("ctrl+l",), "draw the whole screen again"),
    Action("help", ("question_mark",), "keys of this view", commands=("help",), label="help"),
    Action("theme", ("t",), "next theme", commands=("theme",), argument="[name]"),
    Action(
        "past", ("b",), "back in time: to the last recorded change, or to a time",
        commands=("past",), label="back", argument="[TIME]", in_past=False,
    ),
    Action("now", ("n",), "leave the past", commands=("now",), label="now", in_past=True),
    Action(
        "step_back", ("left_square_bracket",), "to the recorded change before", label="step",
        in_past=True,
    ),
    Action(
        "step_on", ("right_square_bracket",), "in the past: to the recorded change after",
        label="step", in_past=True,
    ),
    Action("minute_back", ("comma",), "a minute back in time", label="-1m", in_past=True),
    Action("minute_on", ("full_stop",), "in the past: a minute on", label="+1m", in_past=True),
    Action("play", ("v",), "in the past: play, or stop", label="play", in_past=True),
    Action("speed", ("x",), "in the past: the film's next speed", label="speed", in_past=True),
    Action("arm", (), "allow acts for ten minutes", commands=("rw",)),
    Action("disarm", (), "read-only again", commands=("ro",)),
    Action(
        "halt", ("H", "ctrl+x"), "kill switch: stop all new orders everywhere (press it twice)",
        Grade.HALT, (), ("halt", "kill"), "HALT",
    ),
    Action(
        "pause", ("P",), "pause this sleeve: no entries, its position exits as planned",
        Grade.CONFIRM, _SLEEVES, ("pause",), "pause", "[address]",
    ),
    Action(
        "resume", ("R",), "resume this sleeve", Grade.CONFIRM, _SLEEVES, ("resume",), "resume",
        "[address]",
    ),
    Action(
        "close", ("C",), "close this sleeve now: cancel its orders, sell its position, pause it",
        Grade.TYPED, _SLEEVES, ("close",), "", "[address]",
    ),
    Action(
        "suspend", ("S",), "suspend this actor: what comes in waits", Grade.CONFIRM, ("tree",),
        ("suspend",), "", "[address]",
    ),
    Action(
        "unsuspend", ("U",), "have this suspended actor go on", Grade.CONFIRM, ("tree",),
        ("unsuspend",), "", "[address]",
    ),
    Action(
        "restart", ("T",), "stop what stands here in order and start it again", Grade.CONFIRM,
        ("tree",), ("restart",), "", "[address]",
    ),
    Action("release", (), "release the kill switch", Grade.TYPED, (), ("release",)),
    Action("stop", (), "stop the bot itself, in order", Grade.TYPED, (), ("stop",)),
    Action("screenshot", (), "save the screen as SVG", commands=("screenshot",), argument="FILE"),
    Action("quit", ("q", "ctrl+c"), "detach; the bot goes on", commands=("quit",), label="quit"),
)  # fmt: skip

BY_NAME = {action.name: action for action in ACTIONS}
BY_COMMAND = {command: action for action in ACTIONS for command in action.commands}
COMMANDS = tuple(sorted(BY_COMMAND))

assert len(BY_NAME) == len(ACTIONS), "two actions have one name"
assert ACTIONS[-1].name == "quit", "the key line keeps room for the last one"
assert sum(len(action.commands) for action in ACTIONS) == len(BY_COMMAND), "two commands are equal"
assert len({key for action in ACTIONS for key in action.keys}) == sum(
    len(action.keys) for action in ACTIONS
), "a key means two things"


def for_view(view: str) -> list[Action]:
    """Return the actions that make sense in `view`."""
    return [action for action in ACTIONS if not action.views or view in action.views]


def parse(text: str) -> tuple[Action, str]:
    """Return the action and the argument that a command line asks for.

    A unique beginning of a command is enough. Raises `ValueError` with a text for the person.
    """
    word, _, rest = text.strip().partition(" ")
    found = BY_COMMAND.get(word)
    if found is None:
        starts = {BY_COMMAND[command].name for command in COMMANDS if command.startswith(word)}
        if word and len(starts) == 1:
            found = BY_NAME[starts.pop()]
    if found is None:
        near = difflib.get_close_matches(word, COMMANDS, n=1)
        hint = f"did you mean :{near[0]}?" if near else f"try one of {', '.join(COMMANDS)}"
        raise ValueError(f"there is no command :{word}; {hint}")
    return found, rest.strip()


def key_label(key: str) -> str:
    """Return a key as people call it."""
    named = {
        "slash": "/", "colon": ":", "question_mark": "?", "escape": "Esc", "enter": "Enter",
        "space": "Space", "pageup": "PgUp", "pagedown": "PgDn", "home": "Home", "end": "End",
        "up": "↑", "down": "↓", "left_square_bracket": "[", "right_square_bracket": "]",
        "comma": ",", "full_stop": ".",
    }  # fmt: skip
    return named.get(key, key.replace("ctrl+", "Ctrl+"))
