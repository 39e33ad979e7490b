"""The command `bot`: finds the verb and runs it. Each verb is a module of `bot/verbs`.

Nothing is imported here but what `--help` needs; a verb is imported when it is asked for.
"""

import importlib
import os
import sys
from collections.abc import Sequence

import click

# In the order of a day's work: what each does in one line, so that the list imports none of them.
VERBS: dict[str, tuple[str, str]] = {
    "start": ("bot.verbs.start", "Run the bot, in the foreground."),
    "stop": ("bot.verbs.stop", "Stop the bot in good order, and wait until it has."),
    "status": ("bot.verbs.status", "Show how the bot is: state, uptime, orders, profit."),
    "tui": ("bot.verbs.tui", "Watch and steer the running bot on a screen."),
    "tree": ("bot.verbs.tree", "Show the supervision tree."),
    "vaults": ("bot.verbs.vaults", "Show every vault and its sleeves."),
    "orders": ("bot.verbs.orders", "Show orders, newest first."),
    "fills": ("bot.verbs.fills", "Show executions, newest first."),
    "feeds": ("bot.verbs.feeds", "Show how market data stands: trust, age, latency, clocks."),
    "funding": ("bot.verbs.funding", "Show what holding perpetuals costs."),
    "arbitrage": ("bot.verbs.arbitrage", "Show pairs that two venues price differently, net."),
    "ledger": ("bot.verbs.ledger", "Look into the books, check them, compare with the venue's."),
    "log": ("bot.verbs.log", "Show the log, or follow it."),
    "apply": ("bot.verbs.apply", "Take over what was changed in bot.toml."),
    "vault": ("bot.verbs.vault", "Look whether a vault could trade."),
    "allocate": ("bot.verbs.allocate", "Set what a sleeve may trade with."),
    "tradeable": ("bot.verbs.tradeable", "Set the pool that a vault's sleeves are allocated from."),
    "pause": ("bot.verbs.pause", "Stop entering: all sleeves, or those at an address."),
    "resume": ("bot.verbs.resume", "Trade again: all sleeves, or those at an address."),
    "close": ("bot.verbs.close", "Cancel orders and sell positions now, of one sleeve or all."),
    "cancel-all": ("bot.verbs.cancel_all", "Cancel every open order."),
    "kill-switch": ("bot.verbs.kill_switch", "Stop all new orders everywhere, or allow them."),
    "actor": ("bot.verbs.actor", "Look into one actor, and act on it."),
    "key": ("bot.verbs.key", "Store the keys of accounts at real venues; list, check, remove."),
    "doctor": ("bot.verbs.doctor", "Examine the installation; say what is wrong and what to do."),
    "backup": ("bot.verbs.backup", "Write a copy of the database; the bot may run meanwhile."),
    "restore": ("bot.verbs.restore", "Make a data folder's database from a backup."),
    "replay": ("bot.verbs.replay", "Run an actor's past again, under a debugger if wanted."),
    "bundle": (
        "bot.verbs.bundle",
        "Write a moment of an actor to a file that replays anywhere.",
    ),
    "capture": ("bot.verbs.capture", "Look at captured market data, and play it again."),
    "venue": ("bot.verbs.venue", "Run an exchange in a box on its own."),
    "sim": ("bot.verbs.sim", "Simulate the whole bot under faults, from a seed."),
    "bench": ("bot.verbs.bench", "Measure this machine with Canopy's own benchmarks."),
    "version": ("bot.verbs.version", "Show the versions of Canopy and what it stands on."),
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
prints one JSON document with --json; if it fails, an object with error and exit_code."""


class Verbs(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the verbs in the order of a day's work."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a verb, imported now."""
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(VERBS[cmd_name][0]).command
        assert isinstance(command, click.Command), f"{cmd_name} is a command"
        _keep_blocks(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the verb that is asked for; of one that does not exist, say what is like it."""
        if args and not args[0].startswith("-") and args[0] not in VERBS:
            import difflib

            near = difflib.get_close_matches(args[0], VERBS, n=1)
            hint = f"did you mean `bot {near[0]}`?" if near else "`bot --help` lists the verbs"
            ctx.fail(f"there is no verb {args[0]}: {hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of verbs, none of them imported."""
        with formatter.section("Verbs"):
            formatter.write_dl([(name, line) for name, (_, line) in VERBS.items()])


def _keep_blocks(command: click.Command) -> None:
    """Have click leave examples as they are written: it looks for a control character.

    In a raw docstring that stands as two characters.
    """
    command.help = (command.help or "").replace("\\b\n", "\b\n")
    if isinstance(command, click.Group):
        for below in command.commands.values():
            _keep_blocks(below)


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


def _print_failure(error: click.ClickException) -> None:
    """Print the one document of a verb that failed: whoever reads JSON gets JSON."""
    import json

    click.echo(json.dumps({"error": error.format_message(), "exit_code": error.exit_code}))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code; errors are said on standard error."""
    try:
        ended = bot.main(args=arguments, prog_name="bot", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        if "--json" in (sys.argv[1:] if arguments is None else arguments):
            _print_failure(error)
        return error.exit_code
    except click.Abort:
        click.echo("stopped", err=True)
        return 1
    except BrokenPipeError:
        # The reader of our output, a pager perhaps, has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return ended if isinstance(ended, int) else 0


if __name__ == "__main__":
    sys.exit(run())
