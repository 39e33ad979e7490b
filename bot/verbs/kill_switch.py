"""`bot kill-switch engage|release`."""

import click

from bot.shared import act, data_dir_option, finish, json_option, new_request_id, seconds_option
from messages.control import KillSwitch, SwitchAction

reason_option = click.option(
    "--reason", required=True, metavar="TEXT", help="Why: it is recorded, and shown to everyone."
)


@click.group("kill-switch")
def command() -> None:
    """Stop all new orders everywhere, or allow them again.

    It survives restarts. While it is engaged nothing leaves the bot but cancels and reductions.

    With CANOPY_KILL_SWITCH=1 in its environment the bot starts with the switch engaged, before
    anything can leave; `release` ends that, until the next start with the variable set.
    """


@command.command("engage")
@reason_option
@data_dir_option
@seconds_option(30)
@json_option
def engage(reason: str, data_dir: str | None, wait_s: float, *, as_json: bool) -> None:
    r"""Stop all new orders everywhere, now.

    Exit code 0 means: it is durable, and every line to a venue has confirmed that it sends nothing
    but cancels and reductions.

    \b
    Example:
      bot kill-switch engage --reason 'the venue behaves strangely'

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 confirmed by all, 1 refused, 5 not running, 6 not confirmed by all in time.
    """
    _set(SwitchAction.ENGAGE, reason, data_dir, wait_s, as_json=as_json)


@command.command("release")
@reason_option
@data_dir_option
@seconds_option(30)
@json_option
def release(reason: str, data_dir: str | None, wait_s: float, *, as_json: bool) -> None:
    r"""Allow orders again.

    \b
    Example:
      bot kill-switch release --reason 'the venue is back'

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 done, 1 refused, 5 not running, 6 not confirmed in time.
    """
    _set(SwitchAction.RELEASE, reason, data_dir, wait_s, as_json=as_json)


def _set(
    action: SwitchAction, reason: str, data_dir: str | None, wait_s: float, *, as_json: bool
) -> None:
    request = KillSwitch(
        request_id=new_request_id(),
        timeout_ms=int(wait_s * 1_000),
        action=action,
        reason=reason,
    )
    finish(act(data_dir, request, "kill-switch", as_json=as_json))
