"""The console script `bot`: the terminal UI at once, every other verb by way of `bot.cli`."""

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command and exit with its code."""
    if sys.argv[1:2] == ["tui"]:
        # A person waits for the first screen: it needs no command line parser for twenty verbs.
        from bot.attach import attach

        sys.exit(attach(sys.argv[2:]))
    from bot.cli import run

    sys.exit(run())


if __name__ == "__main__":
    main()
