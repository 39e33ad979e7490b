"""`bot tui`, where click asks for it; the command line itself calls `bot.attach` at once."""

import click

from bot.shared import finish


@click.command("tui", add_help_option=False, context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def command(options: tuple[str, ...]) -> None:
    """Watch and steer the running bot on a screen."""
    from bot.attach import attach

    try:
        finish(attach(options))
    except SystemExit as end:
        # argparse has said what is to be said.
        finish(end.code if isinstance(end.code, int) else 0)
