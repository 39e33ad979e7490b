"""`bot apply`."""

import click

from bot.errors import ERROR, TIMED_OUT
from bot.shared import (
    data_dir_option,
    finish,
    folder_of,
    json_option,
    new_request_id,
    print_rows,
    seconds_option,
)
from messages.control import Apply, Outcome
from messages.views import ChangeView


@click.command("apply")
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@data_dir_option
@seconds_option(20)
@json_option
def command(data_dir: str | None, wait_s: float, *, dry_run: bool, as_json: bool) -> None:
    r"""Take over what was changed in bot.toml since the bot runs.

    The bot reads the file again that it was started with. Limits, defaults, the log's level, and
    the users, vaults and sleeves of [first_run] are compared with what runs. Sleeves and vaults
    come, change and go while the bot runs; where an account at a venue comes or goes, what was
    stored takes effect at the next start. All is audited.

    What still has money, a position or an open order is not removed: then nothing is applied, and
    it is said what to do first. Exit code 1 then.

    \b
    Example:
      bot apply --dry-run
      bot apply

    \b
    JSON: a list of objects with subject, change (added, changed, removed), detail, takes_effect
    (now, next start, refused).
    Exit codes: 0 done and durable, 1 refused or failed, 5 not running, 6 not in time.
    """
    from bot.client import ask

    request = Apply(request_id=new_request_id(), timeout_ms=int(wait_s * 1_000), dry_run=dry_run)
    answer = ask(folder_of(data_dir), request, "verb apply")
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
