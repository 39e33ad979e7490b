"""`bot cancel-all`."""

import click

from bot.confirm import confirm, yes_option
from bot.shared import act, data_dir_option, finish, json_option, new_request_id, seconds_option
from messages.control import CancelAll


@click.command("cancel-all")
@yes_option
@data_dir_option
@seconds_option(30)
@json_option
def command(data_dir: str | None, wait_s: float, *, yes: bool, as_json: bool) -> None:
    r"""Cancel every open order of this bot, at all accounts, and wait until each has ended.

    It stops nothing: sleeves may place new orders at once. To prevent that, `bot pause` or
    `bot kill-switch engage` first. Orders at the venue that this bot did not place are left alone.
    You type 'cancel all' to confirm.

    \b
    Example:
      bot cancel-all --yes

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 all that were open have ended, 1 not confirmed, 5 not running, 6 some have not
    ended in time (they are still being cancelled: see `bot orders --open`).
    """
    confirm("Every open order of this bot is cancelled.", "cancel all", yes=yes)
    request = CancelAll(request_id=new_request_id(), timeout_ms=int(wait_s * 1_000))
    finish(act(data_dir, request, "cancel-all", as_json=as_json))
