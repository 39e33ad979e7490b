"""`bot apply`."""

from pathlib import Path

import click

from bot.errors import ERROR, TIMED_OUT, FailedError, NotRunningError, VerbError
from bot.shared import (
    data_dir_option,
    finish,
    folder_of,
    json_option,
    new_request_id,
    print_rows,
    seconds_option,
)
from messages.control import Answer, Apply, Outcome, Status
from messages.views import ChangeView


@click.command("apply")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--config", "config_name", metavar="FILE", help="Of a bot that is stopped.")
@data_dir_option
@seconds_option(20)
@json_option
def command(
    config_name: str | None, data_dir: str | None, wait_s: float, *, dry_run: bool, as_json: bool
) -> None:
    r"""Take over what was changed in bot.toml.

    The bot reads the file again that it was started with. Limits, defaults, the log's level, and
    the users, vaults and sleeves of [first_run] are compared with what runs. Sleeves and vaults
    come, change and go while the bot runs. Users and accounts at a venue that come or go are stored
    and take effect at the next start; so does everything if the bot is stopped: then name the file
    with --config if `bot start` is given one. All is audited.

    What still has money, a position or an open order is not removed: then nothing is applied, and
    it is said what to do first. Exit code 1 then.

    \b
    Example:
      bot apply --dry-run
      bot apply

    \b
    JSON: a list of objects with subject, change (added, changed, removed), detail, takes_effect
    (now, next start, refused).
    Exit codes: 0 done and durable, 1 refused or failed, 4 configuration, 5 no bot ever ran on the
    folder, 6 not in time, 7 the bot is just starting, 8 data refused.
    """
    folder = folder_of(data_dir)
    answer = _answer(folder, config_name, wait_s, dry_run=dry_run)
    changes = [row for row in answer.rows if isinstance(row, ChangeView)]
    is_done = answer.outcome is Outcome.OK
    if as_json:
        print_rows(changes)
    else:
        for row in changes:
            click.echo(f"{row.takes_effect:<10}  {row.subject}: {row.change} {row.detail}".rstrip())
    if not as_json or not is_done:
        click.echo(answer.text or answer.outcome.value, err=not is_done)
    if not is_done:
        finish(TIMED_OUT if answer.outcome is Outcome.UNKNOWN else ERROR)


def _answer(folder: Path, config_name: str | None, wait_s: float, *, dry_run: bool) -> Answer:
    from bot.client import ask
    from bot.config import DATABASE_NAME

    request = Apply(request_id=new_request_id(), timeout_ms=int(wait_s * 1_000), dry_run=dry_run)
    try:
        if config_name is None:
            return ask(folder, request, "verb apply")
        ask(folder, Status(request_id=new_request_id()), "verb apply")
    except NotRunningError:
        if not (folder / DATABASE_NAME).exists():
            raise
        return _of_a_stopped_bot(folder, config_name, dry_run=dry_run)
    raise VerbError("the bot runs, and reads the file that it was started with: leave --config out")


def _of_a_stopped_bot(folder: Path, config_name: str | None, *, dry_run: bool) -> Answer:
    from bot.applying_stopped import apply_stopped
    from bot.config import ConfigError, config_file, load
    from bot.environment import Environment

    environment = Environment()
    try:
        config = load(config_file(environment, config_name), environment)
    except ConfigError as error:
        raise FailedError(error) from error
    return apply_stopped(folder, config, dry_run=dry_run)
