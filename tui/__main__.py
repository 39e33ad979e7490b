"""`python -m tui SOCKET`: what `bot tui` executes as a process of its own."""

import argparse
import sys
from pathlib import Path

from tui import themes
from tui.app import VIEWS, main


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bot tui", description="Watch and steer a running bot.")
    parser.add_argument("socket", type=Path, help="the daemon's control socket")
    parser.add_argument("--read-only", action="store_true", help="refuse every act")
    parser.add_argument("--basic", action="store_true", help="16 colours, ASCII, no side panes")
    parser.add_argument("--theme", choices=themes.THEMES, default="dark")
    parser.add_argument("--view", choices=VIEWS, default="tree", help="what to show first")
    parser.add_argument("--screenshot", type=Path, help="save the screen as SVG and exit")
    return parser.parse_args()


if __name__ == "__main__":
    options = _arguments()
    sys.exit(
        main(
            options.socket,
            read_only=options.read_only,
            basic=options.basic,
            theme=options.theme,
            view=options.view,
            screenshot=options.screenshot,
        )
    )
