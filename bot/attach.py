"""`bot tui`: finds the socket of the bot, then becomes the terminal UI.

A person waits for the first screen, so this imports neither click nor trio nor, if `--data-dir` is
given, the configuration.
"""

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path

from bot.environment import Environment, pointer_path, socket_path

DESCRIPTION = """\
  Watch and steer the running bot on a screen: tree, vaults, orders, fills, log.

  It is a program of its own: closing it, or losing the connection over SSH, changes nothing for
  the bot. It waits for a bot that does not run yet. Inside it, ? shows the keys; nothing can be
  changed before :rw was typed."""

EPILOG = """\
Example:
  bot tui
  bot tui --view orders --theme ansi
  bot tui --view vaults --screenshot vaults.svg

Exit codes: 0 closed by you, 1 the terminal is not one, 2 wrong usage, 4 wrong configuration;
with --screenshot: 0 saved, 5 not running, 6 the data did not come in time."""


class _Help(argparse.RawDescriptionHelpFormatter):
    """Begins as the help of the other verbs does."""

    def add_usage(
        self,
        usage: str | None,
        actions: Iterable[argparse.Action],
        groups: Iterable[argparse._MutuallyExclusiveGroup],
        prefix: str | None = None,
    ) -> None:
        super().add_usage(usage, actions, groups, prefix or "Usage: ")


def attach(arguments: Sequence[str]) -> int:
    """Run the terminal UI with the arguments behind `bot tui`; return the exit code."""
    from tui.__main__ import add_options, start

    parser = argparse.ArgumentParser(
        prog="bot tui",
        usage="bot tui [OPTIONS]",
        add_help=False,
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=_Help,
    )
    group = parser.add_argument_group("Options")
    group.add_argument("-h", "--help", action="help", help="show this and exit")
    group.add_argument(
        "--data-dir", metavar="DIR", help="the bot's data folder; default: as in bot.toml"
    )
    add_options(group)
    options = parser.parse_args(arguments)
    folder = _folder(options.data_dir, parser)
    hint = "bot start" if not options.data_dir else f"bot start --data-dir {folder}"
    return start(_socket(folder), options, start_with=hint)


def _folder(data_dir: str | None, parser: argparse.ArgumentParser) -> Path:
    environment = Environment()
    if data_dir:
        return environment.expand(data_dir)
    from bot.config import ConfigError, data_folder

    try:
        return data_folder(environment, None)
    except ConfigError as error:
        parser.exit(error.exit_code, f"Error: {error}\n")


def _socket(folder: Path) -> Path:
    try:
        return Path(pointer_path(folder).read_text().strip())
    except OSError:
        # No bot runs yet: it will listen there.
        return socket_path(Environment(), folder)
