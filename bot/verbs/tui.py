"""`bot tui`."""

import os
import sys
from typing import NoReturn

import click

from bot.config import Environment, pointer_path, socket_path
from bot.shared import data_dir_option, folder_of

THEMES_HELP = "dark, light, contrast, ansi-dark or ansi-light."


@click.command("tui", context_settings={"ignore_unknown_options": True})
@data_dir_option
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(data_dir: str | None, options: tuple[str, ...]) -> NoReturn:
    r"""Watch and steer the running bot on a screen: tree, vaults, orders, fills, log.

    It is a program of its own: closing it, or losing the connection over SSH, changes nothing for
    the bot. It waits for a bot that does not run yet. OPTIONS are its own: --read-only, --basic,
    --theme, --view; see `bot tui -- --help`. Inside it, ? shows the keys.

    \b
    Example:
      bot tui
      bot tui --read-only --view orders

    \b
    Exit codes: 0 closed by you, 1 the terminal is not one.
    """
    folder = folder_of(data_dir)
    try:
        socket = pointer_path(folder).read_text().strip()
    except OSError:
        socket = str(socket_path(Environment(), folder))
    arguments = [sys.executable, "-m", "tui", socket, *options]
    os.execv(sys.executable, arguments)  # noqa: S606 - our own interpreter and our own program
