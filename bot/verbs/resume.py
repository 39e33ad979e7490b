"""`bot resume`."""

import click

from bot.shared import act, data_dir_option, finish, json_option, new_request_id, seconds_option
from messages.control import Resume


@click.command("resume")
@click.argument("address", required=False)
@data_dir_option
@seconds_option(10)
@json_option
def command(address: str | None, data_dir: str | None, wait_s: float, *, as_json: bool) -> None:
    r"""Trade again: the sleeves at or below ADDRESS, or all of them.

    \b
    Example:
      bot resume
      bot resume /users/alice/vaults/kraken-sim-usdt/sleeves/flash

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 done and durable, 1 no such sleeve, 5 not running, 6 not confirmed in time.
    """
    request = Resume(request_id=new_request_id(), timeout_ms=int(wait_s * 1_000), address=address)
    finish(act(data_dir, request, "resume", as_json=as_json))
