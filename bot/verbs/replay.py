"""`bot replay`."""

import click

from bot.errors import DIVERGED, OK, USAGE, FailedError, VerbError
from bot.shared import data_dir_option, finish, folder_of, json_option


@click.command("replay")
@click.argument("address")
@click.option("--config", "config_name", metavar="FILE", help="Configuration, as of `bot start`.")
@click.option("--from", "from_seq", type=click.IntRange(1), metavar="SEQ", help="First message.")
@click.option("--to", "to_seq", type=click.IntRange(1), metavar="SEQ", help="Last message.")
@click.option(
    "--break-on", metavar="EXPR",
    help="Stop at the first message for which this Python expression over state, message and seq "
    "is true; state is that before the message.",
)  # fmt: skip
@click.option("--pdb", "with_pdb", is_flag=True, help="Debug the handler at that message.")
@click.option("--quiet", is_flag=True, help="Only say whether it is identical.")
@data_dir_option
@json_option
def command(  # noqa: PLR0913 - one argument per option
    address: str,
    config_name: str | None,
    from_seq: int | None,
    to_seq: int | None,
    break_on: str | None,
    data_dir: str | None,
    *,
    with_pdb: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    r"""Run the past of the actor at ADDRESS again: its own code over its journalled messages.

    For each message it prints the message, what changed in the state, and the effects; and it
    compares the effects' hash chain with the recorded one. It only reads, also beside a running
    bot. Without --from it begins as early as the journal reaches back.

    \b
    Example:
      bot replay /users/alice/vaults/kraken-sim-usdt/ledger --from 100 --to 120
      bot replay /risk --break-on 'message.__class__.__name__ == "KillSwitch"' --pdb

    \b
    JSON: an object with address, first_seq, last_seq, identical, divergence, steps.
    Exit codes: 0 identical, 1 no such actor or retired, 2 usage, 3 diverged, 8 data refused.
    """
    if as_json and with_pdb:
        raise click.UsageError("--pdb is a conversation and --json is one document: choose one")
    from bot.replaying import ReplayError, Wanted, replay
    from state.errors import StateError

    wanted = Wanted(
        address=address,
        from_seq=from_seq,
        to_seq=to_seq,
        break_on=break_on,
        with_pdb=with_pdb,
        quiet=quiet,
        as_json=as_json,
    )
    try:
        is_identical = replay(folder_of(data_dir), wanted, config_name)
    except StateError as error:
        raise FailedError(error) from error
    except SyntaxError as error:
        raise click.UsageError(f"--break-on is no Python expression: {error}") from error
    except ReplayError as error:
        raise VerbError(str(error)) from error
    finish(OK if is_identical else DIVERGED)


assert click.UsageError.exit_code == USAGE, "wrong usage has the exit code that click gives it"
