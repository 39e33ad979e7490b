"""`bot replay`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from bot.errors import DIVERGED, OK, USAGE, FailedError, VerbError
from bot.shared import data_dir_option, finish, folder_of, json_option

if TYPE_CHECKING:
    from bot.replaying import Wanted

HELP = r"""
Run the past of the actor at ADDRESS again: its own code over its journalled messages.

For each message it prints the message, what changed in the state, and the effects; and it
compares the effects' hash chain with the recorded one. It only reads, also beside a running
bot. Without --from it begins as early as the journal reaches back. ADDRESS may be a pattern:
then each actor that matches has one line.

With --pdb the debugger stops in the actor's own handler. Beside its own commands it has `nm`
(into the next message), `back [N]` and `goto SEQ`: the state there is the one of then.

Times are UTC: `2026-07-01T03:12:00Z`, `03:12` (the last time it was that late), `-5m`.

\b
Example:
  bot replay /users/alice/vaults/kraken-sim-usdt/ledger --from 100 --to 120
  bot replay /users/alice/vaults/kraken-sim-usdt/ledger --at 03:12
  bot replay /risk --break-on 'message.__class__.__name__ == "KillSwitch"' --pdb
  bot replay '/users/*' --quiet

\b
JSON: an object with address, first_seq, last_seq, identical, divergence, restores, steps; for a
pattern one with identical and actors, a list of those; for --last-crash one with address,
after_seq, error, message.
Exit codes: 0 identical, 1 no such actor or retired, 2 usage, 3 diverged, 8 data refused.
"""


@click.command("replay", help=HELP)
@click.argument("address", default="")
@click.option("--actor", metavar="PATTERN", help="The same as ADDRESS; `*` stands for anything.")
@click.option("--config", "config_name", metavar="FILE", help="Configuration, as of `bot start`.")
@click.option("--from", "from_seq", type=click.IntRange(1), metavar="SEQ", help="First message.")
@click.option("--to", "to_seq", type=click.IntRange(1), metavar="SEQ", help="Last message.")
@click.option("--at", metavar="TIME", help="From the first message handled at TIME or later.")
@click.option("--last-crash", is_flag=True, help="Run the message that crashed it last again.")
@click.option(
    "--dead-letter", type=click.IntRange(1), metavar="ID",
    help="Show the step in which the dead letter ID was sent; no ADDRESS is needed.",
)  # fmt: skip
@click.option(
    "--break-on", metavar="EXPR",
    help="Stop at the first message for which this Python expression over state, message and seq "
    "is true; state is that before the message.",
)  # fmt: skip
@click.option("--pdb", "with_pdb", is_flag=True, help="Debug the handler at that message.")
@click.option(
    "--code", metavar="PATH",
    help="What if: run the changed copy of the actor's or strategy's file at PATH beside it.",
)  # fmt: skip
@click.option(
    "--param", "parameters", multiple=True, metavar="KEY=VALUE",
    help="What if: another value of a sleeve's parameter; may be repeated.",
)  # fmt: skip
@click.option(
    "--bundle", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Replay what `bot bundle` wrote, without a data folder; no ADDRESS is needed.",
)  # fmt: skip
@click.option("--quiet", is_flag=True, help="Only say whether it is identical.")
@data_dir_option
@json_option
def command(  # noqa: PLR0913 - one argument per option
    address: str,
    actor: str | None,
    at: str | None,
    dead_letter: int | None,
    bundle: Path | None,
    config_name: str | None,
    data_dir: str | None,
    *,
    from_seq: int | None,
    to_seq: int | None,
    break_on: str | None,
    code: str | None,
    parameters: tuple[str, ...],
    last_crash: bool,
    with_pdb: bool,
    quiet: bool,
    as_json: bool,
) -> None:
    """Run the past of an actor again."""
    if as_json and with_pdb:
        raise click.UsageError("--pdb is a conversation and --json is one document: choose one")
    if bool(address) + bool(actor) + (dead_letter is not None) + (bundle is not None) != 1:
        raise click.UsageError("name one ADDRESS (or --actor, --dead-letter ID, --bundle FILE)")
    from bot.replaying import Wanted

    wanted = Wanted(
        address=address or actor or "",
        at_ns=_time_ns(at),
        last_crash=last_crash,
        dead_letter=dead_letter,
        from_seq=from_seq,
        to_seq=to_seq,
        break_on=break_on,
        code=code,
        parameters=_numbers(parameters),
        with_pdb=with_pdb,
        quiet=quiet,
        as_json=as_json,
    )
    finish(OK if _replay(wanted, bundle, data_dir, config_name) else DIVERGED)


def _replay(
    wanted: "Wanted", bundle: Path | None, data_dir: str | None, config_name: str | None
) -> bool:
    from bot.bundle import BundleError
    from bot.bundling import replay_bundle
    from bot.past import PastError
    from bot.replaying import replay
    from state.errors import StateError

    try:
        if bundle is not None:
            return replay_bundle(bundle, wanted)
        return replay(folder_of(data_dir), wanted, config_name)
    except StateError as error:
        raise FailedError(error) from error
    except SyntaxError as error:
        raise click.UsageError(f"--break-on is no Python expression: {error}") from error
    except (BundleError, PastError) as error:
        raise VerbError(str(error)) from error


def _numbers(parameters: tuple[str, ...]) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for text in parameters:
        name, equals, value = text.partition("=")
        try:
            numbers[name.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise click.UsageError(f"--param {text}: write NAME=NUMBER, as in dip_ppm=4000")
    return numbers


def _time_ns(at: str | None) -> int | None:
    from messages.times import TimeTextError, time_ns
    from supervisor.clock import wall_ns

    try:
        return None if at is None else time_ns(at, wall_ns())
    except TimeTextError as error:
        raise click.UsageError(str(error)) from error


assert click.UsageError.exit_code == USAGE, "wrong usage has the exit code that click gives it"
