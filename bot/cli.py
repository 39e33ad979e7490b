"""The command `bot`: finds the verb and runs it. Each verb is a module of `bot/verbs`.

Nothing is imported here but what `--help` needs; a verb imports the rest when it runs.
"""

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

# In the order of a day's work.
VERBS: dict[str, str] = {
    "start": "bot.verbs.start",
    "stop": "bot.verbs.stop",
    "status": "bot.verbs.status",
    "tui": "bot.verbs.tui",
    "tree": "bot.verbs.tree",
    "vaults": "bot.verbs.vaults",
    "orders": "bot.verbs.orders",
    "fills": "bot.verbs.fills",
    "ledger": "bot.verbs.ledger",
    "log": "bot.verbs.log",
    "pause": "bot.verbs.pause",
    "resume": "bot.verbs.resume",
    "kill-switch": "bot.verbs.kill_switch",
    "actor": "bot.verbs.actor",
    "doctor": "bot.verbs.doctor",
    "backup": "bot.verbs.backup",
    "restore": "bot.verbs.restore",
    "replay": "bot.verbs.replay",
    "venue": "bot.verbs.venue",
    "bench": "bot.verbs.bench",
    "version": "bot.verbs.version",
}

EPILOG = """\b
Exit codes of every verb:
  0  ok                          6  timed out
  1  error                       7  another process holds the data folder
  2  wrong usage                 8  data refused (newer, damaged, clock behind)
  3  a replay diverged           9  store lost or disk full
  4  wrong configuration        70  an invariant broke: please report it
  5  the bot is not running

`bot VERB --help` shows what a verb does, with an example. Every verb that shows something
prints one JSON document with --json."""


class Verbs(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of a day's work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, imported now."""
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(VERBS[cmd_name]).command
        assert isinstance(command, click.Command), f"{cmd_name} is a command"
        return command


@click.group(
    cls=Verbs,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
def bot() -> None:
    """Canopy, a crypto trading bot.

    `bot start` runs it with the shipped configuration: an exchange in a box, no keys, no internet.
    `bot status` and `bot tui` then show, from another terminal, what it does.
    """


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; errors are said on standard error."""
    try:
        ended = bot.main(args=arguments, prog_name="bot", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        click.echo("stopped", err=True)
        return 1
    except BrokenPipeError:
        # The reader of our output, a pager perhaps, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return ended if isinstance(ended, int) else 0


def main() -> NoReturn:
    """Run the command; the console script `bot`."""
    sys.exit(run())


if __name__ == "__main__":
    main()
