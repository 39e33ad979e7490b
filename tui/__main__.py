"""`python -m tui SOCKET`: the terminal UI without the rest of Canopy; `bot tui` starts it too."""

import argparse
import gc
import os
import sys
from pathlib import Path

from tui.choices import THEMES, VIEWS

NO_TERMINAL = 1


def add_options(parser: argparse._ActionsContainer) -> None:
    """Add the options of the terminal UI to a parser, or to a group of one."""
    parser.add_argument("--read-only", action="store_true", help="refuse every act")
    parser.add_argument("--basic", action="store_true", help="16 colours, ASCII, no side panes")
    parser.add_argument("--theme", choices=THEMES, default="dark", help="colours (default: dark)")
    parser.add_argument(
        "--view", choices=VIEWS, default="tree", help="what to show first (default: tree)"
    )
    parser.add_argument(
        "--screenshot",
        type=Path,
        metavar="FILE",
        help="save the screen as SVG and exit; needs no terminal",
    )


def start(socket: Path, options: argparse.Namespace, *, start_with: str = "bot start") -> int:
    """Run the terminal UI; return the exit code."""
    if options.screenshot is None and not (os.isatty(0) and os.isatty(1)):
        sys.stderr.write(
            "Error: bot tui needs a terminal: use `bot status`, or --screenshot FILE\n"
        )
        return NO_TERMINAL
    # What is imported here stays: collecting garbage meanwhile only delays the first screen.
    gc.disable()
    from tui.app import main  # noqa: PLC0415 - help needs none of it

    return main(
        socket,
        read_only=options.read_only,
        basic=options.basic,
        theme=options.theme,
        view=options.view,
        screenshot=options.screenshot,
        start_with=start_with,
    )


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tui", description=__doc__)
    parser.add_argument("socket", type=Path, help="the daemon's control socket")
    add_options(parser)
    options = parser.parse_args()
    return start(options.socket, options)


if __name__ == "__main__":
    sys.exit(_main())
