"""`bot tradeable`."""

import click

from bot.confirm import amount_argument, confirm, yes_option
from bot.shared import (
    act,
    data_dir_option,
    finish,
    json_option,
    new_request_id,
    seconds_option,
)
from messages.control import SetTradeable


@click.command("tradeable")
@click.argument("vault_address")
@amount_argument
@yes_option
@data_dir_option
@seconds_option(10)
@json_option
def command(
    vault_address: str,
    amount: str,
    data_dir: str | None,
    wait_s: float,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    r"""Set the pool of the vault at VAULT_ADDRESS: AMOUNT of its asset, allocations included.

    Tradeable Coins are the pool less what is allocated to sleeves, as far as money outside the
    reserve is there. With 0 the sleeves idle; what they hold is untouched.

    \b
    Example:
      bot tradeable /users/alice/vaults/kraken-sim-usdt 6000

    \b
    JSON: an object with outcome and text, which names the pool before and after.
    Exit codes: 0 done and durable, 1 refused or not confirmed, 5 not running, 6 not in time.
    """
    confirm(f"The pool of {vault_address} becomes {amount}.", "yes", yes=yes)
    request = SetTradeable(
        request_id=new_request_id(),
        timeout_ms=int(wait_s * 1_000),
        address=vault_address,
        amount=amount,
    )
    finish(act(data_dir, request, "tradeable", as_json=as_json))
