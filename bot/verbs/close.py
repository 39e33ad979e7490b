"""`bot close`."""

import click

from bot.confirm import confirm, yes_option
from bot.shared import act, data_dir_option, finish, json_option, new_request_id, seconds_option
from messages.control import Close

ALL = "close all"


@click.command("close")
@click.argument("address", required=False)
@yes_option
@data_dir_option
@seconds_option(10)
@json_option
def command(
    address: str | None, data_dir: str | None, wait_s: float, *, yes: bool, as_json: bool
) -> None:
    r"""Close now: the sleeves at or below ADDRESS, or all of them.

    Their orders are cancelled, what they hold is sold at the market, then they are paused until
    `bot resume`. It works while the kill switch is engaged. You type the last part of ADDRESS (or
    'close all') to confirm. `bot pause` waits for the planned exit instead.

    \b
    Example:
      bot close /users/alice/vaults/kraken-sim-usdt/sleeves/flash
      bot close --yes

    \b
    JSON: an object with outcome and text.
    Exit codes: 0 every sleeve has begun (`bot vaults` shows when it is paused), 1 no such sleeve or
    not confirmed, 5 not running, 6 not confirmed by the bot in time.
    """
    where = address or "everywhere"
    word = address.rstrip("/").rsplit("/", 1)[-1] if address else ALL
    what = f"Close {where}: orders are cancelled, positions sold at the market, sleeves paused."
    confirm(what, word or ALL, yes=yes)
    request = Close(request_id=new_request_id(), timeout_ms=int(wait_s * 1_000), address=address)
    finish(act(data_dir, request, "close", as_json=as_json))
