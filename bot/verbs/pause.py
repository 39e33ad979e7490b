"""`bot pause`."""

import click

from bot.shared import act, data_dir_option, finish, json_option, new_request_id, seconds_option
from messages.control import Pause


@click.command("pause")
@click.argument("address", required=False)
@data_dir_option
@seconds_option(10)
@json_option
def command(address: str | None, data_dir: str | None, wait_s: float, *, as_json: bool) -> None:
    r"""Stop entering: the sleeves at or below ADDRESS, or all of them.

    Open positions are exited as planned; then the sleeve is paused, until `bot resume`. A pause
    survives restarts. To stop every order at once there is `bot kill-switch`.

    \b
    Example:
      bot pause
      bot pause /users/alice/vaults/kraken-sim-usdt/sleeves/flash

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 done and durable, 1 no such sleeve, 5 not running, 6 not confirmed in time.
    """
    request = Pause(request_id=new_request_id(), timeout_ms=int(wait_s * 1_000), address=address)
    finish(act(data_dir, request, "pause", as_json=as_json))
